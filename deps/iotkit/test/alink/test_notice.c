/*
 * Notices: every documented spelling is read, everything else is refused with the field's name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/notice.h"
#include "base/limits.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define MD5 "0123456789abcdef0123456789ABCDEF"
#define SHA256 MD5 MD5
#define BASE "\"size\":5,\"version\":\"2.0.0\",\"url\":\"https://h/f?k=v\""
#define PUSH(data) "{\"code\":\"1000\",\"id\":1507707025,\"message\":\"success\",\"data\":" data "}"

static void reads_the_documented_notice(void **state) {
  (void)state;
  static const char json[] =
      "{\"code\":\"1000\",\"data\":{\"size\":432945,\"version\":\"2.0.0\",\"isDiff\":1,"
      "\"url\":\"https:\\/\\/iotx-ota.oss-cn-shanghai.aliyuncs.com\\/ota\\/"
      "f.bin?Expires=1\\u0026Signature=s\","
      "\"md5\":\"" MD5 "\",\"sign\":\"" MD5 "\",\"signMethod\":\"MD5\",\"digestsign\":\"AAEC\","
      "\"module\":\"MCU\",\"extData\":{\"key1\":\"value1\",\"_package_udi\":\"{\\\"a\\\":1}\"}},"
      "\"id\":1507707025,\"message\":\"success\"}";
  static const uint8_t digest[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                     0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
  struct ik_announcement notice;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(ik_notice_parse(IK_STR(json), &notice, detail), 0);
  const struct iotkit_upgrade *upgrade = &notice.upgrade;
  assert_string_equal(upgrade->id, "1507707025");
  assert_string_equal(upgrade->version, "2.0.0");
  assert_string_equal(upgrade->module, "MCU");
  assert_string_equal(upgrade->url, "https://iotx-ota.oss-cn-shanghai.aliyuncs.com/ota/"
                                    "f.bin?Expires=1&Signature=s");
  assert_true(upgrade->size == 432945);
  assert_true(upgrade->is_diff);
  assert_int_equal(upgrade->digest_method, IOTKIT_DIGEST_MD5);
  assert_memory_equal(upgrade->digest, digest, sizeof(digest));
  assert_string_equal(upgrade->digest_sign, "AAEC");
  assert_string_equal(upgrade->ext_data,
                      "{\"key1\":\"value1\",\"_package_udi\":\"{\\\"a\\\":1}\"}");
  assert_false(notice.nothing);
  struct ik_announcement copy;
  assert_int_equal(ik_announcement_copy(&notice, &copy), 0);
  assert_true(ik_announcement_equal(&notice, &copy));
  assert_string_equal(copy.upgrade.ext_data, upgrade->ext_data);
  copy.upgrade.size++;
  assert_false(ik_announcement_equal(&notice, &copy));
  ik_announcement_free(&copy);
  ik_announcement_free(&notice);
}

struct row {
  const char *json;
  int rc;
  const char *said; /* in the detail of a refusal */
};

static const struct row accepted[] = {
    {PUSH("{" BASE ",\"md5\":\"" MD5 "\"}"), 0, NULL},
    {PUSH("{" BASE ",\"sign\":\"" MD5 "\",\"signMethod\":\"Md5\"}"), 0, NULL},
    {PUSH("{" BASE ",\"md5\":\"\\u0030123456789abcdef0123456789abcdef\","
          "\"signMethod\":\"\\u004dD\\u0035\"}"),
     0, NULL},
    {PUSH("{" BASE ",\"sign\":\"" SHA256 "\",\"signMethod\":\"SHA256\"}"), 0, NULL},
    {PUSH("{" BASE ",\"sign\":\"" SHA256 "\",\"signMethod\":\"sha256\",\"md5\":\"\"}"), 0, NULL},
    {PUSH("{" BASE ",\"md5\":\"" MD5 "\",\"sign\":null,\"signMethod\":null,\"module\":null}"), 0,
     NULL},
    {PUSH("{" BASE ",\"md5\":\"" MD5 "\",\"module\":\"\",\"digestsign\":\"\",\"isDiff\":0}"), 0,
     NULL},
    {PUSH("{" BASE ",\"md5\":\"" MD5 "\",\"isDiff\":true,\"unknown\":[{\"size\":1}]}"), 0, NULL},
    {PUSH("{" BASE ",\"md5\":\"" MD5 "\",\"dProtocol\":\"https\",\"files\":null}"), 0, NULL},
    {"{\"id\":\"5\",\"code\":200,\"data\":{" BASE ",\"md5\":\"" MD5 "\"}}", 0, NULL},
    {"{\"code\":\"200\",\"message\":\"\",\"data\":{" BASE ",\"md5\":\"" MD5 "\"}}", 0, NULL},
    {"{\"code\":1000,\"message\":\"success\",\"data\":{" BASE ",\"md5\":\"" MD5 "\"}}", 0, NULL},
    {"{\"message\":\"success\",\"data\":{" BASE ",\"md5\":\"" MD5 "\"}}", 0, NULL},
    {" \r\n\t{ \"message\" : \"success\" , \"data\" : {" BASE " , \"md5\" : \"" MD5 "\" } } \n", 0,
     NULL},
    {PUSH("{\"size\":\"5\",\"version\":\"v-1_2.3\",\"url\":\"http://1.2.3.4:8080/\",\"md5\":\"" MD5
          "\"}"),
     0, NULL},
    /* whole numbers as floats */
    {"{\"id\":7.0,\"code\":1e3,\"message\":\"success\",\"data\":{\"size\":5.0,\"version\":\"2\","
     "\"url\":\"https://h/f\",\"md5\":\"" MD5 "\",\"isDiff\":1.0}}",
     0, NULL},
    {"{\"code\":200.0,\"data\":{\"size\":0.5e1,\"version\":\"2\",\"url\":\"https://h/"
     "f\",\"md5\":\"" MD5 "\"}}",
     0, NULL},
    /* SHA-256 in other words */
    {PUSH("{" BASE ",\"sign\":\"" SHA256 "\",\"signMethod\":\"SHA-256\"}"), 0, NULL},
    {PUSH("{" BASE ",\"sign\":\"" SHA256 "\",\"signMethod\":\"sha_256\"}"), 0, NULL},
    {PUSH("{" BASE ",\"sign\":\"" SHA256 "\",\"signMethod\":\"Sha\\u002d256\"}"), 0, NULL},
    {PUSH("{" BASE ",\"sign\":\"" MD5 "\",\"signMethod\":\"MD-5\"}"), 0, NULL},
    /* what texts come wrapped in */
    {"\xef\xbb\xbf" PUSH("{" BASE ",\"md5\":\"" MD5 "\"}"), 0, NULL},
    {"\xef\xbb\xbf \r\n" PUSH("{" BASE ",\"md5\":\"" MD5 "\"}"), 0, NULL},
};

#define EMPTIED(empty)                                                                             \
  "{\"id\":" empty ",\"code\":1000,\"message\":" empty ",\"data\":{" BASE ",\"md5\":\"" MD5        \
  "\",\"sign\":" empty ",\"signMethod\":" empty ",\"digestsign\":" empty ",\"module\":" empty      \
  ",\"isDiff\":" empty ",\"extData\":" empty ",\"dProtocol\":" empty ",\"files\":" empty           \
  ",\"streamId\":" empty ",\"streamFileId\":" empty "}}"

static void takes_empty_fields_as_absent(void **state) {
  (void)state;
  static const char *const texts[] = {EMPTIED("\"\""), EMPTIED("[]"), EMPTIED("null"),
                                      EMPTIED("[ ]")};
  for (size_t i = 0; i < COUNT(texts); i++) {
    struct ik_announcement notice;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_notice_parse(ik_str(texts[i]), &notice, detail);
    if (rc != 0) fail_msg("%s: %s", texts[i], detail);
    assert_int_equal(notice.upgrade.digest_method, IOTKIT_DIGEST_MD5);
    assert_int_equal(notice.upgrade.protocol, IOTKIT_PROTOCOL_HTTP);
    assert_false(notice.upgrade.is_diff);
    assert_string_equal(notice.upgrade.id, "");
    assert_string_equal(notice.upgrade.module, "");
    assert_string_equal(notice.upgrade.digest_sign, "");
    assert_string_equal(notice.upgrade.ext_data, "");
    assert_int_equal(notice.upgrade.file_count, 0);
    ik_announcement_free(&notice);
  }
}

static void takes_no_offence_at_trailing_nuls(void **state) {
  (void)state;
  static const char text[] = "{\"code\":200,\"data\":{" BASE ",\"md5\":\"" MD5 "\"}}\0\n\0";
  for (size_t extra = 0; extra < 4; extra++) {
    struct ik_announcement notice;
    const struct ik_str seen = {text, sizeof(text) - 1 - extra};
    assert_int_equal(ik_notice_parse(seen, &notice, NULL), 0);
    ik_announcement_free(&notice);
  }
  struct ik_announcement notice;
  static const char inside[] = "{\"code\":200,\0\"data\":{}}";
  assert_int_equal(ik_notice_parse((struct ik_str){inside, sizeof(inside) - 1}, &notice, NULL),
                   IK_ENOTICE_JSON);
  assert_int_equal(ik_notice_parse((struct ik_str){"\0\0", 2}, &notice, NULL), IK_ENOTICE_JSON);
}

/* Who has keys reads it, and refuses it then: see test_verify.c. */
static void does_not_look_at_digestsign(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"\"%%\"", "%%"},
      {"5", "5"},
      {"\"AA\\nEC\"", "AA\nEC"},
      {"\"_-__\"", "_-__"},
      {"{\"a\":1}", "{\"a\":1}"},
      {"true", "true"},
      {"\"a\\u0000\"", "a\\u0000"},
      {"\"" SHA256 "\"", SHA256},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_announcement notice;
    char json[1024];
    char detail[IOTKIT_DETAIL_MAX] = "";
    snprintf(json, sizeof(json), PUSH("{" BASE ",\"md5\":\"" MD5 "\",\"digestsign\":%s}"),
             rows[i][0]);
    int rc = ik_notice_parse(ik_str(json), &notice, detail);
    if (rc != 0) fail_msg("%s: %s", json, detail);
    assert_string_equal(notice.upgrade.digest_sign, rows[i][1]);
    ik_announcement_free(&notice);
  }
}

static void does_not_look_at_a_long_digestsign(void **state) {
  (void)state;
  struct ik_announcement notice;
  char json[8192];
  char sign[5001];
  memset(sign, 'A', sizeof(sign) - 1);
  sign[sizeof(sign) - 1] = '\0';
  snprintf(json, sizeof(json), PUSH("{" BASE ",\"md5\":\"" MD5 "\",\"digestsign\":\"%s\"}"), sign);
  assert_int_equal(ik_notice_parse(ik_str(json), &notice, NULL), 0);
  assert_string_equal(notice.upgrade.digest_sign, sign);
  ik_announcement_free(&notice);
}

static void writes_a_whole_id_as_requests_do(void **state) {
  (void)state;
  static const char *const rows[][2] = {{"7", "7"},   {"7.0", "7"},   {"7e0", "7"},
                                        {"-7", "-7"}, {"1.5", "1.5"}, {"\"7.0\"", "7.0"}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_announcement notice;
    char json[64];
    snprintf(json, sizeof(json), "{\"id\":%s,\"code\":200,\"data\":{}}", rows[i][0]);
    assert_int_equal(ik_notice_parse(ik_str(json), &notice, NULL), 0);
    assert_string_equal(notice.upgrade.id, rows[i][1]);
    ik_announcement_free(&notice);
  }
}

static void accepts_every_spelling(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(accepted); i++) {
    struct ik_announcement notice;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_notice_parse(ik_str(accepted[i].json), &notice, detail);
    if (rc != 0) fail_msg("%s: %s", accepted[i].json, detail);
    assert_false(notice.nothing);
    assert_true(notice.upgrade.size == 5);
    assert_string_equal(notice.upgrade.module, "");
    assert_int_equal(notice.upgrade.digest[15], 0xef);
    ik_announcement_free(&notice);
  }
}

/* Beside a SHA-256 an MD5 decides nothing: it is known, or as good as absent. */
static void knows_the_md5_beside_a_sha256(void **state) {
  static const struct {
    const char *md5;
    bool known;
  } rows[] = {
      {",\"md5\":\"" MD5 "\"", true},
      {"", false},
      {",\"md5\":\"\"", false},
      {",\"md5\":null", false},
      {",\"md5\":5", false},
      {",\"md5\":\"" SHA256 "\"", false},
      {",\"md5\":\"0123456789x\"", false},
      {",\"md5\":{\"a\":1}", false},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_announcement notice, copy;
    char json[512];
    snprintf(json, sizeof(json),
             PUSH("{" BASE ",\"sign\":\"" SHA256 "\",\"signMethod\":\"SHA256\"%s}"), rows[i].md5);
    assert_int_equal(ik_notice_parse(ik_str(json), &notice, NULL), 0);
    assert_int_equal(ik_announcement_copy(&notice, &copy), 0);
    ik_announcement_free(&notice);
    assert_int_equal(copy.upgrade.digest_method, IOTKIT_DIGEST_SHA256);
    assert_int_equal(copy.has_md5, rows[i].known);
    if (rows[i].known) assert_memory_equal(copy.md5, copy.upgrade.digest, sizeof(copy.md5));
    ik_announcement_free(&copy);
  }
}

#define WITH(fields) PUSH("{" BASE ",\"md5\":\"" MD5 "\"," fields "}")
#define SIZED(size)                                                                                \
  PUSH("{\"version\":\"2\",\"url\":\"https://h/f\",\"md5\":\"" MD5 "\",\"size\":" size "}")
#define VERSIONED(version)                                                                         \
  PUSH("{\"size\":5,\"url\":\"https://h/f\",\"md5\":\"" MD5 "\",\"version\":" version "}")
#define LOCATED(url) PUSH("{\"size\":5,\"version\":\"2\",\"md5\":\"" MD5 "\",\"url\":" url "}")

static const struct row refused[] = {
    /* not JSON, or not a notice */
    {"", IK_ENOTICE_JSON, "byte 0"},
    {"{", IK_ENOTICE_JSON, "byte 1"},
    {"\xef\xbb\xbf", IK_ENOTICE_JSON, NULL},
    {"\xef\xbb\xbf\xef\xbb\xbf{}", IK_ENOTICE_JSON, NULL},
    {"{}\xef\xbb\xbf", IK_ENOTICE_JSON, NULL},
    {"{'a':1}", IK_ENOTICE_JSON, NULL},
    {PUSH("{}") "x", IK_ENOTICE_JSON, NULL},
    {"[]", IK_ENOTICE_FIELD, "object"},
    {"5", IK_ENOTICE_FIELD, "object"},
    {PUSH("5"), IK_ENOTICE_FIELD, "data"},
    {PUSH("\"x\""), IK_ENOTICE_FIELD, "data"},
    {PUSH("[1]"), IK_ENOTICE_FIELD, "data"},
    {"{\"id\":{},\"message\":\"success\",\"data\":{}}", IK_ENOTICE_FIELD, "id"},
    /* code and message */
    {"{\"code\":400,\"message\":\"param error\",\"data\":{}}", IK_ENOTICE_CODE, "400 param error"},
    {"{\"code\":\"6203\",\"data\":{}}", IK_ENOTICE_CODE, "6203"},
    {"{\"code\":true,\"data\":{}}", IK_ENOTICE_CODE, "true"},
    {"{\"code\":200.5,\"data\":{}}", IK_ENOTICE_CODE, "200.5"},
    {"{\"code\":1000,\"message\":\"fail\",\"data\":{}}", IK_ENOTICE_CODE, "fail"},
    {"{\"message\":\"\",\"data\":{}}", IK_ENOTICE_CODE, "message"},
    {"{\"data\":{}}", IK_ENOTICE_CODE, "message"},
    {"{\"code\":1000,\"message\":5,\"data\":{}}", IK_ENOTICE_FIELD, "message"},
    /* size */
    {PUSH("{\"version\":\"2\",\"url\":\"https://h/f\",\"md5\":\"" MD5 "\"}"), IK_ENOTICE_FIELD,
     "size"},
    {SIZED("0"), IK_ENOTICE_FIELD, "size"},
    {SIZED("-1"), IK_ENOTICE_FIELD, "size"},
    {SIZED("5.5"), IK_ENOTICE_FIELD, "size"},
    {SIZED("5e-1"), IK_ENOTICE_FIELD, "size"},
    {SIZED("9007199254740993.0"), IK_ENOTICE_FIELD, "size: is not a whole number"},
    {SIZED("\"5e3\""), IK_ENOTICE_FIELD, "size"},
    {SIZED("\"\""), IK_ENOTICE_FIELD, "size"},
    {SIZED("true"), IK_ENOTICE_FIELD, "size"},
    {SIZED("null"), IK_ENOTICE_FIELD, "size"},
    {SIZED("18446744073709551616"), IK_ENOTICE_FIELD, "size"},
    {SIZED("9999999999999999"), IK_ENOTICE_FIELD, "size"},
    /* version and module */
    {PUSH("{\"size\":5,\"url\":\"https://h/f\",\"md5\":\"" MD5 "\"}"), IK_ENOTICE_FIELD, "version"},
    {VERSIONED("\"\""), IK_ENOTICE_FIELD, "version"},
    {VERSIONED("2"), IK_ENOTICE_FIELD, "version"},
    {VERSIONED("\"2 0\""), IK_ENOTICE_FIELD, "version"},
    {VERSIONED("\"2/0\""), IK_ENOTICE_FIELD, "version"},
    {VERSIONED("\"\\u00e9\""), IK_ENOTICE_FIELD, "version"},
    {VERSIONED("\"a\\u0000\""), IK_ENOTICE_FIELD, "version"},
    {VERSIONED("\"" SHA256 "x\""), IK_ETOO_LONG, "version"},
    {WITH("\"module\":\"a b\""), IK_ENOTICE_FIELD, "module"},
    {WITH("\"module\":5"), IK_ENOTICE_FIELD, "module"},
    /* url */
    {PUSH("{\"size\":5,\"version\":\"2\",\"md5\":\"" MD5 "\"}"), IK_ENOTICE_FIELD, "url"},
    {LOCATED("\"\""), IK_ENOTICE_FIELD, "url"},
    {LOCATED("5"), IK_ENOTICE_FIELD, "url"},
    {LOCATED("\"ftp://h/f\""), IK_EURL_SCHEME, "url"},
    {LOCATED("\"file:///etc/passwd\""), IK_EURL_SCHEME, "url"},
    {LOCATED("\"h/f\""), IK_EURL, "url"},
    {LOCATED("\"http://\""), IK_EURL, "url"},
    {LOCATED("\"http://u:p@h/f\""), IK_EURL, "url"},
    {LOCATED("\"http://h/a\\r\\nX: y\""), IK_EURL, "url"},
    {LOCATED("\"http://h:99999/\""), IK_EURL, "url"},
    /* digests */
    {PUSH("{" BASE "}"), IK_ENOTICE_FIELD, "md5"},
    {PUSH("{" BASE ",\"md5\":\"\"}"), IK_ENOTICE_FIELD, "md5"},
    {PUSH("{" BASE ",\"md5\":\"" MD5 "0\"}"), IK_ENOTICE_FIELD, "md5"},
    {PUSH("{" BASE ",\"md5\":\"0123456789abcdef0123456789abcde\"}"), IK_ENOTICE_FIELD, "md5"},
    {PUSH("{" BASE ",\"md5\":\"g123456789abcdef0123456789abcdef\"}"), IK_ENOTICE_FIELD, "md5"},
    {PUSH("{" BASE ",\"md5\":5}"), IK_ENOTICE_FIELD, "md5"},
    {WITH("\"sign\":\"00000000000000000000000000000000\",\"signMethod\":\"MD5\""), IK_ENOTICE_FIELD,
     "differs"},
    {WITH("\"signMethod\":\"SHA256\""), IK_ENOTICE_FIELD, "sign"},
    {WITH("\"signMethod\":\"SHA256\",\"sign\":\"" MD5 "\""), IK_ENOTICE_FIELD, "sign"},
    {WITH("\"signMethod\":\"SHA1\",\"sign\":\"" MD5 "\""), IK_EDIGEST_METHOD, "SHA1"},
    {WITH("\"signMethod\":5"), IK_ENOTICE_FIELD, "signMethod"},
    {WITH("\"isDiff\":2"), IK_ENOTICE_FIELD, "isDiff"},
    {WITH("\"isDiff\":{}"), IK_ENOTICE_FIELD, "isDiff"},
    {WITH("\"extData\":\"x\""), IK_ENOTICE_FIELD, "extData"},
    {WITH("\"extData\":[1]"), IK_ENOTICE_FIELD, "extData"},
    {WITH("\"module\":[1]"), IK_ENOTICE_FIELD, "module"},
    {WITH("\"signMethod\":\"SHA-2\",\"sign\":\"" MD5 "\""), IK_EDIGEST_METHOD, "SHA-2"},
    {WITH("\"dProtocol\":\"ftp\""), IK_EUNSUPPORTED, "ftp"},
    {WITH("\"dProtocol\":5"), IK_ENOTICE_FIELD, "dProtocol"},
};

static void refuses_and_names_the_field(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(refused); i++) {
    struct ik_announcement notice;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_notice_parse(ik_str(refused[i].json), &notice, detail);
    if (rc != refused[i].rc) fail_msg("%s: %d (%s)", refused[i].json, rc, detail);
    if (refused[i].said != NULL && strstr(detail, refused[i].said) == NULL) {
      fail_msg("%s: the detail is \"%s\"", refused[i].json, detail);
    }
    ik_announcement_free(&notice);
  }
}

static void tells_that_there_is_nothing(void **state) {
  (void)state;
  static const char *const texts[] = {
      "{\"id\":\"7\",\"code\":200,\"data\":{}}", "{\"id\":7,\"code\":\"200\",\"data\":null}",
      "{\"id\":7,\"code\":200,\"data\":\"\"}", "{\"id\":7,\"code\":200,\"data\":[]}",
      "{\"id\":7,\"code\":200}"};
  for (size_t i = 0; i < COUNT(texts); i++) {
    struct ik_announcement notice;
    assert_int_equal(ik_notice_parse(ik_str(texts[i]), &notice, NULL), 0);
    assert_true(notice.nothing);
    assert_string_equal(notice.upgrade.id, "7");
    ik_announcement_free(&notice);
  }
}

static void names_id_and_module_of_what_it_refuses(void **state) {
  (void)state;
  struct ik_announcement notice;
  assert_int_equal(ik_notice_parse(ik_str(WITH("\"module\":\"MCU\",\"size\":0")), &notice, NULL),
                   IK_ENOTICE_FIELD);
  assert_string_equal(notice.upgrade.id, "1507707025");
  assert_string_equal(notice.upgrade.module, "MCU");
  ik_announcement_free(&notice);
}

/* Cut anywhere it is no notice; nothing leaks and nothing is read beyond the end. */
static void refuses_every_beginning_of_a_notice(void **state) {
  (void)state;
  static const char json[] = WITH("\"module\":\"MCU\",\"extData\":{\"a\":\"b\"}");
  for (size_t len = 0; len < sizeof(json) - 1; len++) {
    struct ik_announcement notice;
    char *text = malloc(len + 1);
    assert_non_null(text);
    memcpy(text, json, len);
    assert_int_equal(ik_notice_parse((struct ik_str){text, len}, &notice, NULL), IK_ENOTICE_JSON);
    ik_announcement_free(&notice);
    free(text);
  }
}

static void refuses_what_is_too_long(void **state) {
  (void)state;
  struct ik_announcement notice;
  char *text = malloc(IK_NOTICE_MAX + 1);
  assert_non_null(text);
  memset(text, ' ', IK_NOTICE_MAX + 1);
  assert_int_equal(ik_notice_parse((struct ik_str){text, IK_NOTICE_MAX + 1}, &notice, NULL),
                   IK_ETOO_LONG);
  ik_announcement_free(&notice);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_the_documented_notice),
      cmocka_unit_test(accepts_every_spelling),
      cmocka_unit_test(knows_the_md5_beside_a_sha256),
      cmocka_unit_test(takes_empty_fields_as_absent),
      cmocka_unit_test(takes_no_offence_at_trailing_nuls),
      cmocka_unit_test(does_not_look_at_digestsign),
      cmocka_unit_test(does_not_look_at_a_long_digestsign),
      cmocka_unit_test(writes_a_whole_id_as_requests_do),
      cmocka_unit_test(refuses_and_names_the_field),
      cmocka_unit_test(tells_that_there_is_nothing),
      cmocka_unit_test(names_id_and_module_of_what_it_refuses),
      cmocka_unit_test(refuses_every_beginning_of_a_notice),
      cmocka_unit_test(refuses_what_is_too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
