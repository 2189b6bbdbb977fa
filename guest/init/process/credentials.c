#include "process/credentials.h"
#include "lib/sys.h"
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#ifndef PR_CAP_AMBIENT
#define PR_CAP_AMBIENT 47
#define PR_CAP_AMBIENT_RAISE 2
#endif

static int
apply_rlimits (const struct list *rlimits, struct error *err)
{
  const struct rlimit_spec *specs = rlimits->items;
  for (size_t i = 0; i < rlimits->count; i++)
    {
      struct rlimit limit = { .rlim_cur = specs[i].soft, .rlim_max = specs[i].hard };
      if (specs[i].number >= RLIM_NLIMITS)
        return error_set (err, EINVAL, "there is no resource limit %u", specs[i].number);
      if (setrlimit ((int) specs[i].number, &limit) < 0)
        return error_errno (err, "resource limit %u", specs[i].number);
    }
  return 0;
}

static int
drop_bounding (uint64_t kept, struct error *err)
{
  for (int capability = 0; capability < 64; capability++)
    if (!(kept >> capability & 1) && prctl (PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
      {
        if (errno == EINVAL) /* beyond the last that this kernel knows */
          return 0;
        return error_errno (err, "drop capability %d", capability);
      }
  return 0;
}

static int
set_capabilities (uint64_t effective, uint64_t inheritable, struct error *err)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2];
  for (int half = 0; half < 2; half++)
    data[half] = (struct __user_cap_data_struct){ .effective = (uint32_t) (effective >> 32 * half),
                                                  .permitted = (uint32_t) (effective >> 32 * half),
                                                  .inheritable = (uint32_t) (inheritable >> 32 * half) };
  if (syscall (SYS_capset, &header, data) < 0)
    return error_errno (err, "capset");
  return 0;
}

static uint64_t
known_capabilities (void)
{
  struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
  struct __user_cap_data_struct data[2] = { 0 };
  syscall (SYS_capget, &header, data);
  return (uint64_t) data[1].permitted << 32 | data[0].permitted;
}

static int
raise_ambient (uint64_t ambient, struct error *err)
{
  for (int capability = 0; ambient >> capability; capability++)
    if ((ambient >> capability & 1) && prctl (PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
      return error_errno (err, "ambient capability %d", capability);
  return 0;
}

int
credentials_apply (const struct start_spec *spec, const struct identity *identity, struct error *err)
{
  /* Init holds all that the kernel knows; what it does not know cannot be given. */
  uint64_t known = known_capabilities ();
  uint64_t ambient = spec->cap_ambient & known;
  uint64_t effective = (identity->uid == 0 ? spec->cap_effective & known : 0) | ambient;
  if (apply_rlimits (&spec->rlimits, err) < 0 || drop_bounding (spec->cap_bounding, err) < 0)
    return -1;
  if (setgroups (identity->group_count, identity->groups) < 0
      || setresgid (identity->gid, identity->gid, identity->gid) < 0
      || prctl (PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresuid (identity->uid, identity->uid, identity->uid) < 0
      || prctl (PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
    return error_errno (err, "become user %u", identity->uid);
  if (set_capabilities (effective, (spec->cap_inheritable & known) | ambient, err) < 0
      || raise_ambient (ambient, err) < 0)
    return -1;
  if (spec->no_new_privs && prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return error_errno (err, "no new privileges");
  return 0;
}
