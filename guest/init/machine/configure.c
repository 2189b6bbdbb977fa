/* CONFIGURE: what makes this clone different from every other, before any user's code runs. */
#include "lib/error.h"
#include "lib/file.h"
#include "machine/entropy.h"
#include "machine/netconf.h"
#include "machine/sysctl.h"
#include "ops.h"
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* A smaller difference is made up for little by little, so that no program sees the clock jump or go back. */
#define STEP_NS 50000000

static int
step_clock (int64_t ahead_ns, struct error *err)
{
  uint64_t to = clock_ns (CLOCK_REALTIME) + (uint64_t) ahead_ns;
  struct timespec now = { .tv_sec = (time_t) (to / 1000000000u), .tv_nsec = (long) (to % 1000000000u) };
  return clock_settime (CLOCK_REALTIME, &now) < 0 ? error_errno (err, "set the clock") : 0;
}

int
clock_adjust (uint64_t ahead_ns, struct error *err)
{
  int64_t ahead = (int64_t) ahead_ns;
  if (ahead > STEP_NS || ahead < -STEP_NS)
    return step_clock (ahead, err);
  struct timeval slew = { .tv_sec = ahead / 1000000000, .tv_usec = ahead % 1000000000 / 1000 };
  return adjtime (&slew, NULL) < 0 ? error_errno (err, "slew the clock") : 0;
}

int
configure_serve (struct guest *guest, const struct configure_spec *spec, struct error *err)
{
  if (entropy_add (spec->entropy, err) < 0 || step_clock ((int64_t) spec->clock_ahead_ns, err) < 0)
    return -1;
  if (sethostname (spec->hostname, strlen (spec->hostname)) < 0)
    return error_errno (err, "set the host name %.64s", spec->hostname);
  if (netconf_apply (&spec->interfaces, err) < 0 || sysctls_apply (&spec->sysctls, err) < 0)
    return -1;
  guest->configured = true;
  return 0;
}
