#include "files/read.h"
#include "files/links.h"
#include "files/names.h"
#include "files/resolve.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include "protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/vfs.h>

struct reader
{
  struct sink *sink;
  const struct mount_points *points;
  struct links links;
  size_t held; /* of names, at all levels */
  char path[PATH_MAX];
  size_t length;
};

static uint8_t record_bytes[RECORD_HEADER_BYTES + RECORD_FIELDS_BYTES_MAX];

static struct writer
record_begin (void)
{
  return (struct writer){ .data = record_bytes, .length = RECORD_HEADER_BYTES, .capacity = sizeof record_bytes };
}

static int
send_record (struct sink *sink, struct writer *fields, uint64_t size, const char *path, struct error *err)
{
  if (fields->full)
    return error_set (err, E2BIG, "the attributes of %.160s are too large", path);
  record_finish (fields, size);
  return sink_write (sink, fields->data, fields->length, err);
}

/* As many bytes as the record promised, whatever has become of the file meanwhile. */
static int
send_content (struct reader *reader, int node, uint64_t size, struct error *err)
{
  cleanup_close int fd = node_reopen (node);
  if (fd < 0)
    return error_errno (err, "open %.160s", reader->path);
  bool ended = false;
  while (size)
    {
      size_t room;
      uint8_t *to = sink_space (reader->sink, &room, err);
      if (!to)
        return -1;
      room = room < size ? room : (size_t) size;
      ssize_t got = ended ? 0 : read (fd, to, room);
      if (got < 0)
        return error_errno (err, "read %.160s", reader->path);
      ended = got == 0;
      if (ended)
        memset (to, 0, room);
      size_t length = ended ? room : (size_t) got;
      sink_commit (reader->sink, length);
      size -= length;
    }
  return 0;
}

static int
send_link (struct reader *reader, const char *target, const struct stat *status, struct error *err)
{
  struct writer fields = record_begin ();
  put_text (&fields, HB_TAG_PATH, reader->path);
  put_u32 (&fields, HB_TAG_MODE, status->st_mode);
  put_u32 (&fields, HB_TAG_UID, status->st_uid);
  put_u32 (&fields, HB_TAG_GID, status->st_gid);
  put_u64 (&fields, HB_TAG_MTIME_NS, (uint64_t) status->st_mtim.tv_sec * 1000000000u + (uint64_t) status->st_mtim.tv_nsec);
  put_text (&fields, HB_TAG_TARGET, target);
  return send_record (reader->sink, &fields, 0, reader->path, err);
}

/* The kernel's own, which have no content of the container's, and some no end. */
static bool
is_virtual (int directory)
{
  static const unsigned long magics[] = {
    0x9fa0, 0x62656572, 0x63677270, 0x27e0eb, 0x1cd1, 0x19800202, 0x64626720, 0x74726163, 0xcafe4a11, 0x73636673,
  }; /* proc, sysfs, cgroup2, cgroup, devpts, mqueue, debugfs, tracefs, bpf, securityfs */
  struct statfs of;
  if (fstatfs (directory, &of) < 0)
    return false;
  for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++)
    if ((unsigned long) of.f_type == magics[i])
      return true;
  return false;
}

static int read_node (struct reader *reader, int node, const struct stat *status, struct error *err);

static int
read_entry (struct reader *reader, int directory, const char *name, dev_t device, struct error *err)
{
  size_t before = reader->length, length = strlen (name);
  if (before + length + 2 > sizeof reader->path)
    return error_set (err, ENAMETOOLONG, "%.100s… is deeper than a path can tell", reader->path);
  struct stat status;
  cleanup_close int node = node_open (directory, name, &status);
  if (node < 0)
    return errno == ENOENT ? 0 : error_errno (err, "open %.100s/%.100s", reader->path, name);
  reader->length += (size_t) sprintf (reader->path + before, before ? "/%s" : "%s", name);
  int result = 0;
  if (S_ISSOCK (status.st_mode) || (reader->points && is_mount_point (reader->points, reader->path, node, &status)))
    result = 0;
  else if (S_ISDIR (status.st_mode) && status.st_dev != device && is_virtual (node))
    {
      struct writer fields = record_begin ();
      node_put (&fields, node, reader->path, &status, XATTR_COMMON);
      result = send_record (reader->sink, &fields, 0, reader->path, err);
    }
  else
    result = read_node (reader, node, &status, err);
  reader->length = before;
  reader->path[before] = 0;
  return result;
}

static int
read_directory (struct reader *reader, int node, dev_t device, struct error *err)
{
  struct names names;
  if (names_open (&names, node, &reader->held, err) < 0)
    return -1;
  int result = 0;
  const char *name;
  while (result == 0 && (name = names_next (&names)))
    result = read_entry (reader, node, name, device, err);
  names_close (&names);
  return result;
}

static int
read_node (struct reader *reader, int node, const struct stat *status, struct error *err)
{
  bool regular = S_ISREG (status->st_mode), linked = regular && status->st_nlink > 1;
  const char *target = linked ? links_find (&reader->links, status->st_dev, status->st_ino) : NULL;
  if (target)
    return send_link (reader, target, status, err);
  uint64_t size = regular ? (uint64_t) status->st_size : 0;
  struct writer fields = record_begin ();
  node_put (&fields, node, reader->path, status, reader->points ? XATTR_OVERLAY : XATTR_COMMON);
  if (send_record (reader->sink, &fields, size, reader->path, err) < 0
      || (size && send_content (reader, node, size, err) < 0))
    return -1;
  if (linked)
    links_add (&reader->links, status->st_dev, status->st_ino, reader->path);
  return S_ISDIR (status->st_mode) ? read_directory (reader, node, status->st_dev, err) : 0;
}

bool
is_mount_point (const struct mount_points *points, const char *path, int node, const struct stat *status)
{
  static const char *const directories[] = { "proc", "sys", "dev" };
  for (size_t i = 0; S_ISDIR (status->st_mode) && i < sizeof directories / sizeof directories[0]; i++)
    if (strcmp (path, directories[i]) == 0)
      {
        struct names names;
        struct error ignored;
        size_t held = 0;
        bool empty = names_open (&names, node, &held, &ignored) == 0 && !names_next (&names);
        names_close (&names);
        return empty;
      }
  const struct file_spec *files = points->files->items;
  for (size_t i = 0; S_ISREG (status->st_mode) && status->st_size == 0 && i < points->files->count; i++)
    if (strcmp (files[i].path + strspn (files[i].path, "/"), path) == 0)
      return true;
  return false;
}

int
tree_read (int node, const struct mount_points *points, struct sink *sink, struct error *err)
{
  static struct reader reader;
  struct stat status;
  reader = (struct reader){ .sink = sink, .points = points };
  if (fstat (node, &status) < 0)
    return error_errno (err, "stat the root of the tree");
  int result = read_node (&reader, node, &status, err);
  links_free (&reader.links);
  return result < 0 ? -1 : sink_flush (sink, err);
}

int
file_stat (const char *path, struct sink *sink, struct error *err)
{
  struct stat status;
  char resolved[PATH_MAX] = "";
  cleanup_close int node = sys_openat2 (AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_MAGICLINKS);
  if (node < 0 || fstat (node, &status) < 0)
    return error_errno (err, "%.160s", path);
  if (S_ISLNK (status.st_mode) && path_resolve (path, resolved, err) < 0)
    return -1;
  struct writer fields = record_begin ();
  node_put (&fields, node, "", &status, XATTR_COMMON);
  put_u64 (&fields, HB_TAG_SIZE, S_ISREG (status.st_mode) ? (uint64_t) status.st_size : 0);
  put_text (&fields, HB_TAG_SOURCE_PATH, resolved);
  return send_record (sink, &fields, 0, path, err) < 0 ? -1 : sink_flush (sink, err);
}
