#include "container/rootfs.h"
#include "container/devices.h"
#include "container/mounts.h"
#include "container/path.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* An empty directory of init's tree; the new root lies on it until it is the root. */
#define ROOT_MOUNT_POINT "/run/root"

static int
enter_root (int root, struct error *err)
{
  cleanup_close int target = open (ROOT_MOUNT_POINT, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (target < 0)
    return error_errno (err, "open %s", ROOT_MOUNT_POINT);
  if (mount_attach (root, target, ROOT_MOUNT_POINT, err) < 0)
    return -1;
  /* The old root is put on top of the new one, and taken away from there: no directory is needed for it. */
  if (fchdir (root) < 0 || sys_pivot_root (".", ".") < 0 || umount2 (".", MNT_DETACH) < 0 || chdir ("/") < 0)
    return error_errno (err, "pivot_root");
  return 0;
}

static int
system_directories (int root, struct error *err)
{
  static const char *const names[] = { "proc", "sys", "dev" };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    {
      struct stat status;
      if (mkdirat (root, names[i], 0755) < 0 && errno != EEXIST)
        return error_errno (err, "mkdir /%s", names[i]);
      if (fstatat (root, names[i], &status, AT_SYMLINK_NOFOLLOW) < 0)
        return error_errno (err, "stat /%s", names[i]);
      if (!S_ISDIR (status.st_mode))
        return error_set (err, ENOTDIR, "/%s of the image is no directory", names[i]);
    }
  return 0;
}

static bool
tmpfs_option_allowed (const char *option, size_t length)
{
  static const char *const keys[] = { "size=", "mode=", "uid=", "gid=", "nr_inodes=" };
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
    {
      size_t key = strlen (keys[i]);
      if (length > key && memcmp (option, keys[i], key) == 0)
        return strspn (option + key, "0123456789kKmMgG%") >= length - key;
    }
  return false;
}

static int
mount_tmpfs (const struct tmpfs_spec *spec, struct error *err)
{
  for (const char *option = spec->options; *option;)
    {
      size_t length = strcspn (option, ",");
      if (length && !tmpfs_option_allowed (option, length))
        return error_set (err, EINVAL, "tmpfs option %.*s is not supported", (int) (length < 64 ? length : 64), option);
      option += length + (option[length] == ',');
    }
  unsigned attributes;
  if (mount_flags (spec->flags, &attributes, err) < 0)
    return -1;
  cleanup_close int target = path_open (spec->path, PATH_MAKE_DIRECTORY, err);
  if (target < 0)
    return -1;
  cleanup_close int mount = mount_new ("tmpfs", "tmpfs", spec->options, attributes, err);
  return mount < 0 ? -1 : mount_attach (mount, target, spec->path, err);
}

static int
attach_prepared (int mount, const char *path, struct error *err)
{
  struct stat status, there;
  if (fstat (mount, &status) < 0)
    return error_errno (err, "stat what is mounted on %s", path);
  cleanup_close int target
    = path_open (path, S_ISDIR (status.st_mode) ? PATH_MAKE_DIRECTORY : PATH_MAKE_FILE, err);
  if (target < 0)
    return -1;
  if (fstat (target, &there) < 0 || S_ISDIR (there.st_mode) != S_ISDIR (status.st_mode))
    return error_set (err, ENOTDIR, "mount on %.100s: not a directory: Are you trying to mount a directory onto a file (or vice-versa)?", path);
  return mount_attach (mount, target, path, err);
}

/* One of the three kinds of mounts that a request names. */
struct planned
{
  const char *path;
  const struct tmpfs_spec *tmpfs;
  int prepared;
  size_t depth, order;
};

static size_t
depth_of (const char *path)
{
  size_t depth = 0;
  for (; *path; path++)
    depth += path[0] == '/' && path[1] != '/' && path[1] != 0;
  return depth;
}

/* What lies higher is mounted first, so that it does not hide what lies deeper. */
static int
compare_planned (const void *left, const void *right)
{
  const struct planned *a = left, *b = right;
  if (a->depth != b->depth)
    return a->depth < b->depth ? -1 : 1;
  return a->order < b->order ? -1 : a->order > b->order;
}

static size_t
plan (const struct container_spec *spec, const struct prepared_mounts *prepared, struct planned *planned)
{
  size_t count = 0;
  const struct tmpfs_spec *tmpfses = spec->tmpfses.items;
  const struct mount_spec *mounts = spec->mounts.items;
  const struct file_spec *files = spec->files.items;
  for (size_t i = 0; i < spec->tmpfses.count; i++, count++)
    planned[count] = (struct planned){ tmpfses[i].path, &tmpfses[i], -1, depth_of (tmpfses[i].path), count };
  for (size_t i = 0; i < spec->mounts.count; i++, count++)
    planned[count] = (struct planned){ mounts[i].path, NULL, prepared->mounts[i], depth_of (mounts[i].path), count };
  for (size_t i = 0; i < spec->files.count; i++, count++)
    planned[count] = (struct planned){ files[i].path, NULL, prepared->files[i], depth_of (files[i].path), count };
  qsort (planned, count, sizeof *planned, compare_planned);
  return count;
}

static int
mount_planned (const struct container_spec *spec, const struct prepared_mounts *prepared, struct error *err)
{
  size_t most = spec->tmpfses.count + spec->mounts.count + spec->files.count;
  cleanup_free struct planned *planned = malloc ((most ? most : 1) * sizeof *planned);
  if (!planned)
    return error_set (err, ENOMEM, "too many mounts");
  size_t count = plan (spec, prepared, planned);
  for (size_t i = 0; i < count; i++)
    if ((planned[i].tmpfs ? mount_tmpfs (planned[i].tmpfs, err)
                          : attach_prepared (planned[i].prepared, planned[i].path, err))
        < 0)
      return -1;
  return 0;
}

int
rootfs_build (const struct container_spec *spec, const struct prepared_mounts *prepared, struct error *err)
{
  cleanup_close int host_dev = spec->privileged ? open ("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
  unsigned sys = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | (spec->privileged ? 0 : MOUNT_ATTR_RDONLY);
  if (enter_root (prepared->root, err) < 0 || system_directories (prepared->root, err) < 0
      || mount_at (prepared->root, "sys", "sysfs", NULL, sys, err) < 0)
    return -1;
  cleanup_close int pts = devices_mount (prepared->root, spec->shm_bytes, host_dev, err);
  if (pts < 0 || mount_planned (spec, prepared, err) < 0)
    return -1;
  int result = pts;
  pts = -1;
  return result;
}
