/*
 * Remote configuration: every documented spelling is read, everything else is refused with the
 * field's name, and what is sent is JSON whatever is in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/config.h"
#include "base/limits.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define MD5 "0123456789abcdef0123456789ABCDEF"
#define SHA256 MD5 MD5
#define URL "\"url\":\"https://h/c?k=v\""
#define BASE "\"configId\":\"c1\",\"configSize\":5,\"getType\":\"file\"," URL
#define SIGNED "\"sign\":\"" SHA256 "\",\"signMethod\":\"Sha256\""
#define PUSH(params) "{\"id\":\"7\",\"version\":\"1.0\",\"params\":" params "}"
#define REPLY(code, data) "{\"id\":\"7\",\"code\":" code ",\"data\":" data "}"

static int parse(const char *json, enum ik_config_source source, struct ik_announcement *out,
                 char *detail) {
  /* Of just its size, so that a read beyond it is seen. */
  size_t len = strlen(json);
  char *text = malloc(len > 0 ? len : 1);
  assert_non_null(text);
  memcpy(text, json, len);
  detail[0] = '\0';
  int rc = ik_config_parse((struct ik_str){text, len}, source, out, detail);
  free(text);
  return rc;
}

static void reads_the_documented_push(void **state) {
  (void)state;
  static const char json[] =
      "{\"id\":123,\"version\":\"1.0\",\"params\":{\"configId\":\"123dagdah\","
      "\"configSize\":1234565,\"sign\":\"" SHA256 "\",\"signMethod\":\"Sha256\","
      "\"url\":\"https:\\/\\/iotx-config.oss-cn-shanghai.aliyuncs.com\\/c.txt?a=1\\u0026b=2\","
      "\"getType\":\"file\"},\"method\":\"thing.config.push\"}";
  char small[sizeof(json)];
  struct ik_announcement notice;
  struct ik_announcement copy;
  char detail[IOTKIT_DETAIL_MAX];
  /* As documented, but of a size within the documented limit. */
  snprintf(small, sizeof(small), "%s", json);
  memmove(strstr(small, "1234565"), strstr(small, "65"), strlen(strstr(small, "65")) + 1);
  assert_int_equal(parse(json, IK_CONFIG_PUSH, &notice, detail), IK_ENOTICE_FIELD);
  assert_string_equal(detail, "configSize: is out of range");
  assert_string_equal(notice.upgrade.id, "123");
  ik_announcement_free(&notice);
  assert_int_equal(parse(small, IK_CONFIG_PUSH, &notice, detail), 0);
  assert_int_equal(ik_announcement_copy(&notice, &copy), 0);
  ik_announcement_free(&notice);
  assert_non_null(copy.config);
  assert_string_equal(copy.upgrade.id, "123");
  assert_string_equal(copy.upgrade.url,
                      "https://iotx-config.oss-cn-shanghai.aliyuncs.com/c.txt?a=1&b=2");
  assert_string_equal(copy.upgrade.version, "");
  assert_true(copy.upgrade.size == 65);
  assert_int_equal(copy.upgrade.digest_method, IOTKIT_DIGEST_SHA256);
  assert_int_equal(copy.upgrade.digest[31], 0xef);
  assert_string_equal(copy.config->config_id, "123dagdah");
  assert_string_equal(copy.config->sign, SHA256);
  assert_string_equal(copy.config->sign_method, "Sha256");
  assert_string_equal(copy.config->get_type, "file");
  assert_false(copy.nothing);
  ik_announcement_free(&copy);
}

static void reads_every_spelling(void **state) {
  static const struct {
    const char *json;
    enum ik_config_source source;
    enum iotkit_digest_method method;
  } rows[] = {
      {REPLY("200", "{" BASE "," SIGNED "}"), IK_CONFIG_REPLY, IOTKIT_DIGEST_SHA256},
      {REPLY("\"200\"", "{" BASE "," SIGNED "}"), IK_CONFIG_REPLY, IOTKIT_DIGEST_SHA256},
      {PUSH("{" BASE ",\"sign\":\"" MD5 "\",\"signMethod\":\"Md5\"}"), IK_CONFIG_PUSH,
       IOTKIT_DIGEST_MD5},
      {PUSH("{" BASE ",\"sign\":\"" MD5 "\",\"signMethod\":\"MD5\"}"), IK_CONFIG_PUSH,
       IOTKIT_DIGEST_MD5},
      {PUSH("{" BASE ",\"sign\":\"" SHA256 "\",\"signMethod\":\"sha256\"}"), IK_CONFIG_PUSH,
       IOTKIT_DIGEST_SHA256},
      {PUSH("{\"configId\":\"c\",\"configSize\":\"65536\"," URL "," SIGNED "}"), IK_CONFIG_PUSH,
       IOTKIT_DIGEST_SHA256},
      {"\xef\xbb\xbf" PUSH("{\"configId\":\"c\",\"configSize\":5.0,\"getType\":[]," URL
                           ",\"sign\":\"" SHA256 "\",\"signMethod\":\"SHA-256\"}"),
       IK_CONFIG_PUSH, IOTKIT_DIGEST_SHA256},
      {" {\"params\":{" BASE "," SIGNED ",\"more\":{\"url\":null}},\"code\":500}\n", IK_CONFIG_PUSH,
       IOTKIT_DIGEST_SHA256},
  };
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_announcement notice;
    int rc = parse(rows[i].json, rows[i].source, &notice, detail);
    if (rc != 0) fail_msg("row %zu: %s", i, detail);
    assert_int_equal(notice.upgrade.digest_method, rows[i].method);
    ik_announcement_free(&notice);
  }
}

struct refusal {
  const char *json;
  int rc;
  const char *said;
};

static void refuses_all(const struct refusal *rows, size_t count, enum ik_config_source source) {
  char detail[IOTKIT_DETAIL_MAX];
  for (size_t i = 0; i < count; i++) {
    struct ik_announcement notice;
    int rc = parse(rows[i].json, source, &notice, detail);
    if (rc != rows[i].rc || strstr(detail, rows[i].said) == NULL) {
      fail_msg("%s: %d %s", rows[i].json, rc, detail);
    }
    ik_announcement_free(&notice);
  }
}

static void refuses_bad_pushes(void **state) {
  static const struct refusal rows[] = {
      {"", IK_ENOTICE_JSON, ""},
      {"{\"id\":1", IK_ENOTICE_JSON, ""},
      {"[]", IK_ENOTICE_FIELD, "message: is not an object"},
      {"{\"id\":[1]}", IK_ENOTICE_FIELD, "id: "},
      {"{\"id\":[]}", IK_ENOTICE_FIELD, "params: is missing"},
      {PUSH("[]"), IK_ENOTICE_FIELD, "params: is missing"},
      {"{}", IK_ENOTICE_FIELD, "params: is missing"},
      {PUSH("{}"), IK_ENOTICE_FIELD, "params: is missing"},
      {PUSH("[1]"), IK_ENOTICE_FIELD, "params: is not an object"},
      {PUSH("{\"configSize\":5," URL "," SIGNED "}"), IK_ENOTICE_FIELD, "configId: is missing"},
      {PUSH("{\"configId\":\"\",\"configSize\":5}"), IK_ENOTICE_FIELD, "configId: is missing"},
      {PUSH("{\"configId\":5}"), IK_ENOTICE_FIELD, "configId: is not a string"},
      {PUSH("{\"configId\":\"a\\u0000\"}"), IK_ENOTICE_FIELD, "configId: contains a NUL"},
      {PUSH("{\"configId\":\"a\"," URL "," SIGNED "}"), IK_ENOTICE_FIELD, "configSize: is missing"},
      {PUSH("{\"configId\":\"a\",\"configSize\":0}"), IK_ENOTICE_FIELD, "configSize: is 0"},
      {PUSH("{\"configId\":\"a\",\"configSize\":-1}"), IK_ENOTICE_FIELD, "configSize: is not a"},
      {PUSH("{\"configId\":\"a\",\"configSize\":65537}"), IK_ENOTICE_FIELD, "configSize: is out"},
      {PUSH("{" BASE ",\"sign\":\"" SHA256 "\"}"), IK_ENOTICE_FIELD, "signMethod: is missing"},
      {PUSH("{" BASE ",\"sign\":\"00\",\"signMethod\":\"Sha1\"}"), IK_EDIGEST_METHOD, "Sha1"},
      {PUSH("{" BASE ",\"signMethod\":\"Md5\"}"), IK_ENOTICE_FIELD, "sign: is missing"},
      {PUSH("{" BASE ",\"sign\":\"" SHA256 "\",\"signMethod\":\"Md5\"}"), IK_ENOTICE_FIELD,
       "sign: is not 32 hex"},
      {PUSH("{\"configId\":\"a\",\"configSize\":5," SIGNED "}"), IK_ENOTICE_FIELD, "url: is miss"},
      {PUSH("{\"configId\":\"a\",\"configSize\":5," SIGNED ",\"url\":\"ftp://h/\"}"),
       IK_EURL_SCHEME, "url: "},
      {PUSH("{" BASE "," SIGNED ",\"getType\":7}"), IK_ENOTICE_FIELD, "getType: is not"},
  };
  (void)state;
  refuses_all(rows, COUNT(rows), IK_CONFIG_PUSH);
}

static void refuses_bad_replies(void **state) {
  static const struct refusal rows[] = {
      {REPLY("6713", "{}"), IK_ECONFIG_DISABLED, "6713"},
      {REPLY("429", "{}"), IK_EPLATFORM_UNAVAILABLE, "429"},
      {REPLY("\"500\"", "{}"), IK_EPLATFORM_UNAVAILABLE, "500"},
      {REPLY("6250", "{}"), IK_ENOTICE_CODE, "6250"},
      {REPLY("\"1000\"", "{" BASE "," SIGNED "}"), IK_ENOTICE_CODE, "1000"},
      {"{\"id\":\"7\",\"code\":460,\"message\":\"no\\u0000\",\"data\":{}}", IK_EPLATFORM_PARAMETERS,
       "460 no"},
      {"{\"id\":\"7\",\"data\":{" BASE "," SIGNED "}}", IK_ENOTICE_FIELD, "code: is missing"},
      {REPLY("true", "{}"), IK_ENOTICE_CODE, "true"},
      {REPLY("200", "\"x\""), IK_ENOTICE_FIELD, "data: is not an object"},
  };
  (void)state;
  refuses_all(rows, COUNT(rows), IK_CONFIG_REPLY);
}

static void tells_that_there_is_nothing(void **state) {
  static const char *const rows[] = {REPLY("200", "{}"), REPLY("200", "null"), "{\"code\":\"200\"}",
                                     REPLY("6710", "{}"), REPLY("\"6710\"", "null")};
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_announcement notice;
    assert_int_equal(parse(rows[i], IK_CONFIG_REPLY, &notice, detail), 0);
    assert_true(notice.nothing);
    assert_null(notice.config);
    ik_announcement_free(&notice);
  }
}

static void assert_text(struct ik_buf *buf, const char *want) {
  assert_int_equal(ik_buf_size(buf), strlen(want));
  assert_memory_equal(ik_buf_ptr(buf), want, strlen(want));
  ik_buf_clear(buf);
}

static void writes_requests_and_answers(void **state) {
  struct ik_buf buf;
  (void)state;
  ik_buf_init(&buf, IK_KIB);
  assert_int_equal(ik_config_write_get(&buf, 123, "product", "file", ""), 0);
  assert_text(&buf, "{\"id\":123,\"version\":\"1.0\",\"params\":{\"configScope\":\"product\","
                    "\"getType\":\"file\"},\"method\":\"thing.config.get\"}");
  assert_int_equal(ik_config_write_get(&buf, UINT32_MAX, "p\"", "f", "a,b"), 0);
  assert_text(&buf,
              "{\"id\":4294967295,\"version\":\"1.0\",\"params\":{\"configScope\":\"p\\\"\","
              "\"getType\":\"f\",\"attributeKeys\":\"a,b\"},\"method\":\"thing.config.get\"}");
  assert_int_equal(ik_config_write_get(&buf, 1, "\xff", "f", ""), IK_EINVALID_ARGUMENT);
  ik_buf_clear(&buf);
  assert_int_equal(ik_config_write_push_reply(&buf, "7", ik_config_code_of(0), ""), 0);
  assert_text(&buf, "{\"id\":\"7\",\"code\":200,\"data\":{}}");
  assert_int_equal(
      ik_config_write_push_reply(&buf, "\"", ik_config_code_of(IK_ENOTICE_FIELD), "url: \"x\""), 0);
  assert_text(&buf, "{\"id\":\"\\\"\",\"code\":460,\"message\":\"url: \\\"x\\\"\",\"data\":{}}");
  assert_int_equal(ik_config_write_push_reply(&buf, "", ik_config_code_of(IK_ENO_MEMORY), ""), 0);
  assert_text(&buf, "{\"id\":\"\",\"code\":500,\"data\":{}}");
  ik_buf_free(&buf);
  assert_string_equal(ik_config_topic_tail(IK_CONFIG_TOPIC_PUSH_REPLY), "/thing/config/push_reply");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_the_documented_push),   cmocka_unit_test(reads_every_spelling),
      cmocka_unit_test(refuses_bad_pushes),          cmocka_unit_test(refuses_bad_replies),
      cmocka_unit_test(tells_that_there_is_nothing), cmocka_unit_test(writes_requests_and_answers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
