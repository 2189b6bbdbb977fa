/* The guest init: pid 1 of a microVM. It serves the host over one port, and is no part of any container. */
#include "guest.h"
#include "lib/file.h"
#include "machine/boot.h"
#include "process/reaper.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static struct guest guest;

/* Descriptors 0 to 2 exist, whatever console the kernel found. */
static void
standard_descriptors (void)
{
  int fd;
  while ((fd = open ("/dev/null", O_RDWR)) >= 0 && fd <= 2)
    ;
  if (fd > 2)
    close (fd);
}

static _Noreturn void
give_up (const struct error *err)
{
  dprintf (2, "init: %s\n", err->message);
  reboot (RB_AUTOBOOT);
  _exit (1);
}

int
main (int argc, char **argv)
{
  struct error err = { .status = 0 };
  (void) argc;
  reaper_main_if_asked (argv);
  if (getpid () != 1)
    {
      dprintf (2, "%s: only to be run as the first process of a microVM\n", argv[0]);
      return 1;
    }
  if (boot_mounts (&err) < 0)
    give_up (&err);
  standard_descriptors ();
  if (boot_guest (&guest, &err) < 0)
    give_up (&err);
  loop_run (&guest);
}
