/* One output stream of a process: what was read and not yet acknowledged is kept, and sent again after a reconnect.

       acked            sent              end
     ----+----------------+----------------+------->  offsets since the process began
         |<------------- ring ------------>|          at most 256 KiB
*/
#pragma once
#include "process/ring.h"
#include <stdbool.h>
#include <stdint.h>

struct stream
{
  int fd; /* -1: ended, or there never was one */
  struct ring ring;
  uint64_t acked, sent, end, limit;
  bool exists, readable, hung_up;
  bool window_known; /* the host has said since HELLO how much it takes */
  bool end_sent;
};

void stream_open (struct stream *stream, int fd);
/* Reads what is there and has room. Closes at the end of the file. */
void stream_pump (struct stream *stream);
/* The host's WINDOW. */
void stream_window (struct stream *stream, uint64_t acked, uint64_t limit);
/* HELLO: begin again at what was acknowledged, and wait for a window. */
void stream_rewind (struct stream *stream);
/* How many bytes may be sent now; `*last`: the end comes right behind them. */
size_t stream_sendable (const struct stream *stream, size_t most, bool *last);
/* Is there anything to send, be it the end alone? */
bool stream_pending (const struct stream *stream);
/* Copies the next `length` bytes to `to` and counts them as sent. */
void stream_take (struct stream *stream, uint8_t *to, size_t length, bool last);
void stream_close (struct stream *stream);
