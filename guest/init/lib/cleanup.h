/* Ownership: what is declared with one of these is given back on every way out of the block. To hand it over,
   copy it and set the variable to -1 or NULL. */
#pragma once
#include <stdlib.h>
#include <unistd.h>

static inline void
cleanup_close_ (int *fd)
{
  if (*fd >= 0)
    close (*fd);
}

static inline void
cleanup_free_ (void *pointer)
{
  free (*(void **) pointer);
}

#define cleanup_close __attribute__ ((cleanup (cleanup_close_)))
#define cleanup_free __attribute__ ((cleanup (cleanup_free_)))

/* Closes and forgets; -1 is allowed. */
static inline void
close_and_forget (int *fd)
{
  cleanup_close_ (fd);
  *fd = -1;
}
