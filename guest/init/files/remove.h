/* Taking away what is in the way. */
#pragma once
#include "lib/error.h"

/* Removes `name` in the directory `at`, with all that is in it; never follows a symlink. What is not there is no error. */
int node_remove (int at, const char *name, struct error *err);
