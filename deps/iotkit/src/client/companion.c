/*
 * companion.c - the list of a client's companions, and their turn in a step.
 */
#include "client/companion.h"

#include "base/time.h"

void ik_mqtt_add_companion(iotkit_mqtt_t *client, struct ik_mqtt_companion *companion) {
  ik_mutex_lock(client->mutex);
  companion->due_ms = 0;
  companion->next = client->companions;
  client->companions = companion;
  client->companions_due_ms = 0;
  ik_mqtt_poke_unlock(client);
}

void ik_mqtt_remove_companion(iotkit_mqtt_t *client, struct ik_mqtt_companion *companion) {
  ik_mutex_lock(client->mutex);
  while (client->accompanied == companion && client->driver != ik_thread_self())
    ik_cond_wait(client->cond, client->mutex, UINT64_MAX);
  struct ik_mqtt_companion **at = &client->companions;
  while (*at && *at != companion)
    at = &(*at)->next;
  if (*at) *at = companion->next;
  ik_mutex_unlock(client->mutex);
}

void ik_mqtt_wake_companion(iotkit_mqtt_t *client, struct ik_mqtt_companion *companion) {
  ik_mutex_lock(client->mutex);
  companion->due_ms = 0;
  client->companions_due_ms = 0;
  ik_mqtt_poke_unlock(client);
}

unsigned ik_mqtt_count_connects(const iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const unsigned connects = client->connects;
  ik_mutex_unlock(client->mutex);
  return connects;
}

/* Mutex held before and after, not during. Whoever wakes it meanwhile makes it due again. */
static void step_one(iotkit_mqtt_t *client, struct ik_mqtt_companion *companion, uint64_t now_ms) {
  bool handled = false;
  companion->due_ms = UINT64_MAX;
  client->accompanied = companion;
  ik_mutex_unlock(client->mutex);
  const uint64_t due_ms = companion->on_step(companion, client, now_ms, &handled);
  ik_mutex_lock(client->mutex);
  companion->due_ms = ik_earlier(companion->due_ms, due_ms);
  client->accompanied = NULL;
  client->handled += handled;
  ik_cond_broadcast(client->cond);
}

void ik_mqtt_step_companions(iotkit_mqtt_t *client, uint64_t now_ms) {
  uint64_t due_ms = UINT64_MAX;
  ik_mutex_lock(client->mutex);
  for (struct ik_mqtt_companion *it = client->companions; it; it = it->next)
    step_one(client, it, now_ms);
  for (const struct ik_mqtt_companion *it = client->companions; it; it = it->next)
    due_ms = ik_earlier(due_ms, it->due_ms);
  client->companions_due_ms = due_ms;
  ik_mutex_unlock(client->mutex);
}
