/*
 * test_mqtt_session.c - the session: connecting, publishing, messages. Every script runs with its
 * input whole and cut into single bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "support/session_rig.h"

/* ---- connecting ---- */

static void says_connect_and_comes_up(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_assert_said(rig, BYTES(0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 100, 0, 1, 'c'));
  assert_int_equal(sr_broker(rig, CONNACK), 0);
  sr_assert_told(rig, "up ");
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
    sr_assert_told(rig, "");
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

static void publishes(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_publish(rig, "t", "x", 0), IK_ENOT_CONNECTED);
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 0), 0);
  assert_int_equal(sr_publish(rig, "t", "y", 1), 1);
  assert_int_equal(sr_publish(rig, "t", "z", 0), 0);
  sr_assert_said(
      rig, BYTES(0x30, 4, 0, 1, 't', 'x', 0x32, 6, 0, 1, 't', 0, 1, 'y', 0x30, 4, 0, 1, 't', 'z'));
  assert_int_equal(
      sr_broker(rig, BYTES(0x40, 2, 0, 1, 0x40, 2, 0, 1, 0x50, 2, 0, 1, 0x70, 2, 0, 1)), 0);
  sr_assert_told(rig, "puback:1:0 stray:1 stray:1 stray:1 ");
  sr_free(rig);
}

static void publish_refuses(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  char big[1100];
  memset(big, 'a', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  assert_int_equal(sr_publish(rig, "t", "x", 2), IK_EUNSUPPORTED);
  assert_int_equal(sr_publish(rig, "t", "x", 3), IK_EINVALID_ARGUMENT);
  assert_int_equal(sr_publish(rig, "t/#", "x", 0), IK_EMQTT_TOPIC);
  assert_int_equal(sr_publish(rig, "", "x", 1), IK_EMQTT_TOPIC);
  assert_int_equal(sr_publish(rig, "t", big, 1), IK_EMQTT_PACKET_TOO_LARGE);
  big[900] = '\0';
  assert_int_equal(sr_publish(rig, "t", big, 0), 0);
  assert_int_equal(sr_publish(rig, "t", big, 1), 1);
  assert_int_equal(sr_publish(rig, "t", big, 0), IK_EQUEUE_FULL);
  assert_int_equal(sr_publish(rig, "t", big, 1), IK_EQUEUE_FULL);
  sr_swallow(rig);
  for (int i = 2; i <= 5; i++)
    assert_int_equal(sr_publish(rig, "t", "x", 1), i);
  assert_int_equal(sr_publish(rig, "t", "x", 1), IK_EQUEUE_FULL); /* five in flight */
  assert_int_equal(sr_broker(rig, BYTES(0x40, 2, 0, 3)), 0);
  assert_int_equal(sr_publish(rig, "t", "x", 1), 6);
  sr_free(rig);
}

/* Acknowledgements go out though the queue of publishes is full. */
static void a_full_queue_does_not_keep_acknowledgements(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  while (sr_publish(rig, "t", "0123456789", 0) == 0)
    continue;
  for (int i = 0; i < 100; i++)
    assert_int_equal(sr_broker(rig, BYTES(0x32, 5, 0, 1, 'm', 0, 9)), 0);
  struct ik_buf all = sr_said(rig);
  static const uint8_t puback[] = {0x40, 2, 0, 9};
  assert_true(ik_buf_size(&all) > 400);
  assert_memory_equal(ik_buf_ptr(&all) + ik_buf_size(&all) - 4, puback, 4);
  ik_buf_free(&all);
  sr_free(rig);
}

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
    rig->told[0] = '\0';
    assert_true(++packets < 100000);
  }
  const uint8_t more[] = {0x32, 5, 0, 1, 'm', 0, 9};
  const uint8_t *at = more;
  size_t len = sizeof(more);
  struct ik_mqtt_happening happening;
  assert_int_equal(
      ik_mqtt_session_receive(&rig->session, &at, &len, rig->now, &happening, rig->detail), 0);
  assert_int_equal(len, sizeof(more)); /* nothing was taken, nothing is lost */
  sr_swallow(rig);
  assert_true(ik_mqtt_session_can_receive(&rig->session));
  sr_free(rig);
}

static void in_flight_is_sent_again(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_publish(rig, "t", "0", 1), 1); /* before there is a connection */
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "1", 1), 2);
  assert_int_equal(sr_publish(rig, "t", "2", 1), 3);
  sr_assert_said(rig, BYTES(0x32, 6, 0, 1, 't', 0, 1, '0', 0x32, 6, 0, 1, 't', 0, 2, '1', 0x32, 6,
                            0, 1, 't', 0, 3, '2'));
  assert_int_equal(sr_broker(rig, BYTES(0x40, 2, 0, 2)), 0);
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(sr_publish(rig, "t", "3", 1), 4);
  sr_assert_told(rig, "puback:2:0 ");
  sr_go_up(rig);
  sr_assert_said(rig, BYTES(0x3a, 6, 0, 1, 't', 0, 1, '0', 0x3a, 6, 0, 1, 't', 0, 3, '2', 0x32, 6,
                            0, 1, 't', 0, 4, '3'));
  assert_int_equal(sr_broker(rig, BYTES(0x40, 2, 0, 1, 0x40, 2, 0, 3, 0x40, 2, 0, 4)), 0);
  sr_assert_told(rig, "puback:1:0 puback:3:0 puback:4:0 ");
  ik_mqtt_session_drop(&rig->session);
  sr_go_up(rig);
  sr_assert_silent(rig);
  sr_free(rig);
}

/* No resending by time on a live connection: TCP does that. */
static void in_flight_waits_while_connected(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  sr_publish(rig, "t", "1", 1);
  sr_swallow(rig);
  rig->now += 60000;
  assert_int_equal(sr_tick(rig), 0);
  sr_assert_silent(rig);
  sr_free(rig);
}

/*
 * More than the queue takes is waiting after a drop: it goes out in portions, in order, and nothing
 * twice.
 */
static void a_backlog_goes_out_in_portions(void **state) {
  (void)state;
  struct session_rig *rig =
      sr_new(&(struct ik_mqtt_session_options){.connect = {.clean_session = true},
                                               .max_in_flight = 100,
                                               .max_queue = 2000,
                                               .max_packet = 2000});
  char text[601];
  memset(text, 'b', 600);
  text[600] = '\0';
  sr_go_up(rig);
  for (int i = 0; i < 30; i++) {
    assert_int_equal(sr_publish(rig, "t", text, 1), i + 1);
    sr_swallow(rig);
  }
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(sr_publish(rig, "t", text, 1), IK_EQUEUE_FULL);
  sr_go_up(rig);
  assert_true(ik_buf_size(&rig->session.out) <= 2000);
  struct ik_buf all = sr_said(rig);
  assert_int_equal(ik_buf_size(&all), 30 * 608);
  for (size_t i = 0; i < 30; i++) {
    assert_int_equal(ik_buf_ptr(&all)[i * 608], 0x3a);
    assert_int_equal(ik_buf_ptr(&all)[i * 608 + 7], i + 1);
  }
  ik_buf_free(&all);
  sr_free(rig);
}

static void identifiers_in_use_are_skipped(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 1), 1);
  assert_int_equal(sr_subscribe(rig, "a", 0), 2);
  rig->session.ids.last = 65534;
  assert_int_equal(sr_publish(rig, "t", "x", 1), 65535);
  assert_int_equal(sr_publish(rig, "t", "x", 1), 3);
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
  sr_assert_said(rig, BYTES(0x40, 2, 0, 7));
  rig->hold = true;
  assert_int_equal(sr_broker(rig, BYTES(0x32, 6, 0, 1, 'm', 0, 8, 'c')), 0);
  sr_assert_silent(rig);
  sr_assert_told(rig, "msg0:0:m=a msg1:7:m=b msg1:8:m=c ");
  sr_free(rig);
}

static void qos2_comes_once(void **state) {
  (void)state;
  struct session_rig *rig = sr_persistent();
  sr_go_up(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'a')), 0);
  assert_int_equal(sr_broker(rig, BYTES(0x3c, 6, 0, 1, 'm', 0, 7, 'a')),
                   0); /* again, before PUBREL */
  sr_assert_said(rig, BYTES(0x50, 2, 0, 7, 0x50, 2, 0, 7));
  sr_assert_told(rig, "msg2:7:m=a ");
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK_PRESENT), 0);
  assert_int_equal(
      sr_broker(rig, BYTES(0x3c, 6, 0, 1, 'm', 0, 7, 'a', 0x62, 2, 0, 7, 0x62, 2, 0, 7)), 0);
  sr_assert_said(rig, BYTES(0x50, 2, 0, 7, 0x70, 2, 0, 7, 0x70, 2, 0, 7));
  sr_assert_told(rig, "up+ ");
  assert_int_equal(sr_broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'b')),
                   0); /* the identifier is free again */
  sr_assert_told(rig, "msg2:7:m=b ");
  ik_mqtt_session_drop(&rig->session);
  sr_go_up(rig); /* a new session: what was half received is forgotten */
  assert_int_equal(sr_broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'c')), 0);
  sr_assert_told(rig, "msg2:7:m=c ");
  sr_free(rig);
}

static void qos2_is_capped(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  for (unsigned id = 1; id <= 1024; id++) {
    assert_int_equal(sr_broker(rig, BYTES(0x34, 5, 0, 1, 'm', (uint8_t)(id >> 8), (uint8_t)id)), 0);
    rig->told[0] = '\0';
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
  sr_assert_told(rig, "large1:7:203 msg0:0:m=a ");
  sr_assert_said(rig, BYTES(0x40, 2, 0, 7));
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
      cmocka_unit_test(says_connect_and_comes_up),
      cmocka_unit_test(refusals_have_errors),
      cmocka_unit_test(out_of_place_ends_the_connection),
      cmocka_unit_test(publishes),
      cmocka_unit_test(publish_refuses),
      cmocka_unit_test(a_full_queue_does_not_keep_acknowledgements),
      cmocka_unit_test(unread_acknowledgements_stop_the_reading),
      cmocka_unit_test(in_flight_is_sent_again),
      cmocka_unit_test(in_flight_waits_while_connected),
      cmocka_unit_test(a_backlog_goes_out_in_portions),
      cmocka_unit_test(identifiers_in_use_are_skipped),
      cmocka_unit_test(messages_are_answered_when_handled),
      cmocka_unit_test(qos2_comes_once),
      cmocka_unit_test(qos2_is_capped),
      cmocka_unit_test(too_large_is_skipped_and_acknowledged),
  };
  const int failed = cmocka_run_group_tests_name("whole", tests, whole, NULL);
  return failed + cmocka_run_group_tests_name("bytewise", tests, bytewise, NULL);
}
