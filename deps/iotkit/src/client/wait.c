/* Tested by deps/iotkit/test/client/test_yield.c. */
/*
 * wait.c - a poll over the client's socket, its own wake and the caller's.
 */
#include "client/wait.h"

int ik_mqtt_ensure_wake(iotkit_mqtt_t *client) {
  struct ik_wake *wake = NULL;
  if (client->yield_wake) return 0; /* set by a driving thread, and this is one */
  const int rc = ik_wake_new(&wake);
  if (rc < 0) return rc;
  ik_mutex_lock(client->mutex);
  client->yield_wake = wake;
  ik_mutex_unlock(client->mutex);
  return 0;
}

int ik_mqtt_wait_ready(iotkit_mqtt_t *client, const struct ik_wake *also, uint32_t timeout_ms) {
  struct ik_pollfd fds[3] = {
      {.fd = client->interest ? client->fd : -1, .interest = client->interest},
      {.fd = ik_wake_fd(client->yield_wake), .interest = IOTKIT_READ},
      {.fd = also ? ik_wake_fd(also) : -1, .interest = IOTKIT_READ}};
  const int rc = ik_port_poll(fds, 3, timeout_ms);
  if (rc >= 0 && fds[1].ready) ik_wake_clear(client->yield_wake);
  return rc;
}

uint32_t ik_mqtt_ms_until(uint64_t when_ms, uint64_t now_ms) {
  if (when_ms <= now_ms) return 0;
  return when_ms - now_ms >= UINT32_MAX ? UINT32_MAX - 1 : (uint32_t)(when_ms - now_ms);
}
