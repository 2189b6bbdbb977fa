/* The namespaces that containers have of their own; init enters and leaves them by file descriptor. */
#pragma once
#include "lib/error.h"

struct namespaces
{
  int mnt, uts, ipc;
};

/* Where init itself lives, and comes back to. */
struct home
{
  struct namespaces namespaces;
  int pid;       /* its pid namespace; a container's begins with its main process */
  int directory; /* /proc/self/ns: tells which namespaces init is in at the moment */
};

int home_open (struct home *home, struct error *err);

/* Opens those that init is in now. */
int namespaces_open (const struct home *home, struct namespaces *namespaces, struct error *err);
/* Into mount, uts and ipc namespaces. */
int namespaces_enter (const struct namespaces *namespaces, struct error *err);
void namespaces_close (struct namespaces *namespaces);
