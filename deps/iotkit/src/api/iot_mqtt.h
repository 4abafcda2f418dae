/*
 * iot_mqtt.h - what the published OTA functions need of the published MQTT functions' handles.
 */
#ifndef IK_IOT_MQTT_H
#define IK_IOT_MQTT_H

#include "iotkit_mqtt.h"

/*
 * The client beneath a handle of IOT_MQTT_Construct; NULL for NULL. It lives as long as the handle.
 */
iotkit_mqtt_t *ik_iot_mqtt_client(void *handle);

#endif
