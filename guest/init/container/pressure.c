#include "container/pressure.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* 200 ms in which all of the container waited, of any half a second. */
#define TRIGGER "full 200000 500000"
#define STALLS_MAX 4
/* Longer without an event, and it got on. */
#define GAP_NS 1200000000ull
/* Of the limit, in percent: with more of it in files than the rest, waiting is reading, and is not hopeless. */
#define OWN_PERCENT 75

void
pressure_open (struct pressure *pressure, int cgroup)
{
  *pressure = (struct pressure){ .fd = openat (cgroup, "memory.pressure", O_RDWR | O_CLOEXEC | O_NONBLOCK) };
  if (pressure->fd >= 0 && write (pressure->fd, TRIGGER, sizeof TRIGGER) < 0)
    close_and_forget (&pressure->fd);
}

static uint64_t
stat_value (const char *text, const char *key)
{
  uint64_t value = 0;
  const char *line = strstr (text, key);
  if (line)
    sscanf (line + strlen (key), "%" SCNu64, &value);
  return value;
}

/* Can nothing but files be evicted, and are they little? */
static bool
is_full_of_its_own (int cgroup, uint64_t limit)
{
  char text[4096];
  if (file_read (cgroup, "memory.stat", text, sizeof text) <= 0)
    return false;
  uint64_t own = stat_value (text, "anon ") + stat_value (text, "\nkernel ") + stat_value (text, "\nshmem ");
  return own >= limit / 100 * OWN_PERCENT;
}

bool
pressure_event (struct pressure *pressure, int cgroup)
{
  uint64_t now = clock_ns (CLOCK_MONOTONIC);
  pressure->stalls = now - pressure->last_ns > GAP_NS ? 1 : pressure->stalls + 1;
  pressure->last_ns = now;
  char max[32];
  uint64_t limit = 0;
  if (pressure->stalls < STALLS_MAX || file_read (cgroup, "memory.max", max, sizeof max) <= 0
      || sscanf (max, "%" SCNu64, &limit) != 1 || !is_full_of_its_own (cgroup, limit))
    return false;
  pressure->stalls = 0;
  /* A limit below what is in use makes the kernel evict what it can, and then kill. */
  struct error ignored;
  file_write_u64 (cgroup, "memory.max", limit / 100 * (OWN_PERCENT / 2), &ignored);
  file_write (cgroup, "memory.max", max, &ignored);
  return true;
}

void
pressure_close (struct pressure *pressure)
{
  close_and_forget (&pressure->fd);
}
