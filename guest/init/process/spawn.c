#include "process/spawn.h"
#include "container/cgroup.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include "process/child.h"
#include "process/ends.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

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

int
process_spawn (struct process *process, struct container *container, const struct start_spec *spec,
               const struct spawn_context *context, struct error *err)
{
  struct ends ends = ENDS_NONE;
  int report[2] = { -1, -1 };
  int pidfd = -1;
  pid_t pid = -1;
  if (pipe2 (report, O_CLOEXEC) < 0)
    return error_errno (err, "pipe");
  if ((spec->tty ? ends_open_terminal (&ends, container->pts, spec->rows, spec->columns, err) : ends_open_pipes (&ends, spec->stdin_open, err)) == 0)
    {
      struct child child = { .spec = spec, .container = container, .report = report[1], .self = context->self };
      for (int i = 0; i < 3; i++)
        child.stdio[i] = ends.theirs[i];
      pid = give_birth (&child, context->home, &pidfd, err);
    }
  close_and_forget (&report[1]);
  if (pid < 0)
    {
      ends_close (&ends);
      close_and_forget (&report[0]);
      return -1;
    }
  ends_take_over (&ends, process, spec->tty);
  ends_close (&ends);
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
