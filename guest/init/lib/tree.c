#include "lib/tree.h"
#include "lib/cleanup.h"
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define DEPTH_MAX 64

static void
empty (int at, const char *name, dev_t device, int depth)
{
  int fd = openat (at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  struct stat status;
  DIR *directory = fd < 0 || fstat (fd, &status) < 0 ? NULL : fdopendir (fd);
  struct dirent *entry;
  if (!directory)
    {
      close_and_forget (&fd);
      return;
    }
  while (status.st_dev == device && (entry = readdir (directory)))
    {
      if (strcmp (entry->d_name, ".") == 0 || strcmp (entry->d_name, "..") == 0)
        continue;
      if (unlinkat (fd, entry->d_name, 0) == 0 || depth >= DEPTH_MAX)
        continue;
      empty (fd, entry->d_name, device, depth + 1);
      unlinkat (fd, entry->d_name, AT_REMOVEDIR);
    }
  closedir (directory);
}

void
tree_remove (const char *path)
{
  struct stat status;
  if (lstat (path, &status) < 0 || !S_ISDIR (status.st_mode))
    return;
  empty (AT_FDCWD, path, status.st_dev, 0);
  rmdir (path);
}
