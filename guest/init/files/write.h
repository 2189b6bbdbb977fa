/* WRITE: records become a tree. */
#pragma once
#include "lib/error.h"
#include <stdbool.h>

/* Reads records from `input` to its end and puts them into the directory `root` (O_PATH). What is there is replaced, a directory
   is merged into a directory. `keep_kinds`: a directory and something else never replace one another (EEXIST). */
int tree_write (int root, int input, bool keep_kinds, struct error *err);
