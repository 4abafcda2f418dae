/*
 * client_carrier.h - an MQTT client of this library as a carrier.
 */
#ifndef IK_CHANNEL_CLIENT_CARRIER_H
#define IK_CHANNEL_CLIENT_CARRIER_H

#include "channel/carrier.h"

struct ik_client_carrier {
  struct ik_carrier face; /* first: a pointer to it is one to the whole */
  iotkit_mqtt_t *client;  /* borrowed */
};

/* Nothing is to be undone. */
void ik_client_carrier_init(struct ik_client_carrier *carrier, iotkit_mqtt_t *client);
/*
 * For the channels of sub-devices: what is subscribed is asked for in this connection alone, because the
 * next one refuses it until the sub-device is logged in, after which its gateway asks again.
 */
void ik_client_carrier_init_subs(struct ik_client_carrier *carrier, iotkit_mqtt_t *client);

#endif
