/* String slices, numbers in text, UTF-8 and detail texts. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "iotkit_errors.h"
#include "support/cm.h"

static void numbers(void **state) {
  uint64_t v = 0;
  (void)state;
  assert_true(ik_str_u64(IK_STR("18446744073709551615"), &v) && v == UINT64_MAX);
  assert_true(ik_str_u64(IK_STR("000"), &v) && v == 0);
  assert_false(ik_str_u64(IK_STR("18446744073709551616"), &v));
  assert_false(ik_str_u64(IK_STR("184467440737095516150"), &v));
  assert_false(ik_str_u64(IK_STR(""), &v));
  assert_false(ik_str_u64(IK_STR("+1"), &v));
  assert_false(ik_str_u64(IK_STR("-1"), &v));
  assert_false(ik_str_u64(IK_STR(" 1"), &v));
  assert_false(ik_str_u64(IK_STR("1 "), &v));
  assert_false(ik_str_u64(IK_STR("1.0"), &v));
  assert_false(ik_str_u64(IK_STR("0x10"), &v));
  assert_false(ik_str_u64(IK_STR("\xb2"), &v));
  assert_true(ik_str_hex_u64(IK_STR("FfFfFfFfFfFfFfFf"), &v) && v == UINT64_MAX);
  assert_true(ik_str_hex_u64(IK_STR("00000000000000000a"), &v) && v == 10);
  assert_false(ik_str_hex_u64(IK_STR("10000000000000000"), &v));
  assert_false(ik_str_hex_u64(IK_STR(""), &v));
  assert_false(ik_str_hex_u64(IK_STR("0x1"), &v));
  assert_false(ik_str_hex_u64(IK_STR("g"), &v));
}

static void slices(void **state) {
  char *copy;
  (void)state;
  assert_int_equal(ik_str(NULL).len, 0);
  assert_non_null(ik_str(NULL).ptr);
  assert_true(ik_str_eq(ik_str("abc"), IK_STR("abc")));
  assert_false(ik_str_eq(ik_str("abc"), IK_STR("abd")));
  assert_false(ik_str_eq(ik_str("abc"), IK_STR("ab")));
  assert_false(ik_str_eq(ik_str("abc"), IK_STR("ABC")));
  assert_true(ik_str_eq((struct ik_str){NULL, 0}, IK_STR("")));
  assert_true(ik_str_eq_nocase(ik_str("Content-MD5"), IK_STR("content-md5")));
  assert_false(ik_str_eq_nocase(ik_str("@"), IK_STR("`"))); /* differ by 0x20 and are no letters */
  assert_false(ik_str_eq_nocase(ik_str("\xc4"), IK_STR("\xe4")));
  assert_true(ik_str_eq(ik_str_trim(IK_STR(" \t a b \t")), IK_STR("a b")));
  assert_int_equal(ik_str_trim(IK_STR(" \t ")).len, 0);
  assert_true(ik_str_eq(ik_str_trim(IK_STR("\na")), IK_STR("\na")));
  copy = ik_str_dup((struct ik_str){"hello", 4});
  assert_string_equal(copy, "hell");
  free(copy);
  copy = ik_str_dup((struct ik_str){NULL, 0});
  assert_string_equal(copy, "");
  free(copy);
}

static void texts_are_taken_off(void **state) {
  struct ik_str rest = IK_STR("a..b");
  bool stopped = false;
  (void)state;
  assert_true(ik_str_eq(ik_str_take(&rest, '.', &stopped), IK_STR("a")) && stopped);
  assert_true(ik_str_eq(ik_str_take(&rest, '.', &stopped), IK_STR("")) && stopped);
  assert_true(ik_str_eq(ik_str_take(&rest, '.', &stopped), IK_STR("b")) && !stopped);
  assert_int_equal(rest.len, 0);
  assert_true(ik_str_eq(ik_str_take(&rest, '.', &stopped), IK_STR("")) && !stopped);
  rest = IK_STR("host/path?query");
  assert_true(ik_str_eq(ik_str_take_before(&rest, "?/"), IK_STR("host")));
  assert_true(ik_str_eq(ik_str_take_before(&rest, "?"), IK_STR("/path")));
  assert_true(ik_str_eq(ik_str_take_before(&rest, "#"), IK_STR("?query")));
  assert_int_equal(rest.len, 0);
}

static bool valid(const char *text, size_t len) {
  return ik_utf8_valid((const uint8_t *)text, len);
}
#define VALID(literal) valid(literal, sizeof(literal) - 1)

static void utf8_table(void **state) {
  (void)state;
  assert_true(VALID(""));
  assert_true(VALID("plain"));
  assert_true(VALID("a\0b"));
  assert_true(
      VALID("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xef\xbf\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"));
  assert_true(VALID("\xed\x9f\xbf\xee\x80\x80"));
  assert_true(VALID("12345678\xe5\x8d\x87\xe7\xba\xa7 12345678"));
  assert_false(VALID("\x80"));
  assert_false(VALID("\xbf"));
  assert_false(VALID("\xc0\xaf"));
  assert_false(VALID("\xc1\xbf"));
  assert_false(VALID("\xe0\x80\xaf"));
  assert_false(VALID("\xe0\x9f\xbf"));
  assert_false(VALID("\xed\xa0\x80"));
  assert_false(VALID("\xed\xbf\xbf"));
  assert_false(VALID("\xf0\x80\x80\xaf"));
  assert_false(VALID("\xf0\x8f\xbf\xbf"));
  assert_false(VALID("\xf4\x90\x80\x80"));
  assert_false(VALID("\xf5\x80\x80\x80"));
  assert_false(VALID("\xff"));
  assert_false(VALID("\xfe"));
  assert_false(VALID("12345678\xc2"));
  assert_false(VALID("\xe2\x82"));
  assert_false(VALID("\xf0\x9f\x98"));
  assert_false(VALID("\xe2(\xa1"));
  assert_false(VALID("\xf0\x9f\x98 "));
}

/*
 * Every code point, encoded the long way here, is valid exactly when it is no surrogate; and no
 * proper prefix of it is.
 */
static void utf8_every_code_point(void **state) {
  (void)state;
  for (uint32_t code = 0x80; code <= 0x10ffff; code++) {
    char text[4];
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    uint32_t rest = code;
    for (size_t i = len - 1; i > 0; i--) {
      text[i] = (char)(0x80 | (rest & 0x3f));
      rest >>= 6;
    }
    text[0] = (char)((0xf00 >> len & 0xff) | rest);
    if (valid(text, len) != !(code >= 0xd800 && code <= 0xdfff)) fail_msg("U+%X", code);
    if (valid(text, len - 1)) fail_msg("prefix of U+%X", code);
  }
}

static void refusal_writes_and_returns(void **state) {
  char out[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(ik_refuse(NULL, IK_EURL, "%s", "nobody listens"), IK_EURL);
  assert_int_equal(ik_refuse(out, IK_ETOO_LONG, "%s of %d bytes", "path", 7), IK_ETOO_LONG);
  assert_string_equal(out, "path of 7 bytes");
}

static void detail_is_truncated_and_terminated(void **state) {
  char out[IOTKIT_DETAIL_MAX];
  char text[IOTKIT_DETAIL_MAX * 2] = {0};
  (void)state;
  ik_detail(NULL, "%s", "nobody listens");
  ik_detail(out, "%s at byte %d", "bad", 7);
  assert_string_equal(out, "bad at byte 7");
  memset(text, 'x', IOTKIT_DETAIL_MAX + 10);
  ik_detail(out, "%s", text);
  assert_int_equal(strlen(out), IOTKIT_DETAIL_MAX - 1);
  /* A code point is never halved, wherever the cut falls into it. */
  for (size_t lead = 0; lead < 8; lead++) {
    size_t at = lead;
    memset(text, 'x', sizeof text - 1);
    for (; at + 4 < sizeof text; at += 4)
      memcpy(text + at, "\xf0\x9f\x98\x80", 4);
    text[at] = '\0';
    ik_detail(out, "%s", text);
    assert_true(ik_utf8_valid((const uint8_t *)out, strlen(out)));
    assert_true(strlen(out) > IOTKIT_DETAIL_MAX - 5);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers),
      cmocka_unit_test(slices),
      cmocka_unit_test(texts_are_taken_off),
      cmocka_unit_test(utf8_table),
      cmocka_unit_test(utf8_every_code_point),
      cmocka_unit_test(refusal_writes_and_returns),
      cmocka_unit_test(detail_is_truncated_and_terminated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
