/*
 * outgoing.h - what goes out by the calls of any thread; iotkit_mqtt_publish() and its like are the
 * public ones.
 */
#ifndef IK_CLIENT_OUTGOING_H
#define IK_CLIENT_OUTGOING_H

#include "client/client.h"

/*
 * As iotkit_mqtt_subscribe, for a caller that holds a lock of its own: sends nothing and wakes
 * nobody, so that ik_mqtt_flush() has to follow without that lock. Taken after a stop as well. Any
 * thread.
 */
int ik_mqtt_subscribe_quietly(iotkit_mqtt_t *client, const char *filter, uint8_t qos,
                              iotkit_mqtt_message_fn handler, void *ctx);
/*
 * Sends what is queued as far as that goes without blocking: by the thread that drives the client,
 * which is woken, else by the calling one. Runs no callback of the client. Returns 0, or why the
 * connection turned out to be broken, which the next step reports. Any thread, without locks.
 */
int ik_mqtt_flush(iotkit_mqtt_t *client);

/* How many messages with QoS 0 were published within about the last second, by whomever. Any thread. */
size_t ik_mqtt_recent_publishes(iotkit_mqtt_t *client);

#endif
