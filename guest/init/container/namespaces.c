#include "container/namespaces.h"
#include "lib/cleanup.h"
#include <fcntl.h>
#include <sched.h>

int
home_open (struct home *home, struct error *err)
{
  home->directory = open ("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (home->directory < 0)
    return error_errno (err, "open /proc/self/ns");
  home->pid = openat (home->directory, "pid", O_RDONLY | O_CLOEXEC);
  return home->pid < 0 ? error_errno (err, "open the pid namespace") : namespaces_open (home, &home->namespaces, err);
}

int
namespaces_open (const struct home *home, struct namespaces *namespaces, struct error *err)
{
  static const char *const names[] = { "mnt", "uts", "ipc" };
  int *fds[] = { &namespaces->mnt, &namespaces->uts, &namespaces->ipc };
  *namespaces = (struct namespaces){ -1, -1, -1 };
  for (int i = 0; i < 3; i++)
    {
      *fds[i] = openat (home->directory, names[i], O_RDONLY | O_CLOEXEC);
      if (*fds[i] < 0)
        {
          error_errno (err, "open the %s namespace", names[i]);
          namespaces_close (namespaces);
          return -1;
        }
    }
  return 0;
}

int
namespaces_enter (const struct namespaces *namespaces, struct error *err)
{
  if (setns (namespaces->uts, CLONE_NEWUTS) < 0 || setns (namespaces->ipc, CLONE_NEWIPC) < 0
      || setns (namespaces->mnt, CLONE_NEWNS) < 0)
    return error_errno (err, "setns");
  return 0;
}

void
namespaces_close (struct namespaces *namespaces)
{
  close_and_forget (&namespaces->mnt);
  close_and_forget (&namespaces->uts);
  close_and_forget (&namespaces->ipc);
}
