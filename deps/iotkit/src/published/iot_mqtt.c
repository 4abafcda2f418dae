/*
 * iot_mqtt.c - IOT_MQTT_*: the published MQTT functions over an iotkit_mqtt_t.
 *
 * A handle's mutex guards its subscriptions and the threads that wait for a SUBACK, because other
 * threads may reach them while one yields.
 */
#include "published/iot_mqtt.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "client/driver.h"
#include "client/yield.h"
#include "iot_export.h"
#include "iot_import.h"
#include "iotkit_iot.h"

#define CONNECT_MS 10000 /* name, TCP and TLS of the first connection */
#define IN_FLIGHT_MAX 20
#define TIMEOUT_MIN_MS 500
#define TIMEOUT_MAX_MS 5000
#define TIMEOUT_DEFAULT_MS 2000
#define KEEP_ALIVE_MIN_S 30
#define KEEP_ALIVE_MAX_S 1200
#define KEEP_ALIVE_DEFAULT_S 60

typedef void (*made_fn)(void *ctx, iotkit_mqtt_t *client);

iotkit_mqtt_t *ik_iot_mqtt_client(void *handle) {
  return handle ? ((struct ik_iot_mqtt *)handle)->client : NULL;
}

static _Thread_local const void *acting_for; /* NULL: for itself */

void iotkit_iot_act_for(const void *caller) {
  acting_for = caller;
}

static uintptr_t calling(void) {
  return acting_for ? (uintptr_t)acting_for : ik_thread_self();
}

/* Takes the calling thread off the fetchers. False: it was none. Mutex held. */
static bool take_fetcher(struct ik_iot_mqtt *handle) {
  const uintptr_t self = calling();
  for (size_t i = 0; i < IK_IOT_FETCHERS; i++) {
    if (handle->fetchers[i] != self) continue;
    handle->fetchers[i] = 0;
    return true;
  }
  return false;
}

void ik_iot_mqtt_note_fetch(struct ik_iot_mqtt *handle, bool more) {
  ik_mutex_lock(handle->mutex);
  (void)take_fetcher(handle);
  if (more) {
    handle->fetchers[handle->next_fetcher] = calling();
    handle->next_fetcher = (handle->next_fetcher + 1) % IK_IOT_FETCHERS;
  }
  ik_mutex_unlock(handle->mutex);
}

static bool is_between_fetches(struct ik_iot_mqtt *handle) {
  ik_mutex_lock(handle->mutex);
  const bool between = take_fetcher(handle);
  ik_mutex_unlock(handle->mutex);
  return between;
}

/* ---- events ---- */

static void notify(struct ik_iot_mqtt *handle, iotx_mqtt_event_type_t type, void *data) {
  iotx_mqtt_event_msg_t msg = {.event_type = type, .msg = data};
  if (handle->on_event.h_fp) handle->on_event.h_fp(handle->on_event.pcontext, handle, &msg);
}

static void *text_of(const char *text) {
  return (void *)(uintptr_t)text; /* the published type has no const; it is to be read only */
}

static void hand_message(iotx_mqtt_event_handle_func_fpt fn, void *ctx, struct ik_iot_mqtt *handle,
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
void ik_iot_mqtt_on_message(void *ctx, iotkit_mqtt_t *client,
                            const struct iotkit_mqtt_message *message) {
  const struct ik_iot_subscription *subscription = ctx;
  (void)client;
  hand_message(subscription->fn, subscription->ctx, subscription->handle, message);
}

static void on_state(struct ik_iot_mqtt *handle, const struct iotkit_mqtt_event *event) {
  if (event->state == IOTKIT_MQTT_CONNECTED) {
    handle->online = true;
    ik_mqtt_allow_reconnect(handle->client); /* only the first try is Construct's */
    if (handle->was_online) notify(handle, IOTX_MQTT_EVENT_RECONNECT, text_of("connected"));
    handle->was_online = true;
  } else if (event->state == IOTKIT_MQTT_WAITING && handle->online) {
    handle->online = false; /* further failures to connect are not further disconnections */
    notify(handle, IOTX_MQTT_EVENT_DISCONNECT,
           text_of(event->detail[0] ? event->detail : iotkit_strerror(event->error)));
  }
}

static void on_subscribed(struct ik_iot_mqtt *handle, const struct iotkit_mqtt_event *event) {
  iotx_mqtt_event_type_t type = IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS;
  ik_mutex_lock(handle->mutex);
  for (struct ik_iot_waiter *waiter = handle->waiters; waiter; waiter = waiter->next) {
    if (waiter->packet_id != event->packet_id || waiter->answered) continue;
    waiter->answered = true;
    waiter->error = event->error;
  }
  ik_mutex_unlock(handle->mutex);
  if (event->error)
    type = event->error == IK_ETIMEOUT ? IOTX_MQTT_EVENT_SUBCRIBE_TIMEOUT
                                       : IOTX_MQTT_EVENT_SUBCRIBE_NACK;
  notify(handle, type, (void *)(uintptr_t)event->packet_id);
}

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct ik_iot_mqtt *handle = ctx;
  void *id = (void *)(uintptr_t)event->packet_id;
  (void)client;
  if (event->error == IK_ECLOSED) return; /* Destroy has given the request up */
  switch (event->type) {
  case IOTKIT_MQTT_EVENT_STATE:
    on_state(handle, event);
    return;
  case IOTKIT_MQTT_EVENT_SUBSCRIBED:
    on_subscribed(handle, event);
    return;
  case IOTKIT_MQTT_EVENT_UNSUBSCRIBED:
    notify(handle,
           event->error ? IOTX_MQTT_EVENT_UNSUBCRIBE_TIMEOUT : IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS,
           id);
    return;
  case IOTKIT_MQTT_EVENT_PUBLISHED:
    notify(handle, IOTX_MQTT_EVENT_PUBLISH_SUCCESS, id);
    return;
  case IOTKIT_MQTT_EVENT_SKIPPED:
    notify(handle, IOTX_MQTT_EVENT_BUFFER_OVERFLOW, text_of(event->detail));
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
                                             struct ik_iot_mqtt *handle) {
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

/* Waits for CONNACK. The request time-out begins when the stream is open. */
static int connect_first(struct ik_iot_mqtt *handle) {
  iotkit_mqtt_t *client = handle->client;
  uint64_t end_ms = UINT64_MAX;
  int rc = iotkit_mqtt_start(client);
  while (rc == 0 && iotkit_mqtt_get_state(client) != IOTKIT_MQTT_CONNECTED) {
    const uint64_t now_ms = ik_port_now_ms();
    if (now_ms >= end_ms) return IK_ETIMEOUT;
    rc = iotkit_mqtt_yield(client, end_ms == UINT64_MAX ? CONNECT_MS : (uint32_t)(end_ms - now_ms));
    if (rc == 0 && ik_mqtt_is_open(client) && end_ms == UINT64_MAX)
      end_ms = ik_port_now_ms() + handle->request_timeout_ms;
    if (rc == IK_EINTERRUPTED) rc = 0;
  }
  return rc;
}

static int make_tls(const char *pub_key, iotkit_tls_t **out, char *detail) {
  const struct iotkit_tls_options options = {.ca = pub_key[0] ? pub_key : NULL};
  return iotkit_tls_new(&options, out, detail);
}

static struct ik_iot_handles clients;

struct ik_iot_mqtt *ik_iot_mqtt_take(void *given) {
  return (struct ik_iot_mqtt *)ik_iot_handle_take(&clients, given);
}

void ik_iot_mqtt_drop(struct ik_iot_mqtt *handle) {
  if (handle) ik_iot_handle_drop(&handle->counted);
}

static void end(struct ik_iot_handle *counted) {
  struct ik_iot_mqtt *handle = (struct ik_iot_mqtt *)counted;
  (void)iotkit_mqtt_free(handle->client); /* nobody drives it any more */
  while (handle->subscriptions) {
    struct ik_iot_subscription *subscription = handle->subscriptions;
    handle->subscriptions = subscription->next;
    free(subscription->filter);
    free(subscription);
  }
  ik_mutex_free(handle->mutex);
  free(handle);
}

static int construct(const iotx_mqtt_param_t *param, struct ik_iot_mqtt *handle, made_fn made,
                     void *ctx, char *detail) {
  struct iotkit_mqtt_options options = options_of(param, handle);
  iotkit_tls_t *tls = NULL;
  handle->mutex = ik_mutex_new();
  if (!handle->mutex) return IK_ENO_MEMORY;
  int rc = param->pub_key ? make_tls(param->pub_key, &tls, detail) : 0;
  options.tls = tls;
  if (rc == 0) rc = iotkit_mqtt_new(&options, &handle->client, detail);
  iotkit_tls_unref(tls);
  if (rc < 0 || !handle->client) return rc < 0 ? rc : IK_EINTERNAL;
  handle->on_event = param->handle_event;
  handle->write_max =
      param->write_buf_size ? param->write_buf_size : (uint32_t)IK_MQTT_PACKET_DEFAULT;
  if (param->read_buf_size) ik_mqtt_set_max_packet(handle->client, param->read_buf_size);
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
  struct ik_iot_mqtt *handle = calloc(1, sizeof(*handle));
  if (!handle) return NULL;
  ik_iot_handle_init(&handle->counted, &clients, end);
  const int rc = construct(param, handle, made, ctx, detail);
  if (rc == 0) {
    ik_iot_handle_open(&handle->counted);
    return handle;
  }
  if (made) made(ctx, NULL);
  ik_log(IOTKIT_LOG_ERROR, "IOT_MQTT_Construct: %s%s%s", iotkit_strerror(rc), detail[0] ? ": " : "",
         detail);
  ik_iot_mqtt_drop(handle);
  return NULL;
}

/* ---- Destroy, Yield ---- */

static int destroy(struct ik_iot_mqtt *handle) {
  if (ik_mqtt_is_driver(handle->client)) return FAIL_RETURN;           /* inside a callback */
  if (!ik_iot_handle_close(&handle->counted)) return NULL_VALUE_ERROR; /* another thread does it */
  (void)iotkit_mqtt_stop(handle->client);
  ik_mqtt_await_closed(handle->client);
  ik_iot_mqtt_drop(handle); /* the program's; calls of other threads and OTA handles have theirs */
  return SUCCESS_RETURN;
}

int IOT_MQTT_Destroy(void **phandler) {
  if (!phandler || !*phandler) return NULL_VALUE_ERROR;
  struct ik_iot_mqtt *taken = ik_iot_mqtt_take(*phandler);
  if (!taken) return NULL_VALUE_ERROR;
  const int rc = destroy(taken);
  if (rc == SUCCESS_RETURN) *phandler = NULL;
  ik_iot_mqtt_drop(taken);
  return rc;
}

static int yield(struct ik_iot_mqtt *handle, int timeout_ms) {
  iotkit_mqtt_t *client = handle->client;
  if (timeout_ms < 0) return FAIL_RETURN;
  const uint64_t end_ms = ik_port_now_ms() + (uint32_t)timeout_ms;
  const bool between = is_between_fetches(handle);
  const int rc = iotkit_mqtt_yield(client, between ? 0 : (uint32_t)timeout_ms);
  if (rc == IK_EBUSY && !between)
    ik_mqtt_await_driver(client, end_ms); /* the other thread does what this one would have done */
  return rc == IK_EIN_CALLBACK ? FAIL_RETURN : SUCCESS_RETURN;
}

int IOT_MQTT_Yield(void *handle, int timeout_ms) {
  struct ik_iot_mqtt *taken = ik_iot_mqtt_take(handle);
  if (!taken) return NULL_VALUE_ERROR;
  const int rc = yield(taken, timeout_ms);
  ik_iot_mqtt_drop(taken);
  return rc;
}

int IOT_MQTT_CheckStateNormal(void *handle) {
  struct ik_iot_mqtt *taken = ik_iot_mqtt_take(handle);
  const bool connected = taken && iotkit_mqtt_get_state(taken->client) == IOTKIT_MQTT_CONNECTED;
  ik_iot_mqtt_drop(taken);
  return connected;
}
