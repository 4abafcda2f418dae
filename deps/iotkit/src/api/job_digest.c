/*
 * job_digest.c - the digest of a job's image: of bytes handed out, or of those there before.
 *
 * The state is under the job's mutex, because with external_digest another thread than the fetching
 * one feeds it.
 */
#include "api/job.h"
#include "base/codec.h"
#include "port/port.h"

/* With the mutex held; makes it if there is none. */
static int restart(iotkit_job_t *job) {
  int rc = 0;
  if (job->digest == NULL) {
    rc = ik_digest_new(job->notice.upgrade.digest_method, &job->digest);
  } else if (job->digested > 0) {
    rc = ik_digest_reset(job->digest);
  }
  if (rc == 0) job->digested = 0;
  return rc;
}

static int update(iotkit_job_t *job, uint64_t offset, const void *data, size_t len) {
  if (offset != 0 && offset != job->digested) return IK_EINVALID_ARGUMENT;
  int rc = offset == 0 ? restart(job) : 0;
  if (rc == 0) rc = ik_digest_update(job->digest, data, len);
  if (rc == 0) job->digested += len;
  return rc;
}

int ik_job_update_digest(iotkit_job_t *job, uint64_t offset, const void *data, size_t len) {
  ik_mutex_lock(job->mutex);
  int rc = update(job, offset, data, len);
  ik_mutex_unlock(job->mutex);
  return rc;
}

int iotkit_job_digest(iotkit_job_t *job, uint64_t offset, const void *data, size_t len) {
  if (job == NULL || (data == NULL && len > 0)) return IK_EINVALID_ARGUMENT;
  bool may = job->config->options.external_digest || iotkit_job_get_state(job) == IOTKIT_JOB_READY;
  if (!may || job->notice.upgrade.file_count > 0) return IK_EINVALID_STATE;
  return len > 0 ? ik_job_update_digest(job, offset, data, len) : 0;
}

int iotkit_job_digest_so_far(iotkit_job_t *job, uint64_t *offset,
                             uint8_t digest[IOTKIT_DIGEST_MAX]) {
  if (job == NULL || offset == NULL || digest == NULL) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(job->mutex);
  int rc = job->digest == NULL ? restart(job) : 0;
  if (rc == 0) rc = ik_digest_value(job->digest, digest);
  *offset = job->digested;
  ik_mutex_unlock(job->mutex);
  return rc;
}

int iotkit_job_resume(iotkit_job_t *job, uint64_t offset) {
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  int rc = ik_job_enter_ready(job);
  if (rc != 0) return rc;
  ik_mutex_lock(job->mutex);
  if (offset == 0) {
    if (job->digest != NULL) rc = restart(job);
  } else if (offset != job->digested || offset > job->notice.upgrade.size) {
    rc = IK_EINVALID_ARGUMENT;
  }
  ik_mutex_unlock(job->mutex);
  if (rc == 0) {
    job->first = offset;
    atomic_store(&job->received, offset);
  }
  ik_job_leave(job);
  return rc;
}

bool ik_job_prefix_matches(iotkit_job_t *job) {
  uint8_t before[IOTKIT_DIGEST_MAX] = {0};
  uint8_t again[IOTKIT_DIGEST_MAX] = {0};
  ik_mutex_lock(job->mutex);
  int len = job->digest != NULL ? ik_digest_value(job->digest, before) : -1;
  ik_mutex_unlock(job->mutex);
  return len > 0 && ik_digest_value(job->prefix, again) == len &&
         ik_equal_ct(before, again, (size_t)len);
}

int iotkit_job_check(iotkit_job_t *job) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  if (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED) return IK_EINVALID_STATE;
  const struct iotkit_upgrade *upgrade = &job->notice.upgrade;
  ik_mutex_lock(job->mutex);
  int rc = IK_ESIZE_MISMATCH;
  if (job->digest != NULL && job->digested == upgrade->size) {
    int len = ik_digest_value(job->digest, value);
    bool same = len > 0 && ik_equal_ct(value, upgrade->digest, (size_t)len);
    rc = len < 0 ? len : same ? 0 : IK_EDIGEST_MISMATCH;
  }
  ik_mutex_unlock(job->mutex);
  return rc;
}
