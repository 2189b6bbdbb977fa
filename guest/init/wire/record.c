#include "wire/record.h"
#include "protocol.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

/* What one record after the other may keep; a larger buffer is given back behind its record. */
#define KEPT_BYTES 65536u

#define RULE(type, member, kind, tag) { HB_TAG_##tag, RULE_##kind, false, offsetof (type, member), NULL }
#define NEED(type, member, kind, tag) { HB_TAG_##tag, RULE_##kind, true, offsetof (type, member), NULL }

static const struct rule xattr_rules[] = {
  NEED (struct xattr_spec, name, TEXT, NAME),
  NEED (struct xattr_spec, value, BYTES, VALUE),
};
static const struct record xattr_record = { "XATTR", sizeof (struct xattr_spec), xattr_rules, 2 };

static const struct rule file_rules[] = {
  NEED (struct file_record, path, TEXT, PATH),
  NEED (struct file_record, mode, U32, MODE),
  RULE (struct file_record, uid, U32, UID),
  RULE (struct file_record, gid, U32, GID),
  RULE (struct file_record, mtime_ns, U64, MTIME_NS),
  RULE (struct file_record, device, U64, DEVICE),
  RULE (struct file_record, target, TEXT, TARGET),
  { HB_TAG_XATTR, RULE_RECORDS, false, offsetof (struct file_record, xattrs), &xattr_record },
};
static const struct record file_record
  = { "the record", sizeof (struct file_record), file_rules, sizeof file_rules / sizeof file_rules[0] };

bool
record_path_valid (const char *path)
{
  if (strlen (path) >= PATH_MAX)
    return false;
  for (const char *at = path; *at;)
    {
      size_t length = strcspn (at, "/");
      bool dots = (length == 1 && at[0] == '.') || (length == 2 && at[0] == '.' && at[1] == '.');
      if (length == 0 || dots || (at[length] && !at[length + 1]))
        return false;
      at += length + (at[length] == '/');
    }
  return true;
}

static int
check (const struct file_record *record, struct error *err)
{
  bool regular = S_ISREG (record->mode), link = S_ISLNK (record->mode);
  if (!record_path_valid (record->path))
    return error_set (err, EINVAL, "%.160s is no path inside of a tree", record->path);
  if (record->size && (!regular || record->target[0]))
    return error_set (err, EINVAL, "%.160s is no file and has content", record->path);
  if (record->size > INT64_MAX)
    return error_set (err, EFBIG, "%.160s is larger than a file can be", record->path);
  if (link && (!record->target[0] || strlen (record->target) >= PATH_MAX))
    return error_set (err, EINVAL, "the symlink %.160s leads nowhere", record->path);
  if (regular && !record_path_valid (record->target))
    return error_set (err, EINVAL, "%.100s is a link to %.100s, which is no path inside of the tree", record->path,
                      record->target);
  return 0;
}

static int
parse_header (struct record_decoder *decoder, struct error *err)
{
  uint32_t length = load_u32 (decoder->header + 4);
  if (load_u32 (decoder->header) != RECORD_MAGIC || length > RECORD_FIELDS_BYTES_MAX)
    return error_set (err, EINVAL, "this is no tree of files");
  if (length > decoder->capacity || (decoder->capacity > KEPT_BYTES && length <= KEPT_BYTES))
    {
      free (decoder->fields);
      decoder->capacity = length > KEPT_BYTES ? length : KEPT_BYTES;
      decoder->fields = malloc (decoder->capacity);
      if (!decoder->fields)
        {
          decoder->capacity = 0;
          return error_set (err, ENOMEM, "no memory for a record of %u bytes", length);
        }
    }
  return 0;
}

static int
parse_fields (struct record_decoder *decoder, struct error *err)
{
  arena_free (&decoder->arena);
  struct bytes fields = { decoder->fields, load_u32 (decoder->header + 4) };
  if (record_parse (&file_record, fields, &decoder->arena, &decoder->record, err) < 0)
    return -1;
  decoder->record.size = load_u64 (decoder->header + 8);
  decoder->content_left = decoder->record.size;
  decoder->have = 0;
  return check (&decoder->record, err);
}

/* Copies what is missing of `whole` bytes; true when they are there. */
static bool
collect (struct record_decoder *decoder, uint8_t *to, size_t at, size_t whole, struct bytes *data)
{
  size_t take = whole - at < data->length ? whole - at : data->length;
  if (take)
    memcpy (to + at, data->data, take);
  decoder->have += take;
  data->data += take;
  data->length -= take;
  return at + take == whole;
}

int
record_decode (struct record_decoder *decoder, struct bytes data, size_t *used, struct bytes *content, struct error *err)
{
  size_t all = data.length;
  *used = 0;
  if (decoder->content_left)
    {
      *content = (struct bytes){ data.data, data.length };
      if (content->length > decoder->content_left)
        content->length = (size_t) decoder->content_left;
      decoder->content_left -= content->length;
      *used = content->length;
      return content->length ? RECORD_CONTENT : RECORD_MORE;
    }
  if (decoder->have < RECORD_HEADER_BYTES)
    {
      bool whole = collect (decoder, decoder->header, decoder->have, RECORD_HEADER_BYTES, &data);
      *used = all - data.length;
      if (!whole)
        return RECORD_MORE;
      if (parse_header (decoder, err) < 0)
        return -1;
    }
  bool whole = collect (decoder, decoder->fields, decoder->have - RECORD_HEADER_BYTES,
                        load_u32 (decoder->header + 4), &data);
  *used = all - data.length;
  if (!whole)
    return RECORD_MORE;
  return parse_fields (decoder, err) < 0 ? -1 : RECORD_HEAD;
}

bool
record_decoder_idle (const struct record_decoder *decoder)
{
  return decoder->have == 0 && decoder->content_left == 0;
}

void
record_decoder_free (struct record_decoder *decoder)
{
  free (decoder->fields);
  arena_free (&decoder->arena);
  *decoder = (struct record_decoder){ 0 };
}

void
record_finish (struct writer *writer, uint64_t size)
{
  store_u32 (writer->data, RECORD_MAGIC);
  store_u32 (writer->data + 4, (uint32_t) (writer->length - RECORD_HEADER_BYTES));
  store_u64 (writer->data + 8, size);
}
