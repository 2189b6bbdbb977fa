/* Where a path leads, as text. */
#pragma once
#include "lib/error.h"
#include <limits.h>

/* Writes the absolute path without symlinks that `path` leads to under the caller's own root. What does not exist stays as it is. */
int path_resolve (const char *path, char resolved[PATH_MAX], struct error *err);
