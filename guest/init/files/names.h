/* The names in a directory, sorted by their bytes; those of one too large for that in the order that the file system has. */
#pragma once
#include "lib/error.h"
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

struct names
{
  DIR *directory; /* read as it goes, unsorted; NULL when sorted */
  char *text;
  const char **sorted;
  size_t count, at, bytes;
  size_t *held; /* by all that are open at the same time */
};

/* `fd`: the directory, which stays open. `held`: counts bytes over all levels of a walk, 0 at first. */
int names_open (struct names *names, int fd, size_t *held, struct error *err);
/* NULL at the end. */
const char *names_next (struct names *names);
void names_close (struct names *names);
