/*
 * session.c - a session's life: the stream, what arrives on it, and time. It owns its texts, the
 * packets it queues and the subscription table; messages it reports point into the caller's bytes
 * or into the reader.
 */
#include "mqtt/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "base/time.h"
#include "iotkit_errors.h"
#include "mqtt/session_out.h"

#define REPLY_RESERVE (64 * IK_KIB) /* room in `out` that publishes cannot take */
#define REPLY_MIN 64                /* with less than this nothing more is taken in */
#define INCOMING_MAX 1024           /* QoS 2 messages that the broker has not released */
#define NO_KEEP_ALIVE 0
#define PINGS_TOGETHER_FROM_MS 8000 /* idle time of which a second is no large part */
#define PONG_MIN_MS 10000           /* a link may be this slow and alive */

/* ---- birth and end ---- */

static int copy_text(struct ik_str *text) {
  if (text->len > UINT16_MAX) return IK_ETOO_LONG;
  char *copy = ik_str_dup(*text);
  if (!copy) return IK_ENO_MEMORY;
  text->ptr = copy;
  return 0;
}

static void free_text(struct ik_str *text) {
  char *owned = (char *)(uintptr_t)text->ptr;
  if (owned) ik_wipe(owned, text->len);
  free(owned);
  *text = (struct ik_str){NULL, 0};
}

#define TEXTS 5

static void texts_of(struct ik_mqtt_connect *connect, struct ik_str *out[TEXTS]) {
  out[0] = &connect->client_id;
  out[1] = &connect->username;
  out[2] = &connect->password;
  out[3] = &connect->will_topic;
  out[4] = &connect->will_payload;
}

static int copy_connect(struct ik_mqtt_connect *to, const struct ik_mqtt_connect *from) {
  struct ik_str *texts[TEXTS];
  int rc = 0;
  size_t n = 0;
  *to = *from;
  texts_of(to, texts);
  while (n < TEXTS && (rc = copy_text(texts[n])) == 0)
    n++;
  if (rc == 0) return 0;
  for (size_t i = 0; i < TEXTS; i++) {
    if (i < n)
      free_text(texts[i]);
    else
      *texts[i] = (struct ik_str){NULL, 0};
  }
  return rc;
}

static void free_connect(struct ik_mqtt_connect *connect) {
  struct ik_str *texts[TEXTS];
  texts_of(connect, texts);
  for (size_t i = 0; i < TEXTS; i++)
    free_text(texts[i]);
}

int ik_mqtt_session_init(struct ik_mqtt_session *session,
                         const struct ik_mqtt_session_options *options) {
  memset(session, 0, sizeof(*session));
  const int rc = copy_connect(&session->connect, &options->connect);
  if (rc < 0) return rc;
  session->request_timeout_ms = options->request_timeout_ms;
  session->pong_timeout_ms =
      options->request_timeout_ms < PONG_MIN_MS ? PONG_MIN_MS : options->request_timeout_ms;
  /*
   * A little early, so that the broker never sees the interval exceeded by the time a step or the
   * network takes.
   */
  session->ping_after_ms = session->connect.keep_alive_s * (uint32_t)950;
  session->max_packet = options->max_packet;
  session->max_queue = options->max_queue;
  session->max_in_flight = options->max_in_flight;
  session->max_out = options->max_queue + options->max_packet +
                     ik_mqtt_connect_len(&session->connect) + REPLY_RESERVE;
  ik_mqtt_reader_init(&session->reader, options->max_packet);
  ik_buf_init(&session->out, session->max_out);
  ik_mqtt_idset_init(&session->ids);
  ik_mqtt_idset_init(&session->incoming);
  ik_mqtt_subs_init(&session->subs, IK_MQTT_SUBSCRIPTIONS_MAX);
  return 0;
}

void ik_mqtt_session_deinit(struct ik_mqtt_session *session) {
  struct ik_mqtt_event lost;
  ik_mqtt_session_drop(session);
  while (ik_mqtt_session_give_up(session, &lost))
    continue;
  ik_mqtt_subs_deinit(&session->subs);
  ik_mqtt_idset_clear(&session->ids);
  ik_mqtt_idset_clear(&session->incoming);
  free_connect(&session->connect);
}

int ik_mqtt_session_give_up(struct ik_mqtt_session *session, struct ik_mqtt_event *out) {
  memset(out, 0, sizeof(*out));
  out->error = IK_ECLOSED;
  out->packet_id = ik_mqtt_flights_pop(&session->flights);
  if (out->packet_id) {
    out->type = IK_MQTT_PUBLISHED;
    ik_mqtt_idset_remove(&session->ids, out->packet_id);
    return 1;
  }
  struct ik_mqtt_request *request = ik_mqtt_requests_pop(&session->pending);
  if (!request) request = ik_mqtt_requests_pop(&session->waiting);
  if (!request) return 0;
  out->type = request->type == IK_MQTT_SUBSCRIBE ? IK_MQTT_SUBSCRIBED : IK_MQTT_UNSUBSCRIBED;
  out->packet_id = request->packet_id;
  ik_mqtt_session_free_request(session, request);
  return 1;
}

/* ---- the stream ---- */

int ik_mqtt_session_open(struct ik_mqtt_session *session, uint64_t now_ms) {
  ik_mqtt_session_drop(session);
  const int rc = ik_mqtt_write_connect(&session->out, &session->connect);
  if (rc < 0) return rc;
  session->phase = IK_MQTT_HELLO;
  session->last_sent_ms = now_ms;
  session->ping_ms = now_ms;
  return 0;
}

/* What was asked of this connection alone. */
static void drop_bare(struct ik_mqtt_session *session) {
  struct ik_mqtt_request_list kept = {0};
  struct ik_mqtt_request *request;
  while ((request = ik_mqtt_requests_pop(&session->waiting))) {
    if (request->bare)
      ik_mqtt_session_free_request(session, request);
    else
      ik_mqtt_requests_push(&kept, request);
  }
  session->waiting = kept;
}

void ik_mqtt_session_drop(struct ik_mqtt_session *session) {
  session->phase = IK_MQTT_OFFLINE;
  session->ping_sent = false;
  session->ping_ahead = 0;
  session->hurried = false;
  session->farewell = false;
  session->unwritten = 0;
  ik_mqtt_reader_reset(&session->reader);
  if (ik_buf_size(&session->out))
    ik_wipe(session->out.data, session->out.cap); /* CONNECT has the password */
  ik_buf_free(&session->out);
  ik_mqtt_flights_rewind(&session->flights);
  ik_mqtt_requests_rewind(&session->pending, &session->waiting);
  drop_bare(session);
  if (!session->connect.clean_session) return;
  struct ik_mqtt_sub *sub = ik_mqtt_subs_first(&session->subs);
  for (; sub; sub = ik_mqtt_subs_next(&session->subs, sub))
    sub->state = IK_MQTT_SUB_NEW;
}

void ik_mqtt_session_leave(struct ik_mqtt_session *session, uint64_t end_ms) {
  if (session->phase != IK_MQTT_UP) return;
  session->phase = IK_MQTT_LEAVING;
  session->leave_end_ms = end_ms;
  (void)ik_mqtt_session_pump(session);
}

bool ik_mqtt_session_has_output(const struct ik_mqtt_session *session) {
  return ik_buf_size(&session->out) > 0;
}

bool ik_mqtt_session_finished(const struct ik_mqtt_session *session) {
  return session->farewell && !session->unwritten && !ik_mqtt_session_has_output(session);
}

bool ik_mqtt_session_take(struct ik_mqtt_session *session, struct ik_buf *into, uint64_t now_ms) {
  if (!ik_mqtt_session_has_output(session)) return false;
  ik_buf_free(into);
  *into = session->out;
  ik_buf_init(&session->out, session->max_out);
  session->unwritten = ik_buf_size(into);
  ik_mqtt_requests_stamp(&session->pending, now_ms);
  return true;
}

int ik_mqtt_session_sent(struct ik_mqtt_session *session, size_t n, uint64_t now_ms) {
  if (!n) return 0;
  session->unwritten -= n < session->unwritten ? n : session->unwritten;
  session->last_sent_ms = now_ms;
  if (session->ping_ahead && n >= session->ping_ahead) session->ping_ms = now_ms;
  session->ping_ahead -= n < session->ping_ahead ? n : session->ping_ahead;
  return ik_mqtt_session_pump(session);
}

/* ---- what arrives ---- */

static int violation(char *detail, const char *what) {
  return ik_refuse(detail, IK_EMQTT_PROTOCOL, "%s", what);
}

static int refusal(uint8_t code, char *detail) {
  static const int errors[] = {IK_EMQTT_VERSION, IK_EMQTT_CLIENT_ID, IK_EMQTT_UNAVAILABLE,
                               IK_EMQTT_CREDENTIALS, IK_EMQTT_NOT_AUTHORIZED};
  ik_detail(detail, "CONNACK with return code %u", code);
  return code <= 5 ? errors[code - 1] : IK_EMQTT_REFUSED;
}

static int on_connack(struct ik_mqtt_session *session, const struct ik_mqtt_packet *packet,
                      struct ik_mqtt_event *out, char *detail) {
  if (session->phase != IK_MQTT_HELLO) return violation(detail, "a second CONNACK");
  if (packet->code) return refusal(packet->code, detail);
  if (packet->session_present && session->connect.clean_session)
    return violation(detail, "CONNACK with a session present though a clean one was asked for");
  session->phase = IK_MQTT_UP;
  if (!packet->session_present) ik_mqtt_idset_clear(&session->incoming);
  int rc = ik_mqtt_session_restore(session, packet->session_present);
  ik_mqtt_requests_open(&session->waiting);
  if (rc == 0) rc = ik_mqtt_session_pump(session);
  out->type = IK_MQTT_ACCEPTED;
  out->session_present = packet->session_present;
  return rc < 0 ? rc : 1;
}

static int on_publish(struct ik_mqtt_session *session, const struct ik_mqtt_packet *packet,
                      struct ik_mqtt_event *out, char *detail) {
  const struct ik_mqtt_publish *message = &packet->publish;
  if (message->qos == 2) {
    if (ik_mqtt_idset_has(&session->incoming, packet->packet_id))
      return ik_mqtt_write_ack(&session->out, IK_MQTT_PUBREC, packet->packet_id);
    if (session->incoming.count >= INCOMING_MAX)
      return violation(detail, "too many QoS 2 messages without PUBREL");
  }
  out->type = packet->too_large ? IK_MQTT_TOO_LARGE : IK_MQTT_MESSAGE;
  out->packet_id = packet->packet_id;
  out->qos = message->qos;
  out->size = packet->size;
  out->message = *message;
  if (!packet->too_large) return 1;
  out->error = IK_EMQTT_PACKET_TOO_LARGE;
  ik_detail(detail, "a message of %zu bytes was skipped, the limit is %zu", packet->size,
            session->reader.max_packet);
  return 1;
}

static int stray(const struct ik_mqtt_packet *packet, struct ik_mqtt_event *out) {
  out->type = IK_MQTT_STRAY;
  out->packet_id = packet->packet_id;
  return 1;
}

/* PUBACK, or PUBCOMP. */
static int on_done(struct ik_mqtt_session *session, const struct ik_mqtt_packet *packet,
                   struct ik_mqtt_event *out) {
  if (!ik_mqtt_flights_done(&session->flights, packet->type, packet->packet_id))
    return stray(packet, out);
  ik_mqtt_idset_remove(&session->ids, packet->packet_id);
  out->type = IK_MQTT_PUBLISHED;
  out->packet_id = packet->packet_id;
  const int rc = ik_mqtt_session_pump(session);
  return rc < 0 ? rc : 1;
}

/* The broker has a message of ours with QoS 2, and wants to hear that we know. */
static int on_pubrec(struct ik_mqtt_session *session, const struct ik_mqtt_packet *packet,
                     struct ik_mqtt_event *out) {
  if (!ik_mqtt_flights_release(&session->flights, packet->packet_id)) return stray(packet, out);
  return ik_mqtt_write_ack(&session->out, IK_MQTT_PUBREL, packet->packet_id);
}

static void report_request(const struct ik_mqtt_request *request, struct ik_mqtt_event *out) {
  out->type = request->type == IK_MQTT_SUBSCRIBE ? IK_MQTT_SUBSCRIBED : IK_MQTT_UNSUBSCRIBED;
  out->packet_id = request->packet_id;
}

static int on_suback(struct ik_mqtt_session *session, const struct ik_mqtt_packet *packet,
                     struct ik_mqtt_event *out, char *detail) {
  if (packet->codes_len != 1)
    return violation(detail, "SUBACK with a wrong number of return codes");
  struct ik_mqtt_request *request =
      ik_mqtt_requests_take(&session->pending, IK_MQTT_SUBSCRIBE, packet->packet_id);
  if (!request) return stray(packet, out);
  const struct ik_str filter = ik_mqtt_request_filter(request);
  const bool refused = packet->codes[0] == IK_MQTT_SUBACK_FAILURE;
  struct ik_mqtt_sub *sub = ik_mqtt_subs_find(&session->subs, filter);
  if (sub && sub->request == request)
    sub->state = refused ? IK_MQTT_SUB_REFUSED : IK_MQTT_SUB_GRANTED;
  report_request(request, out);
  if (refused) {
    out->error = IK_EMQTT_SUBSCRIBE;
    ik_detail(detail, "%.*s", (int)filter.len, filter.ptr);
  } else
    out->qos = packet->codes[0];
  ik_mqtt_session_free_request(session, request);
  const int rc = ik_mqtt_session_pump(session);
  return rc < 0 ? rc : 1;
}

static int on_unsuback(struct ik_mqtt_session *session, const struct ik_mqtt_packet *packet,
                       struct ik_mqtt_event *out) {
  struct ik_mqtt_request *request =
      ik_mqtt_requests_take(&session->pending, IK_MQTT_UNSUBSCRIBE, packet->packet_id);
  if (!request) return stray(packet, out);
  report_request(request, out);
  ik_mqtt_session_free_request(session, request);
  const int rc = ik_mqtt_session_pump(session);
  return rc < 0 ? rc : 1;
}

/*
 * The second half of QoS 2. An identifier that is not known is answered too: the first answer may
 * have been lost.
 */
static int on_pubrel(struct ik_mqtt_session *session, uint16_t packet_id) {
  ik_mqtt_idset_remove(&session->incoming, packet_id);
  return ik_mqtt_write_ack(&session->out, IK_MQTT_PUBCOMP, packet_id);
}

/* After DISCONNECT nothing may be sent: what would have to be answered is left for another session. */
static bool is_ignored(const struct ik_mqtt_session *session, const struct ik_mqtt_packet *packet) {
  return session->farewell && (packet->type == IK_MQTT_PUBLISH || packet->type == IK_MQTT_PUBREC ||
                               packet->type == IK_MQTT_PUBREL);
}

static int on_packet(struct ik_mqtt_session *session, const struct ik_mqtt_packet *packet,
                     struct ik_mqtt_event *out, char *detail) {
  if (session->phase == IK_MQTT_HELLO && packet->type != IK_MQTT_CONNACK)
    return violation(detail, "a packet before CONNACK");
  if (is_ignored(session, packet)) return 0;
  switch (packet->type) {
  case IK_MQTT_CONNACK:
    return on_connack(session, packet, out, detail);
  case IK_MQTT_PUBLISH:
    return on_publish(session, packet, out, detail);
  case IK_MQTT_PUBACK:
  case IK_MQTT_PUBCOMP:
    return on_done(session, packet, out);
  case IK_MQTT_PUBREC:
    return on_pubrec(session, packet, out);
  case IK_MQTT_PUBREL:
    return on_pubrel(session, packet->packet_id);
  case IK_MQTT_SUBACK:
    return on_suback(session, packet, out, detail);
  case IK_MQTT_UNSUBACK:
    return on_unsuback(session, packet, out);
  case IK_MQTT_PINGRESP:
    return 0; /* to receive anything is what counts */
  default:
    return stray(packet, out);
  }
}

bool ik_mqtt_session_can_receive(const struct ik_mqtt_session *session) {
  return session->max_out - ik_buf_size(&session->out) >= REPLY_MIN;
}

int ik_mqtt_session_receive(struct ik_mqtt_session *session, const uint8_t **data, size_t *len,
                            struct ik_mqtt_event *out, char *detail) {
  struct ik_mqtt_packet packet;
  if (session->phase == IK_MQTT_OFFLINE) return IK_ENOT_CONNECTED;
  if (*len) session->ping_sent = false; /* whatever it is, it shows that the broker is there */
  while (*len && ik_mqtt_session_can_receive(session)) {
    int rc = ik_mqtt_reader_next(&session->reader, data, len, &packet, detail);
    if (rc <= 0) return rc;
    memset(out, 0, sizeof(*out));
    rc = on_packet(session, &packet, out, detail);
    if (rc) return rc;
  }
  return 0;
}

int ik_mqtt_session_answer(struct ik_mqtt_session *session, const struct ik_mqtt_event *message) {
  if (session->phase == IK_MQTT_OFFLINE || session->farewell || message->qos == 0) return 0;
  if (message->qos == 1)
    return ik_mqtt_write_ack(&session->out, IK_MQTT_PUBACK, message->packet_id);
  const int rc = ik_mqtt_idset_add(&session->incoming, message->packet_id);
  return rc < 0 ? rc : ik_mqtt_write_ack(&session->out, IK_MQTT_PUBREC, message->packet_id);
}

/* ---- time ---- */

static bool online(const struct ik_mqtt_session *session) {
  return session->phase == IK_MQTT_UP || session->phase == IK_MQTT_LEAVING;
}

/*
 * When the next PINGREQ is due: nothing was sent for the interval, not even a PINGREQ that is still
 * queued. Where a second matters little it is due at a whole second of the clock, so that those of
 * many clients leave together and wake a thread once.
 */
static uint64_t ping_due(const struct ik_mqtt_session *session) {
  if (session->ping_after_ms == NO_KEEP_ALIVE || (session->ping_sent && !session->paused))
    return UINT64_MAX;
  const uint64_t due_ms =
      ik_later(session->last_sent_ms, session->ping_ms) + session->ping_after_ms;
  return session->ping_after_ms < PINGS_TOGETHER_FROM_MS ? due_ms : due_ms - due_ms % 1000;
}

/*
 * When the broker counts as dead: nothing was received since the PINGREQ was written, for so long as
 * a slow link may take, which has nothing to do with how long a request may take. A PINGREQ that
 * other packets keep from being written counts from the last of their bytes.
 */
static uint64_t death_due(const struct ik_mqtt_session *session) {
  if (!session->ping_sent || session->paused) return UINT64_MAX;
  const uint64_t since_ms =
      session->ping_ahead ? ik_later(session->ping_ms, session->last_sent_ms) : session->ping_ms;
  return since_ms + session->pong_timeout_ms;
}

static uint64_t request_due(const struct ik_mqtt_session *session) {
  const struct ik_mqtt_request *oldest = ik_mqtt_requests_awaited(&session->pending);
  if (!oldest || !oldest->stamped || session->paused) return UINT64_MAX;
  return oldest->sent_ms + session->request_timeout_ms;
}

static uint64_t leave_due(const struct ik_mqtt_session *session) {
  return session->phase == IK_MQTT_LEAVING && !session->hurried ? session->leave_end_ms
                                                                : UINT64_MAX;
}

uint64_t ik_mqtt_session_deadline(const struct ik_mqtt_session *session) {
  if (!online(session) || session->farewell) return UINT64_MAX;
  const uint64_t dead_ms = ik_earlier(ping_due(session), death_due(session));
  return ik_earlier(ik_earlier(dead_ms, request_due(session)), leave_due(session));
}

/*
 * The oldest request was not answered. That is reported, and no reason to give up a connection that
 * works: the answer may still come, and the next connection asks again. Not this one, which MQTT
 * does not allow.
 */
static void report_overdue(struct ik_mqtt_session *session, struct ik_mqtt_event *out,
                           char *detail) {
  struct ik_mqtt_request *request = ik_mqtt_requests_awaited(&session->pending);
  const char *name = request->type == IK_MQTT_SUBSCRIBE ? "SUBSCRIBE" : "UNSUBSCRIBE";
  ik_detail(detail, "%s of %.*s was not answered", name, (int)request->filter_len, request->filter);
  request->overdue = true;
  memset(out, 0, sizeof(*out));
  report_request(request, out);
  out->error = IK_ETIMEOUT;
}

int ik_mqtt_session_tick(struct ik_mqtt_session *session, uint64_t now_ms,
                         struct ik_mqtt_event *out, char *detail) {
  if (!online(session) || session->farewell) return 0;
  if (now_ms >= leave_due(session)) {
    session->hurried = true;
    return ik_mqtt_session_pump(session);
  }
  if (now_ms >= death_due(session)) {
    return ik_refuse(detail, IK_EMQTT_KEEP_ALIVE, "PINGREQ was not answered for %u ms",
                     session->pong_timeout_ms);
  }
  if (now_ms >= ping_due(session)) {
    const int rc = ik_mqtt_write_empty(&session->out, IK_MQTT_PINGREQ);
    if (rc < 0) return rc;
    session->ping_sent = true;
    session->ping_ms = now_ms;
    session->ping_ahead = ik_buf_size(&session->out) + session->unwritten;
  }
  if (now_ms < request_due(session)) return 0;
  report_overdue(session, out, detail);
  const int rc = ik_mqtt_session_pump(session); /* what waited for it waits no longer */
  return rc < 0 ? rc : 1;
}

void ik_mqtt_session_pause(struct ik_mqtt_session *session, bool paused, uint64_t now_ms) {
  if (session->paused && !paused) {
    session->ping_ms = session->ping_sent ? now_ms : session->ping_ms;
    for (struct ik_mqtt_request *request = session->pending.first; request; request = request->next)
      if (request->stamped) request->sent_ms = now_ms;
  }
  session->paused = paused;
}
