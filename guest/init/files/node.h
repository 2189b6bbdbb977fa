/* One file of a tree, held by an O_PATH descriptor: nothing of it is opened that could do something when it is, and nobody can put
   another in its place meanwhile. What such a descriptor cannot do goes through /proc/self/fd, which is the working directory. */
#pragma once
#include "wire/record.h"
#include <sys/stat.h>

/* Makes init's own /proc/self/fd the working directory: before the container's root is entered. */
int nodes_prepare (struct error *err);
/* The working directory again, after something has changed it. */
int nodes_return (struct error *err);
/* O_PATH, never through a symlink. Returns -1 with errno. */
int node_open (int at, const char *name, struct stat *status);
/* The same file, opened to be read. Returns -1 with errno. */
int node_reopen (int node);

/* Which attributes are told of. */
enum xattr_choice
{
  XATTR_COMMON,  /* user.*, capabilities, access control lists */
  XATTR_OVERLAY, /* and that a directory of a layer hides the one below it */
};

/* Adds a record's fields for the file, all but its size. `path`: as the record is to have it. */
void node_put (struct writer *fields, int node, const char *path, const struct stat *status, enum xattr_choice choice);
/* The file's `security.capability`; 0 bytes when it has none. */
size_t node_capability (int node, uint8_t *value, size_t size);
/* Gives owner, mode, attributes and times. `with_times`: of a directory they come when it is complete. */
int node_apply (int node, const struct file_record *record, bool with_times, struct error *err);
int node_set_time (int node, uint64_t mtime_ns);
