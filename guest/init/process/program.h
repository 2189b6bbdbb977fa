/* Finding a program along PATH and executing it, as execvp does, with the PATH of the new environment. */
#pragma once
#include "lib/error.h"

/* Returns only after a failure, with ENOENT: not found, EACCES: found, but it may not be executed, ENOEXEC, … */
int program_execute (char *const *args, char *const *env, struct error *err);
