#include "machine/sysctl.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include <errno.h>

#define NAME_BYTES_MAX 256

static const char *const prefixes[] = { "net/", "fs/mqueue/", "kernel/msg", "kernel/sem", "kernel/shm" };

static bool
is_namespaced (const char *path)
{
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
    if (strncmp (path, prefixes[i], strlen (prefixes[i])) == 0)
      return true;
  return false;
}

static int
apply (const struct list *sysctls, bool namespaced, struct error *err)
{
  const struct sysctl_spec *specs = sysctls->items;
  for (size_t i = 0; i < sysctls->count; i++)
    {
      char path[NAME_BYTES_MAX];
      const char *name = specs[i].name;
      if (sysctl_path (name, path, sizeof path) < 0 || (namespaced && !is_namespaced (path)))
        return error_set (err, EINVAL, "sysctl %.100s may not be set", name);
      cleanup_close int root = open ("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
      cleanup_close int fd
        = sys_openat2 (root, path, O_WRONLY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
      size_t length = strlen (specs[i].value);
      if (fd < 0 || write (fd, specs[i].value, length) != (ssize_t) length)
        return error_errno (err, "sysctl %.100s", name);
    }
  return 0;
}

int
sysctls_apply (const struct list *sysctls, struct error *err)
{
  return apply (sysctls, false, err);
}

int
sysctls_apply_namespaced (const struct list *sysctls, struct error *err)
{
  return apply (sysctls, true, err);
}
