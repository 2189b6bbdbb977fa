#include "files/resolve.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SYMLINKS_MAX 40

/* Takes the last component off. */
static void
go_up (char *path)
{
  char *slash = strrchr (path, '/');
  if (slash)
    *slash = 0;
}

static int
too_long (const char *path, struct error *err)
{
  return error_set (err, ENAMETOOLONG, "%.160s: the path it leads to is too long", path);
}

/* Puts the target of the symlink at `resolved` before what remains, and takes the symlink off. */
static int
follow (char resolved[PATH_MAX], char rest[2 * PATH_MAX], struct error *err)
{
  char target[PATH_MAX];
  ssize_t length = readlink (resolved, target, sizeof target - 1);
  if (length < 0)
    return error_errno (err, "%.160s", resolved);
  size_t behind = strlen (rest);
  if ((size_t) length + 1 + behind >= 2 * PATH_MAX)
    return too_long (resolved, err);
  memmove (rest + length + 1, rest, behind + 1);
  memcpy (rest, target, (size_t) length);
  rest[length] = '/';
  if (target[0] == '/')
    resolved[0] = 0;
  else
    go_up (resolved);
  return 0;
}

int
path_resolve (const char *path, char resolved[PATH_MAX], struct error *err)
{
  char rest[2 * PATH_MAX], probe[4];
  int symlinks = 0;
  if (path[0] != '/' || strlen (path) >= PATH_MAX)
    return error_set (err, EINVAL, "%.100s is no absolute path", path);
  strcpy (rest, path);
  resolved[0] = 0;
  for (;;)
    {
      size_t begin = strspn (rest, "/"), length = strcspn (rest + begin, "/"), at = strlen (resolved);
      char *name = rest + begin;
      if (length == 0)
        break;
      bool up = length == 2 && memcmp (name, "..", 2) == 0, here = length == 1 && name[0] == '.';
      if (!up && !here)
        {
          if (at + 1 + length >= PATH_MAX)
            return too_long (path, err);
          resolved[at] = '/';
          memcpy (resolved + at + 1, name, length);
          resolved[at + 1 + length] = 0;
        }
      memmove (rest, name + length, strlen (name + length) + 1);
      if (up)
        go_up (resolved);
      else if (!here && readlink (resolved, probe, sizeof probe) >= 0)
        {
          if (++symlinks > SYMLINKS_MAX)
            return error_set (err, ELOOP, "%.160s: Symbolic link loop", path);
          if (follow (resolved, rest, err) < 0)
            return -1;
        }
    }
  if (!resolved[0])
    strcpy (resolved, "/");
  return 0;
}
