/* The namespaces that containers have of their own; init enters and leaves them by file descriptor. */
#pragma once
#include "lib/error.h"

struct namespaces
{
  int mnt, uts, ipc, pid; /* pid is init's own only: a container's begins with its main process */
};

/* Opens those that this process is in. */
int namespaces_open (struct namespaces *namespaces, struct error *err);
/* Into mount, uts and ipc namespaces. */
int namespaces_enter (const struct namespaces *namespaces, struct error *err);
void namespaces_close (struct namespaces *namespaces);
