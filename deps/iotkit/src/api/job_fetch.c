/*
 * job_fetch.c - the download on the calling thread: the image's transfer is carried out over one
 * lane, or over several at once (job_lanes.c); in between it waits.
 *
 * Connections stay open between calls. Bytes of the body are received straight into the caller's
 * buffer.
 */
#include <string.h>

#include "api/job.h"
#include "api/link.h"
#include "iotkit_mqtt.h"
#include "port/port.h"

#define STEPS_MAX 256 /* of one call that must not wait */

void ik_job_disconnect(iotkit_job_t *job) {
  ik_job_lanes_free(job);
  ik_lane_disconnect(&job->lane);
  ik_job_blocks_free(job->blocks);
  job->blocks = NULL;
}

/* ---- beginning ---- */

static struct ik_transfer_options policy(const iotkit_job_t *job) {
  const struct iotkit_fetch_options *from = &job->config->options;
  bool can_renew = job->link != NULL || job->config->renew_by_caller;
  return (struct ik_transfer_options){
      .response_timeout_ms = from->response_timeout_ms,
      .idle_timeout_ms = from->idle_timeout_ms,
      .low_speed_bytes = from->low_speed_bytes,
      .low_speed_ms = from->low_speed_ms,
      .max_retries = from->max_retries,
      .max_tries = from->max_tries,
      .retry_min_ms = from->retry_min_ms,
      .retry_max_ms = from->retry_max_ms,
      .max_redirects = from->max_redirects,
      .total_timeout_ms = from->total_timeout_ms,
      .renew_timeout_ms = can_renew ? from->renew_timeout_ms : UINT32_MAX,
      .https_only = from->https_only,
      .no_rewind = job->no_rewind,
      .headers = from->headers,
      .allowed_hosts = from->allowed_hosts,
  };
}

static int make_wake(iotkit_job_t *job) {
  struct ik_wake *wake;
  if (job->wake != NULL) return 0;
  int rc = ik_wake_new(&wake);
  if (rc != 0) return rc;
  ik_mutex_lock(job->mutex);
  job->wake = wake;
  ik_mutex_unlock(job->mutex);
  return 0;
}

/* The total time begins now, and with it the time of a pause that is to be taken off. */
static void begin_pauses(iotkit_job_t *job, uint64_t now_ms) {
  ik_mutex_lock(job->mutex);
  job->paused_since = now_ms;
  job->paused_seen_ms = atomic_load(&job->paused_ms);
  ik_mutex_unlock(job->mutex);
}

static int begin(iotkit_job_t *job, uint64_t now_ms, char *detail) {
  const struct iotkit_upgrade *upgrade = &job->notice.upgrade;
  const struct ik_transfer_options options = policy(job);
  int rc = make_wake(job);
  if (rc == 0) rc = ik_job_verify_notice(job, detail);
  if (rc != 0) return rc;
  ik_throttle_init(&job->throttle, job->config->options.limiters);
  begin_pauses(job, now_ms);
  if (upgrade->protocol != IOTKIT_PROTOCOL_HTTP) return 0;
  rc = ik_transfer_init(&job->lane.transfer, &options, upgrade->url, upgrade->size, detail);
  if (rc != 0) return rc;
  ik_transfer_begin(&job->lane.transfer, job->first, now_ms);
  job->begun = true;
  return 0;
}

/* READY → FETCHING, unless it was aborted meanwhile. */
static void set_fetching(iotkit_job_t *job) {
  ik_mutex_lock(job->mutex);
  if (atomic_load(&job->state) == IOTKIT_JOB_READY) atomic_store(&job->state, IOTKIT_JOB_FETCHING);
  ik_mutex_unlock(job->mutex);
}

/* ---- steps ---- */

void ik_job_hand_out(iotkit_job_t *job, struct ik_call *call, uint64_t offset, size_t len) {
  if (!job->config->options.external_digest) {
    int rc = ik_job_update_digest(job, offset, call->buf + call->got, len);
    if (rc != 0) {
      ik_transfer_fail(&job->lane.transfer, rc, "the digest could not be computed");
      return;
    }
  }
  call->got += len;
  atomic_store(&job->received, offset + len);
}

/* The image's own connection. */
static bool step_lane(iotkit_job_t *job, struct ik_call *call) {
  struct ik_transfer *transfer = &job->lane.transfer;
  struct ik_step step = {call->buf + call->got, call->len - call->got, 0, call->now_ms};
  bool in_head = transfer->state == IK_TRANSFER_HEAD;
  bool done = ik_lane_step(job, &job->lane, &step);
  if (step.got > 0) ik_job_hand_out(job, call, transfer->offset - step.got, step.got);
  if (in_head) ik_job_lanes_begin(job, call->now_ms);
  return done;
}

/* Does one thing; false: nothing can be done before *until_ms. */
static bool advance(iotkit_job_t *job, struct ik_call *call, uint64_t *until_ms) {
  switch (job->lane.transfer.state) {
  case IK_TRANSFER_LANES:
    return ik_job_lanes_step(job, call);
  case IK_TRANSFER_URL:
    *until_ms = ik_job_step_url(job, call->now_ms);
    return job->lane.transfer.state != IK_TRANSFER_URL;
  default:
    return step_lane(job, call);
  }
}

/* ---- waiting ---- */

static bool is_open(const struct ik_lane *lane) {
  enum ik_transfer_state state = lane->transfer.state;
  return lane->transport != NULL && (state == IK_TRANSFER_CONNECT || state == IK_TRANSFER_REQUEST ||
                                     state == IK_TRANSFER_HEAD || state == IK_TRANSFER_BODY);
}

/* Waits for the lanes, a wake-up, or until_ms. */
static void poll_lanes(iotkit_job_t *job, const struct ik_lane *lanes, size_t count,
                       uint64_t now_ms, uint64_t until_ms) {
  struct ik_pollfd fds[1 + IOTKIT_CONNECTIONS_MAX] = {{ik_wake_fd(job->wake), IOTKIT_READ, 0}};
  for (size_t i = 0; i < count; i++) {
    const struct ik_lane *lane = &lanes[i];
    fds[1 + i] = (struct ik_pollfd){-1, 0, 0};
    uint64_t due = ik_lane_deadline(lane);
    if (due < until_ms) until_ms = due;
    if (!is_open(lane)) continue;
    if ((lane->interest & IK_PENDING) != 0) return;
    if (lane->interest == 0) continue;
    fds[1 + i].fd = lane->transport->ops->fd(lane->transport);
    fds[1 + i].interest = lane->interest;
  }
  if (until_ms <= now_ms) return;
  uint64_t ms = until_ms - now_ms;
  ik_port_poll(fds, 1 + count, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
  if (fds[0].ready != 0) ik_wake_clear(job->wake);
}

/* Nobody was to receive for a while: that is not the server's idleness. */
static void excuse(iotkit_job_t *job, uint64_t away_ms) {
  size_t count;
  struct ik_lane *lanes = ik_job_lanes_all(job, &count);
  for (size_t i = 0; i < count; i++)
    ik_transfer_resume(&lanes[i].transfer, away_ms);
  if (lanes != &job->lane) ik_transfer_resume(&job->lane.transfer, away_ms);
}

/*
 * Another URL is awaited, which comes over MQTT: whoever steps the client goes on, else this thread
 * does.
 */
static bool wait_for_url(iotkit_job_t *job, uint64_t until_ms) {
  if (job->lane.transfer.state != IK_TRANSFER_URL || job->link == NULL) return false;
  if (ik_link_step(job->link, job->wake, until_ms) != 0) return false;
  ik_wake_clear(job->wake);
  return true;
}

/* What a limiter made wait is excused too. */
static void wait(iotkit_job_t *job, struct ik_call *call, uint64_t until_ms) {
  size_t count;
  struct ik_lane *lanes = ik_job_lanes_all(job, &count);
  uint64_t before_ms = call->now_ms;
  bool throttled = false;
  uint64_t due = ik_transfer_deadline(&job->lane.transfer);
  if (due < until_ms) until_ms = due;
  if (!wait_for_url(job, until_ms)) poll_lanes(job, lanes, count, call->now_ms, until_ms);
  call->now_ms = ik_port_now_ms();
  for (size_t i = 0; i < count; i++) {
    if (lanes[i].throttled_until == 0) continue;
    throttled = true;
    ik_transfer_resume(&lanes[i].transfer, call->now_ms - before_ms);
  }
  if (throttled && lanes != &job->lane) {
    ik_transfer_resume(&job->lane.transfer, call->now_ms - before_ms);
  }
}

static void tick(iotkit_job_t *job, uint64_t now_ms) {
  size_t count;
  struct ik_lane *lanes = ik_job_lanes_all(job, &count);
  for (size_t i = 0; i < count; i++)
    ik_lane_tick(&lanes[i], now_ms);
  if (lanes == &job->lane) return;
  ik_lane_tick(&job->lane, now_ms);
  if (job->lane.transfer.state != IK_TRANSFER_LANES) ik_job_lanes_free(job);
}

/*
 * Paused: only a wake-up or the end of the call is waited for. A connection that was being opened
 * is given up, because its own time-out cannot be suspended.
 */
static void rest(iotkit_job_t *job, struct ik_call *call) {
  size_t count;
  struct ik_lane *lanes = ik_job_lanes_all(job, &count);
  uint64_t before_ms = call->now_ms;
  for (size_t i = 0; i < count; i++) {
    if (lanes[i].transfer.state == IK_TRANSFER_CONNECT) ik_lane_disconnect(&lanes[i]);
  }
  ik_throttle_give_back(&job->throttle, 0);
  poll_lanes(job, NULL, 0, call->now_ms, call->deadline_ms);
  call->now_ms = ik_port_now_ms();
  excuse(job, call->now_ms - before_ms);
}

/* ---- the loop ---- */

/* What ended the call: the number of bytes, 0 or an error; 1 in *done. */
static int64_t outcome(iotkit_job_t *job, const struct ik_call *call, bool *done) {
  const struct ik_transfer *transfer = &job->lane.transfer;
  *done = true;
  if (iotkit_job_get_state(job) == IOTKIT_JOB_FAILED) return iotkit_job_error(job, NULL);
  if (transfer->state == IK_TRANSFER_FAILED) {
    if (call->got > 0) return (int64_t)call->got; /* the next call tells */
    ik_job_finish(job, IOTKIT_JOB_FAILED, transfer->error, transfer->detail);
    return iotkit_job_error(job, NULL);
  }
  if (transfer->state == IK_TRANSFER_DONE) {
    ik_job_finish(job, IOTKIT_JOB_FETCHED, 0, "");
    return (int64_t)call->got;
  }
  if (call->got > 0 && transfer->offset != call->start + call->got) return (int64_t)call->got;
  bool tail = transfer->state == IK_TRANSFER_BODY && transfer->place == transfer->size;
  if (call->got == call->len && !tail) return (int64_t)call->got;
  if (atomic_load(&job->interrupted)) {
    if (call->got > 0) return (int64_t)call->got; /* the next call is the interrupted one */
    atomic_store(&job->interrupted, false);
    return IK_EINTERRUPTED;
  }
  *done = call->got > 0 && atomic_load(&job->paused);
  return (int64_t)call->got;
}

/* Tells the transfer of pauses that are over. */
static void count_pauses(iotkit_job_t *job) {
  uint64_t paused_ms = atomic_load(&job->paused_ms);
  if (paused_ms == job->paused_seen_ms) return;
  ik_transfer_paused(&job->lane.transfer, paused_ms - job->paused_seen_ms);
  job->paused_seen_ms = paused_ms;
}

static int64_t run(iotkit_job_t *job, struct ik_call *call) {
  bool done;
  bool begins = true;
  for (uint32_t steps = 1;; steps++) {
    if (call->got == 0) call->start = job->lane.transfer.offset;
    int64_t result = outcome(job, call, &done);
    if (done) return result;
    bool over = call->now_ms >= call->deadline_ms;
    if (atomic_load(&job->paused)) {
      if (over) return 0;
      rest(job, call);
      continue;
    }
    count_pauses(job);
    if (begins) tick(job, call->now_ms);
    begins = false;
    uint64_t until_ms = call->deadline_ms;
    bool progressed = advance(job, call, &until_ms);
    call->now_ms = ik_port_now_ms();
    if (progressed && steps % STEPS_MAX != 0) continue;
    over = call->now_ms >= call->deadline_ms;
    if (!progressed && !over) {
      wait(job, call, until_ms < call->deadline_ms ? until_ms : call->deadline_ms);
    }
    tick(job, call->now_ms);
    if (over && !ik_transfer_has_ended(&job->lane.transfer)) return (int64_t)call->got;
  }
}

/* ---- one call ---- */

static int64_t end_call(iotkit_job_t *job, const struct ik_call *call, int64_t result) {
  job->last_ms = call->now_ms;
  ik_throttle_give_back(&job->throttle, 0);
  bool fetching = iotkit_job_get_state(job) == IOTKIT_JOB_FETCHING;
  if (!fetching) ik_job_disconnect(job);
  if (!fetching || job->lane.transfer.state != IK_TRANSFER_URL) ik_job_end_url(job);
  return result;
}

static int64_t fetch(iotkit_job_t *job, struct ik_call *call) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  const struct iotkit_upgrade *upgrade = &job->notice.upgrade;
  switch (iotkit_job_get_state(job)) {
  case IOTKIT_JOB_FETCHED:
    call->start = upgrade->size;
    return 0;
  case IOTKIT_JOB_FAILED:
    ik_job_disconnect(job);
    return iotkit_job_error(job, NULL);
  case IOTKIT_JOB_READY: {
    int rc = begin(job, call->now_ms, detail);
    if (rc != 0) {
      ik_job_finish(job, IOTKIT_JOB_FAILED, rc, detail);
      return iotkit_job_error(job, NULL);
    }
    set_fetching(job);
    break;
  }
  case IOTKIT_JOB_FETCHING:
    if (job->begun) excuse(job, call->now_ms - job->last_ms);
    break;
  }
  if (job->begun) return end_call(job, call, run(job, call));
  return ik_job_blocks_fetch(job, call->buf, call->len, call->deadline_ms, &call->start);
}

int64_t iotkit_job_fetch(iotkit_job_t *job, void *buf, size_t len, uint32_t timeout_ms,
                         uint64_t *offset) {
  if (job == NULL || buf == NULL || len == 0) return IK_EINVALID_ARGUMENT;
  if (job->notice.upgrade.file_count > 0) return IK_EINVALID_STATE;
  if (atomic_exchange(&job->fetching, true)) {
    int error = iotkit_job_error(job, NULL);
    return error == IK_EABORTED ? IK_EABORTED : IK_EBUSY;
  }
  struct ik_call call = {.buf = buf, .len = len, .now_ms = ik_port_now_ms()};
  call.deadline_ms = timeout_ms == UINT32_MAX ? UINT64_MAX : call.now_ms + timeout_ms;
  int64_t result = fetch(job, &call);
  if (offset != NULL) *offset = call.start;
  atomic_store(&job->fetching, false);
  return result;
}
