/*
 * job_fetch.c - the download: the policy of ota/transfer.c carried out over a transport, on the
 * calling thread.
 *
 * The connection stays open between calls. Bytes of the body are received straight into the
 * caller's buffer; only what came in one piece with a response head passes through the scratch, and
 * so does what comes behind the image.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/job.h"
#include "iotkit_mqtt.h"
#include "port/port.h"

#define STEPS_MAX 256 /* of one call that must not wait */

/* One call of iotkit_job_fetch. */
struct call {
  uint8_t *buf;
  size_t len;
  size_t got;
  uint64_t start; /* place of buf[0] in the image */
  uint64_t now_ms;
  uint64_t deadline_ms;
  int interest; /* what the transport waits for, when a step could do nothing */
};

enum step { STEP_AGAIN, STEP_WAIT };

void ik_job_disconnect(iotkit_job_t *job) {
  if (job->transport != NULL) job->transport->ops->close(job->transport);
  job->transport = NULL;
  job->scratch_pos = 0;
  job->scratch_len = 0;
  ik_buf_clear(&job->request);
}

/* ---- beginning ---- */

static int begin(iotkit_job_t *job, char *detail) {
  const struct iotkit_fetch_options *from = &job->options;
  const struct ik_transfer_options options = {
      .response_timeout_ms = from->response_timeout_ms,
      .idle_timeout_ms = from->idle_timeout_ms,
      .low_speed_bytes = from->low_speed_bytes,
      .low_speed_ms = from->low_speed_ms,
      .max_retries = from->max_retries,
      .retry_min_ms = from->retry_min_ms,
      .retry_max_ms = from->retry_max_ms,
      .max_redirects = from->max_redirects,
      .https_only = from->https_only,
      .no_rewind = job->no_rewind,
  };
  struct ik_wake *wake;
  int rc = ik_wake_new(&wake);
  if (rc != 0) return rc;
  ik_mutex_lock(job->mutex);
  job->wake = wake;
  ik_mutex_unlock(job->mutex);
  const struct iotkit_upgrade *upgrade = &job->notice.upgrade;
  rc = ik_transfer_init(&job->transfer, &options, upgrade->url, upgrade->size, detail);
  job->begun = rc == 0;
  return rc;
}

/* READY → FETCHING, unless it was aborted meanwhile. */
static void set_fetching(iotkit_job_t *job) {
  ik_mutex_lock(job->mutex);
  if (atomic_load(&job->state) == IOTKIT_JOB_READY) atomic_store(&job->state, IOTKIT_JOB_FETCHING);
  ik_mutex_unlock(job->mutex);
}

/* ---- steps, one for each state of the transfer ---- */

static void drop(iotkit_job_t *job, struct call *call, int error, const char *detail) {
  ik_transfer_error(&job->transfer, error, detail, call->now_ms, ik_port_random_u32());
}

static int dial(iotkit_job_t *job, struct call *call, char *detail) {
  const struct ik_url *url = &job->transfer.url;
  if (url->https && job->options.tls == NULL) {
    const struct iotkit_tls_options defaults = {0};
    int rc = iotkit_tls_new(&defaults, &job->options.tls, detail);
    if (rc != 0) return rc;
  }
  const struct ik_dial options = {
      .host = url->host,
      .port = url->port,
      .tls = url->https ? job->options.tls : NULL,
      .timeout_ms = job->options.connect_timeout_ms,
  };
  return job->dial(job->dial_ctx, &options, call->now_ms, &job->transport, detail);
}

static enum step step_connect(iotkit_job_t *job, struct call *call) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = job->transport == NULL ? dial(job, call, detail) : 0;
  if (rc == 0) rc = job->transport->ops->open(job->transport, call->now_ms, detail);
  if (rc == IK_EAGAIN) {
    call->interest = job->transport->ops->interest(job->transport, 0);
    return STEP_WAIT;
  }
  if (rc != 0) {
    drop(job, call, rc, detail);
  } else {
    ik_transfer_connected(&job->transfer, call->now_ms);
  }
  return STEP_AGAIN;
}

static int compose(iotkit_job_t *job) {
  char agent[64];
  snprintf(agent, sizeof(agent), "iotkit-ota/%s", iotkit_version());
  return ik_transfer_request(&job->transfer, agent, &job->request);
}

static enum step step_request(iotkit_job_t *job, struct call *call) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (ik_buf_size(&job->request) == 0) {
    int rc = compose(job);
    if (rc != 0) {
      ik_transfer_fail(&job->transfer, rc, "the request could not be composed");
      return STEP_AGAIN;
    }
  }
  ptrdiff_t n = job->transport->ops->write(job->transport, ik_buf_ptr(&job->request),
                                           ik_buf_size(&job->request), detail);
  if (n == IK_EAGAIN) {
    call->interest = job->transport->ops->interest(job->transport, IOTKIT_WRITE);
    return STEP_WAIT;
  }
  if (n < 0) {
    drop(job, call, (int)n, detail);
    return STEP_AGAIN;
  }
  ik_buf_consume(&job->request, (size_t)n);
  if (ik_buf_size(&job->request) > 0) return STEP_AGAIN;
  ik_http_exchange_reset(&job->exchange);
  ik_transfer_sent(&job->transfer, call->now_ms);
  return STEP_AGAIN;
}

/*
 * Reads to `into`; > 0 bytes, else *step says what to do: wait, or go on because the transfer was
 * told.
 */
static size_t receive(iotkit_job_t *job, struct call *call, uint8_t *into, size_t len,
                      enum step *step) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  ptrdiff_t n = job->transport->ops->read(job->transport, into, len, detail);
  *step = STEP_AGAIN;
  if (n > 0) return (size_t)n;
  if (n == IK_EAGAIN) {
    call->interest = job->transport->ops->interest(job->transport, IOTKIT_READ);
    *step = STEP_WAIT;
    return 0;
  }
  int rc = n < 0 ? (int)n : ik_http_exchange_eof(&job->exchange, detail);
  if (rc == 0) {
    ik_transfer_end(&job->transfer, false, call->now_ms, ik_port_random_u32());
  } else {
    drop(job, call, rc, detail);
  }
  return 0;
}

static enum step step_head(iotkit_job_t *job, struct call *call) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  enum step step = STEP_AGAIN;
  size_t none;
  size_t used;
  if (job->scratch_pos == job->scratch_len) {
    job->scratch_pos = 0;
    job->scratch_len = receive(job, call, job->scratch, sizeof(job->scratch), &step);
    if (job->scratch_len == 0) return step;
  }
  int rc = ik_http_exchange_push(&job->exchange, job->scratch + job->scratch_pos,
                                 job->scratch_len - job->scratch_pos, &none, &used, detail);
  job->scratch_pos += used;
  if (rc != 0) {
    drop(job, call, rc, detail);
  } else if (job->exchange.phase != IK_HTTP_HEAD) {
    ik_transfer_head(&job->transfer, &job->exchange, call->now_ms, ik_port_time_ms(),
                     ik_port_random_u32());
  }
  return STEP_AGAIN;
}

/*
 * Bytes that were handed out before, up to `offset`, come again at `place`: they must be the same.
 */
static void compare_prefix(iotkit_job_t *job, const uint8_t *data, size_t len, uint64_t place,
                           uint64_t offset) {
  int rc = 0;
  if (job->prefix == NULL) {
    rc = ik_digest_new(job->notice.upgrade.digest_method, &job->prefix);
  } else if (place == 0) {
    rc = ik_digest_reset(job->prefix);
  }
  if (rc == 0) rc = ik_digest_update(job->prefix, data, len);
  if (rc != 0) {
    ik_transfer_fail(&job->transfer, rc, "the digest could not be computed");
  } else if (place + len == offset && !ik_job_prefix_matches(job)) {
    ik_transfer_fail(&job->transfer, IK_ECHANGED,
                     "the server offers another image than the one whose beginning was handed out");
  }
}

/*
 * `len` body bytes stand at `data`, which is the end of what was handed out, or the scratch behind
 * the image.
 */
static void take_body(iotkit_job_t *job, struct call *call, uint8_t *data, size_t len) {
  struct ik_transfer *transfer = &job->transfer;
  uint64_t offset = transfer->offset;
  uint64_t place = transfer->place;
  size_t skip;
  size_t take;
  ik_transfer_bytes(transfer, len, call->now_ms, &skip, &take);
  if (skip > 0) {
    compare_prefix(job, data, skip, place, offset);
    if (transfer->state == IK_TRANSFER_FAILED) return;
    memmove(data, data + skip, take);
  }
  if (take == 0) return;
  if (!job->options.external_digest) {
    int rc = ik_job_update_digest(job, offset, data, take);
    if (rc != 0) {
      ik_transfer_fail(transfer, rc, "the digest could not be computed");
      return;
    }
  }
  call->got += take;
  atomic_store(&job->received, transfer->offset);
}

/* Decodes raw bytes in place and takes what is body. Returns how many raw ones were used. */
static size_t decode(iotkit_job_t *job, struct call *call, uint8_t *data, size_t len) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  size_t body;
  size_t used;
  int rc = ik_http_exchange_push(&job->exchange, data, len, &body, &used, detail);
  take_body(job, call, data, body);
  if (rc != 0) {
    drop(job, call, rc, detail);
  } else if (job->exchange.phase == IK_HTTP_END) {
    ik_transfer_end(&job->transfer, ik_http_exchange_reusable(&job->exchange) && used == len,
                    call->now_ms, ik_port_random_u32());
  }
  return used;
}

/*
 * The raw bytes left in the scratch: into the caller's buffer, or judged where they are when that
 * is full.
 */
static enum step step_scratch(iotkit_job_t *job, struct call *call) {
  uint8_t *raw = job->scratch + job->scratch_pos;
  size_t n = job->scratch_len - job->scratch_pos;
  size_t room = call->len - call->got;
  if (room > 0) {
    if (n > room) n = room;
    memcpy(call->buf + call->got, raw, n);
    raw = call->buf + call->got;
  }
  job->scratch_pos += decode(job, call, raw, n);
  return STEP_AGAIN;
}

static enum step step_body(iotkit_job_t *job, struct call *call) {
  enum step step = STEP_AGAIN;
  const struct ik_http_exchange *exchange = &job->exchange;
  if (job->scratch_pos < job->scratch_len) return step_scratch(job, call);
  size_t room = call->len - call->got;
  if (room == 0) {
    /* The image is complete, the body's end is not: the chunk of length 0, or the FIN. */
    job->scratch_pos = 0;
    job->scratch_len = receive(job, call, job->scratch, sizeof(job->scratch), &step);
    return step;
  }
  if (exchange->framing == IK_HTTP_LENGTH && exchange->length - exchange->received < room) {
    room = (size_t)(exchange->length - exchange->received);
  }
  size_t n = receive(job, call, call->buf + call->got, room, &step);
  if (n > 0) decode(job, call, call->buf + call->got, n);
  return step;
}

static enum step step(iotkit_job_t *job, struct call *call) {
  switch (job->transfer.state) {
  case IK_TRANSFER_CONNECT:
    return step_connect(job, call);
  case IK_TRANSFER_REQUEST:
    return step_request(job, call);
  case IK_TRANSFER_HEAD:
    return step_head(job, call);
  case IK_TRANSFER_BODY:
    return step_body(job, call);
  case IK_TRANSFER_WAIT:
    call->interest = 0;
    return STEP_WAIT;
  case IK_TRANSFER_DONE:
  case IK_TRANSFER_FAILED:
    break;
  }
  return STEP_AGAIN;
}

/* ---- the loop ---- */

/* The connection goes when the transfer left the states that use it, or begins a new one. */
static void follow(iotkit_job_t *job, enum ik_transfer_state before) {
  enum ik_transfer_state now = job->transfer.state;
  bool uses = now == IK_TRANSFER_REQUEST || now == IK_TRANSFER_HEAD || now == IK_TRANSFER_BODY;
  if (uses || (now == IK_TRANSFER_CONNECT && before == IK_TRANSFER_CONNECT)) return;
  ik_job_disconnect(job);
}

static void wait(iotkit_job_t *job, const struct call *call) {
  const struct ik_transport *transport = job->transport;
  uint64_t until = call->deadline_ms;
  uint64_t due = ik_transfer_deadline(&job->transfer);
  if (due < until) until = due;
  struct ik_pollfd fds[2] = {{ik_wake_fd(job->wake), IOTKIT_READ, 0}, {-1, 0, 0}};
  if (transport != NULL) {
    due = transport->ops->deadline(transport);
    if (due < until) until = due;
    if ((call->interest & IK_PENDING) != 0) return;
    fds[1].fd = transport->ops->fd(transport);
    fds[1].interest = call->interest;
  }
  if (until <= call->now_ms) return;
  uint64_t ms = until - call->now_ms;
  ik_port_poll(fds, 2, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
  if (fds[0].ready != 0) ik_wake_clear(job->wake);
}

/* What ended the call: the number of bytes, 0 or an error; 1 in *done. */
static int64_t outcome(iotkit_job_t *job, const struct call *call, bool *done) {
  const struct ik_transfer *transfer = &job->transfer;
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
  *done = false;
  return 0;
}

static int64_t run(iotkit_job_t *job, struct call *call) {
  bool done;
  uint32_t steps = 0;
  for (;;) {
    if (call->got == 0) call->start = job->transfer.offset;
    int64_t result = outcome(job, call, &done);
    if (done) return result;
    enum ik_transfer_state before = job->transfer.state;
    call->interest = 0;
    enum step next = step(job, call);
    call->now_ms = ik_port_now_ms();
    if (next == STEP_WAIT || ++steps % STEPS_MAX == 0) {
      bool over = call->now_ms >= call->deadline_ms;
      if (next == STEP_WAIT && !over) {
        wait(job, call);
        call->now_ms = ik_port_now_ms();
      }
      if (call->now_ms >= ik_transfer_deadline(&job->transfer)) {
        ik_transfer_tick(&job->transfer, call->now_ms, ik_port_random_u32());
      }
      follow(job, before);
      bool ended =
          job->transfer.state == IK_TRANSFER_DONE || job->transfer.state == IK_TRANSFER_FAILED;
      if (over && !ended) return (int64_t)call->got;
      continue;
    }
    follow(job, before);
  }
}

static int64_t fetch(iotkit_job_t *job, struct call *call) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  switch (iotkit_job_get_state(job)) {
  case IOTKIT_JOB_FETCHED:
    call->start = job->notice.upgrade.size;
    return 0;
  case IOTKIT_JOB_FAILED:
    ik_job_disconnect(job);
    return iotkit_job_error(job, NULL);
  case IOTKIT_JOB_READY: {
    int rc = job->begun ? 0 : begin(job, detail);
    if (rc != 0) {
      ik_job_finish(job, IOTKIT_JOB_FAILED, rc, detail);
      return iotkit_job_error(job, NULL);
    }
    set_fetching(job);
    break;
  }
  case IOTKIT_JOB_FETCHING:
    ik_transfer_resume(&job->transfer, call->now_ms - job->last_ms);
    break;
  }
  int64_t result = run(job, call);
  job->last_ms = call->now_ms;
  if (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHING) ik_job_disconnect(job);
  return result;
}

int64_t iotkit_job_fetch(iotkit_job_t *job, void *buf, size_t len, uint32_t timeout_ms,
                         uint64_t *offset) {
  if (job == NULL || buf == NULL || len == 0) return IK_EINVALID_ARGUMENT;
  if (atomic_exchange(&job->fetching, true)) {
    int error = iotkit_job_error(job, NULL);
    return error == IK_EABORTED ? IK_EABORTED : IK_EBUSY;
  }
  struct call call = {.buf = buf, .len = len, .now_ms = ik_port_now_ms()};
  call.deadline_ms = timeout_ms == UINT32_MAX ? UINT64_MAX : call.now_ms + timeout_ms;
  int64_t result = fetch(job, &call);
  if (offset != NULL) *offset = call.start;
  atomic_store(&job->fetching, false);
  return result;
}
