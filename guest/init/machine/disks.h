/* The block devices, by their virtio serial, each mounted at most once, under /run/disk/<serial>. */
#pragma once
#include "lib/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISKS_MAX 24
#define DISK_SERIAL_BYTES_MAX 20 /* of virtio */

struct disk
{
  char serial[DISK_SERIAL_BYTES_MAX + 1];
  char device[32]; /* "vda" */
  bool mounted;
};

struct disks
{
  struct disk disk[DISKS_MAX];
  size_t count;
};

/* Reads the serials of all block devices again; what is mounted stays. */
void disks_scan (struct disks *disks);
bool disk_known (const struct disks *disks, const char *serial);
/* Is there something behind it? An empty slot has no bytes. */
bool disk_present (struct disks *disks, const char *serial);
/* Mounts the disk if it is not yet, and writes its mount point to `path`. The kind of file system is read from the disk; an
   ext4 on a larger device grows. */
int disk_mount (struct disks *disks, const char *serial, char *path, size_t size, struct error *err);
/* Grows the ext4 on a device that has been made longer. Returns 1; -1, with EAGAIN while the kernel does not know yet that the
   device has `bytes`. */
int disk_grow (struct disks *disks, const char *serial, uint64_t bytes, struct error *err);
int disk_unmount (struct disks *disks, const char *serial, struct error *err);
void disks_unmount_all (struct disks *disks);
/* Is nothing mounted any more, in no container's namespace either? */
bool disks_closed (const struct disks *disks);
