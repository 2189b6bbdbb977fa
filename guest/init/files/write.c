#include "files/write.h"
#include "files/node.h"
#include "files/opened.h"
#include "files/remove.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "lib/sys.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#define INPUT_BYTES 65536

struct tree
{
  bool keep_kinds;
  struct opened opened; /* directories that the tree goes on in */
  struct record_decoder decoder;
  /* The file whose content is being written: */
  int file, directory;
  const char *name; /* of it, in `directory`, which is no descriptor of its own; NULL when it was there before */
};

/* Is there something at the record's place that must go? What has that place by a mount cannot: a file is then written where it is,
   and a directory merged into one. */
static int
make_room (struct tree *tree, int at, const char *name, const struct file_record *record, bool *merges,
           struct error *err)
{
  struct stat there;
  *merges = false;
  if (fstatat (at, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : error_errno (err, "%.160s", record->path);
  bool was = S_ISDIR (there.st_mode), is = S_ISDIR (record->mode);
  *merges = was && is;
  if (*merges)
    return 0;
  if (was != is && tree->keep_kinds)
    return error_set (err, EEXIST, "cannot overwrite %sdirectory \"%.160s\" with %sdirectory", was ? "" : "non-",
                      record->path, is ? "" : "non-");
  tree->opened.other_stale = true;
  if (node_remove (at, name, err) == 0)
    return 0;
  *merges = err->status == EBUSY && S_ISREG (there.st_mode) && S_ISREG (record->mode) && !record->target[0];
  return *merges ? 0 : -1;
}

/* Owner, mode, attributes and time of what was made. */
static int
finish_node (int at, const char *name, const struct file_record *record, struct error *err)
{
  struct stat status;
  cleanup_close int node = node_open (at, name, &status);
  if (node < 0)
    return error_errno (err, "open %.160s", record->path);
  return node_apply (node, record, true, err);
}

static int
write_directory (struct tree *tree, int at, const char *name, bool merges, const struct file_record *record,
                 struct error *err)
{
  struct stat status;
  if (!merges && mkdirat (at, name, 0700) < 0)
    return error_errno (err, "mkdir %.160s", record->path);
  cleanup_close int node = node_open (at, name, &status);
  if (node < 0 || !S_ISDIR (status.st_mode))
    return error_errno (err, "open %.160s", record->path);
  if (node_apply (node, record, false, err) < 0 || opened_push (&tree->opened, record->path, node, record->mtime_ns, err) < 0)
    return -1;
  node = -1;
  return 0;
}

static int
write_link (struct tree *tree, int at, const char *name, const struct file_record *record, struct error *err)
{
  const char *target_name;
  cleanup_close int directory = opened_copy (&tree->opened, record->target, &target_name, err);
  if (directory < 0)
    return -1;
  if (linkat (directory, target_name, at, name, 0) < 0)
    return error_errno (err, "link %.100s to %.100s", record->path, record->target);
  return 0;
}

static int
close_file (struct tree *tree, struct error *err)
{
  int file = tree->file;
  tree->file = -1;
  int result = node_apply (file, &tree->decoder.record, true, err);
  close (file);
  return result;
}

static int
begin_file (struct tree *tree, int at, const char *name, bool merges, const struct file_record *record,
            struct error *err)
{
  int how = merges ? O_TRUNC : O_CREAT | O_EXCL;
  tree->file = openat (at, name, O_WRONLY | how | O_NOFOLLOW | O_CLOEXEC, 0600);
  tree->directory = at;
  tree->name = merges ? NULL : name;
  if (tree->file < 0)
    return error_errno (err, "create %.160s", record->path);
  return record->size ? 0 : close_file (tree, err);
}

static int
write_special (int at, const char *name, const struct file_record *record, struct error *err)
{
  mode_t type = record->mode & S_IFMT;
  dev_t device = makedev ((unsigned) (record->device >> 32), (unsigned) record->device);
  if (type == S_IFLNK ? symlinkat (record->target, at, name) < 0
                      : mknodat (at, name, type | 0600, type == S_IFCHR || type == S_IFBLK ? device : 0) < 0)
    return error_errno (err, "create %.160s", record->path);
  return finish_node (at, name, record, err);
}

/* The root of the tree: what is said of it goes for the directory that the tree is put into. */
static int
write_root (struct tree *tree, const struct file_record *record, struct error *err)
{
  if (!S_ISDIR (record->mode))
    return error_set (err, EINVAL, "the root of a tree that is to be written is no directory");
  opened_close_all (&tree->opened);
  tree->opened.root_time_known = true;
  tree->opened.root_mtime_ns = record->mtime_ns;
  return node_apply (tree->opened.root, record, false, err);
}

static int
write_record (struct tree *tree, const struct file_record *record, struct error *err)
{
  if (!record->path[0])
    return write_root (tree, record, err);
  const char *name;
  bool merges;
  int at = opened_parent (&tree->opened, record->path, &name, err);
  if (at < 0 || make_room (tree, at, name, record, &merges, err) < 0)
    return -1;
  switch (record->mode & S_IFMT)
    {
    case S_IFDIR:
      return write_directory (tree, at, name, merges, record, err);
    case S_IFREG:
      return record->target[0] ? write_link (tree, at, name, record, err)
                               : begin_file (tree, at, name, merges, record, err);
    case S_IFLNK:
    case S_IFCHR:
    case S_IFBLK:
    case S_IFIFO:
    case S_IFSOCK:
      return write_special (at, name, record, err);
    default:
      return error_set (err, EINVAL, "%.160s is of no kind of file", record->path);
    }
}

static int
take (struct tree *tree, struct bytes data, struct error *err)
{
  while (data.length)
    {
      size_t used;
      struct bytes content;
      int event = record_decode (&tree->decoder, data, &used, &content, err);
      data.data += used;
      data.length -= used;
      if (event < 0 || (event == RECORD_HEAD && write_record (tree, &tree->decoder.record, err) < 0))
        return -1;
      if (event != RECORD_CONTENT)
        continue;
      if (write_all (tree->file, content.data, content.length) < 0)
        return error_errno (err, "write %.160s", tree->decoder.record.path);
      if (!tree->decoder.content_left && close_file (tree, err) < 0)
        return -1;
    }
  return 0;
}

static int
take_all (struct tree *tree, int input, struct error *err)
{
  static uint8_t buffer[INPUT_BYTES];
  for (;;)
    {
      ssize_t got = read (input, buffer, sizeof buffer);
      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return error_errno (err, "read the tree");
      if (got == 0)
        return record_decoder_idle (&tree->decoder) ? 0 : error_set (err, EINVAL, "the tree ends in the middle of a record");
      if (take (tree, (struct bytes){ buffer, (size_t) got }, err) < 0)
        return -1;
    }
}

int
tree_write (int root, int input, bool keep_kinds, struct error *err)
{
  static struct tree tree;
  tree = (struct tree){ .keep_kinds = keep_kinds, .file = -1 };
  opened_begin (&tree.opened, root);
  int result = take_all (&tree, input, err);
  if (tree.file >= 0)
    {
      close (tree.file);
      if (tree.name)
        unlinkat (tree.directory, tree.name, 0);
    }
  opened_end (&tree.opened);
  record_decoder_free (&tree.decoder);
  return result;
}
