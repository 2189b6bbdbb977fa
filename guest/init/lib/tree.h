/* Removing a directory with all that is in it. */
#pragma once

/* Never follows a symlink or crosses into another file system; goes on after failures, at most 64 levels deep. */
void tree_remove (const char *path);
