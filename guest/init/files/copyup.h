/* What a fresh volume is given of the image: the tree that the image has where the volume is mounted. */
#pragma once
#include "wire/request.h"

/* The disks that the mounts (struct mount_spec) name are mounted, at /run/disk/<serial>, and `image` is the image's. Fills each empty
   directory that asks for it, whole or not at all. May take long: for a process of its own, whose working directory changes. */
int copy_up (const struct list *mounts, const char *image, struct error *err);
/* Is there any that may be filled? */
bool copy_up_asked (const struct list *mounts);
