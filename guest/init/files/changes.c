#include "files/changes.h"
#include "files/names.h"
#include "lib/cleanup.h"
#include "protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

/* A directory on the way from the root to what is looked at: told of when it is changed itself, or something in it is. */
struct level
{
  struct level *above;
  size_t length; /* of its path */
  bool told;
};

struct comparison
{
  struct sink *sink;
  const struct mount_points *points;
  size_t held;
  char path[PATH_MAX]; /* absolute, "" for the root */
  size_t length;
};

enum change { MODIFIED, ADDED, DELETED };

static int
put_change (struct comparison *comparison, size_t length, enum change change, struct error *err)
{
  uint8_t bytes[RECORD_HEADER_BYTES + 64 + PATH_MAX];
  struct writer fields = { .data = bytes, .length = RECORD_HEADER_BYTES, .capacity = sizeof bytes };
  put_bytes (&fields, HB_TAG_PATH, comparison->path, length);
  put_u32 (&fields, HB_TAG_ACTION, change);
  record_finish (&fields, 0);
  return sink_write (comparison->sink, bytes, fields.length, err);
}

static int
tell (struct comparison *comparison, struct level *level, enum change change, struct error *err)
{
  /* The outermost first. */
  for (;;)
    {
      struct level *first = NULL;
      for (struct level *at = level; at; at = at->above)
        if (!at->told)
          first = at;
      if (!first)
        break;
      first->told = true;
      if (first->length && put_change (comparison, first->length, MODIFIED, err) < 0)
        return -1;
    }
  return put_change (comparison, comparison->length, change, err);
}

static bool
same_time (const struct timespec *one, const struct timespec *other)
{
  /* Squashfs counts seconds. */
  return one->tv_sec == other->tv_sec && (one->tv_nsec == other->tv_nsec || !one->tv_nsec || !other->tv_nsec);
}

/* As dockerd: size and time of a directory say nothing. */
static bool
differs (int upper, const struct stat *now, int lower, const struct stat *before)
{
  uint8_t one[64], other[64];
  if (now->st_mode != before->st_mode || now->st_uid != before->st_uid || now->st_gid != before->st_gid
      || ((S_ISCHR (now->st_mode) || S_ISBLK (now->st_mode)) && now->st_rdev != before->st_rdev))
    return true;
  if (!S_ISDIR (now->st_mode) && (now->st_size != before->st_size || !same_time (&now->st_mtim, &before->st_mtim)))
    return true;
  size_t length = node_capability (upper, one, sizeof one);
  return length != node_capability (lower, other, sizeof other) || memcmp (one, other, length) != 0;
}

static bool
is_opaque (int node)
{
  char number[16], value = 0;
  snprintf (number, sizeof number, "%d", node);
  return getxattr (number, "trusted.overlay.opaque", &value, 1) == 1 && value == 'y';
}

static int compare_directory (struct comparison *comparison, int upper, int lower, struct level *level, struct error *err);

static int
compare_node (struct comparison *comparison, int upper, const struct stat *now, int lower_directory, const char *name,
              struct level *level, struct error *err)
{
  struct stat before;
  cleanup_close int lower = lower_directory < 0 ? -1 : node_open (lower_directory, name, &before);
  if (lower_directory >= 0 && lower < 0 && errno != ENOENT && errno != ENOTDIR)
    return error_errno (err, "the image's %.160s", comparison->path);
  if (S_ISCHR (now->st_mode) && now->st_rdev == makedev (0, 0))
    return lower < 0 ? 0 : tell (comparison, level, DELETED, err);
  if (lower < 0 && is_mount_point (comparison->points, comparison->path + 1, upper, now))
    return 0;
  struct level own = { .above = level, .length = comparison->length };
  if (lower < 0 || differs (upper, now, lower, &before))
    {
      if (tell (comparison, level, lower < 0 ? ADDED : MODIFIED, err) < 0)
        return -1;
      own.told = true;
    }
  if (!S_ISDIR (now->st_mode))
    return 0;
  return compare_directory (comparison, upper, lower >= 0 && S_ISDIR (before.st_mode) ? lower : -1, &own, err);
}

static int
append (struct comparison *comparison, const char *name, struct error *err)
{
  size_t length = strlen (name);
  if (comparison->length + length + 2 > sizeof comparison->path)
    return error_set (err, ENAMETOOLONG, "%.100s… is deeper than a path can tell", comparison->path);
  comparison->length += (size_t) sprintf (comparison->path + comparison->length, "/%s", name);
  return 0;
}

static void
cut (struct comparison *comparison, size_t length)
{
  comparison->length = length;
  comparison->path[length] = 0;
}

/* What the image has in a directory that hides it, and that is not there again. */
static int
tell_hidden (struct comparison *comparison, int upper, int lower, struct level *level, struct error *err)
{
  struct names names;
  if (names_open (&names, lower, &comparison->held, err) < 0)
    return -1;
  int result = 0;
  const char *name;
  size_t before = comparison->length;
  while (result == 0 && (name = names_next (&names)))
    {
      struct stat status;
      if (fstatat (upper, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        continue;
      result = append (comparison, name, err) < 0 ? -1 : tell (comparison, level, DELETED, err);
      cut (comparison, before);
    }
  names_close (&names);
  return result;
}

static int
compare_directory (struct comparison *comparison, int upper, int lower, struct level *level, struct error *err)
{
  struct names names;
  if (names_open (&names, upper, &comparison->held, err) < 0)
    return -1;
  int result = 0;
  const char *name;
  size_t before = comparison->length;
  while (result == 0 && (name = names_next (&names)))
    {
      struct stat status;
      cleanup_close int node = node_open (upper, name, &status);
      if (node < 0 && errno == ENOENT)
        continue;
      result = append (comparison, name, err);
      if (node < 0)
        result = error_errno (err, "%.160s", comparison->path);
      if (result == 0)
        result = compare_node (comparison, node, &status, lower, name, level, err);
      cut (comparison, before);
    }
  names_close (&names);
  return result == 0 && lower >= 0 && is_opaque (upper) ? tell_hidden (comparison, upper, lower, level, err) : result;
}

int
changes_read (int upper, int lower, const struct mount_points *points, struct sink *sink, struct error *err)
{
  static struct comparison comparison;
  struct level root = { .told = true };
  comparison = (struct comparison){ .sink = sink, .points = points };
  return compare_directory (&comparison, upper, lower, &root, err) < 0 ? -1 : sink_flush (sink, err);
}
