#include "process/ring.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES ((size_t) 4096)

static void
ring_grow (struct ring *ring, size_t max)
{
  size_t capacity = ring->capacity ? ring->capacity * 4 : FIRST_BYTES;
  capacity = capacity < max ? capacity : max;
  if (capacity <= ring->capacity)
    return;
  uint8_t *data = malloc (capacity);
  if (!data)
    return;
  ring_copy (ring, 0, data, ring->length);
  free (ring->data);
  *ring = (struct ring){ .data = data, .capacity = capacity, .length = ring->length };
}

int
ring_space (struct ring *ring, size_t max, struct iovec space[2])
{
  if (ring->length == ring->capacity)
    ring_grow (ring, max);
  size_t room = ring->capacity - ring->length;
  if (room == 0)
    return 0;
  size_t tail = (ring->head + ring->length) & (ring->capacity - 1);
  size_t first = ring->capacity - tail < room ? ring->capacity - tail : room;
  space[0] = (struct iovec){ ring->data + tail, first };
  space[1] = (struct iovec){ ring->data, room - first };
  return first < room ? 2 : 1;
}

void
ring_commit (struct ring *ring, size_t length)
{
  ring->length += length;
}

size_t
ring_write (struct ring *ring, size_t max, const uint8_t *data, size_t length)
{
  size_t done = 0;
  struct iovec space[2];
  while (done < length && ring_space (ring, max, space) > 0)
    {
      size_t take = length - done < space[0].iov_len ? length - done : space[0].iov_len;
      memcpy (space[0].iov_base, data + done, take);
      ring_commit (ring, take);
      done += take;
    }
  return done;
}

int
ring_peek (const struct ring *ring, size_t offset, struct iovec pieces[2])
{
  if (offset >= ring->length)
    return 0;
  size_t at = (ring->head + offset) & (ring->capacity - 1);
  size_t length = ring->length - offset;
  size_t first = ring->capacity - at < length ? ring->capacity - at : length;
  pieces[0] = (struct iovec){ ring->data + at, first };
  pieces[1] = (struct iovec){ ring->data, length - first };
  return first < length ? 2 : 1;
}

void
ring_copy (const struct ring *ring, size_t offset, uint8_t *to, size_t length)
{
  struct iovec pieces[2];
  int count = ring_peek (ring, offset, pieces);
  for (int i = 0; i < count && length; i++)
    {
      size_t take = pieces[i].iov_len < length ? pieces[i].iov_len : length;
      memcpy (to, pieces[i].iov_base, take);
      to += take;
      length -= take;
    }
}

void
ring_drop (struct ring *ring, size_t length)
{
  ring->length -= length;
  /* Beginning again at the start keeps the copies in one piece. */
  ring->head = ring->length ? (ring->head + length) & (ring->capacity - 1) : 0;
}

void
ring_free (struct ring *ring)
{
  free (ring->data);
  *ring = (struct ring){ 0 };
}
