/*
 * The program's callbacks: which handler gets a message, what else is reported, and what is allowed
 * inside.
 */
#include "support/client_rig.h"

static void messages_reach_their_handlers(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a/+", 1, cr_handler, rig), 1);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a/b", 1, cr_other_handler, rig), 2);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "own", 1, NULL, NULL), 3);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "x", 3, cr_handler, rig),
                   IK_EINVALID_ARGUMENT);
  cr_settle(rig);
  fake_forget(&rig->wire);
  SAY(rig, "\x32\x07\x00\x03"
           "a/b\x00\x09\x30\x05\x00\x03"
           "a/c\x30\x05\x00\x03own\x30\x04\x00\x02"
           "zz");
  cr_settle(rig);
  assert_int_equal(rig->messages, 102);
  cr_assert_reported(rig, "message:own message:zz ");
  ASSERT_WRITTEN(rig, "\x40\x02\x00\x09");
  cr_free(rig);
}

static void unsubscribe_self(struct client_rig *rig, const struct iotkit_mqtt_message *message) {
  (void)message;
  assert_true(iotkit_mqtt_unsubscribe(rig->client, "a", cr_handler, rig) > 0);
  assert_int_equal(iotkit_mqtt_unsubscribe(rig->client, "+", cr_other_handler, rig) > 0, 1);
}

/*
 * A handler may remove itself and others that the same message was meant for: those are not called
 * any more.
 */
static void unsubscribing_in_a_handler(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig);
  iotkit_mqtt_subscribe(rig->client, "+", 0, cr_other_handler, rig);
  cr_settle(rig);
  rig->on_message = unsubscribe_self;
  SAY(rig, "\x30\x03\x00\x01"
           "a\x30\x03\x00\x01"
           "a");
  cr_settle(rig);
  assert_int_equal(rig->messages, 1);
  cr_assert_reported(rig, "message:a ");
  cr_free(rig);
}

static void try_the_forbidden(struct client_rig *rig, const struct iotkit_mqtt_message *message) {
  (void)message;
  assert_int_equal(iotkit_mqtt_step(rig->client, rig->now), IK_EIN_CALLBACK);
  assert_int_equal(iotkit_mqtt_yield(rig->client, 10), IK_EIN_CALLBACK);
  assert_int_equal(iotkit_mqtt_free(rig->client), IK_EIN_CALLBACK);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_true(iotkit_mqtt_subscribe(rig->client, "b", 0, cr_handler, rig) > 0);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CONNECTED);
  (void)iotkit_mqtt_deadline(rig->client);
  (void)iotkit_mqtt_fd(rig->client);
  iotkit_mqtt_set_waker(rig->client, NULL, NULL);
  assert_int_equal(iotkit_mqtt_stop(rig->client), 0);
}

static void everything_else_in_a_callback(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  rig->on_message = try_the_forbidden;
  iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig);
  cr_settle(rig);
  fake_forget(&rig->wire);
  SAY(rig, "\x30\x03\x00\x01"
           "a");
  cr_settle(rig);
  assert_int_equal(rig->messages, 1);
  SAY(rig, "\x90\x03\x00\x01\x00\x90\x03\x00\x02\x00");
  cr_settle(rig);
  rig->wire.read_error = 0;
  cr_settle(rig);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CLOSED);
  const size_t len = ik_buf_size(&rig->wire.from_client);
  assert_memory_equal(ik_buf_ptr(&rig->wire.from_client) + len - 2, "\xe0\x00", 2);
  cr_free(rig);
}

static void stop_on_report(struct client_rig *rig, const struct iotkit_mqtt_event *event) {
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->state != IOTKIT_MQTT_CLOSED)
    iotkit_mqtt_stop(rig->client);
}

static void stopping_in_an_event(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  rig->on_report = stop_on_report;
  iotkit_mqtt_start(rig->client);
  cr_settle(rig);
  cr_settle(rig);
  cr_assert_reported(rig, "connecting closed ");
  cr_free(rig);
}

static void too_large_messages_are_reported(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.max_packet = 200});
  cr_go_up(rig);
  char bytes[303] = "\x32\xac\x02\x00\x01t\x00\x05";
  cr_say(rig, bytes, sizeof(bytes));
  cr_settle(rig);
  cr_assert_reported(rig, "skipped:-1302 ");
  ASSERT_WRITTEN(rig, "\x40\x02\x00\x05");
  cr_free(rig);
}

/* ---- a handler on another thread ---- */

struct pair {
  struct client_rig *rig;
  struct ik_mutex *mutex;
  struct ik_cond *cond;
  bool inside;   /* a handler runs */
  bool released; /* it may end */
  bool ended;
  int step_rc;
};

static void await_flag(struct pair *pair, const bool *flag) {
  ik_mutex_lock(pair->mutex);
  while (!*flag)
    ik_cond_wait(pair->cond, pair->mutex, UINT64_MAX);
  ik_mutex_unlock(pair->mutex);
}

static void set_flag(struct pair *pair, bool *flag) {
  ik_mutex_lock(pair->mutex);
  *flag = true;
  ik_cond_broadcast(pair->cond);
  ik_mutex_unlock(pair->mutex);
}

static void slow_handler(void *ctx, iotkit_mqtt_t *client,
                         const struct iotkit_mqtt_message *message) {
  struct pair *pair = ctx;
  (void)client;
  (void)message;
  set_flag(pair, &pair->inside);
  await_flag(pair, &pair->released);
  set_flag(pair, &pair->ended);
}

static void run_step(void *arg) {
  struct pair *pair = arg;
  pair->step_rc = iotkit_mqtt_step(pair->rig->client, T0);
}

static void release(void *arg) {
  struct pair *pair = arg;
  set_flag(pair, &pair->released);
}

/*
 * Another thread drives and is inside a handler: stepping and freeing are refused, unsubscribing
 * waits for its end.
 */
static void unsubscribe_waits_for_a_running_handler(void **state) {
  (void)state;
  struct pair pair = {.rig = cr_new(NULL), .mutex = ik_mutex_new(), .cond = ik_cond_new()};
  iotkit_thread_t *driver, *releaser;
  cr_go_up(pair.rig);
  iotkit_mqtt_subscribe(pair.rig->client, "a", 0, slow_handler, &pair);
  cr_settle(pair.rig);
  SAY(pair.rig, "\x30\x03\x00\x01"
                "a");
  assert_int_equal(iotkit_thread_start(&driver, "driver", 0, run_step, &pair), 0);
  await_flag(&pair, &pair.inside);
  assert_int_equal(iotkit_mqtt_step(pair.rig->client, T0), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_yield(pair.rig->client, 0), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_free(pair.rig->client), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_publish(pair.rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(iotkit_thread_start(&releaser, "releaser", 0, release, &pair), 0);
  assert_true(iotkit_mqtt_unsubscribe(pair.rig->client, "a", slow_handler, &pair) > 0);
  assert_true(pair.ended);
  iotkit_thread_join(releaser);
  iotkit_thread_join(driver);
  assert_int_equal(pair.step_rc, 0);
  ik_cond_free(pair.cond);
  ik_mutex_free(pair.mutex);
  cr_free(pair.rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_reach_their_handlers),
      cmocka_unit_test(unsubscribing_in_a_handler),
      cmocka_unit_test(everything_else_in_a_callback),
      cmocka_unit_test(stopping_in_an_event),
      cmocka_unit_test(too_large_messages_are_reported),
      cmocka_unit_test(unsubscribe_waits_for_a_running_handler),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
