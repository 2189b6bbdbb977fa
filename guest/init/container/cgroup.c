#include "container/cgroup.h"
#include "container/devicefilter.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

/* Of cgroups in cgroups: more cannot be made by accident. */
#define DEPTH_MAX 32
#define COMMON CGROUP_ROOT "/hb"
#define PRIVILEGED CGROUP_ROOT "/hb-privileged"
#define PERIOD_DEFAULT_US 100000u

static const char *const controllers[] = { "+cpu", "+memory", "+pids", "+io", "+cpuset" };

int
cgroup_boot (struct error *err)
{
  if (directory_make (AT_FDCWD, CGROUP_ROOT "/init", 0755, err) < 0
      || directory_make (AT_FDCWD, CGROUP_ROOT "/files", 0755, err) < 0
      || directory_make (AT_FDCWD, COMMON, 0755, err) < 0 || directory_make (AT_FDCWD, PRIVILEGED, 0755, err) < 0
      || file_write (AT_FDCWD, CGROUP_ROOT "/init/cgroup.procs", "0", err) < 0)
    return -1;
  struct error ignored; /* a kernel without one of them refuses the limits that need it */
  for (size_t i = 0; i < sizeof controllers / sizeof controllers[0]; i++)
    {
      file_write (AT_FDCWD, CGROUP_ROOT "/cgroup.subtree_control", controllers[i], &ignored);
      file_write (AT_FDCWD, COMMON "/cgroup.subtree_control", controllers[i], &ignored);
      file_write (AT_FDCWD, PRIVILEGED "/cgroup.subtree_control", controllers[i], &ignored);
    }
  /* The control channel answers however busy the containers are. */
  file_write (AT_FDCWD, CGROUP_ROOT "/init/cpu.weight", "10000", &ignored);
  cleanup_close int common = open (COMMON, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return common < 0 ? error_errno (err, "open " COMMON) : devicefilter_attach (common, err);
}

/* Writes `value`, or `unlimited` for 0; a fresh cgroup already has the latter. */
static int
set_limit (int cgroup, const char *file, uint64_t value, const char *unlimited, struct error *err)
{
  if (value)
    return file_write_u64 (cgroup, file, value, err);
  struct error ignored;
  if (unlimited)
    file_write (cgroup, file, unlimited, &ignored);
  return 0;
}

static int
apply (int cgroup, const struct limits_spec *limits, bool fresh, struct error *err)
{
  char quota[64];
  uint64_t period = limits->cpu_period_us ? limits->cpu_period_us : PERIOD_DEFAULT_US;
  snprintf (quota, sizeof quota, "%" PRIu64 " %" PRIu64, limits->cpu_quota_us, period);
  if (limits->cpu_quota_us && file_write (cgroup, "cpu.max", quota, err) < 0)
    return -1;
  struct error ignored;
  if (!limits->cpu_quota_us && !fresh)
    file_write (cgroup, "cpu.max", "max", &ignored);
  return set_limit (cgroup, "memory.max", limits->memory_max, fresh ? NULL : "max", err) < 0
             || set_limit (cgroup, "pids.max", limits->pids_max, fresh ? NULL : "max", err) < 0
             || set_limit (cgroup, "cpu.weight", limits->cpu_weight, fresh ? NULL : "100", err) < 0
           ? -1
           : 0;
}

int
cgroup_limit (int cgroup, const struct limits_spec *limits, struct error *err)
{
  return apply (cgroup, limits, false, err);
}

int
cgroup_create (const char *id, bool privileged, const struct limits_spec *limits, struct error *err)
{
  char path[128];
  snprintf (path, sizeof path, "%s/%s", privileged ? PRIVILEGED : COMMON, id);
  if (mkdir (path, 0755) < 0)
    return error_errno (err, "mkdir %s", path);
  cleanup_close int cgroup = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (cgroup < 0)
    error_errno (err, "open %s", path);
  if (cgroup < 0 || apply (cgroup, limits, true, err) < 0)
    {
      rmdir (path);
      return -1;
    }
  if (limits->memory_max)
    {
      struct error ignored; /* only there when the kernel can swap */
      file_write (cgroup, "memory.swap.max", "0", &ignored);
    }
  int result = cgroup;
  cgroup = -1;
  return result;
}

uint64_t
cgroup_oom_kills (int cgroup)
{
  char text[512];
  uint64_t count = 0;
  if (file_read (cgroup, "memory.events", text, sizeof text) > 0)
    {
      const char *line = strstr (text, "oom_kill ");
      if (line)
        sscanf (line, "oom_kill %" SCNu64, &count);
    }
  return count;
}

int
cgroup_signal (int cgroup, int signal)
{
  struct error ignored;
  if (signal == SIGKILL && file_write (cgroup, "cgroup.kill", "1", &ignored) == 0)
    return 1;
  cleanup_close int fd = openat (cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
  FILE *file = fd < 0 ? NULL : fdopen (fd, "r");
  if (!file)
    return 0;
  fd = -1;
  int count = 0, pid;
  while (fscanf (file, "%d", &pid) == 1)
    if (pid > 1 && kill (pid, signal) == 0)
      count++;
  fclose (file);
  return count;
}

bool
cgroup_populated (int cgroup)
{
  char text[128];
  return file_read (cgroup, "cgroup.events", text, sizeof text) > 0 && strstr (text, "populated 1");
}

int
cgroup_freeze (int cgroup, bool frozen, struct error *err)
{
  return file_write (cgroup, "cgroup.freeze", frozen ? "1" : "0", err);
}

bool
cgroup_frozen (int cgroup)
{
  char text[128];
  return file_read (cgroup, "cgroup.events", text, sizeof text) > 0 && strstr (text, "frozen 1");
}

/* A container that may write its cgroups can have made some; a cgroup's files go with it. */
static void
remove_children (int at, const char *name, int depth)
{
  int fd = openat (at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *directory = fd < 0 ? NULL : fdopendir (fd);
  struct dirent *entry;
  if (!directory)
    {
      close_and_forget (&fd);
      return;
    }
  while (depth < DEPTH_MAX && (entry = readdir (directory)))
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
      {
        remove_children (fd, entry->d_name, depth + 1);
        unlinkat (fd, entry->d_name, AT_REMOVEDIR);
      }
  closedir (directory);
}

int
cgroup_remove (const char *id, bool privileged, struct error *err)
{
  char path[128];
  snprintf (path, sizeof path, "%s/%s", privileged ? PRIVILEGED : COMMON, id);
  if (rmdir (path) == 0 || errno == ENOENT)
    return 0;
  remove_children (AT_FDCWD, path, 0);
  return rmdir (path) == 0 ? 0 : error_errno (err, "rmdir %s", path);
}
