#include "process/reaper.h"
#include "lib/sys.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define NAME "/sbin/docker-init"
#define CHILD_VARIABLE "HB_REAPER_CHILD"

void
reaper_exec (int self, pid_t child, char *const *args, size_t count)
{
  char variable[48];
  snprintf (variable, sizeof variable, CHILD_VARIABLE "=%d", child);
  char **argv = calloc (count + 3, sizeof *argv);
  if (!argv)
    return;
  argv[0] = NAME;
  argv[1] = "--";
  memcpy (argv + 2, args, count * sizeof *argv);
  char *environment[] = { variable, NULL };
  syscall (SYS_execveat, self, "", argv, environment, AT_EMPTY_PATH);
}

static void
reap (pid_t child)
{
  int status;
  pid_t pid;
  while ((pid = waitpid (-1, &status, WNOHANG)) > 0)
    if (pid == child)
      _exit (WIFSIGNALED (status) ? 128 + WTERMSIG (status) : WEXITSTATUS (status));
}

void
reaper_main_if_asked (char **argv)
{
  const char *variable = getenv (CHILD_VARIABLE);
  if (!argv[0] || strcmp (argv[0], NAME) != 0 || !variable)
    return;
  pid_t child = (pid_t) atoi (variable);
  sigset_t all;
  sigfillset (&all);
  sigprocmask (SIG_SETMASK, &all, NULL);
  prctl (PR_SET_NAME, "docker-init", 0, 0, 0);
  for (;;)
    {
      reap (child);
      siginfo_t info;
      int signal = sigwaitinfo (&all, &info);
      if (signal > 0 && signal != SIGCHLD)
        kill (child, signal);
    }
}
