#include "container/namespaces.h"
#include "lib/cleanup.h"
#include <fcntl.h>
#include <sched.h>

int
namespaces_open (struct namespaces *namespaces, struct error *err)
{
  static const char *const paths[]
    = { "/proc/self/ns/mnt", "/proc/self/ns/uts", "/proc/self/ns/ipc", "/proc/self/ns/pid" };
  int *fds[] = { &namespaces->mnt, &namespaces->uts, &namespaces->ipc, &namespaces->pid };
  *namespaces = (struct namespaces){ -1, -1, -1, -1 };
  for (int i = 0; i < 4; i++)
    {
      *fds[i] = open (paths[i], O_RDONLY | O_CLOEXEC);
      if (*fds[i] < 0)
        {
          error_errno (err, "open %s", paths[i]);
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
  close_and_forget (&namespaces->pid);
}
