/* From the kernel's hand to a machine that can run containers. */
#pragma once
#include "guest.h"

/* Mounts init's own tree, so that it can be pivoted away from, and the kernel's file systems into it. */
int boot_mounts (struct error *err);
/* Limits, loopback, cgroups, epoll, signals, disks and the port. */
int boot_guest (struct guest *guest, struct error *err);
