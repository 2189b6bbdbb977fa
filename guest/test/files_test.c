/* Trees of real files: read, written, compared, removed. Needs to be root, for owners; else says so and passes. */
#include "check.h"
#include "files/changes.h"
#include "files/links.h"
#include "files/names.h"
#include "files/read.h"
#include "files/remove.h"
#include "files/resolve.h"
#include "files/write.h"
#include "protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct error err;
static char top[] = "/tmp/hb-files-test-XXXXXX";

/* A shell command, run in the directory of this test. */
static int
sh (const char *command)
{
  char line[1024];
  snprintf (line, sizeof line, "cd '%s' && %s", top, command);
  return system (line);
}

static int
directory (const char *name)
{
  char path[128];
  snprintf (path, sizeof path, "%s/%s", top, name);
  int fd = open (path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  CHECK (fd >= 0);
  return fd;
}

/* Reads one tree into another, each in its process. */
static int
copy (const char *from, const char *to, bool keep_kinds)
{
  static struct sink sink;
  int ends[2], status, source = directory (from), target = directory (to);
  CHECK (pipe (ends) == 0);
  fflush (stdout);
  pid_t reader = fork ();
  if (reader == 0)
    {
      close (ends[0]);
      sink = (struct sink){ .fd = ends[1] };
      _exit (nodes_prepare (&err) < 0 || tree_read (source, NULL, &sink, &err) < 0);
    }
  close (ends[1]);
  CHECK (nodes_prepare (&err) == 0);
  int result = tree_write (target, ends[0], keep_kinds, &err);
  close (ends[0]);
  CHECK (waitpid (reader, &status, 0) == reader);
  close (source);
  close (target);
  return result == 0 && status == 0 ? 0 : -1;
}

static void
a_copy_is_the_same_in_all_there_is_to_tell (void)
{
  CHECK (sh ("mkdir -p one/d/e two && echo hello > one/d/f && ln one/d/f one/d/g && ln -s ../x one/d/s && mkfifo one/p"
             " && mknod one/n c 1 3 && chown 12:34 one/d/f && chmod 6755 one/d/f && chmod 1777 one/d && truncate -s 1M one/sparse"
             " && touch -d '2001-02-03 04:05:06.789' one/d/f one/d/e one/d one/sparse") == 0);
  CHECK (sh ("touch -h -d 2002-02-02 one/d/s && touch -d 2003-03-03 one") == 0);
  CHECK (copy ("one", "two", false) == 0);
  CHECK (sh ("ls -lnR --time-style=full-iso one | sed 's/^one/x/; /^total/d' > a && "
             "ls -lnR --time-style=full-iso two | sed 's/^two/x/; /^total/d' > b && cmp a b") == 0);
  CHECK (sh ("test two/d/f -ef two/d/g && cmp one/d/f two/d/g && cmp one/sparse two/sparse") == 0);
}

static void
what_is_in_the_way_is_replaced_and_directories_are_merged (void)
{
  CHECK (sh ("mkdir -p from/x from/keep into/y/deep/er into/keep && echo new > from/y && echo f > into/x && echo k > into/keep/k"
             " && ln -s keep into/z && mkdir from/z") == 0);
  CHECK (copy ("from", "into", true) < 0 && err.status == EEXIST);
  CHECK (copy ("from", "into", false) == 0);
  CHECK (sh ("test -d into/x -a -f into/y -a -f into/keep/k -a -d into/z -a ! -L into/z") == 0);
}

static void
a_path_leads_where_its_symlinks_do (void)
{
  char resolved[PATH_MAX], link[256], wanted[256];
  CHECK (sh ("mkdir -p r/a/b && ln -s a/b r/l && ln -s ../missing/x r/a/b/m && ln -s q r/q") == 0);
  snprintf (link, sizeof link, "%s/r/l/./m/y", top);
  snprintf (wanted, sizeof wanted, "%s/r/a/missing/x/y", top);
  CHECK (path_resolve (link, resolved, &err) == 0 && strcmp (resolved, wanted) == 0);
  snprintf (link, sizeof link, "%s/r/l/../../../../../../..", top);
  CHECK (path_resolve (link, resolved, &err) == 0 && strcmp (resolved, "/") == 0);
  snprintf (link, sizeof link, "%s/r/q", top);
  CHECK (path_resolve (link, resolved, &err) < 0 && err.status == ELOOP);
  CHECK (path_resolve ("relative", resolved, &err) < 0 && err.status == EINVAL);
}

/* The changes of the layer `upper` over `lower`, as text. */
static void
changes_of (char *text, size_t size)
{
  static struct sink sink;
  static uint8_t bytes[65536];
  struct file_spec file = { .path = "/etc/hosts" };
  struct list files = { &file, 1 };
  struct mount_points points = { &files };
  int ends[2], upper = directory ("upper"), lower = directory ("lower");
  CHECK (pipe (ends) == 0 && nodes_prepare (&err) == 0);
  sink = (struct sink){ .fd = ends[1] };
  CHECK (changes_read (upper, lower, &points, &sink, &err) == 0);
  close (ends[1]);
  ssize_t length = read (ends[0], bytes, sizeof bytes), at = 0;
  text[0] = 0;
  while (at < length)
    {
      struct bytes fields = { bytes + at + RECORD_HEADER_BYTES, load_u32 (bytes + at + 4) };
      struct field path, action;
      CHECK (load_u32 (bytes + at) == RECORD_MAGIC && load_u64 (bytes + at + 8) == 0);
      CHECK (field_next (&fields, &path, &err) == 1 && field_next (&fields, &action, &err) == 1);
      snprintf (text + strlen (text), size - strlen (text), "%c%.*s ", "MAD"[action.value.data[0]],
                (int) path.value.length, (const char *) path.value.data);
      at += RECORD_HEADER_BYTES + load_u32 (bytes + at + 4);
    }
  close (ends[0]);
  close (upper);
  close (lower);
}

static void
changes_are_those_that_dockerd_tells (void)
{
  char text[1024];
  CHECK (sh ("mkdir -p lower/d/e lower/same lower/gone lower/o/in lower/mode && echo x > lower/d/f && touch lower/o/a lower/o/b"
             " && cp -a lower upper && rm -r upper/gone upper/o && mkdir upper/o && touch upper/o/b && mknod upper/gone c 0 0"
             " && echo longer > upper/d/f && mkdir -p upper/etc upper/dev upper/new/in && touch upper/etc/hosts"
             " && chmod 700 upper/mode && mknod upper/never c 0 0 && touch upper/same") == 0);
  int opaque = directory ("upper/o");
  char path[64];
  snprintf (path, sizeof path, "/proc/self/fd/%d", opaque);
  CHECK (setxattr (path, "trusted.overlay.opaque", "y", 1, 0) == 0);
  close (opaque);
  CHECK (sh ("touch -r lower/o/b upper/o/b") == 0);
  changes_of (text, sizeof text);
  CHECK (strcmp (text, "M/d M/d/f A/etc D/gone M/mode A/new A/new/in M/o D/o/a D/o/in ") == 0);
}

static void
a_directory_is_read_in_order_and_removed_however_deep (void)
{
  CHECK (sh ("mkdir m && cd m && touch b a ä Z && mkdir -p $(printf 'd/%.0s' $(seq 1500))") == 0);
  struct names names;
  size_t held = 0;
  int fd = directory ("m");
  CHECK (names_open (&names, fd, &held, &err) == 0 && held > 0);
  CHECK (strcmp (names_next (&names), "Z") == 0 && strcmp (names_next (&names), "a") == 0);
  names_close (&names);
  CHECK (held == 0);
  held = (size_t) 8 << 20; /* others have it all: as the file system has them, then */
  CHECK (names_open (&names, fd, &held, &err) == 0 && names.directory);
  int count = 0;
  while (names_next (&names))
    count++;
  CHECK (count == 5);
  names_close (&names);
  CHECK (held == (size_t) 8 << 20);
  close (fd);
  fd = directory (".");
  CHECK (node_remove (fd, "m", &err) == 0 && node_remove (fd, "m", &err) == 0 && sh ("test ! -e m") == 0);
  close (fd);
}

static void
links_are_found_again_up_to_a_bound (void)
{
  struct links links = { .count = 0 };
  char path[4096];
  memset (path, 'x', sizeof path - 1);
  path[sizeof path - 1] = 0;
  for (unsigned i = 0; i < 10000; i++)
    {
      sprintf (path, "%u", i);
      links_add (&links, 1, i, path);
    }
  CHECK (strcmp (links_find (&links, 1, 9999), "9999") == 0 && !links_find (&links, 2, 9999));
  memset (path, 'x', sizeof path - 1);
  for (unsigned i = 0; i < 10000; i++)
    links_add (&links, 3, i, path);
  CHECK (links.bytes <= (size_t) 16 << 20 && links_find (&links, 3, 0) && !links_find (&links, 3, 9999));
  links_free (&links);
}

int
main (void)
{
  TEST (links_are_found_again_up_to_a_bound);
  if (getuid () != 0)
    {
      printf ("ok # the rest needs to be root\n");
      return 0;
    }
  umask (022);
  CHECK (mkdtemp (top));
  TEST (a_copy_is_the_same_in_all_there_is_to_tell);
  TEST (what_is_in_the_way_is_replaced_and_directories_are_merged);
  TEST (a_path_leads_where_its_symlinks_do);
  TEST (changes_are_those_that_dockerd_tells);
  TEST (a_directory_is_read_in_order_and_removed_however_deep);
  char command[64];
  snprintf (command, sizeof command, "rm -rf '%s'", top);
  return system (command) != 0;
}
