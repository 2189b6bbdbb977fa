#include "lib/arena.h"
#include <stdlib.h>
#include <string.h>

/* A request is at most 1 MiB, and a field of it becomes at most a few times its length. */
#define ARENA_BYTES_MAX ((size_t) 16 << 20)
#define CHUNK_BYTES 4096

struct arena_chunk
{
  struct arena_chunk *previous;
  size_t used, size;
  max_align_t data[];
};

void *
arena_alloc (struct arena *arena, size_t size)
{
  if (size > ARENA_BYTES_MAX)
    return NULL;
  size = (size + sizeof (max_align_t) - 1) / sizeof (max_align_t) * sizeof (max_align_t);
  struct arena_chunk *chunk = arena->last;
  if (!chunk || chunk->size - chunk->used < size)
    {
      size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
      if (arena->total + room > ARENA_BYTES_MAX)
        return NULL;
      chunk = malloc (sizeof *chunk + room);
      if (!chunk)
        return NULL;
      *chunk = (struct arena_chunk){ .previous = arena->last, .size = room };
      arena->last = chunk;
      arena->total += room;
    }
  void *result = (char *) chunk->data + chunk->used;
  chunk->used += size;
  return memset (result, 0, size);
}

void
arena_free (struct arena *arena)
{
  while (arena->last)
    {
      struct arena_chunk *previous = arena->last->previous;
      free (arena->last);
      arena->last = previous;
    }
  arena->total = 0;
}
