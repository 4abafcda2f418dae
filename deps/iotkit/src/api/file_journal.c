/*
 * file_journal.c - what is kept of a download for the next run, and the proof of it.
 *
 * The journal only says where to look: a part is trusted as far as its own bytes have the digest
 * that the journal says, so neither needs a sync and no damage to either can make a wrong image.
 * The journal's handle, records and their number belong to the thread that digests.
 */
#include <stdlib.h>
#include <string.h>

#include "api/file.h"
#include "base/codec.h"
#include "base/limits.h"

#define READ_BYTES IK_MIB

/* ---- the journal's file ---- */

void ik_file_journal_reset(struct iotkit_file *file) {
  uint8_t header[IK_JOURNAL_HEADER];
  file->record_count = 0;
  if (!file->journal) return;
  file->header_crc = ik_journal_put_header(&file->key, header);
  if (ik_osfile_truncate(file->journal, 0, NULL) == 0 &&
      ik_osfile_write(file->journal, 0, header, sizeof header, NULL) == 0) {
    return;
  }
  if (ik_osfile_is_at(file->journal, file->journal_path)) ik_path_remove(file->journal_path);
  ik_osfile_close(file->journal);
  file->journal = NULL;
}

static int read_journal(struct iotkit_file *file) {
  uint8_t *bytes = malloc(IK_JOURNAL_MAX);
  file->records = calloc(IK_JOURNAL_RECORDS_MAX, sizeof *file->records);
  if (!bytes || !file->records) {
    free(bytes);
    return IK_ENO_MEMORY;
  }
  int64_t len = ik_osfile_read(file->journal, 0, bytes, IK_JOURNAL_MAX, NULL);
  ptrdiff_t count = ik_journal_read(&file->key, bytes, len > 0 ? (size_t)len : 0, &file->header_crc,
                                    file->records);
  free(bytes);
  file->record_count = count > 0 ? (size_t)count : 0;
  if (count <= 0) ik_file_journal_reset(file);
  return 0;
}

int ik_file_journal_open(struct iotkit_file *file, bool given, char *detail) {
  int flags = IK_OSFILE_READ | IK_OSFILE_WRITE | IK_OSFILE_CREATE | IK_OSFILE_LOCK;
  int rc = ik_osfile_open(file->journal_path, flags, 0600, &file->journal, detail);
  if (rc == 0) return read_journal(file);
  /* No room for it, or the longer name is too long: then the image is not resumed, that is all. */
  return !given && (rc == IK_ENO_SPACE || rc == IK_EINVALID_ARGUMENT) ? 0 : rc;
}

/* ---- checkpoints ---- */

static uint64_t last_offset(const struct iotkit_file *file) {
  return file->record_count > 0 ? file->records[file->record_count - 1].offset : 0;
}

/* Where the next record goes: over the last one when both are nearer than one distance. */
static size_t place_of(const struct iotkit_file *file, uint64_t offset) {
  size_t count = file->record_count;
  if (count == 0) return 0;
  uint64_t before = count > 1 ? file->records[count - 2].offset : 0;
  return offset - before < ik_journal_distance(file->size) ? count - 1 : count;
}

void ik_file_journal_add(struct iotkit_file *file, iotkit_job_t *job) {
  struct ik_journal_record record = {0};
  uint8_t bytes[IK_JOURNAL_RECORD];
  int len = iotkit_job_digest_so_far(job, &record.offset, record.digest);
  /* Digested but not yet written: with the next block. */
  if (len <= 0 || record.offset > atomic_load(&file->end)) return;
  if (record.offset <= last_offset(file) || record.offset > file->size) return;
  memset(record.digest + len, 0, sizeof record.digest - (size_t)len);
  size_t place = place_of(file, record.offset);
  if (place >= IK_JOURNAL_RECORDS_MAX) return;
  uint32_t crc = place > 0 ? file->records[place - 1].crc : file->header_crc;
  ik_journal_put_record(crc, &record, bytes);
  uint64_t at = IK_JOURNAL_HEADER + place * IK_JOURNAL_RECORD;
  if (ik_osfile_write(file->journal, at, bytes, sizeof bytes, NULL) != 0) return;
  file->records[place] = record;
  file->record_count = place + 1;
  ik_osfile_start_writeback(file->journal, 0, IK_JOURNAL_MAX);
}

void iotkit_file_checkpoint(iotkit_file_t *file, iotkit_job_t *job) {
  if (!file || !job || !file->journal) return;
  uint64_t due = last_offset(file) + ik_journal_distance(file->size);
  if (due > file->size) due = file->size;
  /* Asking how far the digest is costs a digest; how much has come costs nothing. */
  if (iotkit_job_received(job) >= due && atomic_load(&file->end) >= due)
    ik_file_journal_add(file, job);
}

/* ---- proof ---- */

struct proof {
  struct iotkit_file *file;
  iotkit_job_t *job;
  uint8_t *block; /* READ_BYTES */
  uint64_t at;    /* bytes given to the job */
};

static bool is_aborted(const iotkit_job_t *job) {
  return iotkit_job_get_state(job) == IOTKIT_JOB_FAILED;
}

/* Gives the job the bytes up to `to`. False: they cannot be read, or the job was aborted. */
static bool feed(struct proof *proof, uint64_t to) {
  while (proof->at < to) {
    uint64_t left = to - proof->at;
    size_t len = left < READ_BYTES ? (size_t)left : READ_BYTES;
    if (is_aborted(proof->job)) return false;
    int64_t n =
        ik_osfile_read(proof->file->os, proof->file->base + proof->at, proof->block, len, NULL);
    if (n != (int64_t)len || iotkit_job_digest(proof->job, proof->at, proof->block, len) != 0)
      return false;
    proof->at += len;
  }
  return true;
}

static bool fits(struct proof *proof, const struct ik_journal_record *record) {
  uint8_t digest[IOTKIT_DIGEST_MAX];
  uint64_t offset = 0;
  if (!feed(proof, record->offset)) return false;
  int len = iotkit_job_digest_so_far(proof->job, &offset, digest);
  return len > 0 && offset == record->offset && ik_equal_ct(digest, record->digest, (size_t)len);
}

/*
 * How many of the first `count` records fit. The job has digested just those bytes then if it is all
 * of them.
 */
static size_t prove(struct proof *proof, size_t count) {
  size_t good = 0;
  proof->at = 0;
  while (good < count && fits(proof, &proof->file->records[good]))
    good++;
  return good;
}

static int64_t resume(struct proof *proof, char *detail) {
  struct iotkit_file *file = proof->file;
  size_t count = file->record_count;
  size_t good = prove(proof, count);
  /* Behind the last that fits the job has digested what does not: once more, up to there. */
  if (good < count && good > 0 && !is_aborted(proof->job) && prove(proof, good) < good) good = 0;
  if (is_aborted(proof->job)) return iotkit_job_error(proof->job, detail);
  file->record_count = good;
  uint64_t offset = last_offset(file);
  int rc = good == 0 ? iotkit_file_rewind(file, detail) : 0;
  if (rc == 0) rc = iotkit_job_resume(proof->job, offset);
  if (rc != 0) return rc;
  atomic_store(&file->end, offset);
  file->flushing = offset;
  return (int64_t)offset;
}

int64_t iotkit_file_resume(iotkit_file_t *file, iotkit_job_t *job, char *detail) {
  if (!file || !job) return IK_EINVALID_ARGUMENT;
  enum iotkit_job_state state = iotkit_job_get_state(job);
  if (state == IOTKIT_JOB_FAILED) return iotkit_job_error(job, detail);
  if (state != IOTKIT_JOB_READY) {
    ik_detail(detail, "the job is fetched already"); /* its digest must not begin again */
    return IK_EINVALID_STATE;
  }
  if (!file->journal || file->record_count == 0) return iotkit_job_resume(job, 0);
  struct proof proof = {.file = file, .job = job, .block = malloc(READ_BYTES)};
  if (!proof.block) return IK_ENO_MEMORY;
  int64_t result = resume(&proof, detail);
  free(proof.block);
  return result;
}

static int digest_of(struct ik_osfile *os, uint64_t base, uint64_t size, struct ik_digest *state,
                     uint8_t *block) {
  for (uint64_t at = 0; at < size;) {
    size_t len = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;
    int64_t n = ik_osfile_read(os, base + at, block, len, NULL);
    if (n != (int64_t)len) return n < 0 ? (int)n : IK_EFILE;
    int rc = ik_digest_update(state, block, len);
    if (rc != 0) return rc;
    at += len;
  }
  return 0;
}

int ik_file_has_digest(struct ik_osfile *os, uint64_t base, uint64_t size,
                       enum iotkit_digest_method method, const uint8_t *digest) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  struct ik_digest *state = NULL;
  uint8_t *block = malloc(READ_BYTES);
  int rc = block ? ik_digest_new(method, &state) : IK_ENO_MEMORY;
  if (rc == 0) rc = digest_of(os, base, size, state, block);
  if (rc == 0) rc = ik_digest_value(state, value);
  if (rc > 0) rc = ik_equal_ct(value, digest, (size_t)rc);
  ik_digest_free(state);
  free(block);
  return rc;
}
