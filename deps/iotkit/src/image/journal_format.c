/*
 * journal_format.c - the journal's bytes. No state.
 */
#include "image/journal_format.h"

#include <string.h>

#include "base/codec.h"
#include "base/limits.h"

#define MAGIC "IKJRNL\r\n"
#define VERSION 1
#define DISTANCE_MIN (64 * IK_KIB)
#define DISTANCES 256

enum { AT_VERSION = 8, AT_METHOD = 9, AT_SIZE = 12, AT_BASE = 20, AT_DIGEST = 28, AT_CRC = 60 };
enum { RECORD_DIGEST = 8, RECORD_CRC = 40 };

bool ik_journal_key_valid(const struct ik_journal_key *key) {
  return (key->method == IOTKIT_DIGEST_MD5 || key->method == IOTKIT_DIGEST_SHA256) &&
         key->size > 0 && key->size <= IK_IMAGE_MAX;
}

uint64_t ik_journal_distance(uint64_t size) {
  return size / DISTANCES > DISTANCE_MIN ? size / DISTANCES : DISTANCE_MIN;
}

uint32_t ik_journal_put_header(const struct ik_journal_key *key, uint8_t out[IK_JOURNAL_HEADER]) {
  memset(out, 0, IK_JOURNAL_HEADER);
  memcpy(out, MAGIC, sizeof(MAGIC) - 1);
  out[AT_VERSION] = VERSION;
  out[AT_METHOD] = (uint8_t)key->method;
  ik_put_be(out + AT_SIZE, key->size, 8);
  ik_put_be(out + AT_BASE, key->base, 8);
  memcpy(out + AT_DIGEST, key->digest, IOTKIT_DIGEST_MAX);
  uint32_t crc = ik_crc32(0, out, AT_CRC);
  ik_put_be(out + AT_CRC, crc, 4);
  return crc;
}

void ik_journal_put_record(uint32_t crc, struct ik_journal_record *record,
                           uint8_t out[IK_JOURNAL_RECORD]) {
  ik_put_be(out, record->offset, 8);
  memcpy(out + RECORD_DIGEST, record->digest, IOTKIT_DIGEST_MAX);
  record->crc = ik_crc32(crc, out, RECORD_CRC);
  ik_put_be(out + RECORD_CRC, record->crc, 4);
}

static bool read_record(uint32_t crc, const uint8_t *from, struct ik_journal_record *out) {
  out->offset = ik_get_be(from, 8);
  memcpy(out->digest, from + RECORD_DIGEST, IOTKIT_DIGEST_MAX);
  out->crc = ik_crc32(crc, from, RECORD_CRC);
  return out->crc == ik_get_be(from + RECORD_CRC, 4);
}

ptrdiff_t ik_journal_read(const struct ik_journal_key *key, const uint8_t *data, size_t len,
                          uint32_t *crc, struct ik_journal_record records[IK_JOURNAL_RECORDS_MAX]) {
  uint8_t header[IK_JOURNAL_HEADER];
  size_t count = 0;
  uint64_t last = 0;
  uint32_t before = ik_journal_put_header(key, header);
  *crc = before;
  if (len < sizeof(header) || memcmp(data, header, sizeof(header)) != 0) return -1;
  for (size_t at = sizeof(header); count < IK_JOURNAL_RECORDS_MAX; at += IK_JOURNAL_RECORD) {
    if (len - at < IK_JOURNAL_RECORD || !read_record(before, data + at, &records[count])) break;
    if (records[count].offset <= last || records[count].offset > key->size) break;
    last = records[count].offset;
    before = records[count++].crc;
  }
  return (ptrdiff_t)count;
}
