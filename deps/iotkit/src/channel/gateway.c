/*
 * gateway.c - iotkit_gateway_*: the gateway's topics and requests, and who hears of what arrives.
 *
 * A gateway belongs to whoever made it and borrows the client. It is stepped with the client
 * (companion), and its handlers run on the same thread; free() first takes both away, which waits for
 * those that run.
 */
#include "iotkit_gateway.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/sized.h"
#include "channel/client_carrier.h"
#include "channel/sessions.h"
#include "channel/topo_line.h"
#include "client/companion.h"
#include "client/outgoing.h"

#define TIMEOUT_MS 10000

struct iotkit_gateway {
  struct ik_mqtt_companion companion; /* first: a pointer to it is one to the whole */
  iotkit_mqtt_t *client;              /* borrowed */
  struct ik_client_carrier carrier;   /* over it; of the line and of the sub-devices' channels */
  void (*on_event)(void *ctx, iotkit_gateway_t *gateway, const struct iotkit_gateway_event *event);
  void *ctx;
  struct ik_line line; /* the gateway's own; its mutex guards `sessions` */
  struct ik_sessions sessions;
  atomic_uintptr_t callback_thread; /* in a handler or a step; 0: none */
  atomic_bool closing;              /* no request is accepted any more */
  /* driver thread */
  unsigned connects; /* of the connection whose sessions these are; 0: none */
  /* whoever makes and frees */
  size_t subscribed;
  size_t listening;
};

/* ---- answers to the program ---- */

static void answer(iotkit_gateway_t *gateway, const struct ik_topo_request *request, int error,
                   const struct ik_topo_message *message, const char *words) {
  struct iotkit_gateway_answer out = {.error = error, .message = words};
  if (request->on_answer == NULL) return;
  if (message != NULL) {
    out = (struct iotkit_gateway_answer){.error = ik_topo_error(message->code),
                                         .code = message->code,
                                         .message = message->message,
                                         .devices = message->entries,
                                         .count = message->count};
  }
  request->on_answer(request->ctx, gateway, &out);
}

static bool is_login(enum ik_topo_action action) {
  return action >= IK_TOPO_LOGIN && action <= IK_TOPO_LOGOUT_BATCH;
}

/* `message`, or NULL and why there is none. */
static void finish(iotkit_gateway_t *gateway, const struct ik_topo_request *request, int error,
                   const struct ik_topo_message *message, const char *words) {
  if (is_login(request->action)) {
    ik_sessions_answer(&gateway->sessions, request, error, message);
    return;
  }
  const bool deleted =
      request->action == IK_TOPO_DELETE && message != NULL && message->code == IK_TOPO_SUCCESS;
  for (size_t i = 0; deleted && i < message->count; i++)
    ik_sessions_forget(&gateway->sessions, &message->entries[i]);
  answer(gateway, request, error, message, words);
}

static void on_session_event(void *ctx, const struct iotkit_gateway_event *event) {
  iotkit_gateway_t *gateway = ctx;
  if (gateway->on_event != NULL) gateway->on_event(gateway->ctx, gateway, event);
}

/* ---- messages; driver thread ---- */

static struct ik_str payload_of(const struct iotkit_mqtt_message *message) {
  return (struct ik_str){(const char *)message->payload, message->payload_len};
}

static struct ik_str topic_of(const struct iotkit_mqtt_message *message) {
  return (struct ik_str){message->topic, message->topic_len};
}

static bool take_request(iotkit_gateway_t *gateway, const char *id_text,
                         struct ik_topo_request *out) {
  uint64_t id;
  if (id_text == NULL || !ik_str_u64(ik_str(id_text), &id) || id > UINT32_MAX) return false;
  ik_mutex_lock(gateway->line.mutex);
  const bool found = ik_topo_requests_take(&gateway->sessions.requests, (uint32_t)id, out);
  ik_mutex_unlock(gateway->line.mutex);
  return found;
}

static void take_reply(iotkit_gateway_t *gateway, const struct iotkit_mqtt_message *message) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_topo_message reply;
  struct ik_topo_request request;
  const int rc = ik_topo_read_reply(payload_of(message), &reply, detail);
  if (take_request(gateway, reply.id, &request))
    finish(gateway, &request, rc, rc == 0 ? &reply : NULL, detail);
  else
    ik_log(IOTKIT_LOG_DEBUG, "gateway: a reply that nobody waits for: %s", detail);
  ik_topo_message_free(&reply);
}

/* On a topic of the gateway. */
static void take_push(iotkit_gateway_t *gateway, enum ik_topo_push push,
                      const struct iotkit_mqtt_message *message) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_topo_message said;
  const int rc = ik_topo_read_push(push, payload_of(message), &said, detail);
  if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "gateway: refused a message: %s", detail);
  if (rc == 0 && push == IK_TOPO_NOTIFY)
    ik_topo_line_acknowledge(gateway->client, push, gateway->line.product_key,
                             gateway->line.device_name, said.id);
  for (size_t i = 0; rc == 0 && i < said.count; i++) {
    const struct iotkit_subdevice_name *name = &said.entries[i];
    if (push == IK_TOPO_CHANGE) {
      ik_sessions_change(&gateway->sessions, name, said.change);
    } else if (push == IK_TOPO_ERROR) {
      ik_sessions_error(&gateway->sessions, name, &said);
    } else {
      const struct iotkit_gateway_event event = {.type = IOTKIT_GATEWAY_ADD_WANTED,
                                                 .product_key = name->product_key,
                                                 .device_name = name->device_name,
                                                 .message = ""};
      on_session_event(gateway, &event);
    }
  }
  ik_topo_message_free(&said);
}

/* On a topic of a sub-device, which alone says whom it is about. */
static void take_order(iotkit_gateway_t *gateway, enum ik_topo_push push,
                       const struct iotkit_mqtt_message *message) {
  static const enum ik_topo_change changes[] = {[IK_TOPO_DISABLE] = IK_TOPO_DISABLED,
                                                [IK_TOPO_ENABLE] = IK_TOPO_ENABLED,
                                                [IK_TOPO_REMOVE] = IK_TOPO_DELETED};
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_topo_message said;
  struct ik_str key;
  struct ik_str device;
  char names[IK_OTA_TOPIC_MAX + 2];
  if (!ik_topo_push_names(push, topic_of(message), &key, &device)) return;
  if (key.len + device.len + 2 > sizeof(names)) return;
  memcpy(names, key.ptr, key.len);
  names[key.len] = '\0';
  char *name = names + key.len + 1;
  memcpy(name, device.ptr, device.len);
  name[device.len] = '\0';
  const int rc = ik_topo_read_push(push, payload_of(message), &said, detail);
  if (rc == 0) {
    const struct iotkit_subdevice_name of = {.product_key = names, .device_name = name};
    ik_topo_line_acknowledge(gateway->client, push, names, name, said.id);
    ik_sessions_change(&gateway->sessions, &of, changes[push]);
  } else {
    ik_log(IOTKIT_LOG_WARNING, "gateway: refused a message: %s", detail);
  }
  ik_topo_message_free(&said);
}

static void take_channel(iotkit_gateway_t *gateway, enum ik_ota_topic topic,
                         const struct iotkit_mqtt_message *message) {
  struct ik_str key;
  struct ik_str name;
  const bool is_reply = topic == IK_OTA_GET_REPLY;
  if (ik_ota_topic_names(is_reply ? "/sys" : "/ota/device/upgrade",
                         is_reply ? "/thing/ota/firmware/get_reply" : "", topic_of(message), &key,
                         &name))
    ik_sessions_deliver(&gateway->sessions, topic, key, name, message);
}

/* ---- handlers ---- */

static void enter(iotkit_gateway_t *gateway) {
  atomic_store(&gateway->callback_thread, ik_thread_self());
}

static void leave(iotkit_gateway_t *gateway) {
  atomic_store(&gateway->callback_thread, 0);
}

#define HANDLER(name, call)                                                                        \
  static void name(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {  \
    iotkit_gateway_t *gateway = ctx;                                                               \
    (void)client;                                                                                  \
    enter(gateway);                                                                                \
    call;                                                                                          \
    leave(gateway);                                                                                \
  }
HANDLER(on_reply, take_reply(gateway, message))
HANDLER(on_notify, take_push(gateway, IK_TOPO_NOTIFY, message))
HANDLER(on_change, take_push(gateway, IK_TOPO_CHANGE, message))
HANDLER(on_error, take_push(gateway, IK_TOPO_ERROR, message))
HANDLER(on_disable, take_order(gateway, IK_TOPO_DISABLE, message))
HANDLER(on_enable, take_order(gateway, IK_TOPO_ENABLE, message))
HANDLER(on_remove, take_order(gateway, IK_TOPO_REMOVE, message))
HANDLER(on_upgrade, take_channel(gateway, IK_OTA_UPGRADE, message))
HANDLER(on_get_reply, take_channel(gateway, IK_OTA_GET_REPLY, message))
#undef HANDLER

static const iotkit_mqtt_message_fn push_handlers[] = {
    [IK_TOPO_NOTIFY] = on_notify, [IK_TOPO_CHANGE] = on_change, [IK_TOPO_ERROR] = on_error};
#define PUSHES (sizeof(push_handlers) / sizeof(push_handlers[0]))

/* What sub-devices get: one handler for all of them. The broker is asked after each login. */
static const struct {
  const char *filter;
  iotkit_mqtt_message_fn handler;
} listeners[] = {
    {"/sys/+/+/thing/disable", on_disable},
    {"/sys/+/+/thing/enable", on_enable},
    {"/sys/+/+/thing/delete", on_remove},
    {"/ota/device/upgrade/+/+", on_upgrade},
    {"/sys/+/+/thing/ota/firmware/get_reply", on_get_reply},
};
#define LISTENERS (sizeof(listeners) / sizeof(listeners[0]))

/* The gateway's own topics: replies first, then pushes. */
static iotkit_mqtt_message_fn own_topic(const iotkit_gateway_t *gateway, size_t index,
                                        char topic[IK_OTA_TOPIC_MAX]) {
  const char *key = gateway->line.product_key;
  const char *name = gateway->line.device_name;
  if (index < IK_TOPO_ACTIONS) {
    (void)ik_topo_reply_topic((enum ik_topo_action)index, key, name, topic); /* was tried */
    return on_reply;
  }
  (void)ik_topo_push_topic((enum ik_topo_push)(index - IK_TOPO_ACTIONS), key, name, topic);
  return push_handlers[index - IK_TOPO_ACTIONS];
}

static int subscribe(iotkit_gateway_t *gateway, char *detail) {
  char topic[IK_OTA_TOPIC_MAX];
  for (; gateway->listening < LISTENERS; gateway->listening++) {
    const char *filter = listeners[gateway->listening].filter;
    int rc =
        ik_mqtt_listen(gateway->client, filter, listeners[gateway->listening].handler, gateway);
    if (rc < 0) return ik_refuse(detail, rc, "%s: %s", filter, iotkit_strerror(rc));
  }
  for (; gateway->subscribed < IK_TOPO_ACTIONS + PUSHES; gateway->subscribed++) {
    iotkit_mqtt_message_fn handler = own_topic(gateway, gateway->subscribed, topic);
    int rc = iotkit_mqtt_subscribe(gateway->client, topic, 0, handler, gateway);
    if (rc < 0) return ik_refuse(detail, rc, "%s: %s", topic, iotkit_strerror(rc));
  }
  return 0;
}

static void unsubscribe(iotkit_gateway_t *gateway) {
  char topic[IK_OTA_TOPIC_MAX];
  while (gateway->subscribed > 0) {
    iotkit_mqtt_message_fn handler = own_topic(gateway, --gateway->subscribed, topic);
    iotkit_mqtt_unsubscribe(gateway->client, topic, handler, gateway);
  }
  while (gateway->listening > 0) {
    gateway->listening--;
    iotkit_mqtt_unsubscribe(gateway->client, listeners[gateway->listening].filter,
                            listeners[gateway->listening].handler, gateway);
  }
}

/* ---- a step ---- */

/* True: one was answered. `connects` 0: there is no connection. */
static bool answer_lost(iotkit_gateway_t *gateway, unsigned connects, int why, uint64_t now_ms) {
  struct ik_topo_request request;
  ik_mutex_lock(gateway->line.mutex);
  const int rc =
      ik_topo_requests_take_lost(&gateway->sessions.requests, connects, now_ms, &request);
  ik_mutex_unlock(gateway->line.mutex);
  if (rc == 0) return false;
  const int error = rc == IK_ETIMEOUT ? rc : why;
  finish(gateway, &request, error, NULL, iotkit_strerror(error));
  return true;
}

static uint64_t on_step(struct ik_mqtt_companion *companion, iotkit_mqtt_t *client, uint64_t now_ms,
                        bool *handled) {
  iotkit_gateway_t *gateway = (iotkit_gateway_t *)companion;
  const enum iotkit_mqtt_state state = iotkit_mqtt_get_state(client);
  const unsigned connects = state == IOTKIT_MQTT_CONNECTED ? ik_mqtt_count_connects(client) : 0;
  const int why = state == IOTKIT_MQTT_CLOSED ? IK_ECLOSED : IK_ENOT_CONNECTED;
  enter(gateway);
  if (connects != gateway->connects) {
    gateway->connects = connects;
    ik_sessions_lose(&gateway->sessions, now_ms);
  }
  while (answer_lost(gateway, connects, why, now_ms))
    *handled = true;
  const uint64_t due_ms = ik_sessions_step(&gateway->sessions, connects, now_ms);
  leave(gateway);
  return due_ms;
}

/* ---- requests ---- */

static int check_all(enum ik_topo_action action, const struct ik_topo_device *devices, size_t count,
                     char *detail) {
  for (size_t i = 0; i < count; i++) {
    const int rc = ik_topo_check(action, &devices[i], detail);
    if (rc != 0) return rc;
  }
  return 0;
}

static int send(iotkit_gateway_t *gateway, struct ik_topo_request *request,
                const struct ik_topo_device *devices, size_t count) {
  struct ik_topo_request taken;
  /* Waits before it is published: the answer may be there before publish() returns. */
  ik_mutex_lock(gateway->line.mutex);
  int rc = gateway->sessions.requests.count < IK_TOPO_PROGRAM_MAX
               ? ik_topo_requests_add(&gateway->sessions.requests, request)
               : IK_EQUEUE_FULL;
  ik_mutex_unlock(gateway->line.mutex);
  if (rc != 0) return rc;
  rc = ik_topo_line_ask(&gateway->line, gateway->client, request->id, request->action, devices,
                        count);
  if (rc == 0) {
    ik_mqtt_wake_companion(gateway->client, &gateway->companion);
    return 0;
  }
  ik_mutex_lock(gateway->line.mutex);
  const bool waits = ik_topo_requests_take(&gateway->sessions.requests, request->id, &taken);
  ik_mutex_unlock(gateway->line.mutex);
  return waits ? rc : 0; /* else a step has answered it meanwhile: as lost */
}

static int ask(iotkit_gateway_t *gateway, enum ik_topo_action action,
               const struct iotkit_subdevice *given, size_t count,
               iotkit_gateway_answer_fn on_answer, void *ctx, char *detail) {
  struct ik_topo_device devices[IK_REGISTER_MAX];
  if (gateway == NULL || (given == NULL && count > 0)) return IK_EINVALID_ARGUMENT;
  if (atomic_load(&gateway->closing)) return IK_ECLOSED;
  const size_t max = ik_topo_max(action);
  if (count > max || (count == 0 && max > 0))
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%zu sub-devices, not 1 to %zu", count, max);
  for (size_t i = 0; i < count; i++)
    devices[i] = ik_subdevice_as_asked(&given[i]);
  int rc = check_all(action, devices, count, detail);
  if (rc != 0) return rc;
  struct ik_topo_request request = {.id = ik_line_next_id(&gateway->line),
                                    .action = action,
                                    .connects = ik_mqtt_count_connects(gateway->client),
                                    .on_answer = on_answer,
                                    .ctx = ctx};
  return send(gateway, &request, devices, count);
}

int iotkit_gateway_add(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                       size_t count, iotkit_gateway_answer_fn on_answer, void *ctx, char *detail) {
  return ask(gateway, IK_TOPO_ADD, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_delete(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                          size_t count, iotkit_gateway_answer_fn on_answer, void *ctx,
                          char *detail) {
  return ask(gateway, IK_TOPO_DELETE, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_found(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                         size_t count, iotkit_gateway_answer_fn on_answer, void *ctx,
                         char *detail) {
  return ask(gateway, IK_TOPO_FOUND, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_register(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                            size_t count, iotkit_gateway_answer_fn on_answer, void *ctx,
                            char *detail) {
  return ask(gateway, IK_TOPO_REGISTER, devices, count, on_answer, ctx, detail);
}

int iotkit_gateway_get(iotkit_gateway_t *gateway, iotkit_gateway_answer_fn on_answer, void *ctx) {
  return ask(gateway, IK_TOPO_GET, NULL, 0, on_answer, ctx, NULL);
}

/* ---- logins ---- */

int iotkit_gateway_login(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                         size_t count, char *detail) {
  if (gateway == NULL || devices == NULL || count == 0) return IK_EINVALID_ARGUMENT;
  for (size_t i = 0; i < count; i++) {
    const struct ik_topo_device device = ik_subdevice_as_asked(&devices[i]);
    const int rc = ik_topo_check(IK_TOPO_LOGIN, &device, detail);
    if (rc != 0) return rc;
  }
  ik_mutex_lock(gateway->line.mutex);
  const int rc = ik_sessions_want(&gateway->sessions, devices, count);
  ik_mutex_unlock(gateway->line.mutex);
  ik_mqtt_wake_companion(gateway->client, &gateway->companion);
  if (rc != 0) ik_detail(detail, "%s", iotkit_strerror(rc));
  return rc;
}

int iotkit_gateway_logout(iotkit_gateway_t *gateway, const struct iotkit_subdevice *devices,
                          size_t count) {
  if (gateway == NULL || devices == NULL) return IK_EINVALID_ARGUMENT;
  for (size_t i = 0; i < count; i++) {
    if (devices[i].product_key == NULL || devices[i].device_name == NULL)
      return IK_EINVALID_ARGUMENT;
  }
  ik_mutex_lock(gateway->line.mutex);
  for (size_t i = 0; i < count; i++)
    ik_sessions_unwant(&gateway->sessions, ik_str(devices[i].product_key),
                       ik_str(devices[i].device_name));
  ik_mutex_unlock(gateway->line.mutex);
  ik_mqtt_wake_companion(gateway->client, &gateway->companion);
  return 0;
}

bool iotkit_gateway_is_logged_in(iotkit_gateway_t *gateway, const char *product_key,
                                 const char *device_name) {
  if (gateway == NULL || product_key == NULL || device_name == NULL) return false;
  ik_mutex_lock(gateway->line.mutex);
  const struct ik_subdevice *sub =
      ik_subdevices_find(&gateway->sessions.subs, ik_str(product_key), ik_str(device_name));
  const bool logged_in = sub != NULL && sub->state == IK_SUB_IN;
  ik_mutex_unlock(gateway->line.mutex);
  return logged_in;
}

int iotkit_gateway_ota_new(iotkit_gateway_t *gateway, const struct iotkit_ota_options *options,
                           iotkit_ota_t **out, char *detail) {
  struct iotkit_ota_options own = {0};
  if (out != NULL) *out = NULL;
  const bool given = gateway != NULL && options != NULL && out != NULL;
  const int rc = given ? IK_SIZED_READ(&own, options, detail) : 0;
  if (rc != 0) return rc;
  if (own.product_key == NULL || own.device_name == NULL)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                     "gateway, product key and device name are needed");
  return ik_sessions_open_channel(&gateway->sessions, &own, out, detail);
}

/* ---- life ---- */

static void destroy(iotkit_gateway_t *gateway) {
  ik_sessions_deinit(&gateway->sessions);
  ik_line_deinit(&gateway->line);
  free(gateway);
}

static int check(const struct iotkit_gateway_options *options, char *detail) {
  const struct ik_topo_device own = {.product_key = options->product_key,
                                     .device_name = options->device_name};
  return ik_topo_check(IK_TOPO_GET, &own, detail);
}

int iotkit_gateway_new(iotkit_mqtt_t *client, const struct iotkit_gateway_options *given,
                       iotkit_gateway_t **out, char *detail) {
  struct iotkit_gateway_options options = {0};
  if (out != NULL) *out = NULL;
  if (client == NULL || given == NULL || out == NULL)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "client, options and out are needed");
  int rc = IK_SIZED_READ(&options, given, detail);
  if (rc == 0) rc = check(&options, detail);
  if (rc != 0) return rc;
  iotkit_gateway_t *gateway = calloc(1, sizeof(*gateway));
  if (gateway == NULL) return IK_ENO_MEMORY;
  gateway->companion.on_step = on_step;
  gateway->client = client;
  ik_client_carrier_init(&gateway->carrier, client);
  gateway->on_event = options.on_event;
  gateway->ctx = options.ctx;
  atomic_init(&gateway->callback_thread, 0);
  atomic_init(&gateway->closing, false);
  const uint32_t timeout_ms =
      options.request_timeout_ms != 0 ? options.request_timeout_ms : TIMEOUT_MS;
  ik_sessions_init(&gateway->sessions, &gateway->line, client, &gateway->companion, timeout_ms);
  gateway->sessions.notify = on_session_event;
  gateway->sessions.ctx = gateway;
  rc = ik_line_init(&gateway->line, &gateway->carrier.face, options.product_key,
                    options.device_name);
  if (rc == 0) rc = subscribe(gateway, detail);
  if (rc < 0) {
    unsubscribe(gateway);
    destroy(gateway);
    return rc;
  }
  ik_mqtt_add_companion(client, &gateway->companion);
  *out = gateway;
  return 0;
}

int iotkit_gateway_free(iotkit_gateway_t *gateway) {
  if (gateway == NULL) return 0;
  if (atomic_load(&gateway->callback_thread) == ik_thread_self()) return IK_EIN_CALLBACK;
  if (ik_sessions_has_channels(&gateway->sessions)) return IK_EINVALID_STATE;
  atomic_store(&gateway->closing, true);
  ik_mqtt_remove_companion(gateway->client, &gateway->companion);
  unsubscribe(gateway);
  while (answer_lost(gateway, 0, IK_ECLOSED, 0))
    continue;
  destroy(gateway);
  return 0;
}
