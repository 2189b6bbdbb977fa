/* What a program in a sandbox can see that must be its own, a line each: bytes of getrandom(2), the boot id, the wall
   clock in nanoseconds. Run by tests inside real sandboxes. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int
main (void)
{
  unsigned char bytes[16];
  char boot_id[37] = "";
  if (getrandom (bytes, sizeof bytes, 0) != sizeof bytes)
    return 1;
  int fd = open ("/proc/sys/kernel/random/boot_id", O_RDONLY);
  if (fd < 0 || read (fd, boot_id, 36) != 36)
    return 2;
  for (size_t i = 0; i < sizeof bytes; i++)
    printf ("%02x", bytes[i]);
  struct timespec now;
  clock_gettime (CLOCK_REALTIME, &now);
  printf ("\n%s\n%lld%09ld\n", boot_id, (long long) now.tv_sec, now.tv_nsec);
  return 0;
}
