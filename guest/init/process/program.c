#include "process/program.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *
path_of (char *const *env)
{
  for (; *env; env++)
    if (strncmp (*env, "PATH=", 5) == 0)
      return *env + 5;
  return PATH_DEFAULT;
}

/* Sets errno to what execvp would. */
static void
search (char *const *args, char *const *env)
{
  bool denied = false;
  const char *at = path_of (env);
  for (;;)
    {
      size_t length = strcspn (at, ":");
      char file[PATH_MAX];
      int size = snprintf (file, sizeof file, "%.*s%s%s", (int) length, at, length ? "/" : "", args[0]);
      if (size > 0 && (size_t) size < sizeof file)
        {
          execve (file, args, env);
          denied = denied || errno == EACCES;
          if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
            return;
        }
      if (!at[length])
        break;
      at += length + 1;
    }
  errno = denied ? EACCES : ENOENT;
}

int
program_execute (char *const *args, char *const *env, struct error *err)
{
  errno = ENOENT;
  if (strchr (args[0], '/'))
    execve (args[0], args, env);
  else if (args[0][0])
    search (args, env);
  return error_errno (err, "exec %.160s", args[0]);
}
