/* What only the main process can put into its container's tree, being the first in its pid namespace and cgroup. */
#pragma once
#include "container/container.h"

/* Called by the main process, in the container's namespaces. `console`: its terminal, or -1. */
int procfs_mount (const struct container *container, int console, struct error *err);
/* After the working directory was made: nothing of the image's tree can be written from here on. */
int root_make_readonly (struct error *err);
