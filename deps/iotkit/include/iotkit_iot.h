/**
 * @file
 * iotkit_iot.h - what a program can do with the published API that IOT_* cannot say: give up while
 * it connects; make one thread's calls on several.
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

/**
 * From now on the calling thread makes its IOT_* calls for somebody else, who makes calls by several
 * threads, one after the other: where a call looks at which thread has made an earlier one, those of
 * the same `caller` count as one. That is IOT_MQTT_Yield, which is cut short between two
 * IOT_OTA_FetchYields. `caller` is any address, NULL: the thread itself again; it is not touched.
 */
IOTKIT_API void iotkit_iot_act_for(const void *caller);

#ifdef __cplusplus
}
#endif
#endif
