/* /dev of a container, as Docker gives it. */
#pragma once
#include "lib/error.h"
#include <stdbool.h>
#include <stdint.h>

/* Mounts /dev, /dev/pts, /dev/shm and /dev/mqueue under the root directory `root`. `host_dev`: init's own /dev, whose
   devices a privileged container gets too; else -1. Returns a descriptor of /dev/pts. */
int devices_mount (int root, uint64_t shm_bytes, int host_dev, struct error *err);
