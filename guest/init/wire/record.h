/* Trees of files as a run of records (section Files of guest/protocol.md): their encoding, and their decoding from pieces of a
   stream. Pure: no I/O, so that fuzzers link it. */
#pragma once
#include "wire/fields.h"

/*     0        4        8                16
       +--------+--------+----------------+---------+----------+
       | magic  | length | size           | fields… | content… |
       +--------+--------+----------------+---------+----------+  little-endian */
#define RECORD_MAGIC 0x46464248u
#define RECORD_HEADER_BYTES 16u
#define RECORD_FIELDS_BYTES_MAX 1048576u

struct xattr_spec
{
  const char *name;
  struct bytes value;
};

struct file_record
{
  const char *path, *target;
  uint32_t mode, uid, gid;
  uint64_t mtime_ns; /* two's complement */
  uint64_t device;   /* major in the upper half, minor in the lower */
  struct list xattrs; /* struct xattr_spec */
  uint64_t size;      /* bytes of content */
};

/* Zeroed at first. */
struct record_decoder
{
  uint8_t header[RECORD_HEADER_BYTES];
  size_t have; /* bytes of the header, then of header and fields */
  uint8_t *fields;
  size_t capacity;
  struct arena arena;
  uint64_t content_left;
  struct file_record record; /* valid until the next one begins */
};

enum record_event
{
  RECORD_MORE,    /* all of the bytes were taken */
  RECORD_HEAD,    /* decoder->record is new */
  RECORD_CONTENT, /* `content` is the next of it; the last when content_left is 0 */
};

/* Takes bytes until there is something to tell. `*used`: how many were taken. Returns a record_event, -1 for what is no tree. */
int record_decode (struct record_decoder *decoder, struct bytes data, size_t *used, struct bytes *content,
                   struct error *err);
/* May the stream end here? */
bool record_decoder_idle (const struct record_decoder *decoder);
void record_decoder_free (struct record_decoder *decoder);

/* A relative path that stays below where it begins, "" included. */
bool record_path_valid (const char *path);
/* Writes the header in front of the fields that `writer` has from RECORD_HEADER_BYTES on. */
void record_finish (struct writer *writer, uint64_t size);
