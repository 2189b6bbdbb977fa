/* Errors: every function that can fail takes `struct error *` last and returns a negative number. */
#pragma once

/* Which step of START_PROCESS failed; sent as STAGE. */
enum stage { STAGE_SETUP, STAGE_USER, STAGE_CWD, STAGE_EXEC };

/* Plain bytes: a child sends it whole through a pipe. */
struct error
{
  int status; /* a Linux errno, never 0 after a failure */
  enum stage stage;
  char message[248];
};

/* Both return -1, so that a caller can `return error_set (…)`. */
int error_set (struct error *err, int status, const char *format, ...) __attribute__ ((format (printf, 3, 4)));
/* Appends the text of `errno`: "mount /proc: Device or resource busy". */
int error_errno (struct error *err, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
const char *stage_name (enum stage stage);
