/*
 * yield.h - the blocking face: for who drives the client already, and for the end;
 * iotkit_mqtt_yield() is the public one.
 */
#ifndef IK_CLIENT_YIELD_H
#define IK_CLIENT_YIELD_H

#include "client/client.h"

/*
 * The loop of iotkit_mqtt_yield(), with its results; between ik_mqtt_enter(client, true) and
 * ik_mqtt_leave().
 */
int ik_mqtt_yield_entered(iotkit_mqtt_t *client, uint32_t timeout_ms);
/*
 * After iotkit_mqtt_stop(): steps the client, or waits while another thread does, until it is CLOSED
 * and no thread is inside it any more. The network takes 2 s at most; a callback that another thread
 * is in is waited for as long as it takes. Not inside a callback of the client.
 */
void ik_mqtt_await_closed(iotkit_mqtt_t *client);

#endif
