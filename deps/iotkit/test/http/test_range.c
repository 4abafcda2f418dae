/*
 * Content-Range, entity tags, dates, Retry-After.
 */
#include <string.h>

#include "http/range.h"
#include "iotkit_errors.h"
#include "support/cm.h"

static void reads_content_range(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool valid;
    struct ik_http_content_range range;
  } cases[] = {
      {"bytes 0-0/1", true, {0, 0, 1}},
      {"bytes 5-9/10", true, {5, 9, 10}},
      {"Bytes 5-9/*", true, {5, 9, IK_HTTP_TOTAL_UNKNOWN}},
      {"bytes 4294967296-5368709119/5368709120", true, {4294967296, 5368709119, 5368709120}},
      {"bytes 5-10/10", false, {0}},
      {"bytes 9-5/10", false, {0}},
      {"bytes */10", false, {0}},
      {"bytes=5-9/10", false, {0}},
      {"bytes 5-9", false, {0}},
      {"bytes 5-/10", false, {0}},
      {"bytes -9/10", false, {0}},
      {"bytes  5-9/10", false, {0}},
      {"bytes 5 - 9/10", false, {0}},
      {"bytes 5-9/10 ", false, {0}},
      {"items 5-9/10", false, {0}},
      {"bytes 5-9/18446744073709551616", false, {0}},
      {"bytes +5-9/10", false, {0}},
      {"", false, {0}},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct ik_http_content_range range = {0};
    bool valid = ik_http_content_range(ik_str(cases[i].text), &range);
    if (valid != cases[i].valid) fail_msg("%s", cases[i].text);
    if (valid) assert_memory_equal(&range, &cases[i].range, sizeof(range));
  }
}

static void tells_strong_entity_tags(void **state) {
  (void)state;
  static const char *const strong[] = {"\"\"", "\"a\"", "\"6523f-40000000\"", "\"\xff\"",
                                       "\"a,b\""};
  static const char *const others[] = {"",    "W/\"a\"", "w/\"a\"",  "a",       "\"",
                                       "\"a", "a\"",     "\"a\"b\"", "\"a b\"", "\"a\x7f\""};
  for (size_t i = 0; i < COUNT(strong); i++)
    assert_true(ik_http_etag_is_strong(ik_str(strong[i])));
  for (size_t i = 0; i < COUNT(others); i++)
    assert_false(ik_http_etag_is_strong(ik_str(others[i])));
}

static void reads_dates(void **state) {
  (void)state;
  static const struct {
    const char *text;
    uint64_t seconds; /* 0: refused */
  } cases[] = {
      {"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
      {"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
      {"Sun Nov  6 08:49:37 1994", 784111777},
      {"Sun Nov 16 08:49:37 1994", 784975777},
      {"Thu, 01 Jan 1970 00:00:01 GMT", 1},
      {"Thu, 29 Feb 2024 12:00:00 GMT", 1709208000},
      {"Fri, 01 Mar 2024 00:00:00 GMT", 1709251200},
      {"Mon, 01 Mar 2100 00:00:00 GMT", 4107542400},
      {"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800},
      {"Monday, 23-Nov-26 10:00:00 GMT", 1795428000},
      {"Sun, 06 Nov 1994 08:49:37 CET", 0},
      {"Sun, 06 Nov 1994 08:49:37", 0},
      {"Sun, 06 nov 1994 08:49:37 GMT", 0},
      {"Sun, 00 Nov 1994 08:49:37 GMT", 0},
      {"Sun, 32 Nov 1994 08:49:37 GMT", 0},
      {"Sun, 06 Nov 1994 24:49:37 GMT", 0},
      {"Sun, 06 Nov 1994 08:60:37 GMT", 0},
      {"Sun, 06 Nov 1969 08:49:37 GMT", 0},
      {"Sun, 06 Nov 1994 08.49.37 GMT", 0},
      {" GMT", 0},
      {"GMT", 0},
      {"", 0},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    uint64_t seconds = 0;
    bool valid = ik_http_date(ik_str(cases[i].text), &seconds);
    if (valid != (cases[i].seconds != 0) || (valid && seconds != cases[i].seconds)) {
      fail_msg("%s: %llu", cases[i].text, (unsigned long long)seconds);
    }
  }
}

static void reads_retry_after(void **state) {
  (void)state;
  const uint64_t wall_ms = 784111777000; /* Sun, 06 Nov 1994 08:49:37 */
  uint64_t wait_ms = 7;
  assert_true(ik_http_retry_after(ik_str("0"), wall_ms, &wait_ms));
  assert_true(wait_ms == 0);
  assert_true(ik_http_retry_after(ik_str("120"), wall_ms, &wait_ms));
  assert_true(wait_ms == 120000);
  assert_true(ik_http_retry_after(ik_str("18446744073709551615"), wall_ms, &wait_ms));
  assert_true(wait_ms == UINT64_MAX);
  assert_true(ik_http_retry_after(ik_str("Sun, 06 Nov 1994 08:50:37 GMT"), wall_ms, &wait_ms));
  assert_true(wait_ms == 60000);
  assert_true(ik_http_retry_after(ik_str("Sun, 06 Nov 1994 08:48:37 GMT"), wall_ms, &wait_ms));
  assert_true(wait_ms == 0);
  assert_false(ik_http_retry_after(ik_str("soon"), wall_ms, &wait_ms));
  assert_false(ik_http_retry_after(ik_str("-1"), wall_ms, &wait_ms));
  assert_false(ik_http_retry_after(ik_str("1.5"), wall_ms, &wait_ms));
  assert_false(ik_http_retry_after(ik_str(""), wall_ms, &wait_ms));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_content_range),
      cmocka_unit_test(tells_strong_entity_tags),
      cmocka_unit_test(reads_dates),
      cmocka_unit_test(reads_retry_after),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
