/*
 * iot_notes.h - a program over IOT_MQTT_* that notes which events and messages it gets.
 */
#ifndef TEST_IOT_NOTES_H
#define TEST_IOT_NOTES_H

#include "iot_export.h"

struct iot_notes {
  unsigned count[IOTX_MQTT_EVENT_BUFFER_OVERFLOW + 1];
  uintptr_t last_id;
  void *handle;
  char topic[64];
  char payload[64];
  unsigned messages;
};

/* A handler for IOT_MQTT_Subscribe; ctx: the notes. */
void iot_notes_message(void *ctx, void *client, iotx_mqtt_event_msg_pt msg);
/* For IOT_MQTT_Construct: a broker on loopback, 1024 bytes of buffers; events go to the notes. */
iotx_mqtt_param_t iot_notes_params(uint16_t port, struct iot_notes *notes);
/* Yields until *counter is `want`. */
void iot_notes_yield(void *handle, const unsigned *counter, unsigned want);

#endif
