/*
 * pump.c - driving the client from a fetch.
 */
#include "client/pump.h"

#include "client/driver.h"
#include "client/step.h"
#include "client/wait.h"

/*
 * Steps; and, unless that brought something, waits until the socket is ready, another thread needs
 * a step, `wake` is signalled, or `until_ms`, and steps once more.
 */
static int drive(iotkit_mqtt_t *client, const struct ik_wake *wake, uint64_t until_ms) {
  const uint64_t handled = client->handled;
  const uint64_t now_ms = ik_port_now_ms();
  int rc = ik_mqtt_ensure_wake(client);
  if (rc < 0) return rc;
  ik_mqtt_run(client, now_ms);
  if (client->handled == handled && client->state != IOTKIT_MQTT_CLOSED && now_ms < until_ms) {
    ik_mutex_lock(client->mutex);
    const uint64_t next_ms = ik_mqtt_next_ms(client);
    client->waker_armed = true;
    ik_mutex_unlock(client->mutex);
    const uint64_t end_ms = next_ms < until_ms ? next_ms : until_ms;
    rc = ik_mqtt_wait_ready(client, wake, ik_mqtt_ms_until(end_ms, now_ms));
    if (rc < 0) return rc;
    ik_mqtt_run(client, ik_port_now_ms());
  }
  return client->state == IOTKIT_MQTT_CLOSED ? IK_ECLOSED : 0;
}

/* Somebody else drives. */
static int await_wake(const struct ik_wake *wake, uint64_t until_ms) {
  struct ik_pollfd fd = {.fd = ik_wake_fd(wake), .interest = IOTKIT_READ};
  return ik_port_poll(&fd, 1, ik_mqtt_ms_until(until_ms, ik_port_now_ms()));
}

int ik_mqtt_pump(iotkit_mqtt_t *client, struct ik_wake *wake, uint64_t until_ms) {
  struct ik_mqtt_waiter waiter = {.wake = wake};
  int rc = ik_mqtt_enter_pump(client, &waiter);
  if (rc == 0) {
    rc = drive(client, wake, until_ms);
    ik_mqtt_leave(client);
  } else if (rc == IK_EAGAIN) {
    rc = await_wake(wake, until_ms);
    ik_mqtt_drop_waiter(client, &waiter);
  }
  return rc < 0 ? rc : 0;
}
