/*
 * iot_mqtt_topics.c - IOT_MQTT_Subscribe, _Subscribe_Sync, _Unsubscribe, _Publish and
 * _Publish_Simple.
 *
 * The handle owns its subscriptions; a thread that waits for a SUBACK is in its list of waiters
 * meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "client/driver.h"
#include "client/outgoing.h"
#include "client/yield.h"
#include "published/iot_mqtt.h"

#define TOPIC_MAX 128

/* ---- subscribe ---- */

/* A topic of the platform, or a filter: its wildcards are checked by the session. */
static bool topic_valid(const char *topic) {
  const size_t len = strlen(topic);
  if (len == 0 || len > TOPIC_MAX || topic[0] != '/') return false;
  for (size_t i = 0; i < len; i++) {
    if (topic[i] < ' ' || topic[i] > '~') return false;
  }
  return true;
}

static struct ik_iot_subscription *new_subscription(struct ik_iot_mqtt *handle, const char *filter,
                                                    iotx_mqtt_event_handle_func_fpt fn, void *ctx) {
  struct ik_iot_subscription *made = calloc(1, sizeof(*made));
  if (!made) return NULL;
  made->filter = ik_str_dup(ik_str(filter));
  if (!made->filter) {
    free(made);
    return NULL;
  }
  made->handle = handle;
  made->fn = fn;
  made->ctx = ctx;
  return made;
}

static bool same(const struct ik_iot_subscription *a, const struct ik_iot_subscription *b) {
  return a->fn == b->fn && a->ctx == b->ctx && strcmp(a->filter, b->filter) == 0;
}

static int published_error(int error) {
  switch (error) {
  case IK_EMQTT_TOPIC:
    return MQTT_TOPIC_FORMAT_ERROR;
  case IK_EQUEUE_FULL:
    return MQTT_PUSH_TO_LIST_ERROR;
  case IK_EMQTT_PACKET_TOO_LARGE:
    return MQTT_PUBLISH_PACKET_ERROR;
  case IK_ENOT_CONNECTED:
    return MQTT_STATE_ERROR;
  case IK_EUNSUPPORTED:
    return MQTT_PUBLISH_QOS_ERROR;
  default:
    return error < 0 ? FAIL_RETURN : error;
  }
}

/*
 * All of it under the handle's mutex, so that no answer comes before `waiter` knows what it waits
 * for.
 */
static int subscribe(struct ik_iot_mqtt *handle, const char *filter, int qos,
                     iotx_mqtt_event_handle_func_fpt fn, void *ctx, struct ik_iot_waiter *waiter) {
  struct ik_iot_subscription *made = new_subscription(handle, filter, fn, ctx);
  if (!made) return FAIL_RETURN;
  ik_mutex_lock(handle->mutex);
  struct ik_iot_subscription *subscription = handle->subscriptions;
  while (subscription && !same(subscription, made))
    subscription = subscription->next;
  const int rc =
      ik_mqtt_subscribe_quietly(handle->client, filter, (uint8_t)qos, ik_iot_mqtt_on_message,
                                subscription ? subscription : made);
  if (rc >= 0 && !subscription) {
    made->next = handle->subscriptions;
    handle->subscriptions = made;
    made = NULL;
  }
  if (rc > 0 && waiter) {
    waiter->packet_id = (uint16_t)rc;
    waiter->next = handle->waiters;
    handle->waiters = waiter;
  }
  ik_mutex_unlock(handle->mutex);
  (void)ik_mqtt_flush(handle->client);
  if (made) free(made->filter);
  free(made);
  return published_error(rc);
}

static int subscribe_check(const struct ik_iot_mqtt *handle, const char *filter, int qos,
                           iotx_mqtt_event_handle_func_fpt fn) {
  if (!handle || !filter || !fn) return NULL_VALUE_ERROR;
  if (qos < IOTX_MQTT_QOS0 || qos > IOTX_MQTT_QOS2) return FAIL_RETURN;
  return topic_valid(filter) ? 0 : MQTT_TOPIC_FORMAT_ERROR;
}

int IOT_MQTT_Subscribe(void *handle, const char *topic_filter, iotx_mqtt_qos_t qos,
                       iotx_mqtt_event_handle_func_fpt topic_handle_func, void *pcontext) {
  struct ik_iot_mqtt *taken = ik_iot_mqtt_take(handle);
  int rc = subscribe_check(taken, topic_filter, (int)qos, topic_handle_func);
  if (rc == 0) rc = subscribe(taken, topic_filter, (int)qos, topic_handle_func, pcontext, NULL);
  ik_iot_mqtt_drop(taken);
  return rc;
}

static bool answered(struct ik_iot_mqtt *handle, const struct ik_iot_waiter *waiter) {
  ik_mutex_lock(handle->mutex);
  const bool yes = waiter->answered;
  ik_mutex_unlock(handle->mutex);
  return yes;
}

/*
 * Only the driver thread takes in answers. So this thread becomes the driver before it looks for
 * one and goes to sleep: else another thread could take it in between the two, and nothing
 * would end the sleep.
 */
static void await_answer(struct ik_iot_mqtt *handle, const struct ik_iot_waiter *waiter,
                         uint64_t end_ms) {
  uint64_t now_ms = ik_port_now_ms();
  while (!answered(handle, waiter) && now_ms < end_ms) {
    int rc = ik_mqtt_enter(handle->client, true);
    if (rc == IK_EBUSY)
      ik_mqtt_await_driver(handle->client, end_ms);
    else if (rc < 0)
      return;
    else {
      if (!answered(handle, waiter))
        rc = ik_mqtt_yield_entered(handle->client, (uint32_t)(end_ms - now_ms));
      ik_mqtt_leave(handle->client);
      if (rc < 0 && rc != IK_EINTERRUPTED) return;
    }
    now_ms = ik_port_now_ms();
  }
}

static void forget_waiter(struct ik_iot_mqtt *handle, struct ik_iot_waiter *waiter) {
  ik_mutex_lock(handle->mutex);
  struct ik_iot_waiter **link = &handle->waiters;
  while (*link && *link != waiter)
    link = &(*link)->next;
  if (*link) *link = waiter->next;
  ik_mutex_unlock(handle->mutex);
}

static int subscribe_sync(struct ik_iot_mqtt *handle, const char *topic_filter, iotx_mqtt_qos_t qos,
                          iotx_mqtt_event_handle_func_fpt topic_handle_func, void *pcontext,
                          int timeout_ms) {
  struct ik_iot_waiter waiter = {0};
  int rc = subscribe_check(handle, topic_filter, (int)qos, topic_handle_func);
  if (rc < 0) return rc;
  if (timeout_ms < 0 || !IOT_MQTT_CheckStateNormal(handle)) return FAIL_RETURN;
  const uint64_t end_ms = ik_port_now_ms() + (uint32_t)timeout_ms;
  const int id = subscribe(handle, topic_filter, (int)qos, topic_handle_func, pcontext, &waiter);
  if (id <= 0) return id < 0 ? id : FAIL_RETURN;
  await_answer(handle, &waiter, end_ms);
  forget_waiter(handle, &waiter);
  return waiter.answered && waiter.error == 0 ? id : FAIL_RETURN;
}

int IOT_MQTT_Subscribe_Sync(void *handle, const char *topic_filter, iotx_mqtt_qos_t qos,
                            iotx_mqtt_event_handle_func_fpt topic_handle_func, void *pcontext,
                            int timeout_ms) {
  struct ik_iot_mqtt *taken = ik_iot_mqtt_take(handle);
  const int rc = subscribe_sync(taken, topic_filter, qos, topic_handle_func, pcontext, timeout_ms);
  ik_iot_mqtt_drop(taken);
  return rc;
}

/* Takes one of the filter's subscriptions off the list, NULL: none is left. */
static struct ik_iot_subscription *take_off(struct ik_iot_mqtt *handle, const char *filter) {
  ik_mutex_lock(handle->mutex);
  struct ik_iot_subscription **link = &handle->subscriptions;
  while (*link && strcmp((*link)->filter, filter) != 0)
    link = &(*link)->next;
  struct ik_iot_subscription *subscription = *link;
  if (subscription) *link = subscription->next;
  ik_mutex_unlock(handle->mutex);
  return subscription;
}

static int unsubscribe(struct ik_iot_mqtt *handle, const char *topic_filter) {
  struct ik_iot_subscription *subscription;
  int rc = 0;
  if (!topic_valid(topic_filter)) return MQTT_TOPIC_FORMAT_ERROR;
  while ((subscription = take_off(handle, topic_filter))) {
    rc = iotkit_mqtt_unsubscribe(ik_iot_mqtt_client(handle), topic_filter, ik_iot_mqtt_on_message,
                                 subscription);
    free(subscription->filter);
    free(subscription);
  }
  if (rc == 0) rc = iotkit_mqtt_forget(ik_iot_mqtt_client(handle), topic_filter);
  return published_error(rc);
}

int IOT_MQTT_Unsubscribe(void *handle, const char *topic_filter) {
  struct ik_iot_mqtt *taken = ik_iot_mqtt_take(handle);
  const int rc = taken && topic_filter ? unsubscribe(taken, topic_filter) : NULL_VALUE_ERROR;
  ik_iot_mqtt_drop(taken);
  return rc;
}

/* ---- publish ---- */

static int publish(struct ik_iot_mqtt *handle, const char *topic_name,
                   iotx_mqtt_topic_info_pt topic_msg) {
  if (!topic_name || !topic_msg || !topic_msg->payload) return NULL_VALUE_ERROR;
  if (topic_msg->qos > IOTX_MQTT_QOS1) return MQTT_PUBLISH_QOS_ERROR;
  if (!topic_valid(topic_name)) return MQTT_TOPIC_FORMAT_ERROR;
  const struct ik_mqtt_publish packet = {
      .topic = ik_str(topic_name), .payload_len = topic_msg->payload_len, .qos = topic_msg->qos};
  if (ik_mqtt_publish_len(&packet) > handle->write_max) return MQTT_PUBLISH_PACKET_ERROR;
  if (!IOT_MQTT_CheckStateNormal(handle)) return MQTT_STATE_ERROR;
  const int rc =
      iotkit_mqtt_publish(ik_iot_mqtt_client(handle), topic_name, topic_msg->payload,
                          topic_msg->payload_len, topic_msg->qos, topic_msg->retain != 0);
  if (rc > 0) topic_msg->packet_id = (uint16_t)rc;
  return published_error(rc);
}

int IOT_MQTT_Publish(void *handle, const char *topic_name, iotx_mqtt_topic_info_pt topic_msg) {
  struct ik_iot_mqtt *taken = ik_iot_mqtt_take(handle);
  const int rc = taken ? publish(taken, topic_name, topic_msg) : NULL_VALUE_ERROR;
  ik_iot_mqtt_drop(taken);
  return rc;
}

int IOT_MQTT_Publish_Simple(void *handle, const char *topic_name, int qos, void *data, int len) {
  if (len < 0 || qos < 0 || qos > IOTX_MQTT_QOS1) return FAIL_RETURN;
  iotx_mqtt_topic_info_t message = {
      .qos = (uint8_t)qos, .payload = data, .payload_len = (uint32_t)len};
  const int rc = IOT_MQTT_Publish(handle, topic_name, &message);
  return rc < 0 ? FAIL_RETURN : rc;
}
