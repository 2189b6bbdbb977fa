/* Buffered output of a file process. */
#pragma once
#include "lib/error.h"
#include <stddef.h>
#include <stdint.h>

struct sink
{
  int fd;
  size_t length;
  uint8_t data[65536];
};

int sink_write (struct sink *sink, const void *data, size_t length, struct error *err);
/* Room for at least one byte, to be filled from its beginning and then committed. */
uint8_t *sink_space (struct sink *sink, size_t *room, struct error *err);
void sink_commit (struct sink *sink, size_t length);
int sink_flush (struct sink *sink, struct error *err);
