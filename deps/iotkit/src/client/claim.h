/*
 * claim.h - one client at a time has an identity at a broker: of two, each would end the other's
 * connection, in turns and for ever.
 *
 * A client claims its identity when it is started, and gives it up when it is CLOSED or freed.
 * While another client of this process holds it, the start is refused, unless that one has been
 * stopped: then this one waits until it has ended. The lists of the claims are the one thing
 * that clients of a process share; they are guarded by a flag that is held for a few instructions.
 *
 * What an identity is: host and port, and
 *   - for a sign-in of the platform (client id "{base}|…|"), the user name, "{device}&{product}":
 *     the platform and its stand-in end a device's older connection whatever the client ids are.
 *     "&" names no device: its certificate does, which is not looked at here, so it is no claim;
 *   - else the client id, as MQTT 3.1.1 has it (3.1.4-2). An empty one is chosen by the broker.
 */
#ifndef IK_CLIENT_CLAIM_H
#define IK_CLIENT_CLAIM_H

#include "iotkit_mqtt.h"

struct ik_claim;

/*
 * For a client that is not started yet; copies the texts. `wake(ctx)` is called, on any thread, when
 * a client that was waited for has ended. IK_ENO_MEMORY.
 */
int ik_claim_new(const struct iotkit_mqtt_options *options, void (*wake)(void *ctx), void *ctx,
                 struct ik_claim **out);
/* Gives up what is held. Afterwards wake() is not running and never will. NULL is allowed. */
void ik_claim_free(struct ik_claim *claim);

/*
 * At the start. 0; IK_EMQTT_IN_USE, after a line in the log that names both; IK_EINVALID_STATE: it
 * was taken before. Any thread, without the client's mutex, as the next two.
 */
int ik_claim_take(struct ik_claim *claim);
/* The client was stopped: whoever is started now waits for its end. */
void ik_claim_leave(struct ik_claim *claim);
/* The client has ended: who waits for that is stepped. */
void ik_claim_give_up(struct ik_claim *claim);
/* Whether a client that was stopped has the identity still. Any thread, also with the mutex. */
bool ik_claim_waits(const struct ik_claim *claim);

#endif
