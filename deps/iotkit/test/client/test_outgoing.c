/*
 * What publish, subscribe and unsubscribe send at once: by the calling thread while nobody drives
 * the client, else by the driver.
 */
#include <stdlib.h>
#include <string.h>

#include "client/driver.h"
#include "client/outgoing.h"
#include "support/client_rig.h"
#include "support/tcp_peer.h"

/* Connected, and used through the blocking face: between two calls nobody drives it. */
static struct client_rig *undriven(const struct iotkit_mqtt_options *options) {
  struct client_rig *rig = cr_new(options);
  iotkit_mqtt_set_waker(rig->client, NULL, NULL);
  rig->now = ik_port_now_ms();
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_yield(rig->client, 0), 0);
  assert_true(rig->client->blocking);
  return rig;
}

static void they_leave_at_once(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx");
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), 1);
  ASSERT_WRITTEN(rig, "\x32\x06\x00\x01t\x00\x01x");
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig), 2);
  ASSERT_WRITTEN(rig, "\x82\x06\x00\x02\x00\x01"
                      "a\x00");
  assert_int_equal(iotkit_mqtt_unsubscribe(rig->client, "a", cr_handler, rig), 3);
  ASSERT_WRITTEN(rig, "\xa2\x05\x00\x03\x00\x01"
                      "a");
  assert_int_equal(ik_mqtt_subscribe_quietly(rig->client, "b", 0, cr_handler, rig), 4);
  cr_assert_written(rig, "", 0);
  assert_int_equal(ik_mqtt_flush(rig->client), 0);
  ASSERT_WRITTEN(rig, "\x82\x06\x00\x04\x00\x01"
                      "b\x00");
  cr_free(rig);
}

/* What is listened to, the broker is asked for when that may be, and again in the next connection. */
static void the_broker_is_asked_apart(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  assert_int_equal(iotkit_mqtt_listen(rig->client, "a", cr_handler, rig), 0);
  cr_assert_written(rig, "", 0);
  assert_int_equal(iotkit_mqtt_ask(rig->client, "a", 1), 1);
  ASSERT_WRITTEN(rig, "\x82\x06\x00\x01\x00\x01"
                      "a\x01");
  assert_int_equal(iotkit_mqtt_forget(rig->client, "a"), 0);
  assert_int_equal(iotkit_mqtt_unsubscribe(rig->client, "a", cr_handler, rig), 0);
  cr_assert_written(rig, "", 0);
  assert_int_equal(iotkit_mqtt_forget(rig->client, "a"), 2);
  ASSERT_WRITTEN(rig, "\xa2\x05\x00\x02\x00\x01"
                      "a");
  assert_int_equal(iotkit_mqtt_ask(rig->client, "a/#/b", 1), IK_EMQTT_TOPIC);
  assert_int_equal(iotkit_mqtt_listen(NULL, "a", cr_handler, rig), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_ask(rig->client, NULL, 0), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_forget(NULL, "a"), IK_EINVALID_ARGUMENT);
  cr_free(rig);
}

/* Who steps without a waker is not told: the call writes, and the deadlines keep the step's clock. */
static void the_clock_is_the_steps(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.keep_alive_s = 1000});
  iotkit_mqtt_set_waker(rig->client, NULL, NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx");
  assert_true(iotkit_mqtt_deadline(rig->client) >= T0 + 950000);
  assert_true(iotkit_mqtt_deadline(rig->client) < T0 + 950000 + TEST_LIMIT_MS);
  cr_free(rig);
}

/* What arrives meanwhile is for the next yield: no callback runs in a call that sends. */
static void no_callback_runs(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig), 1);
  SAY(rig, "\x90\x03\x00\x01\x00\x30\x03\x00\x01"
           "a");
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(ik_buf_size(&rig->wire.to_client), 0); /* read, not handled */
  cr_assert_reported(rig, "");
  assert_int_equal(rig->messages, 0);
  assert_int_equal(iotkit_mqtt_yield(rig->client, TEST_LIMIT_MS), 0);
  cr_assert_reported(rig, "subscribed:1:0 ");
  assert_int_equal(rig->messages, 1);
  cr_free(rig);
}

/* Two thousand in a row, more than the queue holds, without a step or a yield. */
static void the_queue_is_not_the_limit(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  static const char kilobyte[1000];
  for (int i = 0; i < 2000; i++)
    assert_int_equal(iotkit_mqtt_publish(rig->client, "/t", kilobyte, 1000, 0, false), 0);
  assert_int_equal(ik_buf_size(&rig->wire.from_client), 2000 * 1007);
  cr_free(rig);
}

/* When the socket is full the queue fills up; when it takes again, so does publish. */
static void a_full_queue_tries_the_socket_first(void **state) {
  (void)state;
  struct client_rig *rig = undriven(&(struct iotkit_mqtt_options){.max_queue = 2000});
  static const char kilobyte[1000];
  rig->wire.write_room = 10;
  assert_int_equal(iotkit_mqtt_publish(rig->client, "/t", kilobyte, 900, 0, false), 0);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "/t", kilobyte, 900, 0, false), 0);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "/t", kilobyte, 900, 0, false), IK_EQUEUE_FULL);
  rig->wire.write_room = SIZE_MAX;
  assert_int_equal(iotkit_mqtt_publish(rig->client, "/t", kilobyte, 900, 0, false), 0);
  assert_int_equal(ik_buf_size(&rig->wire.from_client), 3 * 907);
  cr_free(rig);
}

/* ---- a broken connection ---- */

static void expect_dead(struct client_rig *rig) {
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), IK_ENOT_CONNECTED);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_WAITING);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), IK_ENOT_CONNECTED);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "y", 1, 1, false), 1);
  cr_assert_reported(rig, "");
}

static void a_broken_connection_is_noticed(void **state) {
  (void)state;
  for (int reads = 0; reads < 2; reads++) {
    struct client_rig *rig = undriven(NULL);
    if (reads)
      rig->wire.read_error = 0; /* the broker has ended it */
    else
      rig->wire.write_error = IK_ECONNECTION_RESET;
    expect_dead(rig);
    assert_int_equal(iotkit_mqtt_yield(rig->client, TEST_LIMIT_MS), 0);
    cr_assert_reported(rig, reads ? "waiting-1104 " : "waiting-1103 ");
    rig->wire.read_error = IK_EAGAIN;
    rig->wire.write_error = 0;
    cr_free(rig);
  }
}

/* What the broker said before it ended the connection still counts. */
static void the_last_words_are_heard(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig), 1);
  for (int i = 0; i < 100; i++) /* more than the share of one step */
    SAY(rig, "\x30\x03\x00\x01"
             "a");
  rig->wire.read_error = 0;
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), IK_ENOT_CONNECTED);
  assert_int_equal(rig->messages, 0);
  while (!rig->reported[0])
    assert_int_equal(iotkit_mqtt_yield(rig->client, TEST_LIMIT_MS), 0);
  assert_int_equal(rig->messages, 100);
  cr_assert_reported(rig, "waiting-1104 ");
  rig->wire.read_error = IK_EAGAIN;
  cr_free(rig);
}

/* ---- while somebody drives ---- */

static void publish_one(void *arg) {
  assert_int_equal(iotkit_mqtt_publish(arg, "t", "x", 1, 0, false), 0);
}

static void publish_and_look(struct client_rig *rig, const struct iotkit_mqtt_message *message) {
  iotkit_thread_t *thread;
  (void)message;
  publish_one(rig->client);
  assert_int_equal(iotkit_thread_start(&thread, "other", 0, publish_one, rig->client), 0);
  iotkit_thread_join(thread);
  cr_assert_written(rig, "", 0); /* the driver writes, when its step ends */
}

static void a_callback_leaves_it_to_the_driver(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig), 1);
  fake_forget(&rig->wire);
  rig->on_message = publish_and_look;
  SAY(rig, "\x30\x03\x00\x01"
           "a");
  assert_int_equal(iotkit_mqtt_yield(rig->client, TEST_LIMIT_MS), 0);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx\x30\x04\x00\x01tx");
  cr_free(rig);
}

/* Queued after the driver's last write: it writes once more before it leaves. */
static void a_leaving_driver_forgets_nothing(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  iotkit_thread_t *thread;
  assert_int_equal(ik_mqtt_enter(rig->client, true), 0);
  assert_int_equal(iotkit_thread_start(&thread, "other", 0, publish_one, rig->client), 0);
  iotkit_thread_join(thread);
  cr_assert_written(rig, "", 0);
  ik_mqtt_leave(rig->client);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx");
  cr_free(rig);
}

static void pause_at_a_message(struct client_rig *rig, const struct iotkit_mqtt_event *event) {
  if (event->type == IOTKIT_MQTT_EVENT_MESSAGE) ik_mqtt_set_paused(rig->client, true, rig->now);
}

/* What it may not take in keeps it neither connected nor busy. */
static void a_broken_connection_of_a_paused_client_ends(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  rig->on_report = pause_at_a_message;
  SAY(rig, "\x30\x04\x00\x01tx\x30\x04\x00\x01ty");
  assert_int_equal(cr_step(rig), 0);
  rig->wire.write_error = IK_ECONNECTION_RESET;
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), IK_ENOT_CONNECTED);
  rig->reported[0] = '\0';
  assert_int_equal(cr_step(rig), 0);
  assert_string_equal(rig->reported, "waiting-1103 ");
  assert_true(iotkit_mqtt_deadline(rig->client) > rig->now);
  cr_free(rig);
}

/* Nobody will ask the broker to forget it, and nothing is kept for that. */
static void a_closed_client_keeps_no_request(void **state) {
  (void)state;
  const struct iotkit_mqtt_options options = {.persistent_session = true, .no_reconnect = true};
  struct client_rig *rig = cr_new(&options);
  cr_go_up(rig);
  assert_true(iotkit_mqtt_subscribe(rig->client, "t", 1, cr_handler, rig) > 0);
  cr_settle(rig);
  rig->wire.read_error = 0; /* the end */
  cr_settle(rig);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CLOSED);
  assert_int_equal(iotkit_mqtt_unsubscribe(rig->client, "t", cr_handler, rig), 0);
  assert_int_equal(rig->client->session.ids.count, 0);
  cr_free(rig);
}

#define THREADS 3
#define EACH 2000

static void publish_many(void *arg) {
  for (int i = 0; i < EACH; i++)
    assert_int_equal(iotkit_mqtt_publish(arg, "t", "x", 1, 0, false), 0);
}

/* Several threads publish while one yields now and then: each packet goes out whole, once. */
static void threads_share_the_socket(void **state) {
  (void)state;
  struct client_rig *rig = undriven(NULL);
  iotkit_thread_t *threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(iotkit_thread_start(&threads[i], "publisher", 0, publish_many, rig->client),
                     0);
  for (int i = 0; i < EACH; i++)
    assert_int_equal(iotkit_mqtt_yield(rig->client, 0), 0);
  for (int i = 0; i < THREADS; i++)
    iotkit_thread_join(threads[i]);
  assert_int_equal(ik_buf_size(&rig->wire.from_client), THREADS * EACH * 6);
  for (size_t i = 0; i < THREADS * EACH; i++)
    assert_memory_equal(ik_buf_ptr(&rig->wire.from_client) + i * 6, "\x30\x04\x00\x01tx", 6);
  cr_free(rig);
}

static void calls_without_a_client_or_a_topic(void **state) {
  struct client_rig *rig = undriven(NULL);
  (void)state;
  assert_int_equal(iotkit_mqtt_publish(NULL, "t", "x", 1, 0, false), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_publish(rig->client, NULL, "x", 1, 0, false), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", NULL, 1, 0, false), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", NULL, 0, 0, false), 0); /* no bytes */
  assert_int_equal(iotkit_mqtt_subscribe(NULL, "t", 0, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, NULL, 0, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_unsubscribe(NULL, "t", NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_unsubscribe(rig->client, NULL, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_start(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_stop(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_get_state(NULL), IOTKIT_MQTT_CLOSED);
  assert_int_equal(iotkit_mqtt_fd(NULL), -1);
  assert_int_equal(iotkit_mqtt_interest(NULL), 0);
  assert_true(iotkit_mqtt_deadline(NULL) == UINT64_MAX);
  iotkit_mqtt_interrupt(NULL);
  iotkit_mqtt_set_waker(NULL, NULL, NULL);
  cr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(they_leave_at_once),
      cmocka_unit_test(the_broker_is_asked_apart),
      cmocka_unit_test(the_clock_is_the_steps),
      cmocka_unit_test(no_callback_runs),
      cmocka_unit_test(the_queue_is_not_the_limit),
      cmocka_unit_test(a_full_queue_tries_the_socket_first),
      cmocka_unit_test(a_broken_connection_is_noticed),
      cmocka_unit_test(the_last_words_are_heard),
      cmocka_unit_test(a_callback_leaves_it_to_the_driver),
      cmocka_unit_test(a_leaving_driver_forgets_nothing),
      cmocka_unit_test(a_broken_connection_of_a_paused_client_ends),
      cmocka_unit_test(a_closed_client_keeps_no_request),
      cmocka_unit_test(threads_share_the_socket),
      cmocka_unit_test(calls_without_a_client_or_a_topic),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
