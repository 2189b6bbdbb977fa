/* Fields, and the requests that are made of them. */
#include "check.h"
#include "protocol.h"
#include "wire/request.h"
#include <errno.h>

static uint8_t buffer[200000];

static struct writer
begin (uint16_t op)
{
  struct writer writer = { .data = buffer, .length = 4, .capacity = sizeof buffer };
  store_u16 (buffer, op);
  store_u16 (buffer + 2, 0);
  return writer;
}

static int
parse (const struct writer *writer, struct request *request, struct error *err)
{
  /* A copy of just the size, so that reading past the end is found. */
  uint8_t *copy = malloc (writer->length);
  memcpy (copy, writer->data, writer->length);
  int result = request_parse ((struct bytes){ copy, writer->length }, request, err);
  free (copy);
  return result;
}

static void
a_start_says_what_was_put_into_it (void)
{
  struct writer writer = begin (HB_OP_START_PROCESS);
  put_u32 (&writer, HB_TAG_PROCESS_ID, 7);
  put_text (&writer, HB_TAG_CONTAINER_ID, "abc");
  put_text (&writer, HB_TAG_ARG, "sh");
  put_text (&writer, HB_TAG_ARG, "-c");
  put_text (&writer, HB_TAG_ENV, "A=b");
  put_text (&writer, HB_TAG_ARG, "");
  put_u32 (&writer, HB_TAG_TTY, 1);
  put_u64 (&writer, HB_TAG_CAP_BOUNDING, 0x1ffffffffffull);
  size_t limit = put_begin (&writer, HB_TAG_RLIMIT);
  put_u32 (&writer, HB_TAG_NUMBER, 7);
  put_u64 (&writer, HB_TAG_SOFT, 1024);
  put_u64 (&writer, HB_TAG_HARD, UINT64_MAX);
  put_end (&writer, limit);
  struct request request;
  struct error err;
  CHECK (parse (&writer, &request, &err) == 0 && request.op == HB_OP_START_PROCESS);
  const struct start_spec *spec = &request.spec.start;
  const char *const *args = spec->args.items, *const *env = spec->env.items;
  const struct rlimit_spec *rlimits = spec->rlimits.items;
  CHECK (spec->process_id == 7 && strcmp (spec->container_id, "abc") == 0 && spec->tty && !spec->main);
  CHECK (spec->args.count == 3 && strcmp (args[0], "sh") == 0 && strcmp (args[1], "-c") == 0 && args[2][0] == 0);
  CHECK (!args[3] && !args[4] && spec->env.count == 1 && strcmp (env[0], "A=b") == 0 && !env[1]);
  CHECK (spec->cap_bounding == 0x1ffffffffffull && spec->cwd[0] == 0);
  CHECK (spec->rlimits.count == 1 && rlimits[0].number == 7 && rlimits[0].hard == UINT64_MAX);
  arena_free (&request.arena);
}

static int
refused (const struct writer *writer)
{
  struct request request;
  struct error err = { .status = 0 };
  int result = parse (writer, &request, &err);
  arena_free (&request.arena);
  CHECK (result == 0 || (err.status != 0 && err.message[0]));
  return result == 0 ? 0 : err.status;
}

static void
what_is_malformed_is_refused (void)
{
  struct writer writer = begin (99);
  CHECK (refused (&writer) == ENOSYS);
  writer = begin (HB_OP_PING);
  writer.length = 3;
  CHECK (refused (&writer) == EINVAL);
  writer = begin (HB_OP_FORGET);
  CHECK (refused (&writer) == EINVAL); /* what is needed is missing */
  put_u64 (&writer, HB_TAG_PROCESS_ID, 1);
  CHECK (refused (&writer) == EINVAL); /* 8 bytes, not 4 */
  writer = begin (HB_OP_FORGET);
  put_u32 (&writer, HB_TAG_PROCESS_ID, 1);
  CHECK (refused (&writer) == 0);
  put_u32 (&writer, HB_TAG_PROCESS_ID, 2);
  CHECK (refused (&writer) == EINVAL); /* twice */
  writer = begin (HB_OP_STATS);
  put_bytes (&writer, HB_TAG_CONTAINER_ID, "a\0b", 3);
  CHECK (refused (&writer) == EINVAL); /* a NUL */
  writer = begin (HB_OP_STATS);
  put_text (&writer, HB_TAG_CONTAINER_ID, "abc");
  store_u32 (buffer + 4 + 4, 4);
  CHECK (refused (&writer) == EINVAL); /* longer than there is */
  store_u32 (buffer + 4 + 4, UINT32_MAX);
  CHECK (refused (&writer) == EINVAL);
  writer = begin (HB_OP_SIGNAL);
  put_u32 (&writer, HB_TAG_PROCESS_ID, 1);
  put_u32 (&writer, HB_TAG_SIGNAL, 9);
  put_u32 (&writer, HB_TAG_ALL, 2);
  CHECK (refused (&writer) == EINVAL); /* neither 0 nor 1 */
  writer = begin (HB_OP_PING);
  put_u32 (&writer, HB_TAG_UID, 2);
  CHECK (refused (&writer) == EINVAL); /* does not belong there */
}

static void
lists_are_bounded (void)
{
  struct writer writer = begin (HB_OP_START_PROCESS);
  put_u32 (&writer, HB_TAG_PROCESS_ID, 7);
  put_text (&writer, HB_TAG_CONTAINER_ID, "abc");
  for (unsigned i = 0; i < HB_LIST_ITEMS_MAX; i++)
    put_text (&writer, HB_TAG_ARG, "x");
  CHECK (!writer.full && refused (&writer) == 0);
  put_text (&writer, HB_TAG_ARG, "x");
  CHECK (refused (&writer) == EINVAL);
}

static void
a_writer_leaves_out_what_does_not_fit (void)
{
  uint8_t small[40];
  struct writer writer = { .data = small, .capacity = sizeof small };
  put_u32 (&writer, HB_TAG_PID, 1);
  size_t nested = put_begin (&writer, HB_TAG_TASK);
  put_u32 (&writer, HB_TAG_PID, 1);
  put_text (&writer, HB_TAG_VALUE, "does not fit any more");
  put_end (&writer, nested);
  CHECK (writer.full && writer.length == 12);
}

static void
container_ids_name_directories_safely (void)
{
  static const char *const good[] = { "a", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "x_.-" };
  static const char *const bad[] = { "", ".", "..", ".a", "a/b", "a b", "a\n", "\xc3\xa9", "~warm",
                                     "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0" };
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    CHECK (container_id_valid (good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    CHECK (!container_id_valid (bad[i]));
}

static void
sysctl_names_become_paths_that_stay_inside (void)
{
  static const struct { const char *name, *path; } cases[] = {
    { "net.ipv4.ip_forward", "net/ipv4/ip_forward" },
    { "net/ipv4/ip_forward", "net/ipv4/ip_forward" },
    { "net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding" },
    { "net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding" },
    { "kernel.shm_rmid_forced", "kernel/shm_rmid_forced" },
  };
  static const char *const bad[] = { "", "..", "a..b", "a/../b", "/etc/passwd", ".a", "a.", "a//b", "a b", "a\nb", "net.a//b" };
  char path[256];
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
    CHECK (sysctl_path (cases[i].name, path, sizeof path) == 0 && strcmp (path, cases[i].path) == 0);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    CHECK (sysctl_path (bad[i], path, sizeof path) < 0);
  CHECK (sysctl_path ("kernel.shmmax", path, 5) < 0);
}

static void
a_card_goes_by_its_slot_and_a_mount_may_be_filled (void)
{
  struct writer writer = begin (HB_OP_SET_INTERFACE);
  size_t card = put_begin (&writer, HB_TAG_INTERFACE);
  put_text (&writer, HB_TAG_NAME, "eth2");
  put_u32 (&writer, HB_TAG_SLOT, 2);
  put_end (&writer, card);
  struct request request;
  struct error err;
  CHECK (parse (&writer, &request, &err) == 0 && request.spec.configure.interfaces.count == 1);
  const struct interface_spec *interface = request.spec.configure.interfaces.items;
  CHECK (interface->slot == 2 && strcmp (interface->name, "eth2") == 0);
  arena_free (&request.arena);

  writer = begin (HB_OP_REMOVE_INTERFACE);
  CHECK (refused (&writer) == EINVAL);
  put_text (&writer, HB_TAG_NAME, "eth2");
  CHECK (parse (&writer, &request, &err) == 0 && strcmp (request.spec.target.name, "eth2") == 0);
  arena_free (&request.arena);

  writer = begin (HB_OP_GROW_DISK);
  put_text (&writer, HB_TAG_DISK, "vol0");
  put_u64 (&writer, HB_TAG_SIZE, 1ull << 40);
  CHECK (parse (&writer, &request, &err) == 0 && request.spec.target.size == 1ull << 40);
  arena_free (&request.arena);

  writer = begin (HB_OP_CREATE_CONTAINER);
  put_text (&writer, HB_TAG_CONTAINER_ID, "c");
  put_text (&writer, HB_TAG_ROOT_DISK, "image");
  size_t mount = put_begin (&writer, HB_TAG_MOUNT);
  put_text (&writer, HB_TAG_DISK, "vol0");
  put_text (&writer, HB_TAG_SOURCE_PATH, "/_data");
  put_text (&writer, HB_TAG_PATH, "/data");
  put_u32 (&writer, HB_TAG_COPY_UP, 1);
  put_end (&writer, mount);
  CHECK (parse (&writer, &request, &err) == 0);
  const struct mount_spec *spec = request.spec.container.mounts.items;
  CHECK (request.spec.container.mounts.count == 1 && spec->copy_up && strcmp (spec->source_path, "/_data") == 0);
  arena_free (&request.arena);
}

int
main (void)
{
  TEST (a_start_says_what_was_put_into_it);
  TEST (what_is_malformed_is_refused);
  TEST (lists_are_bounded);
  TEST (a_writer_leaves_out_what_does_not_fit);
  TEST (container_ids_name_directories_safely);
  TEST (sysctl_names_become_paths_that_stay_inside);
  TEST (a_card_goes_by_its_slot_and_a_mount_may_be_filled);
  return 0;
}
