/* What each request says, as a struct. Pure: no I/O, so that fuzzers link it. */
#pragma once
#include "wire/fields.h"

struct sysctl_spec
{
  const char *name;
  const char *value;
};

struct interface_spec
{
  const char *name;
  struct bytes mac;    /* 6 bytes or none */
  uint32_t mtu;        /* 0: as it is */
  uint32_t slot;       /* which card, in the order of the devices */
  struct list addresses; /* struct bytes: prefix length, then 4 or 16 bytes */
  struct list gateways;  /* struct bytes: 4 or 16 bytes */
};

/* CONFIGURE; SET_INTERFACE: `interfaces` alone. */
struct configure_spec
{
  struct bytes entropy;
  uint64_t clock_ahead_ns; /* two's complement */
  const char *hostname;
  struct list interfaces; /* struct interface_spec */
  struct list sysctls;    /* struct sysctl_spec */
};

struct limits_spec
{
  uint64_t memory_max, cpu_quota_us, cpu_period_us;
  uint32_t cpu_weight, pids_max;
};

struct file_spec
{
  const char *path;
  uint32_t mode;
  struct bytes value;
};

struct tmpfs_spec
{
  const char *path;
  uint64_t flags;
  const char *options;
};

struct mount_spec
{
  const char *disk, *source_path, *path;
  uint64_t flags;
  bool copy_up;
};

struct container_spec
{
  const char *id, *root_disk, *scratch_disk, *hostname, *domainname;
  bool root_readonly, privileged;
  struct list files;   /* struct file_spec */
  struct list tmpfses; /* struct tmpfs_spec */
  struct list mounts;  /* struct mount_spec */
  struct list masked_paths, readonly_paths;
  uint64_t shm_bytes;
  struct limits_spec limits;
  struct list sysctls;
};

struct rlimit_spec
{
  uint32_t number;
  uint64_t soft, hard;
};

struct start_spec
{
  uint32_t process_id;
  const char *container_id;
  bool main, init, tty, stdin_open, no_new_privs;
  struct list args, env, groups;
  const char *cwd, *user;
  uint64_t cap_bounding, cap_effective, cap_inheritable, cap_ambient;
  struct list rlimits; /* struct rlimit_spec */
  uint32_t rows, columns;
  uint32_t oom_score_adj;
};

/* START_FILES */
struct files_spec
{
  uint32_t process_id, action;
  const char *container_id, *path;
  uint64_t flags;
};

/* SIGNAL, RESIZE, FORGET, STATS, TOP, DELETE_CONTAINER, SET_CLOCK, REMOVE_INTERFACE, GROW_DISK and FREEZE_CONTAINER. */
struct target_spec
{
  uint32_t process_id, signal, rows, columns, number;
  uint64_t clock_ahead_ns; /* SET_CLOCK */
  uint64_t size;           /* GROW_DISK: of the device, 0: as it is */
  bool all;
  bool frozen; /* FREEZE_CONTAINER */
  const char *container_id;
  const char *name; /* of an interface or a disk */
};

struct update_spec
{
  const char *container_id;
  struct limits_spec limits;
};

union request_spec
{
  struct configure_spec configure;
  struct container_spec container;
  struct start_spec start;
  struct files_spec files;
  struct target_spec target;
  struct update_spec update;
};

struct request
{
  uint16_t op;
  struct arena arena; /* holds the texts and lists of `spec` */
  union request_spec spec;
};

/* Fills `request`; the caller gives back its arena, after a failure too. An unknown op is ENOSYS. */
int request_parse (struct bytes payload, struct request *request, struct error *err);

/* [0-9a-zA-Z_.-]{1,64}, and not beginning with a dot: it names a directory. */
bool container_id_valid (const char *id);
/* An absolute path shorter than PATH_MAX. */
bool path_valid (const char *path);
/* Turns `net.ipv4.ip_forward` into `net/ipv4/ip_forward` at `out`; -1 when it is no name of a sysctl. */
int sysctl_path (const char *name, char *out, size_t size);
