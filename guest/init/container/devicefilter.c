#include "container/devicefilter.h"
#include "lib/cleanup.h"
#include "lib/sys.h"
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* major, minor; a character device, all of them */
#define ANY_MINOR (-1)

static const struct
{
  int major, minor;
} allowed[] = {
  { 1, 3 }, { 1, 5 }, { 1, 7 }, { 1, 8 }, { 1, 9 },   /* null, zero, full, random, urandom */
  { 5, 0 }, { 5, 1 }, { 5, 2 }, { 136, ANY_MINOR }, /* tty, console, ptmx, terminals */
};

#define ALLOWED_COUNT (sizeof allowed / sizeof allowed[0])
#define INSTRUCTIONS_MAX (16 + 4 * ALLOWED_COUNT)

enum { R_RESULT = 0, R_CONTEXT = 1, R_TYPE = 2, R_ACCESS = 3, R_MAJOR = 4, R_MINOR = 5 };

struct program
{
  struct bpf_insn instructions[INSTRUCTIONS_MAX];
  unsigned count;
};

static void
emit (struct program *program, unsigned code, unsigned to, unsigned from, int offset, int immediate)
{
  program->instructions[program->count++] = (struct bpf_insn){ .code = (unsigned char) code,
                                                               .dst_reg = (unsigned char) to & 15,
                                                               .src_reg = (unsigned char) from & 15,
                                                               .off = (short) offset,
                                                               .imm = immediate };
}

static void
emit_return (struct program *program, int result)
{
  emit (program, BPF_ALU64 | BPF_MOV | BPF_K, R_RESULT, 0, 0, result);
  emit (program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* access_type holds the kind of device in its lower half, what is to be done with it in its upper one. */
static void
write_program (struct program *program)
{
  unsigned load = BPF_LDX | BPF_MEM | BPF_W, jump_if_not = BPF_JMP | BPF_JNE | BPF_K;
  emit (program, load, R_TYPE, R_CONTEXT, offsetof (struct bpf_cgroup_dev_ctx, access_type), 0);
  emit (program, BPF_ALU64 | BPF_MOV | BPF_X, R_ACCESS, R_TYPE, 0, 0);
  emit (program, BPF_ALU | BPF_AND | BPF_K, R_TYPE, 0, 0, 0xffff);
  emit (program, BPF_ALU | BPF_RSH | BPF_K, R_ACCESS, 0, 0, 16);
  emit (program, load, R_MAJOR, R_CONTEXT, offsetof (struct bpf_cgroup_dev_ctx, major), 0);
  emit (program, load, R_MINOR, R_CONTEXT, offsetof (struct bpf_cgroup_dev_ctx, minor), 0);
  emit (program, jump_if_not, R_ACCESS, 0, 2, BPF_DEVCG_ACC_MKNOD);
  emit_return (program, 1);
  emit (program, BPF_JMP | BPF_JEQ | BPF_K, R_TYPE, 0, 2, BPF_DEVCG_DEV_CHAR);
  emit_return (program, 0);
  for (unsigned i = 0; i < ALLOWED_COUNT; i++)
    {
      bool any = allowed[i].minor == ANY_MINOR;
      emit (program, jump_if_not, R_MAJOR, 0, any ? 2 : 3, allowed[i].major);
      if (!any)
        emit (program, jump_if_not, R_MINOR, 0, 2, allowed[i].minor);
      emit_return (program, 1);
    }
  emit_return (program, 0);
}

static int
bpf (int command, union bpf_attr *attr)
{
  return (int) syscall (SYS_bpf, command, attr, sizeof *attr);
}

int
devicefilter_attach (int cgroup, struct error *err)
{
  struct program program = { .count = 0 };
  write_program (&program);
  union bpf_attr attr;
  memset (&attr, 0, sizeof attr);
  attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attr.insns = (uint64_t) (uintptr_t) program.instructions;
  attr.insn_cnt = program.count;
  attr.license = (uint64_t) (uintptr_t) "Apache-2.0";
  cleanup_close int fd = bpf (BPF_PROG_LOAD, &attr);
  if (fd < 0)
    return error_errno (err, "load the device filter");
  memset (&attr, 0, sizeof attr);
  attr.target_fd = (uint32_t) cgroup;
  attr.attach_bpf_fd = (uint32_t) fd;
  attr.attach_type = BPF_CGROUP_DEVICE;
  attr.attach_flags = BPF_F_ALLOW_MULTI;
  return bpf (BPF_PROG_ATTACH, &attr) < 0 ? error_errno (err, "attach the device filter") : 0;
}
