/* The way of a new process from its birth in the container's cgroup and pid namespace to its program. */
#pragma once
#include "container/container.h"
#include "wire/request.h"

struct child
{
  const struct start_spec *spec;
  const struct container *container;
  int stdio[3]; /* a terminal: the same three times; stdin -1: /dev/null */
  int report;   /* pipe: a struct error when the program could not be executed, else nothing */
  int self;     /* descriptor of init's own program */
};

_Noreturn void child_run (struct child *child);
