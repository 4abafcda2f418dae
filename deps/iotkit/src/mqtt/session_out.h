/*
 * session_out.h - the sending half of a session, for session.c: one class in two files, session.h
 * has its struct and its public functions.
 */
#ifndef IK_MQTT_SESSION_OUT_H
#define IK_MQTT_SESSION_OUT_H

#include "mqtt/session.h"

/* Moves what waits into `out`, as many packets as the queue's limit and the phase allow. */
int ik_mqtt_session_pump(struct ik_mqtt_session *session);
/* After CONNACK: asks for every subscription that the broker does not hold. */
int ik_mqtt_session_restore(struct ik_mqtt_session *session, bool session_present);
/* Frees a request that stands in no list any longer, and its identifier. */
void ik_mqtt_session_free_request(struct ik_mqtt_session *session, struct ik_mqtt_request *request);

#endif
