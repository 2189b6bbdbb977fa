/* Output and input of processes, over real pipes. */
#include "check.h"
#include "process/input.h"
#include "process/stream.h"
#include "protocol.h"
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static void
open_pipe (int pair[2])
{
  CHECK (pipe2 (pair, O_NONBLOCK | O_CLOEXEC) == 0);
}

static uint8_t
byte_at (uint64_t offset)
{
  return (uint8_t) (offset * 31 + offset / 251);
}

/* Fills the pipe with the bytes that belong at `*offset`; returns how many it took. */
static size_t
produce (int fd, uint64_t *offset)
{
  uint8_t data[4093];
  for (size_t i = 0; i < sizeof data; i++)
    data[i] = byte_at (*offset + i);
  ssize_t put = write (fd, data, sizeof data);
  *offset += put > 0 ? (uint64_t) put : 0;
  return put > 0 ? (size_t) put : 0;
}

static void
a_ring_keeps_the_order_of_its_bytes (void)
{
  struct ring ring = { 0 };
  uint64_t in = 0, out = 0;
  srand (1);
  for (int i = 0; i < 20000; i++)
    {
      uint8_t data[3000], back[3000];
      size_t length = (size_t) rand () % sizeof data;
      for (size_t k = 0; k < length; k++)
        data[k] = byte_at (in + k);
      in += ring_write (&ring, 65536, data, length);
      CHECK (ring.length == in - out && ring.capacity <= 65536);
      size_t take = ring.length ? (size_t) rand () % (ring.length < sizeof back ? ring.length : sizeof back) : 0;
      size_t offset = ring.length > take ? (size_t) rand () % (ring.length - take) : 0;
      ring_copy (&ring, offset, back, take);
      for (size_t k = 0; k < take; k++)
        CHECK (back[k] == byte_at (out + offset + k));
      ring_drop (&ring, take);
      out += take;
    }
  ring_free (&ring);
}

static void
nothing_is_sent_before_a_window_or_past_it (void)
{
  int pair[2];
  bool last;
  struct stream stream;
  open_pipe (pair);
  stream_open (&stream, pair[0]);
  CHECK (write (pair[1], "hello", 5) == 5);
  stream.readable = true;
  stream_pump (&stream);
  CHECK (stream.end == 5 && !stream_pending (&stream) && stream_sendable (&stream, 100, &last) == 0);
  stream_window (&stream, 0, 3);
  CHECK (stream_sendable (&stream, 100, &last) == 3 && !last && stream_sendable (&stream, 2, &last) == 2);
  uint8_t data[5];
  stream_take (&stream, data, 3, false);
  CHECK (memcmp (data, "hel", 3) == 0 && !stream_pending (&stream));
  close (pair[1]);
  stream.readable = stream.hung_up = true;
  stream_pump (&stream);
  CHECK (stream.fd < 0 && !stream_pending (&stream)); /* the end comes behind what the window still holds back */
  stream_window (&stream, 3, 100);
  CHECK (stream_sendable (&stream, 100, &last) == 2 && last);
  stream_take (&stream, data, 2, true);
  CHECK (memcmp (data, "lo", 2) == 0 && !stream_pending (&stream));
  stream_close (&stream);
}

static void
the_end_is_said_once_and_again_after_a_reconnect (void)
{
  int pair[2];
  bool last;
  struct stream stream;
  open_pipe (pair);
  stream_open (&stream, pair[0]);
  close (pair[1]);
  stream.readable = stream.hung_up = true;
  stream_pump (&stream);
  stream_window (&stream, 0, 0);
  CHECK (stream_sendable (&stream, 10, &last) == 0 && last);
  stream_take (&stream, NULL, 0, true);
  CHECK (!stream_pending (&stream));
  stream_rewind (&stream);
  CHECK (!stream_pending (&stream));
  stream_window (&stream, 0, 0);
  CHECK (stream_pending (&stream));
  stream_close (&stream);
}

static void
what_was_not_acknowledged_is_sent_again (void)
{
  int pair[2];
  bool last;
  struct stream stream;
  uint8_t data[8];
  open_pipe (pair);
  stream_open (&stream, pair[0]);
  CHECK (write (pair[1], "abcdefgh", 8) == 8);
  stream.readable = true;
  stream_pump (&stream);
  stream_window (&stream, 0, 8);
  stream_take (&stream, data, 6, false);
  stream_window (&stream, 2, 8);
  stream_rewind (&stream);
  CHECK (stream_sendable (&stream, 10, &last) == 0);
  stream_window (&stream, 4, 8); /* a new host has more of it than the old one had said */
  CHECK (stream_sendable (&stream, 10, &last) == 4 && stream.sent == 4);
  stream_take (&stream, data, 4, false);
  CHECK (memcmp (data, "efgh", 4) == 0);
  stream_window (&stream, 9, 20); /* more than there is: not believed */
  CHECK (stream.acked == 4 && stream.limit == 8);
  close (pair[1]);
  stream_close (&stream);
}

static void
a_full_buffer_stops_the_reading_and_loses_nothing (void)
{
  int pair[2];
  struct stream stream;
  uint64_t in = 0, out = 0;
  open_pipe (pair);
  stream_open (&stream, pair[0]);
  for (int i = 0; i < 400; i++)
    {
      while (produce (pair[1], &in))
        ;
      stream.readable = true;
      stream_pump (&stream);
      CHECK (stream.ring.length <= HB_OUTPUT_BYTES_MAX);
    }
  CHECK (stream.ring.length == HB_OUTPUT_BYTES_MAX);
  while (out < in)
    {
      uint8_t data[5000];
      bool last;
      stream_window (&stream, out, out + 7777);
      size_t length = stream_sendable (&stream, sizeof data, &last);
      stream_take (&stream, data, length, last);
      for (size_t i = 0; i < length; i++)
        CHECK (data[i] == byte_at (out + i));
      out += length;
      stream.readable = true;
      stream_pump (&stream);
    }
  close (pair[1]);
  stream_close (&stream);
}

static void
input_reaches_the_process_once_and_in_order (void)
{
  int pair[2];
  struct input input;
  char data[16];
  open_pipe (pair);
  input_open (&input, pair[1], false);
  input_data (&input, 0, (const uint8_t *) "abc", 3, false);
  input_data (&input, 1, (const uint8_t *) "bcde", 4, false); /* partly known */
  input_data (&input, 9, (const uint8_t *) "gap", 3, false);  /* ignored */
  input_data (&input, 5, (const uint8_t *) "f", 1, true);
  input_pump (&input);
  CHECK (read (pair[0], data, sizeof data) == 6 && memcmp (data, "abcdef", 6) == 0);
  CHECK (read (pair[0], data, sizeof data) == 0 && input.fd < 0 && input.window_due);
  CHECK (input.received == 6 && input_limit (&input) == 6 + HB_INPUT_BYTES_MAX);
  close (pair[0]);
}

static void
input_waits_for_a_process_that_does_not_read (void)
{
  int pair[2];
  struct input input;
  static uint8_t data[HB_INPUT_BYTES_MAX];
  open_pipe (pair);
  input_open (&input, pair[1], false);
  uint64_t sent = 0;
  for (int i = 0; i < 10; i++)
    {
      uint64_t room = input_limit (&input) - sent;
      for (size_t k = 0; k < room; k++)
        data[k] = byte_at (sent + k);
      input_data (&input, sent, data, (size_t) room, false);
      sent += room;
      input_pump (&input);
      input_rewind (&input);
      CHECK (input.ring.length <= HB_INPUT_BYTES_MAX && input.received == sent);
    }
  input_data (&input, sent, data, sizeof data, false); /* a host that heeds no limit: bounded all the same */
  input_data (&input, sent + sizeof data, data, sizeof data, false);
  CHECK (input.ring.length <= 2 * HB_INPUT_BYTES_MAX);
  close (pair[0]);
  input_pump (&input);
  input_close (&input);
}

static void
input_nobody_reads_is_taken_and_dropped (void)
{
  int pair[2];
  struct input input;
  open_pipe (pair);
  input_open (&input, pair[1], false);
  close (pair[0]);
  input_data (&input, 0, (const uint8_t *) "abc", 3, false);
  input_pump (&input);
  CHECK (input.fd < 0 && input.discards && input.received == 3 && input.written == 3);
  input_data (&input, 3, (const uint8_t *) "def", 3, false);
  CHECK (input.received == 6 && input.written == 6 && input.ring.length == 0);
  input_close (&input);
}

int
main (void)
{
  signal (SIGPIPE, SIG_IGN);
  TEST (a_ring_keeps_the_order_of_its_bytes);
  TEST (nothing_is_sent_before_a_window_or_past_it);
  TEST (the_end_is_said_once_and_again_after_a_reconnect);
  TEST (what_was_not_acknowledged_is_sent_again);
  TEST (a_full_buffer_stops_the_reading_and_loses_nothing);
  TEST (input_reaches_the_process_once_and_in_order);
  TEST (input_waits_for_a_process_that_does_not_read);
  TEST (input_nobody_reads_is_taken_and_dropped);
  return 0;
}
