/*
 * job_renew.c - another URL of the same image, when the server refuses the one there is.
 *
 * The fetching thread asks through the link to the job's channel; what comes back, or what the
 * caller gives, is left under the mutex and taken by the fetching thread. No lock is held while the
 * link is called.
 */
#include <stdlib.h>

#include "api/job.h"
#include "api/link.h"
#include "port/port.h"

#define ASK_AGAIN_MS 2000  /* the channel could not ask */
#define NO_ANSWER_MS 10000 /* question or answer may be lost */

bool iotkit_job_wants_url(const iotkit_job_t *job) {
  if (job == NULL || iotkit_job_get_state(job) != IOTKIT_JOB_FETCHING) return false;
  if (!atomic_load(&job->wants_url)) return false;
  ik_mutex_lock(job->mutex);
  bool answered = job->answer.url != NULL; /* and the fetch has not seen it yet */
  ik_mutex_unlock(job->mutex);
  return !answered;
}

bool ik_job_is_same_image(const iotkit_job_t *job, const struct ik_notice *notice) {
  return ik_notice_url_of(notice, &job->notice) != NULL;
}

/* Leaves an answer for the fetching thread; takes over the URL. */
static void leave(iotkit_job_t *job, char *url, int error, const char *detail) {
  ik_mutex_lock(job->mutex);
  char *before = job->answer.url;
  job->answer.url = url;
  job->answer.error = error;
  ik_detail(job->answer.detail, "%s", detail);
  ik_mutex_unlock(job->mutex);
  free(before);
  ik_job_wake(job);
}

void ik_job_answered(iotkit_job_t *job, const struct ik_notice *notice, int error,
                     const char *detail) {
  if (notice == NULL) {
    leave(job, NULL, error, detail != NULL ? detail : "");
    return;
  }
  const char *url = ik_notice_url_of(notice, &job->notice);
  if (url == NULL) {
    leave(job, NULL, IK_EURL_EXPIRED, "the platform announces another image");
    return;
  }
  char *copy = ik_str_dup(ik_str(url));
  leave(job, copy, copy != NULL ? 0 : IK_ENO_MEMORY, "out of memory");
}

int iotkit_job_renew(iotkit_job_t *job, const char *json, size_t len, char *detail) {
  struct ik_notice notice;
  char *url = NULL;
  if (job == NULL || json == NULL) return IK_EINVALID_ARGUMENT;
  enum iotkit_job_state state = iotkit_job_get_state(job);
  if (state != IOTKIT_JOB_READY && state != IOTKIT_JOB_FETCHING) return IK_EINVALID_STATE;
  int rc = ik_notice_parse((struct ik_str){json, len}, &notice, detail);
  const char *found = rc == 0 ? ik_notice_url_of(&notice, &job->notice) : NULL;
  if (found != NULL) {
    url = ik_str_dup(ik_str(found));
    if (url == NULL) rc = IK_ENO_MEMORY;
  } else if (rc == 0) {
    ik_detail(detail, "the notice is about another image");
    rc = IK_EINVALID_ARGUMENT;
  }
  ik_notice_free(&notice);
  if (rc == 0) leave(job, url, 0, "");
  return rc;
}

/* ---- the fetching thread ---- */

/* Takes what was left: 1: *url, which the caller frees; 0: nothing; or why there is none. */
static int take(iotkit_job_t *job, char **url, char *detail) {
  ik_mutex_lock(job->mutex);
  *url = job->answer.url;
  int rc = *url != NULL ? 1 : job->answer.error;
  ik_detail(detail, "%s", job->answer.detail);
  job->answer.url = NULL;
  job->answer.error = 0;
  ik_mutex_unlock(job->mutex);
  return rc;
}

/* What the server said of the URL, and why there is no other. */
static void give_up(iotkit_job_t *job, const char *why) {
  char text[IOTKIT_DETAIL_MAX];
  struct ik_transfer *transfer = &job->lane.transfer;
  bool silent = why == NULL || why[0] == '\0';
  ik_detail(text, "%s%s%s", transfer->detail, silent ? "" : "; no other URL: ", silent ? "" : why);
  ik_transfer_fail(transfer, IK_EURL_EXPIRED, text);
}

static void ask(iotkit_job_t *job, uint64_t now_ms) {
  int rc = job->link != NULL ? ik_link_ask(job->link, job) : IK_ECLOSED;
  if (rc == 0) {
    job->ask_at = now_ms + NO_ANSWER_MS;
  } else if (rc != IK_ECLOSED) {
    job->ask_at = now_ms + ASK_AGAIN_MS;
  } else if (job->config->renew_by_caller) {
    job->ask_at = UINT64_MAX;
  } else {
    give_up(job, job->link != NULL ? "the channel is closed" : NULL);
  }
}

uint64_t ik_job_step_url(iotkit_job_t *job, uint64_t now_ms) {
  struct ik_transfer *transfer = &job->lane.transfer;
  char detail[IOTKIT_DETAIL_MAX];
  char *url;
  if (!atomic_exchange(&job->wants_url, true)) job->ask_at = transfer->wait_until;
  int rc = take(job, &url, detail);
  if (rc > 0) {
    ik_job_end_url(job);
    ik_transfer_renew(transfer, url, now_ms);
    free(url);
    return now_ms;
  }
  if (rc == IK_ECLOSED) {
    job->ask_at = now_ms;
  } else if (rc < 0) {
    give_up(job, detail[0] != '\0' ? detail : iotkit_strerror(rc));
    return now_ms;
  }
  if (now_ms >= job->ask_at) ask(job, now_ms);
  return job->ask_at;
}

void ik_job_end_url(iotkit_job_t *job) {
  if (atomic_exchange(&job->wants_url, false) && job->link != NULL) {
    ik_link_forget(job->link, job);
  }
}
