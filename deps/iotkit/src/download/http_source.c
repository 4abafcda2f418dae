/*
 * http_source.c - carries out the image's transfer over its one connection, or over those of
 * http_ranges.c; gets another URL from renewal.c.
 *
 * Connections stay open between calls. Bytes of the body are received straight into the caller's
 * buffer.
 */
#include "download/http_source.h"

#include <stdlib.h>

#include "base/time.h"
#include "download/http_ranges.h"

#define UNPOLLED_MS 10 /* between two waits that the system refuses */

struct http_source {
  struct ik_source face; /* first: a pointer to it is one to the whole */
  const struct ik_fetch_setup *setup;
  struct ik_control *control;
  struct ik_running_digest *digest;
  struct ik_renewal *renewal;
  struct ik_http_environment environment;
  struct ik_throttle throttle;
  struct ik_http_connection image; /* the image's transfer and its connection */
  struct ik_http_ranges *ranges;   /* NULL: there is one connection */
  uint32_t connections_max;        /* 1 where the server does not give ranges */
  struct ik_digest *repeated;      /* of the bytes that a body repeats */
};

static struct http_source *of(const struct ik_source *face) {
  return (struct http_source *)(uintptr_t)face;
}

/* The connections in use: those of the ranges, or the only one. */
static struct ik_http_connection *all_of(struct http_source *source, size_t *count) {
  *count = 1;
  return source->ranges != NULL ? ik_http_ranges_all(source->ranges, count) : &source->image;
}

static void free_ranges(struct http_source *source) {
  ik_http_ranges_free(source->ranges);
  source->ranges = NULL;
}

/* ---- bytes that arrive again ---- */

static int add_repeated(void *ctx, const uint8_t *data, size_t len, uint64_t body_offset) {
  struct http_source *source = ctx;
  int rc = 0;
  if (source->repeated == NULL) {
    rc = ik_digest_new(source->digest->method, &source->repeated);
  } else if (body_offset == 0) {
    rc = ik_digest_reset(source->repeated);
  }
  return rc == 0 ? ik_digest_update(source->repeated, data, len) : rc;
}

static int compare_repeated(void *ctx, uint64_t offset) {
  const struct http_source *source = ctx;
  return ik_running_digest_compare(source->digest, offset, source->repeated);
}

/* ---- advancing ---- */

/* The range that has the next bytes has failed. */
static void fall_back_to_one(struct http_source *source, const struct ik_transfer *failed) {
  size_t count;
  struct ik_http_connection *connections = ik_http_ranges_all(source->ranges, &count);
  /* None is kept: for a server that allows one, those that wait are too many as well. */
  for (size_t i = 0; i < count; i++)
    ik_http_connection_disconnect(&connections[i]);
  ik_log(IOTKIT_LOG_INFO, "ota: %zu connections were too many: %s", count, failed->detail);
  /* An expired URL is replaced; the number of connections was not the reason. */
  if (failed->error != IK_EURL_EXPIRED) source->connections_max = (uint32_t)count / 2;
  ik_transfer_fall_back_to_one(&source->image.transfer);
  free_ranges(source);
}

static bool advance_ranges(struct http_source *source, struct ik_call *call) {
  const struct ik_transfer *failed;
  bool any = ik_http_ranges_advance(source->ranges, &source->image.transfer, call, &failed);
  if (failed != NULL) fall_back_to_one(source, failed);
  return any;
}

static void begin_ranges(struct http_source *source, uint64_t now_ms) {
  if (!ik_http_ranges_are_planned(&source->image.transfer)) return;
  source->ranges = ik_http_ranges_new(&source->image, source->connections_max, now_ms);
  if (source->ranges == NULL) source->connections_max = 1;
}

static bool advance_image(struct http_source *source, struct ik_call *call) {
  struct ik_transfer *transfer = &source->image.transfer;
  struct ik_http_step step = {call->buf + call->got, call->len - call->got, 0, call->now_ms};
  bool in_head = transfer->state == IK_TRANSFER_HEAD;
  if (transfer->state == IK_TRANSFER_REQUEST)
    ik_http_ranges_plan(transfer, source->connections_max);
  bool done = ik_http_connection_step(&source->image, &step);
  if (step.got > 0)
    call->outlet->hand_out(call->outlet->ctx, call, transfer->offset - step.got, step.got);
  if (in_head) begin_ranges(source, call->now_ms);
  return done;
}

/* In state URL. */
static bool advance_renewal(struct http_source *source, const struct ik_call *call,
                            uint64_t *until_ms) {
  struct ik_transfer *transfer = &source->image.transfer;
  struct ik_renewal_step step;
  switch (ik_renewal_advance(source->renewal, transfer->wait_until_ms, call->now_ms, &step)) {
  case IK_RENEWAL_URL:
    ik_transfer_renew(transfer, step.url, call->now_ms);
    ik_str_free(step.url);
    return true;
  case IK_RENEWAL_REFUSED:
    ik_transfer_not_renewed(transfer, step.detail, call->now_ms);
    return true;
  default:
    *until_ms = ik_earlier(*until_ms, step.until_ms);
    return false;
  }
}

static bool advance(struct ik_source *face, struct ik_call *call, uint64_t *until_ms) {
  struct http_source *source = of(face);
  switch (source->image.transfer.state) {
  case IK_TRANSFER_RANGES:
    return advance_ranges(source, call);
  case IK_TRANSFER_URL:
    return advance_renewal(source, call, until_ms);
  default:
    return advance_image(source, call);
  }
}

/* ---- waiting ---- */

/* Waits for the connections, the wake, or until_ms. */
static void poll_all(struct http_source *source, const struct ik_http_connection *connections,
                     size_t count, uint64_t now_ms, uint64_t until_ms) {
  struct ik_wake *wake = source->control->wake;
  struct ik_pollfd fds[1 + IOTKIT_CONNECTIONS_MAX] = {{ik_wake_fd(wake), IOTKIT_READ, 0}};
  for (size_t i = 0; i < count; i++) {
    const struct ik_http_connection *connection = &connections[i];
    fds[1 + i] = (struct ik_pollfd){-1, 0, 0};
    until_ms = ik_earlier(until_ms, ik_http_connection_deadline(connection));
    if (!ik_http_connection_is_open(connection)) continue;
    if ((connection->interest & IK_PENDING) != 0) return;
    if (connection->interest == 0) continue;
    fds[1 + i].fd = connection->transport->ops->fd(connection->transport);
    fds[1 + i].interest = connection->interest;
  }
  if (until_ms <= now_ms) return;
  uint64_t ms = until_ms - now_ms;
  int rc = ik_port_poll(fds, 1 + count, ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX);
  /* The system has no memory to wait with: that passes, and until then nothing spins. */
  if (rc < 0) ik_port_sleep_ms(ms < UNPOLLED_MS ? (uint32_t)ms : UNPOLLED_MS);
  if (fds[0].ready != 0) ik_wake_clear(wake);
}

/*
 * While another URL is awaited, which comes over MQTT: steps the client, unless another thread
 * does. False: the uplink cannot be stepped, or no URL is awaited.
 */
static bool wait_for_url(struct http_source *source, uint64_t until_ms) {
  struct ik_uplink *uplink = source->setup->uplink;
  struct ik_wake *wake = source->control->wake;
  if (source->image.transfer.state != IK_TRANSFER_URL || uplink == NULL) return false;
  if (uplink->ops->step(uplink, wake, until_ms) != 0) return false;
  ik_wake_clear(wake);
  return true;
}

/* A limiter made this side wait: that time does not count as idle time of the server. */
static void extend_throttled(struct http_source *source, uint64_t waited_ms) {
  size_t count;
  struct ik_http_connection *connections = all_of(source, &count);
  bool throttled = false;
  for (size_t i = 0; i < count; i++) {
    if (connections[i].throttled_until_ms == 0) continue;
    throttled = true;
    ik_transfer_extend_deadlines(&connections[i].transfer, waited_ms);
  }
  if (throttled && connections != &source->image)
    ik_transfer_extend_deadlines(&source->image.transfer, waited_ms);
}

static int wait_for_news(struct ik_source *face, struct ik_call *call, uint64_t until_ms) {
  struct http_source *source = of(face);
  size_t count;
  const struct ik_http_connection *connections = all_of(source, &count);
  uint64_t before_ms = call->now_ms;
  until_ms = ik_earlier(until_ms, ik_transfer_deadline(&source->image.transfer));
  if (!wait_for_url(source, until_ms)) poll_all(source, connections, count, call->now_ms, until_ms);
  call->now_ms = ik_port_now_ms();
  extend_throttled(source, call->now_ms - before_ms);
  return 0;
}

/*
 * A connection that is still being opened is closed, because its own time-out cannot be suspended.
 */
static int wait_while_paused(struct ik_source *face, struct ik_call *call) {
  struct http_source *source = of(face);
  size_t count;
  struct ik_http_connection *connections = all_of(source, &count);
  for (size_t i = 0; i < count; i++) {
    if (connections[i].transfer.state == IK_TRANSFER_CONNECT)
      ik_http_connection_disconnect(&connections[i]);
  }
  ik_throttle_give_back(&source->throttle, 0);
  poll_all(source, NULL, 0, call->now_ms, call->deadline_ms);
  call->now_ms = ik_port_now_ms();
  return 0;
}

/* ---- time ---- */

static void tick(struct ik_source *face, uint64_t now_ms) {
  struct http_source *source = of(face);
  ik_http_pool_expire(&source->environment.config->pool, now_ms);
  size_t count;
  struct ik_http_connection *connections = all_of(source, &count);
  for (size_t i = 0; i < count; i++)
    ik_http_connection_tick(&connections[i], now_ms);
  if (connections == &source->image) return;
  ik_http_connection_tick(&source->image, now_ms);
  if (source->image.transfer.state != IK_TRANSFER_RANGES) free_ranges(source);
}

static void extend_deadlines(struct ik_source *face, uint64_t away_ms) {
  struct http_source *source = of(face);
  size_t count;
  struct ik_http_connection *connections = all_of(source, &count);
  for (size_t i = 0; i < count; i++)
    ik_transfer_extend_deadlines(&connections[i].transfer, away_ms);
  if (connections != &source->image) ik_transfer_extend_deadlines(&source->image.transfer, away_ms);
}

static void count_pause(struct ik_source *face, uint64_t paused_ms) {
  ik_transfer_paused(&of(face)->image.transfer, paused_ms);
}

static void end_call(struct ik_source *face) {
  ik_throttle_give_back(&of(face)->throttle, 0);
}

/* ---- state ---- */

static void status(const struct ik_source *face, struct ik_source_status *status) {
  const struct ik_transfer *transfer = &of(face)->image.transfer;
  *status = (struct ik_source_status){
      .state = IK_SOURCE_OPEN,
      .offset = transfer->offset,
      .end_missing = transfer->state == IK_TRANSFER_BODY && transfer->body_offset == transfer->size,
      .compares = transfer->state == IK_TRANSFER_BODY && transfer->compares,
      .mixed = transfer->mixed,
      .error = transfer->error,
      .detail = transfer->detail,
      .waits = transfer->waits,
      .attempt = transfer->backoff.failures,
      .retry_ms = transfer->wait_until_ms,
  };
  if (transfer->state == IK_TRANSFER_DONE) status->state = IK_SOURCE_DONE;
  if (transfer->state == IK_TRANSFER_FAILED) status->state = IK_SOURCE_FAILED;
}

/* ---- life ---- */

static struct ik_transfer_options policy_of(const struct ik_fetch_setup *setup) {
  const struct iotkit_fetch_options *from = &setup->config->options;
  /* iotkit_job_renew() takes notices alone: who has another URL of a configuration has a job. */
  bool by_caller = setup->config->renew_by_caller && setup->announcement.config == NULL;
  bool can_renew = setup->uplink != NULL || by_caller;
  return (struct ik_transfer_options){
      .response_timeout_ms = from->response_timeout_ms,
      .idle_timeout_ms = from->idle_timeout_ms,
      .low_speed_bytes = from->low_speed_bytes != UINT32_MAX ? from->low_speed_bytes : 0,
      .low_speed_ms = from->low_speed_ms,
      .patience_ms = from->patience_ms,
      .max_retries = from->max_retries,
      .max_tries = from->max_tries,
      .retry_min_ms = from->retry_min_ms,
      .retry_max_ms = from->retry_max_ms,
      .max_redirects =
          from->max_redirects == IOTKIT_REDIRECTS_NONE ? 0 : (uint32_t)from->max_redirects,
      .total_timeout_ms = from->total_timeout_ms,
      .renew_timeout_ms = can_renew ? from->renew_timeout_ms : UINT32_MAX,
      .https_only = from->https_only,
      .no_rewind = setup->no_rewind,
      .headers = from->headers,
      .allowed_hosts = from->allowed_hosts,
  };
}

static void free_source(struct ik_source *face) {
  struct http_source *source = of(face);
  ik_renewal_end(source->renewal);
  free_ranges(source);
  ik_http_connection_deinit(&source->image);
  ik_http_pool_leave(&source->environment.config->pool);
  ik_transfer_free(&source->image.transfer);
  ik_throttle_deinit(&source->throttle);
  ik_digest_free(source->repeated);
  free(source);
}

static const struct ik_source_ops operations = {
    .advance = advance,
    .wait = wait_for_news, /* `wait` is a function of POSIX */
    .wait_while_paused = wait_while_paused,
    .tick = tick,
    .extend_deadlines = extend_deadlines,
    .count_pause = count_pause,
    .end_call = end_call,
    .status = status,
    .free = free_source,
};

int ik_http_source_check(const struct ik_fetch_setup *setup, char *detail) {
  const struct iotkit_upgrade *upgrade = &setup->announcement.upgrade;
  const struct ik_transfer_options policy = policy_of(setup);
  struct ik_transfer transfer;
  int rc = ik_transfer_init(&transfer, &policy, upgrade->url, upgrade->size, detail);
  if (rc == 0) ik_transfer_free(&transfer);
  return rc;
}

int ik_http_source_new(const struct ik_fetch_setup *setup, struct ik_control *control,
                       struct ik_running_digest *digest, struct ik_renewal *renewal,
                       uint64_t offset, uint64_t now_ms, struct ik_source **out, char *detail) {
  const struct iotkit_upgrade *upgrade = &setup->announcement.upgrade;
  const struct ik_transfer_options policy = policy_of(setup);
  struct http_source *source = calloc(1, sizeof(*source));
  if (source == NULL) return IK_ENO_MEMORY;
  int rc = ik_transfer_init(&source->image.transfer, &policy, upgrade->url, upgrade->size, detail);
  if (rc != 0) {
    free(source);
    return rc;
  }
  source->face.ops = &operations;
  source->setup = setup;
  source->control = control;
  source->digest = digest;
  source->renewal = renewal;
  source->connections_max = setup->config->options.connections;
  source->environment = (struct ik_http_environment){.config = setup->config,
                                                     .dial = setup->dial,
                                                     .dial_ctx = setup->dial_ctx,
                                                     .throttle = &source->throttle,
                                                     .add_repeated = add_repeated,
                                                     .compare_repeated = compare_repeated,
                                                     .ctx = source};
  ik_http_pool_join(&setup->config->pool);
  ik_throttle_init(&source->throttle, setup->config->options.limiters);
  ik_http_connection_init(&source->image, &source->environment);
  ik_transfer_begin(&source->image.transfer, offset, now_ms);
  *out = &source->face;
  return 0;
}
