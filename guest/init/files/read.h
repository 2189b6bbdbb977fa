/* READ, LAYER and STAT: trees become records. */
#pragma once
#include "files/node.h"
#include "files/sink.h"
#include "wire/request.h"

/* Entries of a layer that init made for its own mounts: not the container's doing. */
struct mount_points
{
  const struct list *files; /* struct file_spec, or NULL for none */
};

/* Is this, at `path` relative to the root, an empty file or directory that only something is mounted on? */
bool is_mount_point (const struct mount_points *points, const char *path, int node, const struct stat *status);

/* The tree at `node`. A directory comes before what is in it; sockets are left out. `points`: NULL for a tree that is no layer. */
int tree_read (int node, const struct mount_points *points, struct sink *sink, struct error *err);
/* One record of the file at `path`, as the container sees it. */
int file_stat (const char *path, struct sink *sink, struct error *err);
