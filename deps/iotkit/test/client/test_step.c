/*
 * What the driver thread does, over a stream in memory and a fake clock: connecting, back-off,
 * stopping, and how much one step does.
 */
#include <stdlib.h>
#include <string.h>

#include "support/client_rig.h"

/* ---- connecting ---- */

static void connects(void **state) {
  (void)state;
  struct client_rig *rig =
      cr_new(&(struct iotkit_mqtt_options){.username = "u", .password = "p", .keep_alive_s = 60});
  assert_true(iotkit_mqtt_deadline(rig->client) == UINT64_MAX);
  assert_int_equal(cr_step(rig), 0);
  cr_assert_reported(rig, "");
  assert_int_equal(iotkit_mqtt_start(rig->client), 0);
  assert_int_equal(iotkit_mqtt_start(rig->client), IK_EINVALID_STATE);
  assert_true(iotkit_mqtt_deadline(rig->client) == 0);
  rig->wire.open_error = IK_EAGAIN;
  cr_settle(rig);
  cr_assert_reported(rig, "connecting ");
  assert_true(iotkit_mqtt_deadline(rig->client) == T0 + 30000);
  rig->wire.open_error = 0;
  cr_settle(rig);
  ASSERT_WRITTEN(rig, "\x10\x13\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01"
                      "c\x00\x01u\x00\x01p");
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  SAY(rig, "\x20\x02\x00\x00");
  cr_settle(rig);
  cr_assert_reported(rig, "connected ");
  assert_true(iotkit_mqtt_deadline(rig->client) == T0 + 57000);
  cr_free(rig);
}

static void does_not_wait_for_ever(void **state) {
  (void)state;
  for (int opened = 0; opened < 2; opened++) {
    struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.connect_timeout_ms = 5000});
    rig->wire.open_error = opened ? 0 : IK_EAGAIN;
    iotkit_mqtt_start(rig->client);
    cr_settle(rig);
    rig->now = T0 + 4999;
    cr_settle(rig);
    cr_assert_reported(rig, "connecting ");
    rig->now = iotkit_mqtt_deadline(rig->client);
    assert_int_equal(rig->now, T0 + 5000);
    cr_settle(rig);
    cr_assert_reported(rig, "waiting-1106 ");
    cr_free(rig);
  }
}

/*
 * Drops one after another: the waits grow, stay within their bounds, and begin anew after a stable
 * connection.
 */
static void backs_off(void **state) {
  (void)state;
  struct client_rig *rig =
      cr_new(&(struct iotkit_mqtt_options){.reconnect_min_ms = 1000, .reconnect_max_ms = 16000});
  rig->wire.dial_error = IK_ECONNECT;
  iotkit_mqtt_start(rig->client);
  uint64_t ceiling = 1000;
  for (int i = 0; i < 10; i++) {
    cr_settle(rig);
    cr_assert_reported(rig, "connecting waiting-1102 ");
    const uint64_t wait = iotkit_mqtt_deadline(rig->client) - rig->now;
    ceiling = ceiling * 2 > 16000 ? 16000 : ceiling * 2;
    assert_true(wait >= 500 && wait <= ceiling);
    rig->now += wait - 1;
    assert_int_equal(cr_step(rig), 0);
    cr_assert_reported(rig, "");
    rig->now++;
  }
  rig->wire.dial_error = 0;
  cr_go_up(rig);
  rig->now += 10000;
  rig->wire.read_error = 0;
  cr_settle(rig);
  cr_assert_reported(rig, "waiting-1104 ");
  assert_true(iotkit_mqtt_deadline(rig->client) - rig->now <= 2000);
  rig->wire.read_error = IK_EAGAIN;
  cr_free(rig);
}

/* What waiting does not mend is tried at the long end of the back-off; a broker that is busy is not. */
static void a_refusal_is_not_tried_often(void **state) {
  static const struct {
    char code;
    const char *reported;
    bool mends;
  } rows[] = {{1, "connecting waiting-1303 ", false},
              {2, "connecting waiting-1304 ", false},
              {3, "connecting waiting-1305 ", true},
              {4, "connecting waiting-1306 ", false},
              {5, "connecting waiting-1307 ", false}};
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.reconnect_max_ms = 60000});
    char connack[] = "\x20\x02\x00\x00";
    connack[3] = rows[i].code;
    iotkit_mqtt_start(rig->client);
    cr_settle(rig);
    SAY(rig, connack);
    cr_settle(rig);
    cr_assert_reported(rig, rows[i].reported);
    const uint64_t wait_ms = iotkit_mqtt_deadline(rig->client) - rig->now;
    assert_int_equal(wait_ms < 30000, rows[i].mends);
    assert_true(wait_ms <= 60000);
    cr_free(rig);
  }
}

static void no_reconnect_closes(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.no_reconnect = true});
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), 1);
  SAY(rig, "\xf0\x00");
  cr_settle(rig);
  cr_assert_reported(rig, "published:1:-1004 closed-1301 ");
  assert_true(rig->detail[0]);
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "t", 1, cr_handler, rig), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_start(rig->client), IK_EINVALID_STATE);
  assert_true(iotkit_mqtt_deadline(rig->client) == UINT64_MAX);
  cr_free(rig);
}

/* ---- stopping ---- */

static void stops_orderly(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(iotkit_mqtt_stop(rig->client), 0);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), IK_ECLOSED);
  assert_true(iotkit_mqtt_deadline(rig->client) == 0);
  cr_settle(rig);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx\xe0\x00");
  assert_true(rig->wire.finished);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), T0 + 2000);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  SAY(rig, "\xd0\x00"); /* it was on its way; what is not read would reset the stream */
  ik_mqtt_set_paused(rig->client, true, rig->now);
  cr_settle(rig);
  cr_assert_reported(rig, "");
  rig->wire.read_error = 0; /* the broker has read all, and ends it */
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  cr_assert_reported(rig, "closed ");
  cr_free(rig);
}

static void awaits_acknowledgements(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), 1);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), 2);
  iotkit_mqtt_stop(rig->client);
  cr_settle(rig);
  fake_forget(&rig->wire);
  SAY(rig, "\x40\x02\x00\x01");
  cr_settle(rig);
  cr_assert_written(rig, "", 0);
  SAY(rig, "\x40\x02\x00\x02");
  cr_settle(rig);
  ASSERT_WRITTEN(rig, "\xe0\x00");
  rig->wire.read_error = IK_ECONNECTION_RESET; /* it could have been more polite */
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  cr_assert_reported(rig, "published:1:0 published:2:0 closed ");
  cr_free(rig);
}

/* A broker that neither answers nor ends the stream: DISCONNECT in time, and no more than 2 s. */
static void a_broker_that_says_nothing_more(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), 1);
  iotkit_mqtt_stop(rig->client);
  cr_settle(rig);
  fake_forget(&rig->wire);
  rig->now = iotkit_mqtt_deadline(rig->client);
  assert_int_equal(rig->now, T0 + 1500);
  cr_settle(rig);
  ASSERT_WRITTEN(rig, "\xe0\x00");
  assert_true(rig->wire.finished);
  cr_assert_reported(rig, "");
  rig->now = iotkit_mqtt_deadline(rig->client);
  assert_int_equal(rig->now, T0 + 2000);
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  cr_assert_reported(rig, "published:1:-1004 closed ");
  cr_free(rig);
}

static void stops_in_two_seconds_at_most(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  rig->wire.write_room = 0;
  iotkit_mqtt_stop(rig->client);
  cr_settle(rig);
  cr_assert_reported(rig, "");
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ | IOTKIT_WRITE);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), T0 + 2000);
  rig->now = T0 + 2000;
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  cr_assert_reported(rig, "closed ");
  cr_free(rig);
}

static void stops_from_every_state(void **state) {
  (void)state;
  for (int at = 0; at < 4; at++) {
    struct client_rig *rig = cr_new(NULL);
    if (at == 1) rig->wire.open_error = IK_EAGAIN;
    if (at == 3) rig->wire.dial_error = IK_ERESOLVE;
    if (at > 0) iotkit_mqtt_start(rig->client);
    cr_settle(rig);
    iotkit_mqtt_stop(rig->client);
    rig->wire.read_error = 0;
    assert_int_equal(cr_step(rig), IK_ECLOSED);
    assert_non_null(strstr(rig->reported, "closed "));
    cr_free(rig);
  }
}

static void stop_when_dropped(struct client_rig *rig, const struct iotkit_mqtt_event *event) {
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->state == IOTKIT_MQTT_WAITING)
    iotkit_mqtt_stop(rig->client);
}

/* A stop in the last callback of a step makes the next step due, though it wakes nobody. */
static void a_stop_in_the_last_callback_is_due(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  rig->wire.dial_error = IK_ECONNECT;
  rig->on_report = stop_when_dropped;
  iotkit_mqtt_start(rig->client);
  assert_int_equal(cr_step(rig), 0);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  assert_int_equal(cr_step(rig), IK_ECLOSED);
  cr_assert_reported(rig, "connecting waiting-1102 closed ");
  cr_free(rig);
}

/* A program that was busy for long: the answers are there, it has only not read them. */
static void what_has_arrived_is_not_late(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(&(struct iotkit_mqtt_options){.keep_alive_s = 60});
  cr_go_up(rig);
  rig->now = T0 + 57000;
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig), 1);
  cr_settle(rig);
  rig->now = T0 + 2 * 57000;
  cr_settle(rig); /* PINGREQ; the SUBSCRIBE is overdue by now */
  cr_assert_reported(rig, "subscribed:1:-1009 ");
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "b", 0, cr_handler, rig), 2);
  cr_settle(rig);
  SAY(rig, "\xd0\x00\x90\x03\x00\x02\x00");
  rig->now += 50000;
  cr_settle(rig);
  cr_assert_reported(rig, "subscribed:2:0 ");
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CONNECTED);
  cr_free(rig);
}

/* ---- work per step ---- */

static void a_step_has_its_share(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a", 0, cr_handler, rig);
  cr_settle(rig);
  for (int i = 0; i < 300; i++)
    SAY(rig, "\x30\x03\x00\x01"
             "a");
  assert_int_equal(cr_step(rig), 0);
  assert_int_equal(rig->messages, 128);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  cr_settle(rig);
  assert_int_equal(rig->messages, 300);
  cr_free(rig);
}

#define FLOOD 200000 /* bytes */

/* Says one packet over and over; returns how much of it one step takes from the socket. */
static size_t taken_of_a_flood(struct client_rig *rig, const char *packet, size_t len) {
  for (size_t at = 0; at < FLOOD; at += len)
    cr_say(rig, packet, len);
  size_t before = ik_buf_size(&rig->wire.to_client);
  assert_int_equal(cr_step(rig), 0);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CONNECTED);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0); /* there is more */
  return before - ik_buf_size(&rig->wire.to_client);
}

/* Packets that mean nothing: a pong nobody asked for, acknowledgements of nothing. */
static void a_step_takes_a_share_of_what_means_nothing(void **state) {
  (void)state;
  static const char *const packets[] = {"\xd0\x00\x00\x00", "\x40\x02\x00\x09", "\x70\x02\x00\x09",
                                        "\x62\x02\x00\x09"};
  for (size_t i = 0; i < COUNT(packets); i++) {
    struct client_rig *rig = cr_new(NULL);
    cr_go_up(rig);
    size_t taken = taken_of_a_flood(rig, packets[i], i == 0 ? 2 : 4);
    assert_true(taken > 0 && taken <= 65536);
    cr_free(rig);
  }
}

/* Each read may cost more than it brings. */
static void a_step_makes_few_reads(void **state) {
  (void)state;
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  rig->wire.read_piece = 1;
  size_t taken = taken_of_a_flood(rig, "\xd0\x00", 2);
  assert_true(taken > 0 && taken <= 16);
  cr_free(rig);
}

static void pause_now(struct client_rig *rig, const struct iotkit_mqtt_message *message) {
  (void)message;
  ik_mqtt_set_paused(rig->client, true, rig->now);
}

/*
 * A pause takes effect after the message in whose handler it was asked for, though more has been
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(connects),
      cmocka_unit_test(does_not_wait_for_ever),
      cmocka_unit_test(backs_off),
      cmocka_unit_test(a_refusal_is_not_tried_often),
      cmocka_unit_test(no_reconnect_closes),
      cmocka_unit_test(stops_orderly),
      cmocka_unit_test(awaits_acknowledgements),
      cmocka_unit_test(a_broker_that_says_nothing_more),
      cmocka_unit_test(stops_in_two_seconds_at_most),
      cmocka_unit_test(stops_from_every_state),
      cmocka_unit_test(a_stop_in_the_last_callback_is_due),
      cmocka_unit_test(what_has_arrived_is_not_late),
      cmocka_unit_test(a_step_has_its_share),
      cmocka_unit_test(a_step_takes_a_share_of_what_means_nothing),
      cmocka_unit_test(a_step_makes_few_reads),
      cmocka_unit_test(pausing),
      cmocka_unit_test(partial_writes),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
