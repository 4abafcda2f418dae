/*
 * iot_notes.c - the notes belong to the test.
 */
#include "support/iot_notes.h"

#include <stdio.h>
#include <string.h>

#include "port/port.h"
#include "support/cm.h"
#include "support/tcp_peer.h"

static void on_event(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  struct iot_notes *notes = ctx;
  notes->handle = client;
  notes->count[msg->event_type]++;
  switch (msg->event_type) {
  case IOTX_MQTT_EVENT_DISCONNECT:
  case IOTX_MQTT_EVENT_RECONNECT:
  case IOTX_MQTT_EVENT_BUFFER_OVERFLOW:
    assert_true(strlen(msg->msg) > 0);
    break;
  case IOTX_MQTT_EVENT_PUBLISH_RECEIVED:
    break;
  default:
    notes->last_id = (uintptr_t)msg->msg;
  }
}

void iot_notes_message(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  struct iot_notes *notes = ctx;
  const iotx_mqtt_topic_info_t *info = msg->msg;
  assert_int_equal(msg->event_type, IOTX_MQTT_EVENT_PUBLISH_RECEIVED);
  snprintf(notes->topic, sizeof(notes->topic), "%.*s", info->topic_len, info->ptopic);
  snprintf(notes->payload, sizeof(notes->payload), "%.*s", (int)info->payload_len, info->payload);
  notes->handle = client;
  notes->messages++;
}

iotx_mqtt_param_t iot_notes_params(uint16_t port, struct iot_notes *notes) {
  return (iotx_mqtt_param_t){.port = port,
                             .host = "127.0.0.1",
                             .client_id = "c",
                             .username = "u",
                             .password = "p",
                             .clean_session = 1,
                             .request_timeout_ms = 5000, /* the most there is */
                             .keepalive_interval_ms = 60000,
                             .write_buf_size = 1024,
                             .read_buf_size = 1024,
                             .handle_event = {on_event, notes}};
}

void iot_notes_yield(void *handle, const unsigned *counter, unsigned want) {
  const uint64_t end_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  while (*counter < want && ik_port_now_ms() < end_ms)
    assert_int_equal(IOT_MQTT_Yield(handle, 1000), 0);
  assert_int_equal(*counter, want);
}
