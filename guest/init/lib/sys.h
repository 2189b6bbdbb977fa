/* System calls and constants that musl 1.2 has no wrapper for. */
#pragma once
#include <fcntl.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#define FSOPEN_CLOEXEC 1
#define FSMOUNT_CLOEXEC 1
#define MOUNT_ATTR_RDONLY 0x01
#define MOUNT_ATTR_NOSUID 0x02
#define MOUNT_ATTR_NODEV 0x04
#define MOUNT_ATTR_NOEXEC 0x08
#define MOUNT_ATTR__ATIME 0x70
#define MOUNT_ATTR_NOATIME 0x10
#define MOUNT_ATTR_STRICTATIME 0x20
#endif
#ifndef MOUNT_ATTR_NODIRATIME
#define MOUNT_ATTR_NODIRATIME 0x80
#endif
#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif
#ifndef RESOLVE_NO_XDEV
#define RESOLVE_NO_XDEV 0x01
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_BENEATH 0x08
#define RESOLVE_IN_ROOT 0x10
#endif
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#define CLONE3_INTO_CGROUP 0x200000000ull

struct sys_mount_attr
{
  uint64_t set, clear, propagation, userns_fd;
};

struct sys_clone_args
{
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};

static inline int
sys_openat2 (int at, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
  uint64_t how[3] = { flags | O_CLOEXEC, mode, resolve };
  return (int) syscall (SYS_openat2, at, path, how, sizeof how);
}

static inline int
sys_open_tree (int at, const char *path, unsigned flags)
{
  return (int) syscall (SYS_open_tree, at, path, flags);
}

static inline int
sys_move_mount (int from, const char *from_path, int to, const char *to_path, unsigned flags)
{
  return (int) syscall (SYS_move_mount, from, from_path, to, to_path, flags);
}

static inline int
sys_fsopen (const char *type)
{
  return (int) syscall (SYS_fsopen, type, FSOPEN_CLOEXEC);
}

static inline int
sys_fsconfig (int fd, unsigned command, const char *key, const char *value)
{
  return (int) syscall (SYS_fsconfig, fd, command, key, value, 0);
}

static inline int
sys_fsmount (int fd, unsigned attributes)
{
  return (int) syscall (SYS_fsmount, fd, FSMOUNT_CLOEXEC, attributes);
}

static inline int
sys_mount_setattr (int at, const char *path, unsigned flags, struct sys_mount_attr *attr)
{
  return (int) syscall (SYS_mount_setattr, at, path, flags, attr, sizeof *attr);
}

static inline int
sys_pivot_root (const char *new_root, const char *put_old)
{
  return (int) syscall (SYS_pivot_root, new_root, put_old);
}

/* Not through the C library: with CLONE_VM the child goes on with the parent's stack, and a return from a function would
   leave that in ruins. The child must not return from the function that called this either. Returns -errno. */
static inline __attribute__ ((always_inline)) long
sys_clone3 (struct sys_clone_args *args)
{
#if defined __x86_64__
  long result = SYS_clone3;
  __asm__ volatile ("syscall" : "+a"(result) : "D"(args), "S"(sizeof *args) : "rcx", "r11", "memory");
  return result;
#elif defined __aarch64__
  register long result __asm__ ("x0") = (long) args;
  register long size __asm__ ("x1") = sizeof *args;
  register long number __asm__ ("x8") = SYS_clone3;
  __asm__ volatile ("svc 0" : "+r"(result) : "r"(size), "r"(number) : "memory");
  return result;
#else
#error "clone3 is not written for this architecture"
#endif
}

static inline int
sys_close_range (unsigned first, unsigned last)
{
  return (int) syscall (SYS_close_range, first, last, 0);
}
