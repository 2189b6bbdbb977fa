#include "lib/file.h"
#include "lib/cleanup.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

ssize_t
file_read (int at, const char *path, char *buffer, size_t size)
{
  cleanup_close int fd = openat (at, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return -1;
  size_t length = 0;
  while (length < size - 1)
    {
      ssize_t got = read (fd, buffer + length, size - 1 - length);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return -1;
      if (got == 0)
        break;
      length += (size_t) got;
    }
  buffer[length] = 0;
  return (ssize_t) length;
}

int
file_write (int at, const char *path, const char *text, struct error *err)
{
  cleanup_close int fd = openat (at, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0)
    return error_errno (err, "open %s", path);
  if (write (fd, text, strlen (text)) < 0)
    return error_errno (err, "write %.32s to %s", text, path);
  return 0;
}

int
file_write_u64 (int at, const char *path, uint64_t value, struct error *err)
{
  char text[24];
  snprintf (text, sizeof text, "%" PRIu64, value);
  return file_write (at, path, text, err);
}

int
directory_make (int at, const char *path, mode_t mode, struct error *err)
{
  if (mkdirat (at, path, mode) == 0 || errno == EEXIST)
    return 0;
  return error_errno (err, "mkdir %s", path);
}

int
write_all (int fd, const void *data, size_t length)
{
  const char *at = data;
  while (length)
    {
      ssize_t put = write (fd, at, length);
      if (put < 0 && errno == EINTR)
        continue;
      if (put < 0)
        return -1;
      at += put;
      length -= (size_t) put;
    }
  return 0;
}

uint64_t
clock_ns (int clock)
{
  struct timespec now;
  clock_gettime (clock, &now);
  return (uint64_t) now.tv_sec * 1000000000u + (uint64_t) now.tv_nsec;
}
