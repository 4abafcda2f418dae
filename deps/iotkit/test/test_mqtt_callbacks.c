/*
 * test_mqtt_callbacks.c - the client: handlers, work per step, waking, threads, the blocking face.
 */
#include <stdlib.h>
#include <string.h>

#include "support/client_rig.h"

/* ---- messages and handlers ---- */

static void messages_reach_their_handlers(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a/+", 1, cr_handler, rig), 1);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a/b", 1, cr_other_handler, rig), 2);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "own", 1, NULL, NULL), 3);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "x", 2, cr_handler, rig), IK_EUNSUPPORTED);
  cr_settle(rig);
  fake_forget(&rig->wire);
  SAY(rig, "\x32\x07\x00\x03"
           "a/b\x00\x09\x30\x05\x00\x03"
           "a/c\x30\x05\x00\x03own\x30\x04\x00\x02"
           "zz");
  cr_settle(rig);
  assert_int_equal(rig->messages, 102);
  cr_assert_told(rig, "message:own message:zz ");
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
  cr_assert_told(rig, "message:a ");
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
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CLOSED);
  const size_t len = ik_buf_size(&rig->wire.from_client);
  assert_memory_equal(ik_buf_ptr(&rig->wire.from_client) + len - 2, "\xe0\x00", 2);
  cr_free(rig);
}

static void stop_when_told(struct client_rig *rig, const struct iotkit_mqtt_event *event) {
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->state != IOTKIT_MQTT_CLOSED)
    iotkit_mqtt_stop(rig->client);
}

static void stopping_in_an_event(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  rig->on_told = stop_when_told;
  iotkit_mqtt_start(rig->client);
  cr_settle(rig);
  cr_settle(rig);
  cr_assert_told(rig, "connecting closed ");
  cr_free(rig);
}

/* ---- work per step ---- */

static void a_step_has_its_share(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig);
  cr_settle(rig);
  for (int i = 0; i < 100; i++)
    SAY(rig, "\x30\x03\x00\x01"
             "a");
  assert_int_equal(cr_step(rig), 0);
  assert_int_equal(rig->messages, 32);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  cr_settle(rig);
  assert_int_equal(rig->messages, 100);
  cr_free(rig);
}

static void pause_now(struct client_rig *rig, const struct iotkit_mqtt_message *message) {
  (void)message;
  ik_mqtt_set_paused(rig->client, true, rig->now);
}

/*
 * A pause takes effect behind the message in whose handler it was asked for, though more has been
 * read already.
 */
static void pausing(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig);
  cr_settle(rig);
  rig->on_message = pause_now;
  SAY(rig, "\x30\x03\x00\x01"
           "a\x30\x03\x00\x01"
           "a\x30\x03\x00\x01");
  cr_settle(rig);
  assert_int_equal(rig->messages, 1);
  assert_int_equal(iotkit_mqtt_interest(rig->client), 0);
  SAY(rig, "a");
  cr_settle(rig);
  assert_int_equal(rig->messages, 1);
  fake_forget(&rig->wire);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false),
                   0); /* sending goes on */
  cr_settle(rig);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx");
  rig->on_message = NULL;
  ik_mqtt_set_paused(rig->client, false, rig->now);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  cr_settle(rig);
  assert_int_equal(rig->messages, 3);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  cr_free(rig);
}

static void partial_writes(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  rig->wire.write_room = 3;
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "y", 1, 1, false), 1);
  cr_settle(rig);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ | IOTKIT_WRITE);
  while (ik_buf_size(&rig->wire.from_client) < 14) {
    rig->wire.write_room = 1;
    cr_settle(rig);
  }
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx\x32\x06\x00\x01t\x00\x01y");
  cr_free(rig);
}

static void too_large_messages_are_told(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.max_packet = 200});
  cr_go_up(rig);
  char bytes[303] = "\x32\xac\x02\x00\x01t\x00\x05";
  cr_say(rig, bytes, sizeof(bytes));
  cr_settle(rig);
  cr_assert_told(rig, "skipped:-1302 ");
  ASSERT_WRITTEN(rig, "\x40\x02\x00\x05");
  cr_free(rig);
}

static void idle_clients_are_small(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  cr_settle(rig);
  assert_null(rig->client->sending.data);
  assert_null(rig->client->input.data);
  assert_null(rig->client->session.out.data);
  assert_null(rig->client->session.reader.partial.data);
  assert_true(sizeof(*rig->client) <= 3072);
  cr_free(rig);
}

/* ---- waking ---- */

static void count_wake(void *ctx) {
  struct client_rig *rig = ctx;
  rig->wakes++;
  (void)iotkit_mqtt_get_state(rig->client); /* no lock is held: this would never return */
}

static void wakes_only_a_sleeper(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  iotkit_mqtt_set_waker(rig->client, count_wake, rig);
  cr_settle(rig); /* ends with a question for the deadline: the caller may sleep now */
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1); /* it has been woken already */
  cr_settle(rig);
  assert_int_equal(cr_step(rig), 0); /* the caller has not asked: it is awake */
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  iotkit_mqtt_set_waker(rig->client, NULL, NULL);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  cr_free(rig);
}

/* ---- threads ---- */

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
 * Another thread steps and is inside a handler: stepping and freeing are refused, unsubscribing
 * waits for its end.
 */
static void unsubscribe_waits_for_a_running_handler(void **state) {
  (void)state;
  struct pair pair = {.rig = cr_new(NULL), .mutex = ik_mutex_new(), .cond = ik_cond_new()};
  iotkit_thread_t *stepper, *releaser;
  cr_go_up(pair.rig);
  iotkit_mqtt_subscribe(pair.rig->client, "a", 0, slow_handler, &pair);
  cr_settle(pair.rig);
  SAY(pair.rig, "\x30\x03\x00\x01"
                "a");
  assert_int_equal(iotkit_thread_start(&stepper, "stepper", 0, run_step, &pair), 0);
  await_flag(&pair, &pair.inside);
  assert_int_equal(iotkit_mqtt_step(pair.rig->client, T0), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_yield(pair.rig->client, 0), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_free(pair.rig->client), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_publish(pair.rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(iotkit_thread_start(&releaser, "releaser", 0, release, &pair), 0);
  assert_true(iotkit_mqtt_unsubscribe(pair.rig->client, "a", slow_handler, &pair) > 0);
  assert_true(pair.ended);
  iotkit_thread_join(releaser);
  iotkit_thread_join(stepper);
  assert_int_equal(pair.step_rc, 0);
  ik_cond_free(pair.cond);
  ik_mutex_free(pair.mutex);
  cr_free(pair.rig);
}

#define PUBLISHERS 3
#define EACH 2000

static void publish_many(void *arg) {
  struct client_rig *rig = arg;
  for (int i = 0; i < EACH;) {
    const int rc = iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false);
    if (rc == 0)
      i++;
    else
      assert_int_equal(rc, IK_EQUEUE_FULL);
    if (i % 100 == 0) {
      assert_true(iotkit_mqtt_subscribe(rig->client, "s", 0, cr_other_handler, arg) >=
                  IK_EQUEUE_FULL);
      assert_true(iotkit_mqtt_unsubscribe(rig->client, "s", cr_other_handler, arg) >=
                  IK_EQUEUE_FULL);
    }
  }
}

/* Under TSan this is the proof; without it, that nothing is lost or torn. */
static void threads_publish_while_one_steps(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  iotkit_thread_t *threads[PUBLISHERS];
  size_t published = 0;
  cr_go_up(rig);
  for (int i = 0; i < PUBLISHERS; i++)
    assert_int_equal(iotkit_thread_start(&threads[i], "publisher", 0, publish_many, rig), 0);
  while (published < PUBLISHERS * EACH) {
    assert_int_equal(cr_step(rig), 0);
    const uint8_t *at = ik_buf_ptr(&rig->wire.from_client);
    for (size_t left = ik_buf_size(&rig->wire.from_client); left;
         left -= 2u + at[1], at += 2 + at[1]) {
      if (at[0] == 0x30)
        published++;
      else
        assert_true(at[0] == 0x82 || at[0] == 0xa2);
    }
    fake_forget(&rig->wire);
  }
  for (int i = 0; i < PUBLISHERS; i++)
    iotkit_thread_join(threads[i]);
  assert_int_equal(published, PUBLISHERS * EACH);
  cr_free(rig);
}

/* ---- blocking face ---- */

/* Not before the other thread is about to sleep. */
static void interrupt(void *arg) {
  iotkit_mqtt_t *client = arg;
  bool sleeps = false;
  while (!sleeps) {
    ik_mutex_lock(client->mutex);
    sleeps = client->armed;
    ik_mutex_unlock(client->mutex);
  }
  iotkit_mqtt_interrupt(client);
}

static void yield_can_be_interrupted(void **state) {
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
static void yield_wakes_for_other_threads(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  iotkit_thread_t *thread;
  rig->wire.dial_error = IK_ERESOLVE;
  assert_int_equal(iotkit_thread_start(&thread, "starter", 0, start_it, rig->client), 0);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), 0);
  cr_assert_told(rig, "connecting waiting-1101 ");
  iotkit_thread_join(thread);
  iotkit_mqtt_stop(rig->client);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), IK_ECLOSED);
  cr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_reach_their_handlers),
      cmocka_unit_test(unsubscribing_in_a_handler),
      cmocka_unit_test(everything_else_in_a_callback),
      cmocka_unit_test(stopping_in_an_event),
      cmocka_unit_test(a_step_has_its_share),
      cmocka_unit_test(pausing),
      cmocka_unit_test(partial_writes),
      cmocka_unit_test(too_large_messages_are_told),
      cmocka_unit_test(idle_clients_are_small),
      cmocka_unit_test(wakes_only_a_sleeper),
      cmocka_unit_test(unsubscribe_waits_for_a_running_handler),
      cmocka_unit_test(threads_publish_while_one_steps),
      cmocka_unit_test(yield_can_be_interrupted),
      cmocka_unit_test(yield_wakes_for_other_threads),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
