#include "files/copyup.h"
#include "container/volume.h"
#include "files/names.h"
#include "files/node.h"
#include "files/read.h"
#include "files/remove.h"
#include "files/write.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>

/* In the root of the volume's disk, which no container sees. What a sandbox that ended meanwhile has left is removed. */
#define HALF_MADE ".copy-up"

bool
copy_up_asked (const struct list *mounts)
{
  const struct mount_spec *specs = mounts->items;
  for (size_t i = 0; i < mounts->count; i++)
    if (specs[i].copy_up)
      return true;
  return false;
}

/* The reader of the tree; ends with an errno. */
static _Noreturn void
run_reader (int node, int output)
{
  static struct sink sink;
  struct error err;
  sink.fd = output;
  if (nodes_prepare (&err) == 0 && tree_read (node, NULL, &sink, &err) == 0)
    _exit (0);
  dprintf (2, "copy up: %s\n", err.message);
  _exit (err.status & 0xff ? err.status & 0xff : EIO);
}

/* `from` and what is in it becomes what `to` is; each end of the tree has its process. */
static int
copy_tree (int from, int to, struct error *err)
{
  int pipe_ends[2], status = 0;
  if (pipe2 (pipe_ends, O_CLOEXEC) < 0)
    return error_errno (err, "pipe");
  pid_t reader = fork ();
  if (reader == 0)
    {
      close (pipe_ends[0]);
      run_reader (from, pipe_ends[1]);
    }
  close (pipe_ends[1]);
  int result = reader < 0 ? error_errno (err, "fork") : tree_write (to, pipe_ends[0], false, err);
  close (pipe_ends[0]); /* a reader whose writer failed ends by that */
  if (reader > 0 && waitpid (reader, &status, 0) == reader && result == 0 && status != 0)
    return error_set (err, WIFEXITED (status) ? WEXITSTATUS (status) : EIO, "the image could not be read");
  return result;
}

static bool
is_empty (int directory)
{
  struct names names;
  struct error ignored;
  size_t held = 0;
  bool empty = names_open (&names, directory, &held, &ignored) == 0 && !names_next (&names);
  names_close (&names);
  return empty;
}

/* Where SOURCE_PATH's own name begins, without slashes behind it. */
static const char *
split (const char *source, char directory[PATH_MAX], char name[NAME_MAX + 1])
{
  size_t length = strlen (source);
  while (length && source[length - 1] == '/')
    length--;
  size_t begin = length;
  while (begin && source[begin - 1] != '/')
    begin--;
  if (length == begin || length - begin > NAME_MAX || begin >= PATH_MAX)
    return NULL;
  snprintf (name, NAME_MAX + 1, "%.*s", (int) (length - begin), source + begin);
  snprintf (directory, PATH_MAX, "./%.*s", (int) begin, source);
  return name;
}

/* The copy is made beside its place, and put there when it is whole and on the disk. */
static int
fill (int root, int from, const struct mount_spec *spec, struct error *err)
{
  char directory[PATH_MAX], name[NAME_MAX + 1];
  if (!split (spec->source_path, directory, name))
    return error_set (err, EINVAL, "%.160s is no directory of a volume that could be filled", spec->source_path);
  if (node_remove (root, HALF_MADE, err) < 0)
    return -1;
  if (mkdirat (root, HALF_MADE, 0755) < 0)
    return error_errno (err, "mkdir on the disk %s", spec->disk);
  cleanup_close int copy = openat (root, HALF_MADE, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  cleanup_close int parent = sys_openat2 (root, directory, O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT);
  if (copy < 0 || parent < 0)
    return error_errno (err, "open %.160s on the disk %s", directory, spec->disk);
  struct error ignored;
  if (copy_tree (from, copy, err) < 0)
    {
      node_remove (root, HALF_MADE, &ignored);
      return -1;
    }
  cleanup_close int synced = openat (root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (syncfs (synced) < 0 || renameat (root, HALF_MADE, parent, name) < 0)
    return error_errno (err, "fill %.100s of the disk %s", spec->source_path, spec->disk);
  return 0;
}

static int
copy_one (const struct mount_spec *spec, const char *image, struct error *err)
{
  char base[64];
  snprintf (base, sizeof base, "/run/disk/%s", spec->disk);
  cleanup_close int root = open (base, O_PATH | O_DIRECTORY | O_CLOEXEC);
  cleanup_close int lower = open (image, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || lower < 0)
    return error_errno (err, "open the disk %s", spec->disk);
  struct stat status;
  cleanup_close int from = sys_openat2 (lower, spec->path, O_PATH | O_DIRECTORY, 0, RESOLVE_IN_ROOT);
  if (from < 0) /* the image has nothing, or no directory, there */
    return 0;
  cleanup_close int to = volume_source (root, spec, err);
  if (to < 0)
    return -1;
  if (fstat (to, &status) < 0 || !S_ISDIR (status.st_mode) || !is_empty (to))
    return 0;
  return fill (root, from, spec, err);
}

int
copy_up (const struct list *mounts, const char *image, struct error *err)
{
  const struct mount_spec *specs = mounts->items;
  umask (0);
  if (nodes_prepare (err) < 0)
    return -1;
  for (size_t i = 0; i < mounts->count; i++)
    if (specs[i].copy_up && copy_one (&specs[i], image, err) < 0)
      return -1;
  return 0;
}
