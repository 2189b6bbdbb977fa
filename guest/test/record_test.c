/* Trees of files as records. */
#include "check.h"
#include "protocol.h"
#include "wire/record.h"
#include <errno.h>
#include <sys/stat.h>

static uint8_t stream[4096];

struct given
{
  const char *path, *target;
  uint32_t mode;
  uint64_t size;
};

static size_t
put (size_t at, const struct given *given)
{
  struct writer fields = { .data = stream + at, .length = RECORD_HEADER_BYTES, .capacity = sizeof stream - at };
  put_text (&fields, HB_TAG_PATH, given->path);
  put_u32 (&fields, HB_TAG_MODE, given->mode);
  if (given->target)
    put_text (&fields, HB_TAG_TARGET, given->target);
  size_t xattr = put_begin (&fields, HB_TAG_XATTR);
  put_text (&fields, HB_TAG_NAME, "user.x");
  put_bytes (&fields, HB_TAG_VALUE, "1\0002", 3);
  put_end (&fields, xattr);
  record_finish (&fields, given->size);
  return at + fields.length;
}

/* Decodes `length` bytes in pieces of `step`; writes what happened to `log`. Returns 0, or the error's status. */
static int
decode (size_t length, size_t step, char *log, bool *idle)
{
  struct record_decoder decoder = { .have = 0 };
  struct error err = { .status = 0 };
  log[0] = 0;
  for (size_t at = 0; at < length && !err.status;)
    {
      size_t used, take = step < length - at ? step : length - at;
      struct bytes content;
      uint8_t *copy = malloc (take);
      memcpy (copy, stream + at, take);
      int event = record_decode (&decoder, (struct bytes){ copy, take }, &used, &content, &err);
      CHECK (event < 0 || event == RECORD_MORE ? event < 0 || used == take : true);
      if (event == RECORD_HEAD)
        {
          const struct xattr_spec *xattrs = decoder.record.xattrs.items;
          CHECK (decoder.record.xattrs.count == 1 && xattrs[0].value.length == 3 && xattrs[0].value.data[2] == '2');
          sprintf (log + strlen (log), "[%s>%s %llu]", decoder.record.path, decoder.record.target,
                   (unsigned long long) decoder.record.size);
        }
      if (event == RECORD_CONTENT)
        sprintf (log + strlen (log), "%.*s", (int) content.length, (const char *) content.data);
      at += used;
      free (copy);
    }
  *idle = record_decoder_idle (&decoder);
  record_decoder_free (&decoder);
  return err.status;
}

static void
a_tree_is_the_same_in_whatever_pieces_it_comes (void)
{
  char log[512];
  bool idle;
  size_t length = put (0, &(struct given){ "", NULL, S_IFDIR | 0755, 0 });
  length = put (length, &(struct given){ "a/b", NULL, S_IFREG | 0644, 5 });
  memcpy (stream + length, "hello", 5);
  length = put (length + 5, &(struct given){ "l", "a/b", S_IFREG | 0644, 0 });
  length = put (length, &(struct given){ "s", "../x", S_IFLNK | 0777, 0 });
  for (size_t step = 1; step <= length; step++)
    {
      CHECK (decode (length, step, log, &idle) == 0 && idle);
      CHECK (strcmp (log, "[> 0][a/b> 5]hello[l>a/b 0][s>../x 0]") == 0);
    }
  for (size_t cut = 1; cut < length; cut++)
    CHECK (decode (cut, 64, log, &idle) == 0);
  CHECK (decode (length - 1, length, log, &idle) == 0 && !idle);
}

static int
refused (const struct given *given)
{
  char log[8192];
  bool idle;
  return decode (put (0, given), 4096, log, &idle);
}

static void
what_is_no_tree_is_refused (void)
{
  static const char *const paths[] = { "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "../a" };
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
    {
      CHECK (refused (&(struct given){ paths[i], NULL, S_IFREG, 0 }) == EINVAL);
      CHECK (refused (&(struct given){ "x", paths[i], S_IFREG, 0 }) == EINVAL);
    }
  CHECK (refused (&(struct given){ "...", NULL, S_IFREG, 0 }) == 0);
  CHECK (refused (&(struct given){ "d", NULL, S_IFDIR, 1 }) == EINVAL);
  CHECK (refused (&(struct given){ "l", "a", S_IFREG, 1 }) == EINVAL);
  CHECK (refused (&(struct given){ "s", NULL, S_IFLNK, 0 }) == EINVAL);
  CHECK (refused (&(struct given){ "f", NULL, S_IFREG, 1ull << 63 }) == EFBIG);
  char log[64];
  bool idle;
  memset (stream, 0, 32);
  CHECK (decode (16, 16, log, &idle) == EINVAL);
  store_u32 (stream, RECORD_MAGIC);
  store_u32 (stream + 4, RECORD_FIELDS_BYTES_MAX + 1);
  CHECK (decode (16, 16, log, &idle) == EINVAL);
  store_u32 (stream + 4, 0);
  CHECK (decode (16, 16, log, &idle) == EINVAL);
}

int
main (void)
{
  TEST (a_tree_is_the_same_in_whatever_pieces_it_comes);
  TEST (what_is_no_tree_is_refused);
  return 0;
}
