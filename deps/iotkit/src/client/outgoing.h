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
 * Adds a handler for a filter of which the broker is not asked; iotkit_mqtt_unsubscribe() removes it.
 * Errors of iotkit_mqtt_subscribe(). Any thread.
 */
int ik_mqtt_listen(iotkit_mqtt_t *client, const char *filter, iotkit_mqtt_message_fn handler,
                   void *ctx);
/*
 * Asks the broker for a filter in the present connection alone, see ik_mqtt_session_ask(). The packet
 * id; IK_ENOT_CONNECTED, IK_ECLOSED, the errors of iotkit_mqtt_subscribe(). Any thread.
 */
int ik_mqtt_ask(iotkit_mqtt_t *client, const char *filter, uint8_t qos);
/*
 * Asks the broker to forget a filter for which nothing here is subscribed, as a session of before
 * may have been. The packet id; 0: nothing is sent now (ik_mqtt_session_unsubscribe_old());
 * IK_ECLOSED. Any thread.
 */
int ik_mqtt_unsubscribe_old(iotkit_mqtt_t *client, const char *filter);
/*
 * Sends what is queued as far as that goes without blocking: by the thread that drives the client,
 * which is woken, else by the calling one. Runs no callback of the client. Returns 0, or why the
 * connection turned out to be broken, which the next step reports. Any thread, without locks.
 */
int ik_mqtt_flush(iotkit_mqtt_t *client);

#endif
