/*
 * events.h - what a client reports to its program: changes of state, answers, messages.
 *
 * All of it is called by the driver thread without the mutex, and runs callbacks. Whatever is
 * reported counts in `handled`, which ends a yield, also where the program has no on_event.
 */
#ifndef IK_CLIENT_EVENTS_H
#define IK_CLIENT_EVENTS_H

#include "client/client.h"

/* The client is in `state` from now on; `error` and `detail` say why (0, "": as was asked). */
void ik_mqtt_enter_state(iotkit_mqtt_t *client, enum iotkit_mqtt_state state, int error,
                         const char *detail, bool session_present);
/* Reports what the session has brought about: a request was answered, a message was skipped. */
void ik_mqtt_notify_session(iotkit_mqtt_t *client, const struct ik_mqtt_event *from,
                            const char *detail);
/*
 * Hands a message to each handler whose filter matches, and to on_event where a subscription has
 * no handler or none matches. 0, IK_ENO_MEMORY.
 */
int ik_mqtt_deliver(iotkit_mqtt_t *client, const struct ik_mqtt_publish *publish);

#endif
