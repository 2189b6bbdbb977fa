#include "containers.h"
#include "container/cgroup.h"
#include "files/copyup.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include "ops.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

/* Until all of its volumes are there. */
#define CREATE_DEADLINE_NS 10000000000ull

/* Serials of volumes; the other disks stay mounted until SHUTDOWN. */
static bool
is_volume (const char *disk)
{
  return strncmp (disk, "vol", 3) == 0 || strncmp (disk, "rovol", 5) == 0;
}

static bool
is_mounted (const struct guest *guest, const char *disk)
{
  for (size_t i = 0; i < HB_CONTAINERS_MAX; i++)
    {
      const struct list *mounts = guest->containers[i] ? &guest->containers[i]->mounts : NULL;
      const struct mount_spec *specs = mounts ? mounts->items : NULL;
      for (size_t j = 0; mounts && j < mounts->count; j++)
        if (strcmp (specs[j].disk, disk) == 0)
          return true;
    }
  return false;
}

/* The volumes of a container that is no more, or did not come to be. */
static void
close_volumes (struct guest *guest, const struct list *mounts)
{
  const struct mount_spec *specs = mounts->items;
  struct error ignored; /* SHUTDOWN tries again */
  for (size_t i = 0; i < mounts->count; i++)
    if (is_volume (specs[i].disk) && !is_mounted (guest, specs[i].disk))
      disk_unmount (&guest->disks, specs[i].disk, &ignored);
}

/* The place for one more. */
static int
find_place (const struct guest *guest, const struct container_spec *spec, size_t *index, struct error *err)
{
  struct error none;
  *index = 0;
  if (!container_id_valid (spec->id))
    return error_set (err, EINVAL, "%.80s is no container id", spec->id);
  if (guest_container (guest, spec->id, &none))
    return error_set (err, EEXIST, "container %s exists", spec->id);
  while (*index < HB_CONTAINERS_MAX && guest->containers[*index])
    ++*index;
  if (*index == HB_CONTAINERS_MAX)
    return error_set (err, ENOSPC, "the sandbox has %u containers", HB_CONTAINERS_MAX);
  return 0;
}

static int
create_now (struct guest *guest, struct request *request, struct error *err)
{
  const struct container_spec *spec = &request->spec.container;
  struct error none;
  size_t index;
  if (find_place (guest, spec, &index, err) < 0)
    return -1;
  struct container *container = container_create (spec, &request->arena, &guest->disks, &guest->home, err);
  if (!container)
    return -1;
  guest->containers[index] = container;
  if ((container->memory_events >= 0
       && guest_watch (guest, container->memory_events, EPOLLPRI, WATCH_MEMORY, (uint32_t) index, err) < 0)
      || (container->pressure.fd >= 0
          && guest_watch (guest, container->pressure.fd, EPOLLPRI, WATCH_PRESSURE, (uint32_t) index, err) < 0))
    {
      container_gone (guest, container, &none);
      return -1;
    }
  return 1;
}

/* What the request says is kept beyond its frame. */
static int
keep_request (struct request *kept, struct request *request, struct error *err)
{
  struct file_spec *files = request->spec.container.files.items;
  for (size_t i = 0; i < request->spec.container.files.count; i++)
    {
      uint8_t *copy = arena_alloc (&request->arena, files[i].value.length + 1);
      if (!copy)
        return error_set (err, ENOMEM, "the files of the container are too large");
      memcpy (copy, files[i].value.data, files[i].value.length);
      files[i].value.data = copy;
    }
  *kept = *request;
  request->arena = (struct arena){ 0 };
  return 0;
}

int
containers_create (struct guest *guest, uint32_t request_id, struct request *request, struct error *err)
{
  if (request->spec.container.mounts.count == 0)
    return create_now (guest, request, err);
  ops_wait_for (guest, PENDING_CREATE, request_id, CREATE_DEADLINE_NS);
  if (keep_request (&guest->pending.request, request, err) == 0)
    return 0;
  guest->pending.kind = PENDING_NONE;
  return -1;
}

static bool
has_disks (struct guest *guest, const struct list *mounts, struct error *err)
{
  const struct mount_spec *specs = mounts->items;
  for (size_t i = 0; i < mounts->count; i++)
    if (!disk_present (&guest->disks, specs[i].disk))
      {
        error_set (err, ENODEV, "there is nothing behind the disk %.32s", specs[i].disk);
        return false;
      }
  return true;
}

static int
mount_disks (struct guest *guest, const struct container_spec *spec, char *image, size_t size, struct error *err)
{
  const struct mount_spec *specs = spec->mounts.items;
  char path[64];
  for (size_t i = 0; i < spec->mounts.count; i++)
    if (!path_valid (specs[i].path))
      return error_set (err, EINVAL, "%.100s is no absolute path", specs[i].path);
    else if (disk_mount (&guest->disks, specs[i].disk, path, sizeof path, err) < 0)
      return -1;
  return disk_mount (&guest->disks, spec->root_disk, image, size, err);
}

/* Volumes are filled by a child, which has a copy of init's memory but for the state, and reports a struct error. */
static int
begin_copy_up (struct guest *guest, const struct container_spec *given, struct error *err)
{
  struct container_spec spec = *given;
  char image[64];
  int report[2];
  if (mount_disks (guest, &spec, image, sizeof image, err) < 0)
    return -1;
  if (pipe2 (report, O_CLOEXEC | O_NONBLOCK) < 0)
    return error_errno (err, "pipe");
  pid_t pid = fork ();
  if (pid == 0)
    {
      struct error result = { .status = 0 };
      int end = dup3 (report[1], 3, O_CLOEXEC);
      sys_close_range (4, ~0u);
      if (copy_up (&spec.mounts, image, &result) == 0)
        result.status = 0;
      write_all (end, &result, sizeof result);
      _exit (0);
    }
  close_and_forget (&report[1]);
  if (pid > 0 && guest_watch (guest, report[0], EPOLLIN, WATCH_REPORT, 0, err) == 0)
    {
      guest->pending.report = report[0];
      return 0;
    }
  close_and_forget (&report[0]);
  return pid > 0 ? -1 : error_errno (err, "fork");
}

/* Returns 0 while volumes are being filled. */
static int
take_report (struct pending *pending, struct error *err)
{
  struct error told;
  ssize_t got = read (pending->report, &told, sizeof told);
  if (got < 0 && (errno == EAGAIN || errno == EINTR))
    return 0;
  close_and_forget (&pending->report);
  if (got != sizeof told)
    return error_set (err, EIO, "what filled the volumes was ended");
  *err = told;
  return told.status ? -1 : 1;
}

/* Returns 1 when the container is there, 0 when it comes later. */
static int
go_on_creating (struct guest *guest, struct error *err)
{
  struct pending *pending = &guest->pending;
  const struct container_spec *spec = &pending->request.spec.container;
  if (pending->report >= 0)
    {
      int filled = take_report (pending, err);
      return filled > 0 ? create_now (guest, &pending->request, err) : filled;
    }
  /* A volume is put into its slot when the sandbox is claimed; the kernel takes note of it in its own time. */
  if (!has_disks (guest, &spec->mounts, err))
    return clock_ns (CLOCK_MONOTONIC) < pending->deadline_ns ? 0 : -1;
  if (!copy_up_asked (&spec->mounts))
    return create_now (guest, &pending->request, err);
  pending->deadline_ns = UINT64_MAX;
  return begin_copy_up (guest, spec, err);
}

void
containers_serve_created (struct guest *guest)
{
  struct pending *pending = &guest->pending;
  struct error err;
  int result = go_on_creating (guest, &err);
  if (result == 0)
    return;
  pending->kind = PENDING_NONE;
  if (result < 0)
    close_volumes (guest, &pending->request.spec.container.mounts);
  arena_free (&pending->request.arena);
  if (pending->host_gone)
    return;
  if (result < 0)
    serve_failure (guest, pending->request_id, HB_OP_CREATE_CONTAINER, &err);
  else
    serve_answer (guest, pending->request_id, NULL);
}

/* Those of START_FILES, which are not in its cgroup; true when there are none. */
static bool
kill_files (const struct guest *guest, const struct container *container)
{
  bool gone = true;
  for (size_t i = 0; i < guest->processes.count; i++)
    {
      const struct process *process = guest->processes.process[i];
      if (!process->files || process->container != container || process->exited)
        continue;
      kill (process->pid, SIGKILL);
      gone = false;
    }
  return gone;
}

bool
container_gone (struct guest *guest, struct container *container, struct error *err)
{
  cgroup_signal (container->cgroup, SIGKILL);
  if (!kill_files (guest, container) || container->main_pid || cgroup_populated (container->cgroup))
    {
      error_set (err, EBUSY, "processes of container %s did not end", container->id);
      return false;
    }
  size_t index = 0;
  while (guest->containers[index] != container)
    index++;
  struct list mounts = container->mounts;
  struct arena arena = container->arena;
  container->arena = (struct arena){ 0 };
  /* The cgroup can still be busy for a moment after its last process. */
  if (container_delete (container, err) < 0)
    {
      container->arena = arena;
      return false;
    }
  guest->containers[index] = NULL;
  close_volumes (guest, &mounts);
  arena_free (&arena);
  for (size_t i = 0; i < guest->processes.count; i++)
    if (guest->processes.process[i]->container == container)
      guest->processes.process[i]->container = NULL;
  return true;
}

void
containers_serve_deleted (struct guest *guest)
{
  struct pending *pending = &guest->pending;
  struct error err;
  bool gone = container_gone (guest, pending->container, &err);
  if (!gone && clock_ns (CLOCK_MONOTONIC) < pending->deadline_ns)
    return;
  pending->kind = PENDING_NONE;
  if (gone)
    serve_answer (guest, pending->request_id, NULL);
  else
    serve_failure (guest, pending->request_id, HB_OP_DELETE_CONTAINER, &err);
}

void
containers_serve_shut_down (struct guest *guest)
{
  bool gone = true;
  struct error err;
  for (size_t i = 0; i < HB_CONTAINERS_MAX; i++)
    if (guest->containers[i] && !container_gone (guest, guest->containers[i], &err))
      gone = false;
  if (!gone && clock_ns (CLOCK_MONOTONIC) < guest->pending.deadline_ns)
    return;
  /* The last of a process's mounts goes a moment after the process; then a file system is clean on its disk. */
  shutdown_prepare (guest);
  if (!disks_closed (&guest->disks) && clock_ns (CLOCK_MONOTONIC) < guest->pending.deadline_ns)
    return;
  serve_answer (guest, guest->pending.request_id, NULL);
  shutdown_now (guest);
}

