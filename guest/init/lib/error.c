#include "lib/error.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
error_set (struct error *err, int status, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  vsnprintf (err->message, sizeof err->message, format, args);
  va_end (args);
  err->status = status ? status : EIO;
  return -1;
}

int
error_errno (struct error *err, const char *format, ...)
{
  int status = errno;
  va_list args;
  va_start (args, format);
  int length = vsnprintf (err->message, sizeof err->message, format, args);
  va_end (args);
  if (length >= 0 && (size_t) length < sizeof err->message)
    snprintf (err->message + length, sizeof err->message - (size_t) length, ": %s", strerror (status));
  err->status = status ? status : EIO;
  return -1;
}

const char *
stage_name (enum stage stage)
{
  switch (stage)
    {
    case STAGE_USER:
      return "user";
    case STAGE_CWD:
      return "cwd";
    case STAGE_EXEC:
      return "exec";
    case STAGE_SETUP:
      break;
    }
  return "setup";
}
