/* A container at its memory limit whose processes do nothing but wait: what is theirs alone fills the limit, so the kernel
   evicts their programs, reads them again page by page as they run, and takes that for progress. It would go on for ever;
   dockerd's containers do, too, but on a disk that hides it. So init looks, and lets the OOM killer decide. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct pressure
{
  int fd;          /* EPOLLPRI whenever much of half a second was spent waiting for memory; -1 where the kernel cannot tell */
  unsigned stalls; /* such times in a row */
  uint64_t last_ns;
};

void pressure_open (struct pressure *pressure, int cgroup);
/* To be called at every event. Returns true when it had a process killed. */
bool pressure_event (struct pressure *pressure, int cgroup);
void pressure_close (struct pressure *pressure);
