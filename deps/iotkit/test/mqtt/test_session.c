/*
 * The session: connecting, and messages that arrive. Every script runs with its input whole and
 * split into single bytes.
 */

#include "support/session_rig.h"

/* ---- connecting ---- */

static void says_connect_and_comes_up(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_assert_sent(rig, BYTES(0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 100, 0, 1, 'c'));
  assert_int_equal(sr_broker(rig, CONNACK), 0);
  sr_assert_reported(rig, "up ");
  sr_assert_silent(rig);
  sr_free(rig);
}

static void refusals_have_errors(void **state) {
  (void)state;
  static const struct {
    uint8_t code;
    int error;
  } rows[] = {{1, IK_EMQTT_VERSION},     {2, IK_EMQTT_CLIENT_ID},      {3, IK_EMQTT_UNAVAILABLE},
              {4, IK_EMQTT_CREDENTIALS}, {5, IK_EMQTT_NOT_AUTHORIZED}, {6, IK_EMQTT_REFUSED},
              {255, IK_EMQTT_REFUSED}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct session_rig *rig = sr_clean();
    assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
    assert_int_equal(sr_broker(rig, BYTES(0x20, 2, 0, rows[i].code)), rows[i].error);
    sr_assert_reported(rig, "");
    sr_free(rig);
  }
}

static void out_of_place_ends_the_connection(void **state) {
  (void)state;
  static const struct {
    bool up;
    uint8_t bytes[8];
    size_t len;
  } rows[] = {
      {false, {0x30, 3, 0, 1, 't'}, 5},
      {false, {0xd0, 0}, 2},
      {false, {0x40, 2, 0, 1}, 4},
      {false, {0x20, 2, 1, 0}, 4},
      {true, {0x20, 2, 0, 0}, 4},
      {true, {0x90, 4, 0, 1, 0, 0}, 6},
      {true, {0x36, 5, 0, 1, 't', 0, 1}, 7},
      {true, {0xe0, 0}, 2},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct session_rig *rig = sr_clean();
    assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
    if (rows[i].up) assert_int_equal(sr_broker(rig, CONNACK), 0);
    assert_int_equal(sr_broker(rig, rows[i].bytes, rows[i].len), IK_EMQTT_PROTOCOL);
    assert_true(rig->detail[0]);
    sr_free(rig);
  }
}

/* ---- publishing ---- */

/*
 * A broker that sends and never reads: the session says when to stop reading, and stays within its
 * bound.
 */
static void unread_acknowledgements_stop_the_reading(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  int packets = 0;
  while (ik_mqtt_session_can_receive(&rig->session)) {
    assert_int_equal(sr_broker(rig, BYTES(0x32, 5, 0, 1, 'm', 0, 9)), 0);
    rig->reported[0] = '\0';
    assert_true(++packets < 100000);
  }
  const uint8_t more[] = {0x32, 5, 0, 1, 'm', 0, 9};
  const uint8_t *at = more;
  size_t len = sizeof(more);
  struct ik_mqtt_event event;
  assert_int_equal(ik_mqtt_session_receive(&rig->session, &at, &len, &event, rig->detail), 0);
  assert_int_equal(len, sizeof(more)); /* nothing was taken, nothing is lost */
  sr_swallow(rig);
  assert_true(ik_mqtt_session_can_receive(&rig->session));
  sr_free(rig);
}

/* ---- messages ---- */

static void messages_are_answered_when_handled(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x30, 4, 0, 1, 'm', 'a')), 0);
  sr_assert_silent(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x32, 6, 0, 1, 'm', 0, 7, 'b')), 0);
  sr_assert_sent(rig, BYTES(0x40, 2, 0, 7));
  rig->hold = true;
  assert_int_equal(sr_broker(rig, BYTES(0x32, 6, 0, 1, 'm', 0, 8, 'c')), 0);
  sr_assert_silent(rig);
  sr_assert_reported(rig, "msg0:0:m=a msg1:7:m=b msg1:8:m=c ");
  sr_free(rig);
}

static void qos2_comes_once(void **state) {
  (void)state;
  struct session_rig *rig = sr_persistent();
  sr_go_up(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'a')), 0);
  assert_int_equal(sr_broker(rig, BYTES(0x3c, 6, 0, 1, 'm', 0, 7, 'a')),
                   0); /* again, before PUBREL */
  sr_assert_sent(rig, BYTES(0x50, 2, 0, 7, 0x50, 2, 0, 7));
  sr_assert_reported(rig, "msg2:7:m=a ");
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK_PRESENT), 0);
  assert_int_equal(
      sr_broker(rig, BYTES(0x3c, 6, 0, 1, 'm', 0, 7, 'a', 0x62, 2, 0, 7, 0x62, 2, 0, 7)), 0);
  sr_assert_sent(rig, BYTES(0x50, 2, 0, 7, 0x70, 2, 0, 7, 0x70, 2, 0, 7));
  sr_assert_reported(rig, "up+ ");
  assert_int_equal(sr_broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'b')),
                   0); /* the identifier is free again */
  sr_assert_reported(rig, "msg2:7:m=b ");
  ik_mqtt_session_drop(&rig->session);
  sr_go_up(rig); /* a new session: what was half received is forgotten */
  assert_int_equal(sr_broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'c')), 0);
  sr_assert_reported(rig, "msg2:7:m=c ");
  sr_free(rig);
}

static void qos2_is_capped(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  for (unsigned id = 1; id <= 1024; id++) {
    assert_int_equal(sr_broker(rig, BYTES(0x34, 5, 0, 1, 'm', (uint8_t)(id >> 8), (uint8_t)id)), 0);
    rig->reported[0] = '\0';
    sr_swallow(rig);
  }
  assert_int_equal(sr_broker(rig, BYTES(0x34, 5, 0, 1, 'm', 0x7f, 1)), IK_EMQTT_PROTOCOL);
  sr_free(rig);
}

static void too_large_is_skipped_and_acknowledged(void **state) {
  (void)state;
  struct session_rig *rig = sr_new(
      &(struct ik_mqtt_session_options){.connect = {.clean_session = true}, .max_packet = 128});
  sr_go_up(rig);
  uint8_t bytes[203] = {0x32, 0xc8, 1, 0, 1, 'm', 0, 7};
  assert_int_equal(sr_broker(rig, bytes, sizeof(bytes)), 0);
  assert_int_equal(sr_broker(rig, BYTES(0x30, 4, 0, 1, 'm', 'a')), 0);
  sr_assert_reported(rig, "large1:7:203 msg0:0:m=a ");
  sr_assert_sent(rig, BYTES(0x40, 2, 0, 7));
  sr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(says_connect_and_comes_up),
      cmocka_unit_test(refusals_have_errors),
      cmocka_unit_test(out_of_place_ends_the_connection),
      cmocka_unit_test(unread_acknowledgements_stop_the_reading),
      cmocka_unit_test(messages_are_answered_when_handled),
      cmocka_unit_test(qos2_comes_once),
      cmocka_unit_test(qos2_is_capped),
      cmocka_unit_test(too_large_is_skipped_and_acknowledged),
  };
  return sr_run_both_ways(tests);
}
