/* Mounts by file descriptor: made detached, given their attributes, then attached, so that nothing is ever visible
   half-made and no path is resolved twice. */
#pragma once
#include "lib/error.h"
#include <stdint.h>

/* A new mount that is attached nowhere. `options`: "key=value,flag,…", or NULL. `attributes`: MOUNT_ATTR_*. */
int mount_new (const char *type, const char *source, const char *options, unsigned attributes, struct error *err);
/* A detached copy of the mount at `path`, from there down (the path may be "" for `at` itself). */
int mount_copy (int at, const char *path, unsigned attributes, struct error *err);
/* Attaches at the file or directory that `target` is open on. */
int mount_attach (int mount, int target, const char *what, struct error *err);
/* mount_new and mount_attach at `path` under `at`, which may not be a symlink. */
int mount_at (int at, const char *path, const char *type, const char *options, unsigned attributes, struct error *err);
int mount_set_attributes (int mount, unsigned attributes, const char *what, struct error *err);
/* Splits the flags of mount(2) into MOUNT_ATTR_*; EINVAL for those that are no attribute of a mount. */
int mount_flags (uint64_t flags, unsigned *attributes, struct error *err);
