#include "wire/crc32.h"
#include "wire/bytes.h"

/* Eight bytes a step: standard input of a process passes here, under emulation too. */
#define SLICES 8

static uint32_t table[SLICES][256];

static void
fill_table (void)
{
  for (uint32_t i = 0; i < 256; i++)
    {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; bit++)
        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
      table[0][i] = crc;
    }
  for (uint32_t i = 0; i < 256; i++)
    for (int slice = 1; slice < SLICES; slice++)
      table[slice][i] = table[slice - 1][i] >> 8 ^ table[0][table[slice - 1][i] & 0xff];
}

uint32_t
crc32_update (uint32_t crc, const uint8_t *data, size_t length)
{
  if (!table[0][1])
    fill_table ();
  crc = ~crc;
  for (; length >= 8; data += 8, length -= 8)
    {
      uint64_t word = load_u64 (data) ^ crc;
      crc = 0;
      for (int byte = 0; byte < 8; byte++)
        crc ^= table[7 - byte][word >> (8 * byte) & 0xff];
    }
  for (; length; data++, length--)
    crc = crc >> 8 ^ table[0][(crc ^ *data) & 0xff];
  return ~crc;
}
