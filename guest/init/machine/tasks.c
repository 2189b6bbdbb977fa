/* TOP: the processes of a container, as ps would see them inside it. */
#include "lib/cleanup.h"
#include "lib/file.h"
#include "ops.h"
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

/* A container that has more is shown in pieces; see TOP in guest/protocol.md. */
#define TASKS_MAX 32768u

struct task
{
  char stat[512], command[HB_COMMAND_BYTES_MAX + 1];
  size_t command_length;
  uint32_t pid, parent, uid; /* pid as the container sees it, parent as init does */
};

static uint32_t
number_after (const char *text, const char *key, bool last)
{
  uint32_t number = 0;
  const char *line = strstr (text, key);
  if (!line)
    return 0;
  line += strlen (key);
  if (!last)
    return sscanf (line, "%u", &number) == 1 ? number : 0;
  int used;
  uint32_t next;
  for (; *line != '\n' && sscanf (line, "%u%n", &next, &used) == 1; line += used)
    number = next;
  return number;
}

static bool
read_status (int directory, struct task *task)
{
  char text[4096];
  if (file_read (directory, "status", text, sizeof text) <= 0)
    return false;
  task->pid = number_after (text, "\nNSpid:", true);
  task->parent = number_after (text, "\nPPid:", false);
  task->uid = number_after (text, "\nUid:", false);
  return true;
}

static int
open_process (uint32_t pid)
{
  char path[32];
  snprintf (path, sizeof path, "/proc/%u", pid);
  return open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* False when it has ended meanwhile. */
static bool
read_task (uint32_t pid, struct task *task)
{
  cleanup_close int directory = open_process (pid);
  if (directory < 0 || !read_status (directory, task))
    return false;
  ssize_t length = file_read (directory, "stat", task->stat, sizeof task->stat);
  ssize_t command = file_read (directory, "cmdline", task->command, sizeof task->command);
  task->stat[strcspn (task->stat, "\n")] = 0;
  task->command_length = command > 0 ? (size_t) command : 0;
  return length > 0;
}

/* The parent as the container sees it: 0 when it is outside. */
static uint32_t
parent_in_container (const struct container *container, const struct task *task)
{
  struct task parent;
  if (task->pid == 1 || task->parent <= 1)
    return 0;
  cleanup_close int directory = open_process (task->parent);
  (void) container;
  return directory >= 0 && read_status (directory, &parent) ? parent.pid : 0;
}

static void
put_task (struct writer *fields, const struct container *container, const struct task *task)
{
  size_t begin = put_begin (fields, HB_TAG_TASK);
  put_u32 (fields, HB_TAG_PID, task->pid);
  put_u32 (fields, HB_TAG_PPID, parent_in_container (container, task));
  put_u32 (fields, HB_TAG_UID, task->uid);
  size_t text = put_begin (fields, HB_TAG_TEXT);
  put_text (fields, HB_TAG_NAME, "stat");
  put_text (fields, HB_TAG_VALUE, task->stat);
  put_end (fields, text);
  put_bytes (fields, HB_TAG_VALUE, task->command, task->command_length);
  put_end (fields, begin);
}

int
tasks_serve (const struct container *container, uint32_t skip, struct writer *fields, struct error *err)
{
  cleanup_close int fd = openat (container->cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  FILE *file = fd < 0 ? NULL : fdopen (fd, "r");
  if (!file)
    return error_errno (err, "read the processes of %s", container->id);
  fd = -1;
  uint32_t pid, count = 0;
  put_u32 (fields, HB_TAG_NUMBER, 0);
  put_u64 (fields, HB_TAG_REALTIME_NS, clock_ns (CLOCK_REALTIME) - clock_ns (CLOCK_BOOTTIME));
  while (count < TASKS_MAX && fscanf (file, "%u", &pid) == 1)
    {
      struct task task;
      if (count++ < skip || fields->full || !read_task (pid, &task))
        continue;
      put_task (fields, container, &task);
    }
  fclose (file);
  store_u32 (fields->data + 4 + FIELD_HEADER_BYTES, count);
  return 1;
}
