#include "ops.h"
#include "container/cgroup.h"
#include "containers.h"
#include "files/start.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "machine/netconf.h"
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
/* Until the kernel has taken note that a device is longer. */
#define GROW_DEADLINE_NS 10000000000ull
/* A process that waits for a disk stands still when it has it. */
#define FREEZE_DEADLINE_NS 10000000000ull

void
ops_wait_for (struct guest *guest, enum pending_kind kind, uint32_t request_id, uint64_t deadline_ns)
{
  guest->pending = (struct pending){ .kind = kind,
                                     .request_id = request_id,
                                     .deadline_ns = clock_ns (CLOCK_MONOTONIC) + deadline_ns,
                                     .report = -1 };
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
  if (container->frozen)
    return error_set (err, EBUSY, "container %s is frozen", container->id);
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
  ops_wait_for (guest, PENDING_START, request_id, START_DEADLINE_NS);
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

static int
op_start_files (struct guest *guest, const struct files_spec *spec, struct writer *fields, struct error *err)
{
  struct container *container = guest_container (guest, spec->container_id, err);
  if (!container)
    return -1;
  if (spec->process_id == 0)
    return error_set (err, EINVAL, "0 is no process id");
  struct process *process = processes_add (&guest->processes, spec->process_id, err);
  if (!process)
    return -1;
  if (files_start (process, container, spec, err) < 0)
    {
      processes_remove (&guest->processes, process);
      return -1;
    }
  if (ops_watch_process (guest, process, err) < 0)
    {
      abandon_start (guest, process);
      return -1;
    }
  put_u32 (fields, HB_TAG_PID, (uint32_t) process->pid);
  return 1;
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
  if (spec->all && process->container && !process->files)
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

static int
op_grow (struct guest *guest, uint32_t request_id, const struct target_spec *spec, struct error *err)
{
  int result = disk_grow (&guest->disks, spec->name, spec->size, err);
  if (result > 0 || err->status != EAGAIN)
    return result;
  ops_wait_for (guest, PENDING_GROW, request_id, GROW_DEADLINE_NS);
  snprintf (guest->pending.disk, sizeof guest->pending.disk, "%s", spec->name);
  guest->pending.bytes = spec->size;
  return 0;
}

static void
serve_grown (struct guest *guest)
{
  struct pending *pending = &guest->pending;
  struct error err;
  int result = disk_grow (&guest->disks, pending->disk, pending->bytes, &err);
  if (result < 0 && err.status == EAGAIN && clock_ns (CLOCK_MONOTONIC) < pending->deadline_ns)
    return;
  pending->kind = PENDING_NONE;
  if (result < 0)
    serve_failure (guest, pending->request_id, HB_OP_GROW_DISK, &err);
  else
    serve_answer (guest, pending->request_id, NULL);
}

static int
op_set_interface (const struct configure_spec *spec, struct error *err)
{
  if (spec->interfaces.count != 1)
    return error_set (err, EINVAL, "SET_INTERFACE has %zu interfaces, not one", spec->interfaces.count);
  return netconf_apply (&spec->interfaces, err) < 0 ? -1 : 1;
}

static int
op_freeze (struct guest *guest, uint32_t request_id, struct container *container, bool frozen, struct error *err)
{
  if (cgroup_freeze (container->cgroup, frozen, err) < 0)
    return -1;
  container->frozen = frozen;
  if (!frozen || cgroup_frozen (container->cgroup))
    return 1;
  ops_wait_for (guest, PENDING_FREEZE, request_id, FREEZE_DEADLINE_NS);
  guest->pending.container = container;
  return 0;
}

static void
serve_frozen (struct guest *guest)
{
  struct pending *pending = &guest->pending;
  struct container *container = pending->container;
  bool frozen = cgroup_frozen (container->cgroup);
  if (!frozen && clock_ns (CLOCK_MONOTONIC) < pending->deadline_ns)
    return;
  pending->kind = PENDING_NONE;
  struct error err, ignored;
  if (frozen)
    {
      serve_answer (guest, pending->request_id, NULL);
      return;
    }
  cgroup_freeze (container->cgroup, false, &ignored);
  container->frozen = false;
  error_set (&err, ETIMEDOUT, "processes of container %s do not stand still", container->id);
  serve_failure (guest, pending->request_id, HB_OP_FREEZE_CONTAINER, &err);
}

void
serve_pending (struct guest *guest)
{
  switch (guest->pending.kind)
    {
    case PENDING_NONE:
      return;
    case PENDING_CREATE:
      containers_serve_created (guest);
      return;
    case PENDING_START:
      serve_started (guest);
      return;
    case PENDING_DELETE:
      containers_serve_deleted (guest);
      return;
    case PENDING_SHUTDOWN:
      containers_serve_shut_down (guest);
      return;
    case PENDING_GROW:
      serve_grown (guest);
      return;
    case PENDING_FREEZE:
      serve_frozen (guest);
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
    case HB_OP_FREEZE_CONTAINER:
      return op_freeze (guest, request_id, container, request->spec.target.frozen, err);
    case HB_OP_UPDATE_CONTAINER:
      return cgroup_limit (container->cgroup, &request->spec.update.limits, err) < 0 ? -1 : 1;
    default:
      ops_wait_for (guest, PENDING_DELETE, request_id, DELETE_DEADLINE_NS);
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
      return containers_create (guest, request_id, request, err);
    case HB_OP_START_PROCESS:
      return op_start (guest, request_id, request, err);
    case HB_OP_START_FILES:
      return op_start_files (guest, &request->spec.files, fields, err);
    case HB_OP_SIGNAL:
      return op_signal (guest, &request->spec.target, err);
    case HB_OP_RESIZE:
      return op_resize (guest, &request->spec.target, err);
    case HB_OP_FORGET:
      return op_forget (guest, request->spec.target.process_id, err);
    case HB_OP_SHUTDOWN:
      ops_wait_for (guest, PENDING_SHUTDOWN, request_id, SHUTDOWN_DEADLINE_NS);
      return 0;
    case HB_OP_SET_INTERFACE:
      return op_set_interface (&request->spec.configure, err);
    case HB_OP_REMOVE_INTERFACE:
      return netconf_remove (request->spec.target.name, err) < 0 ? -1 : 1;
    case HB_OP_GROW_DISK:
      return op_grow (guest, request_id, &request->spec.target, err);
    case HB_OP_SYNC:
      sync ();
      return 1;
    default: /* STATS, TOP, DELETE_CONTAINER, UPDATE_CONTAINER, FREEZE_CONTAINER */
      return op_of_container (guest, request_id, request, fields, err);
    }
}
