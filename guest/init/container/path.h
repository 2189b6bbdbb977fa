/* Paths in a container's tree, which is hostile: resolved component by component under the caller's own root, which
   must be the container's, so that no symlink leads out; what is missing can be made on the way. */
#pragma once
#include "lib/error.h"
#include <sys/types.h>

enum path_make
{
  PATH_MUST_EXIST,
  PATH_MAKE_DIRECTORY, /* with its parents, mode 0755 */
  PATH_MAKE_FILE,      /* an empty one, with its parents */
};

/* Returns an O_PATH descriptor of what `path` leads to, symlinks followed, also dangling ones. */
int path_open (const char *path, enum path_make make, struct error *err);
