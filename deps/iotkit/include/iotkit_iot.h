/**
 * @file
 * iotkit_iot.h - what a program can do with the published API that IOT_* cannot say: give up while
 * it connects.
 */
#ifndef IOTKIT_IOT_H
#define IOTKIT_IOT_H

#include "exports/iot_export_mqtt.h"
#include "iotkit_mqtt.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * As IOT_MQTT_Construct. `made(ctx, client)` is called before it connects, on the same thread; from
 * then on iotkit_mqtt_stop(client), from any thread, lets it return NULL soon. The client is the
 * one beneath the handle: it lives until IOT_MQTT_Destroy, and stopping it lets a running
 * IOT_MQTT_Yield or IOT_MQTT_Subscribe_Sync return. Where the construction fails, `made(ctx, NULL)`
 * is called before the client is freed.
 */
IOTKIT_API void *iotkit_mqtt_construct(iotx_mqtt_param_t *param,
                                       void (*made)(void *ctx, iotkit_mqtt_t *client), void *ctx);

#ifdef __cplusplus
}
#endif
#endif
