/* A container's tree, built from inside its new mount namespace. */
#pragma once
#include "wire/request.h"

/* What was prepared in init's own mount namespace; each entry a detached mount, in the order of the request. */
struct prepared_mounts
{
  int root;
  int *files, *mounts; /* as many as spec->files, spec->mounts; -1: none */
};

/* Makes `root` the root of this mount namespace and puts /dev, /sys, and the mounts of `spec` into it. Init's own tree
   is gone from the namespace afterwards. Returns a descriptor of /dev/pts. */
int rootfs_build (const struct container_spec *spec, const struct prepared_mounts *prepared, struct error *err);
