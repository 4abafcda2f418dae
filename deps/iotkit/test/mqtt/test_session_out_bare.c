/*
 * Filters of which the broker is never asked, and such that are asked for in one connection alone.
 */
#include "mqtt/session.h"

#include "support/session_rig.h"

static int listen(struct session_rig *rig, const char *filter) {
  return ik_mqtt_session_listen(&rig->session, ik_str(filter), sr_fn, NULL);
}

static int ask(struct session_rig *rig, const char *filter) {
  return ik_mqtt_session_ask(&rig->session, ik_str(filter), 1);
}

static bool is_handled(struct session_rig *rig, const char *topic) {
  struct ik_mqtt_matches matches;
  assert_int_equal(ik_mqtt_subs_match(&rig->session.subs, ik_str(topic), &matches), 0);
  const bool handled = matches.count > 0;
  ik_mqtt_matches_free(&matches);
  return handled;
}

static void listens_without_asking(void **state) {
  struct session_rig *rig = sr_clean();
  (void)state;
  assert_int_equal(listen(rig, "a/+"), 0);
  assert_int_equal(listen(rig, "a/#/b"), IK_EMQTT_TOPIC);
  sr_go_up(rig);
  assert_int_equal(listen(rig, "b"), 0);
  sr_assert_silent(rig);
  assert_true(is_handled(rig, "a/x") && is_handled(rig, "b"));
  assert_int_equal(sr_unsubscribe(rig, "a/+"), 0);
  sr_assert_silent(rig);
  assert_false(is_handled(rig, "a/x"));
  sr_free(rig);
}

static void whoever_subscribes_too_is_asked_for(void **state) {
  struct session_rig *rig = sr_clean();
  (void)state;
  assert_int_equal(listen(rig, "a"), 0);
  sr_go_up(rig);
  const uint8_t subscribe[] = {0x82, 6, 0, 1, 0, 1, 'a', 1};
  assert_int_equal(sr_subscribe(rig, "a", 1), 1);
  sr_assert_sent(rig, subscribe, sizeof(subscribe));
  sr_free(rig);
}

static void asks_in_this_connection_alone(void **state) {
  struct session_rig *rig = sr_clean();
  const uint8_t subscribe[] = {0x82, 6, 0, 1, 0, 1, 'a', 1};
  (void)state;
  assert_int_equal(ask(rig, "a"), IK_ENOT_CONNECTED);
  sr_go_up(rig);
  assert_int_equal(ask(rig, "a/#/b"), IK_EMQTT_TOPIC);
  assert_int_equal(ask(rig, "a"), 1);
  sr_assert_sent(rig, subscribe, sizeof(subscribe));
  sr_broker(rig, BYTES(0x90, 3, 0, 1, 1));
  sr_assert_reported(rig, "suback:1:1:0 ");
  assert_int_equal(ask(rig, "b"), 2); /* is not answered */
  sr_swallow(rig);
  ik_mqtt_session_drop(&rig->session);
  sr_go_up(rig); /* which expects nothing more than CONNECT */
  sr_assert_silent(rig);
  assert_int_equal(rig->session.subs.count, 0);
  assert_int_equal(rig->session.ids.count, 0);
  sr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(listens_without_asking),
      cmocka_unit_test(whoever_subscribes_too_is_asked_for),
      cmocka_unit_test(asks_in_this_connection_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
