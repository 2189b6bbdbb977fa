/* What goes to the host besides answers: exits, OOM kills, windows and output, each process in its turn. */
#include "guest.h"
#include "wire/bytes.h"

/* Longest EVENT there is. */
#define EVENT_BYTES_MAX 256

static bool
send_event (struct guest *guest, uint32_t id, uint16_t kind, const struct writer *fields)
{
  uint8_t *to = port_batch (&guest->port, HB_TYPE_EVENT, 0, id, 4 + fields->length);
  if (!to)
    return false;
  store_u16 (to, kind);
  store_u16 (to + 2, 0);
  memcpy (to + 4, fields->data, fields->length);
  return true;
}

static bool
send_exit (struct guest *guest, struct process *process)
{
  uint8_t bytes[EVENT_BYTES_MAX];
  struct writer fields = { .data = bytes, .capacity = sizeof bytes };
  put_u32 (&fields, HB_TAG_EXIT_CODE, process->exit_code);
  put_u32 (&fields, HB_TAG_EXIT_SIGNAL, process->exit_signal);
  put_u64 (&fields, HB_TAG_EXITED_NS, process->exited_ns);
  put_u32 (&fields, HB_TAG_OOM, process->oom);
  process->exit_due = !send_event (guest, process->id, HB_EVENT_EXIT, &fields);
  return !process->exit_due;
}

static bool
send_oom (struct guest *guest, struct container *container)
{
  uint8_t bytes[EVENT_BYTES_MAX];
  struct writer fields = { .data = bytes, .capacity = sizeof bytes };
  put_text (&fields, HB_TAG_CONTAINER_ID, container->id);
  container->oom_event_pending = !send_event (guest, 0, HB_EVENT_OOM, &fields);
  return !container->oom_event_pending;
}

static bool
send_window (struct guest *guest, struct process *process)
{
  uint8_t *to = port_batch (&guest->port, HB_TYPE_WINDOW, HB_STREAM_STDIN, process->id, 16);
  if (!to)
    return false;
  store_u64 (to, process->in.received);
  store_u64 (to + 8, input_limit (&process->in));
  process->in.window_due = false;
  return true;
}

/* One DATA with as much as fits; false when nothing more does. */
static bool
send_output (struct guest *guest, struct process *process, int which)
{
  struct stream *stream = &process->out[which];
  size_t room = port_batch_room (&guest->port);
  bool last;
  if (room < 8)
    return false;
  size_t length = stream_sendable (stream, room - 8, &last);
  if (length == 0 && !last)
    return true;
  uint8_t flags = (uint8_t) ((which == 0 ? HB_STREAM_STDOUT : HB_STREAM_STDERR) | (last ? HB_FLAG_END : 0));
  uint8_t *to = port_batch (&guest->port, HB_TYPE_DATA, flags, process->id, 8 + length);
  if (!to)
    return false;
  store_u64 (to, stream->sent);
  stream_take (stream, to + 8, length, last);
  return !stream_pending (stream);
}

static bool
fill_from (struct guest *guest, struct process *process)
{
  return (!process->in.window_due || send_window (guest, process)) && send_output (guest, process, 0)
         && send_output (guest, process, 1) && (!process->exit_due || send_exit (guest, process));
}

static void
fill (struct guest *guest)
{
  for (size_t i = 0; i < HB_CONTAINERS_MAX; i++)
    if (guest->containers[i] && guest->containers[i]->oom_event_pending && !send_oom (guest, guest->containers[i]))
      return;
  size_t count = guest->processes.count;
  for (size_t i = 0; i < count; i++)
    {
      struct process *process = guest->processes.process[(guest->next_sender + i) % count];
      if (process->starting)
        continue;
      if (!fill_from (guest, process))
        {
          /* The batch is full; the next one begins with the next process. */
          guest->next_sender = (guest->next_sender + i + 1) % count;
          return;
        }
    }
}

void
transmit (struct guest *guest)
{
  while (port_flush (&guest->port))
    {
      if (guest->connected && !guest->warming)
        fill (guest);
      if (guest->port.batch_length == 0 && guest->port.outbox_length == 0)
        return;
    }
}
