/* Which devices containers may open: Docker's list, enforced by the kernel for a whole branch of cgroups. */
#pragma once
#include "lib/error.h"

/* From now on processes in `cgroup` (a directory) and below may make any device node, but open only those of Docker's list. */
int devicefilter_attach (int cgroup, struct error *err);
