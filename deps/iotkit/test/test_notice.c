/*
 * Notices: every documented spelling is read, everything else is refused with the field's name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "iotkit_errors.h"
#include "ota/notice.h"
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
  struct ik_notice notice;
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
  struct ik_notice copy;
  assert_int_equal(ik_notice_copy(&notice, &copy), 0);
  assert_true(ik_notice_equal(&notice, &copy));
  assert_string_equal(copy.upgrade.ext_data, upgrade->ext_data);
  copy.upgrade.size++;
  assert_false(ik_notice_equal(&notice, &copy));
  ik_notice_free(&copy);
  ik_notice_free(&notice);
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
};

static void accepts_every_spelling(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(accepted); i++) {
    struct ik_notice notice;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_notice_parse(ik_str(accepted[i].json), &notice, detail);
    if (rc != 0) fail_msg("%s: %s", accepted[i].json, detail);
    assert_false(notice.nothing);
    assert_true(notice.upgrade.size == 5);
    assert_string_equal(notice.upgrade.module, "");
    assert_int_equal(notice.upgrade.digest[15], 0xef);
    ik_notice_free(&notice);
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
    {"\xef\xbb\xbf{}", IK_ENOTICE_JSON, NULL},
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
    {"{\"code\":200.0,\"data\":{}}", IK_ENOTICE_CODE, "200.0"},
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
    {SIZED("5e3"), IK_ENOTICE_FIELD, "size"},
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
    {WITH("\"digestsign\":\"%%\""), IK_ENOTICE_FIELD, "digestsign"},
    {WITH("\"digestsign\":5"), IK_ENOTICE_FIELD, "digestsign"},
    {WITH("\"isDiff\":2"), IK_ENOTICE_FIELD, "isDiff"},
    {WITH("\"isDiff\":{}"), IK_ENOTICE_FIELD, "isDiff"},
    {WITH("\"extData\":\"x\""), IK_ENOTICE_FIELD, "extData"},
    {WITH("\"extData\":[]"), IK_ENOTICE_FIELD, "extData"},
    {WITH("\"dProtocol\":\"ftp\""), IK_EUNSUPPORTED, "ftp"},
    {WITH("\"dProtocol\":5"), IK_ENOTICE_FIELD, "dProtocol"},
};

static void refuses_and_names_the_field(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(refused); i++) {
    struct ik_notice notice;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_notice_parse(ik_str(refused[i].json), &notice, detail);
    if (rc != refused[i].rc) fail_msg("%s: %d (%s)", refused[i].json, rc, detail);
    if (refused[i].said != NULL && strstr(detail, refused[i].said) == NULL) {
      fail_msg("%s: the detail is \"%s\"", refused[i].json, detail);
    }
    ik_notice_free(&notice);
  }
}

static void tells_that_there_is_nothing(void **state) {
  (void)state;
  static const char *const texts[] = {"{\"id\":\"7\",\"code\":200,\"data\":{}}",
                                      "{\"id\":7,\"code\":\"200\",\"data\":null}",
                                      "{\"id\":7,\"code\":200}"};
  for (size_t i = 0; i < COUNT(texts); i++) {
    struct ik_notice notice;
    assert_int_equal(ik_notice_parse(ik_str(texts[i]), &notice, NULL), 0);
    assert_true(notice.nothing);
    assert_string_equal(notice.upgrade.id, "7");
    ik_notice_free(&notice);
  }
}

static void names_id_and_module_of_what_it_refuses(void **state) {
  (void)state;
  struct ik_notice notice;
  assert_int_equal(ik_notice_parse(ik_str(WITH("\"module\":\"MCU\",\"size\":0")), &notice, NULL),
                   IK_ENOTICE_FIELD);
  assert_string_equal(notice.upgrade.id, "1507707025");
  assert_string_equal(notice.upgrade.module, "MCU");
  ik_notice_free(&notice);
}

/* Cut anywhere it is no notice; nothing leaks and nothing is read beyond the end. */
static void refuses_every_beginning_of_a_notice(void **state) {
  (void)state;
  static const char json[] = WITH("\"module\":\"MCU\",\"extData\":{\"a\":\"b\"}");
  for (size_t len = 0; len < sizeof(json) - 1; len++) {
    struct ik_notice notice;
    char *text = malloc(len + 1);
    assert_non_null(text);
    memcpy(text, json, len);
    assert_int_equal(ik_notice_parse((struct ik_str){text, len}, &notice, NULL), IK_ENOTICE_JSON);
    ik_notice_free(&notice);
    free(text);
  }
}

static void refuses_what_is_too_long(void **state) {
  (void)state;
  struct ik_notice notice;
  char *text = malloc(IK_NOTICE_MAX + 1);
  assert_non_null(text);
  memset(text, ' ', IK_NOTICE_MAX + 1);
  assert_int_equal(ik_notice_parse((struct ik_str){text, IK_NOTICE_MAX + 1}, &notice, NULL),
                   IK_ETOO_LONG);
  ik_notice_free(&notice);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_the_documented_notice),
      cmocka_unit_test(accepts_every_spelling),
      cmocka_unit_test(refuses_and_names_the_field),
      cmocka_unit_test(tells_that_there_is_nothing),
      cmocka_unit_test(names_id_and_module_of_what_it_refuses),
      cmocka_unit_test(refuses_every_beginning_of_a_notice),
      cmocka_unit_test(refuses_what_is_too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
