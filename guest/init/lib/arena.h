/* Memory that is given back all at once: what one request said. */
#pragma once
#include <stddef.h>

struct arena
{
  struct arena_chunk *last;
  size_t total;
};

/* Zeroed, aligned for any type; NULL when memory or the bound (16 MiB) is used up. */
void *arena_alloc (struct arena *arena, size_t size);
void arena_free (struct arena *arena);
