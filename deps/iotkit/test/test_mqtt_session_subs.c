/*
 * test_mqtt_session_subs.c - the session: subscriptions, time, the end. As in test_mqtt_session.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/session_rig.h"

/* ---- subscribing ---- */

static void subscribes_and_unsubscribes(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a/#", 1), 1);
  sr_assert_said(rig, BYTES(0x82, 8, 0, 1, 0, 3, 'a', '/', '#', 1));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  sr_assert_told(rig, "suback:1:1:0 ");
  assert_int_equal(sr_unsubscribe(rig, "a/#"), 2);
  sr_assert_said(rig, BYTES(0xa2, 7, 0, 2, 0, 3, 'a', '/', '#'));
  assert_int_equal(sr_broker(rig, BYTES(0xb0, 2, 0, 2, 0xb0, 2, 0, 2, 0x90, 3, 0, 1, 0)), 0);
  sr_assert_told(rig, "unsuback:2:0 stray:2 stray:1 ");
  assert_int_equal(sr_unsubscribe(rig, "a/#"), 0);
  assert_int_equal(sr_unsubscribe(rig, "a#"), IK_EMQTT_TOPIC);
  assert_int_equal(sr_subscribe(rig, "a#", 1), IK_EMQTT_TOPIC);
  assert_int_equal(sr_subscribe(rig, "a", 3), IK_EINVALID_ARGUMENT);
  sr_assert_silent(rig);
  sr_free(rig);
}

static void a_subscription_waits_for_the_end_of_the_one_before(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  assert_int_equal(sr_unsubscribe(rig, "a"), 2);
  assert_int_equal(sr_subscribe(rig, "a", 1), 3);
  assert_int_equal(sr_subscribe(rig, "b", 1), 4); /* nobody else waits for it */
  sr_assert_said(rig, BYTES(0xa2, 5, 0, 2, 0, 1, 'a', 0x82, 6, 0, 4, 0, 1, 'b', 1));
  assert_int_equal(sr_broker(rig, BYTES(0xb0, 2, 0, 2)), 0);
  sr_assert_said(rig, BYTES(0x82, 6, 0, 3, 0, 1, 'a', 1));
  sr_free(rig);
}

static void a_refused_subscription_is_told_and_tried_again(void **state) {
  (void)state;
  struct session_rig *rig = sr_persistent();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a/b", 1), 1);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 0x80)), 0);
  sr_assert_told(rig, "suback:1:0:-1309 ");
  assert_string_equal(rig->detail, "a/b");
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK_PRESENT), 0);
  sr_assert_said(rig, BYTES(0x82, 8, 0, 2, 0, 3, 'a', '/', 'b', 1));
  sr_free(rig);
}

static void subscriptions_are_restored(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_subscribe(rig, "a", 1), 0);
  sr_go_up(rig);
  sr_assert_said(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  assert_int_equal(sr_subscribe(rig, "b", 0),
                   2); /* not answered before the drop: keeps its identifier */
  sr_swallow(rig);
  ik_mqtt_session_drop(&rig->session);
  rig->told[0] = '\0';
  sr_go_up(rig);
  sr_assert_said(rig, BYTES(0x82, 6, 0, 2, 0, 1, 'b', 0, 0x82, 6, 0, 3, 0, 1, 'a', 1));
  sr_free(rig);
}

static void a_present_session_keeps_its_subscriptions(void **state) {
  (void)state;
  struct session_rig *rig = sr_persistent();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  assert_int_equal(sr_subscribe(rig, "b", 1), 2);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1, 0x90, 3, 0, 2, 1)), 0);
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(sr_unsubscribe(rig, "b"), 0); /* the broker still holds it: it must be told */
  rig->told[0] = '\0';
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK_PRESENT), 0);
  sr_assert_told(rig, "up+ ");
  sr_assert_said(rig, BYTES(0xa2, 5, 0, 3, 0, 1, 'b'));
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK), 0); /* lost after all */
  sr_assert_said(rig, BYTES(0xa2, 5, 0, 3, 0, 1, 'b', 0x82, 6, 0, 4, 0, 1, 'a', 1));
  sr_free(rig);
}

static void unsubscribing_unsent_says_nothing(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_subscribe(rig, "a", 1), 0);
  assert_int_equal(sr_unsubscribe(rig, "a"), 0);
  sr_go_up(rig);
  sr_assert_silent(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 2);
  assert_int_equal(sr_unsubscribe(rig, "a"),
                   3); /* SUBSCRIBE is out: UNSUBSCRIBE follows it, and a new one its answer */
  assert_int_equal(sr_subscribe(rig, "a", 0), 4);
  sr_assert_said(rig, BYTES(0x82, 6, 0, 2, 0, 1, 'a', 1, 0xa2, 5, 0, 3, 0, 1, 'a'));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 2, 1, 0xb0, 2, 0, 3)), 0);
  sr_assert_said(rig, BYTES(0x82, 6, 0, 4, 0, 1, 'a', 0));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 4, 0)), 0);
  sr_assert_told(rig, "suback:2:1:0 unsuback:3:0 suback:4:0:0 ");
  sr_free(rig);
}

static void a_second_handler_subscribes_with_the_higher_qos(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  struct ik_mqtt_handler *removed;
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  assert_int_equal(ik_mqtt_session_subscribe(&rig->session, ik_str("a"), 0, sr_fn2, NULL), 2);
  sr_assert_said(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1, 0x82, 6, 0, 2, 0, 1, 'a', 1));
  assert_int_equal(sr_unsubscribe(rig, "a"), 0); /* the other one is still there */
  sr_assert_silent(rig);
  assert_int_equal(ik_mqtt_session_unsubscribe(&rig->session, ik_str("a"), sr_fn2, NULL, &removed),
                   3);
  ik_mqtt_handler_unref(removed);
  sr_free(rig);
}

/* Many subscriptions go out as many as may be unanswered at a time, and all of them in the end. */
static void subscriptions_have_a_window(void **state) {
  (void)state;
  struct session_rig *rig = sr_new(
      &(struct ik_mqtt_session_options){.connect = {.clean_session = true}, .max_queue = 100000});
  char filter[16];
  for (int i = 0; i < 300; i++) {
    snprintf(filter, sizeof(filter), "f/%d", i);
    assert_int_equal(sr_subscribe(rig, filter, 1), 0);
  }
  sr_go_up(rig);
  unsigned answered = 0;
  while (rig->session.pending.count) {
    sr_swallow(rig);
    assert_true(rig->session.pending.count <= IK_MQTT_REQUEST_WINDOW);
    const uint16_t id = rig->session.pending.first->packet_id;
    assert_int_equal(sr_broker(rig, BYTES(0x90, 3, (uint8_t)(id >> 8), (uint8_t)id, 1)), 0);
    rig->told[0] = '\0';
    answered++;
  }
  assert_int_equal(answered, 300);
  assert_int_equal(rig->session.ids.count, 0);
  sr_free(rig);
}

static void an_unanswered_request_is_sent_again_once(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  sr_swallow(rig);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 10000);
  rig->now = T0 + 9999;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_told(rig, "");
  rig->now = T0 + 10000;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_told(rig, "suback:1:0:-1009 ");
  sr_assert_said(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  rig->now = T0 + 20000;
  assert_int_equal(sr_tick(rig), IK_ETIMEOUT);
  ik_mqtt_session_drop(&rig->session);
  sr_go_up(rig);
  sr_assert_said(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  sr_assert_told(rig, "suback:1:1:0 ");
  sr_free(rig);
}

/* ---- time ---- */

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
  sr_assert_said(rig, BYTES(0xc0, 0));
  assert_int_equal(sr_broker(rig, BYTES(0xd0, 0)), 0);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 240000);
  sr_free(rig);
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
    sr_assert_said(rig, BYTES(0xc0, 0));
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

/* ---- ends ---- */

static void leaves_with_disconnect_behind_all(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 1), 1);
  ik_mqtt_session_leave(&rig->session);
  assert_false(ik_mqtt_session_finished(&rig->session));
  assert_int_equal(sr_publish(rig, "t", "x", 0), IK_ENOT_CONNECTED);
  sr_assert_said(rig, BYTES(0x32, 6, 0, 1, 't', 0, 1, 'x', 0xe0, 0));
  assert_true(ik_mqtt_session_finished(&rig->session));
  sr_free(rig);
}

static void gives_up_each_once(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  struct ik_mqtt_happening happening;
  sr_go_up(rig);
  sr_publish(rig, "t", "x", 1);
  sr_subscribe(rig, "a", 0);
  sr_subscribe(rig, "b", 0);
  sr_swallow(rig);
  ik_mqtt_session_drop(&rig->session);
  while (ik_mqtt_session_give_up(&rig->session, &happening))
    sr_note(rig, &happening);
  sr_assert_told(rig, "puback:1:-1004 suback:2:0:-1004 suback:3:0:-1004 ");
  assert_int_equal(rig->session.ids.count, 0);
  sr_free(rig);
}

static int whole(void **state) {
  (void)state;
  session_piece = 0;
  return 0;
}

static int bytewise(void **state) {
  (void)state;
  session_piece = 1;
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(subscribes_and_unsubscribes),
      cmocka_unit_test(a_subscription_waits_for_the_end_of_the_one_before),
      cmocka_unit_test(a_refused_subscription_is_told_and_tried_again),
      cmocka_unit_test(subscriptions_are_restored),
      cmocka_unit_test(a_present_session_keeps_its_subscriptions),
      cmocka_unit_test(unsubscribing_unsent_says_nothing),
      cmocka_unit_test(a_second_handler_subscribes_with_the_higher_qos),
      cmocka_unit_test(subscriptions_have_a_window),
      cmocka_unit_test(an_unanswered_request_is_sent_again_once),
      cmocka_unit_test(pings_when_idle),
      cmocka_unit_test(a_silent_broker_is_given_up),
      cmocka_unit_test(a_paused_session_misses_no_answer),
      cmocka_unit_test(without_keep_alive_nothing_is_due),
      cmocka_unit_test(leaves_with_disconnect_behind_all),
      cmocka_unit_test(gives_up_each_once),
  };
  const int failed = cmocka_run_group_tests_name("whole", tests, whole, NULL);
  return failed + cmocka_run_group_tests_name("bytewise", tests, bytewise, NULL);
}
