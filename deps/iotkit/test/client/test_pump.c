/*
 * A fetch drives the client while nobody else does; it waits where somebody else does.
 */
#include "client/driver.h"
#include "client/pump.h"
#include "iotkit_loop.h"
#include "support/client_rig.h"
#include "support/cm.h"

struct pump {
  struct client_rig *rig;
  struct ik_wake *wake;
  int rc;
};

static struct pump pump;

static int setup(void **state) {
  (void)state;
  pump.rig = cr_new(NULL);
  pump.rig->now = ik_port_now_ms(); /* the pump goes by the real clock */
  return ik_wake_new(&pump.wake);
}

static int teardown(void **state) {
  (void)state;
  cr_free(pump.rig);
  ik_wake_free(pump.wake);
  return 0;
}

static bool signalled(void) {
  struct ik_pollfd fd = {.fd = ik_wake_fd(pump.wake), .interest = IOTKIT_READ};
  return ik_port_poll(&fd, 1, 0) > 0;
}

static void go_up_subscribed(void) {
  cr_go_up(pump.rig);
  assert_true(iotkit_mqtt_subscribe(pump.rig->client, "a", 0, cr_handler, pump.rig) > 0);
  cr_settle(pump.rig);
}

static void takes_in_what_has_arrived(void **state) {
  (void)state;
  go_up_subscribed();
  SAY(pump.rig, "\x30\x04\x00\x01"
                "aX");
  assert_int_equal(ik_mqtt_pump(pump.rig->client, pump.wake, UINT64_MAX), 0);
  assert_int_equal(pump.rig->messages, 1);
}

static void a_signal_ends_the_wait_and_stays(void **state) {
  (void)state;
  cr_go_up(pump.rig);
  ik_wake_signal(pump.wake);
  assert_int_equal(ik_mqtt_pump(pump.rig->client, pump.wake, UINT64_MAX), 0);
  assert_true(signalled());
}

static void the_time_ends_the_wait(void **state) {
  (void)state;
  cr_go_up(pump.rig);
  assert_int_equal(ik_mqtt_pump(pump.rig->client, pump.wake, ik_port_now_ms() + 1), 0);
  assert_int_equal(ik_mqtt_pump(pump.rig->client, pump.wake, 0), 0);
}

static void pump_inside(struct client_rig *rig, const struct iotkit_mqtt_message *message) {
  (void)message;
  pump.rc = ik_mqtt_pump(rig->client, pump.wake, UINT64_MAX);
}

static void not_inside_a_callback(void **state) {
  (void)state;
  pump.rig->on_message = pump_inside;
  go_up_subscribed();
  SAY(pump.rig, "\x30\x04\x00\x01"
                "aX");
  cr_settle(pump.rig);
  assert_int_equal(pump.rc, IK_EIN_CALLBACK);
}

static void leaves_it_to_a_loop(void **state) {
  (void)state;
  iotkit_loop_t *loop;
  go_up_subscribed();
  assert_int_equal(iotkit_loop_new(&loop), 0);
  assert_int_equal(iotkit_loop_add(loop, pump.rig->client), 0);
  SAY(pump.rig, "\x30\x04\x00\x01"
                "aX");
  ik_wake_signal(pump.wake);
  assert_int_equal(ik_mqtt_pump(pump.rig->client, pump.wake, UINT64_MAX), 0);
  assert_int_equal(pump.rig->messages, 0);
  iotkit_loop_free(loop);
}

static void run_pump(void *arg) {
  (void)arg;
  pump.rc = ik_mqtt_pump(pump.rig->client, pump.wake, UINT64_MAX);
}

static bool somebody_waits(iotkit_mqtt_t *client) {
  ik_mutex_lock(client->mutex);
  const bool waits = client->waiters != NULL;
  ik_mutex_unlock(client->mutex);
  return waits;
}

static void is_woken_when_the_yielding_thread_leaves(void **state) {
  (void)state;
  iotkit_mqtt_t *client = pump.rig->client;
  iotkit_thread_t *thread;
  pump.rc = 1;
  assert_int_equal(ik_mqtt_enter(client, true), 0);
  assert_int_equal(iotkit_thread_start(&thread, "pump", 0, run_pump, NULL), 0);
  while (!somebody_waits(client)) {}
  assert_false(signalled());
  ik_mqtt_leave(client);
  iotkit_thread_join(thread);
  assert_int_equal(pump.rc, 0);
  assert_false(somebody_waits(client));
}

static void says_that_the_client_has_closed(void **state) {
  (void)state;
  cr_go_up(pump.rig);
  iotkit_mqtt_stop(pump.rig->client);
  assert_int_equal(ik_mqtt_pump(pump.rig->client, pump.wake, UINT64_MAX), IK_ECLOSED);
  assert_int_equal(ik_mqtt_pump(pump.rig->client, pump.wake, UINT64_MAX), IK_ECLOSED);
}

static void says_the_largest_packet(void **state) {
  (void)state;
  const struct iotkit_mqtt_options options = {.max_packet = 4321};
  struct client_rig *rig = cr_new(&options);
  assert_int_equal(ik_mqtt_max_packet(rig->client), 4321);
  cr_free(rig);
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_RIG(takes_in_what_has_arrived),
      WITH_RIG(a_signal_ends_the_wait_and_stays),
      WITH_RIG(the_time_ends_the_wait),
      WITH_RIG(not_inside_a_callback),
      WITH_RIG(leaves_it_to_a_loop),
      WITH_RIG(is_woken_when_the_yielding_thread_leaves),
      WITH_RIG(says_that_the_client_has_closed),
      cmocka_unit_test(says_the_largest_packet),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
