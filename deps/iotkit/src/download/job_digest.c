/*
 * job_digest.c - the digest of a job's image: of bytes handed out, or of those the caller has
 * already.
 */
#include "download/job.h"
#include "download/job_private.h"

int iotkit_job_digest(iotkit_job_t *job, uint64_t offset, const void *data, size_t len) {
  if (job == NULL || (data == NULL && len > 0)) return IK_EINVALID_ARGUMENT;
  bool may = ik_control_state(&job->control) == IOTKIT_JOB_READY || ik_job_has_external_digest(job);
  if (!may || job->setup.announcement.upgrade.file_count > 0) return IK_EINVALID_STATE;
  return len > 0 ? ik_running_digest_update(&job->digest, offset, data, len) : 0;
}

int iotkit_job_digest_so_far(iotkit_job_t *job, uint64_t *offset,
                             uint8_t digest[IOTKIT_DIGEST_MAX]) {
  if (job == NULL || offset == NULL || digest == NULL) return IK_EINVALID_ARGUMENT;
  return ik_running_digest_value(&job->digest, offset, digest);
}

int iotkit_job_resume(iotkit_job_t *job, uint64_t offset) {
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  int rc = ik_control_lock_ready(&job->control);
  if (rc != 0) return rc;
  if (offset > job->setup.announcement.upgrade.size) rc = IK_EINVALID_ARGUMENT;
  if (rc == 0) rc = ik_running_digest_resume(&job->digest, offset);
  if (rc == 0) atomic_store(&job->control.received, offset);
  ik_control_unlock(&job->control);
  return rc;
}

int iotkit_job_check(iotkit_job_t *job) {
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  if (ik_control_state(&job->control) != IOTKIT_JOB_FETCHED) return IK_EINVALID_STATE;
  const struct iotkit_upgrade *upgrade = &job->setup.announcement.upgrade;
  return ik_running_digest_check(&job->digest, upgrade->size, upgrade->digest);
}
