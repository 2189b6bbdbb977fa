/* Paths in a hostile tree. Needs to be root, for chroot; else says so and passes. */
#include "check.h"
#include "container/mounts.h"
#include "container/path.h"
#include <errno.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct error err;

static int
opens (const char *path, enum path_make make)
{
  int fd = path_open (path, make, &err);
  if (fd >= 0)
    close (fd);
  return fd >= 0;
}

static int
exists (const char *path, mode_t type)
{
  struct stat status;
  return lstat (path, &status) == 0 && (status.st_mode & S_IFMT) == type;
}

static void
what_is_missing_is_made (void)
{
  CHECK (!opens ("/a/b/c", PATH_MUST_EXIST) && err.status == ENOENT);
  CHECK (opens ("/a/b/c", PATH_MAKE_DIRECTORY) && exists ("/a/b/c", S_IFDIR));
  CHECK (opens ("//x///y/f", PATH_MAKE_FILE) && exists ("/x/y/f", S_IFREG));
  CHECK (opens ("/x/y/f", PATH_MUST_EXIST) && opens ("/", PATH_MUST_EXIST));
  CHECK (!opens ("/x/y/f/g", PATH_MAKE_FILE) && err.status == ENOTDIR);
  CHECK (!opens ("relative", PATH_MUST_EXIST) && err.status == EINVAL);
}

static void
symlinks_lead_nowhere_else (void)
{
  CHECK (symlink ("/../../../outside", "/link") == 0);
  CHECK (opens ("/link/f", PATH_MAKE_FILE) && exists ("/outside/f", S_IFREG)); /* inside of this root */
  CHECK (symlink ("../run/resolv", "/x/dangling") == 0);
  CHECK (opens ("/x/dangling", PATH_MAKE_FILE) && exists ("/run/resolv", S_IFREG) && exists ("/x/dangling", S_IFLNK));
  CHECK (symlink ("loop2", "/loop1") == 0 && symlink ("loop1", "/loop2") == 0);
  CHECK (!opens ("/loop1", PATH_MAKE_DIRECTORY) && err.status == ELOOP);
  CHECK (opens ("/a/../../../a/b", PATH_MUST_EXIST));
}

static void
long_paths_are_refused (void)
{
  char path[10000];
  memset (path, 'a', sizeof path - 1);
  path[0] = '/';
  path[sizeof path - 1] = 0;
  CHECK (!opens (path, PATH_MAKE_FILE) && err.status == EINVAL);
  path[300] = 0;
  CHECK (!opens (path, PATH_MAKE_FILE) && err.status == ENAMETOOLONG);
}

static void
mount_flags_become_attributes (void)
{
  unsigned attributes;
  CHECK (mount_flags (MS_RDONLY | MS_NOEXEC | MS_RELATIME | MS_BIND | MS_REC, &attributes, &err) == 0);
  CHECK (attributes == (1 | 8));
  CHECK (mount_flags (MS_REMOUNT, &attributes, &err) < 0 && err.status == EINVAL);
  CHECK (mount_flags (MS_NOATIME | MS_STRICTATIME, &attributes, &err) < 0);
}

int
main (void)
{
  TEST (mount_flags_become_attributes);
  char directory[] = "/tmp/hb-path-test-XXXXXX", command[128];
  CHECK (mkdtemp (directory));
  snprintf (command, sizeof command, "rm -rf '%s'", directory);
  fflush (stdout); /* or the child would say it again */
  pid_t child = fork ();
  int status;
  if (child == 0)
    {
      if (chroot (directory) < 0 || chdir ("/") < 0)
        {
          printf ("ok # the rest needs the right to chroot\n");
          return 0;
        }
      TEST (what_is_missing_is_made);
      TEST (symlinks_lead_nowhere_else);
      TEST (long_paths_are_refused);
      fflush (stdout);
      _exit (0); /* the leak checker finds no /proc in here */
    }
  CHECK (waitpid (child, &status, 0) == child);
  CHECK (system (command) == 0);
  return status != 0;
}
