#include "container/procfs.h"
#include "container/mounts.h"
#include "container/path.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define QUIET (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* /dev/null over a file, an empty directory over a directory. What is not there needs no mask. */
static int
mask (const char *path, struct error *err)
{
  struct stat status;
  cleanup_close int target = open (path, O_PATH | O_CLOEXEC);
  if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
    return 0;
  if (target < 0 || fstat (target, &status) < 0)
    return error_errno (err, "mask %.160s", path);
  cleanup_close int mount = S_ISDIR (status.st_mode)
                              ? mount_new ("tmpfs", "tmpfs", "size=0,nr_inodes=1", QUIET | MOUNT_ATTR_RDONLY, err)
                              : mount_copy (AT_FDCWD, "/dev/null", 0, err);
  return mount < 0 ? -1 : mount_attach (mount, target, path, err);
}

static int
make_readonly (const char *path, struct error *err)
{
  cleanup_close int target = open (path, O_PATH | O_CLOEXEC);
  if (target < 0 && (errno == ENOENT || errno == ENOTDIR))
    return 0;
  cleanup_close int mount = target < 0 ? -1 : mount_copy (target, "", MOUNT_ATTR_RDONLY, err);
  if (target < 0)
    return error_errno (err, "read-only %.160s", path);
  return mount < 0 ? -1 : mount_attach (mount, target, path, err);
}

static int
bind_console (int terminal, struct error *err)
{
  char path[32];
  struct stat status;
  if (fstat (terminal, &status) < 0)
    return error_errno (err, "the number of the terminal");
  snprintf (path, sizeof path, "/dev/pts/%u", minor (status.st_rdev));
  cleanup_close int file = open ("/dev/console", O_WRONLY | O_CREAT | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC, 0600);
  cleanup_close int target = open ("/dev/console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (target < 0)
    return error_errno (err, "open /dev/console");
  cleanup_close int mount = mount_copy (AT_FDCWD, path, 0, err);
  return mount < 0 ? -1 : mount_attach (mount, target, "/dev/console", err);
}

int
procfs_mount (const struct container *container, int console, struct error *err)
{
  cleanup_close int root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (container->proc_mounted)
    {
      umount2 ("/proc", MNT_DETACH);
      umount2 ("/sys/fs/cgroup", MNT_DETACH);
      umount2 ("/dev/console", MNT_DETACH);
    }
  if (unshare (CLONE_NEWCGROUP) < 0)
    return error_errno (err, "a cgroup namespace");
  unsigned sys = container->privileged ? QUIET : QUIET | MOUNT_ATTR_RDONLY;
  if (mount_at (root, "proc", "proc", NULL, QUIET, err) < 0
      || mount_at (root, "sys/fs/cgroup", "cgroup2", NULL, sys, err) < 0
      || (console >= 0 && bind_console (console, err) < 0))
    return -1;
  const char *const *masked = container->masked_paths.items, *const *readonly = container->readonly_paths.items;
  for (size_t i = 0; !container->privileged && i < container->masked_paths.count; i++)
    if (mask (masked[i], err) < 0)
      return -1;
  for (size_t i = 0; !container->privileged && i < container->readonly_paths.count; i++)
    if (make_readonly (readonly[i], err) < 0)
      return -1;
  return 0;
}

int
root_make_readonly (struct error *err)
{
  cleanup_close int root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return root < 0 ? error_errno (err, "open /") : mount_set_attributes (root, MOUNT_ATTR_RDONLY, "/", err);
}
