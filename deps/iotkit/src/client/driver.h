/*
 * driver.h - who drives a client, that is, steps it: one thread at a time, from enter to leave. The
 * table in client.h says what each way of driving sets.
 */
#ifndef IK_CLIENT_DRIVER_H
#define IK_CLIENT_DRIVER_H

#include "client/client.h"

/* A thread that would drive as soon as nobody else does; on its stack. */
struct ik_mqtt_waiter {
  struct ik_wake *wake;
  struct ik_mqtt_waiter *next; /* the client's */
};

/*
 * Becomes the driver. `blocking`: through the blocking face. 0; IK_EIN_CALLBACK: this thread drives
 * already; IK_EBUSY: another one does; IK_ECLOSED; IK_EINVALID_ARGUMENT: no client.
 */
int ik_mqtt_enter(iotkit_mqtt_t *client, bool blocking);
/*
 * Becomes the driver for a fetch, only if nobody else would drive: no loop has the client, and it
 * is used through the blocking face or this thread was the last to drive it. IK_EAGAIN: somebody
 * else drives or will; `waiter` is signalled when a driver leaves, until ik_mqtt_drop_waiter().
 */
int ik_mqtt_enter_pump(iotkit_mqtt_t *client, struct ik_mqtt_waiter *waiter);
void ik_mqtt_drop_waiter(iotkit_mqtt_t *client, const struct ik_mqtt_waiter *waiter);
/*
 * With the mutex held: becomes the driver for one flush. False: another thread drives, and will
 * write what is queued; or there is nothing to write to.
 */
bool ik_mqtt_begin_flush(iotkit_mqtt_t *client);
/*
 * Writes what other threads have queued since the last step, then stops being the driver, and wakes
 * those who wait for that.
 */
void ik_mqtt_leave(iotkit_mqtt_t *client);

/* Whether the calling thread drives the client: then it is inside a callback of it. Any thread. */
bool ik_mqtt_is_driver(iotkit_mqtt_t *client);
/* Waits until no thread drives the client, or `end_ms`. Any thread but the driver. */
void ik_mqtt_await_driver(iotkit_mqtt_t *client, uint64_t end_ms);

#endif
