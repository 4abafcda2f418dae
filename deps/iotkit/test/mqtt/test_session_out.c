/* What a session publishes, and in what portions. */
#include <string.h>

#include "support/session_rig.h"

static void publishes(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_publish(rig, "t", "x", 0), IK_ENOT_CONNECTED);
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 0), 0);
  assert_int_equal(sr_publish(rig, "t", "y", 1), 1);
  assert_int_equal(sr_publish(rig, "t", "z", 0), 0);
  sr_assert_sent(
      rig, BYTES(0x30, 4, 0, 1, 't', 'x', 0x32, 6, 0, 1, 't', 0, 1, 'y', 0x30, 4, 0, 1, 't', 'z'));
  assert_int_equal(
      sr_broker(rig, BYTES(0x40, 2, 0, 1, 0x40, 2, 0, 1, 0x50, 2, 0, 1, 0x70, 2, 0, 1)), 0);
  sr_assert_reported(rig, "puback:1:0 stray:1 stray:1 stray:1 ");
  sr_free(rig);
}

static void publish_refuses(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  char big[1100];
  memset(big, 'a', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
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
  struct ik_buf all = sr_sent(rig);
  static const uint8_t puback[] = {0x40, 2, 0, 9};
  assert_true(ik_buf_size(&all) > 400);
  assert_memory_equal(ik_buf_ptr(&all) + ik_buf_size(&all) - 4, puback, 4);
  ik_buf_free(&all);
  sr_free(rig);
}

static void in_flight_is_sent_again(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  assert_int_equal(sr_publish(rig, "t", "0", 1), 1); /* before there is a connection */
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "1", 1), 2);
  assert_int_equal(sr_publish(rig, "t", "2", 1), 3);
  sr_assert_sent(rig, BYTES(0x32, 6, 0, 1, 't', 0, 1, '0', 0x32, 6, 0, 1, 't', 0, 2, '1', 0x32, 6,
                            0, 1, 't', 0, 3, '2'));
  assert_int_equal(sr_broker(rig, BYTES(0x40, 2, 0, 2)), 0);
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(sr_publish(rig, "t", "3", 1), 4);
  sr_assert_reported(rig, "puback:2:0 ");
  sr_go_up(rig);
  sr_assert_sent(rig, BYTES(0x3a, 6, 0, 1, 't', 0, 1, '0', 0x3a, 6, 0, 1, 't', 0, 3, '2', 0x32, 6,
                            0, 1, 't', 0, 4, '3'));
  assert_int_equal(sr_broker(rig, BYTES(0x40, 2, 0, 1, 0x40, 2, 0, 3, 0x40, 2, 0, 4)), 0);
  sr_assert_reported(rig, "puback:1:0 puback:3:0 puback:4:0 ");
  ik_mqtt_session_drop(&rig->session);
  sr_go_up(rig);
  sr_assert_silent(rig);
  sr_free(rig);
}

/* ---- QoS 2 ---- */

static void qos_2_is_done_when_the_broker_is(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 2), 1);
  sr_assert_sent(rig, BYTES(0x34, 6, 0, 1, 't', 0, 1, 'x'));
  assert_int_equal(sr_broker(rig, BYTES(0x50, 2, 0, 1)), 0);
  sr_assert_reported(rig, "");
  sr_assert_sent(rig, BYTES(0x62, 2, 0, 1));
  assert_int_equal(sr_broker(rig, BYTES(0x50, 2, 0, 1)), 0); /* it did not hear us */
  sr_assert_sent(rig, BYTES(0x62, 2, 0, 1));
  assert_int_equal(sr_publish(rig, "t", "y", 1), 2);
  assert_int_equal(sr_broker(rig, BYTES(0x70, 2, 0, 1)), 0);
  sr_assert_reported(rig, "puback:1:0 ");
  assert_int_equal(sr_publish(rig, "t", "z", 1), 3);
  sr_free(rig);
}

/* Answers that belong to another QoS, or come too early, change nothing. */
static void answers_of_another_qos_are_strays(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 2), 1);
  assert_int_equal(sr_publish(rig, "t", "y", 1), 2);
  sr_swallow(rig);
  assert_int_equal(
      sr_broker(rig, BYTES(0x40, 2, 0, 1, 0x70, 2, 0, 1, 0x50, 2, 0, 2, 0x70, 2, 0, 2)), 0);
  sr_assert_reported(rig, "stray:1 stray:1 stray:2 stray:2 ");
  sr_assert_silent(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x50, 2, 0, 1, 0x40, 2, 0, 2, 0x70, 2, 0, 1)), 0);
  sr_assert_reported(rig, "puback:2:0 puback:1:0 ");
  assert_int_equal(sr_broker(rig, BYTES(0x50, 2, 0, 1)), 0);
  sr_assert_reported(rig, "stray:1 ");
  sr_free(rig);
}

/* After a drop goes on what each message was at: the message itself, or its release. */
static void qos_2_goes_on_after_drops(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "0", 2), 1);
  assert_int_equal(sr_publish(rig, "t", "1", 2), 2);
  assert_int_equal(sr_publish(rig, "t", "2", 1), 3);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, BYTES(0x50, 2, 0, 1)), 0);
  ik_mqtt_session_drop(&rig->session); /* with the PUBREL unsent */
  for (int i = 0; i < 3; i++) {
    sr_go_up(rig);
    sr_assert_sent(
        rig, BYTES(0x62, 2, 0, 1, 0x3c, 6, 0, 1, 't', 0, 2, '1', 0x3a, 6, 0, 1, 't', 0, 3, '2'));
    ik_mqtt_session_drop(&rig->session);
  }
  assert_int_equal(rig->session.flights.unsent_bytes, 4 + 8 + 8);
  sr_go_up(rig);
  sr_swallow(rig);
  assert_int_equal(
      sr_broker(rig, BYTES(0x50, 2, 0, 2, 0x70, 2, 0, 2, 0x40, 2, 0, 3, 0x70, 2, 0, 1)), 0);
  sr_assert_sent(rig, BYTES(0x62, 2, 0, 2));
  sr_assert_reported(rig, "puback:2:0 puback:3:0 puback:1:0 ");
  ik_mqtt_session_drop(&rig->session);
  sr_go_up(rig);
  sr_assert_silent(rig);
  assert_int_equal(rig->session.flights.unsent_bytes, 0);
  sr_free(rig);
}

/* DISCONNECT waits for the second half, and after it nothing is sent. */
static void leaving_waits_for_both_halves(void **state) {
  (void)state;
  struct session_rig *rig = sr_clean();
  sr_go_up(rig);
  assert_int_equal(sr_publish(rig, "t", "x", 2), 1);
  ik_mqtt_session_leave(&rig->session, rig->now + 1500);
  sr_assert_sent(rig, BYTES(0x34, 6, 0, 1, 't', 0, 1, 'x'));
  assert_int_equal(sr_broker(rig, BYTES(0x50, 2, 0, 1)), 0);
  sr_assert_sent(rig, BYTES(0x62, 2, 0, 1));
  assert_int_equal(sr_broker(rig, BYTES(0x70, 2, 0, 1)), 0);
  sr_assert_sent(rig, BYTES(0xe0, 0));
  assert_int_equal(sr_broker(rig, BYTES(0x50, 2, 0, 1)), 0);
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
  struct ik_buf all = sr_sent(rig);
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(publishes),
      cmocka_unit_test(publish_refuses),
      cmocka_unit_test(a_full_queue_does_not_keep_acknowledgements),
      cmocka_unit_test(in_flight_is_sent_again),
      cmocka_unit_test(qos_2_is_done_when_the_broker_is),
      cmocka_unit_test(answers_of_another_qos_are_strays),
      cmocka_unit_test(qos_2_goes_on_after_drops),
      cmocka_unit_test(leaving_waits_for_both_halves),
      cmocka_unit_test(in_flight_waits_while_connected),
      cmocka_unit_test(a_backlog_goes_out_in_portions),
      cmocka_unit_test(identifiers_in_use_are_skipped),
  };
  return sr_run_both_ways(tests);
}
