/*
 * job.c - a job's life and what any thread may ask of it; job_fetch.c has the download, job_digest.c
 * the digest.
 *
 * A job is counted by references. Its notice, config, link and dial are fixed before the first
 * fetch. The thread inside fetch owns connections and transfers (the flag `fetching` keeps a second
 * one out); the rest is atomic or under the mutex. No lock is held while another job or the link is
 * called.
 */
#include "api/job.h"

#include <stdlib.h>
#include <string.h>

#include "api/link.h"
#include "port/port.h"

int ik_job_new(struct ik_notice *notice, struct ik_fetch_config *config, iotkit_job_t **out) {
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
  atomic_init(&job->paused, false);
  atomic_init(&job->paused_ms, 0);
  atomic_init(&job->wants_url, false);
  atomic_init(&job->fetching, false);
  job->notice = *notice;
  job->dial = ik_net_dial;
  ik_lane_init(&job->lane);
  job->mutex = ik_mutex_new();
  int rc = job->mutex != NULL ? 0 : IK_ENO_MEMORY;
  if (config != NULL) {
    job->config = ik_fetch_config_ref(config);
  } else if (rc == 0) {
    rc = ik_fetch_config_new(NULL, &job->config, NULL);
  }
  if (rc != 0) {
    iotkit_job_unref(job);
    return rc;
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

void ik_job_set_link(iotkit_job_t *job, struct ik_link *link) {
  struct ik_link *before = job->link;
  job->link = ik_link_ref(link);
  ik_link_unref(before);
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
  struct ik_fetch_config *config = NULL;
  if (rc == 0) rc = ik_fetch_config_new(options, &config, detail);
  if (rc != 0) {
    ik_notice_free(&notice);
    return rc;
  }
  rc = ik_job_new(&notice, config, out);
  ik_fetch_config_unref(config);
  return rc;
}

/* A job for the notice, which it takes over, fetched as `job` is. */
static int derive(const iotkit_job_t *job, struct ik_notice *notice, iotkit_job_t **out) {
  int rc = ik_job_new(notice, job->config, out);
  if (rc != 0) return rc;
  (*out)->no_rewind = job->no_rewind;
  ik_job_set_dial(*out, job->dial, job->dial_ctx);
  ik_job_set_link(*out, job->link);
  return 0;
}

static int copy_signature(const iotkit_job_t *from, iotkit_job_t *to) {
  if (from->signature == NULL) return 0;
  to->signature = malloc(from->signature_len);
  if (to->signature == NULL) return IK_ENO_MEMORY;
  memcpy(to->signature, from->signature, from->signature_len);
  to->signature_len = from->signature_len;
  to->signature_over = from->signature_over;
  return 0;
}

int iotkit_job_dup(const iotkit_job_t *job, iotkit_job_t **out) {
  struct ik_notice notice;
  if (job == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  int rc = ik_notice_copy(&job->notice, &notice);
  if (rc == 0) rc = derive(job, &notice, out);
  if (rc == 0) rc = copy_signature(job, *out);
  if (rc == 0) return 0;
  iotkit_job_unref(*out);
  *out = NULL;
  return rc;
}

int iotkit_job_open_file(const iotkit_job_t *job, size_t index, iotkit_job_t **out) {
  struct ik_notice notice;
  if (job == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  int rc = ik_notice_file(&job->notice, index, &notice);
  return rc == 0 ? derive(job, &notice, out) : rc;
}

iotkit_job_t *iotkit_job_ref(iotkit_job_t *job) {
  if (job != NULL) atomic_fetch_add(&job->refs, 1);
  return job;
}

/* Forgets all about fetching; nobody fetches. */
static void end_fetch(iotkit_job_t *job) {
  ik_job_disconnect(job);
  if (job->begun) ik_transfer_free(&job->lane.transfer);
  job->begun = false;
  ik_throttle_deinit(&job->throttle);
}

void iotkit_job_unref(iotkit_job_t *job) {
  if (job == NULL || atomic_fetch_sub(&job->refs, 1) != 1) return;
  if (job->link != NULL) ik_link_forget(job->link, job);
  end_fetch(job);
  ik_lane_deinit(&job->lane);
  ik_digest_free(job->digest);
  ik_digest_free(job->prefix);
  ik_wake_free(job->wake);
  ik_mutex_free(job->mutex);
  iotkit_job_unref(job->inner);
  free(job->answer.url);
  free(job->signature);
  ik_link_unref(job->link);
  ik_fetch_config_unref(job->config);
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

int ik_job_enter_ready(iotkit_job_t *job) {
  if (atomic_exchange(&job->fetching, true)) return IK_EINVALID_STATE;
  if (iotkit_job_get_state(job) == IOTKIT_JOB_READY) return 0;
  ik_job_leave(job);
  return IK_EINVALID_STATE;
}

void ik_job_leave(iotkit_job_t *job) {
  atomic_store(&job->fetching, false);
}

int iotkit_job_set_options(iotkit_job_t *job, const struct iotkit_fetch_options *options) {
  struct ik_fetch_config *config;
  if (job == NULL || options == NULL) return IK_EINVALID_ARGUMENT;
  int rc = ik_job_enter_ready(job);
  if (rc != 0) return rc;
  rc = ik_fetch_config_new(options, &config, NULL);
  if (rc == 0) {
    ik_fetch_config_unref(job->config);
    job->config = config;
  }
  ik_job_leave(job);
  return rc;
}

int iotkit_job_rewind(iotkit_job_t *job) {
  if (job == NULL) return IK_EINVALID_ARGUMENT;
  if (atomic_exchange(&job->fetching, true)) return IK_EINVALID_STATE;
  int rc = IK_EINVALID_STATE;
  if (iotkit_job_get_state(job) == IOTKIT_JOB_FETCHED) {
    end_fetch(job);
    job->first = 0;
    atomic_store(&job->received, 0);
    atomic_store(&job->state, IOTKIT_JOB_READY);
    rc = 0;
  }
  ik_job_leave(job);
  return rc;
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

/* ---- what other threads do to a fetch ---- */

void ik_job_wake(iotkit_job_t *job) {
  ik_mutex_lock(job->mutex);
  if (job->wake != NULL) ik_wake_signal(job->wake);
  ik_mutex_unlock(job->mutex);
}

/* With a reference; NULL: there is none. */
static iotkit_job_t *inner_of(iotkit_job_t *job) {
  ik_mutex_lock(job->mutex);
  iotkit_job_t *inner = iotkit_job_ref(job->inner);
  ik_mutex_unlock(job->mutex);
  return inner;
}

void iotkit_job_interrupt(iotkit_job_t *job) {
  if (job == NULL) return;
  iotkit_job_t *inner = inner_of(job);
  atomic_store(&job->interrupted, true);
  ik_job_wake(job);
  iotkit_job_interrupt(inner);
  iotkit_job_unref(inner);
}

void iotkit_job_abort(iotkit_job_t *job) {
  if (job == NULL) return;
  ik_job_finish(job, IOTKIT_JOB_FAILED, IK_EABORTED, "the download was cancelled");
  ik_job_wake(job);
  /* Nobody fetches: then nobody else will close the connection before the last reference goes. */
  if (iotkit_job_get_state(job) == IOTKIT_JOB_FAILED && !atomic_exchange(&job->fetching, true)) {
    ik_job_disconnect(job);
    ik_job_leave(job);
  }
  iotkit_job_t *inner = inner_of(job);
  iotkit_job_abort(inner);
  iotkit_job_unref(inner);
}

void iotkit_job_pause(iotkit_job_t *job, bool paused) {
  if (job == NULL) return;
  uint64_t now_ms = ik_port_now_ms();
  ik_mutex_lock(job->mutex);
  bool before = atomic_load(&job->paused);
  if (paused && !before) job->paused_since = now_ms;
  if (!paused && before && now_ms > job->paused_since) {
    atomic_fetch_add(&job->paused_ms, now_ms - job->paused_since);
  }
  atomic_store(&job->paused, paused);
  ik_mutex_unlock(job->mutex);
  ik_job_wake(job);
  iotkit_job_t *inner = inner_of(job);
  iotkit_job_pause(inner, paused);
  iotkit_job_unref(inner);
}

void ik_job_set_inner(iotkit_job_t *job, iotkit_job_t *inner) {
  iotkit_job_ref(inner);
  ik_mutex_lock(job->mutex);
  iotkit_job_t *before = job->inner;
  job->inner = inner;
  ik_mutex_unlock(job->mutex);
  iotkit_job_unref(before);
  if (inner == NULL) return;
  /* What was done to the job just before is not lost, what is done from now on is passed on. */
  if (iotkit_job_error(job, NULL) == IK_EABORTED) iotkit_job_abort(inner);
  if (atomic_load(&job->paused)) iotkit_job_pause(inner, true);
}
