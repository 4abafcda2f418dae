/*
 * companion.h - what lives on a client and has work of its own to do at certain times: a gateway.
 *
 * A companion is stepped with its client, by whichever thread drives that and in whichever way, so it
 * needs neither a thread nor a timer. Any thread, unless a function says otherwise.
 */
#ifndef IK_CLIENT_COMPANION_H
#define IK_CLIENT_COMPANION_H

#include "client/client.h"

/* Its owner's memory, which the client links from add to remove. */
struct ik_mqtt_companion {
  /*
   * At the end of each step, also of the one that closes the client. Returns when to step at the
   * latest, UINT64_MAX: only when something happens; sets *handled if the program was notified, which
   * ends a yield. Driver thread, without locks: it may publish, and run callbacks.
   */
  uint64_t (*on_step)(struct ik_mqtt_companion *companion, iotkit_mqtt_t *client, uint64_t now_ms,
                      bool *handled);
  struct ik_mqtt_companion *next; /* the client's, as due_ms */
  uint64_t due_ms;
};

void ik_mqtt_add_companion(iotkit_mqtt_t *client, struct ik_mqtt_companion *companion);
/* Afterwards on_step is not running and never will again, unless the caller is inside it. */
void ik_mqtt_remove_companion(iotkit_mqtt_t *client, struct ik_mqtt_companion *companion);
/* There is something to do for it now: a step is due. */
void ik_mqtt_wake_companion(iotkit_mqtt_t *client, struct ik_mqtt_companion *companion);
/* How often the client was connected so far: whether what was agreed on before still counts. */
unsigned ik_mqtt_count_connects(const iotkit_mqtt_t *client);

/* For the step. Driver thread. */
void ik_mqtt_step_companions(iotkit_mqtt_t *client, uint64_t now_ms);

#endif
