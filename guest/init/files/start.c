#include "files/start.h"
#include "container/cgroup.h"
#include "container/path.h"
#include "container/procfs.h"
#include "files/changes.h"
#include "files/read.h"
#include "files/write.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include "process/ends.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum action { ACTION_STAT = 1, ACTION_READ, ACTION_WRITE, ACTION_CHANGES, ACTION_LAYER };

#define FLAG_ONE_FILE_SYSTEM 1u
#define FLAG_KEEP_KINDS 2u

static struct sink output = { .fd = 1 };

static int
open_path (const char *path, struct error *err)
{
  int fd = sys_openat2 (AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
  return fd < 0 ? error_errno (err, "%.160s", path) : fd;
}

static int
run_read (const struct files_spec *spec, struct error *err)
{
  cleanup_close int node = open_path (spec->path, err);
  if (node < 0)
    return -1;
  if (!(spec->flags & FLAG_ONE_FILE_SYSTEM))
    return tree_read (node, NULL, &output, err);
  /* A copy of the one mount has nothing on its mount points. */
  cleanup_close int alone = sys_open_tree (node, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
  return alone < 0 ? error_errno (err, "open_tree %.160s", spec->path) : tree_read (alone, NULL, &output, err);
}

static int
run_write (const struct files_spec *spec, struct error *err)
{
  struct stat status;
  cleanup_close int root = path_open (spec->path, PATH_MAKE_DIRECTORY, err);
  if (root < 0)
    return -1;
  if (fstat (root, &status) < 0 || !S_ISDIR (status.st_mode))
    return error_set (err, ENOTDIR, "%.160s: Not a directory", spec->path);
  return tree_write (root, 0, spec->flags & FLAG_KEEP_KINDS, err);
}

static int
run_layer (const struct container *container, bool whole, struct error *err)
{
  struct mount_points points = { &container->files };
  cleanup_close int upper = open (container->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (upper < 0)
    return error_errno (err, "open %s", container->upper);
  if (whole)
    return tree_read (upper, &points, &output, err);
  cleanup_close int lower = open (container->lower, O_PATH | O_DIRECTORY | O_CLOEXEC);
  return lower < 0 ? error_errno (err, "open %s", container->lower)
                   : changes_read (upper, lower, &points, &output, err);
}

static int
run (const struct container *container, const struct files_spec *spec, struct error *err)
{
  bool inside = spec->action <= ACTION_WRITE;
  umask (0);
  if (nodes_prepare (err) < 0)
    return -1;
  if (inside && setns (container->namespaces.mnt, CLONE_NEWNS) < 0)
    return error_errno (err, "enter the container");
  if (inside && nodes_return (err) < 0)
    return -1;
  /* The root is made read-only by the main process, which there need not be: here it is for this process alone. */
  if (spec->action == ACTION_WRITE && container->root_readonly
      && (unshare (CLONE_NEWNS) < 0 || root_make_readonly (err) < 0))
    return -1;
  switch ((enum action) spec->action)
    {
    case ACTION_STAT:
      return file_stat (spec->path, &output, err);
    case ACTION_READ:
      return run_read (spec, err);
    case ACTION_WRITE:
      return run_write (spec, err);
    case ACTION_CHANGES:
    case ACTION_LAYER:
      return run_layer (container, spec->action == ACTION_LAYER, err);
    }
  return error_set (err, EINVAL, "there is no action %u", spec->action);
}

static _Noreturn void
child_run (const struct container *container, const struct files_spec *spec, const struct ends *ends)
{
  struct error err;
  sigset_t none;
  int mnt = fcntl (container->namespaces.mnt, F_DUPFD_CLOEXEC, 16), stdio[3];
  struct container view = *container;
  view.namespaces.mnt = mnt;
  for (int i = 0; i < 3; i++)
    stdio[i] = fcntl (ends->theirs[i] < 0 ? open ("/dev/null", O_RDWR | O_CLOEXEC) : ends->theirs[i], F_DUPFD_CLOEXEC, 16);
  for (int i = 0; i < 3; i++)
    dup2 (stdio[i], i);
  if (mnt < 0 || dup3 (mnt, 3, O_CLOEXEC) < 0 || sys_close_range (4, ~0u) < 0)
    _exit (EBADF);
  view.namespaces.mnt = 3;
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  setsid ();
  if (run (&view, spec, &err) == 0)
    _exit (0);
  write_all (2, err.message, strlen (err.message));
  _exit (err.status & 0xff ? err.status & 0xff : EIO);
}

/* With a copy of init's memory, in which all of `container` and `spec` is. */
static __attribute__ ((noinline)) pid_t
give_birth (const struct container *container, const struct files_spec *spec, const struct ends *ends, struct error *err)
{
  cleanup_close int cgroup = open (CGROUP_ROOT "/files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  struct sys_clone_args args = { .flags = CLONE3_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t) cgroup };
  if (cgroup < 0)
    return error_errno (err, "open " CGROUP_ROOT "/files");
  long pid = sys_clone3 (&args);
  if (pid == 0)
    child_run (container, spec, ends);
  if (pid < 0)
    {
      errno = (int) -pid;
      error_errno (err, "clone");
    }
  return (pid_t) pid;
}

int
files_start (struct process *process, struct container *container, const struct files_spec *spec, struct error *err)
{
  struct ends ends = ENDS_NONE;
  bool has_path = spec->action <= ACTION_WRITE;
  if (spec->action < ACTION_STAT || spec->action > ACTION_LAYER)
    return error_set (err, EINVAL, "there is no action %u", spec->action);
  if (has_path && !path_valid (spec->path))
    return error_set (err, EINVAL, "%.100s is no absolute path", spec->path);
  pid_t pid = -1;
  if (ends_open_pipes (&ends, spec->action == ACTION_WRITE, err) == 0)
    pid = give_birth (container, spec, &ends, err);
  if (pid > 0)
    {
      ends_take_over (&ends, process, false);
      snprintf (process->container_id, sizeof process->container_id, "%s", container->id);
      process->container = container;
      process->pid = pid;
      process->files = true;
    }
  ends_close (&ends);
  return pid > 0 ? 0 : -1;
}
