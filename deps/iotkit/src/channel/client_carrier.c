/* Tested by deps/iotkit/test/channel/test_ota.c. */
/*
 * client_carrier.c - hands each call on to the client.
 */
#include "channel/client_carrier.h"

#include "client/client.h"
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

static int pump(struct ik_carrier *carrier, struct ik_wake *wake, uint64_t until_ms) {
  return ik_mqtt_pump(client_of(carrier), wake, until_ms);
}

static const struct ik_carrier_ops operations = {
    .publish = publish,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .max_packet = max_packet,
    .pump = pump,
};

void ik_client_carrier_init(struct ik_client_carrier *carrier, iotkit_mqtt_t *client) {
  *carrier = (struct ik_client_carrier){.face = {.ops = &operations}, .client = client};
}
