/* STATS: the kernel's own files, as they are; the host knows what they mean. */
#include "lib/file.h"
#include "ops.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char *const cgroup_files[] = { "cpu.stat",      "memory.stat",  "memory.current", "memory.max",
                                            "memory.events", "pids.current", "pids.max",       "io.stat" };

static void
put_file (struct writer *fields, const char *name, int at, const char *path, bool first_line)
{
  char text[HB_TEXT_VALUE_BYTES_MAX + 1];
  ssize_t length = file_read (at, path, text, sizeof text);
  if (length < 0)
    return; /* a controller that this kernel does not have */
  if (first_line)
    text[strcspn (text, "\n")] = 0;
  size_t begin = put_begin (fields, HB_TAG_TEXT);
  put_text (fields, HB_TAG_NAME, name);
  put_text (fields, HB_TAG_VALUE, text);
  put_end (fields, begin);
}

int
stats_serve (const struct container *container, struct writer *fields, struct error *err)
{
  (void) err;
  for (size_t i = 0; i < sizeof cgroup_files / sizeof cgroup_files[0]; i++)
    put_file (fields, cgroup_files[i], container->cgroup, cgroup_files[i], false);
  put_file (fields, "net.dev", AT_FDCWD, "/proc/self/net/dev", false);
  put_file (fields, "stat", AT_FDCWD, "/proc/stat", true);
  char online[16];
  snprintf (online, sizeof online, "%ld", sysconf (_SC_NPROCESSORS_ONLN));
  size_t begin = put_begin (fields, HB_TAG_TEXT);
  put_text (fields, HB_TAG_NAME, "online");
  put_text (fields, HB_TAG_VALUE, online);
  put_end (fields, begin);
  return 1;
}
