/* The directories that a tree is being written into: those on the way to the last record, so that the next is put beside or below it
   without walking there again, and each gets its time when nothing more comes into it. A record somewhere else is found
   by its path.

       root ─ a ─ a/b ─ a/b/c      the record a/d closes the last two, and they get their times
*/
#pragma once
#include "lib/error.h"
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct opened_directory
{
  int fd;
  size_t length; /* of its path */
  uint64_t mtime_ns;
};

struct opened
{
  int root;
  bool root_time_known;
  uint64_t root_mtime_ns;
  char path[PATH_MAX]; /* of the deepest */
  struct opened_directory *directories;
  size_t count, capacity;
  /* A directory that is not on the way, as used last: */
  int other;
  bool other_stale; /* something was taken away since */
  char other_path[PATH_MAX];
};

void opened_begin (struct opened *opened, int root);
/* The directory of the file at `path`, made with those above it when it is missing (mode 0755); `*name`: the file's name in it. The
   descriptor is not the caller's, and is good until the next call. */
int opened_parent (struct opened *opened, const char *path, const char **name, struct error *err);
/* The same for a path beside the tree's order; it has to exist, and the descriptor is the caller's. */
int opened_copy (struct opened *opened, const char *path, const char **name, struct error *err);
/* Takes over `fd`, the directory at `path`. */
int opened_push (struct opened *opened, const char *path, int fd, uint64_t mtime_ns, struct error *err);
/* Nothing more comes into any but the root. */
void opened_close_all (struct opened *opened);
/* Closes all, the root but for its descriptor. */
void opened_end (struct opened *opened);
