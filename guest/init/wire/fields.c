#include "wire/fields.h"
#include "protocol.h"
#include <errno.h>

int
field_next (struct bytes *rest, struct field *field, struct error *err)
{
  if (rest->length == 0)
    return 0;
  if (rest->length < FIELD_HEADER_BYTES)
    return error_set (err, EINVAL, "a field is cut off after %zu bytes", rest->length);
  uint32_t length = load_u32 (rest->data + 4);
  if (load_u16 (rest->data + 2) != 0 || length > rest->length - FIELD_HEADER_BYTES)
    return error_set (err, EINVAL, "field %u claims %u bytes of %zu", load_u16 (rest->data), length,
                      rest->length - FIELD_HEADER_BYTES);
  *field = (struct field){ load_u16 (rest->data), { rest->data + FIELD_HEADER_BYTES, length } };
  rest->data += FIELD_HEADER_BYTES + length;
  rest->length -= FIELD_HEADER_BYTES + length;
  return 1;
}

static bool
is_list (uint8_t kind)
{
  return kind == RULE_TEXTS || kind == RULE_BLOBS || kind == RULE_RECORDS;
}

static size_t
item_size (const struct rule *rule)
{
  return rule->kind == RULE_TEXTS ? sizeof (char *)
         : rule->kind == RULE_BLOBS ? sizeof (struct bytes)
                                    : rule->record->size;
}

static const struct rule *
find_rule (const struct record *record, uint16_t tag)
{
  for (size_t i = 0; i < record->rule_count; i++)
    if (record->rules[i].tag == tag)
      return &record->rules[i];
  return NULL;
}

/* Counts each tag, so that lists are allocated once, and refuses what may not be there. */
static int
count_fields (const struct record *record, struct bytes data, uint32_t counts[RULES_MAX], struct error *err)
{
  struct field field;
  int more;
  while ((more = field_next (&data, &field, err)) > 0)
    {
      const struct rule *rule = find_rule (record, field.tag);
      if (!rule)
        return error_set (err, EINVAL, "%s has an unknown field %u", record->name, field.tag);
      uint32_t count = ++counts[rule - record->rules];
      if (count > (is_list (rule->kind) ? HB_LIST_ITEMS_MAX : 1))
        return error_set (err, EINVAL, "%s has field %u more than %u times", record->name, field.tag, count - 1);
    }
  if (more < 0)
    return -1;
  for (size_t i = 0; i < record->rule_count; i++)
    if (record->rules[i].required && counts[i] == 0)
      return error_set (err, EINVAL, "%s lacks field %u", record->name, record->rules[i].tag);
  return 0;
}

/* Every text points somewhere, and every list has its memory, before the values come. */
static int
prepare (const struct record *record, const uint32_t counts[RULES_MAX], struct arena *arena, char *out,
         struct error *err)
{
  memset (out, 0, record->size);
  for (size_t i = 0; i < record->rule_count; i++)
    {
      const struct rule *rule = &record->rules[i];
      if (rule->kind == RULE_TEXT)
        *(const char **) (out + rule->offset) = "";
      if (!is_list (rule->kind))
        continue;
      struct list *list = (struct list *) (out + rule->offset);
      size_t spare = rule->kind == RULE_TEXTS ? 2 : 0;
      if (counts[i] + spare == 0)
        continue;
      list->items = arena_alloc (arena, (counts[i] + spare) * item_size (rule));
      if (!list->items)
        return error_set (err, ENOMEM, "%s is too large", record->name);
    }
  return 0;
}

static int
parse_text (struct bytes value, uint16_t tag, struct arena *arena, const char **out, struct error *err)
{
  if (memchr (value.data, 0, value.length))
    return error_set (err, EINVAL, "field %u holds a NUL", tag);
  char *copy = arena_alloc (arena, value.length + 1);
  if (!copy)
    return error_set (err, ENOMEM, "field %u is too large", tag);
  memcpy (copy, value.data, value.length);
  *out = copy;
  return 0;
}

static int
parse_value (const struct rule *rule, struct bytes value, struct arena *arena, char *out, struct error *err)
{
  size_t width = rule->kind == RULE_U64 ? 8 : 4;
  if (rule->kind <= RULE_BOOL && value.length != width)
    return error_set (err, EINVAL, "field %u has %zu bytes, not %zu", rule->tag, value.length, width);
  struct list *list = (struct list *) out;
  char *item = is_list (rule->kind) ? (char *) list->items + list->count++ * item_size (rule) : NULL;
  switch ((enum rule_kind) rule->kind)
    {
    case RULE_U32:
      *(uint32_t *) out = load_u32 (value.data);
      return 0;
    case RULE_U64:
      *(uint64_t *) out = load_u64 (value.data);
      return 0;
    case RULE_BOOL:
      if (load_u32 (value.data) > 1)
        return error_set (err, EINVAL, "field %u is neither 0 nor 1", rule->tag);
      *(bool *) out = load_u32 (value.data);
      return 0;
    case RULE_TEXT:
      return parse_text (value, rule->tag, arena, (const char **) out, err);
    case RULE_BYTES:
      *(struct bytes *) out = value;
      return 0;
    case RULE_TEXTS:
      return parse_text (value, rule->tag, arena, (const char **) item, err);
    case RULE_BLOBS:
      *(struct bytes *) item = value;
      return 0;
    case RULE_RECORDS:
      return record_parse (rule->record, value, arena, item, err);
    }
  return error_set (err, EINVAL, "field %u has no kind", rule->tag);
}

int
record_parse (const struct record *record, struct bytes data, struct arena *arena, void *out, struct error *err)
{
  uint32_t counts[RULES_MAX] = { 0 };
  if (count_fields (record, data, counts, err) < 0 || prepare (record, counts, arena, out, err) < 0)
    return -1;
  struct field field;
  while (field_next (&data, &field, err) > 0)
    {
      const struct rule *rule = find_rule (record, field.tag);
      if (parse_value (rule, field.value, arena, (char *) out + rule->offset, err) < 0)
        return -1;
    }
  return 0;
}

void
put_bytes (struct writer *writer, uint16_t tag, const void *data, size_t length)
{
  if (writer->full || writer->capacity - writer->length < FIELD_HEADER_BYTES
      || writer->capacity - writer->length - FIELD_HEADER_BYTES < length)
    {
      writer->full = true;
      return;
    }
  uint8_t *to = writer->data + writer->length;
  store_u16 (to, tag);
  store_u16 (to + 2, 0);
  store_u32 (to + 4, (uint32_t) length);
  if (length)
    memcpy (to + FIELD_HEADER_BYTES, data, length);
  writer->length += FIELD_HEADER_BYTES + length;
}

void
put_text (struct writer *writer, uint16_t tag, const char *text)
{
  put_bytes (writer, tag, text, strlen (text));
}

void
put_u32 (struct writer *writer, uint16_t tag, uint32_t value)
{
  uint8_t bytes[4];
  store_u32 (bytes, value);
  put_bytes (writer, tag, bytes, sizeof bytes);
}

void
put_u64 (struct writer *writer, uint16_t tag, uint64_t value)
{
  uint8_t bytes[8];
  store_u64 (bytes, value);
  put_bytes (writer, tag, bytes, sizeof bytes);
}

size_t
put_begin (struct writer *writer, uint16_t tag)
{
  size_t begin = writer->length;
  put_bytes (writer, tag, NULL, 0);
  return begin;
}

void
put_end (struct writer *writer, size_t begin)
{
  if (writer->full)
    writer->length = begin;
  else
    store_u32 (writer->data + begin + 4, (uint32_t) (writer->length - begin - FIELD_HEADER_BYTES));
}
