#include "files/sink.h"
#include "lib/file.h"
#include <string.h>

int
sink_flush (struct sink *sink, struct error *err)
{
  if (sink->length && write_all (sink->fd, sink->data, sink->length) < 0)
    return error_errno (err, "send a tree of files");
  sink->length = 0;
  return 0;
}

uint8_t *
sink_space (struct sink *sink, size_t *room, struct error *err)
{
  if (sink->length == sizeof sink->data && sink_flush (sink, err) < 0)
    return NULL;
  *room = sizeof sink->data - sink->length;
  return sink->data + sink->length;
}

void
sink_commit (struct sink *sink, size_t length)
{
  sink->length += length;
}

int
sink_write (struct sink *sink, const void *data, size_t length, struct error *err)
{
  for (const uint8_t *from = data; length;)
    {
      size_t room;
      uint8_t *to = sink_space (sink, &room, err);
      if (!to)
        return -1;
      room = room < length ? room : length;
      memcpy (to, from, room);
      sink_commit (sink, room);
      from += room;
      length -= room;
    }
  return 0;
}
