/*
 * carrier.h - the contract of what carries a channel's messages: publishing, subscribing, and
 * driving the connection from a fetch. client_carrier implements it over an MQTT client of this
 * library, over.c over a connection that is the program's.
 */
#ifndef IK_CHANNEL_CARRIER_H
#define IK_CHANNEL_CARRIER_H

#include "iotkit_mqtt.h"
#include "port/port.h"

struct ik_carrier;

/* Any thread, with no lock held that a handler takes. */
struct ik_carrier_ops {
  /* As iotkit_mqtt_publish(), never retained. */
  int (*publish)(struct ik_carrier *carrier, const char *topic, const void *payload, size_t len,
                 uint8_t qos);
  /*
   * As iotkit_mqtt_subscribe(); the filter is a topic without wildcards. The handler's client is NULL
   * where there is none.
   */
  int (*subscribe)(struct ik_carrier *carrier, const char *topic, uint8_t qos,
                   iotkit_mqtt_message_fn handler, void *ctx);
  /* As iotkit_mqtt_unsubscribe(): afterwards that handler does not run. */
  int (*unsubscribe)(struct ik_carrier *carrier, const char *topic, iotkit_mqtt_message_fn handler,
                     void *ctx);
  /* Bytes of the largest message that arrives, its packet's head included. */
  size_t (*max_packet)(const struct ik_carrier *carrier);
  /* As ik_mqtt_recent_publishes(); 0 where it is not known what others publish. */
  size_t (*recent)(struct ik_carrier *carrier);
  /* As ik_mqtt_pump(). */
  int (*pump)(struct ik_carrier *carrier, struct ik_wake *wake, uint64_t until_ms);
};

struct ik_carrier {
  const struct ik_carrier_ops *ops;
};

#endif
