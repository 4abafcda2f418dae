/*
 * job_lane.c - one connection: the policy of ota/transfer.c carried out over a transport.
 *
 * A lane owns its transport, its exchange and what waits in its buffers. It is closed when its
 * transfer leaves the states that use it.
 */
#include "api/job_lane.h"

#include <stdio.h>
#include <string.h>

#include "api/job.h"
#include "base/codec.h"
#include "iotkit_mqtt.h"
#include "port/port.h"

/* The URL of an absolute form stands there once more. */
#define REQUEST_MAX (2 * IK_URL_MAX + IK_HTTP_FIELDS_MAX + IK_PROXY_AUTH_MAX + 2 * IK_KIB)

/* ---- life ---- */

void ik_lane_init(struct ik_lane *lane) {
  ik_http_exchange_init(&lane->exchange);
  ik_buf_init(&lane->request, REQUEST_MAX);
}

void ik_lane_disconnect(struct ik_lane *lane) {
  if (lane->transport != NULL) lane->transport->ops->close(lane->transport);
  lane->transport = NULL;
  lane->interest = 0;
  lane->throttled_until = 0;
  lane->scratch_pos = 0;
  lane->scratch_len = 0;
  if (lane->request.data != NULL) ik_wipe(lane->request.data, lane->request.cap);
  ik_buf_clear(&lane->request);
}

void ik_lane_deinit(struct ik_lane *lane) {
  ik_lane_disconnect(lane);
  ik_http_exchange_free(&lane->exchange);
  ik_buf_free(&lane->request);
}

void ik_lane_move(struct ik_lane *from, struct ik_lane *to) {
  struct ik_http_exchange exchange = to->exchange;
  to->exchange = from->exchange;
  from->exchange = exchange;
  to->transport = from->transport;
  from->transport = NULL;
  to->scratch_pos = from->scratch_pos;
  to->scratch_len = from->scratch_len;
  memcpy(to->scratch, from->scratch, sizeof(to->scratch));
  from->scratch_pos = from->scratch_len = 0;
}

/* ---- time ---- */

void ik_lane_follow(struct ik_lane *lane, enum ik_transfer_state before) {
  const struct ik_transfer *transfer = &lane->transfer;
  switch (transfer->state) {
  case IK_TRANSFER_REQUEST:
  case IK_TRANSFER_HEAD:
  case IK_TRANSFER_BODY:
    return;
  case IK_TRANSFER_CONNECT:
    if (before == IK_TRANSFER_CONNECT) return;
    break;
  case IK_TRANSFER_DONE:
    if (transfer->image != NULL && transfer->reusable) return;
    break;
  default:
    break;
  }
  ik_lane_disconnect(lane);
}

void ik_lane_tick(struct ik_lane *lane, uint64_t now_ms) {
  enum ik_transfer_state before = lane->transfer.state;
  if (now_ms < ik_transfer_deadline(&lane->transfer)) return;
  ik_transfer_tick(&lane->transfer, now_ms, ik_port_random_u32());
  ik_lane_follow(lane, before);
}

uint64_t ik_lane_deadline(const struct ik_lane *lane) {
  uint64_t at = ik_transfer_deadline(&lane->transfer);
  if (lane->transport != NULL) {
    uint64_t due = lane->transport->ops->deadline(lane->transport);
    if (due < at) at = due;
  }
  if (lane->throttled_until != 0 && lane->throttled_until < at) at = lane->throttled_until;
  return at;
}

/* ---- steps, one for each state of the transfer ---- */

static void drop(struct ik_lane *lane, const struct ik_step *step, int error, const char *detail) {
  ik_transfer_error(&lane->transfer, error, detail, step->now_ms, ik_port_random_u32());
}

static int dial(iotkit_job_t *job, struct ik_lane *lane, uint64_t now_ms, char *detail) {
  const struct ik_url *url = &lane->transfer.url;
  struct ik_proxy proxy;
  iotkit_tls_t *tls = NULL;
  int rc = url->https ? ik_fetch_config_tls(job->config, &tls, detail) : 0;
  if (rc != 0) return rc;
  rc = ik_proxies_choose(&job->config->proxies, url->https, url->host, url->port, &proxy, detail);
  if (rc < 0) return rc;
  const struct ik_dial options = {
      .host = url->host,
      .port = url->port,
      .tls = tls,
      .timeout_ms = job->config->options.connect_timeout_ms,
      .proxy = rc > 0 ? &proxy : NULL,
  };
  rc = job->dial(job->dial_ctx, &options, now_ms, &lane->transport, detail);
  ik_wipe(&proxy, sizeof(proxy));
  return rc;
}

static bool step_connect(iotkit_job_t *job, struct ik_lane *lane, struct ik_step *step) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = lane->transport == NULL ? dial(job, lane, step->now_ms, detail) : 0;
  if (rc == 0) rc = lane->transport->ops->open(lane->transport, step->now_ms, detail);
  if (rc == IK_EAGAIN && lane->transport != NULL) {
    lane->interest = lane->transport->ops->interest(lane->transport, 0);
    return false;
  }
  if (rc != 0) {
    drop(lane, step, rc, detail);
  } else {
    ik_transfer_connected(&lane->transfer, step->now_ms);
  }
  return true;
}

static int compose(iotkit_job_t *job, struct ik_lane *lane) {
  const struct ik_url *url = &lane->transfer.url;
  struct ik_proxy proxy;
  char agent[64];
  int way = 0;
  if (!url->https) {
    way = ik_proxies_choose(&job->config->proxies, false, url->host, url->port, &proxy, NULL);
    if (way < 0) return way;
  }
  if (lane == &job->lane) ik_job_lanes_plan(job);
  snprintf(agent, sizeof(agent), "iotkit-ota/%s", iotkit_version());
  const struct ik_transfer_sender sender = {
      .user_agent = agent,
      .to_proxy = way > 0,
      .proxy_authorization = ik_str(way > 0 ? proxy.authorization : NULL),
  };
  int rc = ik_transfer_request(&lane->transfer, &sender, &lane->request);
  ik_wipe(&proxy, sizeof(proxy));
  return rc;
}

static bool step_request(iotkit_job_t *job, struct ik_lane *lane, struct ik_step *step) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_buf *request = &lane->request;
  if (ik_buf_size(request) == 0) {
    int rc = compose(job, lane);
    if (rc != 0) {
      ik_transfer_fail(&lane->transfer, rc, "the request could not be composed");
      return true;
    }
  }
  ptrdiff_t n = lane->transport->ops->write(lane->transport, ik_buf_ptr(request),
                                            ik_buf_size(request), detail);
  if (n == IK_EAGAIN) {
    lane->interest = lane->transport->ops->interest(lane->transport, IOTKIT_WRITE);
    return false;
  }
  if (n < 0) {
    if (!ik_transfer_stale(&lane->transfer)) drop(lane, step, (int)n, detail);
    return true;
  }
  ik_buf_consume(request, (size_t)n);
  if (ik_buf_size(request) > 0) return true;
  ik_http_exchange_reset(&lane->exchange);
  ik_transfer_sent(&lane->transfer, step->now_ms);
  return true;
}

/* The connection or the body ended; `n` is what reading said. */
static void end_of_stream(struct ik_lane *lane, const struct ik_step *step, ptrdiff_t n,
                          char *detail) {
  const struct ik_http_exchange *exchange = &lane->exchange;
  bool silent = exchange->phase == IK_HTTP_HEAD && ik_buf_size(&exchange->head.text) == 0;
  if (silent && ik_transfer_stale(&lane->transfer)) return;
  int rc = n < 0 ? (int)n : ik_http_exchange_eof(&lane->exchange, detail);
  if (rc == 0) {
    ik_transfer_end(&lane->transfer, false, step->now_ms, ik_port_random_u32());
  } else {
    drop(lane, step, rc, detail);
  }
}

/* Reads to `into`; 0 bytes: *wait says whether there is something to wait for. */
static size_t receive(iotkit_job_t *job, struct ik_lane *lane, const struct ik_step *step,
                      uint8_t *into, size_t len, bool *wait) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint64_t until_ms = 0;
  size_t may = ik_throttle_take(&job->throttle, len, step->now_ms, &until_ms);
  *wait = may == 0;
  if (may == 0) {
    lane->throttled_until = until_ms;
    lane->interest = 0;
    return 0;
  }
  lane->throttled_until = 0;
  ptrdiff_t n = lane->transport->ops->read(lane->transport, into, may, detail);
  if (n < (ptrdiff_t)may) ik_throttle_give_back(&job->throttle, n > 0 ? may - (size_t)n : may);
  if (n > 0) return (size_t)n;
  if (n == IK_EAGAIN) {
    lane->interest = lane->transport->ops->interest(lane->transport, IOTKIT_READ);
    *wait = true;
  } else {
    end_of_stream(lane, step, n, detail);
  }
  return 0;
}

static bool step_head(iotkit_job_t *job, struct ik_lane *lane, struct ik_step *step) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  bool wait;
  size_t none;
  size_t used;
  if (lane->scratch_pos == lane->scratch_len) {
    lane->scratch_pos = 0;
    lane->scratch_len = receive(job, lane, step, lane->scratch, sizeof(lane->scratch), &wait);
    if (lane->scratch_len == 0) return !wait;
  }
  int rc = ik_http_exchange_push(&lane->exchange, lane->scratch + lane->scratch_pos,
                                 lane->scratch_len - lane->scratch_pos, &none, &used, detail);
  lane->scratch_pos += used;
  if (rc != 0) {
    drop(lane, step, rc, detail);
  } else if (lane->exchange.phase != IK_HTTP_HEAD) {
    ik_transfer_head(&lane->transfer, &lane->exchange, step->now_ms, ik_port_time_ms(),
                     ik_port_random_u32());
  }
  return true;
}

/*
 * Bytes that were handed out before, up to `offset`, come again at `place`: they must be the same.
 */
static void compare_prefix(iotkit_job_t *job, struct ik_transfer *transfer, const uint8_t *data,
                           size_t len, uint64_t place, uint64_t offset) {
  int rc = 0;
  if (job->prefix == NULL) {
    rc = ik_digest_new(job->notice.upgrade.digest_method, &job->prefix);
  } else if (place == 0) {
    rc = ik_digest_reset(job->prefix);
  }
  if (rc == 0) rc = ik_digest_update(job->prefix, data, len);
  if (rc != 0) {
    ik_transfer_fail(transfer, rc, "the digest could not be computed");
  } else if (place + len == offset && !ik_job_prefix_matches(job)) {
    ik_transfer_fail(transfer, IK_ECHANGED,
                     "the server offers another image than the one whose beginning was handed out");
  }
}

/*
 * Decodes raw bytes in place, where they stand at the end of what the step got or in the scratch.
 * Returns how many raw ones were used.
 */
static size_t decode(iotkit_job_t *job, struct ik_lane *lane, struct ik_step *step, uint8_t *data,
                     size_t len) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transfer *transfer = &lane->transfer;
  size_t body;
  size_t used;
  size_t skip;
  size_t take;
  int rc = ik_http_exchange_push(&lane->exchange, data, len, &body, &used, detail);
  uint64_t offset = transfer->offset;
  uint64_t place = transfer->place;
  ik_transfer_bytes(transfer, body, step->now_ms, &skip, &take);
  if (skip > 0) {
    compare_prefix(job, transfer, data, skip, place, offset);
    memmove(data, data + skip, take);
  }
  if (transfer->state == IK_TRANSFER_FAILED) return used;
  step->got += take;
  if (rc != 0) {
    drop(lane, step, rc, detail);
  } else if (lane->exchange.phase == IK_HTTP_END) {
    bool reusable = ik_http_exchange_reusable(&lane->exchange) && used == len;
    ik_transfer_end(transfer, reusable, step->now_ms, ik_port_random_u32());
  }
  return used;
}

/* The raw bytes left in the scratch: into the room, or judged where they are when there is none. */
static void step_scratch(iotkit_job_t *job, struct ik_lane *lane, struct ik_step *step) {
  uint8_t *raw = lane->scratch + lane->scratch_pos;
  size_t n = lane->scratch_len - lane->scratch_pos;
  if (step->room > 0) {
    if (n > step->room) n = step->room;
    memcpy(step->into, raw, n);
    raw = step->into;
  }
  lane->scratch_pos += decode(job, lane, step, raw, n);
}

static bool step_body(iotkit_job_t *job, struct ik_lane *lane, struct ik_step *step) {
  bool wait = false;
  const struct ik_http_exchange *exchange = &lane->exchange;
  size_t room = step->room;
  if (lane->scratch_pos < lane->scratch_len) {
    step_scratch(job, lane, step);
    return true;
  }
  if (room == 0) {
    /* All of it is here, the body's end is not: the chunk of length 0, or the FIN. */
    lane->scratch_pos = 0;
    lane->scratch_len = receive(job, lane, step, lane->scratch, sizeof(lane->scratch), &wait);
    return !wait;
  }
  if (exchange->framing == IK_HTTP_LENGTH && exchange->length - exchange->received < room) {
    room = (size_t)(exchange->length - exchange->received);
  }
  size_t n = receive(job, lane, step, step->into, room, &wait);
  if (n > 0) decode(job, lane, step, step->into, n);
  return !wait;
}

bool ik_lane_step(iotkit_job_t *job, struct ik_lane *lane, struct ik_step *step) {
  enum ik_transfer_state before = lane->transfer.state;
  bool done = false;
  lane->interest = 0;
  switch (before) {
  case IK_TRANSFER_CONNECT:
    done = step_connect(job, lane, step);
    break;
  case IK_TRANSFER_REQUEST:
    done = step_request(job, lane, step);
    break;
  case IK_TRANSFER_HEAD:
    done = step_head(job, lane, step);
    break;
  case IK_TRANSFER_BODY:
    done = step_body(job, lane, step);
    break;
  default:
    break;
  }
  ik_lane_follow(lane, before);
  return done;
}
