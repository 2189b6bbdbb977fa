#include "machine/boot.h"
#include "container/cgroup.h"
#include "lib/file.h"
#include "machine/cards.h"
#include "machine/netconf.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUIET (MS_NOSUID | MS_NODEV | MS_NOEXEC)
#define OPEN_FILES_MAX 1048576

static const struct
{
  const char *path, *type;
  unsigned long flags;
  const char *options;
} mounts[] = {
  { "dev", "devtmpfs", MS_NOSUID, "mode=755" },
  { "proc", "proc", QUIET, NULL },
  { "sys", "sysfs", QUIET, NULL },
  /* Moving processes must not wait for a grace period of the kernel. */
  { "sys/fs/cgroup", "cgroup2", QUIET, "favordynmods" },
};

static const char *const directories[] = { "run", "run/disk", "run/upper", "run/files", "run/root" };

int
boot_mounts (struct error *err)
{
  umask (0);
  /* The kernel's first root cannot be pivoted away from: containers need one that lies on it. */
  if (directory_make (AT_FDCWD, "/root", 0700, err) < 0)
    return -1;
  if (mount ("tmpfs", "/root", "tmpfs", MS_NOSUID, "mode=755") < 0 || chdir ("/root") < 0)
    return error_errno (err, "mount a root");
  for (size_t i = 0; i < sizeof mounts / sizeof mounts[0]; i++)
    {
      if (i < 3 && directory_make (AT_FDCWD, mounts[i].path, 0755, err) < 0)
        return -1;
      if (mount (mounts[i].type, mounts[i].path, mounts[i].type, mounts[i].flags, mounts[i].options) < 0
          && (errno != EINVAL || mount (mounts[i].type, mounts[i].path, mounts[i].type, mounts[i].flags, NULL) < 0))
        return error_errno (err, "mount /%s", mounts[i].path);
    }
  for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
    if (directory_make (AT_FDCWD, directories[i], 0700, err) < 0)
      return -1;
  if (mount (".", "/", NULL, MS_MOVE, NULL) < 0 || chroot (".") < 0 || chdir ("/") < 0)
    return error_errno (err, "move the root");
  return 0;
}

static int
raise_limits (struct error *err)
{
  struct rlimit files = { OPEN_FILES_MAX, OPEN_FILES_MAX }, unlimited = { RLIM_INFINITY, RLIM_INFINITY };
  if (setrlimit (RLIMIT_NOFILE, &files) < 0 || setrlimit (RLIMIT_NPROC, &unlimited) < 0
      || setrlimit (RLIMIT_MEMLOCK, &unlimited) < 0 || setrlimit (RLIMIT_CORE, &unlimited) < 0)
    return error_errno (err, "raise limits");
  /* A child is init's copy until it executes its program: nobody in its container may look into it. */
  prctl (PR_SET_DUMPABLE, 0, 0, 0, 0);
  return 0;
}

static int
watch_signals (struct guest *guest, struct error *err)
{
  sigset_t set;
  sigemptyset (&set);
  sigaddset (&set, SIGCHLD);
  signal (SIGPIPE, SIG_IGN);
  if (sigprocmask (SIG_SETMASK, &set, NULL) < 0)
    return error_errno (err, "block signals");
  guest->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  return guest->signals < 0 ? error_errno (err, "signalfd")
                            : guest_watch (guest, guest->signals, EPOLLIN, WATCH_SIGNALS, 0, err);
}

int
boot_guest (struct guest *guest, struct error *err)
{
  guest->epoll = epoll_create1 (EPOLL_CLOEXEC);
  guest->self = open ("/proc/self/exe", O_PATH | O_CLOEXEC);
  if (guest->epoll < 0 || guest->self < 0)
    return error_errno (err, "open /proc/self/exe");
  if (raise_limits (err) < 0 || home_open (&guest->home, err) < 0 || cgroup_boot (err) < 0
      || watch_signals (guest, err) < 0)
    return -1;
  struct error ignored; /* a kernel without network, or without this */
  /* When what was used in the last second cannot be kept, something must go: the sandbox would only read and evict. */
  file_write_u64 (AT_FDCWD, "/sys/kernel/mm/lru_gen/min_ttl_ms", 1000, &ignored);
  netconf_loopback_up (&ignored);
  if (cards_boot (err) < 0)
    return -1;
  disks_scan (&guest->disks);
  if (port_open (&guest->port, err) < 0)
    return -1;
  return guest_watch (guest, guest->port.fd, EPOLLIN | EPOLLOUT, WATCH_PORT, 0, err);
}
