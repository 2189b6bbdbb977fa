#include "machine/disks.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "wire/bytes.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

static struct disk *
find (struct disks *disks, const char *serial)
{
  for (size_t i = 0; i < disks->count; i++)
    if (strcmp (disks->disk[i].serial, serial) == 0)
      return &disks->disk[i];
  return NULL;
}

bool
disk_known (const struct disks *disks, const char *serial)
{
  for (size_t i = 0; i < disks->count; i++)
    if (strcmp (disks->disk[i].serial, serial) == 0)
      return true;
  return false;
}

void
disks_scan (struct disks *disks)
{
  DIR *directory = opendir ("/sys/block");
  if (!directory)
    return;
  struct dirent *entry;
  while ((entry = readdir (directory)) && disks->count < DISKS_MAX)
    {
      char path[300], serial[DISK_SERIAL_BYTES_MAX + 2];
      snprintf (path, sizeof path, "/sys/block/%s/serial", entry->d_name);
      if (entry->d_name[0] == '.' || file_read (AT_FDCWD, path, serial, sizeof serial) <= 0)
        continue;
      serial[strcspn (serial, "\n")] = 0;
      struct disk *disk = find (disks, serial);
      /* Serials become part of a path. */
      if (disk || !serial[0] || serial[0] == '.' || strchr (serial, '/') || strlen (entry->d_name) >= sizeof disk->device)
        continue;
      disk = &disks->disk[disks->count++];
      *disk = (struct disk){ 0 };
      snprintf (disk->serial, sizeof disk->serial, "%.*s", DISK_SERIAL_BYTES_MAX, serial);
      snprintf (disk->device, sizeof disk->device, "%.31s", entry->d_name);
    }
  closedir (directory);
}

/* What the disk holds, by its magic number. */
static const char *
file_system_of (const char *device, struct error *err)
{
  uint8_t block[2048] = { 0 };
  cleanup_close int fd = open (device, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || pread (fd, block, sizeof block, 0) < 0)
    return error_errno (err, "read %s", device), NULL;
  if (load_u32 (block) == 0x73717368)
    return "squashfs";
  if (load_u16 (block + 1024 + 56) == 0xef53)
    return "ext4";
  if (load_u32 (block + 1024) == 0xe0f5e1e2)
    return "erofs";
  return error_set (err, EINVAL, "%s holds neither squashfs, EROFS nor ext4", device), NULL;
}

int
disk_mount (struct disks *disks, const char *serial, char *path, size_t size, struct error *err)
{
  struct disk *disk = find (disks, serial);
  if (!disk)
    {
      disks_scan (disks);
      disk = find (disks, serial);
    }
  if (!disk)
    return error_set (err, ENODEV, "there is no disk %.32s", serial);
  snprintf (path, size, "/run/disk/%s", disk->serial);
  if (disk->mounted)
    return 0;
  char device[48];
  snprintf (device, sizeof device, "/dev/%s", disk->device);
  const char *type = file_system_of (device, err);
  if (!type || directory_make (AT_FDCWD, path, 0700, err) < 0)
    return -1;
  /* Writing zeroed inode tables in the background would cost an idle sandbox CPU and its disk file its holes. */
  bool writable = strcmp (type, "ext4") == 0;
  if (mount (device, path, type, writable ? 0 : MS_RDONLY, writable ? "noinit_itable" : NULL) < 0)
    return error_errno (err, "mount the disk %s (%s)", disk->serial, type);
  disk->mounted = true;
  return 0;
}

int
disk_unmount (struct disks *disks, const char *serial, struct error *err)
{
  struct disk *disk = find (disks, serial);
  char path[64];
  if (!disk || !disk->mounted)
    return 0;
  snprintf (path, sizeof path, "/run/disk/%s", disk->serial);
  if (umount2 (path, 0) < 0)
    return error_errno (err, "unmount the disk %s", disk->serial);
  disk->mounted = false;
  return 0;
}

void
disks_unmount_all (struct disks *disks)
{
  struct error err;
  for (size_t i = 0; i < disks->count; i++)
    if (disk_unmount (disks, disks->disk[i].serial, &err) < 0)
      {
        /* Still busy: at least nothing more is written to it. */
        char path[64];
        snprintf (path, sizeof path, "/run/disk/%s", disks->disk[i].serial);
        mount (NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL);
      }
}
