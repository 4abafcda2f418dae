/*
 * One thread at a time drives a client.
 */
#include "client/driver.h"
#include "support/client_rig.h"

static iotkit_mqtt_t *client;

static int setup(void **state) {
  *state = cr_new(NULL);
  client = ((struct client_rig *)*state)->client;
  return 0;
}

static int teardown(void **state) {
  cr_free(*state);
  return 0;
}

static void enter_elsewhere(void *rc) {
  *(int *)rc = ik_mqtt_enter(client, false);
}

static void is_driver_elsewhere(void *is_driver) {
  *(bool *)is_driver = ik_mqtt_is_driver(client);
}

static void run_on_a_thread(void (*fn)(void *arg), void *arg) {
  iotkit_thread_t *thread;
  assert_int_equal(iotkit_thread_start(&thread, "other", 0, fn, arg), 0);
  iotkit_thread_join(thread);
}

static void lets_in_one_thread(void **state) {
  (void)state;
  int rc = 0;
  bool elsewhere = true;
  assert_false(ik_mqtt_is_driver(client));
  assert_int_equal(ik_mqtt_enter(client, true), 0);
  assert_true(ik_mqtt_is_driver(client));
  assert_int_equal(ik_mqtt_enter(client, true), IK_EIN_CALLBACK);
  run_on_a_thread(enter_elsewhere, &rc);
  assert_int_equal(rc, IK_EBUSY);
  run_on_a_thread(is_driver_elsewhere, &elsewhere);
  assert_false(elsewhere);
  ik_mqtt_leave(client);
  assert_false(ik_mqtt_is_driver(client));
  assert_int_equal(ik_mqtt_enter(client, false), 0);
  ik_mqtt_leave(client);
}

static void await_driver(void *left) {
  ik_mqtt_await_driver(client, UINT64_MAX);
  *(bool *)left = true;
}

static void others_wait_until_it_leaves(void **state) {
  (void)state;
  iotkit_thread_t *thread;
  bool left = false;
  ik_mqtt_await_driver(client, UINT64_MAX); /* there is none */
  assert_int_equal(ik_mqtt_enter(client, true), 0);
  ik_mqtt_await_driver(client, 0); /* no time to wait */
  assert_int_equal(iotkit_thread_start(&thread, "other", 0, await_driver, &left), 0);
  ik_mqtt_leave(client);
  iotkit_thread_join(thread);
  assert_true(left);
}

static void nobody_drives_a_closed_client(void **state) {
  struct client_rig *rig = *state;
  assert_int_equal(ik_mqtt_enter(NULL, false), IK_EINVALID_ARGUMENT);
  iotkit_mqtt_stop(client);
  cr_settle(rig);
  assert_int_equal(ik_mqtt_enter(client, false), IK_ECLOSED);
  assert_int_equal(ik_mqtt_enter(client, true), IK_ECLOSED);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_RIG(lets_in_one_thread),
      WITH_RIG(others_wait_until_it_leaves),
      WITH_RIG(nobody_drives_a_closed_client),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
