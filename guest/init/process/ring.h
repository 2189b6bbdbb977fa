/* A ring of bytes that grows on demand up to a bound. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct ring
{
  uint8_t *data;
  size_t capacity, head, length; /* the first byte is data[head]; capacity is 0 or a power of two */
};

/* Makes room for at least one more byte, at most up to `max` (a power of two). Returns the free space, at most two
   pieces, or 0 pieces when it is full or memory is short. */
int ring_space (struct ring *ring, size_t max, struct iovec space[2]);
/* `length` bytes were written into the space. */
void ring_commit (struct ring *ring, size_t length);
/* Copies in as much as fits; returns how much. */
size_t ring_write (struct ring *ring, size_t max, const uint8_t *data, size_t length);
/* The bytes from `offset` on, at most two pieces. */
int ring_peek (const struct ring *ring, size_t offset, struct iovec pieces[2]);
/* Copies `length` bytes out from `offset` on, which must be there. */
void ring_copy (const struct ring *ring, size_t offset, uint8_t *to, size_t length);
void ring_drop (struct ring *ring, size_t length);
void ring_free (struct ring *ring);
