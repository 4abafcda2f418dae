/* Tested by deps/iotkit/test/channel/test_gateway.c. */
/*
 * topo_line.c - composes and publishes with QoS 0, as the platform wants it. No state.
 */
#include "channel/topo_line.h"

#include "base/limits.h"

#define PAYLOAD_MAX (128 * IK_KIB) /* 50 logins, with client ids that are nothing but escapes */

static int publish(iotkit_mqtt_t *client, const char *topic, const struct ik_buf *payload) {
  return iotkit_mqtt_publish(client, topic, ik_buf_ptr(payload), ik_buf_size(payload), 0, false);
}

int ik_topo_line_ask(const struct ik_line *line, iotkit_mqtt_t *client, uint32_t id,
                     enum ik_topo_action action, const struct ik_topo_device *devices,
                     size_t count) {
  char topic[IK_OTA_TOPIC_MAX];
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_topo_topic(action, line->product_key, line->device_name, topic);
  if (rc == 0) rc = ik_topo_write(&payload, id, action, devices, count, ik_port_time_ms());
  if (rc == 0) rc = publish(client, topic, &payload);
  ik_buf_free(&payload);
  return rc;
}

void ik_topo_line_acknowledge(iotkit_mqtt_t *client, enum ik_topo_push push,
                              const char *product_key, const char *device_name, const char *id) {
  char topic[IK_OTA_TOPIC_MAX];
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_topo_ack_topic(push, product_key, device_name, topic);
  if (rc == 0) rc = ik_topo_write_ack(&payload, id);
  if (rc == 0) rc = publish(client, topic, &payload);
  ik_buf_free(&payload);
  if (rc < 0) ik_log(IOTKIT_LOG_WARNING, "gateway: not acknowledged: %s", iotkit_strerror(rc));
}
