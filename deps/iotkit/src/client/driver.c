/*
 * driver.c - one thread at a time drives a client.
 */
#include "client/driver.h"

#include "client/wire.h"

/* Mutex held. */
static void become_driver(iotkit_mqtt_t *client) {
  client->driver = ik_thread_self();
  client->last_driver = client->driver;
  client->waker_armed = false;
}

int ik_mqtt_enter(iotkit_mqtt_t *client, bool blocking) {
  const uintptr_t self = ik_thread_self();
  int rc = 0;
  if (!client) return IK_EINVALID_ARGUMENT;
  ik_mutex_lock(client->mutex);
  ik_mqtt_await_flush(client);
  if (client->driver)
    rc = client->driver == self ? IK_EIN_CALLBACK : IK_EBUSY;
  else if (client->state == IOTKIT_MQTT_CLOSED)
    rc = IK_ECLOSED;
  else {
    become_driver(client);
    client->blocking = blocking;
  }
  ik_mutex_unlock(client->mutex);
  return rc;
}

int ik_mqtt_enter_pump(iotkit_mqtt_t *client, struct ik_mqtt_waiter *waiter) {
  const uintptr_t self = ik_thread_self();
  int rc = 0;
  ik_mutex_lock(client->mutex);
  ik_mqtt_await_flush(client);
  if (client->driver == self)
    rc = IK_EIN_CALLBACK;
  else if (client->state == IOTKIT_MQTT_CLOSED)
    rc = IK_ECLOSED;
  else if (client->loop_node || (!client->blocking && client->last_driver != self))
    rc = IK_EAGAIN;
  else if (client->driver) {
    waiter->next = client->waiters;
    client->waiters = waiter;
    rc = IK_EAGAIN;
  } else {
    become_driver(client);
    client->pumped = true;
  }
  ik_mutex_unlock(client->mutex);
  return rc;
}

bool ik_mqtt_begin_flush(iotkit_mqtt_t *client) {
  if (client->driver || !client->open || client->broken) return false;
  client->driver = ik_thread_self();
  client->flushing = true;
  return true;
}

void ik_mqtt_drop_waiter(iotkit_mqtt_t *client, const struct ik_mqtt_waiter *waiter) {
  ik_mutex_lock(client->mutex);
  struct ik_mqtt_waiter **at = &client->waiters;
  while (*at && *at != waiter)
    at = &(*at)->next;
  if (*at) *at = waiter->next;
  ik_mutex_unlock(client->mutex);
}

void ik_mqtt_leave(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  while (ik_mqtt_is_left_behind(client)) {
    ik_mutex_unlock(client->mutex);
    ik_mqtt_write_now(client, false);
    ik_mutex_lock(client->mutex);
  }
  client->driver = 0;
  client->flushing = false;
  client->pumped = false;
  for (struct ik_mqtt_waiter *waiter = client->waiters; waiter; waiter = waiter->next)
    ik_wake_signal(waiter->wake);
  ik_cond_broadcast(client->cond);
  ik_mutex_unlock(client->mutex);
}

bool ik_mqtt_is_driver(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const bool is_driver = client->driver == ik_thread_self();
  ik_mutex_unlock(client->mutex);
  return is_driver;
}

void ik_mqtt_await_driver(iotkit_mqtt_t *client, uint64_t end_ms) {
  ik_mutex_lock(client->mutex);
  while (client->driver && ik_port_now_ms() < end_ms)
    ik_cond_wait(client->cond, client->mutex, end_ms);
  ik_mutex_unlock(client->mutex);
}
