#include "containers.h"
#include "container/cgroup.h"
#include "container/volume.h"
#include "lib/file.h"
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
  struct list mounts = spec->mounts;
  struct error none;
  size_t index;
  if (find_place (guest, spec, &index, err) < 0)
    return -1;
  struct container *container = container_create (spec, &request->arena, &guest->disks, &guest->home, err);
  if (!container)
    {
      close_volumes (guest, &mounts);
      return -1;
    }
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

void
containers_serve_created (struct guest *guest)
{
  struct pending *pending = &guest->pending;
  struct request *request = &pending->request;
  struct error err;
  int result = -1;
  /* A volume is put into its slot when the sandbox is claimed; the kernel takes note of it in its own time. */
  if (has_disks (guest, &request->spec.container.mounts, &err))
    result = create_now (guest, request, &err);
  else if (clock_ns (CLOCK_MONOTONIC) < pending->deadline_ns)
    return;
  pending->kind = PENDING_NONE;
  arena_free (&request->arena);
  if (result < 0)
    serve_failure (guest, pending->request_id, HB_OP_CREATE_CONTAINER, &err);
  else
    serve_answer (guest, pending->request_id, NULL);
}

bool
container_gone (struct guest *guest, struct container *container, struct error *err)
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

