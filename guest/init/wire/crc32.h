/* CRC-32 (IEEE), as zlib's `crc32`. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* `crc` is 0 to begin, or the result over the bytes before. */
uint32_t crc32_update (uint32_t crc, const uint8_t *data, size_t length);
