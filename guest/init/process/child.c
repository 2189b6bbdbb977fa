#include "process/child.h"
#include "container/path.h"
#include "container/procfs.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include "process/credentials.h"
#include "process/program.h"
#include "process/reaper.h"
#include "process/user.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* Where the two descriptors that live up to the exec are put, so that all others can be closed. */
enum { REPORT_FD = 3, SELF_FD = 4, FIRST_OTHER_FD = 5 };

static int
set_oom_score (uint32_t value, struct error *err)
{
  char text[16];
  int32_t score = (int32_t) value;
  if (score == 0) /* as init's own, which the kernel never kills */
    return 0;
  if (score < -1000 || score > 1000)
    return error_set (err, EINVAL, "oom_score_adj %d is not between -1000 and 1000", score);
  snprintf (text, sizeof text, "%d", score);
  /* Through init's own /proc: the container's need not be there yet. */
  return file_write (AT_FDCWD, "/proc/self/oom_score_adj", text, err);
}

static int
enter (const struct child *child, struct error *err)
{
  if (child->spec->main)
    return namespaces_enter (&child->container->namespaces, err);
  int all = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
  if (setns (child->container->main_pidfd, all) < 0)
    return error_errno (err, "enter the container");
  return 0;
}

static int
open_null (void)
{
  return open ("/dev/null", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

/* Moves everything to its final number and closes the rest: no descriptor of init outlives this. */
static int
arrange_descriptors (struct child *child, struct error *err)
{
  for (int i = 0; i < 3; i++)
    {
      /* Out of the way of the numbers that are about to be used. */
      int fd = child->stdio[i] >= 0 ? child->stdio[i] : open_null ();
      child->stdio[i] = fd < 0 ? -1 : fcntl (fd, F_DUPFD_CLOEXEC, 16);
      if (child->stdio[i] < 0)
        return error_errno (err, "standard descriptor %d", i);
    }
  int report = fcntl (child->report, F_DUPFD_CLOEXEC, 16), self = fcntl (child->self, F_DUPFD_CLOEXEC, 16);
  if (report < 0 || self < 0 || dup3 (report, REPORT_FD, O_CLOEXEC) < 0)
    return error_errno (err, "arrange descriptors");
  child->report = REPORT_FD;
  if (dup3 (self, SELF_FD, O_CLOEXEC) < 0)
    return error_errno (err, "arrange descriptors");
  child->self = SELF_FD;
  for (int i = 0; i < 3; i++)
    if (dup2 (child->stdio[i], i) < 0)
      return error_errno (err, "standard descriptor %d", i);
  if (sys_close_range (FIRST_OTHER_FD, ~0u) < 0)
    return error_errno (err, "close_range");
  return 0;
}

static int
take_terminal (uid_t owner, struct error *err)
{
  if (ioctl (0, TIOCSCTTY, 0) < 0)
    return error_errno (err, "make the terminal the controlling one");
  if (fchown (0, owner, (gid_t) -1) < 0)
    return error_errno (err, "give the terminal to user %u", owner);
  return 0;
}

/* As runc: first as root, since the user may not be allowed to walk there. 1: to be tried again as the user. */
static int
change_directory (const struct start_spec *spec, struct error *err)
{
  const char *cwd = spec->cwd[0] ? spec->cwd : "/";
  err->stage = STAGE_CWD;
  if (cwd[0] != '/')
    return error_set (err, EINVAL, "the working directory %.160s is not absolute", cwd);
  if (chdir (cwd) == 0)
    return 0;
  if (errno == ENOENT && spec->main)
    {
      cleanup_close int made = path_open (cwd, PATH_MAKE_DIRECTORY, err);
      if (made < 0)
        return -1;
      if (chdir (cwd) == 0)
        return 0;
    }
  return errno == EACCES || errno == EPERM ? 1 : error_errno (err, "chdir to %.160s", cwd);
}

static void
reset_signals (void)
{
  sigset_t none;
  sigemptyset (&none);
  signal (SIGPIPE, SIG_DFL);
  sigprocmask (SIG_SETMASK, &none, NULL);
}

/* Splits into pid 1, which does not return, and the process it looks after, in the foreground of the terminal. */
static int
split_off_reaper (const struct child *child, struct error *err)
{
  const struct list *args = &child->spec->args;
  sigset_t all;
  sigfillset (&all);
  sigprocmask (SIG_SETMASK, &all, NULL);
  pid_t pid = fork ();
  if (pid < 0)
    return error_errno (err, "fork");
  if (pid > 0)
    {
      cleanup_close int null = open_null ();
      for (int i = 0; null >= 0 && i < 3; i++)
        dup2 (null, i);
      reaper_exec (child->self, pid, args->items, args->count);
      return error_errno (err, "execute the reaper");
    }
  setpgid (0, 0);
  if (child->spec->tty)
    tcsetpgrp (0, getpgrp ()); /* SIGTTOU is blocked here */
  return 0;
}

static void
add_home (struct start_spec *spec, const struct identity *identity, char *variable, size_t size)
{
  const char **env = spec->env.items;
  for (size_t i = 0; i < spec->env.count; i++)
    if (strncmp (env[i], "HOME=", 5) == 0)
      return;
  snprintf (variable, size, "HOME=%s", identity->home);
  env[spec->env.count++] = variable; /* the list has room for it and a NULL */
}

static int
prepare (struct child *child, struct identity *identity, struct error *err)
{
  const struct start_spec *spec = child->spec;
  setsid ();
  if (set_oom_score (spec->oom_score_adj, err) < 0 || enter (child, err) < 0)
    return -1;
  if (spec->main && procfs_mount (child->container, spec->tty ? child->stdio[0] : -1, err) < 0)
    return -1;
  if (arrange_descriptors (child, err) < 0 || identity_resolve (spec->user, &spec->groups, identity, err) < 0)
    return -1;
  err->stage = STAGE_SETUP;
  umask (022);
  if (spec->tty && take_terminal (identity->uid, err) < 0)
    return -1;
  int again = change_directory (spec, err);
  if (again < 0)
    return -1;
  err->stage = STAGE_SETUP;
  if ((spec->main && child->container->root_readonly && root_make_readonly (err) < 0)
      || credentials_apply (spec, identity, err) < 0)
    return -1;
  if (again && chdir (spec->cwd) < 0)
    {
      err->stage = STAGE_CWD;
      return error_errno (err, "chdir to %.160s", spec->cwd);
    }
  return spec->main && spec->init ? split_off_reaper (child, err) : 0;
}

void
child_run (struct child *child)
{
  static struct identity identity;
  static char home[HOME_BYTES_MAX + 8];
  struct start_spec spec = *child->spec;
  struct error err = { .stage = STAGE_SETUP };
  child->spec = &spec;
  if (prepare (child, &identity, &err) == 0)
    {
      add_home (&spec, &identity, home, sizeof home);
      reset_signals ();
      err.stage = STAGE_EXEC;
      program_execute (spec.args.items, spec.env.items, &err);
    }
  write_all (child->report, &err, sizeof err);
  _exit (127);
}
