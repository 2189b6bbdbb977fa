#include "container/layer.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include "lib/tree.h"
#include "protocol.h"
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

/* No container has such an id. */
#define PREPARED "c/~next"

static int
make_directories (int at, struct error *err)
{
  return directory_make (at, "upper", 0755, err) < 0 || directory_make (at, "work", 0755, err) < 0 ? -1 : 0;
}

/* Never through a symlink: a kept disk was a container's to write. */
static int
open_directory (int at, const char *path)
{
  return sys_openat2 (at, path, O_PATH | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

void
layer_prepare (const char *base)
{
  struct error ignored; /* it is made when it is needed, then */
  cleanup_close int root = open (base, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || directory_make (root, "c", 0700, &ignored) < 0 || mkdirat (root, PREPARED, 0700) < 0)
    return;
  cleanup_close int own = open_directory (root, PREPARED);
  if (own < 0 || make_directories (own, &ignored) < 0)
    {
      unlinkat (own, "upper", AT_REMOVEDIR);
      unlinkat (root, PREPARED, AT_REMOVEDIR);
    }
}

static int
make_on_disk (const char *base, const char *id, struct error *err)
{
  char name[HB_CONTAINER_ID_BYTES_MAX + 16];
  cleanup_close int root = open (base, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return error_errno (err, "open %s", base);
  snprintf (name, sizeof name, "c/%s", id);
  cleanup_close int own = open_directory (root, name);
  if (own < 0 && errno == ENOENT)
    {
      if (renameat (root, PREPARED, root, name) == 0)
        return 0;
      if (directory_make (root, "c", 0700, err) < 0 || directory_make (root, name, 0700, err) < 0)
        return -1;
      own = open_directory (root, name);
    }
  return own < 0 ? error_errno (err, "open %s/%s", base, name) : make_directories (own, err);
}

static int
make_on_tmpfs (const char *base, struct error *err)
{
  if (directory_make (AT_FDCWD, base, 0700, err) < 0)
    return -1;
  if (mount ("tmpfs", base, "tmpfs", 0, "mode=700") < 0)
    return error_errno (err, "mount tmpfs on %s", base);
  cleanup_close int root = open (base, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return root < 0 ? error_errno (err, "open %s", base) : make_directories (root, err);
}

int
layer_make (struct layer *layer, const struct container_spec *spec, struct disks *disks, struct error *err)
{
  char base[64], files[128];
  if (!spec->scratch_disk[0])
    {
      snprintf (layer->path, sizeof layer->path, "/run/upper/%s", spec->id);
      if (make_on_tmpfs (layer->path, err) < 0)
        return -1;
    }
  else
    {
      if (disk_mount (disks, spec->scratch_disk, base, sizeof base, err) < 0 || make_on_disk (base, spec->id, err) < 0)
        return -1;
      snprintf (layer->path, sizeof layer->path, "%.48s/c/%s", base, spec->id);
    }
  snprintf (files, sizeof files, "/run/files/%s", spec->id);
  if (directory_make (AT_FDCWD, files, 0700, err) < 0)
    return -1;
  layer->files = open (files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return layer->files < 0 ? error_errno (err, "open %s", files) : 0;
}

void
layer_drop (const char *id, bool upper_on_tmpfs)
{
  char path[128];
  snprintf (path, sizeof path, "/run/files/%s", id);
  tree_remove (path);
  snprintf (path, sizeof path, "/run/upper/%s", id);
  if (upper_on_tmpfs)
    {
      umount2 (path, MNT_DETACH);
      rmdir (path);
    }
}
