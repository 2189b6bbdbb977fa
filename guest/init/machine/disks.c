#include "machine/disks.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "wire/bytes.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#define SUPERBLOCK_BYTES 2048
/* Where ext4's superblock begins; fields of it are named in the kernel's Documentation/filesystems/ext4/super.rst. */
#define EXT4_AT 1024
#define EXT4_INCOMPAT_64BIT 0x80u
/* Not in any header of the kernel's for programs. */
#define EXT4_IOC_RESIZE_FS _IOW ('f', 16, uint64_t)

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

static bool
is_read_only (const struct disk *disk)
{
  char path[64], text[8];
  snprintf (path, sizeof path, "/sys/block/%s/ro", disk->device);
  return file_read (AT_FDCWD, path, text, sizeof text) > 0 && text[0] == '1';
}

/* The first bytes of the disk, in which every file system says what it is. */
static int
read_superblock (const char *device, uint8_t block[SUPERBLOCK_BYTES], struct error *err)
{
  memset (block, 0, SUPERBLOCK_BYTES);
  cleanup_close int fd = open (device, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || pread (fd, block, SUPERBLOCK_BYTES, 0) < 0)
    return error_errno (err, "read %s", device);
  return 0;
}

static const char *
file_system_of (const uint8_t *block)
{
  if (load_u32 (block) == 0x73717368)
    return "squashfs";
  if (load_u16 (block + EXT4_AT + 56) == 0xef53)
    return "ext4";
  if (load_u32 (block + EXT4_AT) == 0xe0f5e1e2)
    return "erofs";
  return NULL;
}

/* A file system that was not unmounted is read without its journal from a disk that cannot be written to. */
static int
mount_read_only (const char *device, const char *path, const char *type)
{
  if (mount (device, path, type, MS_RDONLY, NULL) == 0)
    return 0;
  return errno == EROFS && strcmp (type, "ext4") == 0 ? mount (device, path, type, MS_RDONLY, "noload") : -1;
}

static int
device_bytes (const struct disk *disk, const char *device, uint64_t *bytes, struct error *err)
{
  cleanup_close int fd = open (device, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || ioctl (fd, BLKGETSIZE64, bytes) < 0)
    return error_errno (err, "the size of the disk %s", disk->serial);
  return 0;
}

bool
disk_present (struct disks *disks, const char *serial)
{
  char device[48];
  struct error ignored;
  uint64_t bytes = 0;
  if (!find (disks, serial))
    disks_scan (disks);
  const struct disk *disk = find (disks, serial);
  if (!disk)
    return false;
  snprintf (device, sizeof device, "/dev/%s", disk->device);
  return device_bytes (disk, device, &bytes, &ignored) == 0 && bytes > 0;
}

/* Grows a mounted ext4 to the size of its device, which is told of by the superblock as it was before. */
static int
grow (const struct disk *disk, const char *device, const char *path, const uint8_t *block, struct error *err)
{
  const uint8_t *super = block + EXT4_AT;
  unsigned shift = 10 + (load_u32 (super + 24) & 7);
  uint64_t blocks = load_u32 (super + 4), bytes = 0;
  if (load_u32 (super + 96) & EXT4_INCOMPAT_64BIT)
    blocks |= (uint64_t) load_u32 (super + 336) << 32;
  if (device_bytes (disk, device, &bytes, err) < 0)
    return -1;
  uint64_t wanted = bytes >> shift;
  if (wanted <= blocks)
    return 0;
  cleanup_close int root = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root < 0 || ioctl (root, EXT4_IOC_RESIZE_FS, &wanted) < 0)
    return error_errno (err, "grow the disk %s", disk->serial);
  return 0;
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
  uint8_t block[SUPERBLOCK_BYTES];
  snprintf (device, sizeof device, "/dev/%s", disk->device);
  if (read_superblock (device, block, err) < 0)
    return -1;
  const char *type = file_system_of (block);
  if (!type)
    return error_set (err, EINVAL, "the disk %s holds neither squashfs, EROFS nor ext4", disk->serial);
  if (directory_make (AT_FDCWD, path, 0700, err) < 0)
    return -1;
  bool writable = strcmp (type, "ext4") == 0 && !is_read_only (disk);
  /* Writing zeroed inode tables in the background would cost an idle sandbox CPU and its disk file its holes. */
  if ((writable ? mount (device, path, type, 0, "noinit_itable") : mount_read_only (device, path, type)) < 0)
    return error_errno (err, "mount the disk %s (%s)", disk->serial, type);
  disk->mounted = true;
  struct error ignored; /* as it is it can be used, too, and GROW_DISK will say why it does not grow */
  if (writable)
    grow (disk, device, path, block, &ignored);
  return 0;
}

int
disk_grow (struct disks *disks, const char *serial, uint64_t bytes, struct error *err)
{
  struct disk *disk = find (disks, serial);
  if (!disk)
    return error_set (err, ENODEV, "there is no disk %.32s", serial);
  char path[64], device[48];
  uint8_t block[SUPERBLOCK_BYTES];
  uint64_t has = 0;
  snprintf (path, sizeof path, "/run/disk/%s", disk->serial);
  snprintf (device, sizeof device, "/dev/%s", disk->device);
  if (device_bytes (disk, device, &has, err) < 0)
    return -1;
  if (has < bytes)
    return error_set (err, EAGAIN, "the disk %s has %" PRIu64 " bytes, not %" PRIu64, disk->serial, has, bytes);
  if (!disk->mounted) /* its mount will */
    return 1;
  if (read_superblock (device, block, err) < 0)
    return -1;
  const char *type = file_system_of (block);
  if (!type || strcmp (type, "ext4") != 0)
    return error_set (err, EINVAL, "the disk %s holds no ext4", disk->serial);
  return grow (disk, device, path, block, err) < 0 ? -1 : 1;
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

bool
disks_closed (const struct disks *disks)
{
  for (size_t i = 0; i < disks->count; i++)
    {
      char device[48];
      snprintf (device, sizeof device, "/dev/%s", disks->disk[i].device);
      if (is_read_only (&disks->disk[i]))
        continue;
      if (disks->disk[i].mounted)
        return false;
      /* A mounted device is nobody else's. */
      cleanup_close int fd = open (device, O_RDONLY | O_EXCL | O_CLOEXEC);
      if (fd < 0 && errno == EBUSY)
        return false;
    }
  return true;
}
