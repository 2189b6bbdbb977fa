#include "files/links.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define LINKS_BYTES_MAX ((size_t) 16 << 20)
#define FIRST_CAPACITY ((size_t) 256)

struct link
{
  dev_t device;
  ino_t inode;
  char path[];
};

static size_t
slot_of (const struct links *links, dev_t device, ino_t inode)
{
  uint64_t hash = ((uint64_t) inode + (uint64_t) device * 31) * 0x9e3779b97f4a7c15ull;
  size_t slot = (size_t) (hash >> 20) & (links->capacity - 1);
  while (links->slots[slot] && (links->slots[slot]->inode != inode || links->slots[slot]->device != device))
    slot = (slot + 1) & (links->capacity - 1);
  return slot;
}

const char *
links_find (const struct links *links, dev_t device, ino_t inode)
{
  const struct link *link = links->capacity ? links->slots[slot_of (links, device, inode)] : NULL;
  return link ? link->path : NULL;
}

static int
grow (struct links *links)
{
  struct links old = *links;
  links->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
  links->slots = calloc (links->capacity, sizeof *links->slots);
  if (!links->slots)
    {
      *links = old;
      return -1;
    }
  for (size_t i = 0; i < old.capacity; i++)
    if (old.slots[i])
      links->slots[slot_of (links, old.slots[i]->device, old.slots[i]->inode)] = old.slots[i];
  free (old.slots);
  links->bytes += (links->capacity - old.capacity) * sizeof *links->slots;
  return 0;
}

void
links_add (struct links *links, dev_t device, ino_t inode, const char *path)
{
  size_t length = strlen (path) + 1, size = sizeof (struct link) + length;
  if (links->bytes + size > LINKS_BYTES_MAX || (links->count >= links->capacity / 2 && grow (links) < 0))
    return;
  size_t slot = slot_of (links, device, inode);
  struct link *link = links->slots[slot] ? NULL : malloc (size);
  if (!link)
    return;
  link->device = device;
  link->inode = inode;
  memcpy (link->path, path, length);
  links->slots[slot] = link;
  links->count++;
  links->bytes += size;
}

void
links_free (struct links *links)
{
  for (size_t i = 0; i < links->capacity; i++)
    free (links->slots[i]);
  free (links->slots);
  *links = (struct links){ 0 };
}
