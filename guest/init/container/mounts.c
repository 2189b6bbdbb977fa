#include "container/mounts.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define OPTIONS_BYTES_MAX 1024

static int
set_option (int context, char *option)
{
  char *value = strchr (option, '=');
  if (!value)
    return sys_fsconfig (context, FSCONFIG_SET_FLAG, option, NULL);
  *value++ = 0;
  return sys_fsconfig (context, FSCONFIG_SET_STRING, option, value);
}

static int
set_options (int context, const char *type, const char *options, struct error *err)
{
  char copy[OPTIONS_BYTES_MAX];
  if (strlen (options) >= sizeof copy)
    return error_set (err, E2BIG, "the options of a %s mount are too long", type);
  strcpy (copy, options);
  char *rest = copy, *option;
  while ((option = strsep (&rest, ",")))
    if (*option && set_option (context, option) < 0)
      return error_errno (err, "option %s of a %s mount", option, type);
  return 0;
}

int
mount_new (const char *type, const char *source, const char *options, unsigned attributes, struct error *err)
{
  cleanup_close int context = sys_fsopen (type);
  if (context < 0)
    return error_errno (err, "fsopen %s", type);
  if (sys_fsconfig (context, FSCONFIG_SET_STRING, "source", source) < 0)
    return error_errno (err, "source %s of a %s mount", source, type);
  if (options && set_options (context, type, options, err) < 0)
    return -1;
  if (sys_fsconfig (context, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
    return error_errno (err, "mount %s of type %s", source, type);
  int mount = sys_fsmount (context, attributes);
  return mount < 0 ? error_errno (err, "fsmount %s", type) : mount;
}

int
mount_copy (int at, const char *path, unsigned attributes, struct error *err)
{
  cleanup_close int mount
    = sys_open_tree (at, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (*path ? 0 : AT_EMPTY_PATH));
  if (mount < 0)
    return error_errno (err, "open_tree %s", path);
  if (attributes && mount_set_attributes (mount, attributes, path, err) < 0)
    return -1;
  int result = mount;
  mount = -1;
  return result;
}

int
mount_attach (int mount, int target, const char *what, struct error *err)
{
  if (sys_move_mount (mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
    return error_errno (err, "mount on %s", what);
  return 0;
}

int
mount_at (int at, const char *path, const char *type, const char *options, unsigned attributes, struct error *err)
{
  cleanup_close int target = openat (at, path, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
  if (target < 0)
    return error_errno (err, "mount point %s", path);
  cleanup_close int mount = mount_new (type, type, options, attributes, err);
  return mount < 0 ? -1 : mount_attach (mount, target, path, err);
}

int
mount_set_attributes (int mount, unsigned attributes, const char *what, struct error *err)
{
  struct sys_mount_attr attr = { .set = attributes };
  if (attributes & MOUNT_ATTR__ATIME)
    attr.clear = MOUNT_ATTR__ATIME;
  if (sys_mount_setattr (mount, "", AT_EMPTY_PATH, &attr) < 0)
    return error_errno (err, "set the attributes of %s", what);
  return 0;
}

int
mount_flags (uint64_t flags, unsigned *attributes, struct error *err)
{
  static const struct { uint64_t flag; unsigned attribute; } table[] = {
    { MS_RDONLY, MOUNT_ATTR_RDONLY },   { MS_NOSUID, MOUNT_ATTR_NOSUID },
    { MS_NODEV, MOUNT_ATTR_NODEV },     { MS_NOEXEC, MOUNT_ATTR_NOEXEC },
    { MS_NOATIME, MOUNT_ATTR_NOATIME }, { MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
    { MS_STRICTATIME, MOUNT_ATTR_STRICTATIME },
  };
  /* Binding and private propagation are what is done anyway, and relatime is the default. */
  uint64_t rest = flags & ~(uint64_t) (MS_BIND | MS_REC | MS_PRIVATE | MS_RELATIME);
  *attributes = 0;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (rest & table[i].flag)
      {
        *attributes |= table[i].attribute;
        rest &= ~table[i].flag;
      }
  if (rest)
    return error_set (err, EINVAL, "mount flags 0x%llx are not supported", (unsigned long long) rest);
  if ((*attributes & MOUNT_ATTR_NOATIME) && (*attributes & MOUNT_ATTR_STRICTATIME))
    return error_set (err, EINVAL, "noatime and strictatime exclude each other");
  return 0;
}
