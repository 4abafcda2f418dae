/*
 * One client at a time has an identity at a broker: a second is refused at its start, or waits for
 * the end of one that was stopped.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/fake_stream.h"

#define T0 1000000u

struct one {
  struct fake_wire wire;
  iotkit_mqtt_t *client;
  int error; /* of the last change of state */
};

static char logged[4096];

static void keep_log(void *ctx, int level, const char *text) {
  (void)ctx;
  const size_t len = strlen(logged);
  snprintf(logged + len, sizeof(logged) - len, "%d %s\n", level, text);
}

static int setup(void **state) {
  (void)state;
  logged[0] = '\0';
  iotkit_log_set(IOTKIT_LOG_WARNING, keep_log, NULL);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return 0;
}

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_STATE) ((struct one *)ctx)->error = event->error;
}

struct identity {
  const char *host;
  uint16_t port;
  const char *client_id;
  const char *username;
};

static void make(struct one *one, const struct identity *of) {
  fake_wire_init(&one->wire);
  one->error = 0;
  const struct iotkit_mqtt_options options = {.host = of->host,
                                              .port = of->port,
                                              .client_id = of->client_id,
                                              .username = of->username,
                                              .connect_timeout_ms = 5000,
                                              .on_event = on_event,
                                              .ctx = one};
  assert_int_equal(ik_mqtt_new_over(&options, fake_dial, &one->wire, &one->client, NULL), 0);
}

static void end(struct one *one) {
  assert_int_equal(iotkit_mqtt_free(one->client), 0);
  fake_wire_free(&one->wire);
}

static void settle(struct one *one, uint64_t now_ms) {
  do {
    (void)iotkit_mqtt_step(one->client, now_ms);
  } while (iotkit_mqtt_deadline(one->client) == 0);
}

static void go_up(struct one *one) {
  assert_int_equal(iotkit_mqtt_start(one->client), 0);
  settle(one, T0);
  fake_say(&one->wire, "\x20\x02\x00\x00", 4);
  settle(one, T0);
  assert_int_equal(iotkit_mqtt_get_state(one->client), IOTKIT_MQTT_CONNECTED);
}

#define LAMP "pk.lamp|securemode=2,timestamp=1|"
#define LAMP_LATER "pk.lamp|securemode=2,timestamp=2|"
#define OTHER_BASE "other|securemode=2|"
static const struct identity plain = {"broker", 1883, "c", NULL};
static const struct identity lamp = {"broker", 1883, LAMP, "lamp&pk"};

static void is_refused_while_another_has_it(void **state) {
  (void)state;
  static const struct {
    struct identity first;
    struct identity second;
  } pairs[] = {
      {{"broker", 1883, "c", NULL}, {"broker", 1883, "c", NULL}},
      {{"broker", 1883, "c", "one"}, {"broker", 1883, "c", "two"}},
      {{"broker", 1883, "c", NULL}, {"BROKER.", 1883, "c", NULL}},
      {{"::1", 1, "c", NULL}, {"::1", 1, "c", NULL}},
      {{"broker", 1883, LAMP, "lamp&pk"}, {"broker", 1883, LAMP, "lamp&pk"}},
      {{"broker", 1883, LAMP, "lamp&pk"}, {"broker", 1883, LAMP_LATER, "lamp&pk"}},
      {{"broker", 1883, LAMP, "lamp&pk"}, {"broker", 1883, OTHER_BASE, "lamp&pk"}},
      {{"broker", 1883, LAMP, "lamp&pk"}, {"broker", 1883, LAMP, NULL}},
      {{"broker", 1883, LAMP, NULL}, {"broker", 1883, LAMP, "lamp&pk"}},
      {{"broker", 1883, LAMP, NULL}, {"broker", 1883, LAMP, NULL}},
  };
  for (size_t i = 0; i < COUNT(pairs); i++) {
    struct one first, second;
    logged[0] = '\0';
    make(&first, &pairs[i].first);
    make(&second, &pairs[i].second);
    go_up(&first);
    assert_int_equal(iotkit_mqtt_start(second.client), IK_EMQTT_IN_USE);
    assert_int_equal(iotkit_mqtt_get_state(second.client), IOTKIT_MQTT_IDLE);
    assert_non_null(strstr(logged, pairs[i].first.client_id));
    assert_non_null(strstr(logged, pairs[i].second.client_id));
    assert_non_null(strstr(logged, "same identity"));
    settle(&second, T0);
    assert_int_equal(second.wire.dials, 0);
    assert_int_equal(iotkit_mqtt_get_state(first.client), IOTKIT_MQTT_CONNECTED);
    end(&first);
    /* Now it may: it was not started, and nothing of the refusal is left. */
    assert_int_equal(iotkit_mqtt_start(second.client), 0);
    settle(&second, T0);
    assert_int_equal(second.wire.dials, 1);
    end(&second);
  }
}

static void others_are_not_in_the_way(void **state) {
  (void)state;
  static const struct {
    struct identity first;
    struct identity second;
    bool warned;
  } pairs[] = {
      {{"broker", 1883, "c", NULL}, {"broker", 1883, "d", NULL}, false},
      {{"broker", 1883, "c", NULL}, {"roker", 1883, "c", NULL}, false},
      {{"broker", 1883, "", NULL}, {"broker", 1883, "", NULL}, false},
      {{"broker", 1883, LAMP, "lamp&pk"}, {"broker", 1883, "agent|a=b|", "fan&pk"}, false},
      {{"broker", 1883, "agent|a=b|", "lamp&pk"}, {"broker", 1883, "agent|a=b|", "fan&pk"}, false},
      {{"broker", 1883, ".|securemode=2|", "&"}, {"broker", 1883, ".|securemode=2|", "&"}, false},
      {{"broker", 1883, "c", NULL}, {"broker", 8883, "c", NULL}, true},
      {{"broker", 1883, LAMP, "lamp&pk"}, {"broker", 443, LAMP, "lamp&pk"}, true},
  };
  for (size_t i = 0; i < COUNT(pairs); i++) {
    struct one first, second;
    logged[0] = '\0';
    make(&first, &pairs[i].first);
    make(&second, &pairs[i].second);
    go_up(&first);
    go_up(&second);
    if ((strstr(logged, "the same device") != NULL) != pairs[i].warned)
      fail_msg("pair %zu: \"%s\"", i, logged);
    end(&second);
    end(&first);
  }
}

/* A client that was made, or has ended, holds nothing; one in its back-off does. */
static void is_held_from_start_to_end(void **state) {
  (void)state;
  struct one first, second;
  make(&first, &plain);
  make(&second, &plain);
  go_up(&second); /* `first` was not started */
  assert_int_equal(iotkit_mqtt_start(second.client), IK_EINVALID_STATE);
  second.wire.read_error = IK_ECONNECTION_RESET;
  settle(&second, T0);
  assert_int_equal(iotkit_mqtt_get_state(second.client), IOTKIT_MQTT_WAITING);
  assert_int_equal(iotkit_mqtt_start(first.client), IK_EMQTT_IN_USE);
  iotkit_mqtt_stop(second.client);
  settle(&second, T0);
  assert_int_equal(iotkit_mqtt_get_state(second.client), IOTKIT_MQTT_CLOSED);
  go_up(&first);
  assert_int_equal(iotkit_mqtt_start(second.client), IK_EINVALID_STATE);
  end(&second); /* takes nothing away from `first` */
  make(&second, &plain);
  assert_int_equal(iotkit_mqtt_start(second.client), IK_EMQTT_IN_USE);
  end(&second);
  end(&first);
}

static void count_wake(void *ctx) {
  ++*(unsigned *)ctx;
}

static void waits_for_one_that_was_stopped(void **state) {
  (void)state;
  struct one first, second, third;
  unsigned wakes = 0;
  make(&first, &lamp);
  make(&second, &lamp);
  make(&third, &lamp);
  iotkit_mqtt_set_waker(second.client, count_wake, &wakes);
  go_up(&first);
  assert_int_equal(iotkit_mqtt_stop(first.client), 0);
  assert_int_equal(iotkit_mqtt_start(second.client), 0);
  settle(&second, T0);
  assert_int_equal(iotkit_mqtt_get_state(second.client), IOTKIT_MQTT_CONNECTING);
  assert_int_equal(second.wire.dials, 0);
  assert_true(iotkit_mqtt_deadline(second.client) == T0 + 5000);
  assert_int_equal(iotkit_mqtt_start(third.client), IK_EMQTT_IN_USE); /* one waits already */
  settle(&first, T0);                                                 /* DISCONNECT is on its way */
  assert_int_equal(wakes, 0);
  first.wire.read_error = 0;
  settle(&first, T0 + 2000);
  assert_int_equal(iotkit_mqtt_get_state(first.client), IOTKIT_MQTT_CLOSED);
  assert_int_equal(wakes, 1);
  assert_true(iotkit_mqtt_deadline(second.client) == 0);
  settle(&second, T0 + 2000);
  assert_int_equal(second.wire.dials, 1);
  end(&third);
  end(&second);
  end(&first);
}

static void does_not_wait_for_ever(void **state) {
  (void)state;
  struct one first, second;
  make(&first, &plain);
  make(&second, &plain);
  go_up(&first);
  iotkit_mqtt_stop(first.client); /* and nobody steps it */
  assert_int_equal(iotkit_mqtt_start(second.client), 0);
  settle(&second, T0);
  settle(&second, T0 + 4999);
  assert_int_equal(iotkit_mqtt_get_state(second.client), IOTKIT_MQTT_CONNECTING);
  settle(&second, T0 + 5000);
  assert_int_equal(iotkit_mqtt_get_state(second.client), IOTKIT_MQTT_WAITING);
  assert_int_equal(second.error, IK_EMQTT_IN_USE);
  assert_int_equal(second.wire.dials, 0);
  const uint64_t retry_ms = iotkit_mqtt_deadline(second.client);
  end(&first);
  settle(&second, retry_ms);
  assert_int_equal(second.wire.dials, 1);
  end(&second);
}

static void one_that_waits_may_be_stopped(void **state) {
  (void)state;
  struct one first, second;
  make(&first, &plain);
  make(&second, &plain);
  go_up(&first);
  iotkit_mqtt_stop(first.client);
  assert_int_equal(iotkit_mqtt_start(second.client), 0);
  settle(&second, T0);
  iotkit_mqtt_stop(second.client);
  settle(&second, T0);
  assert_int_equal(iotkit_mqtt_get_state(second.client), IOTKIT_MQTT_CLOSED);
  assert_int_equal(second.error, 0);
  end(&second);
  end(&first);
}

/* ---- threads: whoever ends wakes whoever waits, which may be freed meanwhile ---- */

#define ROUNDS 60
#define THREADS 3

static atomic_uint started;

static void start_and_free(void *arg) {
  const struct identity *of = arg;
  for (int i = 0; i < ROUNDS; i++) {
    struct one one;
    make(&one, of);
    if (iotkit_mqtt_start(one.client) == 0) {
      atomic_fetch_add(&started, 1);
      settle(&one, T0);
      iotkit_mqtt_stop(one.client);
      if (i % 2) settle(&one, T0);
    }
    end(&one);
  }
}

static void any_thread_may_start_stop_and_free(void **state) {
  (void)state;
  iotkit_thread_t *threads[THREADS];
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  for (size_t i = 0; i < THREADS; i++)
    assert_int_equal(
        iotkit_thread_start(&threads[i], NULL, 0, start_and_free, (void *)(uintptr_t)&plain), 0);
  for (size_t i = 0; i < THREADS; i++)
    iotkit_thread_join(threads[i]);
  assert_true(atomic_load(&started) > 0); /* how many is up to whom the processors run */
  struct one last;
  make(&last, &plain);
  go_up(&last); /* nothing is left behind */
  end(&last);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(is_refused_while_another_has_it),
      TEST(others_are_not_in_the_way),
      TEST(is_held_from_start_to_end),
      TEST(waits_for_one_that_was_stopped),
      TEST(does_not_wait_for_ever),
      TEST(one_that_waits_may_be_stopped),
      TEST(any_thread_may_start_stop_and_free),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
