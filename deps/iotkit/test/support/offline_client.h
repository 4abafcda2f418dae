/*
 * offline_client.h - an MQTT client that is not connected and never will be: what is published over
 * it fails with IK_ENOT_CONNECTED.
 */
#ifndef TEST_OFFLINE_CLIENT_H
#define TEST_OFFLINE_CLIENT_H

#include "iotkit_mqtt.h"

/* The caller's, to be freed with iotkit_mqtt_free(). */
iotkit_mqtt_t *offline_client_new(void);

#endif
