/* Writing kernel parameters under /proc/sys. */
#pragma once
#include "wire/request.h"

/* Writes each of `sysctls` (struct sysctl_spec). */
int sysctls_apply (const struct list *sysctls, struct error *err);
/* The same, and refuses those that are not a container's own: what is outside its ipc and the sandbox's net namespace. */
int sysctls_apply_namespaced (const struct list *sysctls, struct error *err);
