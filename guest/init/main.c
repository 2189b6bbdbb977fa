/* The guest init: pid 1 of a microVM. It serves the host over one port, and is no part of any container. */
#include "guest.h"
#include "lib/file.h"
#include "machine/boot.h"
#include "process/reaper.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

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

/* In memory that a child does not get a copy of: copying, and writing again afterwards, would cost a page fault each. */
static struct guest *
guest_allocate (struct error *err)
{
  struct guest *guest = mmap (NULL, sizeof *guest, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (guest == MAP_FAILED || madvise (guest, sizeof *guest, MADV_DONTFORK) < 0)
    return error_errno (err, "allocate the state"), NULL;
  return guest;
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
  struct guest *guest = guest_allocate (&err);
  if (!guest || boot_guest (guest, &err) < 0)
    give_up (&err);
  loop_run (guest);
}
