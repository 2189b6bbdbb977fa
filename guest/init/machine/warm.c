/* WARM: one container is made, run and undone, so that the first real one finds the kernel's caches filled and, under
   emulation, the code translated. */
#include "container/layer.h"
#include "containers.h"
#include "lib/cleanup.h"
#include "lib/file.h"
#include "machine/netconf.h"
#include "ops.h"
#include "lib/tree.h"
#include "process/spawn.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <time.h>

#define WARM_ID "~warm"
#define WARM_DISK "warm"
#define SCRATCH_DISK "scratch"
#define WARM_DEADLINE_NS 20000000000ull
/* The clock begins at 0, and can be set forwards only. */
#define AHEAD_NS 1000000000ull
#define TURN_MS 100
#define START_WAIT_MS 20000
/* What Docker leaves a container. */
#define CAPABILITIES 0xa80425fbull

static const char *const masked[] = { "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware" };
static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

static struct list
list_of (const void *items, size_t count)
{
  return (struct list){ (void *) (uintptr_t) items, count };
}

static struct container *
make_container (struct guest *guest, const char *scratch, struct error *err)
{
  static const uint8_t content[] = "127.0.0.1 localhost\n";
  static const struct file_spec files[] = {
    { "/etc/hosts", 0644, { content, sizeof content - 1 } },
    { "/etc/hostname", 0644, { content, sizeof content - 1 } },
    { "/etc/resolv.conf", 0644, { content, sizeof content - 1 } },
  };
  struct container_spec spec = { .id = WARM_ID, .root_disk = WARM_DISK, .scratch_disk = scratch, .hostname = "warm", .domainname = "" };
  struct arena arena = { 0 };
  spec.files = list_of (files, sizeof files / sizeof files[0]);
  spec.masked_paths = list_of (masked, sizeof masked / sizeof masked[0]);
  spec.readonly_paths = list_of (readonly, sizeof readonly / sizeof readonly[0]);
  spec.limits.pids_max = 100;
  return container_create (&spec, &arena, &guest->disks, &guest->home, err);
}

static bool
expired (uint64_t end)
{
  return clock_ns (CLOCK_MONOTONIC) > end;
}

/* Starts /warm with `arg` and returns when it has been executed. */
static struct process *
start (struct guest *guest, struct container *container, uint32_t id, const char *arg, bool tty, struct error *err)
{
  const char *args[] = { "warm", arg, NULL, NULL }, *env[] = { "PATH=/usr/bin:/bin:/", NULL, NULL };
  struct start_spec spec = { .container_id = WARM_ID, .main = id == 1, .tty = tty, .stdin_open = true, .cwd = "/", .user = "" };
  struct spawn_context context = { .home = &guest->home, .self = guest->self };
  spec.args = list_of (args, 2);
  spec.env = list_of (env, 1);
  spec.cap_bounding = spec.cap_effective = CAPABILITIES;
  struct process *process = processes_add (&guest->processes, id, err);
  if (!process)
    return NULL;
  cleanup_close int report = process_spawn (process, container, &spec, &context, err);
  if (report < 0 || ops_watch_process (guest, process, err) < 0)
    return NULL;
  struct pollfd wait = { .fd = report, .events = POLLIN };
  if (poll (&wait, 1, START_WAIT_MS) != 1)
    return error_set (err, ETIMEDOUT, "/warm did not start in time"), NULL;
  return read (report, err, sizeof *err) == 0 ? process : NULL;
}

/* Turns the loop until the process has ended and its output with it. */
static int
finish (struct guest *guest, struct process *process, struct error *err)
{
  uint64_t end = clock_ns (CLOCK_MONOTONIC) + WARM_DEADLINE_NS;
  process->in.ends = true;
  while (!process->exited || process->out[0].fd >= 0 || process->out[1].fd >= 0)
    {
      if (expired (end))
        return error_set (err, ETIMEDOUT, "/warm did not end in time");
      loop_turn (guest, TURN_MS);
      for (int i = 0; i < 2; i++)
        stream_window (&process->out[i], process->out[i].end, process->out[i].end);
    }
  if (process->exit_code != 0)
    return error_set (err, EIO, "/warm ended with %u", process->exit_code);
  return 0;
}

/* A main process that waits for the end of its input, and two in it, one with a terminal. */
static int
run (struct guest *guest, struct container *container, struct error *err)
{
  struct process *main = start (guest, container, 1, "wait", false, err);
  if (!main)
    return -1;
  container->proc_mounted = true;
  struct process *piped = start (guest, container, 2, "work", false, err);
  if (!piped || finish (guest, piped, err) < 0)
    return -1;
  struct process *terminal = start (guest, container, 3, "work", true, err);
  if (!terminal || finish (guest, terminal, err) < 0)
    return -1;
  return finish (guest, main, err);
}

/* Kills what is left, and removes what the container wrote on the scratch disk. */
static int
undo (struct guest *guest, struct container *container, struct error *err)
{
  uint64_t end = clock_ns (CLOCK_MONOTONIC) + WARM_DEADLINE_NS;
  guest->containers[0] = container;
  while (!container_gone (guest, container, err))
    {
      if (expired (end))
        return -1;
      loop_turn (guest, 1);
    }
  while (guest->processes.count)
    processes_remove (&guest->processes, guest->processes.process[0]);
  if (disk_known (&guest->disks, SCRATCH_DISK))
    {
      tree_remove ("/run/disk/" SCRATCH_DISK "/c/" WARM_ID);
      layer_prepare ("/run/disk/" SCRATCH_DISK);
    }
  return disk_unmount (&guest->disks, WARM_DISK, err);
}

/* CONFIGURE as it will come, with what nobody has: the card is down and without an address again behind it. */
static int
rehearse_configure (struct guest *guest, struct error *err)
{
  static const uint8_t mac[] = { 2, 0, 0, 0, 0, 1 }, address[] = { 30, 192, 0, 2, 1 }, gateway[] = { 192, 0, 2, 2 };
  static const struct bytes addresses[] = { { address, sizeof address } }, gateways[] = { { gateway, sizeof gateway } };
  struct interface_spec card = { .name = "eth0", .mac = { mac, sizeof mac }, .mtu = 1500 };
  uint8_t entropy[HB_ENTROPY_BYTES_MIN];
  /* From the generator itself: it is none the worse for it, and is given better before it matters. */
  if (getrandom (entropy, sizeof entropy, GRND_NONBLOCK) != sizeof entropy)
    return 0;
  card.addresses = list_of (addresses, 1);
  card.gateways = list_of (gateways, 1);
  struct configure_spec spec = { .entropy = { entropy, sizeof entropy }, .clock_ahead_ns = AHEAD_NS, .hostname = "warm" };
  spec.interfaces = list_of (&card, netconf_has_card () ? 1 : 0);
  int result = configure_serve (guest, &spec, err);
  guest->configured = false;
  return result < 0 ? result : netconf_undo (&spec.interfaces, err);
}

int
warm_serve (struct guest *guest, struct error *err)
{
  char path[64];
  struct error ignored;
  for (size_t i = 0; i < HB_CONTAINERS_MAX; i++)
    if (guest->containers[i] || guest->processes.count)
      return error_set (err, EBUSY, "a sandbox in use cannot be warmed");
  disks_scan (&guest->disks);
  bool scratch = disk_known (&guest->disks, SCRATCH_DISK);
  if (scratch && disk_mount (&guest->disks, SCRATCH_DISK, path, sizeof path, err) < 0)
    return -1;
  struct container *container = make_container (guest, scratch ? SCRATCH_DISK : "", err);
  if (!container)
    return -1;
  guest->warming = true;
  int result = rehearse_configure (guest, err);
  if (result == 0)
    result = run (guest, container, err);
  if (undo (guest, container, result < 0 ? &ignored : err) < 0)
    result = -1;
  guest->warming = false;
  return result < 0 ? -1 : 1;
}
