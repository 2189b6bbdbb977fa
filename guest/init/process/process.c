#include "process/process.h"
#include "container/cgroup.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

struct process *
processes_find (const struct processes *processes, uint32_t id)
{
  for (size_t i = 0; i < processes->count; i++)
    if (processes->process[i]->id == id)
      return processes->process[i];
  return NULL;
}

struct process *
processes_find_pid (const struct processes *processes, pid_t pid)
{
  for (size_t i = 0; i < processes->count; i++)
    if (processes->process[i]->pid == pid && !processes->process[i]->exited)
      return processes->process[i];
  return NULL;
}

struct process *
processes_add (struct processes *processes, uint32_t id, struct error *err)
{
  if (processes_find (processes, id))
    return error_set (err, EEXIST, "process %u exists", id), NULL;
  if (processes->count == HB_PROCESSES_MAX)
    return error_set (err, ENOSPC, "the sandbox has %u processes; forget some first", HB_PROCESSES_MAX), NULL;
  struct process *process = calloc (1, sizeof *process);
  if (!process)
    return error_set (err, ENOMEM, "no memory for process %u", id), NULL;
  process->id = id;
  process->in.fd = process->out[0].fd = process->out[1].fd = -1;
  processes->process[processes->count++] = process;
  return process;
}

void
processes_remove (struct processes *processes, struct process *process)
{
  input_close (&process->in);
  stream_close (&process->out[0]);
  stream_close (&process->out[1]);
  for (size_t i = 0; i < processes->count; i++)
    if (processes->process[i] == process)
      processes->process[i] = processes->process[--processes->count];
  free (process);
}

void
process_exited (struct process *process, int status)
{
  process->exited = true;
  process->exit_due = true;
  process->exited_ns = clock_ns (CLOCK_REALTIME);
  process->exit_signal = WIFSIGNALED (status) ? (uint32_t) WTERMSIG (status) : 0;
  process->exit_code = WIFSIGNALED (status) ? 128 + process->exit_signal : (uint32_t) WEXITSTATUS (status);
  input_discard (&process->in);
  struct container *container = process->container;
  if (!container || process->files)
    return;
  process->oom = cgroup_oom_kills (container->cgroup) > process->oom_kills_before;
  if (!process->main)
    return;
  container->main_pid = 0;
  close_and_forget (&container->main_pidfd);
  container->oom_due_ns = 0;
}
