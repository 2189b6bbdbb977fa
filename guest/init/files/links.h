/* Files with several names, by the first of them that was met. */
#pragma once
#include <stddef.h>
#include <sys/types.h>

struct link;

/* Zeroed at first. */
struct links
{
  struct link **slots;
  size_t capacity, count, bytes;
};

/* The first name of the file, or NULL when it has not been met. */
const char *links_find (const struct links *links, dev_t device, ino_t inode);
/* Remembers it; beyond 16 MiB of them it does not, and further names become files of their own. */
void links_add (struct links *links, dev_t device, ino_t inode, const char *path);
void links_free (struct links *links);
