#include "files/names.h"
#include "lib/cleanup.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Of all levels: the smallest sandbox has 64 MiB. */
#define HELD_BYTES_MAX ((size_t) 8 << 20)
#define FIRST_BYTES ((size_t) 2048)

static bool
is_dots (const char *name)
{
  return strcmp (name, ".") == 0 || strcmp (name, "..") == 0;
}

/* Returns 1, 0 when they are too many. */
static int
collect (struct names *names, DIR *directory)
{
  size_t capacity = 0;
  const struct dirent *entry;
  while ((entry = readdir (directory)))
    {
      size_t length = strlen (entry->d_name) + 1;
      if (is_dots (entry->d_name))
        continue;
      if (names->bytes + length > capacity)
        {
          size_t wanted = capacity ? capacity * 2 : FIRST_BYTES;
          char *text = *names->held + wanted > HELD_BYTES_MAX ? NULL : realloc (names->text, wanted);
          if (!text)
            return 0;
          names->text = text;
          capacity = wanted;
        }
      memcpy (names->text + names->bytes, entry->d_name, length);
      names->bytes += length;
      names->count++;
    }
  return 1;
}

static int
compare (const void *left, const void *right)
{
  return strcmp (*(const char *const *) left, *(const char *const *) right);
}

static int
sort (struct names *names)
{
  names->sorted = malloc ((names->count ? names->count : 1) * sizeof *names->sorted);
  if (!names->sorted)
    return 0;
  const char *name = names->text;
  for (size_t i = 0; i < names->count; i++, name += strlen (name) + 1)
    names->sorted[i] = name;
  qsort (names->sorted, names->count, sizeof *names->sorted, compare);
  names->bytes += names->count * sizeof *names->sorted;
  *names->held += names->bytes;
  return 1;
}

int
names_open (struct names *names, int fd, size_t *held, struct error *err)
{
  *names = (struct names){ .held = held };
  cleanup_close int readable = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = readable < 0 ? NULL : fdopendir (readable);
  if (!directory)
    return error_errno (err, "read a directory");
  readable = -1;
  if (collect (names, directory) && sort (names))
    {
      closedir (directory);
      return 0;
    }
  free (names->text);
  *names = (struct names){ .held = held, .directory = directory };
  rewinddir (directory);
  return 0;
}

const char *
names_next (struct names *names)
{
  if (!names->directory)
    return names->at < names->count ? names->sorted[names->at++] : NULL;
  const struct dirent *entry;
  while ((entry = readdir (names->directory)) && is_dots (entry->d_name))
    ;
  return entry ? entry->d_name : NULL;
}

void
names_close (struct names *names)
{
  if (names->directory)
    closedir (names->directory);
  else
    *names->held -= names->bytes;
  free (names->text);
  free (names->sorted);
  *names = (struct names){ .held = names->held };
}
