#include "wire/request.h"
#include "protocol.h"
#include <errno.h>
#include <limits.h>

#define RULE(type, member, kind, tag) { HB_TAG_##tag, RULE_##kind, false, offsetof (type, member), NULL }
#define NEED(type, member, kind, tag) { HB_TAG_##tag, RULE_##kind, true, offsetof (type, member), NULL }
#define MANY(type, member, tag, of) { HB_TAG_##tag, RULE_RECORDS, false, offsetof (type, member), &(of) }
#define RECORD(name, type, rules) { name, sizeof (type), rules, sizeof (rules) / sizeof (rules)[0] }

static const struct rule sysctl_rules[] = {
  NEED (struct sysctl_spec, name, TEXT, NAME),
  NEED (struct sysctl_spec, value, TEXT, VALUE),
};
static const struct record sysctl_record = RECORD ("SYSCTL", struct sysctl_spec, sysctl_rules);

static const struct rule interface_rules[] = {
  NEED (struct interface_spec, name, TEXT, NAME),
  RULE (struct interface_spec, mac, BYTES, MAC),
  RULE (struct interface_spec, mtu, U32, MTU),
  RULE (struct interface_spec, slot, U32, SLOT),
  RULE (struct interface_spec, addresses, BLOBS, ADDRESS),
  RULE (struct interface_spec, gateways, BLOBS, GATEWAY),
};
static const struct record interface_record = RECORD ("INTERFACE", struct interface_spec, interface_rules);

static const struct rule configure_rules[] = {
  NEED (struct configure_spec, entropy, BYTES, ENTROPY),
  NEED (struct configure_spec, clock_ahead_ns, U64, CLOCK_AHEAD_NS),
  RULE (struct configure_spec, hostname, TEXT, HOSTNAME),
  MANY (struct configure_spec, interfaces, INTERFACE, interface_record),
  MANY (struct configure_spec, sysctls, SYSCTL, sysctl_record),
};
static const struct record configure_record = RECORD ("CONFIGURE", struct configure_spec, configure_rules);

static const struct rule file_rules[] = {
  NEED (struct file_spec, path, TEXT, PATH),
  NEED (struct file_spec, mode, U32, MODE),
  RULE (struct file_spec, value, BYTES, VALUE),
};
static const struct record file_record = RECORD ("FILE", struct file_spec, file_rules);

static const struct rule tmpfs_rules[] = {
  NEED (struct tmpfs_spec, path, TEXT, PATH),
  RULE (struct tmpfs_spec, flags, U64, FLAGS),
  RULE (struct tmpfs_spec, options, TEXT, VALUE),
};
static const struct record tmpfs_record = RECORD ("TMPFS", struct tmpfs_spec, tmpfs_rules);

static const struct rule mount_rules[] = {
  NEED (struct mount_spec, disk, TEXT, DISK),
  RULE (struct mount_spec, source_path, TEXT, SOURCE_PATH),
  NEED (struct mount_spec, path, TEXT, PATH),
  RULE (struct mount_spec, flags, U64, FLAGS),
  RULE (struct mount_spec, copy_up, BOOL, COPY_UP),
};
static const struct record mount_record = RECORD ("MOUNT", struct mount_spec, mount_rules);

#define LIMIT_RULES(type, member)                                                                                      \
  RULE (type, member.memory_max, U64, MEMORY_MAX), RULE (type, member.cpu_quota_us, U64, CPU_QUOTA_US),                \
    RULE (type, member.cpu_period_us, U64, CPU_PERIOD_US), RULE (type, member.cpu_weight, U32, CPU_WEIGHT),            \
    RULE (type, member.pids_max, U32, PIDS_MAX)

static const struct rule container_rules[] = {
  NEED (struct container_spec, id, TEXT, CONTAINER_ID),
  NEED (struct container_spec, root_disk, TEXT, ROOT_DISK),
  RULE (struct container_spec, scratch_disk, TEXT, SCRATCH_DISK),
  RULE (struct container_spec, root_readonly, BOOL, ROOT_READONLY),
  RULE (struct container_spec, hostname, TEXT, HOSTNAME),
  RULE (struct container_spec, domainname, TEXT, DOMAINNAME),
  MANY (struct container_spec, files, FILE, file_record),
  MANY (struct container_spec, tmpfses, TMPFS, tmpfs_record),
  MANY (struct container_spec, mounts, MOUNT, mount_record),
  RULE (struct container_spec, masked_paths, TEXTS, MASKED_PATH),
  RULE (struct container_spec, readonly_paths, TEXTS, READONLY_PATH),
  RULE (struct container_spec, shm_bytes, U64, SHM_BYTES),
  LIMIT_RULES (struct container_spec, limits),
  RULE (struct container_spec, privileged, BOOL, PRIVILEGED),
  MANY (struct container_spec, sysctls, SYSCTL, sysctl_record),
};
static const struct record container_record = RECORD ("CREATE_CONTAINER", struct container_spec, container_rules);

static const struct rule rlimit_rules[] = {
  NEED (struct rlimit_spec, number, U32, NUMBER),
  NEED (struct rlimit_spec, soft, U64, SOFT),
  NEED (struct rlimit_spec, hard, U64, HARD),
};
static const struct record rlimit_record = RECORD ("RLIMIT", struct rlimit_spec, rlimit_rules);

static const struct rule start_rules[] = {
  NEED (struct start_spec, process_id, U32, PROCESS_ID),
  NEED (struct start_spec, container_id, TEXT, CONTAINER_ID),
  RULE (struct start_spec, main, BOOL, MAIN),
  RULE (struct start_spec, init, BOOL, INIT),
  RULE (struct start_spec, tty, BOOL, TTY),
  RULE (struct start_spec, stdin_open, BOOL, STDIN),
  NEED (struct start_spec, args, TEXTS, ARG),
  RULE (struct start_spec, env, TEXTS, ENV),
  RULE (struct start_spec, cwd, TEXT, CWD),
  RULE (struct start_spec, user, TEXT, USER),
  RULE (struct start_spec, groups, TEXTS, GROUP),
  RULE (struct start_spec, cap_bounding, U64, CAP_BOUNDING),
  RULE (struct start_spec, cap_effective, U64, CAP_EFFECTIVE),
  RULE (struct start_spec, cap_inheritable, U64, CAP_INHERITABLE),
  RULE (struct start_spec, cap_ambient, U64, CAP_AMBIENT),
  RULE (struct start_spec, no_new_privs, BOOL, NO_NEW_PRIVS),
  MANY (struct start_spec, rlimits, RLIMIT, rlimit_record),
  RULE (struct start_spec, rows, U32, ROWS),
  RULE (struct start_spec, columns, U32, COLUMNS),
  RULE (struct start_spec, oom_score_adj, U32, OOM_SCORE_ADJ),
};
static const struct record start_record = RECORD ("START_PROCESS", struct start_spec, start_rules);

static const struct rule files_rules[] = {
  NEED (struct files_spec, process_id, U32, PROCESS_ID),
  NEED (struct files_spec, container_id, TEXT, CONTAINER_ID),
  NEED (struct files_spec, action, U32, ACTION),
  RULE (struct files_spec, path, TEXT, PATH),
  RULE (struct files_spec, flags, U64, FLAGS),
};
static const struct record files_record = RECORD ("START_FILES", struct files_spec, files_rules);

static const struct rule signal_rules[] = {
  NEED (struct target_spec, process_id, U32, PROCESS_ID),
  NEED (struct target_spec, signal, U32, SIGNAL),
  RULE (struct target_spec, all, BOOL, ALL),
};
static const struct record signal_record = RECORD ("SIGNAL", struct target_spec, signal_rules);

static const struct rule resize_rules[] = {
  NEED (struct target_spec, process_id, U32, PROCESS_ID),
  NEED (struct target_spec, rows, U32, ROWS),
  NEED (struct target_spec, columns, U32, COLUMNS),
};
static const struct record resize_record = RECORD ("RESIZE", struct target_spec, resize_rules);

static const struct rule forget_rules[] = { NEED (struct target_spec, process_id, U32, PROCESS_ID) };
static const struct record forget_record = RECORD ("FORGET", struct target_spec, forget_rules);

static const struct rule named_rules[] = { NEED (struct target_spec, container_id, TEXT, CONTAINER_ID) };
static const struct record stats_record = RECORD ("STATS", struct target_spec, named_rules);
static const struct record delete_record = RECORD ("DELETE_CONTAINER", struct target_spec, named_rules);

static const struct rule top_rules[] = {
  NEED (struct target_spec, container_id, TEXT, CONTAINER_ID),
  RULE (struct target_spec, number, U32, NUMBER),
};
static const struct record top_record = RECORD ("TOP", struct target_spec, top_rules);

static const struct rule update_rules[] = {
  NEED (struct update_spec, container_id, TEXT, CONTAINER_ID),
  LIMIT_RULES (struct update_spec, limits),
};
static const struct record update_record = RECORD ("UPDATE_CONTAINER", struct update_spec, update_rules);

static const struct rule clock_rules[] = { NEED (struct target_spec, clock_ahead_ns, U64, CLOCK_AHEAD_NS) };
static const struct record clock_record = RECORD ("SET_CLOCK", struct target_spec, clock_rules);

static const struct rule one_interface_rules[] = { MANY (struct configure_spec, interfaces, INTERFACE, interface_record) };
static const struct record one_interface_record = RECORD ("SET_INTERFACE", struct configure_spec, one_interface_rules);

static const struct rule remove_interface_rules[] = { NEED (struct target_spec, name, TEXT, NAME) };
static const struct record remove_interface_record
  = RECORD ("REMOVE_INTERFACE", struct target_spec, remove_interface_rules);

static const struct rule grow_rules[] = {
  NEED (struct target_spec, name, TEXT, DISK),
  RULE (struct target_spec, size, U64, SIZE),
};
static const struct record grow_record = RECORD ("GROW_DISK", struct target_spec, grow_rules);

static const struct rule freeze_rules[] = {
  NEED (struct target_spec, container_id, TEXT, CONTAINER_ID),
  RULE (struct target_spec, frozen, BOOL, FROZEN),
};
static const struct record freeze_record = RECORD ("FREEZE_CONTAINER", struct target_spec, freeze_rules);

static const struct record empty_record = { "the request", sizeof (struct target_spec), NULL, 0 };

static const struct record *const records[] = {
  [HB_OP_PING] = &empty_record,
  [HB_OP_CONFIGURE] = &configure_record,
  [HB_OP_WARM] = &empty_record,
  [HB_OP_CREATE_CONTAINER] = &container_record,
  [HB_OP_START_PROCESS] = &start_record,
  [HB_OP_SIGNAL] = &signal_record,
  [HB_OP_RESIZE] = &resize_record,
  [HB_OP_FORGET] = &forget_record,
  [HB_OP_STATS] = &stats_record,
  [HB_OP_TOP] = &top_record,
  [HB_OP_DELETE_CONTAINER] = &delete_record,
  [HB_OP_SHUTDOWN] = &empty_record,
  [HB_OP_SYNC] = &empty_record,
  [HB_OP_UPDATE_CONTAINER] = &update_record,
  [HB_OP_SET_CLOCK] = &clock_record,
  [HB_OP_START_FILES] = &files_record,
  [HB_OP_SET_INTERFACE] = &one_interface_record,
  [HB_OP_REMOVE_INTERFACE] = &remove_interface_record,
  [HB_OP_GROW_DISK] = &grow_record,
  [HB_OP_FREEZE_CONTAINER] = &freeze_record,
};

int
request_parse (struct bytes payload, struct request *request, struct error *err)
{
  *request = (struct request){ 0 };
  if (payload.length < 4 || load_u16 (payload.data + 2) != 0)
    return error_set (err, EINVAL, "a request of %zu bytes has no op", payload.length);
  request->op = load_u16 (payload.data);
  if (request->op >= sizeof records / sizeof records[0] || !records[request->op])
    return error_set (err, ENOSYS, "op %u is unknown", request->op);
  struct bytes fields = { payload.data + 4, payload.length - 4 };
  return record_parse (records[request->op], fields, &request->arena, &request->spec, err);
}

static bool
only_of (const char *text, const char *extra)
{
  for (; *text; text++)
    {
      bool alphanumeric = (*text >= '0' && *text <= '9') || (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z');
      if (!alphanumeric && !strchr (extra, *text))
        return false;
    }
  return true;
}

bool
container_id_valid (const char *id)
{
  size_t length = strlen (id);
  return length > 0 && length <= HB_CONTAINER_ID_BYTES_MAX && id[0] != '.' && only_of (id, "_.-");
}

bool
path_valid (const char *path)
{
  return path[0] == '/' && strlen (path) < PATH_MAX;
}

int
sysctl_path (const char *name, char *out, size_t size)
{
  size_t length = strlen (name);
  if (length == 0 || length >= size || !only_of (name, "._/-") || strstr (name, "..") || name[0] == '/'
      || name[0] == '.' || name[length - 1] == '/' || name[length - 1] == '.')
    return -1;
  memcpy (out, name, length + 1);
  /* As sysctl(8): whichever of the two comes first separates, the other belongs to the names. */
  if (out[strcspn (out, "./")] == '.')
    for (char *c = out; *c; c++)
      *c = *c == '.' ? '/' : *c == '/' ? '.' : *c;
  return strstr (out, "..") || strstr (out, "//") ? -1 : 0;
}
