/* START_FILES: processes without a program, whose code is init's own. */
#pragma once
#include "process/process.h"

/* Fills `process`, which has its id. It runs beside the container's own, in a cgroup of its own, and needs none of them. */
int files_start (struct process *process, struct container *container, const struct files_spec *spec, struct error *err);
