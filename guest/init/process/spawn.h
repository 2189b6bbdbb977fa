/* Starting a process: its pipes or terminal, and its birth in the container. */
#pragma once
#include "process/process.h"

struct spawn_context
{
  const struct home *home;
  int self; /* descriptor of init's own program */
};

/* Fills `process`, which has its id. The returned descriptor reads as a struct error when the program could not be
   executed, and as nothing once it has been. */
int process_spawn (struct process *process, struct container *container, const struct start_spec *spec,
                   const struct spawn_context *context, struct error *err);
