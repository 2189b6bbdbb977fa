/* The decoder of what the host sends. */
#include "check.h"
#include "wire/bytes.h"
#include "wire/crc32.h"
#include "wire/frame.h"

static size_t
make_frame (uint8_t *to, uint8_t type, uint32_t id, const void *payload, size_t length)
{
  frame_header (to, type, 0, id, length);
  if (length)
    memcpy (to + HB_FRAME_HEADER_BYTES, payload, length);
  uint32_t crc = crc32_update (0, to, 16);
  store_u32 (to + 16, crc32_update (crc, to + HB_FRAME_HEADER_BYTES, length));
  return HB_FRAME_HEADER_BYTES + length;
}

/* Feeds `length` bytes, `step` at a time; returns how many frames came out, the last in `frame`. */
static int
feed (struct decoder *decoder, const uint8_t *data, size_t length, size_t step, struct frame *frame)
{
  int count = 0;
  for (size_t at = 0; at < length;)
    {
      size_t used, take = length - at < step ? length - at : step;
      struct frame found;
      if (frame_decode (decoder, data + at, take, &used, &found) > 0)
        {
          *frame = found;
          count++;
        }
      at += used;
    }
  return count;
}

static void
the_crc_is_that_of_zlib (void)
{
  CHECK (crc32_update (0, (const uint8_t *) "123456789", 9) == 0xcbf43926u);
  CHECK (crc32_update (crc32_update (0, (const uint8_t *) "1234", 4), (const uint8_t *) "56789", 5) == 0xcbf43926u);
  CHECK (crc32_update (0, NULL, 0) == 0);
}

static void
a_frame_comes_out_however_it_is_cut (void)
{
  uint8_t data[600], payload[500];
  for (size_t i = 0; i < sizeof payload; i++)
    payload[i] = (uint8_t) (i * 7);
  size_t length = make_frame (data, HB_TYPE_REQUEST, 42, payload, sizeof payload);
  for (size_t step = 1; step <= length; step++)
    {
      struct decoder decoder = { 0 };
      struct frame frame;
      CHECK (feed (&decoder, data, length, step, &frame) == 1);
      CHECK (frame.type == HB_TYPE_REQUEST && frame.id == 42 && frame.length == sizeof payload);
      CHECK (memcmp (frame.payload, payload, sizeof payload) == 0);
      decoder_free (&decoder);
    }
}

static void
frames_follow_one_another (void)
{
  uint8_t data[200];
  size_t length = 0;
  for (uint32_t id = 1; id <= 3; id++)
    length += make_frame (data + length, HB_TYPE_DATA, id, "abcdefgh", id == 2 ? 0 : 8);
  for (size_t step = 1; step <= length; step++)
    {
      struct decoder decoder = { 0 };
      struct frame frame;
      CHECK (feed (&decoder, data, length, step, &frame) == 3 && frame.id == 3);
      decoder_free (&decoder);
    }
}

static void
noise_before_a_frame_is_skipped (void)
{
  uint8_t data[200] = "HBHBFHBF1HHHHBF0 noise HBF";
  size_t noise = strlen ((char *) data);
  size_t length = noise + make_frame (data + noise, HB_TYPE_HELLO, 7, "xy", 2);
  for (size_t step = 1; step <= length; step++)
    {
      struct decoder decoder = { 0 };
      struct frame frame;
      CHECK (feed (&decoder, data, length, step, &frame) == 1 && frame.id == 7);
      decoder_free (&decoder);
    }
}

static void
a_torn_frame_is_dropped_whole_and_the_next_is_found (void)
{
  static uint8_t data[2 * (HB_FRAME_TO_GUEST_BYTES_MAX + HB_FRAME_HEADER_BYTES) + 4096];
  static uint8_t inner[100000];
  /* What a process was to read looks like a frame itself: it must not be taken for one. */
  memset (inner, 'x', sizeof inner);
  make_frame (inner, HB_TYPE_REQUEST, 666, "forged", 6);
  uint8_t *torn = malloc (sizeof inner + HB_FRAME_HEADER_BYTES);
  size_t whole = make_frame (torn, HB_TYPE_DATA, 1, inner, sizeof inner);
  for (size_t cut = 1; cut < whole; cut = cut < 64 ? cut + 1 : cut * 3)
    {
      memset (data, 0, sizeof data);
      memcpy (data, torn, cut);
      size_t length = cut + HB_FRAME_TO_GUEST_BYTES_MAX + HB_FRAME_HEADER_BYTES;
      length += make_frame (data + length, HB_TYPE_HELLO, 9, "0123456789abcdef", 16);
      struct decoder decoder = { 0 };
      struct frame frame;
      CHECK (feed (&decoder, data, length, 4096, &frame) == 1);
      CHECK (frame.type == HB_TYPE_HELLO && frame.id == 9);
      decoder_free (&decoder);
    }
  free (torn);
}

static void
a_length_beyond_the_bound_is_no_frame (void)
{
  uint8_t data[100];
  struct decoder decoder = { 0 };
  struct frame frame;
  size_t used;
  frame_header (data, HB_TYPE_REQUEST, 0, 1, HB_FRAME_TO_GUEST_BYTES_MAX + 1);
  size_t length = HB_FRAME_HEADER_BYTES + make_frame (data + HB_FRAME_HEADER_BYTES, HB_TYPE_HELLO, 3, "a", 1);
  CHECK (frame_decode (&decoder, data, length, &used, &frame) == 1 && frame.id == 3);
  CHECK (decoder.capacity <= 65536);
  decoder_free (&decoder);
}

static void
a_large_frame_does_not_stay_in_memory (void)
{
  size_t size = HB_FRAME_TO_GUEST_BYTES_MAX;
  uint8_t *payload = calloc (1, size), *data = malloc (size + HB_FRAME_HEADER_BYTES), small[64];
  size_t length = make_frame (data, HB_TYPE_REQUEST, 5, payload, size);
  struct decoder decoder = { 0 };
  struct frame frame;
  CHECK (feed (&decoder, data, length, 16384, &frame) == 1 && frame.length == size);
  length = make_frame (small, HB_TYPE_REQUEST, 6, "x", 1);
  CHECK (feed (&decoder, small, length, 16384, &frame) == 1 && frame.id == 6);
  CHECK (decoder.capacity <= 65536);
  decoder_free (&decoder);
  free (payload);
  free (data);
}

int
main (void)
{
  TEST (the_crc_is_that_of_zlib);
  TEST (a_frame_comes_out_however_it_is_cut);
  TEST (frames_follow_one_another);
  TEST (noise_before_a_frame_is_skipped);
  TEST (a_torn_frame_is_dropped_whole_and_the_next_is_found);
  TEST (a_length_beyond_the_bound_is_no_frame);
  TEST (a_large_frame_does_not_stay_in_memory);
  return 0;
}
