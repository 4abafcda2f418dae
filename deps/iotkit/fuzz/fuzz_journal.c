/*
 * Journals and commit notes: whatever stands in a file, what is read of it is well-formed, and what
 * is written again is what was read.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "image/commit_note.h"
#include "image/journal_format.h"
#include "iotkit_errors.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The key that the input itself claims, so that its records are read. */
static struct ik_journal_key claimed_key(const uint8_t *data, size_t size) {
  struct ik_journal_key key = {.method = IOTKIT_DIGEST_SHA256, .size = 1 << 20};
  if (size < IK_JOURNAL_HEADER) return key;
  if (data[9] == IOTKIT_DIGEST_MD5) key.method = IOTKIT_DIGEST_MD5;
  key.size = key.base = 0;
  for (size_t i = 0; i < 8; i++)
    key.size = key.size << 8 | data[12 + i];
  for (size_t i = 0; i < 8; i++)
    key.base = key.base << 8 | data[20 + i];
  memcpy(key.digest, data + 28, sizeof(key.digest));
  return key;
}

/* As it is, and with a right header and right CRCs, which a fuzzer does not find by itself. */
static void read_journal(uint8_t *data, size_t size, bool mended) {
  static struct ik_journal_record records[IK_JOURNAL_RECORDS_MAX];
  uint8_t again[IK_JOURNAL_RECORD];
  uint32_t crc;
  struct ik_journal_key key = claimed_key(data, size);
  if (mended && size >= IK_JOURNAL_HEADER) {
    uint32_t before = ik_journal_put_header(&key, data);
    struct ik_journal_record record;
    for (size_t at = IK_JOURNAL_HEADER; size - at >= IK_JOURNAL_RECORD; at += IK_JOURNAL_RECORD) {
      record.offset = 0;
      for (size_t i = 0; i < 8; i++)
        record.offset = record.offset << 8 | data[at + i];
      memcpy(record.digest, data + at + 8, sizeof(record.digest));
      ik_journal_put_record(before, &record, data + at);
      before = record.crc;
    }
  }
  ptrdiff_t count = ik_journal_read(&key, data, size, &crc, records);
  CHECK(count >= -1 && count <= (ptrdiff_t)IK_JOURNAL_RECORDS_MAX);
  CHECK(!mended || size < IK_JOURNAL_HEADER || count >= 0);
  for (ptrdiff_t i = 0; i < count; i++) {
    CHECK(records[i].offset > (i > 0 ? records[i - 1].offset : 0));
    CHECK(records[i].offset <= key.size);
    ik_journal_put_record(i > 0 ? records[i - 1].crc : crc, &records[i], again);
    CHECK(memcmp(again, data + IK_JOURNAL_HEADER + (size_t)i * IK_JOURNAL_RECORD, sizeof(again)) ==
          0);
  }
}

static void read_note(const uint8_t *data, size_t size) {
  static struct ik_commit_file files[IOTKIT_FILES_MAX];
  struct ik_buf again;
  ptrdiff_t count = ik_commit_note_read(data, size, files);
  if (count < 0) return;
  CHECK(count > 0 && count <= IOTKIT_FILES_MAX);
  ik_buf_init(&again, IK_COMMIT_NOTE_MAX);
  CHECK(ik_commit_note_put(files, (size_t)count, &again) == 0);
  CHECK(ik_buf_size(&again) == size && memcmp(ik_buf_ptr(&again), data, size) == 0);
  for (ptrdiff_t i = 0; i < count; i++)
    CHECK(ik_commit_name_valid(ik_str(files[i].name)));
  ik_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t *copy = malloc(size + 1);
  CHECK(copy != NULL);
  if (size > 0) memcpy(copy, data, size);
  read_note(copy, size);
  read_journal(copy, size, false);
  read_journal(copy, size, true);
  free(copy);
  return 0;
}
