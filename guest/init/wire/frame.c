#include "wire/frame.h"
#include "wire/bytes.h"
#include "wire/crc32.h"
#include <stdlib.h>

/* A payload buffer up to this size is kept from frame to frame. */
#define KEPT_BYTES 65536u

#define MAGIC_FIRST_BYTE (HB_FRAME_MAGIC & 0xff)

/* Can the `have` first bytes of the header be a header's? */
static bool
header_plausible (const uint8_t *header, size_t have)
{
  uint8_t magic[4];
  store_u32 (magic, HB_FRAME_MAGIC);
  if (memcmp (header, magic, have < 4 ? have : 4) != 0)
    return false;
  if (have < HB_FRAME_HEADER_BYTES)
    return true;
  return load_u16 (header + 6) == 0 && load_u32 (header + 12) <= HB_FRAME_TO_GUEST_BYTES_MAX;
}

/* Gives up the first byte of the header and goes on with the rest, as far as it can be a header. */
static void
header_slide (struct decoder *decoder)
{
  do
    {
      const uint8_t *next = decoder->have > 1
                              ? memchr (decoder->header + 1, MAGIC_FIRST_BYTE, decoder->have - 1)
                              : NULL;
      size_t skip = next ? (size_t) (next - decoder->header) : decoder->have;
      decoder->have -= skip;
      memmove (decoder->header, decoder->header + skip, decoder->have);
    }
  while (decoder->have && !header_plausible (decoder->header, decoder->have));
}

/* Returns how many bytes were taken; the header is complete when `have` is its size. */
static size_t
header_take (struct decoder *decoder, const uint8_t *data, size_t length)
{
  size_t used = 0;
  while (used < length && decoder->have < HB_FRAME_HEADER_BYTES)
    {
      if (decoder->have == 0)
        {
          const uint8_t *first = memchr (data + used, MAGIC_FIRST_BYTE, length - used);
          if (!first)
            return length;
          used = (size_t) (first - data);
        }
      size_t take = HB_FRAME_HEADER_BYTES - decoder->have;
      take = take < length - used ? take : length - used;
      memcpy (decoder->header + decoder->have, data + used, take);
      decoder->have += take;
      used += take;
      if (!header_plausible (decoder->header, decoder->have))
        header_slide (decoder);
    }
  return used;
}

static int
payload_reserve (struct decoder *decoder, size_t size)
{
  if (decoder->capacity >= size && (decoder->capacity <= KEPT_BYTES || size > KEPT_BYTES))
    return 0;
  size_t capacity = size > KEPT_BYTES ? size : KEPT_BYTES;
  free (decoder->payload);
  decoder->payload = malloc (capacity);
  decoder->capacity = decoder->payload ? capacity : 0;
  return decoder->payload ? 0 : -1;
}

static bool
crc_fits (const struct decoder *decoder, size_t length)
{
  uint32_t crc = crc32_update (0, decoder->header, 16);
  return crc32_update (crc, decoder->payload, length) == load_u32 (decoder->header + 16);
}

int
frame_decode (struct decoder *decoder, const uint8_t *data, size_t length, size_t *used, struct frame *frame)
{
  *used = 0;
  if (decoder->ready)
    {
      decoder->ready = false;
      decoder->have = 0;
    }
  for (;;)
    {
      *used += header_take (decoder, data + *used, length - *used);
      if (decoder->have < HB_FRAME_HEADER_BYTES)
        return 0;
      size_t size = load_u32 (decoder->header + 12);
      if (decoder->have == HB_FRAME_HEADER_BYTES && payload_reserve (decoder, size) < 0)
        {
          decoder->have = 0;
          return -1;
        }
      size_t at = decoder->have - HB_FRAME_HEADER_BYTES;
      size_t take = size - at < length - *used ? size - at : length - *used;
      if (take)
        memcpy (decoder->payload + at, data + *used, take);
      decoder->have += take;
      *used += take;
      if (at + take < size)
        return 0;
      if (crc_fits (decoder, size))
        break;
      /* Dropped whole: what a process was to read could hold something that looks like a frame. */
      decoder->have = 0;
    }
  decoder->ready = true;
  *frame = (struct frame){ .type = decoder->header[4],
                           .flags = decoder->header[5],
                           .id = load_u32 (decoder->header + 8),
                           .payload = decoder->payload,
                           .length = load_u32 (decoder->header + 12) };
  return 1;
}

void
decoder_free (struct decoder *decoder)
{
  free (decoder->payload);
  *decoder = (struct decoder){ 0 };
}

void
frame_header (uint8_t *to, uint8_t type, uint8_t flags, uint32_t id, size_t length)
{
  store_u32 (to, HB_FRAME_MAGIC);
  to[4] = type;
  to[5] = flags;
  store_u16 (to + 6, 0);
  store_u32 (to + 8, id);
  store_u32 (to + 12, (uint32_t) length);
  store_u32 (to + 16, crc32_update (0, to, 16));
}
