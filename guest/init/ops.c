#include "ops.h"
#include "container/cgroup.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "process/spawn.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>

#define START_DEADLINE_NS 30000000000ull
#define DELETE_DEADLINE_NS 10000000000ull
#define SHUTDOWN_DEADLINE_NS 2000000000ull

static void
wait_for (struct guest *guest, enum pending_kind kind, uint32_t request_id, uint64_t deadline_ns)
{
  guest->pending = (struct pending){ .kind = kind,
                                     .request_id = request_id,
                                     .deadline_ns = clock_ns (CLOCK_MONOTONIC) + deadline_ns,
                                     .report = -1 };
}

static int
op_create (struct guest *guest, struct request *request, struct error *err)
{
  const struct container_spec *spec = &request->spec.container;
  struct error none;
  size_t index = 0;
  if (!container_id_valid (spec->id))
    return error_set (err, EINVAL, "%.80s is no container id", spec->id);
  if (guest_container (guest, spec->id, &none))
    return error_set (err, EEXIST, "container %s exists", spec->id);
  while (index < HB_CONTAINERS_MAX && guest->containers[index])
    index++;
  if (index == HB_CONTAINERS_MAX)
    return error_set (err, ENOSPC, "the sandbox has %u containers", HB_CONTAINERS_MAX);
  struct container *container = container_create (spec, &request->arena, &guest->disks, &guest->home, err);
  if (!container)
    return -1;
  guest->containers[index] = container;
  if ((container->memory_events >= 0
       && guest_watch (guest, container->memory_events, EPOLLPRI, WATCH_MEMORY, (uint32_t) index, err) < 0)
      || (container->pressure.fd >= 0
          && guest_watch (guest, container->pressure.fd, EPOLLPRI, WATCH_PRESSURE, (uint32_t) index, err) < 0))
    {
      guest->containers[index] = NULL;
      container_delete (container, &none);
      return -1;
    }
  return 1;
}

int
ops_watch_process (struct guest *guest, struct process *process, struct error *err)
{
  uint32_t out = EPOLLIN | (process->tty ? EPOLLOUT : 0);
  if (guest_watch (guest, process->out[0].fd, out, WATCH_STDOUT, process->id, err) < 0)
    return -1;
  if (!process->tty && guest_watch (guest, process->out[1].fd, EPOLLIN, WATCH_STDERR, process->id, err) < 0)
    return -1;
  if (!process->tty && process->in.fd >= 0)
    return guest_watch (guest, process->in.fd, EPOLLOUT, WATCH_STDIN, process->id, err);
  return 0;
}

/* The child is, or will be, reaped as one that init does not know. */
static void
abandon_start (struct guest *guest, struct process *process)
{
  if (!process->exited)
    kill (process->pid, SIGKILL);
  if (process->main && process->container)
    {
      process->container->main_pid = 0;
      close_and_forget (&process->container->main_pidfd);
      process->container->proc_mounted = true;
    }
  processes_remove (&guest->processes, process);
}

static void
serve_started (struct guest *guest)
{
  struct pending *pending = &guest->pending;
  struct process *process = pending->process;
  struct error err;
  ssize_t got = read (pending->report, &err, sizeof err);
  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    {
      if (clock_ns (CLOCK_MONOTONIC) < pending->deadline_ns)
        return;
      error_set (&err, ETIMEDOUT, "process %u did not start in time", process->id);
      err.stage = STAGE_SETUP;
    }
  pending->kind = PENDING_NONE;
  close_and_forget (&pending->report);
  if (got == 0)
    {
      struct writer fields = answer_writer (guest);
      put_u32 (&fields, HB_TAG_PID, (uint32_t) process->pid);
      process->starting = false;
      if (process->main && process->container)
        process->container->proc_mounted = true;
      serve_answer (guest, pending->request_id, &fields);
      return;
    }
  if (got > 0 && (size_t) got < sizeof err)
    error_set (&err, EIO, "process %u was killed while it started", process->id);
  abandon_start (guest, process);
  serve_failure (guest, pending->request_id, HB_OP_START_PROCESS, &err);
}

static int
op_start (struct guest *guest, uint32_t request_id, struct request *request, struct error *err)
{
  const struct start_spec *spec = &request->spec.start;
  struct container *container = guest_container (guest, spec->container_id, err);
  if (!container)
    return -1;
  if (spec->process_id == 0)
    return error_set (err, EINVAL, "0 is no process id");
  if (spec->main && container->main_pid)
    return error_set (err, EBUSY, "container %s has a main process", container->id);
  if (!spec->main && !container->main_pid)
    return error_set (err, ESRCH, "container %s is not running", container->id);
  struct process *process = processes_add (&guest->processes, spec->process_id, err);
  if (!process)
    return -1;
  struct spawn_context context = { .home = &guest->home, .self = guest->self };
  cleanup_close int report = process_spawn (process, container, spec, &context, err);
  if (report < 0)
    {
      processes_remove (&guest->processes, process);
      return -1;
    }
  if (ops_watch_process (guest, process, err) < 0)
    {
      abandon_start (guest, process);
      return -1;
    }
  wait_for (guest, PENDING_START, request_id, START_DEADLINE_NS);
  guest->pending.process = process;
  guest->pending.report = report;
  /* A child that borrowed init's memory has executed its program by now. */
  serve_started (guest);
  if (!guest->pending.kind)
    report = -1;
  else if (guest_watch (guest, report, EPOLLIN, WATCH_REPORT, process->id, err) == 0)
    report = -1;
  else
    {
      guest->pending.kind = PENDING_NONE;
      abandon_start (guest, process);
      return -1;
    }
  return 0;
}

static struct process *
running_process (const struct guest *guest, uint32_t id, struct error *err)
{
  struct process *process = processes_find (&guest->processes, id);
  if (!process || process->exited)
    return error_set (err, ESRCH, "process %u %s", id, process ? "has exited" : "does not exist"), NULL;
  return process;
}

static int
op_signal (struct guest *guest, const struct target_spec *spec, struct error *err)
{
  struct process *process = running_process (guest, spec->process_id, err);
  if (!process)
    return -1;
  if (spec->signal < 1 || spec->signal > 64)
    return error_set (err, EINVAL, "there is no signal %u", spec->signal);
  if (spec->all)
    cgroup_signal (process->container->cgroup, (int) spec->signal);
  else if (kill (process->pid, (int) spec->signal) < 0)
    return error_errno (err, "signal process %u", process->id);
  return 1;
}

static int
op_resize (struct guest *guest, const struct target_spec *spec, struct error *err)
{
  struct process *process = running_process (guest, spec->process_id, err);
  if (!process)
    return -1;
  if (!process->tty || process->out[0].fd < 0)
    return error_set (err, ENOTTY, "process %u has no terminal", process->id);
  struct winsize size = { .ws_row = (unsigned short) spec->rows, .ws_col = (unsigned short) spec->columns };
  if (ioctl (process->out[0].fd, TIOCSWINSZ, &size) < 0)
    return error_errno (err, "resize the terminal of process %u", process->id);
  return 1;
}

static int
op_forget (struct guest *guest, uint32_t id, struct error *err)
{
  struct process *process = processes_find (&guest->processes, id);
  if (!process)
    return error_set (err, ESRCH, "process %u does not exist", id);
  if (!process->exited)
    return error_set (err, EBUSY, "process %u runs", id);
  processes_remove (&guest->processes, process);
  return 1;
}

bool
ops_container_gone (struct guest *guest, struct container *container, struct error *err)
{
  cgroup_signal (container->cgroup, SIGKILL);
  if (container->main_pid || cgroup_populated (container->cgroup))
    {
      error_set (err, EBUSY, "processes of container %s did not end", container->id);
      return false;
    }
  size_t index = 0;
  while (guest->containers[index] != container)
    index++;
  /* The cgroup can still be busy for a moment after its last process. */
  if (container_delete (container, err) < 0)
    return false;
  guest->containers[index] = NULL;
  for (size_t i = 0; i < guest->processes.count; i++)
    if (guest->processes.process[i]->container == container)
      guest->processes.process[i]->container = NULL;
  return true;
}

static void
serve_deleted (struct guest *guest)
{
  struct pending *pending = &guest->pending;
  struct error err;
  bool gone = ops_container_gone (guest, pending->container, &err);
  if (!gone && clock_ns (CLOCK_MONOTONIC) < pending->deadline_ns)
    return;
  pending->kind = PENDING_NONE;
  if (gone)
    serve_answer (guest, pending->request_id, NULL);
  else
    serve_failure (guest, pending->request_id, HB_OP_DELETE_CONTAINER, &err);
}

static void
serve_shut_down (struct guest *guest)
{
  bool gone = true;
  struct error err;
  for (size_t i = 0; i < HB_CONTAINERS_MAX; i++)
    if (guest->containers[i] && !ops_container_gone (guest, guest->containers[i], &err))
      gone = false;
  if (!gone && clock_ns (CLOCK_MONOTONIC) < guest->pending.deadline_ns)
    return;
  shutdown_prepare (guest);
  serve_answer (guest, guest->pending.request_id, NULL);
  shutdown_now (guest);
}

void
serve_pending (struct guest *guest)
{
  switch (guest->pending.kind)
    {
    case PENDING_NONE:
      return;
    case PENDING_START:
      serve_started (guest);
      return;
    case PENDING_DELETE:
      serve_deleted (guest);
      return;
    case PENDING_SHUTDOWN:
      serve_shut_down (guest);
      return;
    }
}

static int
op_of_container (struct guest *guest, uint32_t request_id, const struct request *request, struct writer *fields,
                 struct error *err)
{
  const char *id = request->op == HB_OP_UPDATE_CONTAINER ? request->spec.update.container_id
                                                         : request->spec.target.container_id;
  struct container *container = guest_container (guest, id, err);
  if (!container)
    return -1;
  switch (request->op)
    {
    case HB_OP_STATS:
      return stats_serve (container, fields, err);
    case HB_OP_TOP:
      return tasks_serve (container, request->spec.target.number, fields, err);
    case HB_OP_UPDATE_CONTAINER:
      return cgroup_limit (container->cgroup, &request->spec.update.limits, err) < 0 ? -1 : 1;
    default:
      wait_for (guest, PENDING_DELETE, request_id, DELETE_DEADLINE_NS);
      guest->pending.container = container;
      return 0;
    }
}

int
ops_serve (struct guest *guest, uint32_t request_id, struct request *request, struct writer *fields,
           struct error *err)
{
  switch (request->op)
    {
    case HB_OP_PING:
      put_u64 (fields, HB_TAG_REALTIME_NS, clock_ns (CLOCK_REALTIME));
      return 1;
    case HB_OP_CONFIGURE:
      if (configure_serve (guest, &request->spec.configure, err) < 0)
        return -1;
      put_u64 (fields, HB_TAG_REALTIME_NS, clock_ns (CLOCK_REALTIME));
      return 1;
    case HB_OP_SET_CLOCK:
      if (clock_adjust (request->spec.target.clock_ahead_ns, err) < 0)
        return -1;
      put_u64 (fields, HB_TAG_REALTIME_NS, clock_ns (CLOCK_REALTIME));
      return 1;
    case HB_OP_WARM:
      return warm_serve (guest, err);
    case HB_OP_CREATE_CONTAINER:
      return op_create (guest, request, err);
    case HB_OP_START_PROCESS:
      return op_start (guest, request_id, request, err);
    case HB_OP_SIGNAL:
      return op_signal (guest, &request->spec.target, err);
    case HB_OP_RESIZE:
      return op_resize (guest, &request->spec.target, err);
    case HB_OP_FORGET:
      return op_forget (guest, request->spec.target.process_id, err);
    case HB_OP_SHUTDOWN:
      wait_for (guest, PENDING_SHUTDOWN, request_id, SHUTDOWN_DEADLINE_NS);
      return 0;
    case HB_OP_SYNC:
      sync ();
      return 1;
    default: /* STATS, TOP, DELETE_CONTAINER, UPDATE_CONTAINER */
      return op_of_container (guest, request_id, request, fields, err);
    }
}
