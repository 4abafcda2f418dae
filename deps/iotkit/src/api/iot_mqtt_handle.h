/*
 * iot_mqtt_handle.h - what is behind a handle of IOT_MQTT_Construct, for the files of the published
 * MQTT functions.
 *
 * A handle owns its client and one subscription for each function that was subscribed.
 */
#ifndef IK_IOT_MQTT_HANDLE_H
#define IK_IOT_MQTT_HANDLE_H

#include "exports/iot_export_mqtt.h"
#include "iot_mqtt.h"
#include "mqtt_client.h"

struct ik_iot_subscription {
  struct ik_iot_subscription *next;
  struct ik_iot_mqtt *handle;
  iotx_mqtt_event_handle_func_fpt fn;
  void *ctx;
  char *filter; /* owned */
};

/* A thread in Subscribe_Sync; on its stack. */
struct ik_iot_waiter {
  struct ik_iot_waiter *next;
  uint16_t packet_id; /* 0: not known yet */
  bool answered;
  int error;
};

struct ik_iot_mqtt {
  iotkit_mqtt_t *client;
  iotx_mqtt_event_handle_t on_event;
  uint32_t write_max;
  uint32_t request_timeout_ms;
  bool online; /* stepping thread */
  bool was_online;
  struct ik_iot_subscription *subscriptions; /* client's mutex */
  struct ik_iot_waiter *waiters;             /* client's mutex */
};

/*
 * An iotkit_mqtt_message_fn; ctx is the subscription, which may be gone when the program's function
 * has run.
 */
void ik_iot_mqtt_on_message(void *ctx, iotkit_mqtt_t *client,
                            const struct iotkit_mqtt_message *message);
/* Waits until no other thread steps the client, or `end_ms`. */
void ik_iot_mqtt_await_turn(iotkit_mqtt_t *client, uint64_t end_ms);

#endif
