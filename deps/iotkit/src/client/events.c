/*
 * events.c - runs the program's callbacks; each call counts as something handled.
 */
#include "client/events.h"

/* Runs on_event. `event` has everything but the state. */
static void notify(iotkit_mqtt_t *client, struct iotkit_mqtt_event *event) {
  client->handled++;
  if (!client->on_event) return;
  event->state = iotkit_mqtt_get_state(client);
  if (!event->detail) event->detail = "";
  client->on_event(client->ctx, client, event);
}

void ik_mqtt_enter_state(iotkit_mqtt_t *client, enum iotkit_mqtt_state state, int error,
                         const char *detail, bool session_present) {
  struct iotkit_mqtt_event event = {.type = IOTKIT_MQTT_EVENT_STATE,
                                    .error = error,
                                    .detail = detail,
                                    .session_present = session_present};
  ik_mutex_lock(client->mutex);
  client->state = state;
  ik_mutex_unlock(client->mutex);
  notify(client, &event);
}

void ik_mqtt_notify_session(iotkit_mqtt_t *client, const struct ik_mqtt_event *from,
                            const char *detail) {
  static const enum iotkit_mqtt_event_type types[] = {
      [IK_MQTT_TOO_LARGE] = IOTKIT_MQTT_EVENT_SKIPPED,
      [IK_MQTT_PUBLISHED] = IOTKIT_MQTT_EVENT_PUBLISHED,
      [IK_MQTT_SUBSCRIBED] = IOTKIT_MQTT_EVENT_SUBSCRIBED,
      [IK_MQTT_UNSUBSCRIBED] = IOTKIT_MQTT_EVENT_UNSUBSCRIBED};
  struct iotkit_mqtt_event event = {.type = types[from->type],
                                    .error = from->error,
                                    .detail = from->error ? detail : "",
                                    .packet_id = from->packet_id,
                                    .qos = from->qos};
  notify(client, &event);
}

/* ---- messages ---- */

/* Calls one handler without the mutex, unless it has been removed; mutex held before and after. */
static bool call_handler(iotkit_mqtt_t *client, const struct ik_mqtt_handler *handler,
                         const struct iotkit_mqtt_message *message) {
  if (handler->removed) return false;
  client->running = handler;
  ik_mutex_unlock(client->mutex);
  ((iotkit_mqtt_message_fn)handler->fn)(handler->ctx, client, message);
  ik_mutex_lock(client->mutex);
  client->running = NULL;
  ik_cond_broadcast(client->cond);
  return true;
}

int ik_mqtt_deliver(iotkit_mqtt_t *client, const struct ik_mqtt_publish *publish) {
  const struct iotkit_mqtt_message message = {.topic = publish->topic.ptr,
                                              .topic_len = publish->topic.len,
                                              .payload = publish->payload,
                                              .payload_len = publish->payload_len,
                                              .packet_id = publish->packet_id,
                                              .qos = publish->qos,
                                              .dup = publish->dup,
                                              .retain = publish->retain};
  struct ik_mqtt_matches matches;
  bool taken = false;
  bool own = false;
  client->handled++;
  ik_mutex_lock(client->mutex);
  const int rc = ik_mqtt_subs_match(&client->session.subs, publish->topic, &matches);
  for (size_t i = 0; rc == 0 && i < matches.count; i++) {
    if (matches.list[i]->fn)
      taken |= call_handler(client, matches.list[i], &message);
    else
      own |= !matches.list[i]->removed;
  }
  if (rc == 0) ik_mqtt_matches_free(&matches);
  ik_mutex_unlock(client->mutex);
  if (rc < 0 || (taken && !own)) return rc;
  struct iotkit_mqtt_event event = {.type = IOTKIT_MQTT_EVENT_MESSAGE,
                                    .message = &message,
                                    .qos = message.qos,
                                    .packet_id = message.packet_id};
  notify(client, &event);
  return 0;
}
