/* The processes the host has started and not forgotten, with their streams and exits. */
#pragma once
#include "container/container.h"
#include "process/input.h"
#include "process/stream.h"

struct process
{
  uint32_t id;
  char container_id[HB_CONTAINER_ID_BYTES_MAX + 1];
  struct container *container; /* NULL once it is deleted */
  pid_t pid;
  bool main, tty;
  bool files;    /* of START_FILES: not in the container's cgroup */
  bool starting; /* whether its program could be executed is not known yet */
  bool exited;
  bool exit_due; /* EVENT EXIT is to be sent */
  uint32_t exit_code, exit_signal;
  uint64_t exited_ns;
  bool oom;
  uint64_t oom_kills_before;
  struct stream out[2]; /* stdout, stderr */
  struct input in;
};

struct processes
{
  struct process *process[HB_PROCESSES_MAX];
  size_t count;
};

struct process *processes_find (const struct processes *processes, uint32_t id);
struct process *processes_find_pid (const struct processes *processes, pid_t pid);
/* A zeroed one with this id. ENOSPC when there are too many, EEXIST when the id is in use. */
struct process *processes_add (struct processes *processes, uint32_t id, struct error *err);
/* Closes and forgets it. */
void processes_remove (struct processes *processes, struct process *process);
/* Records how it ended; `status` as of waitpid. */
void process_exited (struct process *process, int status);
