/* Little-endian integers at any alignment, and a run of bytes that belongs to somebody else. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the wire is little-endian, and so must the guest be"
#endif

struct bytes
{
  const uint8_t *data;
  size_t length;
};

#define BYTES_ACCESS(type, name)                                                                                       \
  static inline type load_##name (const uint8_t *from)                                                                 \
  {                                                                                                                    \
    type value;                                                                                                        \
    memcpy (&value, from, sizeof value);                                                                               \
    return value;                                                                                                      \
  }                                                                                                                    \
  static inline void store_##name (uint8_t *to, type value) { memcpy (to, &value, sizeof value); }

BYTES_ACCESS (uint16_t, u16)
BYTES_ACCESS (uint32_t, u32)
BYTES_ACCESS (uint64_t, u64)
