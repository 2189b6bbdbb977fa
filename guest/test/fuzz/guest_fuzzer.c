/* Whatever the host's side of the port may hold, in five ways: the first byte says which. */
#include "process/user.h"
#include "wire/crc32.h"
#include "wire/frame.h"
#include "wire/record.h"
#include "wire/request.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static void
use_request (const uint8_t *data, size_t size)
{
  struct request request;
  struct error err = { .status = 0 };
  if (request_parse ((struct bytes){ data, size }, &request, &err) < 0)
    {
      if (err.status == 0 || memchr (err.message, 0, sizeof err.message) == NULL)
        abort ();
    }
  arena_free (&request.arena);
}

/* Frames, in pieces as large as the second byte says. */
static void
use_stream (const uint8_t *data, size_t size)
{
  struct decoder decoder = { 0 };
  size_t step = size ? data[0] + 1u : 1;
  for (size_t at = 0; at < size;)
    {
      size_t used, take = size - at < step ? size - at : step;
      struct frame frame;
      if (frame_decode (&decoder, data + at, take, &used, &frame) > 0)
        {
          if (frame.length > HB_FRAME_TO_GUEST_BYTES_MAX)
            abort ();
          use_request (frame.payload, frame.length);
        }
      at += used;
    }
  decoder_free (&decoder);
}

/* A frame whose crc fits, so that what is behind it is reached; and another behind it. */
static void
use_frame (const uint8_t *data, size_t size)
{
  uint8_t *copy = malloc (size + HB_FRAME_HEADER_BYTES + 1);
  frame_header (copy, HB_TYPE_REQUEST, 0, 1, size);
  memcpy (copy + HB_FRAME_HEADER_BYTES, data, size);
  uint32_t crc = crc32_update (crc32_update (0, copy, 16), data, size);
  store_u32 (copy + 16, crc);
  struct decoder decoder = { 0 };
  struct frame frame;
  size_t used;
  if (frame_decode (&decoder, copy, size + HB_FRAME_HEADER_BYTES, &used, &frame) != 1 || frame.length != size)
    abort ();
  use_request (frame.payload, frame.length);
  decoder_free (&decoder);
  free (copy);
}

/* The image's own passwd and group, split at the first 0xff; then the user. */
static void
use_users (const uint8_t *data, size_t size)
{
  char *text = malloc (size + 3);
  memcpy (text, data, size);
  memset (text + size, 0, 3);
  char *group = strchr (text, 0xff), *user = group ? strchr (group + 1, 0xff) : NULL;
  if (group)
    *group++ = 0;
  if (user)
    *user++ = 0;
  static struct identity identity;
  struct error err;
  const char *further[] = { "bin", "7" };
  struct list groups = { further, 2 };
  struct user_files files = { text, group };
  if (identity_find (&files, user ? user : "web", &groups, &identity, &err) == 0
      && (identity.group_count > SUPPLEMENTARY_GROUPS_MAX || identity.uid > 0x7fffffff))
    abort ();
  free (text);
}

/* A tree of files, in pieces as large as the second byte says. */
static void
use_tree (const uint8_t *data, size_t size)
{
  struct record_decoder decoder = { .have = 0 };
  struct error err;
  size_t step = size ? data[0] + 1u : 1;
  int event = RECORD_MORE;
  for (size_t at = 0; at < size && event >= 0;)
    {
      size_t used, take = size - at < step ? size - at : step;
      struct bytes content;
      event = record_decode (&decoder, (struct bytes){ data + at, take }, &used, &content, &err);
      if (used > take || (event == RECORD_HEAD && !record_path_valid (decoder.record.path))
          || (event == RECORD_CONTENT && (content.data < data || content.data + content.length > data + size)))
        abort ();
      at += used;
    }
  record_decoder_free (&decoder);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;
  switch (data[0] % 5)
    {
    case 0:
      use_stream (data + 1, size - 1);
      break;
    case 1:
      use_frame (data + 1, size - 1);
      break;
    case 2:
      use_request (data + 1, size - 1);
      break;
    case 3:
      use_tree (data + 1, size - 1);
      break;
    default:
      use_users (data + 1, size - 1);
    }
  return 0;
}
