/*
 * test_mqtt_packet.c - the writer byte for byte, the reader with every split of its input and with
 * malformed packets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- reading ---- */

static const uint8_t stream[] = {
    0x20, 2, 1, 0,                            /* CONNACK, session present */
    0x30, 5, 0, 1,  't',  'h', 'i',           /* PUBLISH QoS 0 */
    0x3b, 6, 0, 2,  'a',  'b', 0,   9,        /* PUBLISH QoS 1, DUP, RETAIN, no payload */
    0x34, 7, 0, 1,  'q',  1,   0,   'x', 'y', /* PUBLISH QoS 2 */
    0x40, 2, 0, 7,                            /* PUBACK */
    0x50, 2, 0, 8,                            /* PUBREC */
    0x62, 2, 0, 9,                            /* PUBREL */
    0x70, 2, 0, 10,                           /* PUBCOMP */
    0x90, 3, 0, 11, 0x80,                     /* SUBACK */
    0xb0, 2, 0, 12,                           /* UNSUBACK */
    0xd0, 0,                                  /* PINGRESP */
};

/* What was read, as text: so that two ways of reading are compared whole. */
struct record {
  char text[2048];
  size_t len;
};

static void note(struct record *to, const struct ik_mqtt_packet *packet) {
  const struct ik_mqtt_publish *p = &packet->publish;
  const int n = snprintf(
      to->text + to->len, sizeof(to->text) - to->len, "%d:%u:%u:%d:%zu:%u:%d:%.*s:%.*s:%d;",
      packet->type, packet->packet_id, packet->code, packet->session_present, packet->size, p->qos,
      p->dup * 2 + p->retain, (int)p->topic.len, p->topic.ptr ? p->topic.ptr : "",
      (int)p->payload_len, p->payload ? (const char *)p->payload : "",
      packet->codes_len ? packet->codes[0] : -1);
  assert_true(n > 0 && to->len + (size_t)n < sizeof(to->text));
  to->len += (size_t)n;
}

static int feed(struct ik_mqtt_reader *reader, const uint8_t *data, size_t len, struct record *to) {
  struct ik_mqtt_packet packet;
  char detail[IOTKIT_DETAIL_MAX];
  /* An exact copy on the heap, so that reading one byte too many shows under valgrind and ASan. */
  uint8_t *copy = malloc(len ? len : 1);
  assert_non_null(copy);
  memcpy(copy, data, len);
  const uint8_t *at = copy;
  int rc;
  while ((rc = ik_mqtt_reader_next(reader, &at, &len, &packet, detail)) > 0)
    note(to, &packet);
  if (rc == 0) assert_int_equal(len, 0);
  free(copy);
  return rc;
}

static void reads_every_type(void **state) {
  (void)state;
  struct ik_mqtt_reader reader;
  struct record got = {0};
  ik_mqtt_reader_init(&reader, 1000);
  assert_int_equal(feed(&reader, stream, sizeof(stream), &got), 0);
  assert_string_equal(
      got.text,
      "2:0:0:1:4:0:0:::-1;3:0:0:0:7:0:0:t:hi:-1;3:9:0:0:8:1:3:ab::-1;3:256:0:0:9:2:0:q:xy:-1;"
      "4:7:0:0:4:0:0:::-1;5:8:0:0:4:0:0:::-1;6:9:0:0:4:0:0:::-1;7:10:0:0:4:0:0:::-1;"
      "9:11:0:0:5:0:0:::128;11:12:0:0:4:0:0:::-1;13:0:0:0:2:0:0:::-1;");
  assert_null(reader.partial.data);
  ik_mqtt_reader_reset(&reader);
}

static void reads_any_split(void **state) {
  (void)state;
  struct record whole = {0};
  struct ik_mqtt_reader reader;
  ik_mqtt_reader_init(&reader, 1000);
  assert_int_equal(feed(&reader, stream, sizeof(stream), &whole), 0);
  ik_mqtt_reader_reset(&reader);
  for (size_t a = 0; a <= sizeof(stream); a++) {
    for (size_t b = a; b <= sizeof(stream); b++) {
      struct record got = {0};
      assert_int_equal(feed(&reader, stream, a, &got), 0);
      assert_int_equal(feed(&reader, stream + a, b - a, &got), 0);
      assert_int_equal(feed(&reader, stream + b, sizeof(stream) - b, &got), 0);
      assert_string_equal(got.text, whole.text);
      assert_null(reader.partial.data);
    }
  }
  struct record got = {0};
  for (size_t i = 0; i < sizeof(stream); i++)
    assert_int_equal(feed(&reader, stream + i, 1, &got), 0);
  assert_string_equal(got.text, whole.text);
  ik_mqtt_reader_reset(&reader);
}

static int read_once(const uint8_t *data, size_t len, size_t max_packet, struct record *got) {
  struct ik_mqtt_reader reader;
  ik_mqtt_reader_init(&reader, max_packet);
  const int rc = feed(&reader, data, len, got);
  ik_mqtt_reader_reset(&reader);
  return rc;
}

static void refuses_malformed(void **state) {
  (void)state;
  static const struct {
    const char *what;
    uint8_t bytes[12];
    size_t len;
  } rows[] = {
      {"type 0", {0x00, 0}, 2},
      {"CONNECT", {0x10, 0}, 2},
      {"SUBSCRIBE", {0x82, 0}, 2},
      {"UNSUBSCRIBE", {0xa2, 0}, 2},
      {"PINGREQ", {0xc0, 0}, 2},
      {"DISCONNECT", {0xe0, 0}, 2},
      {"type 15", {0xf0, 0}, 2},
      {"CONNACK flags", {0x21, 2}, 2},
      {"CONNACK length", {0x20, 3}, 2},
      {"CONNACK reserved bits", {0x20, 2, 2, 0}, 4},
      {"CONNACK refused and present", {0x20, 2, 1, 5}, 4},
      {"PUBACK flags", {0x42, 2}, 2},
      {"PUBACK length", {0x40, 4}, 2},
      {"PUBACK id 0", {0x40, 2, 0, 0}, 4},
      {"PUBREC id 0", {0x50, 2, 0, 0}, 4},
      {"PUBREL flags", {0x60, 2}, 2},
      {"PUBREL length", {0x62, 1}, 2},
      {"PUBCOMP flags", {0x72, 2}, 2},
      {"SUBACK flags", {0x92, 3}, 2},
      {"SUBACK without codes", {0x90, 2}, 2},
      {"SUBACK reserved code", {0x90, 3, 0, 1, 3}, 5},
      {"SUBACK reserved failure", {0x90, 3, 0, 1, 0x81}, 5},
      {"SUBACK id 0", {0x90, 3, 0, 0, 0}, 5},
      {"UNSUBACK length", {0xb0, 3}, 2},
      {"PINGRESP body", {0xd0, 1}, 2},
      {"PINGRESP flags", {0xd1, 0}, 2},
      {"PUBLISH QoS 3", {0x36, 8}, 2},
      {"PUBLISH QoS 0 DUP", {0x38, 8}, 2},
      {"PUBLISH QoS 0 too short", {0x30, 2}, 2},
      {"PUBLISH QoS 1 too short", {0x32, 4}, 2},
      {"PUBLISH topic too long", {0x30, 3, 0, 2, 'a'}, 5},
      {"PUBLISH topic takes the id", {0x32, 5, 0, 2, 'a', 'b', 'c'}, 7},
      {"PUBLISH empty topic", {0x30, 3, 0, 0, 'a'}, 5},
      {"PUBLISH topic with +", {0x30, 3, 0, 1, '+'}, 5},
      {"PUBLISH topic with #", {0x30, 4, 0, 2, 'a', '#'}, 6},
      {"PUBLISH topic with NUL", {0x30, 3, 0, 1, 0}, 5},
      {"PUBLISH topic not UTF-8", {0x30, 3, 0, 1, 0xff}, 5},
      {"PUBLISH id 0", {0x32, 5, 0, 1, 'a', 0, 0}, 7},
      {"length of five bytes", {0x30, 0xff, 0xff, 0xff, 0xff}, 5},
      {"length with a needless byte", {0xd0, 0x80, 0}, 3},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct record got = {0};
    if (read_once(rows[i].bytes, rows[i].len, 1000, &got) != IK_EMQTT_PROTOCOL || got.len)
      fail_msg("taken: %s", rows[i].what);
  }
}

/*
 * A message above the limit is skipped, whatever the pieces it comes in, and only its head is
 * known.
 */
static void skips_what_is_too_large(void **state) {
  (void)state;
  uint8_t bytes[100 + 9] = {0x32, 98, 0, 3, 'a', '/', 'b', 0x12, 0x34};
  memcpy(bytes + 100, BYTES(0x40, 2, 0, 7, 0x30, 3, 0, 1, 't'));
  for (size_t piece = 1; piece <= sizeof(bytes); piece++) {
    struct ik_mqtt_reader reader;
    struct record got = {0};
    ik_mqtt_reader_init(&reader, 99);
    for (size_t at = 0; at < sizeof(bytes); at += piece) {
      const size_t left = sizeof(bytes) - at;
      assert_int_equal(feed(&reader, bytes + at, left < piece ? left : piece, &got), 0);
      assert_true(reader.partial.cap <= 256);
    }
    assert_string_equal(got.text,
                        "3:4660:0:0:100:1:0:::-1;4:7:0:0:4:0:0:::-1;3:0:0:0:5:0:0:t::-1;");
    ik_mqtt_reader_reset(&reader);
  }
  struct record got = {0};
  assert_int_equal(read_once(bytes, sizeof(bytes), 100, &got), 0); /* exactly the limit: taken */
  assert_int_equal(memcmp(got.text, "3:4660:0:0:100:1:0:a/b:", 23), 0);
}

static void skips_without_believing(void **state) {
  (void)state;
  struct record got = {0};
  assert_int_equal(read_once(BYTES(0x32, 20, 0xff, 0xff), 10, &got), IK_EMQTT_PROTOCOL);
  assert_int_equal(read_once(BYTES(0x32, 20, 0, 1, 'a', 0, 0), 10, &got), IK_EMQTT_PROTOCOL);
  assert_int_equal(read_once(BYTES(0x32, 20, 0, 17), 10, &got),
                   IK_EMQTT_PROTOCOL); /* takes the id */
  assert_int_equal(read_once(BYTES(0x90, 20), 10, &got), IK_EMQTT_PACKET_TOO_LARGE);
  assert_int_equal(got.len, 0);
  /* The largest packet there can be: announced, never allocated. */
  struct ik_mqtt_reader reader;
  ik_mqtt_reader_init(&reader, 1000);
  assert_int_equal(feed(&reader, BYTES(0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 'a', 'b'), &got), 0);
  assert_null(reader.partial.data);
  ik_mqtt_reader_reset(&reader);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_connect),          cmocka_unit_test(writes_the_others),
      cmocka_unit_test(writes_lengths),          cmocka_unit_test(reads_every_type),
      cmocka_unit_test(reads_any_split),         cmocka_unit_test(refuses_malformed),
      cmocka_unit_test(skips_what_is_too_large), cmocka_unit_test(skips_without_believing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
