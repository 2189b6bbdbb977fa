#include "files/node.h"
#include "lib/sys.h"
#include "protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define XATTR_BYTES_MAX 65536

static int self_fd = -1;

/* Its name in the working directory. */
struct number
{
  char text[16];
};

static struct number
number_of (int node)
{
  struct number number;
  snprintf (number.text, sizeof number.text, "%d", node);
  return number;
}

int
nodes_prepare (struct error *err)
{
  if (self_fd >= 0)
    close (self_fd);
  self_fd = open ("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return self_fd < 0 ? error_errno (err, "open /proc/self/fd") : nodes_return (err);
}

int
nodes_return (struct error *err)
{
  return fchdir (self_fd) < 0 ? error_errno (err, "enter /proc/self/fd") : 0;
}

int
node_open (int at, const char *name, struct stat *status)
{
  int fd = openat (at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fd >= 0 && fstat (fd, status) == 0)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

int
node_reopen (int node)
{
  return open (number_of (node).text, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_NOATIME | O_CLOEXEC);
}

static bool
is_told (const char *name, enum xattr_choice choice)
{
  return strncmp (name, "user.", 5) == 0 || strcmp (name, "security.capability") == 0
         || strncmp (name, "system.posix_acl_", 17) == 0
         || (choice == XATTR_OVERLAY && strcmp (name, "trusted.overlay.opaque") == 0);
}

static void
put_xattrs (struct writer *fields, int node, enum xattr_choice choice)
{
  static char names[XATTR_BYTES_MAX + 1];
  static uint8_t value[XATTR_BYTES_MAX];
  struct number number = number_of (node);
  ssize_t length = listxattr (number.text, names, sizeof names - 1);
  for (const char *name = names; length > 0 && name < names + length; name += strlen (name) + 1)
    {
      ssize_t size = is_told (name, choice) ? getxattr (number.text, name, value, sizeof value) : -1;
      if (size < 0)
        continue;
      size_t begin = put_begin (fields, HB_TAG_XATTR);
      put_text (fields, HB_TAG_NAME, name);
      put_bytes (fields, HB_TAG_VALUE, value, (size_t) size);
      put_end (fields, begin);
    }
}

static uint64_t
nanoseconds (const struct timespec *time)
{
  return (uint64_t) time->tv_sec * 1000000000u + (uint64_t) time->tv_nsec;
}

void
node_put (struct writer *fields, int node, const char *path, const struct stat *status, enum xattr_choice choice)
{
  put_text (fields, HB_TAG_PATH, path);
  put_u32 (fields, HB_TAG_MODE, status->st_mode);
  put_u32 (fields, HB_TAG_UID, status->st_uid);
  put_u32 (fields, HB_TAG_GID, status->st_gid);
  put_u64 (fields, HB_TAG_MTIME_NS, nanoseconds (&status->st_mtim));
  if (S_ISCHR (status->st_mode) || S_ISBLK (status->st_mode))
    put_u64 (fields, HB_TAG_DEVICE, (uint64_t) major (status->st_rdev) << 32 | minor (status->st_rdev));
  if (S_ISLNK (status->st_mode))
    {
      char target[PATH_MAX];
      ssize_t length = readlinkat (node, "", target, sizeof target);
      put_bytes (fields, HB_TAG_TARGET, target, length > 0 ? (size_t) length : 0);
    }
  put_xattrs (fields, node, choice);
}

size_t
node_capability (int node, uint8_t *value, size_t size)
{
  ssize_t length = getxattr (number_of (node).text, "security.capability", value, size);
  return length > 0 ? (size_t) length : 0;
}

int
node_set_time (int node, uint64_t mtime_ns)
{
  int64_t time = (int64_t) mtime_ns, seconds = time / 1000000000, rest = time % 1000000000;
  struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = seconds - (rest < 0), .tv_nsec = rest + (rest < 0) * 1000000000 } };
  return utimensat (AT_FDCWD, number_of (node).text, times, 0);
}

/* As Docker: a file system without such attributes goes without. */
static int
set_xattrs (const struct number *number, const struct file_record *record, struct error *err)
{
  const struct xattr_spec *xattrs = record->xattrs.items;
  for (size_t i = 0; i < record->xattrs.count; i++)
    if (setxattr (number->text, xattrs[i].name, xattrs[i].value.data, xattrs[i].value.length, 0) < 0
        && errno != EOPNOTSUPP && errno != EPERM)
      return error_errno (err, "attribute %.64s of %.140s", xattrs[i].name, record->path);
  return 0;
}

int
node_apply (int node, const struct file_record *record, bool with_times, struct error *err)
{
  struct number number = number_of (node);
  if (fchownat (node, "", record->uid, record->gid, AT_EMPTY_PATH) < 0)
    return error_errno (err, "chown %.160s", record->path);
  /* Behind the owner, whose change takes setuid and capabilities away. */
  if (!S_ISLNK (record->mode) && chmod (number.text, record->mode & 07777) < 0)
    return error_errno (err, "chmod %.160s", record->path);
  if (set_xattrs (&number, record, err) < 0)
    return -1;
  if (with_times && node_set_time (node, record->mtime_ns) < 0)
    return error_errno (err, "set the time of %.160s", record->path);
  return 0;
}
