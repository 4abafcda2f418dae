/*
 * The blocking face: what ends a yield.
 */
#include "support/client_rig.h"

/* Not before the other thread is about to sleep. */
static void interrupt(void *arg) {
  iotkit_mqtt_t *client = arg;
  bool sleeps = false;
  while (!sleeps) {
    ik_mutex_lock(client->mutex);
    sleeps = client->waker_armed;
    ik_mutex_unlock(client->mutex);
  }
  iotkit_mqtt_interrupt(client);
}

static void can_be_interrupted(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  iotkit_thread_t *thread;
  iotkit_mqtt_interrupt(rig->client);
  assert_int_equal(iotkit_mqtt_yield(rig->client, 0), IK_EINTERRUPTED); /* the next one */
  assert_int_equal(iotkit_mqtt_yield(rig->client, 0), 0);
  assert_int_equal(iotkit_thread_start(&thread, "interrupter", 0, interrupt, rig->client), 0);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), IK_EINTERRUPTED);
  iotkit_thread_join(thread);
  cr_free(rig);
}

static void start_it(void *arg) {
  assert_int_equal(iotkit_mqtt_start(arg), 0);
}

/* A request of another thread ends the waiting; something handled ends the yield. */
static void wakes_for_other_threads(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  iotkit_thread_t *thread;
  rig->wire.dial_error = IK_ERESOLVE;
  assert_int_equal(iotkit_thread_start(&thread, "starter", 0, start_it, rig->client), 0);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), 0);
  cr_assert_reported(rig, "connecting waiting-1101 ");
  iotkit_thread_join(thread);
  iotkit_mqtt_stop(rig->client);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), IK_ECLOSED);
  cr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(can_be_interrupted),
      cmocka_unit_test(wakes_for_other_threads),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
