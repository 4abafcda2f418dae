/*
 * iot_mqtt.c - IOT_MQTT_*: the published MQTT functions over an iotkit_mqtt_t.
 *
 * A handle owns its client and one `subscription` for each function that was subscribed. What other threads may reach at the
 * same time (the subscriptions, those who wait for a SUBACK) is guarded by the client's mutex.
 */
#include "exports/iot_export_mqtt.h"

#include <stdlib.h>
#include <string.h>

#include "../base/codec.h"
#include "../base/limits.h"
#include "iot_export.h"
#include "iot_import.h"
#include "iot_mqtt.h"
#include "iotkit_iot.h"
#include "mqtt_client.h"

#define CONNECT_MS 10000 /* name, TCP and TLS of the first connection */
#define IN_FLIGHT_MAX 20
#define TOPIC_MAX 128
#define TIMEOUT_MIN_MS 500
#define TIMEOUT_MAX_MS 5000
#define TIMEOUT_DEFAULT_MS 2000
#define KEEP_ALIVE_MIN_S 30
#define KEEP_ALIVE_MAX_S 1200
#define KEEP_ALIVE_DEFAULT_S 60
#define STOP_MS 2500 /* the client ends within 2 s */

struct subscription {
  struct subscription *next;
  struct handle *handle;
  iotx_mqtt_event_handle_func_fpt fn;
  void *ctx;
  char *filter; /* owned */
};

/* A thread in Subscribe_Sync; on its stack. */
struct waiter {
  struct waiter *next;
  uint16_t packet_id; /* 0: not known yet */
  bool answered;
  int error;
};

typedef void (*made_fn)(void *ctx, iotkit_mqtt_t *client);
struct handle {
  iotkit_mqtt_t *client;
  iotx_mqtt_event_handle_t on_event;
  uint32_t write_max;
  uint32_t request_timeout_ms;
  bool online; /* stepping thread */
  bool was_online;
  struct subscription *subscriptions; /* client's mutex */
  struct waiter *waiters;             /* client's mutex */
};

iotkit_mqtt_t *ik_iot_mqtt_client(void *handle) {
  return handle ? ((struct handle *)handle)->client : NULL;
}

/* ---- events ---- */

static void tell(struct handle *handle, iotx_mqtt_event_type_t type, void *data) {
  iotx_mqtt_event_msg_t msg = {.event_type = type, .msg = data};
  if (handle->on_event.h_fp) handle->on_event.h_fp(handle->on_event.pcontext, handle, &msg);
}

static void *text_of(const char *text) {
  return (void *)(uintptr_t)text; /* the published type has no const; it is to be read only */
}

static void hand_message(iotx_mqtt_event_handle_func_fpt fn, void *ctx, struct handle *handle,
                         const struct iotkit_mqtt_message *message) {
  iotx_mqtt_topic_info_t info = {.packet_id = message->packet_id,
                                 .qos = message->qos,
                                 .dup = message->dup,
                                 .retain = message->retain,
                                 .topic_len = (uint16_t)message->topic_len,
                                 .payload_len = (uint32_t)message->payload_len,
                                 .ptopic = message->topic,
                                 .payload = (const char *)message->payload};
  iotx_mqtt_event_msg_t msg = {.event_type = IOTX_MQTT_EVENT_PUBLISH_RECEIVED, .msg = &info};
  if (fn) fn(ctx, handle, &msg);
}

/* After `fn` the subscription may be gone: it may have unsubscribed itself. */
static void on_message(void *ctx, iotkit_mqtt_t *client,
                       const struct iotkit_mqtt_message *message) {
  const struct subscription *subscription = ctx;
  (void)client;
  hand_message(subscription->fn, subscription->ctx, subscription->handle, message);
}

static void on_state(struct handle *handle, const struct iotkit_mqtt_event *event) {
  if (event->state == IOTKIT_MQTT_CONNECTED) {
    handle->online = true;
    handle->client->no_reconnect =
        false; /* only the first try is Construct's; this is the stepping thread */
    if (handle->was_online) tell(handle, IOTX_MQTT_EVENT_RECONNECT, text_of("connected"));
    handle->was_online = true;
  } else if (event->state == IOTKIT_MQTT_WAITING && handle->online) {
    handle->online = false; /* further failures to connect are not further disconnections */
    tell(handle, IOTX_MQTT_EVENT_DISCONNECT,
         text_of(event->detail[0] ? event->detail : iotkit_strerror(event->error)));
  }
}

static void on_subscribed(struct handle *handle, const struct iotkit_mqtt_event *event) {
  iotx_mqtt_event_type_t type = IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS;
  ik_mutex_lock(handle->client->mutex);
  for (struct waiter *waiter = handle->waiters; waiter; waiter = waiter->next) {
    if (waiter->packet_id != event->packet_id || waiter->answered) continue;
    waiter->answered = true;
    waiter->error = event->error;
  }
  ik_cond_broadcast(handle->client->cond);
  ik_mutex_unlock(handle->client->mutex);
  if (event->error)
    type = event->error == IK_ETIMEOUT ? IOTX_MQTT_EVENT_SUBCRIBE_TIMEOUT
                                       : IOTX_MQTT_EVENT_SUBCRIBE_NACK;
  tell(handle, type, (void *)(uintptr_t)event->packet_id);
}

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct handle *handle = ctx;
  void *id = (void *)(uintptr_t)event->packet_id;
  (void)client;
  if (event->error == IK_ECLOSED) return; /* given up in Destroy */
  switch (event->type) {
  case IOTKIT_MQTT_EVENT_STATE:
    on_state(handle, event);
    return;
  case IOTKIT_MQTT_EVENT_SUBSCRIBED:
    on_subscribed(handle, event);
    return;
  case IOTKIT_MQTT_EVENT_UNSUBSCRIBED:
    tell(handle,
         event->error ? IOTX_MQTT_EVENT_UNSUBCRIBE_TIMEOUT : IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS,
         id);
    return;
  case IOTKIT_MQTT_EVENT_PUBLISHED:
    tell(handle, IOTX_MQTT_EVENT_PUBLISH_SUCCESS, id);
    return;
  case IOTKIT_MQTT_EVENT_SKIPPED:
    tell(handle, IOTX_MQTT_EVENT_BUFFER_OVERFLOW, text_of(event->detail));
    return;
  case IOTKIT_MQTT_EVENT_MESSAGE:
    hand_message(handle->on_event.h_fp, handle->on_event.pcontext, handle, event->message);
    return;
  }
}

/* ---- Construct ---- */

static uint32_t within(uint32_t value, uint32_t min, uint32_t max) {
  if (value < min) return min;
  return value > max ? max : value;
}

static struct iotkit_mqtt_options options_of(const iotx_mqtt_param_t *param,
                                             struct handle *handle) {
  const uint32_t timeout_ms = param->request_timeout_ms;
  const size_t largest =
      param->read_buf_size > param->write_buf_size ? param->read_buf_size : param->write_buf_size;
  const bool defaults = !param->read_buf_size || !param->write_buf_size;
  const uint32_t keep_alive_s = param->keepalive_interval_ms / 1000;
  struct iotkit_mqtt_options options = {.host = param->host,
                                        .port = param->port,
                                        .client_id = param->client_id,
                                        .username = param->username,
                                        .password = param->password,
                                        .persistent_session = param->clean_session != 1,
                                        .connect_timeout_ms = CONNECT_MS,
                                        .request_timeout_ms = TIMEOUT_DEFAULT_MS,
                                        .no_reconnect = true,
                                        .max_packet = largest,
                                        .max_in_flight = IN_FLIGHT_MAX,
                                        .on_event = on_event,
                                        .ctx = handle};
  options.keep_alive_s = KEEP_ALIVE_DEFAULT_S;
  if (param->keepalive_interval_ms)
    options.keep_alive_s = (uint16_t)within(keep_alive_s, KEEP_ALIVE_MIN_S, KEEP_ALIVE_MAX_S);
  if (timeout_ms >= TIMEOUT_MIN_MS && timeout_ms <= TIMEOUT_MAX_MS)
    options.request_timeout_ms = timeout_ms;
  if (defaults && largest < IK_MQTT_PACKET_DEFAULT) options.max_packet = IK_MQTT_PACKET_DEFAULT;
  if (options.max_packet < IOTX_URI_MAX_LEN) options.max_packet = IOTX_URI_MAX_LEN;
  handle->request_timeout_ms = options.request_timeout_ms;
  return options;
}

/* Waits for CONNACK: the time for it begins when the stream is open. */
static int connect_first(struct handle *handle) {
  iotkit_mqtt_t *client = handle->client;
  uint64_t end_ms = UINT64_MAX;
  int rc = iotkit_mqtt_start(client);
  while (rc == 0 && iotkit_mqtt_get_state(client) != IOTKIT_MQTT_CONNECTED) {
    const uint64_t now_ms = ik_port_now_ms();
    if (now_ms >= end_ms) return IK_ETIMEOUT;
    rc = iotkit_mqtt_yield(client, end_ms == UINT64_MAX ? CONNECT_MS : (uint32_t)(end_ms - now_ms));
    if (rc == 0 && client->open && end_ms == UINT64_MAX)
      end_ms = ik_port_now_ms() + handle->request_timeout_ms;
    if (rc == IK_EINTERRUPTED) rc = 0;
  }
  return rc;
}

static int make_tls(const char *pub_key, iotkit_tls_t **out, char *detail) {
  const struct iotkit_tls_options options = {.ca = pub_key[0] ? pub_key : NULL};
  return iotkit_tls_new(&options, out, detail);
}

static void destroy(struct handle *handle) {
  (void)iotkit_mqtt_free(handle->client);
  while (handle->subscriptions) {
    struct subscription *subscription = handle->subscriptions;
    handle->subscriptions = subscription->next;
    free(subscription->filter);
    free(subscription);
  }
  free(handle);
}

static int construct(const iotx_mqtt_param_t *param, struct handle *handle, made_fn made, void *ctx,
                     char *detail) {
  struct iotkit_mqtt_options options = options_of(param, handle);
  iotkit_tls_t *tls = NULL;
  int rc = param->pub_key ? make_tls(param->pub_key, &tls, detail) : 0;
  options.tls = tls;
  if (rc == 0) rc = iotkit_mqtt_new(&options, &handle->client, detail);
  iotkit_tls_unref(tls);
  if (rc < 0) return rc;
  handle->on_event = param->handle_event;
  handle->write_max =
      param->write_buf_size ? param->write_buf_size : (uint32_t)IK_MQTT_PACKET_DEFAULT;
  if (param->read_buf_size) handle->client->session.reader.max_packet = param->read_buf_size;
  if (made) made(ctx, handle->client);
  return connect_first(handle);
}

static void *construct_from_hal(made_fn made_client, void *ctx) {
  char product_key[PRODUCT_KEY_MAXLEN], device_name[DEVICE_NAME_MAXLEN],
      device_secret[DEVICE_SECRET_MAXLEN];
  void *made = NULL;
  if (HAL_GetProductKey(product_key) <= 0 || HAL_GetDeviceName(device_name) <= 0 ||
      HAL_GetDeviceSecret(device_secret) <= 0)
    return NULL;
  const int rc = IOT_SetupConnInfo(product_key, device_name, device_secret, &made);
  ik_wipe(device_secret, sizeof(device_secret));
  if (rc < 0) return NULL;
  const iotx_conn_info_t *info = made;
  iotx_mqtt_param_t param = {.port = info->port,
                             .host = info->host_name,
                             .client_id = info->client_id,
                             .username = info->username,
                             .password = info->password,
                             .pub_key = info->pub_key};
  return iotkit_mqtt_construct(&param, made_client, ctx);
}

void *IOT_MQTT_Construct(iotx_mqtt_param_t *pInitParams) {
  return iotkit_mqtt_construct(pInitParams, NULL, NULL);
}

void *iotkit_mqtt_construct(iotx_mqtt_param_t *param, made_fn made, void *ctx) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (!param) return construct_from_hal(made, ctx);
  struct handle *handle = calloc(1, sizeof(*handle));
  if (!handle) return NULL;
  const int rc = construct(param, handle, made, ctx, detail);
  if (rc == 0) return handle;
  if (made) made(ctx, NULL);
  ik_log(IOTKIT_LOG_ERROR, "IOT_MQTT_Construct: %s%s%s", iotkit_strerror(rc), detail[0] ? ": " : "",
         detail);
  destroy(handle);
  return NULL;
}

/* ---- Destroy, Yield ---- */

/* Waits until no other thread steps the client, or `end_ms`. */
static void await_turn(iotkit_mqtt_t *client, uint64_t end_ms) {
  ik_mutex_lock(client->mutex);
  while (client->stepper && ik_port_now_ms() < end_ms)
    ik_cond_wait(client->cond, client->mutex, end_ms);
  ik_mutex_unlock(client->mutex);
}

int IOT_MQTT_Destroy(void **phandler) {
  struct handle *handle = phandler ? *phandler : NULL;
  if (!handle) return NULL_VALUE_ERROR;
  ik_mutex_lock(handle->client->mutex);
  const bool inside = handle->client->stepper == ik_thread_self();
  ik_mutex_unlock(handle->client->mutex);
  if (inside) return FAIL_RETURN;
  const uint64_t end_ms = ik_port_now_ms() + STOP_MS;
  (void)iotkit_mqtt_stop(handle->client);
  int rc = 0;
  while (rc != IK_ECLOSED && ik_port_now_ms() < end_ms) {
    rc = iotkit_mqtt_yield(handle->client, STOP_MS);
    if (rc == IK_EBUSY) await_turn(handle->client, end_ms);
  }
  await_turn(handle->client, UINT64_MAX);
  *phandler = NULL;
  destroy(handle);
  return SUCCESS_RETURN;
}

int IOT_MQTT_Yield(void *handle, int timeout_ms) {
  iotkit_mqtt_t *client = ik_iot_mqtt_client(handle);
  if (!client) return NULL_VALUE_ERROR;
  if (timeout_ms < 0) return FAIL_RETURN;
  const uint64_t end_ms = ik_port_now_ms() + (uint32_t)timeout_ms;
  const int rc = iotkit_mqtt_yield(client, ik_mqtt_is_fetching(client) ? 0 : (uint32_t)timeout_ms);
  if (rc == IK_EBUSY) await_turn(client, end_ms); /* another thread does what this one was to do */
  return rc == IK_EIN_CALLBACK ? FAIL_RETURN : SUCCESS_RETURN;
}

int IOT_MQTT_CheckStateNormal(void *handle) {
  return handle && iotkit_mqtt_get_state(ik_iot_mqtt_client(handle)) == IOTKIT_MQTT_CONNECTED;
}

/* ---- subscribe ---- */

/* Topics as the platform has them. Filters may have wildcards besides, which the session checks. */
static bool topic_valid(const char *topic) {
  const size_t len = strlen(topic);
  if (len == 0 || len > TOPIC_MAX || topic[0] != '/') return false;
  for (size_t i = 0; i < len; i++) {
    if (topic[i] < ' ' || topic[i] > '~') return false;
  }
  return true;
}

static struct subscription *new_subscription(struct handle *handle, const char *filter,
                                             iotx_mqtt_event_handle_func_fpt fn, void *ctx) {
  struct subscription *made = calloc(1, sizeof(*made));
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

static bool same(const struct subscription *a, const struct subscription *b) {
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

/* Everything at once under the mutex, so that no answer comes before `waiter` knows what it waits for. */
static int subscribe(struct handle *handle, const char *filter, int qos,
                     iotx_mqtt_event_handle_func_fpt fn, void *ctx, struct waiter *waiter) {
  iotkit_mqtt_t *client = handle->client;
  struct subscription *made = new_subscription(handle, filter, fn, ctx);
  if (!made) return FAIL_RETURN;
  ik_mutex_lock(client->mutex);
  struct subscription *subscription = handle->subscriptions;
  while (subscription && !same(subscription, made))
    subscription = subscription->next;
  const int rc =
      ik_mqtt_session_subscribe(&client->session, ik_str(filter), (uint8_t)qos,
                                (void (*)(void))on_message, subscription ? subscription : made);
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
  ik_mqtt_poke_unlock(client);
  if (made) free(made->filter);
  free(made);
  return published_error(rc);
}

static int subscribe_check(void *handle, const char *filter, int qos,
                           iotx_mqtt_event_handle_func_fpt fn) {
  if (!handle || !filter || !fn) return NULL_VALUE_ERROR;
  if (qos < IOTX_MQTT_QOS0 || qos > IOTX_MQTT_QOS2) return FAIL_RETURN;
  return topic_valid(filter) ? 0 : MQTT_TOPIC_FORMAT_ERROR;
}

int IOT_MQTT_Subscribe(void *handle, const char *topic_filter, iotx_mqtt_qos_t qos,
                       iotx_mqtt_event_handle_func_fpt topic_handle_func, void *pcontext) {
  const int rc = subscribe_check(handle, topic_filter, (int)qos, topic_handle_func);
  return rc < 0 ? rc : subscribe(handle, topic_filter, (int)qos, topic_handle_func, pcontext, NULL);
}

static bool answered(struct handle *handle, const struct waiter *waiter) {
  ik_mutex_lock(handle->client->mutex);
  const bool yes = waiter->answered;
  ik_mutex_unlock(handle->client->mutex);
  return yes;
}

/*
 * Only the stepping thread brings answers. So whether there is one is asked as that thread, before going to sleep: else
 * another thread could bring it in between, and nothing would end the sleep.
 */
static void await_answer(struct handle *handle, const struct waiter *waiter, uint64_t end_ms) {
  uint64_t now_ms = ik_port_now_ms();
  while (!answered(handle, waiter) && now_ms < end_ms) {
    int rc = ik_mqtt_enter(handle->client);
    if (rc == IK_EBUSY)
      await_turn(handle->client, end_ms);
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

static void forget_waiter(struct handle *handle, struct waiter *waiter) {
  ik_mutex_lock(handle->client->mutex);
  struct waiter **link = &handle->waiters;
  while (*link && *link != waiter)
    link = &(*link)->next;
  if (*link) *link = waiter->next;
  ik_mutex_unlock(handle->client->mutex);
}

int IOT_MQTT_Subscribe_Sync(void *handle, const char *topic_filter, iotx_mqtt_qos_t qos,
                            iotx_mqtt_event_handle_func_fpt topic_handle_func, void *pcontext,
                            int timeout_ms) {
  struct waiter waiter = {0};
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

/* Takes one of the filter's subscriptions off the list, NULL: none is left. */
static struct subscription *take_off(struct handle *handle, const char *filter) {
  ik_mutex_lock(handle->client->mutex);
  struct subscription **link = &handle->subscriptions;
  while (*link && strcmp((*link)->filter, filter) != 0)
    link = &(*link)->next;
  struct subscription *subscription = *link;
  if (subscription) *link = subscription->next;
  ik_mutex_unlock(handle->client->mutex);
  return subscription;
}

int IOT_MQTT_Unsubscribe(void *handle, const char *topic_filter) {
  struct subscription *subscription;
  int rc = 0;
  if (!handle || !topic_filter) return NULL_VALUE_ERROR;
  if (!topic_valid(topic_filter)) return MQTT_TOPIC_FORMAT_ERROR;
  while ((subscription = take_off(handle, topic_filter))) {
    rc =
        iotkit_mqtt_unsubscribe(ik_iot_mqtt_client(handle), topic_filter, on_message, subscription);
    free(subscription->filter);
    free(subscription);
  }
  return published_error(rc);
}

/* ---- publish ---- */

int IOT_MQTT_Publish(void *handle, const char *topic_name, iotx_mqtt_topic_info_pt topic_msg) {
  if (!handle || !topic_name || !topic_msg || !topic_msg->payload) return NULL_VALUE_ERROR;
  if (topic_msg->qos > IOTX_MQTT_QOS1) return MQTT_PUBLISH_QOS_ERROR;
  if (!topic_valid(topic_name)) return MQTT_TOPIC_FORMAT_ERROR;
  const struct ik_mqtt_publish publish = {
      .topic = ik_str(topic_name), .payload_len = topic_msg->payload_len, .qos = topic_msg->qos};
  if (ik_mqtt_publish_len(&publish) > ((struct handle *)handle)->write_max)
    return MQTT_PUBLISH_PACKET_ERROR;
  if (!IOT_MQTT_CheckStateNormal(handle)) return MQTT_STATE_ERROR;
  const int rc =
      iotkit_mqtt_publish(ik_iot_mqtt_client(handle), topic_name, topic_msg->payload,
                          topic_msg->payload_len, topic_msg->qos, topic_msg->retain != 0);
  if (rc > 0) topic_msg->packet_id = (uint16_t)rc;
  return published_error(rc);
}

int IOT_MQTT_Publish_Simple(void *handle, const char *topic_name, int qos, void *data, int len) {
  if (len < 0 || qos < 0 || qos > IOTX_MQTT_QOS1) return FAIL_RETURN;
  iotx_mqtt_topic_info_t message = {
      .qos = (uint8_t)qos, .payload = data, .payload_len = (uint32_t)len};
  const int rc = IOT_MQTT_Publish(handle, topic_name, &message);
  return rc < 0 ? FAIL_RETURN : rc;
}
