/*
 * topo_line.h - publishes a gateway's requests and acknowledgements. Any thread.
 */
#ifndef IK_CHANNEL_TOPO_LINE_H
#define IK_CHANNEL_TOPO_LINE_H

#include "alink/topology.h"
#include "channel/line.h"

/* A request on the gateway's line, see ik_topo_write(); errors of that and of iotkit_mqtt_publish(). */
int ik_topo_line_ask(const struct ik_line *line, iotkit_mqtt_t *client, uint32_t id,
                     enum ik_topo_action action, const struct ik_topo_device *devices,
                     size_t count);
/* The answer to the push with that id, which came on a topic with these names. Failure is logged. */
void ik_topo_line_acknowledge(iotkit_mqtt_t *client, enum ik_topo_push push,
                              const char *product_key, const char *device_name, const char *id);

#endif
