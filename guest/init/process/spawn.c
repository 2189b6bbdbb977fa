#include "process/spawn.h"
#include "container/cgroup.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include "process/child.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/* The two ends of what connects a process with us; -1: none. A terminal has ours[0] = ours[1]. */
struct ends
{
  int ours[3], theirs[3];
};

static void
close_ends (struct ends *ends)
{
  for (int i = 0; i < 3; i++)
    {
      if (i > 0 && ends->theirs[i] == ends->theirs[0])
        ends->theirs[i] = -1;
      close_and_forget (&ends->ours[i]);
      close_and_forget (&ends->theirs[i]);
    }
}

static int
set_size (int terminal, uint32_t rows, uint32_t columns)
{
  struct winsize size = { .ws_row = (unsigned short) rows, .ws_col = (unsigned short) columns };
  return rows || columns ? ioctl (terminal, TIOCSWINSZ, &size) : 0;
}

static int
open_terminal (struct ends *ends, const struct container *container, const struct start_spec *spec, struct error *err)
{
  int unlock = 0;
  /* Nothing that the container may have mounted there. */
  ends->ours[1] = sys_openat2 (container->pts, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, 0,
                               RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS);
  if (ends->ours[1] < 0 || ioctl (ends->ours[1], TIOCSPTLCK, &unlock) < 0)
    return error_errno (err, "open a terminal");
  ends->theirs[0] = ioctl (ends->ours[1], TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (ends->theirs[0] < 0 || set_size (ends->ours[1], spec->rows, spec->columns) < 0)
    return error_errno (err, "open a terminal");
  ends->theirs[1] = ends->theirs[2] = ends->theirs[0];
  return 0;
}

static int
open_pipes (struct ends *ends, bool with_stdin, struct error *err)
{
  for (int i = with_stdin ? 0 : 1; i < 3; i++)
    {
      int pair[2];
      if (pipe2 (pair, O_CLOEXEC) < 0)
        return error_errno (err, "pipe");
      ends->ours[i] = pair[i == 0];
      ends->theirs[i] = pair[i != 0];
      if (fcntl (ends->ours[i], F_SETFL, O_NONBLOCK) < 0)
        return error_errno (err, "pipe");
    }
  return 0;
}

/* The child is born in the cgroup and pid namespace, so that neither costs a move.

   A main process borrows init's memory until it executes its program (vfork), which under emulation halves the time: no
   page is copied. Init sleeps meanwhile; nobody can keep it asleep by stopping the child, which is alone in its pid
   namespace. A further process is not, and gets a copy; so does one that becomes two (the reaper's). */
static __attribute__ ((noinline)) pid_t
give_birth (struct child *child, const struct home *home, int *pidfd, struct error *err)
{
  struct sys_clone_args args = { .flags = CLONE3_INTO_CGROUP,
                                 .exit_signal = SIGCHLD,
                                 .cgroup = (uint64_t) child->container->cgroup,
                                 .pidfd = (uint64_t) (uintptr_t) pidfd };
  if (child->spec->main)
    args.flags |= CLONE_NEWPID | CLONE_PIDFD | (child->spec->init ? 0 : CLONE_VM | CLONE_VFORK);
  else if (setns (child->container->main_pidfd, CLONE_NEWPID) < 0)
    return error_errno (err, "enter the pid namespace of %s", child->container->id);
  long pid = sys_clone3 (&args);
  if (pid == 0)
    child_run (child);
  if (pid < 0)
    {
      errno = (int) -pid;
      error_errno (err, "clone");
    }
  /* Init itself must not stay there: its next child would be a process of this container. */
  if (!child->spec->main && setns (home->pid, CLONE_NEWPID) < 0)
    abort ();
  return (pid_t) pid;
}

static void
take_over (struct process *process, struct ends *ends, bool tty)
{
  process->tty = tty;
  stream_open (&process->out[0], ends->ours[1]);
  if (!tty)
    stream_open (&process->out[1], ends->ours[2]);
  input_open (&process->in, tty ? ends->ours[1] : ends->ours[0], tty);
  for (int i = 0; i < 3; i++)
    ends->ours[i] = -1;
}

int
process_spawn (struct process *process, struct container *container, const struct start_spec *spec,
               const struct spawn_context *context, struct error *err)
{
  struct ends ends = { { -1, -1, -1 }, { -1, -1, -1 } };
  int report[2] = { -1, -1 };
  int pidfd = -1;
  pid_t pid = -1;
  if (pipe2 (report, O_CLOEXEC) < 0)
    return error_errno (err, "pipe");
  if ((spec->tty ? open_terminal (&ends, container, spec, err) : open_pipes (&ends, spec->stdin_open, err)) == 0)
    {
      struct child child = { .spec = spec, .container = container, .report = report[1], .self = context->self };
      for (int i = 0; i < 3; i++)
        child.stdio[i] = ends.theirs[i];
      pid = give_birth (&child, context->home, &pidfd, err);
    }
  close_and_forget (&report[1]);
  if (pid < 0)
    {
      close_ends (&ends);
      close_and_forget (&report[0]);
      return -1;
    }
  take_over (process, &ends, spec->tty);
  close_ends (&ends);
  snprintf (process->container_id, sizeof process->container_id, "%s", container->id);
  process->container = container;
  process->pid = pid;
  process->main = spec->main;
  process->starting = true;
  process->oom_kills_before = cgroup_oom_kills (container->cgroup);
  if (spec->main)
    {
      container->main_pid = pid;
      container->main_pidfd = pidfd;
    }
  fcntl (report[0], F_SETFL, O_NONBLOCK);
  return report[0];
}
