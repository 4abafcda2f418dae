/*
 * session_out.c - what the session sends: publishes, subscriptions and their order.
 *
 * `out` holds packets that nothing can call back; what has an identifier stands in `flights` or
 * `waiting` besides, and is moved (requests) or copied (publishes) into `out` by pump().
 * Acknowledgements are written straight to `out`, whose reserve above max_queue is theirs.
 */
#include "mqtt/session_out.h"

#include <stdlib.h>

#include "iotkit_errors.h"
#include "mqtt/topic.h"

static size_t in_out(const struct ik_mqtt_session *session) {
  return ik_buf_size(&session->out) + session->unwritten;
}

/* A packet longer than the whole queue goes out when the queue is empty. */
static bool has_room(const struct ik_mqtt_session *session, size_t queued, size_t len) {
  return queued == 0 || queued + len <= session->max_queue;
}

static int pump_requests(struct ik_mqtt_session *session) {
  while (ik_mqtt_requests_count_awaited(&session->pending) < IK_MQTT_REQUEST_WINDOW) {
    struct ik_mqtt_request *request = ik_mqtt_requests_ready(&session->waiting, &session->pending);
    if (!request) return 0;
    if (!has_room(session, in_out(session), IK_MQTT_HEADER_MAX + 5 + request->filter_len)) return 0;
    const int rc = ik_mqtt_request_write(request, &session->out);
    if (rc < 0) return rc;
    ik_mqtt_requests_take(&session->waiting, request->type, request->packet_id);
    request->sent = true;
    ik_mqtt_requests_push(&session->pending, request);
    struct ik_mqtt_sub *sub = ik_mqtt_subs_find(&session->subs, ik_mqtt_request_filter(request));
    if (sub && sub->request == request) sub->state = IK_MQTT_SUB_ASKED;
  }
  return 0;
}

/*
 * An answer to what is published may come at once, on a topic that is to be subscribed: a broker that
 * works on both side by side, and one that has not been sent the subscription, would drop it. Who
 * subscribes over a connection that is there can wait for the answer; a program that sends before it
 * yields counts on that.
 */
static bool is_held_by_requests(const struct ik_mqtt_session *session) {
  return session->phase == IK_MQTT_UP &&
         ik_mqtt_requests_come_first(&session->waiting, &session->pending);
}

/* Whether DISCONNECT is due: all was sent and answered, or there is no more time for that. */
static bool may_leave(const struct ik_mqtt_session *session) {
  return session->hurried ||
         (!session->flights.count && !ik_mqtt_requests_awaited(&session->pending));
}

int ik_mqtt_session_pump(struct ik_mqtt_session *session) {
  int rc = 0;
  if (session->phase != IK_MQTT_UP && session->phase != IK_MQTT_LEAVING) return 0;
  if (session->farewell) return 0;
  if (session->phase == IK_MQTT_UP) rc = pump_requests(session);
  while (rc == 0 && session->flights.unsent && !is_held_by_requests(session) &&
         has_room(session, in_out(session), session->flights.unsent->len))
    rc = ik_mqtt_flights_send(&session->flights, &session->out);
  if (rc < 0 || session->phase == IK_MQTT_UP || !may_leave(session)) return rc;
  rc = ik_mqtt_write_empty(&session->out, IK_MQTT_DISCONNECT);
  session->farewell = rc == 0;
  return rc;
}

/* ---- publish ---- */

static int publish_check(const struct ik_mqtt_session *session,
                         const struct ik_mqtt_publish *publish) {
  if (publish->qos > 2) return IK_EINVALID_ARGUMENT;
  if (!ik_mqtt_topic_name_valid(publish->topic)) return IK_EMQTT_TOPIC;
  const size_t len = ik_mqtt_publish_len(publish);
  if (len > session->max_packet) return IK_EMQTT_PACKET_TOO_LARGE;
  if (publish->qos == 0 && session->phase != IK_MQTT_UP) return IK_ENOT_CONNECTED;
  if (publish->qos && session->flights.count >= session->max_in_flight) return IK_EQUEUE_FULL;
  return has_room(session, in_out(session) + session->flights.unsent_bytes, len) ? 0
                                                                                 : IK_EQUEUE_FULL;
}

int ik_mqtt_session_publish(struct ik_mqtt_session *session,
                            const struct ik_mqtt_publish *publish) {
  struct ik_mqtt_publish copy = *publish;
  copy.dup = false;
  copy.packet_id = 0;
  int rc = publish_check(session, publish);
  if (rc < 0) return rc;
  if (publish->qos == 0) return ik_mqtt_write_publish(&session->out, &copy);
  const int id = ik_mqtt_idset_take(&session->ids);
  if (id < 0) return id;
  copy.packet_id = (uint16_t)id;
  rc = ik_mqtt_flights_add(&session->flights, &copy);
  if (rc < 0) {
    ik_mqtt_idset_remove(&session->ids, copy.packet_id);
    return rc;
  }
  (void)ik_mqtt_session_pump(session); /* out of memory: it waits for the next pump */
  return id;
}

/* ---- subscribe ---- */

void ik_mqtt_session_free_request(struct ik_mqtt_session *session,
                                  struct ik_mqtt_request *request) {
  struct ik_mqtt_sub *sub = ik_mqtt_subs_find(&session->subs, ik_mqtt_request_filter(request));
  if (sub && sub->request == request) sub->request = NULL;
  ik_mqtt_idset_remove(&session->ids, request->packet_id);
  free(request);
}

static int new_request(struct ik_mqtt_session *session, enum ik_mqtt_type type,
                       struct ik_str filter, struct ik_mqtt_request **out) {
  const int id = ik_mqtt_idset_take(&session->ids);
  if (id < 0) return id;
  *out = ik_mqtt_request_new(type, (uint16_t)id, filter);
  if (!*out) {
    ik_mqtt_idset_remove(&session->ids, (uint16_t)id);
    return IK_ENO_MEMORY;
  }
  ik_mqtt_requests_push(&session->waiting, *out);
  return 0;
}

/*
 * Gives the subscription a request that has not been sent yet, so that its SUBACK answers this
 * call.
 */
static int ask(struct ik_mqtt_session *session, struct ik_mqtt_sub *sub) {
  if (sub->request && !sub->request->sent) return 0;
  struct ik_mqtt_request *request;
  const int rc = new_request(session, IK_MQTT_SUBSCRIBE, sub->filter, &request);
  if (rc < 0) return rc;
  sub->request = request;
  return 0;
}

static int subscribe_check(const struct ik_mqtt_session *session, struct ik_str filter,
                           uint8_t qos) {
  if (qos > 2) return IK_EINVALID_ARGUMENT;
  if (!ik_mqtt_topic_filter_valid(filter)) return IK_EMQTT_TOPIC;
  return IK_MQTT_HEADER_MAX + 5 + filter.len > session->max_packet ? IK_EMQTT_PACKET_TOO_LARGE : 0;
}

int ik_mqtt_session_subscribe(struct ik_mqtt_session *session, struct ik_str filter, uint8_t qos,
                              void (*fn)(void), void *ctx) {
  struct ik_mqtt_sub *sub = NULL;
  int rc = subscribe_check(session, filter, qos);
  if (rc == 0) rc = ik_mqtt_subs_add(&session->subs, filter, &sub);
  if (rc < 0) return rc;
  rc = ask(session, sub);
  if (rc == 0) rc = ik_mqtt_sub_add_handler(sub, fn, ctx, qos);
  if (rc < 0) {
    if (sub->handlers) return rc;
    struct ik_mqtt_request *request = ik_mqtt_requests_take_filter(&session->waiting, filter);
    if (request) ik_mqtt_session_free_request(session, request);
    ik_mqtt_subs_remove(&session->subs, sub);
    return rc;
  }
  sub->local = false;
  sub->request->qos = ik_mqtt_sub_qos(sub);
  const int id = sub->request->packet_id;
  if (session->phase != IK_MQTT_UP) return 0;
  (void)ik_mqtt_session_pump(session);
  return id;
}

int ik_mqtt_session_listen(struct ik_mqtt_session *session, struct ik_str filter, void (*fn)(void),
                           void *ctx) {
  struct ik_mqtt_sub *sub = NULL;
  int rc = subscribe_check(session, filter, 0);
  if (rc == 0) rc = ik_mqtt_subs_add(&session->subs, filter, &sub);
  if (rc < 0) return rc;
  const bool is_new = !sub->handlers;
  rc = ik_mqtt_sub_add_handler(sub, fn, ctx, 0);
  if (is_new && rc == 0) sub->local = true;
  if (is_new && rc < 0) ik_mqtt_subs_remove(&session->subs, sub);
  return rc;
}

int ik_mqtt_session_ask(struct ik_mqtt_session *session, struct ik_str filter, uint8_t qos) {
  struct ik_mqtt_request *request;
  int rc = subscribe_check(session, filter, qos);
  if (rc == 0 && session->phase != IK_MQTT_UP) rc = IK_ENOT_CONNECTED;
  if (rc == 0) rc = new_request(session, IK_MQTT_SUBSCRIBE, filter, &request);
  if (rc < 0) return rc;
  request->qos = qos;
  request->bare = true;
  const int id = request->packet_id;
  (void)ik_mqtt_session_pump(session);
  return id;
}

/*
 * The last handler is gone: takes back what was not sent, and notifies the broker if it may know
 * the filter.
 */
static int forget(struct ik_mqtt_session *session, struct ik_mqtt_sub *sub) {
  struct ik_mqtt_request *request;
  while ((request = ik_mqtt_requests_take_filter(&session->waiting, sub->filter)))
    ik_mqtt_session_free_request(session, request);
  if (sub->state == IK_MQTT_SUB_NEW) return 0;
  const int rc = new_request(session, IK_MQTT_UNSUBSCRIBE, sub->filter, &request);
  return rc < 0 ? rc : request->packet_id;
}

int ik_mqtt_session_unsubscribe(struct ik_mqtt_session *session, struct ik_str filter,
                                void (*fn)(void), void *ctx, struct ik_mqtt_handler **removed) {
  *removed = NULL;
  if (!ik_mqtt_topic_filter_valid(filter)) return IK_EMQTT_TOPIC;
  struct ik_mqtt_sub *sub = ik_mqtt_subs_find(&session->subs, filter);
  if (!sub) return 0;
  *removed = ik_mqtt_sub_take_handler(sub, fn, ctx);
  if (!*removed || sub->handlers) return 0;
  const int id = forget(session, sub);
  ik_mqtt_subs_remove(&session->subs, sub);
  if (id <= 0 || session->phase != IK_MQTT_UP) return id < 0 ? id : 0;
  (void)ik_mqtt_session_pump(session);
  return id;
}

static const struct ik_mqtt_request *waiting_unsubscribe(const struct ik_mqtt_session *session,
                                                         struct ik_str filter) {
  const struct ik_mqtt_request *request = session->waiting.first;
  while (request && !(request->type == IK_MQTT_UNSUBSCRIBE &&
                      ik_str_eq(ik_mqtt_request_filter(request), filter)))
    request = request->next;
  return request;
}

int ik_mqtt_session_unsubscribe_old(struct ik_mqtt_session *session, struct ik_str filter) {
  if (!ik_mqtt_topic_filter_valid(filter)) return IK_EMQTT_TOPIC;
  const bool up = session->phase == IK_MQTT_UP;
  if (ik_mqtt_subs_find(&session->subs, filter)) return 0;
  if (!up && session->connect.clean_session) return 0; /* the broker will have nothing of before */
  const struct ik_mqtt_request *same = waiting_unsubscribe(session, filter);
  if (same) return up ? same->packet_id : 0;
  struct ik_mqtt_request *request;
  const int rc = new_request(session, IK_MQTT_UNSUBSCRIBE, filter, &request);
  if (rc < 0 || !up) return rc;
  const int id = request->packet_id;
  (void)ik_mqtt_session_pump(session);
  return id;
}

int ik_mqtt_session_restore(struct ik_mqtt_session *session, bool session_present) {
  struct ik_mqtt_sub *sub = ik_mqtt_subs_first(&session->subs);
  for (; sub; sub = ik_mqtt_subs_next(&session->subs, sub)) {
    if (!session_present) sub->state = IK_MQTT_SUB_NEW;
    if (sub->local || sub->request || sub->state == IK_MQTT_SUB_GRANTED) continue;
    const int rc = ask(session, sub);
    if (rc < 0) return rc;
    sub->request->qos = ik_mqtt_sub_qos(sub);
  }
  return 0;
}
