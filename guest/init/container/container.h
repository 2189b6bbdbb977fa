/* A container: namespaces that wait for its main process, a cgroup, and what its processes need of them. */
#pragma once
#include "container/namespaces.h"
#include "container/pressure.h"
#include "machine/disks.h"
#include "protocol.h"
#include "wire/request.h"
#include <sys/types.h>

struct container
{
  char id[HB_CONTAINER_ID_BYTES_MAX + 1];
  struct arena arena; /* holds the texts of the lists */
  struct list mounts; /* struct mount_spec */
  struct list files;  /* struct file_spec, whose values are gone */
  char lower[64], upper[192]; /* what its overlay is made of, in init's own tree */
  struct list masked_paths, readonly_paths;
  bool privileged, root_readonly;
  bool frozen; /* no process is started in it: it would not get as far as its program */
  struct namespaces namespaces;
  int cgroup, memory_events; /* directory; file, readable (EPOLLPRI) when something of it changed */
  int pts;                   /* its /dev/pts */
  bool upper_on_tmpfs;
  bool proc_mounted; /* by an earlier main process */
  pid_t main_pid;    /* 0: none runs */
  int main_pidfd;
  struct pressure pressure;
  uint64_t oom_kills;  /* as seen last */
  uint64_t oom_due_ns; /* not 0: when to say that it ran on after an OOM kill */
  bool oom_event_pending;
};

/* Everything but what needs its pid namespace: /proc and the cgroup mount come with the main process. Takes over
   `arena`, from which `spec` is. Nothing is left after a failure. */
struct container *container_create (const struct container_spec *spec, struct arena *arena, struct disks *disks,
                                    const struct home *home, struct error *err);
/* All its processes must be gone. */
int container_delete (struct container *container, struct error *err);
