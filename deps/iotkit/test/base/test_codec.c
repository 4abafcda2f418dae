/* Hex, base64, CRC-16/ARC, constant-time compare, wiping. */
#include <string.h>

#include "base/codec.h"
#include "iotkit_errors.h"
#include "support/cm.h"
#include "support/rng.h"

static void hex(void **state) {
  const uint8_t bytes[] = {0x00, 0x9f, 0xAB, 0xff};
  uint8_t back[4];
  char text[9];
  (void)state;
  ik_hex_encode(bytes, sizeof bytes, text);
  assert_string_equal(text, "009fabff");
  ik_hex_encode(bytes, 0, text);
  assert_string_equal(text, "");
  assert_true(ik_hex_decode(IK_STR("009FaBfF"), back, 4));
  assert_memory_equal(back, bytes, 4);
  assert_true(ik_hex_decode(IK_STR(""), back, 0));
  assert_false(ik_hex_decode(IK_STR("009fabf"), back, 4));
  assert_false(ik_hex_decode(IK_STR("009fabf"), back, 3));
  assert_false(ik_hex_decode(IK_STR("009fabff0"), back, 4));
  assert_false(ik_hex_decode(IK_STR("009fabff00"), back, 4));
  assert_false(ik_hex_decode(IK_STR("009fabfg"), back, 4));
  assert_false(ik_hex_decode(IK_STR("00 fabff"), back, 4));
  assert_false(ik_hex_decode(IK_STR("0x9fabff"), back, 4));
}

static void base64_of_rfc4648(void **state) {
  static const struct {
    const char *plain, *text;
  } rows[] = {{"", ""},
              {"f", "Zg=="},
              {"fo", "Zm8="},
              {"foo", "Zm9v"},
              {"foob", "Zm9vYg=="},
              {"fooba", "Zm9vYmE="},
              {"foobar", "Zm9vYmFy"}};
  uint8_t out[16];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    size_t len = strlen(rows[i].plain);
    struct ik_buf buf;
    ik_buf_init(&buf, 64);
    assert_int_equal(ik_base64_encode((const uint8_t *)rows[i].plain, len, &buf), 0);
    assert_int_equal(ik_buf_size(&buf), strlen(rows[i].text));
    assert_memory_equal(ik_buf_ptr(&buf), rows[i].text, strlen(rows[i].text));
    assert_int_equal(ik_base64_decode(ik_str(rows[i].text), out, sizeof out), len);
    assert_memory_equal(out, rows[i].plain, len);
    if (len > 0) assert_int_equal(ik_base64_decode(ik_str(rows[i].text), out, len - 1), -1);
    ik_buf_free(&buf);
  }
}

static void base64_as_it_is_met(void **state) {
  static const struct {
    const char *text, *plain;
  } rows[] = {
      {"Zg", "f"},
      {"Zg=", "f"},
      {"Zm8", "fo"},
      {"Zm9vYg", "foob"},
      {"Zm9v\n", "foo"},
      {"Zm9v\r\nYmFy\r\n", "foobar"},
      {" Zm9v", "foo"},
      {"Zg==\n\n\n", "f"},
      {"Zg=\n=", "f"},
      {"Z m\t9 v", "foo"},
      {"\n", ""},
      {"_-__", "\xff\xef\xff"},
      {"/+//", "\xff\xef\xff"},
      {"/+_/", "\xff\xef\xff"},
  };
  uint8_t out[16];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    size_t len = strlen(rows[i].plain);
    assert_int_equal(ik_base64_decode(ik_str(rows[i].text), out, sizeof out), len);
    assert_memory_equal(out, rows[i].plain, len);
    if (len > 0) assert_int_equal(ik_base64_decode(ik_str(rows[i].text), out, len - 1), -1);
  }
}

static void base64_refuses(void **state) {
  static const char *const rows[] = {"Z",     "=",      "====",     "Z===",  "Zg==Zg==", "Zm=v",
                                     "Z=g=",  "Zm 9",   "Zm9vY",    "Zh==",  "Zm9=",     "Zh",
                                     "Zm9v=", "Zm9v==", "Zm9v====", "Zg===", "Zm8==",    "Zg==Z",
                                     "%%",    "Zm9v\v", "Zm9\xc3"};
  uint8_t out[16];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    if (ik_base64_decode(ik_str(rows[i]), out, sizeof out) != -1) fail_msg("\"%s\"", rows[i]);
  }
}

static void base64_round_trip(void **state) {
  struct rng rng = rng_start("base64");
  uint8_t bytes[300], back[300];
  (void)state;
  for (size_t len = 0; len <= sizeof bytes; len++) {
    struct ik_buf buf;
    rng_fill(&rng, bytes, len);
    ik_buf_init(&buf, (len + 2) / 3 * 4);
    assert_int_equal(ik_base64_encode(bytes, len, &buf), 0);
    struct ik_str text = {(const char *)ik_buf_ptr(&buf), ik_buf_size(&buf)};
    assert_int_equal(ik_base64_decode(text, back, sizeof back), len);
    assert_memory_equal(back, bytes, len);
    ik_buf_free(&buf);
  }
}

static void base64_keeps_to_the_buffers_maximum(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, 7);
  assert_int_equal(ik_base64_encode((const uint8_t *)"foobar", 6, &buf), IK_ETOO_LONG);
  assert_int_equal(ik_buf_size(&buf), 0);
  ik_buf_free(&buf);
}

static void big_endian(void **state) {
  uint8_t bytes[9] = {0};
  (void)state;
  ik_put_be(bytes, UINT64_C(0x0123456789abcdef), 8);
  assert_memory_equal(bytes, "\x01\x23\x45\x67\x89\xab\xcd\xef", 9);
  assert_int_equal(ik_get_be(bytes, 8), UINT64_C(0x0123456789abcdef));
  assert_int_equal(ik_get_be(bytes + 1, 3), 0x234567);
  ik_put_be(bytes, 0x112233, 2); /* what does not fit is left out */
  assert_memory_equal(bytes, "\x22\x33\x45", 3);
  assert_int_equal(ik_get_be(bytes, 0), 0);
}

/* The definition of CRC-16/ARC, bit by bit. */
static uint16_t crc_slowly(uint16_t crc, const uint8_t *data, size_t len) {
  unsigned value = crc;
  for (size_t i = 0; i < len; i++) {
    value ^= data[i];
    for (int bit = 0; bit < 8; bit++)
      value = value & 1 ? value >> 1 ^ 0xa001 : value >> 1;
  }
  return (uint16_t)value;
}

static void crc16(void **state) {
  struct rng rng = rng_start("crc16");
  uint8_t data[500];
  (void)state;
  assert_int_equal(ik_crc16(0, "123456789", 9), 0xbb3d);
  assert_int_equal(ik_crc16(0, "", 0), 0);
  for (int i = 0; i < 500; i++) {
    size_t len = rng_below(&rng, sizeof data);
    size_t cut = rng_below(&rng, len + 1);
    rng_fill(&rng, data, len);
    assert_int_equal(ik_crc16(0, data, len), crc_slowly(0, data, len));
    assert_int_equal(ik_crc16(ik_crc16(0, data, cut), data + cut, len - cut),
                     ik_crc16(0, data, len));
  }
}

/* The definition of CRC-32/ISO-HDLC, bit by bit. */
static uint32_t crc32_slowly(uint32_t crc, const uint8_t *data, size_t len) {
  uint32_t value = ~crc;
  for (size_t i = 0; i < len; i++) {
    value ^= data[i];
    for (int bit = 0; bit < 8; bit++)
      value = value & 1 ? value >> 1 ^ 0xedb88320 : value >> 1;
  }
  return ~value;
}

static void crc32(void **state) {
  struct rng rng = rng_start("crc32");
  uint8_t data[500];
  (void)state;
  assert_int_equal(ik_crc32(0, "123456789", 9), 0xcbf43926);
  assert_int_equal(ik_crc32(0, "", 0), 0);
  for (int i = 0; i < 500; i++) {
    size_t len = rng_below(&rng, sizeof data);
    size_t cut = rng_below(&rng, len + 1);
    rng_fill(&rng, data, len);
    assert_int_equal(ik_crc32(0, data, len), crc32_slowly(0, data, len));
    assert_int_equal(ik_crc32(ik_crc32(0, data, cut), data + cut, len - cut),
                     ik_crc32(0, data, len));
  }
}

static void equality_and_wiping(void **state) {
  uint8_t a[32], b[32];
  static const uint8_t zeros[32];
  (void)state;
  memset(a, 0x5a, sizeof a);
  memcpy(b, a, sizeof b);
  assert_true(ik_equal_ct(a, b, sizeof a));
  assert_true(ik_equal_ct(a, b, 0));
  for (size_t i = 0; i < sizeof a; i++) {
    b[i] ^= 0x80;
    assert_false(ik_equal_ct(a, b, sizeof a));
    b[i] ^= 0x80;
  }
  ik_wipe(a, 31);
  assert_memory_equal(a, zeros, 31);
  assert_int_equal(a[31], 0x5a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hex),
      cmocka_unit_test(base64_of_rfc4648),
      cmocka_unit_test(base64_as_it_is_met),
      cmocka_unit_test(base64_refuses),
      cmocka_unit_test(base64_round_trip),
      cmocka_unit_test(base64_keeps_to_the_buffers_maximum),
      cmocka_unit_test(big_endian),
      cmocka_unit_test(crc16),
      cmocka_unit_test(crc32),
      cmocka_unit_test(equality_and_wiping),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
