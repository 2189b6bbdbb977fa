#include "wire/port.h"
#include "lib/error.h"
#include "lib/file.h"
#include "wire/bytes.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORT_DIRECTORY "/sys/class/virtio-ports"
#define PORT_WAIT_NS 10000000000ull

static bool
find_port (char *path, size_t size)
{
  DIR *directory = opendir (PORT_DIRECTORY);
  struct dirent *entry;
  bool found = false;
  while (directory && !found && (entry = readdir (directory)))
    {
      char file[320], name[64];
      snprintf (file, sizeof file, PORT_DIRECTORY "/%s/name", entry->d_name);
      if (entry->d_name[0] == '.' || file_read (AT_FDCWD, file, name, sizeof name) < 0)
        continue;
      name[strcspn (name, "\n")] = 0;
      found = strcmp (name, HB_PORT_NAME) == 0;
      if (found)
        snprintf (path, size, "/dev/%.64s", entry->d_name);
    }
  if (directory)
    closedir (directory);
  return found;
}

int
port_open (struct port *port, struct error *err)
{
  char path[80] = "";
  uint64_t end = clock_ns (CLOCK_MONOTONIC) + PORT_WAIT_NS;
  while (!find_port (path, sizeof path) || (port->fd = open (path, O_RDWR | O_NONBLOCK | O_CLOEXEC)) < 0)
    {
      if (clock_ns (CLOCK_MONOTONIC) > end)
        return path[0] ? error_errno (err, "open %s", path) : error_set (err, ENODEV, "no port " HB_PORT_NAME);
      nanosleep (&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
  port->readable = port->writable = true;
  return 0;
}

int
port_next (struct port *port, struct frame *frame)
{
  for (;;)
    {
      while (port->in_at < port->in_length)
        {
          size_t used;
          int result = frame_decode (&port->decoder, port->in + port->in_at, port->in_length - port->in_at, &used, frame);
          port->in_at += used;
          if (result > 0)
            return 1;
        }
      if (!port->readable)
        return 0;
      ssize_t got = read (port->fd, port->in, sizeof port->in);
      port->in_at = 0;
      port->in_length = got > 0 ? (size_t) got : 0;
      /* 0: the host is not connected. */
      if (got == 0 || (got < 0 && errno != EINTR))
        port->readable = false;
    }
}

bool
port_has_room (const struct port *port)
{
  return sizeof port->outbox - port->outbox_length >= HB_FRAME_TO_HOST_BYTES_MAX + HB_FRAME_HEADER_BYTES;
}

void
port_put (struct port *port, uint8_t type, uint32_t id, const uint8_t *payload, size_t length)
{
  uint8_t *to = port->outbox + port->outbox_length;
  frame_header (to, type, 0, id, length);
  memcpy (to + HB_FRAME_HEADER_BYTES, payload, length);
  port->outbox_length += HB_FRAME_HEADER_BYTES + length;
}

void
port_reset (struct port *port)
{
  /* A frame of which a part is out is finished, so that the next begins where the host looks for it. */
  size_t end = 0;
  while (end < port->outbox_at)
    end += HB_FRAME_HEADER_BYTES + load_u32 (port->outbox + end + 12);
  port->outbox_length = end;
  if (port->batch_at == 0)
    port->batch_length = 0;
}

/* Writes data[*at … length); false when the port takes no more. */
static bool
write_out (struct port *port, const uint8_t *data, size_t *at, size_t *length)
{
  while (*at < *length)
    {
      ssize_t put = write (port->fd, data + *at, *length - *at);
      if (put < 0 && errno == EINTR)
        continue;
      if (put <= 0)
        {
          port->writable = false;
          return false;
        }
      *at += (size_t) put;
    }
  *at = *length = 0;
  return true;
}

bool
port_flush (struct port *port)
{
  if (!port->writable || !write_out (port, port->batch, &port->batch_at, &port->batch_length))
    return false;
  if (port->outbox_at > 0 || port->outbox_length > sizeof port->batch)
    return write_out (port, port->outbox, &port->outbox_at, &port->outbox_length);
  memcpy (port->batch, port->outbox, port->outbox_length);
  port->batch_length = port->outbox_length;
  port->outbox_length = 0;
  return true;
}

size_t
port_batch_room (const struct port *port)
{
  size_t room = sizeof port->batch - port->batch_length;
  return room > HB_FRAME_HEADER_BYTES ? room - HB_FRAME_HEADER_BYTES : 0;
}

uint8_t *
port_batch (struct port *port, uint8_t type, uint8_t flags, uint32_t id, size_t length)
{
  if (port_batch_room (port) < length || length + HB_FRAME_HEADER_BYTES > sizeof port->batch - port->batch_length)
    return NULL;
  uint8_t *to = port->batch + port->batch_length;
  frame_header (to, type, flags, id, length);
  port->batch_length += HB_FRAME_HEADER_BYTES + length;
  return to + HB_FRAME_HEADER_BYTES;
}
