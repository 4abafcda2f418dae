/*
 * mqtt_yield.c - the blocking face: step, then wait for the descriptor, the next deadline or
 * another thread's word.
 */
#include "mqtt_client.h"

static int ensure_wake(iotkit_mqtt_t *client) {
  struct ik_wake *wake = NULL;
  if (client->yield_wake) return 0; /* set by a stepping thread, and this is one */
  const int rc = ik_wake_new(&wake);
  if (rc < 0) return rc;
  ik_mutex_lock(client->mutex);
  client->yield_wake = wake;
  ik_mutex_unlock(client->mutex);
  return 0;
}

static uint32_t until(uint64_t when_ms, uint64_t now_ms) {
  if (when_ms <= now_ms) return 0;
  return when_ms - now_ms >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)(when_ms - now_ms);
}

/*
 * What ends the yield: 1: something was handled; 0: nothing yet; or an error. Sets when to look
 * again.
 */
static int outcome(iotkit_mqtt_t *client, uint64_t handled, uint64_t *next_ms) {
  int rc = client->handled != handled;
  ik_mutex_lock(client->mutex);
  *next_ms = ik_mqtt_next_ms(client);
  if (client->state == IOTKIT_MQTT_CLOSED)
    rc = IK_ECLOSED;
  else if (client->interrupted)
    rc = IK_EINTERRUPTED;
  client->interrupted = false;
  client->armed = rc == 0;
  ik_mutex_unlock(client->mutex);
  return rc;
}

/* `also` may be NULL; it is left signalled for its owner. */
static int wait_ready(iotkit_mqtt_t *client, const struct ik_wake *also, uint32_t timeout_ms) {
  struct ik_pollfd fds[3] = {
      {.fd = client->interest ? client->fd : -1, .interest = client->interest},
      {.fd = ik_wake_fd(client->yield_wake), .interest = IOTKIT_READ},
      {.fd = also ? ik_wake_fd(also) : -1, .interest = IOTKIT_READ}};
  const int rc = ik_port_poll(fds, 3, timeout_ms);
  if (rc >= 0 && fds[1].ready) ik_wake_clear(client->yield_wake);
  return rc;
}

int ik_mqtt_yield_entered(iotkit_mqtt_t *client, uint32_t timeout_ms) {
  const uint64_t handled = client->handled;
  uint64_t now_ms = ik_port_now_ms();
  const uint64_t end_ms = now_ms + timeout_ms;
  uint64_t next_ms;
  int rc = ensure_wake(client);
  while (rc >= 0) {
    ik_mqtt_run(client, now_ms);
    rc = outcome(client, handled, &next_ms);
    if (rc || now_ms >= end_ms) return rc < 0 ? rc : 0;
    rc = wait_ready(client, NULL, until(next_ms < end_ms ? next_ms : end_ms, now_ms));
    now_ms = ik_port_now_ms();
  }
  return rc;
}

/* A fetch of another thread steps the client: this one waits for its turn. 0: it may try again. */
static int await_pump(iotkit_mqtt_t *client, uint64_t end_ms) {
  ik_mutex_lock(client->mutex);
  int rc = client->pumped ? 0 : IK_EBUSY;
  while (client->pumped && !client->interrupted && ik_port_now_ms() < end_ms)
    ik_cond_wait(client->cond, client->mutex, end_ms);
  if (rc == 0 && client->interrupted) {
    client->interrupted = false;
    rc = IK_EINTERRUPTED;
  }
  ik_mutex_unlock(client->mutex);
  return rc;
}

int iotkit_mqtt_yield(iotkit_mqtt_t *client, uint32_t timeout_ms) {
  uint64_t now_ms = ik_port_now_ms();
  const uint64_t end_ms = now_ms + timeout_ms;
  int rc = ik_mqtt_enter(client, true);
  while (rc == IK_EBUSY) {
    rc = await_pump(client, end_ms);
    if (rc < 0) return rc;
    now_ms = ik_port_now_ms();
    rc = ik_mqtt_enter(client, true);
    if (rc == IK_EBUSY && now_ms >= end_ms) return 0; /* the fetch has done it */
  }
  if (rc < 0) return rc;
  rc = ik_mqtt_yield_entered(client, until(end_ms, now_ms));
  ik_mqtt_leave(client);
  return rc;
}

int ik_mqtt_enter_pump(iotkit_mqtt_t *client, struct ik_mqtt_turn *turn) {
  const uintptr_t self = ik_thread_self();
  int rc = 0;
  ik_mutex_lock(client->mutex);
  if (client->stepper == self)
    rc = IK_EIN_CALLBACK;
  else if (client->state == IOTKIT_MQTT_CLOSED)
    rc = IK_ECLOSED;
  else if (client->loop_node || (!client->blocking && client->last_stepper != self))
    rc = IK_EAGAIN;
  else if (client->stepper) {
    turn->next = client->turns;
    client->turns = turn;
    rc = IK_EAGAIN;
  } else {
    client->stepper = self;
    client->last_stepper = self;
    client->pumped = true;
    client->armed = false;
  }
  ik_mutex_unlock(client->mutex);
  return rc;
}

void ik_mqtt_drop_turn(iotkit_mqtt_t *client, const struct ik_mqtt_turn *turn) {
  ik_mutex_lock(client->mutex);
  struct ik_mqtt_turn **at = &client->turns;
  while (*at && *at != turn)
    at = &(*at)->next;
  if (*at) *at = turn->next;
  ik_mutex_unlock(client->mutex);
}

int ik_mqtt_pump_entered(iotkit_mqtt_t *client, struct ik_wake *also, uint64_t until_ms) {
  const uint64_t handled = client->handled;
  const uint64_t now_ms = ik_port_now_ms();
  int rc = ensure_wake(client);
  if (rc < 0) return rc;
  ik_mqtt_run(client, now_ms);
  if (client->handled == handled && client->state != IOTKIT_MQTT_CLOSED && now_ms < until_ms) {
    ik_mutex_lock(client->mutex);
    const uint64_t next_ms = ik_mqtt_next_ms(client);
    client->armed = true;
    ik_mutex_unlock(client->mutex);
    rc = wait_ready(client, also, until(next_ms < until_ms ? next_ms : until_ms, now_ms));
    if (rc < 0) return rc;
    ik_mqtt_run(client, ik_port_now_ms());
  }
  return client->state == IOTKIT_MQTT_CLOSED ? IK_ECLOSED : 0;
}

void iotkit_mqtt_interrupt(iotkit_mqtt_t *client) {
  if (!client) return;
  ik_mutex_lock(client->mutex);
  client->interrupted = true;
  if (client->yield_wake) ik_wake_signal(client->yield_wake);
  ik_cond_broadcast(client->cond);
  ik_mutex_unlock(client->mutex);
}
