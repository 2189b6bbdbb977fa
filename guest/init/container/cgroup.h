/* The cgroup of a container, /sys/fs/cgroup/hb/<id> (hb-privileged/<id>, where all devices are allowed): limits, what was
   used, and an end to everything in it. Processes of START_FILES are in /sys/fs/cgroup/files: no container pays for them. */
#pragma once
#include "wire/request.h"
#include <sys/types.h>

#define CGROUP_ROOT "/sys/fs/cgroup"

/* At boot: init in a leaf of its own, controllers enabled down to the containers' level, devices restricted there. */
int cgroup_boot (struct error *err);
/* Returns a descriptor of the new directory, with `limits` set; nothing is left after a failure. */
int cgroup_create (const char *id, bool privileged, const struct limits_spec *limits, struct error *err);
int cgroup_limit (int cgroup, const struct limits_spec *limits, struct error *err);
/* How many processes the kernel's OOM killer has ended in it. */
uint64_t cgroup_oom_kills (int cgroup);
/* Sends the signal to every process of it. Returns how many there were. */
int cgroup_signal (int cgroup, int signal);
bool cgroup_populated (int cgroup);
/* Lets every process of it stand still, in its own time, or go on. */
int cgroup_freeze (int cgroup, bool frozen, struct error *err);
bool cgroup_frozen (int cgroup);
int cgroup_remove (const char *id, bool privileged, struct error *err);
