/* What WARM runs: the system calls that nearly every program makes, so that they are warm for the first real one.

       warm wait: some work, then until the end of standard input    warm work: some work    warm again: nothing */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* As the dynamic linker does: a private mapping of a file, a part of it made writable and touched. */
static void
map_program (void)
{
  int fd = open ("/warm", O_RDONLY | O_CLOEXEC);
  struct stat status;
  char header[832];
  if (fd < 0 || fstat (fd, &status) < 0 || read (fd, header, sizeof header) < 0)
    _exit (10);
  char *map = mmap (NULL, (size_t) status.st_size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
  char *data = mmap (NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  char *zero = mmap (NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED || data == MAP_FAILED || zero == MAP_FAILED)
    _exit (11);
  close (fd);
  volatile char sum = 0;
  for (long at = 0; at < status.st_size; at += 4096)
    sum += map[at];
  for (int at = 0; at < 16384; at += 4096)
    data[at] = zero[4 * at] = 1;
  mprotect (data, 4096, PROT_READ);
  munmap (map, (size_t) status.st_size);
  munmap (data, 16384);
  munmap (zero, 65536);
}

static void
use_files (void)
{
  char buffer[4096];
  int fd = open ("/tmp/warm", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  memset (buffer, 'w', sizeof buffer);
  if (fd < 0 || write (fd, buffer, sizeof buffer) < 0 || lseek (fd, 0, SEEK_SET) < 0 || read (fd, buffer, sizeof buffer) < 0)
    _exit (12);
  close (fd);
  rename ("/tmp/warm", "/tmp/warm2");
  unlink ("/tmp/warm2");
  if (getcwd (buffer, sizeof buffer) == NULL || access ("/etc/ld.so.cache", R_OK) == 0)
    _exit (13);
  DIR *directory = opendir ("/");
  while (directory && readdir (directory))
    ;
  closedir (directory);
  FILE *file = fopen ("/proc/self/status", "r");
  while (file && fgets (buffer, sizeof buffer, file))
    ;
  if (file)
    fclose (file);
}

/* A pipe, a fork, an exec, a wait: what a shell does for a command. */
static void
use_processes (void)
{
  int pair[2], status;
  char buffer[64];
  if (pipe (pair) < 0)
    _exit (14);
  pid_t pid = fork ();
  if (pid == 0)
    {
      dup2 (pair[1], 1);
      close (pair[0]);
      execl ("/warm", "warm", "again", NULL);
      _exit (15);
    }
  close (pair[1]);
  while (read (pair[0], buffer, sizeof buffer) > 0)
    ;
  close (pair[0]);
  if (waitpid (pid, &status, 0) < 0 || status != 0)
    _exit (16);
}

static void
on_signal (int number)
{
  (void) number;
}

static void
use_the_rest (void)
{
  struct timespec now, moment = { .tv_nsec = 1000 };
  struct sigaction action = { .sa_handler = on_signal };
  sigaction (SIGUSR1, &action, NULL);
  kill (getpid (), SIGUSR1);
  clock_gettime (CLOCK_REALTIME, &now);
  nanosleep (&moment, NULL);
  char *memory = malloc (300000);
  memset (memory, 1, 300000);
  free (memory);
}

int
main (int argc, char **argv)
{
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp (what, "again") == 0)
    return write (1, "again\n", 6) == 6 ? 0 : 17;
  map_program ();
  use_files ();
  use_processes ();
  use_the_rest ();
  printf ("warm %s %d\n", what, getpid ());
  fprintf (stderr, "warm\n");
  char c;
  while (strcmp (what, "wait") == 0 && read (0, &c, 1) > 0)
    ;
  return 0;
}
