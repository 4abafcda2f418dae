/*
 * http_connection.c - connecting, sending the request, receiving the head and the body.
 *
 * A connection owns its transport, its exchange and the bytes in its buffers. When its transfer
 * leaves the states that use it, the transport goes to the pool if it has answered its last request to
 * the end, and is closed otherwise.
 */
#include "download/http_connection.h"

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/time.h"
#include "base/url_host.h"
#include "iotkit_mqtt.h"
#include "port/port.h"

#define COMPARE_MS 5  /* between looks whether another thread has digested */
#define DRAIN_READS 4 /* of an answer that nobody wants, before its connection is given up */

/* Room for the URL twice: a request in absolute form has all of it, besides the host. */
#define REQUEST_MAX (2 * IK_URL_MAX + IK_HTTP_FIELDS_MAX + IK_PROXY_AUTH_MAX + 2 * IK_KIB)

/* ---- life ---- */

void ik_http_connection_init(struct ik_http_connection *connection,
                             const struct ik_http_environment *environment) {
  connection->environment = environment;
  ik_http_exchange_init(&connection->exchange);
  ik_buf_init(&connection->request, REQUEST_MAX);
}

void ik_http_connection_disconnect(struct ik_http_connection *connection) {
  if (connection->transport != NULL) connection->transport->ops->close(connection->transport);
  connection->transport = NULL;
  connection->interest = 0;
  connection->throttled_until_ms = 0;
  connection->compare_at_ms = 0;
  connection->scratch_pos = 0;
  connection->scratch_len = 0;
  if (connection->request.data != NULL) ik_wipe(connection->request.data, connection->request.cap);
  ik_buf_clear(&connection->request);
}

/* ---- keeping ---- */

/* The image is here, and nothing came after it. */
static bool is_done(const struct ik_http_connection *connection) {
  const struct ik_transfer *transfer = &connection->transfer;
  return transfer->state == IK_TRANSFER_DONE && transfer->reusable &&
         connection->scratch_pos == connection->scratch_len;
}

/*
 * Takes in the rest of an answer that nobody wants (of a redirect, an error), as far as it is here.
 * True: all of it was, and the connection can carry another request.
 */
static bool drain(struct ik_http_connection *connection) {
  struct ik_http_exchange *exchange = &connection->exchange;
  struct ik_transport *transport = connection->transport;
  size_t none;
  size_t used;
  for (int reads = 0; exchange->phase == IK_HTTP_BODY;) {
    if (connection->scratch_pos == connection->scratch_len) {
      if (reads++ == DRAIN_READS) return false;
      ptrdiff_t n = transport->ops->read(transport, connection->scratch, IK_HTTP_SCRATCH, NULL);
      if (n <= 0) return false;
      connection->scratch_pos = 0;
      connection->scratch_len = (size_t)n;
    }
    if (ik_http_exchange_push(exchange, connection->scratch + connection->scratch_pos,
                              connection->scratch_len - connection->scratch_pos, &none, &used,
                              NULL) != 0)
      return false;
    connection->scratch_pos += used;
  }
  return connection->scratch_pos == connection->scratch_len && ik_http_exchange_reusable(exchange);
}

static void keep(struct ik_http_connection *connection) {
  ik_http_pool_put(&connection->environment->config->pool, &connection->place,
                   connection->transport, ik_port_now_ms());
  connection->transport = NULL;
}

void ik_http_connection_deinit(struct ik_http_connection *connection) {
  if (connection->transport != NULL && is_done(connection)) keep(connection);
  ik_http_connection_disconnect(connection);
  ik_http_exchange_free(&connection->exchange);
  ik_buf_free(&connection->request);
  ik_wipe(connection->scratch, sizeof(connection->scratch)); /* a redirect to a signed URL, say */
}

void ik_http_connection_move(struct ik_http_connection *from, struct ik_http_connection *to) {
  struct ik_http_exchange exchange = to->exchange;
  to->exchange = from->exchange;
  from->exchange = exchange;
  to->transport = from->transport;
  to->place = from->place;
  from->transport = NULL;
  to->scratch_pos = from->scratch_pos;
  to->scratch_len = from->scratch_len;
  memcpy(to->scratch, from->scratch, sizeof(to->scratch));
  from->scratch_pos = from->scratch_len = 0;
}

/* ---- time ---- */

/* The transfer was in state `before`: keeps or closes the connection if it no longer needs it. */
static void leave_if_unused(struct ik_http_connection *connection, enum ik_transfer_state before) {
  const struct ik_transfer *transfer = &connection->transfer;
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
  bool answered = before == IK_TRANSFER_HEAD && transfer->state != IK_TRANSFER_FAILED;
  if (connection->transport != NULL && (is_done(connection) || (answered && drain(connection))))
    keep(connection);
  ik_http_connection_disconnect(connection);
}

void ik_http_connection_tick(struct ik_http_connection *connection, uint64_t now_ms) {
  enum ik_transfer_state before = connection->transfer.state;
  if (now_ms < ik_transfer_deadline(&connection->transfer)) return;
  ik_transfer_tick(&connection->transfer, now_ms, ik_port_random_u32());
  leave_if_unused(connection, before);
}

uint64_t ik_http_connection_deadline(const struct ik_http_connection *connection) {
  uint64_t at_ms = ik_transfer_deadline(&connection->transfer);
  if (connection->transport != NULL)
    at_ms = ik_earlier(at_ms, connection->transport->ops->deadline(connection->transport));
  if (connection->throttled_until_ms != 0)
    at_ms = ik_earlier(at_ms, connection->throttled_until_ms);
  if (connection->compare_at_ms != 0) at_ms = ik_earlier(at_ms, connection->compare_at_ms);
  return at_ms;
}

bool ik_http_connection_is_open(const struct ik_http_connection *connection) {
  enum ik_transfer_state state = connection->transfer.state;
  return connection->transport != NULL &&
         (state == IK_TRANSFER_CONNECT || state == IK_TRANSFER_REQUEST ||
          state == IK_TRANSFER_HEAD || state == IK_TRANSFER_BODY);
}

/* ---- steps, one for each state of the transfer ---- */

static void fail_or_retry(struct ik_http_connection *connection, const struct ik_http_step *step,
                          int error, const char *detail) {
  ik_transfer_error(&connection->transfer, error, detail, step->now_ms, ik_port_random_u32());
}

static int dial(struct ik_http_connection *connection, uint64_t now_ms, char *detail) {
  const struct ik_url *url = &connection->transfer.url;
  struct ik_proxy proxy;
  iotkit_tls_t *tls = NULL;
  const struct ik_http_environment *environment = connection->environment;
  int rc = url->https ? ik_fetch_config_tls(environment->config, &tls, detail) : 0;
  if (rc != 0) return rc;
  rc = ik_proxies_choose(&environment->config->proxies, url->https, url->host, url->port, &proxy,
                         detail);
  if (rc < 0) return rc;
  char host[IK_HOST_MAX + 1];
  memcpy(host, url->host, sizeof(host));
  /* Through a proxy the name is not ours to look up. */
  if (rc == 0 && url->host_is_rooted) ik_url_host_add_dot(host);
  const struct ik_dial options = {
      .host = host,
      .port = url->port,
      .tls = tls,
      .timeout_ms = environment->config->options.connect_timeout_ms,
      .proxy = rc > 0 ? &proxy : NULL,
  };
  ik_http_place_of(url, &connection->place);
  rc = environment->dial(environment->dial_ctx, &options, now_ms, &connection->transport, detail);
  ik_wipe(&proxy, sizeof(proxy));
  return rc;
}

/* A connection that an earlier request has left. False: there is none. */
static bool reuse(struct ik_http_connection *connection, uint64_t now_ms) {
  struct ik_http_place place;
  ik_http_place_of(&connection->transfer.url, &place);
  connection->transport = ik_http_pool_take(&connection->environment->config->pool, &place, now_ms);
  if (connection->transport == NULL) return false;
  connection->place = place;
  ik_transfer_reconnected(&connection->transfer, now_ms);
  return true;
}

static bool step_connect(struct ik_http_connection *connection, struct ik_http_step *step) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (connection->transport == NULL && reuse(connection, step->now_ms)) return true;
  int rc = connection->transport == NULL ? dial(connection, step->now_ms, detail) : 0;
  if (rc == 0) rc = connection->transport->ops->open(connection->transport, step->now_ms, detail);
  if (rc == IK_EAGAIN && connection->transport != NULL) {
    connection->interest = connection->transport->ops->interest(connection->transport, 0);
    return false;
  }
  if (rc != 0) {
    fail_or_retry(connection, step, rc, detail);
  } else {
    ik_transfer_connected(&connection->transfer, step->now_ms);
  }
  return true;
}

static int compose(struct ik_http_connection *connection) {
  const struct ik_url *url = &connection->transfer.url;
  struct ik_proxy proxy;
  char agent[64];
  int way = 0;
  if (!url->https) {
    way = ik_proxies_choose(&connection->environment->config->proxies, false, url->host, url->port,
                            &proxy, NULL);
    if (way < 0) return way;
  }
  snprintf(agent, sizeof(agent), "iotkit-ota/%s", iotkit_version());
  const struct ik_transfer_sender sender = {
      .user_agent = agent,
      .to_proxy = way > 0,
      .proxy_authorization = ik_str(way > 0 ? proxy.authorization : NULL),
  };
  int rc = ik_transfer_request(&connection->transfer, &sender, &connection->request);
  ik_wipe(&proxy, sizeof(proxy));
  return rc;
}

static bool step_request(struct ik_http_connection *connection, struct ik_http_step *step) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_buf *request = &connection->request;
  if (ik_buf_size(request) == 0) {
    int rc = compose(connection);
    if (rc != 0) {
      ik_transfer_fail(&connection->transfer, rc, "the request could not be composed");
      return true;
    }
  }
  ptrdiff_t n = connection->transport->ops->write(connection->transport, ik_buf_ptr(request),
                                                  ik_buf_size(request), detail);
  if (n == IK_EAGAIN) {
    connection->interest =
        connection->transport->ops->interest(connection->transport, IOTKIT_WRITE);
    return false;
  }
  if (n < 0) {
    if (!ik_transfer_stale(&connection->transfer)) fail_or_retry(connection, step, (int)n, detail);
    return true;
  }
  ik_buf_consume(request, (size_t)n);
  if (ik_buf_size(request) > 0) return true;
  ik_http_exchange_reset(&connection->exchange);
  ik_transfer_sent(&connection->transfer, step->now_ms);
  return true;
}

/* The connection or the body has ended; `n` is the result of reading. */
static void end_of_stream(struct ik_http_connection *connection, const struct ik_http_step *step,
                          ptrdiff_t n, char *detail) {
  const struct ik_http_exchange *exchange = &connection->exchange;
  bool silent = exchange->phase == IK_HTTP_HEAD && ik_buf_size(&exchange->head.text) == 0;
  if (silent && ik_transfer_stale(&connection->transfer)) return;
  int rc = n < 0 ? (int)n : ik_http_exchange_eof(&connection->exchange, detail);
  if (rc == 0) {
    ik_transfer_end(&connection->transfer, false, step->now_ms, ik_port_random_u32());
  } else {
    fail_or_retry(connection, step, rc, detail);
  }
}

/* Reads into `into`. *wait after 0 bytes: nothing can be read yet; else the stream has ended. */
static size_t receive(struct ik_http_connection *connection, const struct ik_http_step *step,
                      uint8_t *into, size_t len, bool *wait) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint64_t until_ms = 0;
  struct ik_throttle *throttle = connection->environment->throttle;
  size_t may = ik_throttle_take(throttle, len, step->now_ms, &until_ms);
  *wait = may == 0;
  if (may == 0) {
    connection->throttled_until_ms = until_ms;
    connection->interest = 0;
    return 0;
  }
  connection->throttled_until_ms = 0;
  ptrdiff_t n = connection->transport->ops->read(connection->transport, into, may, detail);
  if (n < (ptrdiff_t)may) ik_throttle_give_back(throttle, n > 0 ? may - (size_t)n : may);
  if (n > 0) return (size_t)n;
  if (n == IK_EAGAIN) {
    connection->interest = connection->transport->ops->interest(connection->transport, IOTKIT_READ);
    *wait = true;
  } else {
    end_of_stream(connection, step, n, detail);
  }
  return 0;
}

static bool step_head(struct ik_http_connection *connection, struct ik_http_step *step) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  bool wait;
  size_t none;
  size_t used;
  if (connection->scratch_pos == connection->scratch_len) {
    connection->scratch_pos = 0;
    connection->scratch_len =
        receive(connection, step, connection->scratch, sizeof(connection->scratch), &wait);
    if (connection->scratch_len == 0) return !wait;
  }
  int rc = ik_http_exchange_push(
      &connection->exchange, connection->scratch + connection->scratch_pos,
      connection->scratch_len - connection->scratch_pos, &none, &used, detail);
  connection->scratch_pos += used;
  if (rc != 0) {
    fail_or_retry(connection, step, rc, detail);
  } else if (connection->exchange.phase != IK_HTTP_HEAD) {
    ik_transfer_head(&connection->transfer, &connection->exchange, step->now_ms, ik_port_time_ms(),
                     ik_port_random_u32());
  }
  return true;
}

/* Bytes that are there already have arrived again, at `body_offset`. */
static void add_repeated(struct ik_http_connection *connection, const uint8_t *data, size_t len,
                         uint64_t body_offset) {
  const struct ik_http_environment *environment = connection->environment;
  if (!connection->transfer.compares) return;
  int rc = environment->add_repeated(environment->ctx, data, len, body_offset);
  if (rc != 0) ik_transfer_fail(&connection->transfer, rc, "the digest could not be computed");
}

/* The bytes that a body repeats; none that it brings is received before these are compared. */
static size_t most_raw(const struct ik_transfer *transfer, size_t len) {
  uint64_t before = transfer->offset - transfer->body_offset;
  return transfer->compares && before < len ? (size_t)before : len;
}

static bool is_to_compare(const struct ik_transfer *transfer) {
  return transfer->state == IK_TRANSFER_BODY && transfer->compares &&
         transfer->body_offset == transfer->offset;
}

/* False: another thread has to digest first. */
static bool step_compare(struct ik_http_connection *connection, const struct ik_http_step *step) {
  const struct ik_http_environment *environment = connection->environment;
  struct ik_transfer *transfer = &connection->transfer;
  int rc = environment->compare_repeated(environment->ctx, transfer->offset);
  connection->compare_at_ms = rc == IK_EAGAIN ? step->now_ms + COMPARE_MS : 0;
  if (rc == IK_EAGAIN) return false;
  if (rc < 0) {
    ik_transfer_fail(transfer, rc, "the digest could not be computed");
  } else {
    ik_transfer_compared(transfer, rc == 1);
  }
  return true;
}

/*
 * Decodes raw bytes in place: at the end of what the step has put into the room, or in the scratch.
 * Returns how many of the raw bytes were used.
 */
static size_t decode(struct ik_http_connection *connection, struct ik_http_step *step,
                     uint8_t *data, size_t len) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transfer *transfer = &connection->transfer;
  size_t body;
  size_t used;
  size_t skip;
  size_t take;
  int rc = ik_http_exchange_push(&connection->exchange, data, len, &body, &used, detail);
  uint64_t body_offset = transfer->body_offset;
  ik_transfer_bytes(transfer, body, step->now_ms, &skip, &take);
  if (skip > 0) {
    add_repeated(connection, data, skip, body_offset);
    memmove(data, data + skip, take);
  }
  if (transfer->state != IK_TRANSFER_BODY) return used;
  step->got += take;
  if (rc != 0) {
    fail_or_retry(connection, step, rc, detail);
  } else if (connection->exchange.phase == IK_HTTP_END) {
    bool reusable = ik_http_exchange_reusable(&connection->exchange) && used == len;
    ik_transfer_end(transfer, reusable, step->now_ms, ik_port_random_u32());
  }
  return used;
}

/* Decodes the raw bytes left in the scratch: in the room, or in place when there is no room. */
static void step_scratch(struct ik_http_connection *connection, struct ik_http_step *step) {
  uint8_t *raw = connection->scratch + connection->scratch_pos;
  size_t n = most_raw(&connection->transfer, connection->scratch_len - connection->scratch_pos);
  if (step->room > 0) {
    if (n > step->room) n = step->room;
    memcpy(step->into, raw, n);
    raw = step->into;
  }
  connection->scratch_pos += decode(connection, step, raw, n);
}

static bool step_body(struct ik_http_connection *connection, struct ik_http_step *step) {
  bool wait = false;
  const struct ik_http_exchange *exchange = &connection->exchange;
  if (is_to_compare(&connection->transfer)) return step_compare(connection, step);
  size_t room = most_raw(&connection->transfer, step->room);
  if (connection->scratch_pos < connection->scratch_len) {
    step_scratch(connection, step);
    return true;
  }
  if (room == 0) {
    /* All bytes have arrived, but not the end of the body: the last chunk, or the FIN. */
    connection->scratch_pos = 0;
    connection->scratch_len =
        receive(connection, step, connection->scratch, sizeof(connection->scratch), &wait);
    return !wait;
  }
  if (exchange->framing == IK_HTTP_LENGTH && exchange->length - exchange->received < room) {
    room = (size_t)(exchange->length - exchange->received);
  }
  size_t n = receive(connection, step, step->into, room, &wait);
  if (n > 0) decode(connection, step, step->into, n);
  return !wait;
}

bool ik_http_connection_step(struct ik_http_connection *connection, struct ik_http_step *step) {
  enum ik_transfer_state before = connection->transfer.state;
  bool done = false;
  connection->interest = 0;
  switch (before) {
  case IK_TRANSFER_CONNECT:
    done = step_connect(connection, step);
    break;
  case IK_TRANSFER_REQUEST:
    done = step_request(connection, step);
    break;
  case IK_TRANSFER_HEAD:
    done = step_head(connection, step);
    break;
  case IK_TRANSFER_BODY:
    done = step_body(connection, step);
    break;
  default:
    break;
  }
  leave_if_unused(connection, before);
  return done;
}
