/*
 * The platform's clock: both spellings of its answer, what is refused and how, and what a reading is
 * worth.
 */
#include "alink/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define ANSWER(sent, received, send)                                                               \
  "{\"deviceSendTime\":" sent ",\"serverRecvTime\":" received ",\"serverSendTime\":" send "}"

static int parse(const char *json, struct ik_time_answer *out, char *detail) {
  /* Of just its size, so that a read beyond it is seen. */
  size_t len = strlen(json);
  char *text = malloc(len > 0 ? len : 1);
  assert_non_null(text);
  memcpy(text, json, len);
  detail[0] = '\0';
  int rc = ik_time_parse((struct ik_str){text, len}, out, detail);
  free(text);
  return rc;
}

static void writes_a_request(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, IK_KIB);
  assert_int_equal(ik_time_write_request(&buf, 1571724098000), 0);
  static const char want[] = "{\"deviceSendTime\":\"1571724098000\"}";
  assert_int_equal(ik_buf_size(&buf), sizeof(want) - 1);
  assert_memory_equal(ik_buf_ptr(&buf), want, sizeof(want) - 1);
  ik_buf_free(&buf);
}

#define SPACED                                                                                     \
  "\xef\xbb\xbf {\"more\":{},\"serverSendTime\":1571724098115,\"serverRecvTime\":"                 \
  "\"1571724098110\",\"deviceSendTime\":\"7\"}"

static void reads_texts_and_numbers(void **state) {
  static const char *const rows[] = {
      ANSWER("\"7\"", "\"1571724098110\"", "\"1571724098115\""),
      ANSWER("7", "1571724098110", "1571724098115"),
      SPACED,
  };
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_time_answer answer;
    if (parse(rows[i], &answer, detail) != 0) fail_msg("row %zu: %s", i, detail);
    assert_true(answer.device_send == 7);
    assert_true(answer.server_recv == 1571724098110);
    assert_true(answer.server_send == 1571724098115);
  }
}

static void refuses_by_name(void **state) {
  static const struct {
    const char *json;
    int rc;
    const char *said;
    uint64_t device_send;
  } rows[] = {
      {"", IK_ENOTICE_JSON, "", 0},
      {"[]", IK_ENOTICE_FIELD, "message: is not an object", 0},
      {"{}", IK_ENOTICE_FIELD, "deviceSendTime: is missing", 0},
      {ANSWER("\"\"", "1", "1"), IK_ENOTICE_FIELD, "deviceSendTime: is missing", 0},
      {ANSWER("\"soon\"", "1", "1"), IK_ENOTICE_FIELD, "deviceSendTime: is not what was sent", 0},
      {ANSWER("-7", "1", "1"), IK_ENOTICE_FIELD, "deviceSendTime: is not what was sent", 0},
      {ANSWER("7", "null", "1"), IK_ENOTICE_FIELD, "serverRecvTime: is missing", 7},
      {ANSWER("7", "1", "[]"), IK_ENOTICE_FIELD, "serverSendTime: is missing", 7},
      {ANSWER("7", "{}", "1"), IK_ENOTICE_FIELD, "serverRecvTime: is not a number", 7},
      {ANSWER("7", "0", "1"), IK_ENOTICE_FIELD, "serverRecvTime: is out of range", 7},
      {ANSWER("7", "1", "253402300800000"), IK_ENOTICE_FIELD, "serverSendTime: is out of range", 7},
      {ANSWER("7", "9", "8"), IK_ENOTICE_FIELD, "serverSendTime: is before serverRecvTime", 7},
  };
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_time_answer answer;
    int rc = parse(rows[i].json, &answer, detail);
    if (rc != rows[i].rc || strstr(detail, rows[i].said) == NULL ||
        answer.device_send != rows[i].device_send) {
      fail_msg("%s: %d %s", rows[i].json, rc, detail);
    }
  }
}

static void refuses_what_is_too_long(void **state) {
  (void)state;
  static char text[4097];
  struct ik_time_answer answer;
  memset(text, ' ', sizeof(text) - 1);
  char detail[IOTKIT_DETAIL_MAX];
  assert_int_equal(ik_time_parse((struct ik_str){text, 4096}, &answer, detail), IK_ENOTICE_JSON);
  assert_int_equal(ik_time_parse((struct ik_str){text, 4097}, &answer, detail), IK_ETOO_LONG);
}

/* The platform got the message at 5,000 and was slow; the device's clock shows 1,000 less. */
static void a_reading_is_right_by_half_of_the_way(void **state) {
  static const struct {
    const char *what;
    struct ik_time_answer answer;
    struct ik_time_exchange exchange;
    uint64_t time_ms;
    int64_t offset_ms;
    uint32_t uncertainty_ms;
  } rows[] = {
      {"there and back", {7, 5000, 5010}, {100, 150, 4030}, 5030, 1000, 21},
      {"in no time", {7, 5000, 5000}, {100, 100, 5000}, 5000, 0, 1},
      {"within a tick", {7, 5000, 5001}, {100, 100, 5001}, 5001, 0, 1},
      {"the clock is ahead", {7, 5000, 5000}, {100, 111, 9005}, 5005, -4000, 7},
      {"for weeks",
       {7, 5000, 5000},
       {0, UINT64_C(1) << 40, 1},
       5000 + (UINT64_C(1) << 39),
       4999 + (INT64_C(1) << 39),
       UINT32_MAX},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_time_reading reading;
    assert_int_equal(ik_time_read(&rows[i].answer, &rows[i].exchange, &reading, NULL), 0);
    if (reading.time_ms != rows[i].time_ms || reading.offset_ms != rows[i].offset_ms ||
        reading.uncertainty_ms != rows[i].uncertainty_ms ||
        reading.at_ms != rows[i].exchange.received_ms) {
      fail_msg("%s: %llu %lld %u", rows[i].what, (unsigned long long)reading.time_ms,
               (long long)reading.offset_ms, reading.uncertainty_ms);
    }
  }
}

static void the_platform_cannot_have_had_it_longer_than_it_took(void **state) {
  (void)state;
  const struct ik_time_answer answer = {7, 5000, 5012};
  const struct ik_time_exchange exchange = {100, 110, 5000};
  struct iotkit_time_reading reading;
  char detail[IOTKIT_DETAIL_MAX];
  assert_int_equal(ik_time_read(&answer, &exchange, &reading, detail), IK_ENOTICE_FIELD);
  assert_non_null(strstr(detail, "serverSendTime: "));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_a_request),
      cmocka_unit_test(reads_texts_and_numbers),
      cmocka_unit_test(refuses_by_name),
      cmocka_unit_test(refuses_what_is_too_long),
      cmocka_unit_test(a_reading_is_right_by_half_of_the_way),
      cmocka_unit_test(the_platform_cannot_have_had_it_longer_than_it_took),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
