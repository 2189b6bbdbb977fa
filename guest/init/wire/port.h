/* The virtio-serial port to the host: bytes in, bytes out, never waiting. With edge-triggered epoll, an absent host
   costs nothing: the kernel wakes us when it connects. */
#pragma once
#include "lib/error.h"
#include "wire/frame.h"

/* The kernel's driver takes no more in one write. */
#define PORT_BATCH_BYTES 32768u
/* Two frames of the largest size: one may wait while the next is made. */
#define PORT_OUTBOX_BYTES (2 * (HB_FRAME_TO_HOST_BYTES_MAX + HB_FRAME_HEADER_BYTES))

struct port
{
  int fd;
  bool readable, writable;
  struct decoder decoder;
  uint8_t in[16384];
  size_t in_at, in_length;
  uint8_t outbox[PORT_OUTBOX_BYTES]; /* answers, oldest first */
  size_t outbox_at, outbox_length;
  uint8_t batch[PORT_BATCH_BYTES]; /* whole frames, to go out in one write */
  size_t batch_at, batch_length;
};

/* Waits up to 10 s for the port named HB_PORT_NAME to appear, and opens it. */
int port_open (struct port *port, struct error *err);
/* The next frame of the host: 1, or 0 when there is none now. */
int port_next (struct port *port, struct frame *frame);
/* Is there room for an answer of any size? */
bool port_has_room (const struct port *port);
/* Queues an answer; port_has_room must have been true. */
void port_put (struct port *port, uint8_t type, uint32_t id, const uint8_t *payload, size_t length);
/* HELLO: answers to somebody else are dropped. */
void port_reset (struct port *port);
/* Writes the batch and the outbox, as far as they must go out before the batch is filled again (small answers are moved
   into it, to go with what else there is). Returns false when the port takes no more now. */
bool port_flush (struct port *port);
/* The payload of a frame of `length` bytes to be filled in, in the batch; NULL when it does not fit. */
uint8_t *port_batch (struct port *port, uint8_t type, uint8_t flags, uint32_t id, size_t length);
/* How large a payload would fit into the batch. */
size_t port_batch_room (const struct port *port);
