#include "container/volume.h"
#include "container/mounts.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Makes `inside`, one component after the other. The disk was a container's to write: no symlink on it leads out. */
static int
make_source (int root, const char *inside)
{
  char path[PATH_MAX];
  size_t length = 0;
  if (strlen (inside) >= sizeof path)
    {
      errno = ENAMETOOLONG;
      return -1;
    }
  cleanup_close int at = sys_openat2 (root, ".", O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT);
  while (inside[length])
    {
      size_t begin = length + strspn (inside + length, "/"), end = begin + strcspn (inside + begin, "/");
      char name[NAME_MAX + 1];
      snprintf (name, sizeof name, "%.*s", (int) (end - begin), inside + begin);
      snprintf (path, sizeof path, "%.*s", (int) end, inside);
      int next = sys_openat2 (root, path, O_PATH, 0, RESOLVE_IN_ROOT);
      if (next < 0 && errno == ENOENT && mkdirat (at, name, 0755) == 0)
        next = sys_openat2 (root, path, O_PATH, 0, RESOLVE_IN_ROOT);
      if (next < 0)
        return -1;
      close_and_forget (&at);
      at = next;
      length = end + strspn (inside + end, "/");
    }
  int result = at;
  at = -1;
  return result;
}

int
volume_source (int root, const struct mount_spec *spec, struct error *err)
{
  int source = make_source (root, spec->source_path + strspn (spec->source_path, "/"));
  return source < 0 ? error_errno (err, "open %.100s on the disk %s", spec->source_path, spec->disk) : source;
}

int
volume_open (const struct mount_spec *spec, struct disks *disks, struct error *err)
{
  char base[64];
  unsigned attributes;
  if (!path_valid (spec->path))
    return error_set (err, EINVAL, "%.100s is no absolute path", spec->path);
  if (disk_mount (disks, spec->disk, base, sizeof base, err) < 0 || mount_flags (spec->flags, &attributes, err) < 0)
    return -1;
  cleanup_close int root = open (base, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return error_errno (err, "open %s", base);
  cleanup_close int source = volume_source (root, spec, err);
  return source < 0 ? -1 : mount_copy (source, "", attributes, err);
}
