/*
 * step.h - one step of a client; iotkit_mqtt_step() is the public one.
 */
#ifndef IK_CLIENT_STEP_H
#define IK_CLIENT_STEP_H

#include "client/client.h"

/*
 * Does what can be done at now_ms: opens, sends, takes in, and runs callbacks; never blocks.
 * Afterwards the client's fd, interest and deadline say when the next step is needed. Driver
 * thread.
 */
void ik_mqtt_run(iotkit_mqtt_t *client, uint64_t now_ms);

#endif
