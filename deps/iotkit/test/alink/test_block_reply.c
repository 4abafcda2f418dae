/* Replies to block requests: what is read, and what is refused by name. */
#include "alink/block_reply.h"

#include <string.h>

#include "base/codec.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define HEAD "\"id\":\"7\",\"code\":200"
#define BLOCK(size) "{" HEAD ",\"data\":{\"bSize\":" size ",\"bOffset\":16,\"fileLength\":99}}"

/* Length, JSON, "abcd", its CRC. Returns the length of it all. */
static size_t make(uint8_t *out, const char *json) {
  size_t len = strlen(json);
  ik_put_be(out, len, 2);
  memcpy(out + 2, json, len);
  memcpy(out + 2 + len, "abcd", 4);
  uint16_t crc = ik_crc16(0, "abcd", 4);
  out[len + 6] = (uint8_t)(crc & 0xff);
  out[len + 7] = (uint8_t)(crc >> 8);
  return len + 8;
}

static void reads_a_block(void **state) {
  uint8_t payload[256];
  struct ik_block_reply reply;
  (void)state;
  size_t len = make(payload, BLOCK("4"));
  assert_int_equal(ik_block_reply_parse(payload, len, &reply, NULL), 0);
  assert_true(reply.has_id);
  assert_int_equal(reply.id, 7);
  assert_int_equal(reply.code, IK_BLOCK_CODE_OK);
  assert_int_equal(reply.offset, 16);
  assert_int_equal(reply.file_length, 99);
  assert_int_equal(reply.size, 4);
  assert_ptr_equal(reply.data, payload + len - 6);
}

/* A refusal has no block. */
static void reads_a_refusal(void **state) {
  uint8_t payload[256];
  struct ik_block_reply reply;
  (void)state;
  size_t len = make(payload, "{\"id\":8,\"code\":429,\"msg\":\"too\\tmany\"}");
  assert_int_equal(ik_block_reply_parse(payload, len, &reply, NULL), 0);
  assert_int_equal(reply.id, 8);
  assert_int_equal(reply.code, 429);
  assert_memory_equal(reply.message.ptr, "too", 3);
  assert_null(reply.data);
}

static void refuses_and_says_why(void **state) {
  static const struct {
    const char *json, *why;
    bool has_id;
  } rows[] = {
      {"[]", "not an object", false},
      {"{\"code\":200}", "id is missing", false},
      {"{\"id\":4294967296,\"code\":200}", "id is out of range", false},
      {"{\"id\":7}", "code is missing", true},
      {"{" HEAD "}", "data is not an object", true},
      {"{" HEAD ",\"data\":{\"bOffset\":0}}", "bSize is missing", true},
      {"{" HEAD ",\"data\":{\"bSize\":4}}", "bOffset is missing", true},
      {"{" HEAD ",\"data\":{\"bSize\":-1,\"bOffset\":0}}", "bSize is not a whole number", true},
      {BLOCK("3"), "bSize 3", true},
      {BLOCK("5"), "bSize 5", true},
  };
  uint8_t payload[256];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_block_reply reply;
    char detail[IOTKIT_DETAIL_MAX] = "";
    size_t len = make(payload, rows[i].json);
    int rc = ik_block_reply_parse(payload, len, &reply, detail);
    if (rc != IK_EBLOCK || strstr(detail, rows[i].why) == NULL || reply.has_id != rows[i].has_id)
      fail_msg("%s: %d %s", rows[i].json, rc, detail);
  }
}

static void refuses_every_beginning_and_every_changed_byte_of_the_block(void **state) {
  uint8_t payload[256];
  struct ik_block_reply reply;
  (void)state;
  size_t len = make(payload, BLOCK("4"));
  for (size_t cut = 0; cut < len; cut++)
    assert_int_equal(ik_block_reply_parse(payload, cut, &reply, NULL), IK_EBLOCK);
  for (size_t i = 1; i <= 6; i++) {
    payload[len - i] ^= 1;
    assert_int_equal(ik_block_reply_parse(payload, len, &reply, NULL), IK_EBLOCK);
    payload[len - i] ^= 1;
  }
}

/* Its JSON is read as that of notices. */
static void reads_a_block_behind_a_wrapped_head(void **state) {
  uint8_t payload[256];
  struct ik_block_reply reply;
  (void)state;
  size_t len = make(payload, "\xef\xbb\xbf{\"id\":7.0,\"code\":2e2,\"message\":\"\",\"data\":{"
                             "\"bSize\":4.0,\"bOffset\":0.0,\"fileLength\":\"\"}}");
  assert_int_equal(ik_block_reply_parse(payload, len, &reply, NULL), 0);
  assert_int_equal(reply.id, 7);
  assert_int_equal(reply.size, 4);
  assert_int_equal(reply.file_length, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_a_block),
      cmocka_unit_test(reads_a_block_behind_a_wrapped_head),
      cmocka_unit_test(reads_a_refusal),
      cmocka_unit_test(refuses_and_says_why),
      cmocka_unit_test(refuses_every_beginning_and_every_changed_byte_of_the_block),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
