/* Directories of volumes, which are disks of their own, as mounts of a container. */
#pragma once
#include "machine/disks.h"
#include "wire/request.h"

/* Returns a detached mount of what MOUNT names; its disk is mounted when it was not, and SOURCE_PATH made when it is missing. */
int volume_open (const struct mount_spec *spec, struct disks *disks, struct error *err);
/* What MOUNT names on the disk whose root `root` is. */
int volume_source (int root, const struct mount_spec *spec, struct error *err);
