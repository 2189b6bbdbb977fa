#include "process/user.h"
#include "lib/cleanup.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The files are the image's; nobody's are longer. */
#define FILE_BYTES_MAX ((size_t) 1 << 20)
#define ID_MAX 0x7fffffffu

struct span
{
  const char *at;
  size_t length;
};

static bool
span_is (struct span span, const char *text)
{
  return strlen (text) == span.length && memcmp (span.at, text, span.length) == 0;
}

/* Cuts what is before `delimiter` off `rest`; false when nothing is left. */
static bool
cut (struct span *rest, char delimiter, struct span *piece)
{
  if (!rest->at)
    return false;
  const char *end = memchr (rest->at, delimiter, rest->length);
  *piece = (struct span){ rest->at, end ? (size_t) (end - rest->at) : rest->length };
  *rest = end ? (struct span){ end + 1, rest->length - piece->length - 1 } : (struct span){ NULL, 0 };
  return true;
}

static bool
parse_id (struct span text, uint32_t *id)
{
  uint64_t value = 0;
  if (text.length == 0 || text.length > 10)
    return false;
  for (size_t i = 0; i < text.length; i++)
    {
      if (text.at[i] < '0' || text.at[i] > '9')
        return false;
      value = value * 10 + (uint64_t) (text.at[i] - '0');
    }
  *id = (uint32_t) value;
  return value <= ID_MAX;
}

/* A line of either file, up to seven columns. */
struct row
{
  struct span column[7];
  size_t count;
  uint32_t id; /* the third column */
};

/* The next line that has an id; malformed ones are passed over, as the C library does. */
static bool
next_row (struct span *file, struct row *row)
{
  struct span line;
  while (cut (file, '\n', &line))
    {
      row->count = 0;
      while (row->count < 7 && cut (&line, ':', &row->column[row->count]))
        row->count++;
      if (row->count >= 3 && row->column[0].length > 0 && parse_id (row->column[2], &row->id))
        return true;
    }
  return false;
}

static struct span
whole (const char *text)
{
  return text ? (struct span){ text, strlen (text) } : (struct span){ NULL, 0 };
}

static bool
find_row (const char *text, const char *name, const uint32_t *id, struct row *row)
{
  struct span file = whole (text);
  while (next_row (&file, row))
    if (id ? row->id == *id : span_is (row->column[0], name))
      return true;
  return false;
}

static void
add_group (struct identity *identity, gid_t gid)
{
  for (size_t i = 0; i < identity->group_count; i++)
    if (identity->groups[i] == gid)
      return;
  if (identity->group_count < SUPPLEMENTARY_GROUPS_MAX)
    identity->groups[identity->group_count++] = gid;
}

static void
add_member_groups (const char *text, struct span user, struct identity *identity)
{
  struct span file = whole (text);
  struct row row;
  while (next_row (&file, &row))
    {
      struct span members = row.count > 3 ? row.column[3] : (struct span){ NULL, 0 };
      struct span member;
      while (cut (&members, ',', &member))
        if (member.length == user.length && memcmp (member.at, user.at, user.length) == 0)
          add_group (identity, row.id);
    }
}

static int
find_group (const char *text, const char *name, gid_t *gid, struct error *err)
{
  struct row row;
  if (parse_id (whole (name), gid))
    return 0;
  if (name[0] && name[strspn (name, "0123456789")] == 0)
    return error_set (err, EINVAL, "uids and gids must be in range 0-%u", ID_MAX);
  if (!find_row (text, name, NULL, &row))
    return error_set (err, ENOENT, "unable to find group %s: no matching entries in group file", name);
  *gid = row.id;
  return 0;
}

/* Returns 1 when the passwd file knows the user, whose name is then `*name`. */
static int
find_user (const char *text, const char *user, struct identity *identity, struct span *name, struct error *err)
{
  struct row row;
  uint32_t uid = 0;
  bool numeric = user[0] == 0 || parse_id (whole (user), &uid);
  identity->uid = uid;
  if (!numeric && user[strspn (user, "0123456789")] == 0)
    return error_set (err, EINVAL, "uids and gids must be in range 0-%u", ID_MAX);
  if (!find_row (text, user, numeric ? &uid : NULL, &row))
    return numeric ? 0
                   : error_set (err, ENOENT, "unable to find user %s: no matching entries in passwd file", user);
  *name = row.column[0];
  identity->uid = row.id;
  parse_id (row.count > 3 ? row.column[3] : whole (""), &identity->gid);
  if (row.count > 5 && row.column[5].length > 0 && row.column[5].length < sizeof identity->home)
    snprintf (identity->home, sizeof identity->home, "%.*s", (int) row.column[5].length, row.column[5].at);
  return 1;
}

int
identity_find (const struct user_files *files, const char *user, const struct list *groups,
               struct identity *identity, struct error *err)
{
  char name[256];
  struct span matched = { NULL, 0 };
  size_t length = strcspn (user, ":");
  const char *group = user[length] ? user + length + 1 : "";
  err->stage = STAGE_USER;
  *identity = (struct identity){ .home = "/" };
  if (length >= sizeof name)
    return error_set (err, EINVAL, "the user's name is too long");
  memcpy (name, user, length);
  name[length] = 0;
  int known = find_user (files->passwd, name, identity, &matched, err);
  if (known < 0 || (group[0] && find_group (files->group, group, &identity->gid, err) < 0))
    return -1;
  add_group (identity, identity->gid);
  if (known && !group[0])
    add_member_groups (files->group, matched, identity);
  const char *const *further = groups->items;
  for (size_t i = 0; i < groups->count; i++)
    {
      gid_t gid;
      if (find_group (files->group, further[i], &gid, err) < 0)
        return -1;
      add_group (identity, gid);
    }
  return 0;
}

/* NULL when it is not there, is no file, or is too long. */
static char *
read_text (const char *path)
{
  /* Not blocking: the image may have put a pipe there. */
  cleanup_close int fd = open (path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  struct stat status;
  if (fd < 0 || fstat (fd, &status) < 0 || !S_ISREG (status.st_mode) || (uint64_t) status.st_size > FILE_BYTES_MAX)
    return NULL;
  size_t size = (size_t) status.st_size, length = 0;
  cleanup_free char *text = malloc (size + 1);
  while (text && length < size)
    {
      ssize_t got = read (fd, text + length, size - length);
      if (got <= 0)
        break;
      length += (size_t) got;
    }
  if (!text)
    return NULL;
  text[length] = 0;
  char *result = text;
  text = NULL;
  return result;
}

int
identity_resolve (const char *user, const struct list *groups, struct identity *identity, struct error *err)
{
  cleanup_free char *passwd = read_text ("/etc/passwd");
  cleanup_free char *group = read_text ("/etc/group");
  struct user_files files = { passwd, group };
  return identity_find (&files, user, groups, identity, err);
}
