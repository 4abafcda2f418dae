/*
 * pump.h - driving the client from a fetch: a thread that is blocked in a download needs MQTT
 * packets, and drives the client itself as long as nobody else does.
 */
#ifndef IK_CLIENT_PUMP_H
#define IK_CLIENT_PUMP_H

#include "client/client.h"

/*
 * Waits until a packet or a change of state was handled, `wake` is signalled (it stays signalled),
 * or `until_ms`, and drives the client meanwhile if nobody else would. When a thread that yields
 * drives it, waits for that thread to leave as well. Returns 0, IK_EIN_CALLBACK (inside a callback
 * of the client), IK_ECLOSED, or why it could not wait. Any thread.
 */
int ik_mqtt_pump(iotkit_mqtt_t *client, struct ik_wake *wake, uint64_t until_ms);

#endif
