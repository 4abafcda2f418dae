/*
 * outgoing.c - iotkit_mqtt_publish, _subscribe and _unsubscribe.
 *
 * Each queues its packet in the session; then whoever drives the client is woken, and where nobody
 * does, the calling thread drives it for one flush: it writes what the socket takes, runs no
 * callback, and leaves what that brings about to the next step.
 */
#include "client/outgoing.h"

#include "client/driver.h"
#include "client/wire.h"

/*
 * Mutex held; unlocks. A client that has a waker is stepped by whoever set it, though not at this
 * moment; any other one without a driver is between two yields. Returns 0, or why the connection is
 * broken.
 */
static int flush_unlock(iotkit_mqtt_t *client) {
  if (client->wake && (client->interest & IOTKIT_WRITE)) {
    /* Its next step follows as soon as the socket takes bytes, and not before. */
    ik_mutex_unlock(client->mutex);
    return 0;
  }
  if (client->wake || !ik_mqtt_begin_flush(client)) {
    const int broken = client->broken;
    ik_mqtt_poke_unlock(client);
    return broken;
  }
  const bool look = client->blocking;
  ik_mutex_unlock(client->mutex);
  ik_mqtt_write_now(client, look);
  const int broken = client->broken; /* written by driver threads alone */
  ik_mqtt_leave(client);
  return broken;
}

int ik_mqtt_flush(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  return flush_unlock(client);
}

/* Unlocks; only what can be sent now has to be. */
static int after_request(iotkit_mqtt_t *client) {
  if (ik_mqtt_session_has_output(&client->session)) return flush_unlock(client);
  ik_mutex_unlock(client->mutex);
  return 0;
}

/* Whether a request can still be accepted. Mutex held. */
static bool accepts(const iotkit_mqtt_t *client) {
  return client->state != IOTKIT_MQTT_CLOSED && !client->stop_wanted;
}

/* Mutex held. */
static int queue(iotkit_mqtt_t *client, const struct ik_mqtt_publish *publish) {
  if (!accepts(client)) return IK_ECLOSED;
  if (client->broken && publish->qos == 0) return IK_ENOT_CONNECTED;
  const int rc = ik_mqtt_session_publish(&client->session, publish);
  if (rc == 0 && publish->qos == 0) ik_publish_rate_note(&client->qos0, ik_port_now_ms());
  return rc;
}

size_t ik_mqtt_recent_publishes(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const size_t recent = ik_publish_rate_recent(&client->qos0, ik_port_now_ms());
  ik_mutex_unlock(client->mutex);
  return recent;
}

int iotkit_mqtt_publish(iotkit_mqtt_t *client, const char *topic, const void *payload,
                        size_t payload_len, uint8_t qos, bool retain) {
  if (!client || !topic || (!payload && payload_len)) return IK_EINVALID_ARGUMENT;
  const struct ik_mqtt_publish publish = {.topic = ik_str(topic),
                                          .payload = payload,
                                          .payload_len = payload_len,
                                          .qos = qos,
                                          .retain = retain};
  ik_mutex_lock(client->mutex);
  int rc = queue(client, &publish);
  if (rc == IK_EQUEUE_FULL) { /* the socket may take by now what it did not take before */
    ik_mqtt_await_flush(client);
    (void)flush_unlock(client);
    ik_mutex_lock(client->mutex);
    rc = queue(client, &publish);
  }
  const int broken = after_request(client);
  return rc == 0 && broken ? IK_ENOT_CONNECTED : rc; /* QoS 0: it will not be sent again */
}

int iotkit_mqtt_subscribe(iotkit_mqtt_t *client, const char *filter, uint8_t qos,
                          iotkit_mqtt_message_fn handler, void *ctx) {
  if (!client || !filter) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(client->mutex);
  int rc = IK_ECLOSED;
  if (accepts(client))
    rc = ik_mqtt_session_subscribe(&client->session, ik_str(filter), qos, (void (*)(void))handler,
                                   ctx);
  (void)after_request(client);
  return rc;
}

int ik_mqtt_subscribe_quietly(iotkit_mqtt_t *client, const char *filter, uint8_t qos,
                              iotkit_mqtt_message_fn handler, void *ctx) {
  ik_mutex_lock(client->mutex);
  const int rc = ik_mqtt_session_subscribe(&client->session, ik_str(filter), qos,
                                           (void (*)(void))handler, ctx);
  ik_mutex_unlock(client->mutex);
  return rc;
}

/* Mutex held. No connection will come that they could wait for. */
static void drop_requests(iotkit_mqtt_t *client) {
  struct ik_mqtt_event lost;
  while (ik_mqtt_session_give_up(&client->session, &lost))
    continue;
}

int iotkit_mqtt_unsubscribe(iotkit_mqtt_t *client, const char *filter,
                            iotkit_mqtt_message_fn handler, void *ctx) {
  struct ik_mqtt_handler *removed = NULL;
  if (!client || !filter) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(client->mutex);
  const int rc = ik_mqtt_session_unsubscribe(&client->session, ik_str(filter),
                                             (void (*)(void))handler, ctx, &removed);
  if (removed) {
    /*
     * Handlers run on the driver thread: when that is the caller, this is inside a callback.
     */
    while (client->running == removed && client->driver != ik_thread_self())
      ik_cond_wait(client->cond, client->mutex, UINT64_MAX);
    ik_mqtt_handler_unref(removed);
  }
  if (client->state == IOTKIT_MQTT_CLOSED) drop_requests(client);
  (void)after_request(client);
  return rc;
}

int iotkit_mqtt_listen(iotkit_mqtt_t *client, const char *filter, iotkit_mqtt_message_fn handler,
                       void *ctx) {
  if (!client || !filter) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(client->mutex);
  int rc = IK_ECLOSED;
  if (accepts(client))
    rc = ik_mqtt_session_listen(&client->session, ik_str(filter), (void (*)(void))handler, ctx);
  ik_mutex_unlock(client->mutex);
  return rc;
}

int iotkit_mqtt_ask(iotkit_mqtt_t *client, const char *filter, uint8_t qos) {
  if (!client || !filter) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(client->mutex);
  int rc = IK_ECLOSED;
  if (accepts(client)) rc = ik_mqtt_session_ask(&client->session, ik_str(filter), qos);
  (void)after_request(client);
  return rc;
}

int iotkit_mqtt_forget(iotkit_mqtt_t *client, const char *filter) {
  if (!client || !filter) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(client->mutex);
  int rc = IK_ECLOSED;
  if (accepts(client)) rc = ik_mqtt_session_unsubscribe_old(&client->session, ik_str(filter));
  (void)after_request(client);
  return rc;
}
