/* Who a process runs as: names and numbers looked up in the image's own /etc/passwd and /etc/group, as runc does. */
#pragma once
#include "lib/error.h"
#include "wire/fields.h"
#include <stddef.h>
#include <sys/types.h>

#define SUPPLEMENTARY_GROUPS_MAX 1024
#define HOME_BYTES_MAX 1024

struct identity
{
  uid_t uid;
  gid_t gid;
  gid_t groups[SUPPLEMENTARY_GROUPS_MAX]; /* the primary one first, as Docker */
  size_t group_count;
  char home[HOME_BYTES_MAX];
};

/* What is in the two files, which may be NULL: not there. */
struct user_files
{
  const char *passwd, *group;
};

/* `user`: "", name, uid, name:group, uid:gid. `groups`: further ones, names or numbers (list of const char *). */
int identity_find (const struct user_files *files, const char *user, const struct list *groups,
                   struct identity *identity, struct error *err);
/* The same, with the files under this process's own root. */
int identity_resolve (const char *user, const struct list *groups, struct identity *identity, struct error *err);
