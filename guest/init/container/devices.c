#include "container/devices.h"
#include "container/mounts.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SHM_BYTES_DEFAULT ((uint64_t) 64 << 20)

static const struct { const char *name; unsigned major, minor; } nodes[] = {
  { "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 },
};

static const struct { const char *name, *target; } links[] = {
  { "ptmx", "pts/ptmx" },          { "fd", "/proc/self/fd" },       { "stdin", "/proc/self/fd/0" },
  { "stdout", "/proc/self/fd/1" }, { "stderr", "/proc/self/fd/2" }, { "core", "/proc/kcore" },
};

static const char *const directories[] = { "pts", "shm", "mqueue" };

static int
fill (int dev, struct error *err)
{
  for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++)
    if (mknodat (dev, nodes[i].name, S_IFCHR | 0666, makedev (nodes[i].major, nodes[i].minor)) < 0)
      return error_errno (err, "mknod /dev/%s", nodes[i].name);
  for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
    if (symlinkat (links[i].target, dev, links[i].name) < 0)
      return error_errno (err, "symlink /dev/%s", links[i].name);
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
    if (mkdirat (dev, directories[i], 0755) < 0)
      return error_errno (err, "mkdir /dev/%s", directories[i]);
  return 0;
}

static bool
is_shared_device (const char *name)
{
  /* The control channel's own port is init's. */
  return strcmp (name, "console") != 0 && strncmp (name, "vport", 5) != 0;
}

/* The sandbox's devices, for a privileged container. */
static int
copy_host_devices (int dev, int host_dev, struct error *err)
{
  int fd = openat (host_dev, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir (fd);
  if (!directory)
    return error_errno (err, "read /dev");
  struct dirent *entry;
  int result = 0;
  while (result == 0 && (entry = readdir (directory)))
    {
      struct stat status;
      if (fstatat (fd, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 || !is_shared_device (entry->d_name)
          || (!S_ISCHR (status.st_mode) && !S_ISBLK (status.st_mode)))
        continue;
      if (mknodat (dev, entry->d_name, status.st_mode, status.st_rdev) < 0 && errno != EEXIST)
        result = error_errno (err, "mknod /dev/%s", entry->d_name);
    }
  closedir (directory);
  return result;
}

int
devices_mount (int root, uint64_t shm_bytes, int host_dev, struct error *err)
{
  cleanup_close int target = openat (root, "dev", O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
  if (target < 0)
    return error_errno (err, "mount point /dev");
  cleanup_close int dev = mount_new ("tmpfs", "tmpfs", "mode=755,size=65536k",
                                     MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME, err);
  if (dev < 0 || fill (dev, err) < 0 || (host_dev >= 0 && copy_host_devices (dev, host_dev, err) < 0)
      || mount_attach (dev, target, "/dev", err) < 0)
    return -1;
  char shm[64];
  snprintf (shm, sizeof shm, "mode=1777,size=%" PRIu64, shm_bytes ? shm_bytes : SHM_BYTES_DEFAULT);
  unsigned quiet = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  if (mount_at (dev, "pts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, err) < 0
      || mount_at (dev, "shm", "tmpfs", shm, quiet, err) < 0 || mount_at (dev, "mqueue", "mqueue", NULL, quiet, err) < 0)
    return -1;
  int pts = openat (dev, "pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return pts < 0 ? error_errno (err, "open /dev/pts") : pts;
}
