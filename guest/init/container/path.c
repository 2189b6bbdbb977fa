#include "container/path.h"
#include "lib/cleanup.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SYMLINKS_MAX 40

struct walk
{
  int at;                  /* the directory reached so far */
  char rest[2 * PATH_MAX]; /* what remains */
  int symlinks;
};

/* Cuts the first component off `rest`; false when none is left. */
static bool
next_component (struct walk *walk, char name[NAME_MAX + 2])
{
  size_t begin = strspn (walk->rest, "/");
  size_t length = strcspn (walk->rest + begin, "/");
  if (length == 0)
    return false;
  /* One byte more than a name may have: the kernel will say so. */
  size_t kept = length <= NAME_MAX ? length : NAME_MAX + 1;
  memcpy (name, walk->rest + begin, kept);
  name[kept] = 0;
  memmove (walk->rest, walk->rest + begin + length, strlen (walk->rest + begin + length) + 1);
  return true;
}

static bool
is_last (const struct walk *walk)
{
  return walk->rest[strspn (walk->rest, "/")] == 0;
}

/* Puts the target of the symlink `link` before what remains. */
static int
follow (struct walk *walk, int link)
{
  char target[PATH_MAX];
  ssize_t length = readlinkat (link, "", target, sizeof target - 1);
  if (length < 0)
    return -1;
  size_t rest = strlen (walk->rest);
  if (++walk->symlinks > SYMLINKS_MAX || (size_t) length + 1 + rest >= sizeof walk->rest)
    {
      errno = ELOOP;
      return -1;
    }
  memmove (walk->rest + length + 1, walk->rest, rest + 1);
  memcpy (walk->rest, target, (size_t) length);
  walk->rest[length] = '/';
  if (target[0] != '/')
    return 0;
  int root = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root < 0)
    return -1;
  close_and_forget (&walk->at);
  walk->at = root;
  return 0;
}

static int
make_component (struct walk *walk, const char *name, enum path_make make)
{
  if (make == PATH_MAKE_DIRECTORY || !is_last (walk))
    return mkdirat (walk->at, name, 0755);
  cleanup_close int fd = openat (walk->at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  return fd < 0 ? -1 : 0;
}

/* One step; the descriptor of what `name` is, symlink or not, replaces `at` unless it is followed. */
static int
step (struct walk *walk, const char *name, enum path_make make)
{
  cleanup_close int fd = openat (walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT && make != PATH_MUST_EXIST)
    {
      if (make_component (walk, name, make) < 0)
        return -1;
      fd = openat (walk->at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    }
  struct stat status;
  if (fd < 0 || fstat (fd, &status) < 0)
    return -1;
  if (S_ISLNK (status.st_mode))
    return follow (walk, fd);
  if (!S_ISDIR (status.st_mode) && !is_last (walk))
    {
      errno = ENOTDIR;
      return -1;
    }
  close_and_forget (&walk->at);
  walk->at = fd;
  fd = -1;
  return 0;
}

int
path_open (const char *path, enum path_make make, struct error *err)
{
  struct walk walk = { .symlinks = 0 };
  if (path[0] != '/' || strlen (path) >= PATH_MAX)
    return error_set (err, EINVAL, "%.100s is no absolute path", path);
  strcpy (walk.rest, path);
  walk.at = open ("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (walk.at < 0)
    return error_errno (err, "open /");
  char name[NAME_MAX + 2];
  while (next_component (&walk, name))
    if (step (&walk, name, make) < 0)
      {
        error_errno (err, "%.160s", path);
        close_and_forget (&walk.at);
        return -1;
      }
  return walk.at;
}
