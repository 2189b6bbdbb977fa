/* The end of the sandbox, as clean as it can be made in a bounded time. */
#include "ops.h"
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

/* For what was written to the port to reach the host before the machine is gone. */
#define FLUSH_NS 5000000
#define FLUSH_TURNS 100

void
shutdown_prepare (struct guest *guest)
{
  disks_unmount_all (&guest->disks);
  sync ();
}

void
shutdown_now (struct guest *guest)
{
  struct timespec pause = { .tv_nsec = FLUSH_NS };
  for (int turn = 0; turn < FLUSH_TURNS; turn++)
    {
      guest->port.writable = true;
      transmit (guest);
      nanosleep (&pause, NULL);
      if (guest->port.writable && !guest->port.batch_length && !guest->port.outbox_length)
        break;
    }
  /* There is no ACPI to power off with: with reboot=t on the kernel's command line this is a triple fault, at which
     QEMU started with -no-reboot ends. */
  reboot (RB_AUTOBOOT);
  for (;;)
    reboot (RB_POWER_OFF);
}
