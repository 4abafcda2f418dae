/*
 * job_share.c - jobs that need not fetch, because another has fetched the same image.
 *
 * What a job demands of an announcement holds for it whoever fetches: it is asked here before
 * anything is taken over.
 */
#include <string.h>

#include "base/url.h"
#include "core/limiter.h"
#include "download/http_source.h"
#include "download/job.h"
#include "download/job_private.h"

/* ---- whose image is the same ---- */

static int add_text(struct ik_digest *digest, const char *text) {
  return ik_digest_update(digest, text != NULL ? text : "", text != NULL ? strlen(text) + 1 : 1);
}

/* Without the query, which each notice has its own of. */
static int add_place(struct ik_digest *digest, const char *text) {
  struct ik_url url;
  if (text[0] == '\0') return add_text(digest, text); /* in blocks, over the device's connection */
  int rc = ik_url_parse(ik_str(text), &url, NULL);
  if (rc != 0) return rc;
  const unsigned char scheme = url.https;
  rc = ik_digest_update(digest, &scheme, 1);
  if (rc == 0) rc = ik_digest_update(digest, &url.port, sizeof(url.port));
  if (rc == 0) rc = add_text(digest, url.host);
  if (rc == 0) rc = ik_digest_update(digest, url.target, strcspn(url.target, "?"));
  ik_url_free(&url);
  return rc;
}

/* Who is trusted with an image whose digest alone does not tell it from one that was made to fit. */
static int add_trust(struct ik_digest *digest, const struct ik_announcement *announcement,
                     const struct iotkit_fetch_options *options) {
  const void *const references[] = {options->tls, options->keys};
  const unsigned char https_only = options->https_only;
  int rc = ik_digest_update(digest, references, sizeof(references));
  if (rc == 0) rc = ik_digest_update(digest, &https_only, 1);
  if (rc == 0) rc = add_text(digest, options->allowed_hosts);
  if (rc == 0) rc = add_text(digest, options->product_key);
  return rc == 0 ? add_place(digest, announcement->upgrade.url) : rc;
}

/* A limit slows down those it is of, and nobody else. */
static int add_limits(struct ik_digest *digest, const struct iotkit_fetch_options *options) {
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < IK_LIMITERS_MAX; i++) {
    iotkit_limiter_t *limiter = options->limiters[i];
    if (limiter != NULL && iotkit_limiter_get(limiter) == 0) limiter = NULL;
    rc = ik_digest_update(digest, &limiter, sizeof(limiter));
  }
  return rc;
}

static int add_image(struct ik_digest *digest, const struct iotkit_upgrade *upgrade) {
  const unsigned char method = (unsigned char)upgrade->digest_method;
  size_t len = upgrade->digest_method == IOTKIT_DIGEST_MD5 ? 16 : IOTKIT_DIGEST_MAX;
  int rc = ik_digest_update(digest, &method, 1);
  if (rc == 0) rc = ik_digest_update(digest, &upgrade->size, sizeof(upgrade->size));
  return rc == 0 ? ik_digest_update(digest, upgrade->digest, len) : rc;
}

int iotkit_job_share_key(const iotkit_job_t *job, uint8_t key[IOTKIT_DIGEST_MAX]) {
  struct ik_signature signature = {0};
  struct ik_fetch_config *config = NULL;
  struct ik_digest *digest = NULL;
  if (job == NULL || key == NULL) return IK_EINVALID_ARGUMENT;
  const struct ik_announcement *announcement = ik_job_announcement(job);
  const struct iotkit_upgrade *upgrade = &announcement->upgrade;
  if (upgrade->file_count > 0 || upgrade->digest_method == IOTKIT_DIGEST_NONE)
    return IK_EUNSUPPORTED;
  int rc = ik_job_copy_settings(job, &config, &signature);
  if (rc == 0) rc = ik_digest_new(IOTKIT_DIGEST_SHA256, &digest);
  if (rc == 0) rc = add_image(digest, upgrade);
  if (rc == 0) rc = add_limits(digest, &config->options);
  if (rc == 0 && upgrade->digest_method == IOTKIT_DIGEST_MD5)
    rc = add_trust(digest, announcement, &config->options);
  if (rc == 0) rc = ik_digest_value(digest, key);
  ik_digest_free(digest);
  ik_signature_free(&signature);
  ik_fetch_config_unref(config);
  return rc < 0 ? rc : 0;
}

/* ---- a job that takes what is there ---- */

/* The thread that has entered the control. */
static int check_rules(const struct ik_fetch_setup *setup, char *detail) {
  int rc = ik_fetch_config_check_size(setup->config, setup->upgrade_size, detail);
  if (rc == 0)
    rc = ik_verify_announced(&setup->announcement, &setup->config->options, &setup->signature,
                             detail);
  if (rc != 0 || setup->announcement.upgrade.protocol != IOTKIT_PROTOCOL_HTTP) return rc;
  return ik_http_source_check(setup, detail);
}

int ik_job_admit(iotkit_job_t *job, char *detail) {
  if (!ik_control_enter(&job->control)) return IK_EBUSY;
  int rc = iotkit_job_error(job, detail);
  if (rc == 0 && ik_control_state(&job->control) != IOTKIT_JOB_READY)
    rc = ik_refuse(detail, IK_EINVALID_STATE, "the job is fetched already");
  if (rc == 0) {
    char why[IOTKIT_DETAIL_MAX] = "";
    rc = check_rules(&job->setup, why);
    if (rc != 0) ik_control_finish(&job->control, IOTKIT_JOB_FAILED, rc, why);
    if (rc != 0) ik_detail(detail, "%s", why);
  }
  ik_control_leave(&job->control);
  return rc;
}

int ik_job_complete(iotkit_job_t *job, char *detail) {
  atomic_store(&job->control.received, job->setup.announcement.upgrade.size);
  ik_control_finish(&job->control, IOTKIT_JOB_FETCHED, 0, "");
  return iotkit_job_error(job, detail);
}
