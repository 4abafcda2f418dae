/* Packets that a client sends, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "iotkit_errors.h"
#include "mqtt/packet.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})

static void assert_bytes(struct ik_buf *buf, const uint8_t *want, size_t len) {
  assert_int_equal(ik_buf_size(buf), len);
  assert_memory_equal(ik_buf_ptr(buf), want, len);
  ik_buf_free(buf);
}

static void writes_connect(void **state) {
  (void)state;
  struct ik_buf out;
  ik_buf_init(&out, 1000);
  struct ik_mqtt_connect connect = {
      .client_id = ik_str("c"), .clean_session = true, .keep_alive_s = 300};
  assert_int_equal(ik_mqtt_write_connect(&out, &connect), 0);
  assert_bytes(&out, BYTES(0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x02, 1, 0x2c, 0, 1, 'c'));
  connect.has_username = connect.has_password = true;
  connect.clean_session = false;
  connect.username = ik_str("u");
  connect.password = ik_str("");
  assert_int_equal(ik_mqtt_write_connect(&out, &connect), 0);
  assert_bytes(&out, BYTES(0x10, 18, 0, 4, 'M', 'Q', 'T', 'T', 4, 0xc0, 1, 0x2c, 0, 1, 'c', 0, 1,
                           'u', 0, 0));
}

static void writes_a_will(void **state) {
  (void)state;
  struct ik_buf out;
  ik_buf_init(&out, 1000);
  struct ik_mqtt_connect connect = {.client_id = ik_str("c"),
                                    .has_username = true,
                                    .username = ik_str("u"),
                                    .has_will = true,
                                    .will_topic = ik_str("w/t"),
                                    .will_payload = {"a\0b", 3}};
  assert_int_equal(ik_mqtt_write_connect(&out, &connect), 0);
  assert_bytes(&out, BYTES(0x10, 26, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x84, 0, 0, 0, 1, 'c', 0, 3, 'w',
                           '/', 't', 0, 3, 'a', 0, 'b', 0, 1, 'u'));
  connect.has_username = false;
  connect.will_payload = ik_str("");
  connect.will_qos = 2;
  connect.will_retain = connect.clean_session = true;
  assert_int_equal(ik_mqtt_write_connect(&out, &connect), 0);
  assert_bytes(&out, BYTES(0x10, 20, 0, 4, 'M', 'Q', 'T', 'T', 4, 0x36, 0, 0, 0, 1, 'c', 0, 3, 'w',
                           '/', 't', 0, 0));
}

static void writes_the_others(void **state) {
  (void)state;
  struct ik_buf out;
  ik_buf_init(&out, 1000);
  struct ik_mqtt_publish publish = {
      .topic = ik_str("t"), .payload = (const uint8_t *)"hi", .payload_len = 2};
  assert_int_equal(ik_mqtt_write_publish(&out, &publish), 0);
  assert_bytes(&out, BYTES(0x30, 5, 0, 1, 't', 'h', 'i'));
  publish.qos = 1;
  publish.packet_id = 0x1234;
  publish.retain = publish.dup = true;
  assert_int_equal(ik_mqtt_write_publish(&out, &publish), 0);
  assert_bytes(&out, BYTES(0x3b, 7, 0, 1, 't', 0x12, 0x34, 'h', 'i'));
  assert_int_equal(ik_mqtt_write_subscribe(&out, 10, ik_str("a/#"), 1), 0);
  assert_bytes(&out, BYTES(0x82, 8, 0, 10, 0, 3, 'a', '/', '#', 1));
  assert_int_equal(ik_mqtt_write_unsubscribe(&out, 10, ik_str("a/#")), 0);
  assert_bytes(&out, BYTES(0xa2, 7, 0, 10, 0, 3, 'a', '/', '#'));
  assert_int_equal(ik_mqtt_write_ack(&out, IK_MQTT_PUBACK, 0x102), 0);
  assert_bytes(&out, BYTES(0x40, 2, 1, 2));
  assert_int_equal(ik_mqtt_write_ack(&out, IK_MQTT_PUBREL, 0x102), 0);
  assert_bytes(&out, BYTES(0x62, 2, 1, 2));
  assert_int_equal(ik_mqtt_write_empty(&out, IK_MQTT_PINGREQ), 0);
  assert_bytes(&out, BYTES(0xc0, 0));
  assert_int_equal(ik_mqtt_write_empty(&out, IK_MQTT_DISCONNECT), 0);
  assert_bytes(&out, BYTES(0xe0, 0));
}

/* Each boundary of the remaining length, and what is refused whole. */
static void writes_lengths(void **state) {
  (void)state;
  static const struct {
    size_t remaining;
    uint8_t bytes[4];
    size_t count;
  } rows[] = {{127, {0x7f}, 1},
              {128, {0x80, 1}, 2},
              {16383, {0xff, 0x7f}, 2},
              {16384, {0x80, 0x80, 1}, 3},
              {2097151, {0xff, 0xff, 0x7f}, 3},
              {2097152, {0x80, 0x80, 0x80, 1}, 4}};
  uint8_t *payload = calloc(1, 2097152);
  assert_non_null(payload);
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct ik_buf out;
    struct ik_mqtt_publish publish = {
        .topic = ik_str("t"), .payload = payload, .payload_len = rows[i].remaining - 3};
    ik_buf_init(&out, rows[i].remaining + 5);
    assert_int_equal(ik_mqtt_write_publish(&out, &publish), 0);
    assert_int_equal(ik_buf_size(&out), 1 + rows[i].count + rows[i].remaining);
    assert_int_equal(ik_mqtt_publish_len(&publish), ik_buf_size(&out));
    assert_memory_equal(ik_buf_ptr(&out) + 1, rows[i].bytes, rows[i].count);
    publish.payload_len += 5;
    ik_buf_free(&out);
    assert_int_equal(ik_mqtt_write_publish(&out, &publish), IK_ETOO_LONG);
    assert_int_equal(ik_buf_size(&out), 0);
    ik_buf_free(&out);
  }
  free(payload);
  const struct ik_mqtt_publish huge = {.topic = ik_str("t"), .payload_len = IK_MQTT_REMAINING_MAX};
  assert_true(ik_mqtt_publish_len(&huge) == SIZE_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_connect),
      cmocka_unit_test(writes_a_will),
      cmocka_unit_test(writes_the_others),
      cmocka_unit_test(writes_lengths),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
