/*
 * journal.c - reads and writes the journal beside a part.
 */
#include "image/journal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the file ---- */

void ik_file_journal_remove(struct ik_file_journal *journal) {
  if (journal->os && ik_osfile_is_at(journal->os, journal->path)) ik_path_remove(journal->path);
}

void ik_file_journal_free(struct ik_file_journal *journal) {
  ik_osfile_close(journal->os);
  free(journal->records);
  free(journal->path);
}

void ik_file_journal_reset(struct ik_file_journal *journal) {
  uint8_t header[IK_JOURNAL_HEADER];
  journal->count = 0;
  if (!journal->os) return;
  journal->header_crc = ik_journal_put_header(&journal->key, header);
  if (ik_osfile_truncate(journal->os, 0, NULL) == 0 &&
      ik_osfile_write(journal->os, 0, header, sizeof header, NULL) == 0) {
    return;
  }
  ik_file_journal_remove(journal);
  ik_osfile_close(journal->os);
  journal->os = NULL;
}

static int read_records(struct ik_file_journal *journal) {
  uint8_t *bytes = malloc(IK_JOURNAL_MAX);
  journal->records = calloc(IK_JOURNAL_RECORDS_MAX, sizeof *journal->records);
  if (!bytes || !journal->records) {
    free(bytes);
    return IK_ENO_MEMORY;
  }
  int64_t len = ik_osfile_read(journal->os, 0, bytes, IK_JOURNAL_MAX, NULL);
  ptrdiff_t count = ik_journal_read(&journal->key, bytes, len > 0 ? (size_t)len : 0,
                                    &journal->header_crc, journal->records);
  free(bytes);
  journal->count = count > 0 ? (size_t)count : 0;
  if (count <= 0) ik_file_journal_reset(journal);
  return 0;
}

int ik_file_journal_open(struct ik_file_journal *journal, bool given, char *detail) {
  int rc = ik_osfile_open_own(journal->path, IK_OSFILE_CREATE, &journal->os, detail);
  if (rc == 0) return read_records(journal);
  if (given || rc == IK_EFILE_LOCKED || rc == IK_ENO_MEMORY) return rc;
  /* No room for it, a name that is too long, or somebody else's: then the image is not resumed. */
  return 0;
}

/* ---- records ---- */

uint64_t ik_file_journal_offset(const struct ik_file_journal *journal) {
  return journal->count > 0 ? journal->records[journal->count - 1].offset : 0;
}

uint64_t ik_file_journal_due(const struct ik_file_journal *journal) {
  uint64_t size = journal->key.size;
  uint64_t due = ik_file_journal_offset(journal) + ik_journal_distance(size);
  return due < size ? due : size;
}

/* Where the next record goes: over the last one when both are nearer than one distance. */
static size_t place_of(const struct ik_file_journal *journal, uint64_t offset) {
  size_t count = journal->count;
  if (count == 0) return 0;
  uint64_t before = count > 1 ? journal->records[count - 2].offset : 0;
  return offset - before < ik_journal_distance(journal->key.size) ? count - 1 : count;
}

void ik_file_journal_add(struct ik_file_journal *journal, uint64_t offset, const uint8_t *digest,
                         size_t len) {
  struct ik_journal_record record = {.offset = offset};
  uint8_t bytes[IK_JOURNAL_RECORD];
  if (!journal->os || offset <= ik_file_journal_offset(journal) || offset > journal->key.size)
    return;
  memcpy(record.digest, digest, len);
  size_t place = place_of(journal, offset);
  if (place >= IK_JOURNAL_RECORDS_MAX) return;
  uint32_t crc = place > 0 ? journal->records[place - 1].crc : journal->header_crc;
  ik_journal_put_record(crc, &record, bytes);
  uint64_t at = IK_JOURNAL_HEADER + place * IK_JOURNAL_RECORD;
  if (ik_osfile_write(journal->os, at, bytes, sizeof bytes, NULL) != 0) return;
  journal->records[place] = record;
  journal->count = place + 1;
  ik_osfile_start_writeback(journal->os, 0, IK_JOURNAL_MAX);
}

void ik_file_journal_trim(struct ik_file_journal *journal, size_t count) {
  if (count < journal->count) journal->count = count;
}
