/* A client whose broker sends many messages: the socket is left alone for a moment, see read_pace.h. */
#include "support/client_rig.h"

/* Connected and subscribed; `count` messages of a QoS have come, and were handled. */
static struct client_rig *after_messages(int count, uint8_t qos) {
  struct client_rig *rig = cr_new(NULL);
  cr_go_up(rig);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a", qos, cr_handler, rig), 1);
  SAY(rig, "\x90\x03\x00\x01\x01");
  cr_settle(rig);
  for (int i = 0; i < count; i++) {
    if (qos == 0)
      SAY(rig, "\x30\x03\x00\x01"
               "a");
    else
      SAY(rig, "\x32\x05\x00\x01"
               "a\x00\x07");
  }
  cr_settle(rig);
  assert_int_equal(rig->messages, count);
  fake_forget(&rig->wire);
  return rig;
}

/* Nothing is read for a millisecond after many at once, so that more of them come together. */
static void a_flow_is_let_come_together(void **state) {
  (void)state;
  struct client_rig *rig = after_messages(16, 0);
  SAY(rig, "\x30\x03\x00\x01"
           "a");
  assert_int_equal(iotkit_mqtt_interest(rig->client), 0);
  assert_true(iotkit_mqtt_deadline(rig->client) == rig->now + 1);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  cr_settle(rig); /* what is published goes out all the same */
  assert_int_equal(rig->messages, 16);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx");
  rig->now++;
  cr_settle(rig);
  assert_int_equal(rig->messages, 17);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  assert_true(iotkit_mqtt_deadline(rig->client) > rig->now + 1);
  cr_free(rig);
}

/* As from a broker that writes each by itself. */
static void messages_one_by_one_are_a_flow_too(void **state) {
  (void)state;
  struct client_rig *rig = after_messages(0, 0);
  for (int i = 1; i <= 32; i++) {
    assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
    SAY(rig, "\x30\x03\x00\x01"
             "a");
    cr_settle(rig);
    assert_int_equal(rig->messages, i);
  }
  assert_int_equal(iotkit_mqtt_interest(rig->client), 0);
  assert_true(iotkit_mqtt_deadline(rig->client) == rig->now + 1);
  cr_free(rig);
}

/* Requests whose answers come within microseconds. */
static void answers_are_no_flow(void **state) {
  (void)state;
  struct client_rig *rig = after_messages(0, 0);
  for (int i = 1; i <= 100; i++) {
    assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
    cr_settle(rig);
    SAY(rig, "\x30\x03\x00\x01"
             "a");
    cr_settle(rig);
    assert_int_equal(rig->messages, i);
    assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  }
  cr_free(rig);
}

static void a_few_messages_are_no_flow(void **state) {
  (void)state;
  static const struct {
    int count;
    uint8_t qos;
  } rows[] = {{15, 0}, {20, 1}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct client_rig *rig = after_messages(rows[i].count, rows[i].qos);
    assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
    cr_free(rig);
  }
}

/* The stream breaks while nothing is read: what the broker said before still counts. */
static void a_flow_loses_no_last_words(void **state) {
  (void)state;
  struct client_rig *rig = after_messages(16, 0);
  cr_assert_reported(rig, "subscribed:1:0 ");
  SAY(rig, "\x30\x03\x00\x01"
           "a");
  iotkit_mqtt_set_waker(rig->client, NULL, NULL);
  rig->wire.write_error = IK_ECONNECTION_RESET;
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), IK_ENOT_CONNECTED);
  cr_settle(rig);
  assert_int_equal(rig->messages, 17);
  cr_assert_reported(rig, "waiting-1103 ");
  rig->wire.write_error = 0;
  cr_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_flow_is_let_come_together),
      cmocka_unit_test(messages_one_by_one_are_a_flow_too),
      cmocka_unit_test(answers_are_no_flow),
      cmocka_unit_test(a_few_messages_are_no_flow),
      cmocka_unit_test(a_flow_loses_no_last_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
