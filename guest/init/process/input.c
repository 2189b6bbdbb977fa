#include "process/input.h"
#include "lib/cleanup.h"
#include "protocol.h"
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

/* Twice the window: after a reconnect the host counts its 64 KiB from what was received, not from what was read. */
#define BUFFER_BYTES_MAX (2 * (size_t) HB_INPUT_BYTES_MAX)

void
input_open (struct input *input, int fd, bool terminal)
{
  *input = (struct input){ .fd = fd, .terminal = terminal, .writable = true, .discards = fd < 0 };
}

uint64_t
input_limit (const struct input *input)
{
  return input->written + HB_INPUT_BYTES_MAX;
}

static void
close_end (struct input *input)
{
  if (input->terminal)
    input->fd = -1;
  close_and_forget (&input->fd);
  ring_free (&input->ring);
}

void
input_discard (struct input *input)
{
  input->discards = true;
  input->written = input->received;
  close_end (input);
}

void
input_data (struct input *input, uint64_t offset, const uint8_t *data, size_t length, bool end)
{
  if (offset > input->received || offset + length < offset)
    return;
  uint64_t known = input->received - offset;
  if (known < length && !input->ends)
    {
      data += known;
      length -= (size_t) known;
      size_t kept = input->discards ? length : ring_write (&input->ring, BUFFER_BYTES_MAX, data, length);
      input->received += kept;
      input->written += input->discards ? kept : 0;
      input->window_due = true;
    }
  input->ends = input->ends || (end && !input->terminal);
}

void
input_pump (struct input *input)
{
  struct iovec pieces[2];
  int count;
  while (input->writable && input->fd >= 0 && (count = ring_peek (&input->ring, 0, pieces)) > 0)
    {
      ssize_t put = writev (input->fd, pieces, count);
      if (put < 0 && errno == EINTR)
        continue;
      if (put < 0 && errno == EAGAIN)
        {
          input->writable = false;
          return;
        }
      if (put < 0)
        {
          input_discard (input);
          input->window_due = true;
          return;
        }
      ring_drop (&input->ring, (size_t) put);
      input->written += (uint64_t) put;
      input->window_due = true;
    }
  if (input->ends && input->ring.length == 0 && input->fd >= 0)
    close_end (input);
}

void
input_rewind (struct input *input)
{
  /* The bytes beyond the window are only there after several reconnects; the host will send them again. */
  if (input->ring.length > HB_INPUT_BYTES_MAX)
    {
      input->ring.length = HB_INPUT_BYTES_MAX;
      input->received = input->written + HB_INPUT_BYTES_MAX;
      input->ends = false;
    }
  input->window_due = input->received > 0 && !input->discards;
}

void
input_close (struct input *input)
{
  close_end (input);
}
