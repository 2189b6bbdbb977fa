/* Fields: a run of `tag u16, zero u16, length u32, bytes`; a nested record is a field whose bytes are fields. */
#pragma once
#include "lib/arena.h"
#include "lib/error.h"
#include "wire/bytes.h"
#include <stdbool.h>

#define FIELD_HEADER_BYTES 8u

struct field
{
  uint16_t tag;
  struct bytes value;
};

/* Takes the next field off `rest`. Returns 1, 0 at the end, -1 when the bytes are no field. */
int field_next (struct bytes *rest, struct field *field, struct error *err);

/* How a record's fields become a struct. Offsets are into the struct; what is absent stays zero, a text "". */
enum rule_kind
{
  RULE_U32,   /* uint32_t */
  RULE_U64,   /* uint64_t */
  RULE_BOOL,  /* bool */
  RULE_TEXT,  /* const char *, a copy in the arena */
  RULE_BYTES, /* struct bytes, into the payload: gone when the request is done */
  RULE_TEXTS, /* struct list of const char *, and one NULL and room for another behind the last */
  RULE_BLOBS, /* struct list of struct bytes */
  RULE_RECORDS, /* struct list of what `record` says */
};

struct list
{
  void *items;
  size_t count;
};

struct rule
{
  uint16_t tag;
  uint8_t kind;
  bool required;
  uint16_t offset;
  const struct record *record;
};

struct record
{
  const char *name; /* for messages */
  size_t size;      /* of the struct */
  const struct rule *rules;
  size_t rule_count; /* at most RULES_MAX */
};

#define RULES_MAX 32

/* Fills `out` (zeroed by this). Unknown tags, a scalar given twice and what is out of bounds are EINVAL. */
int record_parse (const struct record *record, struct bytes data, struct arena *arena, void *out, struct error *err);

/* Writes fields into a fixed buffer. What does not fit whole sets `full` and is left out. */
struct writer
{
  uint8_t *data;
  size_t length, capacity;
  bool full;
};

void put_bytes (struct writer *writer, uint16_t tag, const void *data, size_t length);
void put_text (struct writer *writer, uint16_t tag, const char *text);
void put_u32 (struct writer *writer, uint16_t tag, uint32_t value);
void put_u64 (struct writer *writer, uint16_t tag, uint64_t value);
/* What is put between the two is inside the field. When something of it did not fit, none of it stays. */
size_t put_begin (struct writer *writer, uint16_t tag);
void put_end (struct writer *writer, size_t begin);
