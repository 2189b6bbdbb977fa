/* Users and groups of an image, resolved as runc does. */
#include "check.h"
#include "process/user.h"
#include <errno.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
                             "# a comment\n"
                             "broken line\n"
                             ":x:5:5::/:\n"
                             "web:x:1000:1001:Web:/home/web:/bin/sh\n"
                             "web:x:2000:2000:second:/second:/bin/sh\n"
                             "1234:x:77:78:a number as a name:/n:/bin/sh\n"
                             "huge:x:4294967296:0::/:/bin/sh\n"
                             "nohome:x:3000:3000";
static const char group[] = "root:x:0:\nbin:x:2:root,web\nwebgrp:x:1001:\nextra:x:2000:web,other\nweb2:x:2001:webx\nlast:x:9:web";

static const struct user_files files = { passwd, group };
static struct identity identity;
static struct error err;

static int
find (const char *user, const char **further, size_t count)
{
  struct list list = { further, count };
  memset (&err, 0, sizeof err);
  return identity_find (&files, user, &list, &identity, &err);
}

static int
is (uid_t uid, gid_t gid, const char *home, size_t count, const gid_t *groups)
{
  return identity.uid == uid && identity.gid == gid && strcmp (identity.home, home) == 0
         && identity.group_count == count && memcmp (identity.groups, groups, count * sizeof *groups) == 0;
}

static void
names_and_numbers_are_found (void)
{
  CHECK (find ("", NULL, 0) == 0 && is (0, 0, "/root", 2, (gid_t[]){ 0, 2 }));
  CHECK (find ("root", NULL, 0) == 0 && is (0, 0, "/root", 2, (gid_t[]){ 0, 2 }));
  CHECK (find ("web", NULL, 0) == 0 && is (1000, 1001, "/home/web", 4, (gid_t[]){ 1001, 2, 2000, 9 }));
  CHECK (find ("1000", NULL, 0) == 0 && is (1000, 1001, "/home/web", 4, (gid_t[]){ 1001, 2, 2000, 9 }));
  CHECK (find ("4242", NULL, 0) == 0 && is (4242, 0, "/", 1, (gid_t[]){ 0 }));
  CHECK (find ("1234", NULL, 0) == 0 && is (1234, 0, "/", 1, (gid_t[]){ 0 })); /* a number is a uid, whatever is named so */
  CHECK (find ("nohome", NULL, 0) == 0 && is (3000, 3000, "/", 1, (gid_t[]){ 3000 }));
}

static void
an_explicit_group_replaces_those_of_the_user (void)
{
  CHECK (find ("web:bin", NULL, 0) == 0 && is (1000, 2, "/home/web", 1, (gid_t[]){ 2 }));
  CHECK (find ("web:4711", NULL, 0) == 0 && is (1000, 4711, "/home/web", 1, (gid_t[]){ 4711 }));
  CHECK (find ("1:2", NULL, 0) == 0 && is (1, 2, "/", 1, (gid_t[]){ 2 }));
  CHECK (find (":bin", NULL, 0) == 0 && is (0, 2, "/root", 1, (gid_t[]){ 2 }));
}

static void
further_groups_are_added (void)
{
  const char *further[] = { "extra", "99", "bin" };
  CHECK (find ("4242", further, 3) == 0 && is (4242, 0, "/", 4, (gid_t[]){ 0, 2000, 99, 2 }));
}

static void
what_is_unknown_is_named (void)
{
  const char *further[] = { "nogrp" };
  CHECK (find ("nobody", NULL, 0) < 0 && err.stage == STAGE_USER && err.status == ENOENT);
  CHECK (strcmp (err.message, "unable to find user nobody: no matching entries in passwd file") == 0);
  CHECK (find ("web:nogrp", NULL, 0) < 0);
  CHECK (strcmp (err.message, "unable to find group nogrp: no matching entries in group file") == 0);
  CHECK (find ("web", further, 1) < 0 && err.stage == STAGE_USER);
  CHECK (find ("4294967295", NULL, 0) < 0 && find ("99999999999999999999", NULL, 0) < 0);
  CHECK (strcmp (err.message, "uids and gids must be in range 0-2147483647") == 0);
  CHECK (find ("0:2147483648", NULL, 0) < 0 && find ("huge", NULL, 0) < 0);
}

static void
an_image_without_the_files_has_numbers (void)
{
  struct user_files none = { NULL, NULL };
  struct list list = { NULL, 0 };
  CHECK (identity_find (&none, "", &list, &identity, &err) == 0 && is (0, 0, "/", 1, (gid_t[]){ 0 }));
  CHECK (identity_find (&none, "5:6", &list, &identity, &err) == 0 && is (5, 6, "/", 1, (gid_t[]){ 6 }));
  CHECK (identity_find (&none, "root", &list, &identity, &err) < 0);
}

int
main (void)
{
  TEST (names_and_numbers_are_found);
  TEST (an_explicit_group_replaces_those_of_the_user);
  TEST (further_groups_are_added);
  TEST (what_is_unknown_is_named);
  TEST (an_image_without_the_files_has_numbers);
  return 0;
}
