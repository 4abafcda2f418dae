/*
 * Whose turn it is to step a program's connection, for how long, and who wakes whom.
 */
#include <pthread.h>

#include "channel/over.h"
#include "support/cm.h"

static int step_rc;
static uint32_t step_ms;
static unsigned steps;
static struct ik_over *over;
static struct ik_carrier *carrier;

static int publish(void *ctx, const char *topic, const void *payload, size_t len, uint8_t qos) {
  (void)ctx;
  (void)topic;
  (void)payload;
  (void)len;
  (void)qos;
  return 0;
}

static int subscribe(void *ctx, const char *topic, uint8_t qos) {
  (void)ctx;
  (void)topic;
  (void)qos;
  return 0;
}

static int unsubscribe(void *ctx, const char *topic) {
  return subscribe(ctx, topic, 0);
}

static void make(int (*step)(void *ctx, uint32_t timeout_ms)) {
  const struct iotkit_transport transport = {
      .publish = publish, .subscribe = subscribe, .unsubscribe = unsubscribe, .step = step};
  step_rc = 0;
  steps = 0;
  assert_int_equal(ik_over_new(&transport, &over), 0);
  carrier = ik_over_face(over);
}

static int setup(void **state) {
  (void)state;
  make(NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  ik_over_free(over);
  return 0;
}

static int feed(const char *topic) {
  return ik_over_feed(over, topic, 1, (const uint8_t *)"x", 1, false);
}

struct slow {
  struct ik_wake *begun, *go_on;
};

static void await(const struct ik_wake *wake) {
  struct ik_pollfd fd = {.fd = ik_wake_fd(wake), .interest = IOTKIT_READ};
  assert_true(ik_port_poll(&fd, 1, UINT32_MAX) > 0);
}

static void slow_init(struct slow *slow) {
  *slow = (struct slow){0};
  assert_int_equal(ik_wake_new(&slow->begun), 0);
  assert_int_equal(ik_wake_new(&slow->go_on), 0);
}

static void slow_deinit(struct slow *slow) {
  ik_wake_free(slow->begun);
  ik_wake_free(slow->go_on);
}

static void *go_on(void *arg) {
  struct slow *slow = arg;
  ik_wake_signal(slow->go_on);
  return NULL;
}

static int pump(struct ik_wake *wake, uint64_t until_ms) {
  return carrier->ops->pump(carrier, wake, until_ms);
}

static int step(void *ctx, uint32_t timeout_ms) {
  (void)ctx;
  steps++;
  step_ms = timeout_ms;
  return step_rc;
}

static int setup_stepping(void **state) {
  (void)state;
  make(step);
  return 0;
}

static void steps_for_a_short_while(void **state) {
  struct ik_wake *wake;
  (void)state;
  assert_int_equal(ik_wake_new(&wake), 0);
  assert_int_equal(pump(wake, UINT64_MAX), 0);
  assert_int_equal(step_ms, 100);
  assert_int_equal(pump(wake, ik_port_now_ms() + 5), 0);
  assert_true(step_ms <= 5);
  assert_int_equal(pump(wake, 0), 0);
  assert_int_equal(step_ms, 0);
  ik_wake_signal(wake); /* somebody has news for the fetch */
  assert_int_equal(pump(wake, UINT64_MAX), 0);
  assert_int_equal(step_ms, 0);
  assert_int_equal(steps, 4);
  ik_wake_free(wake);
}

static void a_step_that_fails_ends_the_wait(void **state) {
  struct ik_wake *wake;
  (void)state;
  assert_int_equal(ik_wake_new(&wake), 0);
  step_rc = IK_ECONNECTION_RESET;
  assert_int_equal(pump(wake, UINT64_MAX), IK_ECONNECTION_RESET);
  step_rc = -3;
  assert_int_equal(pump(wake, UINT64_MAX), IK_ENETWORK);
  step_rc = 3;
  assert_int_equal(pump(wake, UINT64_MAX), 0);
  ik_wake_free(wake);
}

static void without_a_step_it_waits_to_be_woken(void **state) {
  struct ik_wake *wake;
  (void)state;
  assert_int_equal(ik_wake_new(&wake), 0);
  assert_int_equal(pump(wake, 0), 0);
  ik_wake_signal(wake);
  assert_int_equal(pump(wake, UINT64_MAX), 0);
  assert_int_equal(steps, 0);
  ik_wake_free(wake);
}

static void pump_inside(void *ctx, iotkit_mqtt_t *client,
                        const struct iotkit_mqtt_message *message) {
  (void)client;
  (void)message;
  assert_int_equal(pump(ctx, UINT64_MAX), IK_EIN_CALLBACK);
  steps = 100;
}

static void does_not_step_inside_a_callback(void **state) {
  struct ik_wake *wake;
  (void)state;
  assert_int_equal(ik_wake_new(&wake), 0);
  assert_int_equal(carrier->ops->subscribe(carrier, "a", 0, pump_inside, wake), 0);
  assert_int_equal(feed("a"), 1);
  assert_int_equal(steps, 100);
  assert_int_equal(carrier->ops->unsubscribe(carrier, "a", pump_inside, wake), 0);
  ik_wake_free(wake);
}

static struct slow slow_step;

static int step_slowly(void *ctx, uint32_t timeout_ms) {
  (void)ctx;
  (void)timeout_ms;
  ik_wake_signal(slow_step.begun);
  await(slow_step.go_on);
  return 0;
}

static int setup_slow(void **state) {
  (void)state;
  slow_init(&slow_step);
  make(step_slowly);
  return 0;
}

static int teardown_slow(void **state) {
  slow_deinit(&slow_step);
  return teardown(state);
}

static void *pump_elsewhere(void *arg) {
  assert_int_equal(pump(arg, UINT64_MAX), 0);
  return NULL;
}

/* It waits without an end; what wakes it is that the other thread has stepped. */
static void the_next_one_is_woken_to_step(void **state) {
  struct ik_wake *wakes[2];
  pthread_t first, waker;
  (void)state;
  for (size_t i = 0; i < COUNT(wakes); i++)
    assert_int_equal(ik_wake_new(&wakes[i]), 0);
  assert_int_equal(pthread_create(&first, NULL, pump_elsewhere, wakes[0]), 0);
  await(slow_step.begun);
  assert_int_equal(pump(wakes[1], 0), 0); /* it does not step beside the other */
  assert_int_equal(pthread_create(&waker, NULL, go_on, &slow_step), 0);
  assert_int_equal(pump(wakes[1], UINT64_MAX), 0);
  pthread_join(first, NULL);
  pthread_join(waker, NULL);
  for (size_t i = 0; i < COUNT(wakes); i++)
    ik_wake_free(wakes[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define STEPPING(name) cmocka_unit_test_setup_teardown(name, setup_stepping, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      STEPPING(steps_for_a_short_while),
      STEPPING(a_step_that_fails_ends_the_wait),
      TEST(without_a_step_it_waits_to_be_woken),
      STEPPING(does_not_step_inside_a_callback),
      cmocka_unit_test_setup_teardown(the_next_one_is_woken_to_step, setup_slow, teardown_slow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
