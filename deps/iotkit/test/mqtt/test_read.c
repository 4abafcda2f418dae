/*
 * Packets that a broker sends, in pieces of any size.
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
      {"needless bytes, and the length is wrong", {0xd0, 0x81, 0x80, 0}, 4},
      {"needless bytes, five in all", {0xd0, 0x80, 0x80, 0x80, 0x80}, 5},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct record got = {0};
    if (read_once(rows[i].bytes, rows[i].len, 1000, &got) != IK_EMQTT_PROTOCOL || got.len)
      fail_msg("taken: %s", rows[i].what);
  }
}

/* Some brokers write the length of every packet in as many bytes as they have reserved for it. */
static void reads_lengths_in_more_bytes_than_they_need(void **state) {
  (void)state;
  static const struct {
    const uint8_t bytes[12];
    size_t len;
    const char *want;
  } rows[] = {
      {{0xd0, 0x80, 0}, 3, "13:0:0:0:3:0:0:::-1;"},
      {{0xd0, 0x80, 0x80, 0x80, 0}, 5, "13:0:0:0:5:0:0:::-1;"},
      {{0x40, 0x82, 0, 0, 7}, 5, "4:7:0:0:5:0:0:::-1;"},
      {{0x30, 0x84, 0x80, 0x80, 0, 0, 1, 't', 'x'}, 9, "3:0:0:0:9:0:0:t:x:-1;"},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct record whole = {0};
    assert_int_equal(read_once(rows[i].bytes, rows[i].len, 1000, &whole), 0);
    assert_string_equal(whole.text, rows[i].want);
    struct ik_mqtt_reader reader;
    struct record pieces = {0};
    ik_mqtt_reader_init(&reader, 1000);
    for (size_t at = 0; at < rows[i].len; at++)
      assert_int_equal(feed(&reader, rows[i].bytes + at, 1, &pieces), 0);
    assert_string_equal(pieces.text, rows[i].want);
    ik_mqtt_reader_reset(&reader);
  }
  struct record got = {0};
  assert_int_equal(
      read_once(BYTES(0x32, 0x8c, 0x80, 0, 0, 1, 'a', 0, 9, 1, 2, 3, 4, 5, 6, 7), 10, &got),
      0); /* skipped, above the limit */
  assert_string_equal(got.text, "3:9:0:0:16:1:0:::-1;");
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
      cmocka_unit_test(reads_every_type),
      cmocka_unit_test(reads_any_split),
      cmocka_unit_test(refuses_malformed),
      cmocka_unit_test(reads_lengths_in_more_bytes_than_they_need),
      cmocka_unit_test(skips_what_is_too_large),
      cmocka_unit_test(skips_without_believing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
