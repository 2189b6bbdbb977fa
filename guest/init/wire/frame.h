/* Frames: finding them in a stream of bytes, and writing their headers. No I/O here: tests and fuzzers link this file. */
#pragma once
#include "protocol.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame
{
  uint8_t type, flags;
  uint32_t id;
  const uint8_t *payload; /* valid until the decoder is used again */
  size_t length;
};

/* Zeroed at first. Holds at most one frame, and keeps no buffer larger than a small frame's between frames. */
struct decoder
{
  uint8_t header[HB_FRAME_HEADER_BYTES];
  size_t have; /* bytes of the header, then of header and payload */
  uint8_t *payload;
  size_t capacity;
  bool ready; /* the last call returned a frame */
};

/* Takes bytes until a frame from the host is complete. Returns 1 and the frame, 0 when all of `data` was taken
   without one, -1 when memory is short (the frame is lost). `*used`: how many bytes were taken. */
int frame_decode (struct decoder *decoder, const uint8_t *data, size_t length, size_t *used, struct frame *frame);
void decoder_free (struct decoder *decoder);

/* Writes the header of a frame to the host: 20 bytes at `to`. */
void frame_header (uint8_t *to, uint8_t type, uint8_t flags, uint32_t id, size_t length);
