/*
 * The session: subscriptions and their order. Every script runs with its input whole and split into
 * single bytes.
 */
#include <stdio.h>

#include "support/session_rig.h"

/* ---- subscribing ---- */

static void subscribes_and_unsubscribes(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a/#", 1), 1);
  sr_assert_sent(rig, BYTES(0x82, 8, 0, 1, 0, 3, 'a', '/', '#', 1));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  sr_assert_reported(rig, "suback:1:1:0 ");
  assert_int_equal(sr_unsubscribe(rig, "a/#"), 2);
  sr_assert_sent(rig, BYTES(0xa2, 7, 0, 2, 0, 3, 'a', '/', '#'));
  assert_int_equal(sr_broker(rig, BYTES(0xb0, 2, 0, 2, 0xb0, 2, 0, 2, 0x90, 3, 0, 1, 0)), 0);
  sr_assert_reported(rig, "unsuback:2:0 stray:2 stray:1 ");
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
  sr_assert_sent(rig, BYTES(0xa2, 5, 0, 2, 0, 1, 'a', 0x82, 6, 0, 4, 0, 1, 'b', 1));
  assert_int_equal(sr_broker(rig, BYTES(0xb0, 2, 0, 2)), 0);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 3, 0, 1, 'a', 1));
  sr_free(rig);
}

static void a_refused_subscription_is_reported_and_tried_again(void **state) {
  (void)state;
  struct session_rig *rig = sr_persistent();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a/b", 1), 1);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 0x80)), 0);
  sr_assert_reported(rig, "suback:1:0:-1309 ");
  assert_string_equal(rig->detail, "a/b");
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK_PRESENT), 0);
  sr_assert_sent(rig, BYTES(0x82, 8, 0, 2, 0, 3, 'a', '/', 'b', 1));
  sr_free(rig);
}

static void subscriptions_are_restored(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_subscribe(rig, "a", 1), 0);
  sr_go_up(rig);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  assert_int_equal(sr_subscribe(rig, "b", 0),
                   2); /* not answered before the drop: keeps its identifier */
  sr_swallow(rig);
  ik_mqtt_session_drop(&rig->session);
  rig->reported[0] = '\0';
  sr_go_up(rig);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 2, 0, 1, 'b', 0, 0x82, 6, 0, 3, 0, 1, 'a', 1));
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
  assert_int_equal(sr_unsubscribe(rig, "b"),
                   0); /* the broker still holds it: the broker must be notified */
  rig->reported[0] = '\0';
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK_PRESENT), 0);
  sr_assert_reported(rig, "up+ ");
  sr_assert_sent(rig, BYTES(0xa2, 5, 0, 3, 0, 1, 'b'));
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK), 0); /* lost after all */
  sr_assert_sent(rig, BYTES(0xa2, 5, 0, 3, 0, 1, 'b', 0x82, 6, 0, 4, 0, 1, 'a', 1));
  sr_free(rig);
}

static int unsubscribe_old(struct session_rig *rig, const char *filter) {
  return ik_mqtt_session_unsubscribe_old(&rig->session, ik_str(filter));
}

static void a_filter_of_before_is_unsubscribed(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(unsubscribe_old(rig, "old"), 0); /* the session begins without any */
  sr_go_up(rig);
  sr_assert_silent(rig);
  assert_int_equal(unsubscribe_old(rig, "old"), 1);
  assert_int_equal(sr_subscribe(rig, "old", 1), 2); /* waits for its answer */
  assert_int_equal(unsubscribe_old(rig, "old"), 0); /* is needed now */
  assert_int_equal(unsubscribe_old(rig, "o#"), IK_EMQTT_TOPIC);
  sr_assert_sent(rig, BYTES(0xa2, 7, 0, 1, 0, 3, 'o', 'l', 'd'));
  assert_int_equal(sr_broker(rig, BYTES(0xb0, 2, 0, 1)), 0);
  sr_assert_reported(rig, "unsuback:1:0 ");
  sr_assert_sent(rig, BYTES(0x82, 8, 0, 2, 0, 3, 'o', 'l', 'd', 1));
  sr_free(rig);
}

/* Once, however often it was asked for while offline. */
static void a_persistent_session_unsubscribes_when_it_is_up(void **state) {
  (void)state;
  struct session_rig *rig = sr_persistent();
  assert_int_equal(unsubscribe_old(rig, "a"), 0);
  assert_int_equal(unsubscribe_old(rig, "a"), 0);
  assert_int_equal(unsubscribe_old(rig, "b"), 0);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK_PRESENT), 0);
  sr_assert_sent(rig, BYTES(0xa2, 5, 0, 1, 0, 1, 'a', 0xa2, 5, 0, 2, 0, 1, 'b'));
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
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 2, 0, 1, 'a', 1, 0xa2, 5, 0, 3, 0, 1, 'a'));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 2, 1, 0xb0, 2, 0, 3)), 0);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 4, 0, 1, 'a', 0));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 4, 0)), 0);
  sr_assert_reported(rig, "suback:2:1:0 unsuback:3:0 suback:4:0:0 ");
  sr_free(rig);
}

static void a_second_handler_subscribes_with_the_higher_qos(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  struct ik_mqtt_handler *removed;
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  assert_int_equal(ik_mqtt_session_subscribe(&rig->session, ik_str("a"), 0, sr_fn2, NULL), 2);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1, 0x82, 6, 0, 2, 0, 1, 'a', 1));
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
    rig->reported[0] = '\0';
    answered++;
  }
  assert_int_equal(answered, 300);
  assert_int_equal(rig->session.ids.count, 0);
  sr_free(rig);
}

/* ---- messages that wait for subscriptions ---- */

static void messages_follow_the_restored_subscriptions(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_subscribe(rig, "a", 1), 0);
  assert_int_equal(sr_publish(rig, "t", "0", 1), 2);
  sr_go_up(rig);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  assert_int_equal(sr_publish(rig, "t", "1", 1), 3); /* after the one that waits */
  sr_assert_silent(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  sr_assert_sent(rig, BYTES(0x32, 6, 0, 1, 't', 0, 2, '0', 0x32, 6, 0, 1, 't', 0, 3, '1'));
  ik_mqtt_session_drop(&rig->session);
  rig->reported[0] = '\0';
  sr_go_up(rig);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 4, 0, 1, 'a', 1));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 4, 0x80)), 0); /* refused is answered */
  sr_assert_sent(rig, BYTES(0x3a, 6, 0, 1, 't', 0, 2, '0', 0x3a, 6, 0, 1, 't', 0, 3, '1'));
  sr_free(rig);
}

static void messages_follow_the_last_of_many_subscriptions(void **state) {
  (void)state;
  struct session_rig *rig = sr_new(
      &(struct ik_mqtt_session_options){.connect = {.clean_session = true}, .max_queue = 100000});
  char filter[16];
  const int count = IK_MQTT_REQUEST_WINDOW + 2;
  for (int i = 0; i < count; i++) {
    snprintf(filter, sizeof(filter), "f/%d", i);
    assert_int_equal(sr_subscribe(rig, filter, 1), 0);
  }
  assert_int_equal(sr_publish(rig, "t", "0", 1), count + 1);
  sr_go_up(rig);
  for (int id = 1; id <= count; id++) {
    assert_int_equal(rig->session.flights.unsent != NULL, true);
    assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, (uint8_t)id, 1)), 0);
    rig->reported[0] = '\0';
  }
  assert_null(rig->session.flights.unsent);
  sr_free(rig);
}

/* A broker that never answers keeps them for as long as an answer may take. */
static void messages_do_not_wait_for_an_overdue_answer(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_subscribe(rig, "a", 1), 0);
  assert_int_equal(sr_publish(rig, "t", "0", 1), 2);
  sr_go_up(rig);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  rig->now = ik_mqtt_session_deadline(&rig->session);
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_sent(rig, BYTES(0x32, 6, 0, 1, 't', 0, 2, '0'));
  sr_free(rig);
}

/* Nor for what the broker kept, for what was subscribed later, or for an UNSUBSCRIBE. */
static void messages_wait_for_nothing_else(void **state) {
  (void)state;
  struct session_rig *rig = sr_persistent();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  assert_int_equal(sr_publish(rig, "t", "0", 1), 2);
  sr_assert_sent(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1, 0x32, 6, 0, 1, 't', 0, 2, '0'));
  assert_int_equal(sr_broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(unsubscribe_old(rig, "b"), 0);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK_PRESENT), 0);
  sr_assert_sent(rig, BYTES(0xa2, 5, 0, 3, 0, 1, 'b', 0x3a, 6, 0, 1, 't', 0, 2, '0'));
  sr_free(rig);
}

/* Who publishes and then yields no more counts on what is sent at once. */
static void messages_wait_for_no_subscription_of_this_connection(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  assert_int_equal(sr_unsubscribe(rig, "a"), 2);
  sr_swallow(rig);
  assert_int_equal(sr_subscribe(rig, "a", 1), 3); /* which waits for the UNSUBACK */
  assert_int_equal(sr_publish(rig, "t", "0", 1), 4);
  sr_assert_sent(rig, BYTES(0x32, 6, 0, 1, 't', 0, 4, '0'));
  sr_free(rig);
}

static void who_leaves_waits_for_no_subscription(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_subscribe(rig, "a", 1), 0);
  assert_int_equal(sr_publish(rig, "t", "0", 1), 2);
  sr_go_up(rig);
  sr_swallow(rig);
  ik_mqtt_session_leave(&rig->session, rig->now + 1500);
  sr_assert_sent(rig, BYTES(0x32, 6, 0, 1, 't', 0, 2, '0'));
  sr_free(rig);
}

/* ---- ends ---- */

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(subscribes_and_unsubscribes),
      cmocka_unit_test(a_subscription_waits_for_the_end_of_the_one_before),
      cmocka_unit_test(a_refused_subscription_is_reported_and_tried_again),
      cmocka_unit_test(subscriptions_are_restored),
      cmocka_unit_test(a_present_session_keeps_its_subscriptions),
      cmocka_unit_test(a_filter_of_before_is_unsubscribed),
      cmocka_unit_test(a_persistent_session_unsubscribes_when_it_is_up),
      cmocka_unit_test(unsubscribing_unsent_says_nothing),
      cmocka_unit_test(a_second_handler_subscribes_with_the_higher_qos),
      cmocka_unit_test(subscriptions_have_a_window),
      cmocka_unit_test(messages_follow_the_restored_subscriptions),
      cmocka_unit_test(messages_follow_the_last_of_many_subscriptions),
      cmocka_unit_test(messages_do_not_wait_for_an_overdue_answer),
      cmocka_unit_test(messages_wait_for_nothing_else),
      cmocka_unit_test(messages_wait_for_no_subscription_of_this_connection),
      cmocka_unit_test(who_leaves_waits_for_no_subscription),
  };
  return sr_run_both_ways(tests);
}
