#include "container/container.h"
#include "container/cgroup.h"
#include "container/layer.h"
#include "container/mounts.h"
#include "container/rootfs.h"
#include "container/volume.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include "machine/sysctl.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Writes a FILE where the container's own changes are not, and returns a detached mount of it. */
static int
prepare_file (int directory, size_t index, const struct file_spec *spec, struct error *err)
{
  char name[24];
  snprintf (name, sizeof name, "%zu", index);
  if (!path_valid (spec->path))
    return error_set (err, EINVAL, "%.100s is no absolute path", spec->path);
  cleanup_close int fd = openat (directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0 || fchmod (fd, spec->mode & 07777) < 0 || write_all (fd, spec->value.data, spec->value.length) < 0)
    return error_errno (err, "write %s", spec->path);
  return mount_copy (directory, name, 0, err);
}

static void
prepared_free (struct prepared_mounts *prepared, const struct container_spec *spec)
{
  for (size_t i = 0; prepared->files && i < spec->files.count; i++)
    close_and_forget (&prepared->files[i]);
  for (size_t i = 0; prepared->mounts && i < spec->mounts.count; i++)
    close_and_forget (&prepared->mounts[i]);
  close_and_forget (&prepared->root);
  free (prepared->files);
  free (prepared->mounts);
}

static int *
none (size_t count)
{
  int *fds = malloc ((count ? count : 1) * sizeof *fds);
  for (size_t i = 0; fds && i < count; i++)
    fds[i] = -1;
  return fds;
}

/* What has to be found in init's own tree: the overlay, FILE and MOUNT, all detached. */
static int
prepare (struct prepared_mounts *prepared, const struct container_spec *spec, const char *lower,
         const struct layer *layer, struct disks *disks, struct error *err)
{
  prepared->files = none (spec->files.count);
  prepared->mounts = none (spec->mounts.count);
  if (!prepared->files || !prepared->mounts)
    return error_set (err, ENOMEM, "too many mounts");
  const struct file_spec *files = spec->files.items;
  for (size_t i = 0; i < spec->files.count; i++)
    if ((prepared->files[i] = prepare_file (layer->files, i, &files[i], err)) < 0)
      return -1;
  const struct mount_spec *mounts = spec->mounts.items;
  for (size_t i = 0; i < spec->mounts.count; i++)
    if ((prepared->mounts[i] = volume_open (&mounts[i], disks, err)) < 0)
      return -1;
  char options[512];
  snprintf (options, sizeof options, "lowerdir=%s,upperdir=%s/upper,workdir=%s/work", lower, layer->path, layer->path);
  prepared->root = mount_new ("overlay", "overlay", options, 0, err);
  return prepared->root < 0 ? -1 : 0;
}

/* Inside the new namespaces. */
static int
furnish (struct container *container, const struct container_spec *spec, const struct prepared_mounts *prepared,
         const struct home *home, struct error *err)
{
  if (sethostname (spec->hostname, strlen (spec->hostname)) < 0)
    return error_errno (err, "set the host name %.64s", spec->hostname);
  if (spec->domainname[0] && setdomainname (spec->domainname, strlen (spec->domainname)) < 0)
    return error_errno (err, "set the domain name %.64s", spec->domainname);
  if (namespaces_open (home, &container->namespaces, err) < 0 || sysctls_apply_namespaced (&spec->sysctls, err) < 0)
    return -1;
  container->pts = rootfs_build (spec, prepared, err);
  return container->pts < 0 ? -1 : 0;
}

static int
build (struct container *container, const struct container_spec *spec, struct disks *disks, const struct home *home,
       struct error *err)
{
  char lower[64];
  struct layer layer = { .files = -1 };
  if (disk_mount (disks, spec->root_disk, lower, sizeof lower, err) < 0)
    return -1;
  container->upper_on_tmpfs = !spec->scratch_disk[0];
  if (layer_make (&layer, spec, disks, err) < 0)
    return -1;
  snprintf (container->lower, sizeof container->lower, "%s", lower);
  snprintf (container->upper, sizeof container->upper, "%s/upper", layer.path);
  struct prepared_mounts prepared = { .root = -1 };
  int result = prepare (&prepared, spec, lower, &layer, disks, err);
  close_and_forget (&layer.files);
  if (result == 0)
    {
      result = unshare (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC);
      if (result < 0)
        error_errno (err, "unshare");
      else
        result = furnish (container, spec, &prepared, home, err);
      struct error fatal;
      /* Without its own tree init can do nothing more; the kernel panics, and the host sees the sandbox end. */
      if (namespaces_enter (&home->namespaces, &fatal) < 0)
        abort ();
    }
  prepared_free (&prepared, spec);
  return result;
}

static void
container_free (struct container *container)
{
  namespaces_close (&container->namespaces);
  close_and_forget (&container->cgroup);
  close_and_forget (&container->memory_events);
  pressure_close (&container->pressure);
  close_and_forget (&container->pts);
  close_and_forget (&container->main_pidfd);
  layer_drop (container->id, container->upper_on_tmpfs);
  arena_free (&container->arena);
  free (container);
}

struct container *
container_create (const struct container_spec *spec, struct arena *arena, struct disks *disks,
                  const struct home *home, struct error *err)
{
  struct container *container = calloc (1, sizeof *container);
  if (!container)
    return error_set (err, ENOMEM, "no memory for a container"), NULL;
  container->cgroup = container->memory_events = container->pts = container->main_pidfd = -1;
  container->pressure.fd = -1;
  container->namespaces = (struct namespaces){ -1, -1, -1 };
  snprintf (container->id, sizeof container->id, "%s", spec->id);
  container->privileged = spec->privileged;
  container->root_readonly = spec->root_readonly;
  container->mounts = spec->mounts;
  container->files = spec->files;
  container->cgroup = cgroup_create (spec->id, spec->privileged, &spec->limits, err);
  if (container->cgroup < 0 || build (container, spec, disks, home, err) < 0)
    {
      struct error ignored;
      if (container->cgroup >= 0)
        cgroup_remove (spec->id, spec->privileged, &ignored);
      container_free (container);
      return NULL;
    }
  container->memory_events = openat (container->cgroup, "memory.events", O_RDONLY | O_CLOEXEC);
  pressure_open (&container->pressure, container->cgroup);
  container->masked_paths = spec->masked_paths;
  container->readonly_paths = spec->readonly_paths;
  container->arena = *arena;
  *arena = (struct arena){ 0 };
  return container;
}

int
container_delete (struct container *container, struct error *err)
{
  if (cgroup_remove (container->id, container->privileged, err) < 0)
    return -1;
  container_free (container);
  return 0;
}
