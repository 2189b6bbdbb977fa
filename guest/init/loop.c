/* The loop: what the kernel has told is noted, then every stream is moved as far as it goes, frames are served, and
   what there is to send is sent. Nothing here waits but epoll. */
#include "container/cgroup.h"
#include "guest.h"
#include "lib/file.h"
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 64
/* So that a host that talks without end does not keep output waiting. */
#define FRAMES_PER_TURN 64
/* How often to look whether killed processes are gone. */
#define POLL_MS 2
/* A main process that was killed for memory has been reaped by then, and the container did not run on. */
#define OOM_GRACE_NS 100000000ull

int
guest_watch (struct guest *guest, int fd, uint32_t events, enum watch_kind kind, uint32_t id, struct error *err)
{
  struct epoll_event event = { .events = events | EPOLLET, .data.u64 = (uint64_t) kind << 32 | id };
  if (epoll_ctl (guest->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
    return error_errno (err, "epoll_ctl");
  return 0;
}

static void
reap (struct guest *guest)
{
  struct signalfd_siginfo info[8];
  while (read (guest->signals, info, sizeof info) > 0)
    ;
  int status;
  pid_t pid;
  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    {
      /* Others are orphans that fell to init. */
      struct process *process = processes_find_pid (&guest->processes, pid);
      if (process)
        process_exited (process, status);
    }
}

static void
note_memory_event (struct guest *guest, uint32_t index)
{
  struct container *container = index < HB_CONTAINERS_MAX ? guest->containers[index] : NULL;
  if (!container)
    return;
  uint64_t kills = cgroup_oom_kills (container->cgroup);
  if (kills > container->oom_kills && container->main_pid && !container->oom_due_ns)
    container->oom_due_ns = clock_ns (CLOCK_MONOTONIC) + OOM_GRACE_NS;
  container->oom_kills = kills;
}

static void
note_stream_event (struct guest *guest, enum watch_kind kind, uint32_t id, uint32_t events)
{
  struct process *process = processes_find (&guest->processes, id);
  if (!process)
    return;
  if (kind == WATCH_STDIN || process->tty)
    process->in.writable = process->in.writable || (events & (EPOLLOUT | EPOLLERR | EPOLLHUP));
  if (kind == WATCH_STDIN)
    return;
  struct stream *stream = &process->out[kind == WATCH_STDERR];
  stream->readable = stream->readable || (events & (EPOLLIN | EPOLLHUP | EPOLLERR));
  stream->hung_up = stream->hung_up || (events & (EPOLLHUP | EPOLLERR));
}

static void
note_event (struct guest *guest, const struct epoll_event *event)
{
  enum watch_kind kind = (enum watch_kind) (event->data.u64 >> 32);
  uint32_t id = (uint32_t) event->data.u64;
  switch (kind)
    {
    case WATCH_PORT:
      guest->port.readable = true;
      guest->port.writable = !(event->events & EPOLLHUP);
      guest->connected = guest->connected && !(event->events & EPOLLHUP);
      return;
    case WATCH_SIGNALS:
      reap (guest);
      return;
    case WATCH_MEMORY:
      note_memory_event (guest, id);
      return;
    case WATCH_PRESSURE:
      if (id < HB_CONTAINERS_MAX && guest->containers[id])
        pressure_event (&guest->containers[id]->pressure, guest->containers[id]->cgroup);
      return;
    case WATCH_STDIN:
    case WATCH_STDOUT:
    case WATCH_STDERR:
      note_stream_event (guest, kind, id, event->events);
      return;
    case WATCH_REPORT: /* serve_pending looks itself */
      return;
    }
}

/* The end of a process in a container's own pid namespace is not always told to init, nor that all of them stand still, nor
   what becomes of a device. */
static bool
is_polled (const struct pending *pending)
{
  return pending->kind == PENDING_DELETE || pending->kind == PENDING_SHUTDOWN || pending->kind == PENDING_GROW
         || pending->kind == PENDING_FREEZE || (pending->kind == PENDING_CREATE && pending->report < 0);
}

/* Milliseconds until something is due, -1 for never. */
static int
timeout_ms (struct guest *guest)
{
  uint64_t due = guest->pending.kind ? guest->pending.deadline_ns : UINT64_MAX;
  if (is_polled (&guest->pending))
    return POLL_MS;
  for (size_t i = 0; i < HB_CONTAINERS_MAX; i++)
    {
      const struct container *container = guest->containers[i];
      if (container && container->oom_due_ns && container->oom_due_ns < due)
        due = container->oom_due_ns;
    }
  if (due == UINT64_MAX)
    return -1;
  uint64_t now = clock_ns (CLOCK_MONOTONIC);
  return due <= now ? 0 : (int) ((due - now) / 1000000 + 1);
}

static void
check_oom (struct guest *guest)
{
  for (size_t i = 0; i < HB_CONTAINERS_MAX; i++)
    {
      struct container *container = guest->containers[i];
      if (!container || !container->oom_due_ns || container->oom_due_ns > clock_ns (CLOCK_MONOTONIC))
        continue;
      container->oom_due_ns = 0;
      container->oom_event_pending = container->main_pid != 0;
    }
}

static void
pump_streams (struct guest *guest)
{
  for (size_t i = 0; i < guest->processes.count; i++)
    {
      struct process *process = guest->processes.process[i];
      stream_pump (&process->out[0]);
      stream_pump (&process->out[1]);
      if (process->tty && process->out[0].fd < 0)
        input_discard (&process->in);
      input_pump (&process->in);
    }
}

/* Filling a volume may take long: a host that comes anew is greeted meanwhile. Any other request in wait is short. */
static bool
may_take_frames (const struct guest *guest)
{
  return guest->pending.kind == PENDING_NONE
         || (guest->pending.kind == PENDING_CREATE && guest->pending.report >= 0 && !guest->holds);
}

static bool
next_frame (struct guest *guest, struct frame *frame)
{
  if (!guest->holds)
    return port_next (&guest->port, frame);
  *frame = guest->held;
  guest->holds = false;
  return true;
}

/* Returns true when there may be more frames. */
static bool
serve_frames (struct guest *guest)
{
  struct frame frame;
  for (int i = 0; i < FRAMES_PER_TURN; i++)
    {
      if (!may_take_frames (guest) || !port_has_room (&guest->port) || !next_frame (guest, &frame))
        return false;
      if (guest->pending.kind && frame.type == HB_TYPE_REQUEST)
        {
          guest->holds = true;
          guest->held = frame;
          return false;
        }
      serve_frame (guest, &frame);
    }
  return true;
}

bool
loop_turn (struct guest *guest, int wait_ms)
{
  struct epoll_event events[EVENTS_MAX];
  int count = epoll_wait (guest->epoll, events, EVENTS_MAX, wait_ms);
  for (int i = 0; i < count; i++)
    note_event (guest, &events[i]);
  check_oom (guest);
  enum pending_kind before = guest->pending.kind;
  if (before)
    serve_pending (guest);
  bool more = !guest->warming && serve_frames (guest);
  bool had_room = port_has_room (&guest->port);
  pump_streams (guest);
  transmit (guest);
  /* What this turn made possible is done in the next, before waiting: a request that waits looks once whether it need
     not, and frames are served that had no room for their answers. */
  return more || (!before && guest->pending.kind) || (!had_room && port_has_room (&guest->port));
}

void
loop_run (struct guest *guest)
{
  for (bool more = true;;)
    more = loop_turn (guest, more ? 0 : timeout_ms (guest));
}
