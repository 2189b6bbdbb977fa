/* Frames from the host: HELLO, DATA and WINDOW are done here, requests go to ops.c. */
#include "guest.h"
#include "ops.h"
#include "wire/bytes.h"
#include <errno.h>

struct container *
guest_container (const struct guest *guest, const char *id, struct error *err)
{
  for (size_t i = 0; i < HB_CONTAINERS_MAX; i++)
    if (guest->containers[i] && strcmp (guest->containers[i]->id, id) == 0)
      return guest->containers[i];
  return error_set (err, ENOENT, "there is no container %.64s", id), NULL;
}

struct writer
answer_writer (struct guest *guest)
{
  return (struct writer){ .data = guest->answer, .length = 4, .capacity = sizeof guest->answer };
}

void
serve_answer (struct guest *guest, uint32_t request_id, const struct writer *fields)
{
  store_u32 (guest->answer, 0);
  port_put (&guest->port, HB_TYPE_RESPONSE, request_id, guest->answer, fields ? fields->length : 4);
}

void
serve_failure (struct guest *guest, uint32_t request_id, uint16_t op, const struct error *err)
{
  struct writer fields = answer_writer (guest);
  put_text (&fields, HB_TAG_MESSAGE, err->message);
  if (op == HB_OP_START_PROCESS)
    put_text (&fields, HB_TAG_STAGE, stage_name (err->stage));
  store_u32 (guest->answer, (uint32_t) err->status);
  port_put (&guest->port, HB_TYPE_RESPONSE, request_id, guest->answer, fields.length);
}

static void
put_process (struct writer *fields, const struct process *process)
{
  size_t begin = put_begin (fields, HB_TAG_PROCESS);
  put_u32 (fields, HB_TAG_PROCESS_ID, process->id);
  put_text (fields, HB_TAG_CONTAINER_ID, process->container_id);
  put_u32 (fields, HB_TAG_STATE, process->exited ? HB_PROCESS_EXITED : HB_PROCESS_RUNNING);
  put_u32 (fields, HB_TAG_EXIT_CODE, process->exit_code);
  put_u32 (fields, HB_TAG_EXIT_SIGNAL, process->exit_signal);
  put_u64 (fields, HB_TAG_EXITED_NS, process->exited_ns);
  put_u32 (fields, HB_TAG_OOM, process->oom);
  put_u64 (fields, HB_TAG_STDIN_ACKED, process->in.received);
  put_u64 (fields, HB_TAG_STDOUT_ACKED, process->out[0].acked);
  put_u64 (fields, HB_TAG_STDOUT_END, process->out[0].end);
  put_u64 (fields, HB_TAG_STDERR_ACKED, process->out[1].acked);
  put_u64 (fields, HB_TAG_STDERR_END, process->out[1].end);
  put_u32 (fields, HB_TAG_MAIN, process->main);
  put_u32 (fields, HB_TAG_TTY, process->tty);
  put_u32 (fields, HB_TAG_PID, (uint32_t) process->pid);
  put_end (fields, begin);
}

static void
serve_hello (struct guest *guest, const struct frame *frame)
{
  if (frame->length < HB_NONCE_BYTES + 4)
    return;
  port_reset (&guest->port);
  guest->connected = true;
  guest->pending.host_gone = true;
  uint8_t *payload = guest->answer;
  struct writer fields = { .data = payload, .length = HB_NONCE_BYTES + 8, .capacity = sizeof guest->answer };
  memcpy (payload, frame->payload, HB_NONCE_BYTES);
  store_u32 (payload + HB_NONCE_BYTES, HB_PROTOCOL_VERSION);
  store_u32 (payload + HB_NONCE_BYTES + 4, guest->configured ? HB_STATE_CONFIGURED : 0);
  for (size_t i = 0; i < guest->processes.count; i++)
    {
      struct process *process = guest->processes.process[i];
      stream_rewind (&process->out[0]);
      stream_rewind (&process->out[1]);
      input_rewind (&process->in);
      process->exit_due = false;
      put_process (&fields, process);
    }
  port_put (&guest->port, HB_TYPE_HELLO_ACK, 0, payload, fields.length);
}

static void
serve_data (struct guest *guest, const struct frame *frame)
{
  struct process *process = processes_find (&guest->processes, frame->id);
  if (!process || frame->length < 8 || (frame->flags & HB_FLAG_STREAM_MASK) != HB_STREAM_STDIN)
    return;
  input_data (&process->in, load_u64 (frame->payload), frame->payload + 8, frame->length - 8,
              frame->flags & HB_FLAG_END);
}

static void
serve_window (struct guest *guest, const struct frame *frame)
{
  struct process *process = processes_find (&guest->processes, frame->id);
  unsigned which = frame->flags & HB_FLAG_STREAM_MASK;
  if (!process || frame->length < 16 || (which != HB_STREAM_STDOUT && which != HB_STREAM_STDERR))
    return;
  stream_window (&process->out[which == HB_STREAM_STDERR], load_u64 (frame->payload), load_u64 (frame->payload + 8));
}

static void
serve_request (struct guest *guest, const struct frame *frame)
{
  struct request request;
  struct error err = { .stage = STAGE_SETUP };
  if (request_parse ((struct bytes){ frame->payload, frame->length }, &request, &err) < 0)
    serve_failure (guest, frame->id, request.op, &err);
  else
    {
      struct writer fields = answer_writer (guest);
      int result = ops_serve (guest, frame->id, &request, &fields, &err);
      if (result < 0)
        serve_failure (guest, frame->id, request.op, &err);
      else if (result > 0)
        serve_answer (guest, frame->id, &fields);
    }
  arena_free (&request.arena);
}

void
serve_frame (struct guest *guest, const struct frame *frame)
{
  /* Who says something is there, whatever the port said last: a host that goes and comes back at once is told of by two
     events, which may come behind its first words. */
  guest->connected = true;
  switch (frame->type)
    {
    case HB_TYPE_HELLO:
      serve_hello (guest, frame);
      return;
    case HB_TYPE_REQUEST:
      serve_request (guest, frame);
      return;
    case HB_TYPE_DATA:
      serve_data (guest, frame);
      return;
    case HB_TYPE_WINDOW:
      serve_window (guest, frame);
      return;
    default:
      {
        struct error err = { .status = ENOSYS };
        error_set (&err, ENOSYS, "frame type %u is unknown", frame->type);
        serve_failure (guest, frame->id, 0, &err);
      }
    }
}
