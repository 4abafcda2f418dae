/*
 * wire.h - bytes between a client's transport and its session, and what the client waits for next.
 * No callback runs in here. Driver thread; without the mutex where nothing else is said.
 */
#ifndef IK_CLIENT_WIRE_H
#define IK_CLIENT_WIRE_H

#include "client/client.h"

#define IK_MQTT_CHUNK 16384 /* bytes of one read */

/* Writes until all is written or the transport takes no more. 0, or why the stream is broken. */
int ik_mqtt_write_out(iotkit_mqtt_t *client, uint64_t now_ms, char *detail);
/* Whether bytes are to be taken in: the client is not paused, and there is room for answers. */
bool ik_mqtt_may_read(iotkit_mqtt_t *client);
/*
 * Between two steps: writes what the transport takes now, at the time of the last step's clock.
 * `look`: also looks whether the stream has ended, for which it reads ahead; so only while nobody
 * waits for the descriptor. What goes wrong is noted in `broken`, for the next step to report.
 */
void ik_mqtt_write_now(iotkit_mqtt_t *client, bool look);
/* Mutex held: whether there are bytes that nobody has tried to write yet. */
bool ik_mqtt_is_left_behind(const iotkit_mqtt_t *client);
/* Mutex held: notes for other threads what the client waits for from now on. */
void ik_mqtt_note_next_step(iotkit_mqtt_t *client);

#endif
