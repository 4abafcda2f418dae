/* Tested by deps/iotkit/test/channel/test_ota.c and test_gateway_ota.c. */
/*
 * client_carrier.c - hands each call on to the client.
 */
#include "channel/client_carrier.h"

#include "client/client.h"
#include "client/outgoing.h"
#include "client/pump.h"

static iotkit_mqtt_t *client_of(const struct ik_carrier *carrier) {
  return ((const struct ik_client_carrier *)carrier)->client;
}

static int publish(struct ik_carrier *carrier, const char *topic, const void *payload, size_t len,
                   uint8_t qos) {
  return iotkit_mqtt_publish(client_of(carrier), topic, payload, len, qos, false);
}

static int subscribe(struct ik_carrier *carrier, const char *topic, uint8_t qos,
                     iotkit_mqtt_message_fn handler, void *ctx) {
  return iotkit_mqtt_subscribe(client_of(carrier), topic, qos, handler, ctx);
}

static int unsubscribe(struct ik_carrier *carrier, const char *topic,
                       iotkit_mqtt_message_fn handler, void *ctx) {
  return iotkit_mqtt_unsubscribe(client_of(carrier), topic, handler, ctx);
}

static size_t max_packet(const struct ik_carrier *carrier) {
  return ik_mqtt_max_packet(client_of(carrier));
}

static size_t recent(struct ik_carrier *carrier) {
  return ik_mqtt_recent_publishes(client_of(carrier));
}

static int pump(struct ik_carrier *carrier, struct ik_wake *wake, uint64_t until_ms) {
  return ik_mqtt_pump(client_of(carrier), wake, until_ms);
}

static const struct ik_carrier_ops operations = {
    .publish = publish,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .max_packet = max_packet,
    .recent = recent,
    .pump = pump,
};

/* ---- of sub-devices ---- */

static int listen_and_ask(struct ik_carrier *carrier, const char *topic, uint8_t qos,
                          iotkit_mqtt_message_fn handler, void *ctx) {
  iotkit_mqtt_t *client = client_of(carrier);
  int rc = iotkit_mqtt_listen(client, topic, handler, ctx);
  if (rc < 0) return rc;
  rc = iotkit_mqtt_ask(client, topic, qos);
  if (rc >= 0 || rc == IK_ENOT_CONNECTED) return 0;
  (void)iotkit_mqtt_unsubscribe(client, topic, handler, ctx);
  return rc;
}

static int unlisten(struct ik_carrier *carrier, const char *topic, iotkit_mqtt_message_fn handler,
                    void *ctx) {
  const int rc = iotkit_mqtt_unsubscribe(client_of(carrier), topic, handler, ctx);
  (void)iotkit_mqtt_forget(client_of(carrier), topic); /* nothing, where another handler needs it */
  return rc;
}

static const struct ik_carrier_ops sub_operations = {
    .publish = publish,
    .subscribe = listen_and_ask,
    .unsubscribe = unlisten,
    .max_packet = max_packet,
    .recent = recent,
    .pump = pump,
};

void ik_client_carrier_init(struct ik_client_carrier *carrier, iotkit_mqtt_t *client) {
  *carrier = (struct ik_client_carrier){.face = {.ops = &operations}, .client = client};
}

void ik_client_carrier_init_subs(struct ik_client_carrier *carrier, iotkit_mqtt_t *client) {
  *carrier = (struct ik_client_carrier){.face = {.ops = &sub_operations}, .client = client};
}
