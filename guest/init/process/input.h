/* The standard input of a process: what the host sent and the process has not read yet. */
#pragma once
#include "process/ring.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input
{
  int fd;        /* -1: closed; of a terminal, the stream's descriptor, which is not ours to close */
  bool terminal;
  bool writable;
  bool discards; /* nobody will read any more */
  bool ends;     /* the host has sent the end */
  bool window_due;
  struct ring ring;
  uint64_t received, written; /* offsets since the process began */
};

void input_open (struct input *input, int fd, bool terminal);
/* DATA of the host. Bytes that were already received are skipped; a gap is ignored. */
void input_data (struct input *input, uint64_t offset, const uint8_t *data, size_t length, bool end);
/* Writes as much as the process takes. */
void input_pump (struct input *input);
/* The process has exited: what is left, and what comes, goes nowhere. */
void input_discard (struct input *input);
/* HELLO: the window is told anew. */
void input_rewind (struct input *input);
uint64_t input_limit (const struct input *input);
void input_close (struct input *input);
