#include "files/remove.h"
#include "files/names.h"
#include "lib/cleanup.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

/* As deep as a path can be told of: each level takes a descriptor. */
#define DEPTH_MAX (PATH_MAX / 2)

static int
remove_node (int at, const char *name, size_t *held, int depth, struct error *err)
{
  if (unlinkat (at, name, 0) == 0 || errno == ENOENT)
    return 0;
  if (errno != EISDIR)
    return error_errno (err, "remove %.160s", name);
  if (unlinkat (at, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
    return 0;
  if (errno != ENOTEMPTY && errno != EEXIST)
    return error_errno (err, "remove %.160s", name);
  if (depth == DEPTH_MAX)
    return error_set (err, ENAMETOOLONG, "remove %.160s: it is too deep", name);
  cleanup_close int directory = openat (at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct names names;
  if (directory < 0 || names_open (&names, directory, held, err) < 0)
    return error_errno (err, "open %.160s", name);
  int result = 0;
  const char *entry;
  while (result == 0 && (entry = names_next (&names)))
    result = remove_node (directory, entry, held, depth + 1, err);
  names_close (&names);
  if (result == 0 && unlinkat (at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
    result = error_errno (err, "remove %.160s", name);
  return result;
}

int
node_remove (int at, const char *name, struct error *err)
{
  size_t held = 0;
  return remove_node (at, name, &held, 0, err);
}
