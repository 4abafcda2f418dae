/*
 * job_open.c - jobs from a notice and from other jobs.
 */
#include "alink/notice.h"
#include "download/job.h"
#include "download/job_private.h"

int iotkit_job_parse(const char *json, size_t len, const struct iotkit_fetch_options *options,
                     iotkit_job_t **out, char *detail) {
  struct ik_announcement announcement;
  if (json == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  int rc = ik_notice_parse((struct ik_str){json, len}, &announcement, detail);
  if (rc == 0 && announcement.nothing) {
    rc = ik_refuse(detail, IK_ENOTICE_FIELD, "data: is missing or empty");
  }
  struct ik_fetch_config *config = NULL;
  if (rc == 0) rc = ik_fetch_config_new(options, &config, detail);
  if (rc != 0) {
    ik_announcement_free(&announcement);
    return rc;
  }
  rc = ik_job_new(&announcement, config, out);
  ik_fetch_config_unref(config);
  return rc;
}

/*
 * A job for the announcement, which it takes over, with the options, the channel and, if `is_same`
 * image, the signature of `job`.
 */
static int derive(const iotkit_job_t *job, struct ik_announcement *announcement, bool is_same,
                  iotkit_job_t **out) {
  const struct ik_fetch_setup *setup = &job->setup;
  struct ik_fetch_config *config;
  struct ik_signature signature;
  int copied = ik_job_copy_settings(job, &config, &signature);
  int rc = ik_job_new(announcement, config, out);
  ik_fetch_config_unref(config);
  if (rc == 0 && is_same) rc = copied;
  if (rc != 0) {
    ik_signature_free(&signature);
    iotkit_job_unref(*out);
    *out = NULL;
    return rc;
  }
  if (setup->no_rewind) ik_job_set_no_rewind(*out);
  (*out)->setup.upgrade_size = setup->upgrade_size;
  ik_job_set_dial(*out, setup->dial, setup->dial_ctx);
  ik_job_set_uplink(*out, setup->uplink);
  if (is_same)
    (*out)->setup.signature = signature;
  else
    ik_signature_free(&signature);
  return 0;
}

int iotkit_job_dup(const iotkit_job_t *job, iotkit_job_t **out) {
  struct ik_announcement announcement;
  if (job == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  int rc = ik_announcement_copy(&job->setup.announcement, &announcement);
  return rc == 0 ? derive(job, &announcement, true, out) : rc;
}

int iotkit_job_open_file(const iotkit_job_t *job, size_t index, iotkit_job_t **out) {
  struct ik_announcement announcement;
  if (job == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  int rc = ik_announcement_file(&job->setup.announcement, index, &announcement);
  if (rc == 0) rc = derive(job, &announcement, false, out);
  if (rc != 0) return rc;
  (*out)->is_file = true;
  ik_http_pool_join(&(*out)->setup.config->pool);
  return 0;
}
