/*
 * resume.c - where a part on disk and a job meet: the job digests the part, and the part notes how
 * far the job has digested.
 *
 * A part is trusted up to the last checkpoint whose digest its own bytes have. The job reads them
 * all, because its digest continues from there.
 */
#include <stdlib.h>

#include "base/codec.h"
#include "base/limits.h"
#include "image/file.h"
#include "iotkit_file.h"

#define READ_BYTES IK_MIB

/* ---- checkpoints ---- */

static void add_checkpoint(iotkit_file_t *file, iotkit_job_t *job) {
  uint8_t digest[IOTKIT_DIGEST_MAX];
  uint64_t offset = 0;
  int len = iotkit_job_digest_so_far(job, &offset, digest);
  if (len > 0) ik_file_checkpoint(file, offset, digest, (size_t)len);
}

void iotkit_file_checkpoint(iotkit_file_t *file, iotkit_job_t *job) {
  if (!file || !job) return;
  /* Asking for the digest so far costs a digest; how much has come costs nothing. */
  if (ik_file_checkpoint_due(file, iotkit_job_received(job))) add_checkpoint(file, job);
}

void iotkit_file_keep(iotkit_file_t *file, iotkit_job_t *job) {
  if (!file) return;
  if (file->journal.os && job) add_checkpoint(file, job);
  ik_file_release(file);
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
    int64_t n = ik_file_read(proof->file, proof->at, proof->block, len);
    if (n != (int64_t)len || iotkit_job_digest(proof->job, proof->at, proof->block, len) != 0)
      return false;
    proof->at += len;
  }
  return true;
}

/* Whether the bytes of the part have the record's digest. */
static bool matches(struct proof *proof, const struct ik_journal_record *record) {
  uint8_t digest[IOTKIT_DIGEST_MAX];
  uint64_t offset = 0;
  if (!feed(proof, record->offset)) return false;
  int len = iotkit_job_digest_so_far(proof->job, &offset, digest);
  return len > 0 && offset == record->offset && ik_equal_ct(digest, record->digest, (size_t)len);
}

/*
 * How many of the first `count` records match. If all of them do, the job has digested just the
 * bytes up to the last one.
 */
static size_t prove(struct proof *proof, size_t count) {
  size_t good = 0;
  proof->at = 0;
  while (good < count && matches(proof, &proof->file->journal.records[good]))
    good++;
  return good;
}

static int64_t resume(struct proof *proof, char *detail) {
  struct iotkit_file *file = proof->file;
  size_t count = file->journal.count;
  size_t good = prove(proof, count);
  /*
   * After the last record that matches the job has digested bytes that do not: it digests once
   * more, up to that record.
   */
  if (good < count && good > 0 && !is_aborted(proof->job) && prove(proof, good) < good) good = 0;
  if (is_aborted(proof->job)) return iotkit_job_error(proof->job, detail);
  ik_file_journal_trim(&file->journal, good);
  uint64_t offset = ik_file_journal_offset(&file->journal);
  int rc = good == 0 ? iotkit_file_rewind(file, detail) : 0;
  if (rc == 0) rc = iotkit_job_resume(proof->job, offset);
  if (rc != 0) return rc;
  ik_file_continue_at(file, offset);
  return (int64_t)offset;
}

int64_t iotkit_file_resume(iotkit_file_t *file, iotkit_job_t *job, char *detail) {
  if (!file || !job) return IK_EINVALID_ARGUMENT;
  enum iotkit_job_state state = iotkit_job_get_state(job);
  if (state == IOTKIT_JOB_FAILED) return iotkit_job_error(job, detail);
  /* The digest of a job that was fetched must not begin again. */
  if (state != IOTKIT_JOB_READY)
    return ik_refuse(detail, IK_EINVALID_STATE, "the job is fetched already");
  if (!ik_file_has_proof(file)) return iotkit_job_resume(job, 0);
  struct proof proof = {.file = file, .job = job, .block = malloc(READ_BYTES)};
  if (!proof.block) return IK_ENO_MEMORY;
  int64_t result = resume(&proof, detail);
  free(proof.block);
  return result;
}
