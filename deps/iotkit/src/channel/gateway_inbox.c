/* Tested by deps/iotkit/test/channel/test_gateway.c and test_gateway_ota.c. */
/*
 * gateway_inbox.c - the gateway's topics: subscribed, and who hears of what arrives on them.
 */
#include "channel/gateway_inbox.h"

#include <string.h>

#include "channel/topo_line.h"
#include "client/outgoing.h"

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

void ik_gateway_finish(iotkit_gateway_t *gateway, const struct ik_topo_request *request, int error,
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

void ik_gateway_notify(void *ctx, const struct iotkit_gateway_event *event) {
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
    ik_gateway_finish(gateway, &request, rc, rc == 0 ? &reply : NULL, detail);
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
      ik_gateway_notify(gateway, &event);
    }
  }
  ik_topo_message_free(&said);
}

/* Answered at once: that it was heard, not that anything will be found. */
static void take_permit(iotkit_gateway_t *gateway, const struct iotkit_mqtt_message *message) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_topo_message said;
  const int rc = ik_topo_read_push(IK_TOPO_PERMIT, payload_of(message), &said, detail);
  if (rc == 0) {
    const struct iotkit_gateway_event event = {.type = IOTKIT_GATEWAY_PERMIT,
                                               .product_key = said.product_key,
                                               .device_name = "",
                                               .message = "",
                                               .timeout_s = said.timeout_s};
    ik_topo_line_acknowledge(gateway->client, IK_TOPO_PERMIT, gateway->line.product_key,
                             gateway->line.device_name, said.id);
    ik_gateway_notify(gateway, &event);
  } else {
    ik_log(IOTKIT_LOG_WARNING, "gateway: refused a message: %s", detail);
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
    ik_subchannels_deliver(&gateway->sessions.channels, topic, key, name, message);
}

/* ---- handlers ---- */

void ik_gateway_enter(iotkit_gateway_t *gateway) {
  atomic_store(&gateway->callback_thread, ik_thread_self());
}

void ik_gateway_leave(iotkit_gateway_t *gateway) {
  atomic_store(&gateway->callback_thread, 0);
}

#define HANDLER(name, call)                                                                        \
  static void name(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {  \
    iotkit_gateway_t *gateway = ctx;                                                               \
    (void)client;                                                                                  \
    ik_gateway_enter(gateway);                                                                     \
    call;                                                                                          \
    ik_gateway_leave(gateway);                                                                     \
  }
HANDLER(on_reply, take_reply(gateway, message))
HANDLER(on_notify, take_push(gateway, IK_TOPO_NOTIFY, message))
HANDLER(on_change, take_push(gateway, IK_TOPO_CHANGE, message))
HANDLER(on_error, take_push(gateway, IK_TOPO_ERROR, message))
HANDLER(on_permit, take_permit(gateway, message))
HANDLER(on_disable, take_order(gateway, IK_TOPO_DISABLE, message))
HANDLER(on_enable, take_order(gateway, IK_TOPO_ENABLE, message))
HANDLER(on_remove, take_order(gateway, IK_TOPO_REMOVE, message))
HANDLER(on_upgrade, take_channel(gateway, IK_OTA_UPGRADE, message))
HANDLER(on_get_reply, take_channel(gateway, IK_OTA_GET_REPLY, message))
#undef HANDLER

static const iotkit_mqtt_message_fn push_handlers[] = {[IK_TOPO_NOTIFY] = on_notify,
                                                       [IK_TOPO_CHANGE] = on_change,
                                                       [IK_TOPO_ERROR] = on_error,
                                                       [IK_TOPO_PERMIT] = on_permit};
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

int ik_gateway_subscribe(iotkit_gateway_t *gateway, char *detail) {
  char topic[IK_OTA_TOPIC_MAX];
  for (; gateway->listening < LISTENERS; gateway->listening++) {
    const char *filter = listeners[gateway->listening].filter;
    int rc =
        iotkit_mqtt_listen(gateway->client, filter, listeners[gateway->listening].handler, gateway);
    if (rc < 0) return ik_refuse(detail, rc, "%s: %s", filter, iotkit_strerror(rc));
  }
  for (; gateway->subscribed < IK_TOPO_ACTIONS + PUSHES; gateway->subscribed++) {
    iotkit_mqtt_message_fn handler = own_topic(gateway, gateway->subscribed, topic);
    int rc = iotkit_mqtt_subscribe(gateway->client, topic, 0, handler, gateway);
    if (rc < 0) return ik_refuse(detail, rc, "%s: %s", topic, iotkit_strerror(rc));
  }
  return 0;
}

void ik_gateway_unsubscribe(iotkit_gateway_t *gateway) {
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
