/*
 * wait.h - how a thread that drives a client through the blocking face waits: for the socket,
 * another thread's word, or a time. Driver thread, without the mutex.
 */
#ifndef IK_CLIENT_WAIT_H
#define IK_CLIENT_WAIT_H

#include "client/client.h"

/* Makes the wake that other threads end a wait with, unless an earlier call has. */
int ik_mqtt_ensure_wake(iotkit_mqtt_t *client);
/*
 * Waits until the client's socket is ready as its last step wanted, another thread needs a step,
 * `also` (may be NULL) is signalled, or `timeout_ms` has passed. `also` stays signalled for its
 * owner. Returns < 0 when it cannot wait.
 */
int ik_mqtt_wait_ready(iotkit_mqtt_t *client, const struct ik_wake *also, uint32_t timeout_ms);
/*
 * Milliseconds from now_ms until when_ms; 0 when that is over; never UINT32_MAX, which means for
 * ever. Any thread.
 */
uint32_t ik_mqtt_ms_until(uint64_t when_ms, uint64_t now_ms);

#endif
