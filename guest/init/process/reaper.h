/* Pid 1 of a container started with `--init`: forwards signals to the one child, reaps whatever falls to it, and
   ends as the child ends. It is this program executed again, so that it shows and weighs as what it is. */
#pragma once
#include <sys/types.h>

/* `child`: already started. `self`: descriptor of this program; `args`: the child's, for ps. Returns on failure only. */
void reaper_exec (int self, pid_t child, char *const *args, size_t count);
/* Does not return when this process was executed by the above. */
void reaper_main_if_asked (char **argv);
