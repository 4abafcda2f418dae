/*
 * job.c - a job's life, its digest and what any thread may ask of it; job_fetch.c has the download.
 *
 * A job is counted by references. Its notice, options and dial are fixed before the first fetch.
 * The thread inside fetch owns connection, exchange and transfer (the flag `fetching` keeps a
 * second one out); the rest is atomic or under the mutex.
 */
#include "api/job.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "port/port.h"

#define CONNECT_TIMEOUT_MS 10000
#define RESPONSE_TIMEOUT_MS 30000
#define IDLE_TIMEOUT_MS 30000
#define MAX_RETRIES 5
#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 60000

static void default_u32(uint32_t *value, uint32_t normal) {
  if (*value == 0) *value = normal;
}

/* Takes a copy with the defaults filled in and a reference of tls. */
static void set_options(iotkit_job_t *job, const struct iotkit_fetch_options *options) {
  struct iotkit_fetch_options *to = &job->options;
  iotkit_tls_t *before = to->tls;
  *to = options != NULL ? *options : (struct iotkit_fetch_options){0};
  to->tls = to->tls != NULL ? iotkit_tls_ref(to->tls) : NULL;
  iotkit_tls_unref(before);
  default_u32(&to->connect_timeout_ms, CONNECT_TIMEOUT_MS);
  default_u32(&to->response_timeout_ms, RESPONSE_TIMEOUT_MS);
  default_u32(&to->idle_timeout_ms, IDLE_TIMEOUT_MS);
  default_u32(&to->max_retries, MAX_RETRIES);
  default_u32(&to->retry_min_ms, RETRY_MIN_MS);
  default_u32(&to->retry_max_ms, RETRY_MAX_MS);
  if (to->max_redirects == 0) to->max_redirects = IK_HTTP_REDIRECTS_DEFAULT;
}

int ik_job_new(struct ik_notice *notice, const struct iotkit_fetch_options *options,
               iotkit_job_t **out) {
  iotkit_job_t *job = calloc(1, sizeof(*job));
  *out = NULL;
  if (job == NULL) {
    ik_notice_free(notice);
    return IK_ENO_MEMORY;
  }
  atomic_init(&job->refs, 1);
  atomic_init(&job->state, IOTKIT_JOB_READY);
  atomic_init(&job->received, 0);
  atomic_init(&job->interrupted, false);
  atomic_init(&job->fetching, false);
  job->notice = *notice;
  job->dial = ik_net_dial;
  ik_http_exchange_init(&job->exchange);
  ik_buf_init(&job->request, IK_URL_MAX + 2 * IK_KIB);
  job->mutex = ik_mutex_new();
  set_options(job, options);
  if (job->mutex == NULL) {
    iotkit_job_unref(job);
    return IK_ENO_MEMORY;
  }
  *out = job;
  return 0;
}

void ik_job_set_no_rewind(iotkit_job_t *job) {
  job->no_rewind = true;
}

void ik_job_set_dial(iotkit_job_t *job, ik_dial_fn dial, void *ctx) {
  job->dial = dial;
  job->dial_ctx = ctx;
}

bool ik_job_is_shared(const iotkit_job_t *job) {
  return atomic_load(&job->refs) > 1;
}

int iotkit_job_parse(const char *json, size_t len, const struct iotkit_fetch_options *options,
                     iotkit_job_t **out, char *detail) {
  struct ik_notice notice;
  if (json == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  int rc = ik_notice_parse((struct ik_str){json, len}, &notice, detail);
  if (rc == 0 && notice.nothing) {
    ik_detail(detail, "data: is missing or empty");
    rc = IK_ENOTICE_FIELD;
  }
  if (rc != 0) {
    ik_notice_free(&notice);
    return rc;
  }
  return ik_job_new(&notice, options, out);
}

int iotkit_job_dup(const iotkit_job_t *job, iotkit_job_t **out) {
  struct ik_notice notice;
  if (job == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  int rc = ik_notice_copy(&job->notice, &notice);
  if (rc == 0) rc = ik_job_new(&notice, &job->options, out);
  if (rc != 0) return rc;
  (*out)->no_rewind = job->no_rewind;
  ik_job_set_dial(*out, job->dial, job->dial_ctx);
  return 0;
}

iotkit_job_t *iotkit_job_ref(iotkit_job_t *job) {
  if (job != NULL) atomic_fetch_add(&job->refs, 1);
  return job;
}

void iotkit_job_unref(iotkit_job_t *job) {
  if (job == NULL || atomic_fetch_sub(&job->refs, 1) != 1) return;
  ik_job_disconnect(job);
  if (job->begun) ik_transfer_free(&job->transfer);
  ik_http_exchange_free(&job->exchange);
  ik_buf_free(&job->request);
  ik_digest_free(job->digest);
  ik_digest_free(job->prefix);
  ik_wake_free(job->wake);
  ik_mutex_free(job->mutex);
  iotkit_tls_unref(job->options.tls);
  ik_notice_free(&job->notice);
  free(job);
}

const struct iotkit_upgrade *iotkit_job_upgrade(const iotkit_job_t *job) {
  return job != NULL ? &job->notice.upgrade : NULL;
}

enum iotkit_job_state iotkit_job_get_state(const iotkit_job_t *job) {
  return job != NULL ? (enum iotkit_job_state)atomic_load(&job->state) : IOTKIT_JOB_FAILED;
}

int iotkit_job_error(const iotkit_job_t *job, char *detail) {
  if (detail != NULL) detail[0] = '\0';
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(job->mutex);
  int error = job->error;
  if (detail != NULL) memcpy(detail, job->detail, sizeof(job->detail));
  ik_mutex_unlock(job->mutex);
  return error;
}

uint64_t iotkit_job_received(const iotkit_job_t *job) {
  return job != NULL ? atomic_load(&job->received) : 0;
}

int iotkit_job_set_options(iotkit_job_t *job, const struct iotkit_fetch_options *options) {
  if (job == NULL || options == NULL) return IK_EINVALID_ARGUMENT;
  if (atomic_exchange(&job->fetching, true)) return IK_EINVALID_STATE;
  bool ready = iotkit_job_get_state(job) == IOTKIT_JOB_READY;
  if (ready) set_options(job, options);
  atomic_store(&job->fetching, false);
  return ready ? 0 : IK_EINVALID_STATE;
}

void ik_job_finish(iotkit_job_t *job, enum iotkit_job_state state, int error, const char *detail) {
  ik_mutex_lock(job->mutex);
  int now = atomic_load(&job->state);
  if (now == IOTKIT_JOB_READY || now == IOTKIT_JOB_FETCHING) {
    job->error = error;
    ik_detail(job->detail, "%s", detail);
    atomic_store(&job->state, state);
  }
  ik_mutex_unlock(job->mutex);
}

static void wake(iotkit_job_t *job) {
  ik_mutex_lock(job->mutex);
  if (job->wake != NULL) ik_wake_signal(job->wake);
  ik_mutex_unlock(job->mutex);
}

void iotkit_job_interrupt(iotkit_job_t *job) {
  if (job == NULL) return;
  atomic_store(&job->interrupted, true);
  wake(job);
}

void iotkit_job_abort(iotkit_job_t *job) {
  if (job == NULL) return;
  ik_job_finish(job, IOTKIT_JOB_FAILED, IK_EABORTED, "the download was cancelled");
  wake(job);
  /* Nobody fetches: then nobody else will close the connection before the last reference goes. */
  if (iotkit_job_get_state(job) == IOTKIT_JOB_FAILED && !atomic_exchange(&job->fetching, true)) {
    ik_job_disconnect(job);
    atomic_store(&job->fetching, false);
  }
}

/* ---- digest ---- */

static int update_locked(iotkit_job_t *job, uint64_t offset, const void *data, size_t len) {
  if (offset != 0 && offset != job->digested) return IK_EINVALID_ARGUMENT;
  if (job->digest == NULL) {
    int rc = ik_digest_new(job->notice.upgrade.digest_method, &job->digest);
    if (rc != 0) return rc;
  } else if (offset == 0 && job->digested > 0) {
    int rc = ik_digest_reset(job->digest);
    if (rc != 0) return rc;
  }
  if (offset == 0) job->digested = 0;
  int rc = ik_digest_update(job->digest, data, len);
  if (rc == 0) job->digested += len;
  return rc;
}

int ik_job_update_digest(iotkit_job_t *job, uint64_t offset, const void *data, size_t len) {
  ik_mutex_lock(job->mutex);
  int rc = update_locked(job, offset, data, len);
  ik_mutex_unlock(job->mutex);
  return rc;
}

int iotkit_job_digest(iotkit_job_t *job, uint64_t offset, const void *data, size_t len) {
  if (job == NULL || (data == NULL && len > 0)) return IK_EINVALID_ARGUMENT;
  if (!job->options.external_digest) return IK_EINVALID_STATE;
  return len > 0 ? ik_job_update_digest(job, offset, data, len) : 0;
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
