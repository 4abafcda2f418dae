/* Sessions and time: what is due when, and the end. */

#include <stdio.h>

#include "support/session_rig.h"

static void pings_when_idle(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 95000);
  rig->now = T0 + 50000;
  assert_int_equal(sr_publish(rig, "t", "x", 0), 0);
  sr_swallow(rig);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 145000); /* what was sent counts */
  rig->now = T0 + 100000;
  assert_int_equal(sr_broker(rig, BYTES(0x30, 3, 0, 1, 'm')), 0); /* what was received does not */
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 145000);
  rig->now = T0 + 145000;
  assert_int_equal(sr_tick(rig), 0);
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_sent(rig, BYTES(0xc0, 0));
  assert_int_equal(sr_broker(rig, BYTES(0xd0, 0)), 0);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 240000);
  sr_free(rig);
}

/* When a session that went up then sends its first PINGREQ. */
static uint64_t first_ping(uint64_t up_ms, uint16_t keep_alive_s) {
  struct session_rig *rig =
      sr_new(&(struct ik_mqtt_session_options){.connect = {.keep_alive_s = keep_alive_s}});
  rig->now = up_ms;
  sr_go_up(rig);
  const uint64_t due_ms = ik_mqtt_session_deadline(&rig->session);
  sr_free(rig);
  return due_ms;
}

static void pings_of_many_leave_together(void **state) {
  (void)state;
  for (uint64_t up_ms = T0; up_ms < T0 + 1000; up_ms += 37)
    assert_int_equal(first_ping(up_ms, 300), T0 + 285000);
  assert_int_equal(first_ping(T0 + 1000, 300), T0 + 286000);
  assert_int_equal(first_ping(T0 + 999, 30), T0 + 29000); /* never late */
  assert_int_equal(first_ping(T0 + 999, 5), T0 + 5749);   /* a second would be much of it */
}

static void a_silent_broker_is_given_up(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  rig->now = T0 + 95000;
  assert_int_equal(sr_tick(rig), 0);
  sr_swallow(rig);
  rig->now += 6000;
  assert_int_equal(sr_broker(rig, BYTES(0x30, 3, 0, 1, 'm')),
                   0); /* a sign of life, though no answer */
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 190000); /* the next PINGREQ */
  rig->now = T0 + 190000;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_sent(rig, BYTES(0xc0, 0));
  rig->now += 9999;
  assert_int_equal(sr_tick(rig), 0);
  rig->now += 1;
  assert_int_equal(sr_tick(rig), IK_EMQTT_KEEP_ALIVE);
  sr_free(rig);
}

static void a_paused_session_misses_no_answer(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  sr_swallow(rig);
  ik_mqtt_session_pause(&rig->session, true, rig->now);
  for (int i = 1; i <= 3; i++) {
    rig->now = ik_mqtt_session_deadline(&rig->session);
    assert_int_equal(rig->now, T0 + 95000u * (unsigned)i);
    assert_int_equal(sr_tick(rig), 0);
    sr_assert_sent(rig, BYTES(0xc0, 0));
  }
  rig->now += 20000; /* longer than an answer may take */
  ik_mqtt_session_pause(&rig->session, false, rig->now);
  assert_int_equal(sr_tick(rig), 0);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), rig->now + 10000);
  sr_free(rig);
}

static void without_keep_alive_nothing_is_due(void **state) {
  (void)state;
  struct session_rig *rig =
      sr_new(&(struct ik_mqtt_session_options){.connect = {.clean_session = true}});
  assert_true(ik_mqtt_session_deadline(&rig->session) == UINT64_MAX);
  sr_go_up(rig);
  assert_true(ik_mqtt_session_deadline(&rig->session) == UINT64_MAX);
  rig->now += 1u << 30;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_silent(rig);
  sr_free(rig);
}

static void leaves_with_disconnect_behind_all(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 0), 0);
  ik_mqtt_session_leave(&rig->session, T0 + 1500);
  assert_false(ik_mqtt_session_finished(&rig->session));
  assert_int_equal(sr_publish(rig, "t", "x", 0), IK_ENOT_CONNECTED);
  sr_assert_sent(rig, BYTES(0x30, 4, 0, 1, 't', 'x', 0xe0, 0));
  assert_true(ik_mqtt_session_finished(&rig->session));
  sr_free(rig);
}

static void gives_up_each_once(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  struct ik_mqtt_event event;
  sr_go_up(rig);
  sr_publish(rig, "t", "x", 1);
  sr_subscribe(rig, "a", 0);
  sr_subscribe(rig, "b", 0);
  sr_swallow(rig);
  ik_mqtt_session_drop(&rig->session);
  while (ik_mqtt_session_give_up(&rig->session, &event))
    sr_note(rig, &event);
  sr_assert_reported(rig, "puback:1:-1004 suback:2:0:-1004 suback:3:0:-1004 ");
  assert_int_equal(rig->session.ids.count, 0);
  sr_free(rig);
}

static void leaves_when_all_is_acknowledged(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 1), 1);
  assert_int_equal(sr_subscribe(rig, "a", 1), 2);
  sr_swallow(rig);
  assert_int_equal(sr_unsubscribe(rig, "a"), 3);
  ik_mqtt_session_leave(&rig->session, T0 + 1500);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 1500);
  sr_assert_sent(rig, BYTES(0xa2, 5, 0, 3, 0, 1, 'a'));
  assert_int_equal(sr_broker(rig, BYTES(0x40, 2, 0, 1)), 0);
  assert_int_equal(sr_broker(rig, BYTES(0x32, 5, 0, 1, 'm', 0, 9)), 0); /* is still answered */
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 2, 1)), 0);
  sr_assert_sent(rig, BYTES(0x40, 2, 0, 9));
  assert_int_equal(sr_broker(rig, BYTES(0xb0, 2, 0, 3)), 0);
  sr_assert_sent(rig, BYTES(0xe0, 0));
  sr_assert_reported(rig, "puback:1:0 msg1:9:m= suback:2:1:0 unsuback:3:0 ");
  assert_true(ik_mqtt_session_finished(&rig->session));
  assert_true(ik_mqtt_session_deadline(&rig->session) == UINT64_MAX);
  sr_free(rig);
}

/* Then nothing may follow DISCONNECT, but what was acknowledged late was acknowledged. */
static void leaves_in_time_though_nothing_is_acknowledged(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  for (int i = 1; i <= 3; i++)
    assert_int_equal(sr_publish(rig, "t", "x", 1), i);
  sr_swallow(rig);
  ik_mqtt_session_leave(&rig->session, T0 + 1500);
  rig->now = T0 + 1499;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_silent(rig);
  rig->now = T0 + 1500;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_sent(rig, BYTES(0xe0, 0));
  assert_true(ik_mqtt_session_finished(&rig->session));
  assert_int_equal(sr_broker(rig, BYTES(0x40, 2, 0, 2)), 0);
  assert_int_equal(sr_broker(rig, BYTES(0x32, 5, 0, 1, 'm', 0, 9)), 0);
  assert_int_equal(sr_broker(rig, BYTES(0x62, 2, 0, 9)), 0);
  sr_assert_reported(rig, "puback:2:0 ");
  rig->now += 1u << 30;
  assert_int_equal(sr_tick(rig), 0); /* no ping */
  sr_assert_silent(rig);
  sr_free(rig);
}

/* It is an event, and no reason to give up the connection; MQTT lets only the next one ask again. */
static void an_unanswered_request_is_sent_again_on_the_next_connection(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  sr_swallow(rig);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 10000);
  rig->now = T0 + 9999;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_reported(rig, "");
  rig->now = T0 + 10000;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_reported(rig, "suback:1:0:-1009 ");
  sr_assert_silent(rig);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 95000); /* a ping, no more of it */
  rig->now = T0 + 90000;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_reported(rig, "");
  ik_mqtt_session_drop(&rig->session);
  sr_go_up(rig);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  sr_assert_reported(rig, "suback:1:1:0 ");
  sr_free(rig);
}

static void a_late_answer_counts(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  sr_swallow(rig);
  rig->now += 10000;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_reported(rig, "suback:1:0:-1009 ");
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  sr_assert_reported(rig, "suback:1:1:0 ");
  assert_int_equal(rig->session.ids.count, 0);
  sr_free(rig);
}

/* Whoever waited for the answer to an UNSUBSCRIBE, or for a place in the window, waits no longer. */
static void an_overdue_request_holds_nothing_up(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  char filter[8];
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  assert_int_equal(sr_unsubscribe(rig, "a"), 2);
  assert_int_equal(sr_subscribe(rig, "a", 1), 3);
  sr_assert_sent(rig, BYTES(0xa2, 5, 0, 2, 0, 1, 'a'));
  rig->reported[0] = '\0';
  rig->now += 10000;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_reported(rig, "unsuback:2:-1009 ");
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 3, 0, 1, 'a', 1));
  for (int i = 0; i < IK_MQTT_REQUEST_WINDOW; i++) {
    snprintf(filter, sizeof(filter), "f/%d", i);
    assert_true(sr_subscribe(rig, filter, 0) > 0);
    sr_swallow(rig);
  }
  assert_int_equal(rig->session.waiting.count, 1);
  rig->now += 10000;
  assert_int_equal(sr_tick(rig), 0);
  sr_swallow(rig);
  assert_int_equal(rig->session.waiting.count, 0);
  ik_mqtt_session_leave(&rig->session, rig->now + 1500);
  assert_false(ik_mqtt_session_finished(&rig->session)); /* the last one may still be answered */
  sr_free(rig);
}

/* However long a request may take: half a packet after 9 s on a slow link is a sign of life. */
static void a_slow_link_is_no_dead_link(void **state) {
  (void)state;
  static const uint32_t timeouts_ms[][2] = {{500, 10000}, {2000, 10000}, {30000, 30000}};
  for (size_t i = 0; i < COUNT(timeouts_ms); i++) {
    struct session_rig *rig = sr_new(
        &(struct ik_mqtt_session_options){.connect = {.clean_session = true, .keep_alive_s = 100},
                                          .request_timeout_ms = timeouts_ms[i][0]});
    sr_go_up(rig);
    rig->now = T0 + 95000;
    assert_int_equal(sr_tick(rig), 0);
    sr_assert_sent(rig, BYTES(0xc0, 0));
    assert_int_equal(ik_mqtt_session_deadline(&rig->session), rig->now + timeouts_ms[i][1]);
    rig->now += timeouts_ms[i][1] - 1;
    assert_int_equal(sr_tick(rig), 0);
    assert_int_equal(sr_broker(rig, BYTES(0xd0)), 0);
    rig->now += timeouts_ms[i][1];
    assert_int_equal(sr_tick(rig), 0);
    sr_assert_silent(rig);
    sr_free(rig);
  }
}

/* A PINGREQ that stands behind other bytes: what counts is whether those move. */
static void a_ping_counts_when_it_is_written(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  struct ik_buf bytes;
  ik_buf_init(&bytes, 1000);
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "12345", 0), 0);
  assert_true(ik_mqtt_session_take(&rig->session, &bytes, rig->now));
  rig->now = T0 + 95000;
  assert_int_equal(sr_tick(rig), 0);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(ik_mqtt_session_deadline(&rig->session), rig->now + 10000);
    rig->now += 9999;
    assert_int_equal(sr_tick(rig), 0);
    assert_int_equal(ik_mqtt_session_sent(&rig->session, 1, rig->now), 0);
  }
  rig->now += 9999;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_sent(rig, BYTES(0xc0, 0)); /* nothing stands before it any more */
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), rig->now + 10000);
  rig->now += 10000;
  assert_int_equal(sr_tick(rig), IK_EMQTT_KEEP_ALIVE);
  ik_buf_free(&bytes);
  sr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pings_when_idle),
      cmocka_unit_test(pings_of_many_leave_together),
      cmocka_unit_test(a_silent_broker_is_given_up),
      cmocka_unit_test(a_paused_session_misses_no_answer),
      cmocka_unit_test(without_keep_alive_nothing_is_due),
      cmocka_unit_test(leaves_with_disconnect_behind_all),
      cmocka_unit_test(gives_up_each_once),
      cmocka_unit_test(leaves_when_all_is_acknowledged),
      cmocka_unit_test(leaves_in_time_though_nothing_is_acknowledged),
      cmocka_unit_test(an_unanswered_request_is_sent_again_on_the_next_connection),
      cmocka_unit_test(a_late_answer_counts),
      cmocka_unit_test(an_overdue_request_holds_nothing_up),
      cmocka_unit_test(a_slow_link_is_no_dead_link),
      cmocka_unit_test(a_ping_counts_when_it_is_written),
  };
  return sr_run_both_ways(tests);
}
