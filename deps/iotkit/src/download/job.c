/*
 * job.c - makes a job of setup, control, digest, renewal and fetch, and passes the public calls on
 * to them.
 *
 * A job is counted by references. Its setup is fixed by the first fetch; the thread inside fetch owns
 * the fetch; the other parts guard themselves. No lock is held while another job or the
 * uplink is called; but with the relay of a job the control of its inner job is.
 */
#include "download/job.h"

#include <stdlib.h>
#include <string.h>

#include "alink/notice.h"
#include "alink/statement.h"
#include "base/sized.h"
#include "download/block_source.h"
#include "download/http_source.h"
#include "download/job_private.h"

/* ---- references ---- */

iotkit_job_t *iotkit_job_ref(iotkit_job_t *job) {
  if (job != NULL) atomic_fetch_add(&job->refs, 1);
  return job;
}

bool ik_job_is_shared(const iotkit_job_t *job) {
  return atomic_load(&job->refs) > 1;
}

/* A reference, unless the last one has just gone. */
static bool try_ref(void *ctx) {
  iotkit_job_t *job = ctx;
  unsigned refs = atomic_load(&job->refs);
  while (refs > 0) {
    if (atomic_compare_exchange_weak(&job->refs, &refs, refs + 1)) return true;
  }
  return false;
}

static void release(void *ctx) {
  iotkit_job_unref(ctx);
}

/* ---- life ---- */

/* The one place that knows which kind of source an announcement asks for. */
static int open_source(void *ctx, uint64_t offset, uint64_t now_ms, struct ik_source **out,
                       char *detail) {
  iotkit_job_t *job = ctx;
  if (job->setup.announcement.upgrade.protocol != IOTKIT_PROTOCOL_HTTP)
    return ik_block_source_new(&job->setup, &job->control, offset, now_ms, out, detail);
  return ik_http_source_new(&job->setup, &job->control, &job->digest, &job->renewal, offset, now_ms,
                            out, detail);
}

int ik_job_new(struct ik_announcement *announcement, struct ik_fetch_config *config,
               iotkit_job_t **out) {
  iotkit_job_t *job = calloc(1, sizeof(*job));
  *out = NULL;
  if (job == NULL) {
    ik_announcement_free(announcement);
    return IK_ENO_MEMORY;
  }
  const struct ik_renewal_owner owner = {.try_hold = try_ref, .release = release, .ctx = job};
  atomic_init(&job->refs, 1);
  job->setup.announcement = *announcement;
  job->setup.upgrade_size = announcement->upgrade.size;
  job->setup.dial = ik_net_dial;
  int controlled = ik_control_init(&job->control);
  job->relay = ik_mutex_new();
  int digests = ik_running_digest_init(&job->digest, announcement->upgrade.digest_method);
  int renews = ik_renewal_init(&job->renewal, &owner, &job->setup, &job->control);
  ik_fetch_init(&job->fetch, &job->setup, &job->control, &job->digest, open_source, job);
  bool made = controlled == 0 && digests == 0 && renews == 0 && job->relay != NULL;
  int rc = made ? 0 : IK_ENO_MEMORY;
  job->setup.config = ik_fetch_config_ref(config);
  if (rc != 0) {
    iotkit_job_unref(job);
    return rc;
  }
  *out = job;
  return 0;
}

void iotkit_job_unref(iotkit_job_t *job) {
  if (job == NULL || atomic_fetch_sub(&job->refs, 1) != 1) return;
  struct ik_uplink *uplink = job->setup.uplink;
  /* Before anything is freed: an answer may be on its way. */
  if (uplink != NULL) uplink->ops->forget(uplink, &job->renewal.request);
  ik_fetch_close(&job->fetch);
  ik_renewal_deinit(&job->renewal);
  ik_running_digest_deinit(&job->digest);
  ik_control_deinit(&job->control);
  if (job->is_file) ik_http_pool_leave(&job->setup.config->pool);
  iotkit_job_unref(job->inner);
  ik_mutex_free(job->relay);
  ik_job_set_uplink(job, NULL);
  ik_signature_free(&job->setup.signature);
  ik_fetch_config_unref(job->setup.config);
  ik_announcement_free(&job->setup.announcement);
  free(job);
}

/* ---- before the first fetch ---- */

void ik_job_set_no_rewind(iotkit_job_t *job) {
  job->setup.no_rewind = true;
}

void ik_job_set_dial(iotkit_job_t *job, ik_dial_fn dial, void *ctx) {
  job->setup.dial = dial;
  job->setup.dial_ctx = ctx;
}

void ik_job_set_uplink(iotkit_job_t *job, struct ik_uplink *uplink) {
  struct ik_uplink *before = job->setup.uplink;
  if (uplink != NULL) uplink->ops->ref(uplink);
  job->setup.uplink = uplink;
  if (before != NULL) before->ops->unref(before);
}

/* For locking: a job that is only asked is not changed by it. */
static struct ik_control *control_of(const iotkit_job_t *job) {
  return &((iotkit_job_t *)(uintptr_t)job)->control;
}

/* With a reference: another thread may set other options at any moment. */
static struct ik_fetch_config *config_of(const iotkit_job_t *job) {
  struct ik_control *control = control_of(job);
  ik_control_lock(control);
  struct ik_fetch_config *config = ik_fetch_config_ref(job->setup.config);
  ik_control_unlock(control);
  return config;
}

int iotkit_job_set_options(iotkit_job_t *job, const struct iotkit_fetch_options *options) {
  struct ik_fetch_config *config;
  if (job == NULL || options == NULL) return IK_EINVALID_ARGUMENT;
  struct iotkit_fetch_options own;
  int rc = IK_SIZED_READ(&own, options, NULL);
  if (rc != 0) return rc;
  struct ik_fetch_config *current = config_of(job);
  if (own.product_key == NULL) own.product_key = current->options.product_key;
  rc = ik_fetch_config_new(&own, &config, NULL);
  ik_fetch_config_unref(current);
  if (rc != 0) return rc;
  rc = ik_control_lock_ready(&job->control);
  if (rc == 0) {
    struct ik_fetch_config *before = job->setup.config;
    if (job->is_file) {
      ik_http_pool_join(&config->pool);
      ik_http_pool_leave(&before->pool);
    }
    job->setup.config = config;
    config = before;
    ik_control_unlock(&job->control);
  }
  ik_fetch_config_unref(config); /* the one before, or the one refused */
  return rc;
}

int iotkit_job_on_retry(iotkit_job_t *job, iotkit_retry_fn on_retry, void *ctx) {
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  int rc = ik_control_lock_ready(&job->control);
  if (rc != 0) return rc;
  job->setup.on_retry = on_retry;
  job->setup.retry_ctx = ctx;
  ik_control_unlock(&job->control);
  return 0;
}

int iotkit_job_set_signature(iotkit_job_t *job, enum iotkit_signed what, const void *signature,
                             size_t len) {
  struct ik_signature other;
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  int rc = ik_signature_init(&other, &job->setup.announcement.upgrade, what, signature, len);
  if (rc == 0) rc = ik_control_lock_ready(&job->control);
  if (rc == 0) {
    struct ik_signature before = job->setup.signature;
    job->setup.signature = other;
    other = before;
    ik_control_unlock(&job->control);
  }
  ik_signature_free(&other); /* the one before, or the one refused */
  return rc;
}

int iotkit_job_statement(const iotkit_job_t *job, char *out) {
  struct ik_buf text;
  if (job == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  const struct ik_announcement *announcement = &job->setup.announcement;
  if (announcement->upgrade.digest_method == IOTKIT_DIGEST_NONE) return IK_EUNSUPPORTED;
  struct ik_fetch_config *config = config_of(job);
  int rc = config->options.product_key != NULL ? 0 : IK_EINVALID_ARGUMENT;
  ik_buf_init(&text, IOTKIT_STATEMENT_MAX - 1);
  if (rc == 0) rc = ik_statement_write(&text, config->options.product_key, announcement);
  if (rc == 0) {
    const size_t len = ik_buf_size(&text);
    memcpy(out, ik_buf_ptr(&text), len);
    out[len] = '\0';
    rc = (int)len;
  }
  ik_buf_free(&text);
  ik_fetch_config_unref(config);
  return rc;
}

/* ---- what any thread may ask ---- */

int ik_job_copy_settings(const iotkit_job_t *job, struct ik_fetch_config **config,
                         struct ik_signature *signature) {
  struct ik_control *control = control_of(job);
  ik_control_lock(control);
  *config = ik_fetch_config_ref(job->setup.config);
  int rc = ik_signature_copy(&job->setup.signature, signature);
  ik_control_unlock(control);
  return rc;
}

const struct ik_announcement *ik_job_announcement(const iotkit_job_t *job) {
  return &job->setup.announcement;
}

const struct iotkit_config_info *iotkit_job_config(const iotkit_job_t *job) {
  return job != NULL ? job->setup.announcement.config : NULL;
}

bool ik_job_has_external_digest(const iotkit_job_t *job) {
  struct ik_control *control = control_of(job);
  ik_control_lock(control);
  bool external = job->setup.config->options.external_digest;
  ik_control_unlock(control);
  return external;
}

int ik_job_check_size(const iotkit_job_t *job, char *detail) {
  struct ik_fetch_config *config = config_of(job);
  int rc = ik_fetch_config_check_size(config, job->setup.upgrade_size, detail);
  ik_fetch_config_unref(config);
  return rc;
}

bool ik_job_is_mixed(const iotkit_job_t *job) {
  return job->fetch.mixed;
}

const struct iotkit_upgrade *iotkit_job_upgrade(const iotkit_job_t *job) {
  return job != NULL ? &job->setup.announcement.upgrade : NULL;
}

enum iotkit_job_state iotkit_job_get_state(const iotkit_job_t *job) {
  return job != NULL ? ik_control_state(&job->control) : IOTKIT_JOB_FAILED;
}

int iotkit_job_error(const iotkit_job_t *job, char *detail) {
  if (detail != NULL) detail[0] = '\0';
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  return ik_control_error(control_of(job), detail);
}

uint64_t iotkit_job_received(const iotkit_job_t *job) {
  return job != NULL ? atomic_load(&job->control.received) : 0;
}

/* ---- fetching ---- */

int64_t iotkit_job_fetch(iotkit_job_t *job, void *buf, size_t len, uint32_t timeout_ms,
                         uint64_t *offset) {
  if (job == NULL || buf == NULL || len == 0) return IK_EINVALID_ARGUMENT;
  if (job->setup.announcement.upgrade.file_count > 0) return IK_EINVALID_STATE;
  if (!ik_control_enter(&job->control)) {
    int error = ik_control_error(&job->control, NULL);
    return error == IK_EABORTED ? IK_EABORTED : IK_EBUSY;
  }
  struct ik_call call = {.buf = buf, .len = len, .now_ms = ik_port_now_ms()};
  call.deadline_ms = timeout_ms == UINT32_MAX ? UINT64_MAX : call.now_ms + timeout_ms;
  int64_t result = ik_fetch_run(&job->fetch, &call);
  if (offset != NULL) *offset = call.start;
  ik_control_leave(&job->control);
  return result;
}

int iotkit_job_rewind(iotkit_job_t *job) {
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  if (!ik_control_enter(&job->control)) return IK_EINVALID_STATE;
  int rc = IK_EINVALID_STATE;
  if (ik_control_state(&job->control) == IOTKIT_JOB_FETCHED) {
    ik_fetch_close(&job->fetch);
    ik_control_begin_again(&job->control);
    rc = 0;
  }
  ik_control_leave(&job->control);
  return rc;
}

bool iotkit_job_wants_url(const iotkit_job_t *job) {
  if (job == NULL || ik_control_state(&job->control) != IOTKIT_JOB_FETCHING) return false;
  return ik_renewal_is_wanted(&((iotkit_job_t *)(uintptr_t)job)->renewal);
}

/* A copy of the URL that the notice has for the job's image. */
static int copy_url(const iotkit_job_t *job, const struct ik_announcement *announcement, char **url,
                    char *detail) {
  const char *found = ik_announcement_url_of(announcement, &job->setup.announcement);
  if (found == NULL) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "the notice is about another image");
  }
  *url = ik_str_dup(ik_str(found));
  return *url != NULL ? 0 : IK_ENO_MEMORY;
}

int iotkit_job_renew(iotkit_job_t *job, const char *json, size_t len, char *detail) {
  struct ik_announcement announcement;
  char *url = NULL;
  if (job == NULL || json == NULL) return IK_EINVALID_ARGUMENT;
  enum iotkit_job_state state = iotkit_job_get_state(job);
  if (state != IOTKIT_JOB_READY && state != IOTKIT_JOB_FETCHING) return IK_EINVALID_STATE;
  int rc = ik_notice_parse((struct ik_str){json, len}, &announcement, detail);
  if (rc == 0) rc = copy_url(job, &announcement, &url, detail);
  ik_announcement_free(&announcement);
  if (rc == 0) ik_renewal_post_url(&job->renewal, url);
  return rc;
}

/* ---- what other threads do to a fetch ---- */

/*
 * What is passed on to the inner job is passed on with `relay` held, or the opposite words of two
 * threads could reach the two jobs in opposite orders. An inner job has none of its own.
 */

/* Takes a reference; NULL: there is no inner job. */
static iotkit_job_t *inner_of(iotkit_job_t *job) {
  ik_mutex_lock(job->relay);
  iotkit_job_t *inner = iotkit_job_ref(job->inner);
  ik_mutex_unlock(job->relay);
  return inner;
}

void iotkit_job_interrupt(iotkit_job_t *job) {
  if (job == NULL) return;
  ik_mutex_lock(job->relay);
  ik_control_interrupt(job->inner != NULL ? &job->inner->control : &job->control);
  ik_mutex_unlock(job->relay);
}

void iotkit_job_abort(iotkit_job_t *job) {
  if (job == NULL) return;
  ik_control_finish(&job->control, IOTKIT_JOB_FAILED, IK_EABORTED, "the download was cancelled");
  ik_control_wake(&job->control);
  /* No fetch is running, so close the connections here; otherwise they would stay open until the
   * last unref. */
  if (ik_control_state(&job->control) == IOTKIT_JOB_FAILED && ik_control_enter(&job->control)) {
    ik_fetch_close(&job->fetch);
    ik_control_leave(&job->control);
  }
  iotkit_job_t *inner = inner_of(job);
  iotkit_job_abort(inner);
  iotkit_job_unref(inner);
}

void iotkit_job_pause(iotkit_job_t *job, bool paused) {
  if (job == NULL) return;
  ik_mutex_lock(job->relay);
  const uint64_t now_ms = ik_port_now_ms();
  ik_control_set_paused(&job->control, paused, now_ms);
  if (job->inner != NULL) ik_control_set_paused(&job->inner->control, paused, now_ms);
  ik_mutex_unlock(job->relay);
}

/* With `relay` held: what was said before there was this inner job. */
static void pass_on(iotkit_job_t *job, iotkit_job_t *inner) {
  if (ik_control_is_paused(&job->control))
    ik_control_set_paused(&inner->control, true, ik_port_now_ms());
  if (ik_control_is_interrupted(&job->control, true)) ik_control_interrupt(&inner->control);
}

void ik_job_set_inner(iotkit_job_t *job, iotkit_job_t *inner) {
  iotkit_job_ref(inner);
  ik_mutex_lock(job->relay);
  iotkit_job_t *before = job->inner;
  job->inner = inner;
  if (inner != NULL) pass_on(job, inner);
  ik_mutex_unlock(job->relay);
  iotkit_job_unref(before);
  /* An abort from before; a later one finds the inner job. */
  if (inner != NULL && iotkit_job_error(job, NULL) == IK_EABORTED) iotkit_job_abort(inner);
}
