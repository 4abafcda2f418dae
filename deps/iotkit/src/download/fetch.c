/*
 * fetch.c - advances the source, hands out the bytes it brings, and waits in between, until the
 * buffer is full, the time is over, or the download ends.
 */
#include "download/fetch.h"

#define STEPS_MAX 256 /* of one call that must not wait */

/* ---- bytes ---- */

static void hand_out(void *ctx, struct ik_call *call, uint64_t offset, size_t len) {
  struct ik_fetch *fetch = ctx;
  int rc = 0;
  if (!fetch->setup->config->options.external_digest)
    rc = ik_running_digest_update(fetch->digest, offset, call->buf + call->got, len);
  if (rc != 0) {
    ik_control_finish(fetch->control, IOTKIT_JOB_FAILED, rc, "the digest could not be computed");
    return;
  }
  call->got += len;
  atomic_store(&fetch->control->received, offset + len);
}

/* ---- life ---- */

void ik_fetch_init(struct ik_fetch *fetch, const struct ik_fetch_setup *setup,
                   struct ik_control *control, struct ik_running_digest *digest,
                   ik_source_open_fn open_source, void *ctx) {
  *fetch = (struct ik_fetch){.setup = setup,
                             .control = control,
                             .digest = digest,
                             .open_source = open_source,
                             .ctx = ctx,
                             .outlet = {.hand_out = hand_out, .ctx = fetch}};
}

void ik_fetch_close(struct ik_fetch *fetch) {
  if (fetch->source != NULL) fetch->source->ops->free(fetch->source);
  fetch->source = NULL;
}

static int begin(struct ik_fetch *fetch, uint64_t now_ms, char *detail) {
  const struct ik_fetch_setup *setup = fetch->setup;
  int rc = ik_fetch_config_check_size(setup->config, setup->upgrade_size, detail);
  if (rc == 0)
    rc = ik_verify_announced(&setup->announcement, &setup->config->options, &setup->signature,
                             detail);
  if (rc == 0)
    rc = fetch->open_source(fetch->ctx, atomic_load(&fetch->control->received), now_ms,
                            &fetch->source, detail);
  if (rc != 0) return rc;
  fetch->waits_told = 0;
  fetch->paused_seen_ms = atomic_load(&fetch->control->paused_ms);
  ik_control_begin(fetch->control, now_ms);
  return 0;
}

/* ---- the loop ---- */

/*
 * Whether the call ends here (*done), and then its result: the number of bytes, 0 or an error.
 */
static int64_t outcome(struct ik_fetch *fetch, const struct ik_call *call,
                       const struct ik_source_status *status, bool *done) {
  struct ik_control *control = fetch->control;
  int64_t got = (int64_t)call->got;
  *done = true;
  if (ik_control_state(control) == IOTKIT_JOB_FAILED) return ik_control_error(control, NULL);
  if (status->state == IK_SOURCE_FAILED) {
    if (got > 0) return got; /* the next call reports it */
    ik_control_finish(control, IOTKIT_JOB_FAILED, status->error, status->detail);
    return ik_control_error(control, NULL);
  }
  if (status->state == IK_SOURCE_DONE) {
    fetch->mixed = status->mixed;
    ik_control_finish(control, IOTKIT_JOB_FETCHED, 0, "");
    return got;
  }
  if (got > 0 && status->offset != call->start + call->got) return got; /* the image begins again */
  if (got > 0 && status->compares) return got; /* another thread may have to digest them */
  if (call->got == call->len && !status->end_missing) return got;
  /* With something to hand out the next call is the interrupted one. */
  if (ik_control_is_interrupted(control, got == 0)) return got > 0 ? got : IK_EINTERRUPTED;
  *done = got > 0 && ik_control_is_paused(control);
  return got;
}

/* Tells the user that a try has failed and when the next one begins. */
static void tell_retry(struct ik_fetch *fetch, const struct ik_source_status *status,
                       uint64_t now_ms) {
  if (status->waits == fetch->waits_told) return;
  fetch->waits_told = status->waits;
  if (fetch->setup->on_retry == NULL || status->state != IK_SOURCE_OPEN) return;
  const struct iotkit_retry retry = {
      .attempt = status->attempt,
      .error = status->error,
      .detail = status->detail,
      .delay_ms = status->retry_ms > now_ms ? status->retry_ms - now_ms : 0,
  };
  fetch->setup->on_retry(fetch->setup->retry_ctx, &retry);
}

/* Reports pauses that are over to the source. */
static void count_pauses(struct ik_fetch *fetch) {
  uint64_t paused_ms = atomic_load(&fetch->control->paused_ms);
  if (paused_ms == fetch->paused_seen_ms) return;
  fetch->source->ops->count_pause(fetch->source, paused_ms - fetch->paused_seen_ms);
  fetch->paused_seen_ms = paused_ms;
}

/* While paused: only a wake-up or the deadline of the call ends the wait. */
static int wait_while_paused(struct ik_fetch *fetch, struct ik_call *call) {
  struct ik_source *source = fetch->source;
  uint64_t before_ms = call->now_ms;
  int rc = source->ops->wait_while_paused(source, call);
  source->ops->extend_deadlines(source, call->now_ms - before_ms);
  return rc;
}

/*
 * One thing, or a wait for it. True in *stop: the time is over. While it goes well, time-outs are
 * applied now and then alone (`applies`): what has arrived is taken in first.
 */
static int move_on(struct ik_fetch *fetch, struct ik_call *call, bool has_time, bool applies,
                   bool *stop) {
  struct ik_source *source = fetch->source;
  uint64_t until_ms = call->deadline_ms;
  bool progressed = source->ops->advance(source, call, &until_ms);
  call->now_ms = ik_port_now_ms();
  bool over = call->now_ms >= call->deadline_ms;
  if (progressed && !applies) {
    *stop = over && has_time;
    return 0;
  }
  *stop = over;
  int rc = progressed ? 0 : source->ops->wait(source, call, until_ms);
  source->ops->tick(source, call->now_ms);
  return rc;
}

static int64_t run(struct ik_fetch *fetch, struct ik_call *call) {
  struct ik_source *source = fetch->source;
  struct ik_source_status status;
  bool stop = false;
  bool done;
  bool begins = true;
  bool has_time = call->now_ms < call->deadline_ms;
  for (uint32_t steps = 1;; steps++) {
    source->ops->status(source, &status);
    if (call->got == 0) call->start = status.offset;
    tell_retry(fetch, &status, call->now_ms);
    int64_t result = outcome(fetch, call, &status, &done);
    if (done) return result;
    if (stop) return (int64_t)call->got;
    int rc;
    if (ik_control_is_paused(fetch->control)) {
      stop = call->now_ms >= call->deadline_ms;
      rc = wait_while_paused(fetch, call);
    } else {
      count_pauses(fetch);
      if (begins) source->ops->tick(source, call->now_ms);
      begins = false;
      rc = move_on(fetch, call, has_time, steps % STEPS_MAX == 0, &stop);
    }
    if (rc < 0) return call->got > 0 ? (int64_t)call->got : rc;
  }
}

/* ---- one call ---- */

static int64_t fail(struct ik_fetch *fetch, int error, const char *detail) {
  ik_control_finish(fetch->control, IOTKIT_JOB_FAILED, error, detail);
  return ik_control_error(fetch->control, NULL);
}

/* Begins the download or continues it. 0, or the error that ends the call. */
static int64_t resume(struct ik_fetch *fetch, struct ik_call *call) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (ik_control_state(fetch->control) == IOTKIT_JOB_READY) {
    int rc = ik_control_make_wake(fetch->control);
    if (rc != 0) return rc; /* no descriptor is free: that passes, and the job is READY as before */
    rc = begin(fetch, call->now_ms, detail);
    return rc != 0 ? fail(fetch, rc, detail) : 0;
  }
  fetch->source->ops->extend_deadlines(fetch->source, call->now_ms - fetch->last_ms);
  return 0;
}

static int64_t end_call(struct ik_fetch *fetch, const struct ik_call *call, int64_t result) {
  fetch->last_ms = call->now_ms;
  if (ik_control_state(fetch->control) != IOTKIT_JOB_FETCHING) {
    ik_fetch_close(fetch);
  } else {
    fetch->source->ops->end_call(fetch->source);
  }
  return result;
}

int64_t ik_fetch_run(struct ik_fetch *fetch, struct ik_call *call) {
  call->outlet = &fetch->outlet;
  switch (ik_control_state(fetch->control)) {
  case IOTKIT_JOB_FETCHED:
    call->start = fetch->setup->announcement.upgrade.size;
    return 0;
  case IOTKIT_JOB_FAILED:
    ik_fetch_close(fetch);
    return ik_control_error(fetch->control, NULL);
  default:
    break;
  }
  int64_t result = resume(fetch, call);
  if (result == 0) result = run(fetch, call);
  return end_call(fetch, call, result);
}
