#include "files/opened.h"
#include "files/node.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void
opened_begin (struct opened *opened, int root)
{
  *opened = (struct opened){ .root = root, .other = -1 };
}

static void
pop (struct opened *opened)
{
  struct opened_directory *last = &opened->directories[--opened->count];
  node_set_time (last->fd, last->mtime_ns);
  close (last->fd);
}

/* Closes those that `path`, a directory, is neither nor is below. */
static void
close_others (struct opened *opened, const char *path, size_t length)
{
  while (opened->count)
    {
      size_t own = opened->directories[opened->count - 1].length;
      if (own <= length && memcmp (opened->path, path, own) == 0 && (own == length || path[own] == '/'))
        return;
      pop (opened);
    }
}

/* Where the path's last name begins. */
static const char *
last_name (const char *path)
{
  const char *slash = strrchr (path, '/');
  return slash ? slash + 1 : path;
}

static int
open_directory (int root, const char *path)
{
  return sys_openat2 (root, path, O_PATH | O_DIRECTORY, 0, RESOLVE_NO_MAGICLINKS);
}

/* One component after the other, from the root of the tree. */
static int
make_directories (int root, const char *path)
{
  int at = open_directory (root, ".");
  while (at >= 0 && *path)
    {
      char name[NAME_MAX + 2];
      size_t length = strcspn (path, "/");
      snprintf (name, sizeof name, "%.*s", (int) length, path);
      int next = mkdirat (at, name, 0755) < 0 && errno != EEXIST ? -1 : open_directory (at, name);
      int status = errno;
      close (at);
      errno = status;
      at = next;
      path += length + (path[length] == '/');
    }
  return at;
}

static int
open_other (struct opened *opened, const char *path, size_t length, bool make, struct error *err)
{
  if (opened->other >= 0 && !opened->other_stale && strlen (opened->other_path) == length && memcmp (opened->other_path, path, length) == 0)
    return opened->other;
  close_and_forget (&opened->other);
  opened->other_stale = false;
  memcpy (opened->other_path, path, length);
  opened->other_path[length] = 0;
  opened->other = open_directory (opened->root, opened->other_path);
  if (opened->other < 0 && errno == ENOENT && make)
    opened->other = make_directories (opened->root, opened->other_path);
  return opened->other < 0 ? error_errno (err, "%.160s", opened->other_path) : opened->other;
}

int
opened_parent (struct opened *opened, const char *path, const char **name, struct error *err)
{
  *name = last_name (path);
  size_t length = *name == path ? 0 : (size_t) (*name - path - 1);
  close_others (opened, path, length);
  struct opened_directory *last = opened->count ? &opened->directories[opened->count - 1] : NULL;
  if (length == (last ? last->length : 0))
    return last ? last->fd : opened->root;
  return open_other (opened, path, length, true, err);
}

int
opened_copy (struct opened *opened, const char *path, const char **name, struct error *err)
{
  char directory[PATH_MAX];
  *name = last_name (path);
  size_t length = *name == path ? 0 : (size_t) (*name - path - 1);
  memcpy (directory, path, length);
  strcpy (directory + length, length ? "" : ".");
  int fd = open_directory (opened->root, directory);
  return fd < 0 ? error_errno (err, "%.160s", path) : fd;
}

int
opened_push (struct opened *opened, const char *path, int fd, uint64_t mtime_ns, struct error *err)
{
  if (opened->count == opened->capacity)
    {
      size_t capacity = opened->capacity ? opened->capacity * 2 : 16;
      void *grown = realloc (opened->directories, capacity * sizeof *opened->directories);
      if (!grown)
        return error_set (err, ENOMEM, "no memory for a tree of this depth");
      opened->directories = grown;
      opened->capacity = capacity;
    }
  /* Its path begins with that of the one above it. */
  size_t length = strlen (path);
  memcpy (opened->path, path, length);
  opened->directories[opened->count++] = (struct opened_directory){ fd, length, mtime_ns };
  return 0;
}

void
opened_close_all (struct opened *opened)
{
  while (opened->count)
    pop (opened);
}

void
opened_end (struct opened *opened)
{
  opened_close_all (opened);
  if (opened->root_time_known)
    node_set_time (opened->root, opened->root_mtime_ns);
  close_and_forget (&opened->other);
  free (opened->directories);
}
