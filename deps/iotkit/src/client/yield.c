/*
 * yield.c - the blocking face: step, then wait for the descriptor, the next deadline or another
 * thread's word.
 */
#include "client/yield.h"

#include "client/driver.h"
#include "client/step.h"
#include "client/wait.h"

#define CLOSE_WAIT_MS 2000 /* of one yield at the end; more follow as long as it takes */
#define STEP_WAIT_MS 20    /* between steps that nothing can wake */

/*
 * What ends the yield: 1: something was handled; 0: nothing yet; or an error. Sets *next_ms, when
 * the client has to be stepped next.
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
  client->waker_armed = rc == 0;
  ik_mutex_unlock(client->mutex);
  return rc;
}

int ik_mqtt_yield_entered(iotkit_mqtt_t *client, uint32_t timeout_ms) {
  const uint64_t handled = client->handled;
  uint64_t now_ms = ik_port_now_ms();
  const uint64_t end_ms = now_ms + timeout_ms;
  uint64_t next_ms;
  int rc = ik_mqtt_ensure_wake(client);
  while (rc >= 0) {
    ik_mqtt_run(client, now_ms);
    rc = outcome(client, handled, &next_ms);
    if (rc || now_ms >= end_ms) return rc < 0 ? rc : 0;
    rc = ik_mqtt_wait_ready(client, NULL,
                            ik_mqtt_ms_until(next_ms < end_ms ? next_ms : end_ms, now_ms));
    now_ms = ik_port_now_ms();
  }
  return rc;
}

/*
 * While a fetch of another thread drives the client: waits until that has left. 0: this thread may
 * try again; IK_EBUSY: no fetch drives it.
 */
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
    if (rc == IK_EBUSY && now_ms >= end_ms) return 0; /* the fetch has stepped it meanwhile */
  }
  if (rc < 0) return rc;
  rc = ik_mqtt_yield_entered(client, ik_mqtt_ms_until(end_ms, now_ms));
  ik_mqtt_leave(client);
  return rc;
}

/* Without a wake, for which there is no descriptor or memory at present. */
static int step_and_wait(iotkit_mqtt_t *client) {
  const uint64_t now_ms = ik_port_now_ms();
  const int rc = iotkit_mqtt_step(client, now_ms);
  if (rc < 0) return rc;
  struct ik_pollfd fd = {.fd = iotkit_mqtt_fd(client), .interest = iotkit_mqtt_interest(client)};
  const uint32_t wait_ms = ik_mqtt_ms_until(iotkit_mqtt_deadline(client), now_ms);
  (void)ik_port_poll(&fd, 1, wait_ms < STEP_WAIT_MS ? wait_ms : STEP_WAIT_MS);
  return 0;
}

void ik_mqtt_await_closed(iotkit_mqtt_t *client) {
  int rc = 0;
  while (rc != IK_ECLOSED) {
    rc = iotkit_mqtt_yield(client, CLOSE_WAIT_MS);
    if (rc == IK_EBUSY)
      ik_mqtt_await_driver(client, UINT64_MAX);
    else if (rc < 0 && rc != IK_EINTERRUPTED && rc != IK_ECLOSED)
      rc = step_and_wait(client);
  }
  ik_mqtt_await_driver(client, UINT64_MAX); /* whose last step has closed it */
}

void iotkit_mqtt_interrupt(iotkit_mqtt_t *client) {
  if (!client) return;
  ik_mutex_lock(client->mutex);
  client->interrupted = true;
  if (client->yield_wake) ik_wake_signal(client->yield_wake);
  ik_cond_broadcast(client->cond);
  ik_mutex_unlock(client->mutex);
}
