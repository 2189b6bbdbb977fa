#include "process/stream.h"
#include "lib/cleanup.h"
#include "protocol.h"
#include <errno.h>
#include <unistd.h>

void
stream_open (struct stream *stream, int fd)
{
  *stream = (struct stream){ .fd = fd, .exists = true };
}

void
stream_pump (struct stream *stream)
{
  while (stream->readable && stream->fd >= 0)
    {
      struct iovec space[2];
      int pieces = ring_space (&stream->ring, HB_OUTPUT_BYTES_MAX, space);
      if (pieces == 0)
        return;
      size_t room = space[0].iov_len + (pieces > 1 ? space[1].iov_len : 0);
      ssize_t got = readv (stream->fd, space, pieces);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0 && errno == EAGAIN)
        {
          stream->readable = false;
          return;
        }
      /* A terminal without any user left reads as EIO. */
      if (got <= 0)
        {
          close_and_forget (&stream->fd);
          return;
        }
      ring_commit (&stream->ring, (size_t) got);
      stream->end += (uint64_t) got;
      /* A short read emptied it, and the next byte will be told of; so will a hang-up not yet told of. */
      if ((size_t) got < room && !stream->hung_up)
        {
          stream->readable = false;
          return;
        }
    }
}

void
stream_window (struct stream *stream, uint64_t acked, uint64_t limit)
{
  if (!stream->exists || acked > stream->end)
    return;
  if (acked > stream->acked)
    {
      ring_drop (&stream->ring, acked - stream->acked);
      stream->acked = acked;
      if (stream->sent < acked)
        stream->sent = acked;
    }
  stream->limit = limit;
  stream->window_known = true;
}

void
stream_rewind (struct stream *stream)
{
  stream->sent = stream->acked;
  stream->window_known = false;
  stream->end_sent = false;
}

size_t
stream_sendable (const struct stream *stream, size_t most, bool *last)
{
  uint64_t stop = stream->limit < stream->end ? stream->limit : stream->end;
  size_t length = stream->window_known && stop > stream->sent ? (size_t) (stop - stream->sent) : 0;
  length = length < most ? length : most;
  *last = stream->exists && stream->fd < 0 && stream->window_known && !stream->end_sent
          && stream->sent + length == stream->end;
  return length;
}

bool
stream_pending (const struct stream *stream)
{
  bool last;
  return stream_sendable (stream, 1, &last) > 0 || last;
}

void
stream_take (struct stream *stream, uint8_t *to, size_t length, bool last)
{
  ring_copy (&stream->ring, (size_t) (stream->sent - stream->acked), to, length);
  stream->sent += length;
  stream->end_sent = stream->end_sent || last;
}

void
stream_close (struct stream *stream)
{
  close_and_forget (&stream->fd);
  ring_free (&stream->ring);
}
