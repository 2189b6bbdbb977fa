/* The two ends of what connects a process with init: pipes or a terminal. */
#pragma once
#include "process/process.h"

/* -1: none. A terminal has ours[0] = ours[1], and theirs[0] three times. */
struct ends
{
  int ours[3], theirs[3];
};

#define ENDS_NONE { { -1, -1, -1 }, { -1, -1, -1 } }

/* `pts`: the container's /dev/pts. */
int ends_open_terminal (struct ends *ends, int pts, uint32_t rows, uint32_t columns, struct error *err);
int ends_open_pipes (struct ends *ends, bool with_stdin, struct error *err);
/* Gives our ends to `process`. */
void ends_take_over (struct ends *ends, struct process *process, bool tty);
void ends_close (struct ends *ends);
