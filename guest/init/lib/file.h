/* Small files, read and written whole: /proc, /sys and cgroups. Relative paths are under `at`. */
#pragma once
#include "lib/error.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads at most `size` - 1 bytes and ends them with a NUL. Returns how many, -1 with errno. */
ssize_t file_read (int at, const char *path, char *buffer, size_t size);
/* Writes `text` to a file that exists; one write, as the kernel's files want it. */
int file_write (int at, const char *path, const char *text, struct error *err);
int file_write_u64 (int at, const char *path, uint64_t value, struct error *err);
/* mkdir that does not mind a directory of that name. */
int directory_make (int at, const char *path, mode_t mode, struct error *err);
/* Writes all of `data` to `fd`. */
int write_all (int fd, const void *data, size_t length);
uint64_t clock_ns (int clock);
