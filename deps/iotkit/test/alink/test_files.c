/*
 * The files of a notice with several: every documented spelling is read, everything else is refused
 * with file and field.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/notice.h"
#include "base/limits.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define MD5 "0123456789abcdef0123456789ABCDEF"
#define MD5_B "ff23456789abcdef0123456789abcdef"
#define SHA256 MD5 MD5
#define PUSH(data)                                                                                 \
  "{\"code\":\"1000\",\"id\":7,\"message\":\"success\",\"data\":{\"version\":\"2.0\"," data "}}"
#define FILE_OF(size, name, url, digest)                                                           \
  "{\"fileSize\":" size ",\"fileName\":" name ",\"fileUrl\":" url "," digest "}"
#define A FILE_OF("5", "\"a.bin\"", "\"https://h/a?s=1\"", "\"fileMd5\":\"" MD5 "\"")
#define B FILE_OF("\"7\"", "\"b\"", "\"http://h/b\"", "\"fileSign\":\"" MD5_B "\"")
#define STREAM "\"dProtocol\":\"mqtt\",\"streamId\":1397345,\"streamFileId\":\"1\""

static void read_ok(const char *json, struct ik_announcement *out) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = ik_notice_parse(ik_str(json), out, detail);
  if (rc != 0) fail_msg("%s: %d (%s)", json, rc, detail);
}

static void reads_several_files(void **state) {
  (void)state;
  struct ik_announcement notice;
  read_ok(PUSH("\"isDiff\":1,\"module\":\"MCU\",\"signMethod\":\"Md5\",\"digestsign\":\"AAEC\","
               "\"extData\":{\"k\":\"v\"},\"files\":[" A "," B "]"),
          &notice);
  const struct iotkit_upgrade *upgrade = &notice.upgrade;
  assert_string_equal(upgrade->version, "2.0");
  assert_string_equal(upgrade->url, "");
  assert_true(upgrade->size == 12);
  assert_int_equal(upgrade->digest_method, IOTKIT_DIGEST_NONE);
  assert_int_equal(upgrade->protocol, IOTKIT_PROTOCOL_HTTP);
  assert_string_equal(upgrade->digest_sign, "AAEC");
  assert_int_equal(upgrade->file_count, 2);
  assert_string_equal(upgrade->files[0].name, "a.bin");
  assert_string_equal(upgrade->files[0].url, "https://h/a?s=1");
  assert_true(upgrade->files[0].size == 5);
  assert_int_equal(upgrade->files[0].digest_method, IOTKIT_DIGEST_MD5);
  assert_int_equal(upgrade->files[0].digest[1], 0x23);
  assert_string_equal(upgrade->files[1].name, "b");
  assert_true(upgrade->files[1].size == 7);
  assert_int_equal(upgrade->files[1].digest[0], 0xff);
  ik_announcement_free(&notice);
}

static void reads_files_with_sha256(void **state) {
  (void)state;
  struct ik_announcement notice;
  read_ok(PUSH("\"signMethod\":\"SHA256\",\"url\":\"\",\"files\":[" FILE_OF(
              "1", "\"\\u00fc \\\\\"", "\"https://h/a\"",
              "\"fileSign\":\"" SHA256 "\",\"fileMd5\":\"x\"") "]"),
          &notice);
  assert_int_equal(notice.upgrade.files[0].digest_method, IOTKIT_DIGEST_SHA256);
  assert_int_equal(notice.upgrade.files[0].digest[31], 0xef);
  assert_string_equal(notice.upgrade.files[0].name, "\xc3\xbc \\");
  ik_announcement_free(&notice);
}

static void reads_an_image_in_blocks(void **state) {
  (void)state;
  struct ik_announcement notice;
  struct ik_announcement copy;
  read_ok(PUSH("\"size\":16777216,\"signMethod\":\"Sha256\",\"sign\":\"" SHA256 "\"," STREAM),
          &notice);
  assert_int_equal(ik_announcement_copy(&notice, &copy), 0);
  ik_announcement_free(&notice);
  assert_int_equal(copy.upgrade.protocol, IOTKIT_PROTOCOL_MQTT);
  assert_true(copy.upgrade.stream_id == 1397345);
  assert_true(copy.upgrade.stream_file_id == 1);
  assert_true(copy.upgrade.size == IK_STREAM_IMAGE_MAX);
  assert_string_equal(copy.upgrade.url, "");
  ik_announcement_free(&copy);
}

/* With the order of fields and the kinds of numbers that the platform writes. */
static void reads_the_platforms_own_spelling(void **state) {
  (void)state;
  static const char json[] =
      "{\"code\":\"1000\",\"data\":{\"size\":4252,\"streamId\":12332,\"sign\":\"" MD5_B "\","
      "\"dProtocol\":\"mqtt\",\"version\":\"1.1\",\"signMethod\":\"Md5\",\"streamFileId\":1,"
      "\"md5\":\"" MD5_B "\"},\"id\":1695281536874,\"message\":\"success\"}";
  struct ik_announcement notice;
  read_ok(json, &notice);
  assert_string_equal(notice.upgrade.id, "1695281536874");
  assert_true(notice.upgrade.stream_id == 12332 && notice.upgrade.size == 4252);
  assert_int_equal(notice.upgrade.protocol, IOTKIT_PROTOCOL_MQTT);
  ik_announcement_free(&notice);
}

/* ---- what is refused ---- */

#define FILES(list) PUSH("\"files\":" list)
#define NAMED(name) FILES("[" FILE_OF("5", name, "\"https://h/a\"", "\"fileMd5\":\"" MD5 "\"") "]")
#define SIZED(size)                                                                                \
  FILES("[" B "," FILE_OF(size, "\"a\"", "\"https://h/a\"", "\"fileMd5\":\"" MD5 "\"") "]")
#define DIGEST(digest) FILES("[" FILE_OF("5", "\"a\"", "\"https://h/a\"", digest) "]")
#define IMAGE "\"size\":5,\"md5\":\"" MD5 "\""

static const struct {
  const char *json;
  int rc;
  const char *said; /* in the detail of the refusal */
} refused[] = {
    {FILES("[]"), IK_ENOTICE_FIELD, "size: is missing"},
    {FILES("{}"), IK_ENOTICE_FIELD, "files: is not an array"},
    {FILES("\"\""), IK_ENOTICE_FIELD, "size: is missing"},
    {FILES("\"a\""), IK_ENOTICE_FIELD, "files: is not an array"},
    {FILES("[5]"), IK_ENOTICE_FIELD, "files[0]"},
    {FILES("[" A ",null]"), IK_ENOTICE_FIELD, "files[1]"},
    {PUSH("\"url\":\"https://h/f\",\"files\":[" A "]"), IK_ENOTICE_FIELD, "url: "},
    {PUSH("\"url\":5,\"files\":[" A "]"), IK_ENOTICE_FIELD, "url: "},
    {PUSH("\"streamId\":1,\"files\":[" A "]"), IK_ENOTICE_FIELD, "streamId: "},
    {PUSH("\"streamFileId\":1,\"files\":[" A "]"), IK_ENOTICE_FIELD, "streamFileId: "},
    {PUSH("\"dProtocol\":\"mqtt\",\"files\":[" A "]"), IK_ENOTICE_FIELD, "mqtt"},
    {PUSH("\"signMethod\":\"SHA1\",\"files\":[" A "]"), IK_EDIGEST_METHOD, "SHA1"},
    {PUSH("\"signMethod\":\"SHA256\",\"files\":[" A "]"), IK_ENOTICE_FIELD, "files[0]: fileSign"},
    /* names: nothing may leave the directory or meet the SDK's own files in it */
    {FILES("[{\"fileSize\":5,\"fileUrl\":\"https://h/a\",\"fileMd5\":\"" MD5 "\"}]"),
     IK_ENOTICE_FIELD, "files[0]: fileName: is missing"},
    {NAMED("\"\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("5"), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\".\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"..\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"../a\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"..\\u002fa\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"/etc/passwd\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"a/b\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"a/\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"a\\u0000b\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"a\\nb\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"a\\u007f\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"a.part\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\"a.part.journal\""), IK_ENOTICE_FIELD, "fileName"},
    {NAMED("\".iotkit-commit\""), IK_ENOTICE_FIELD, "fileName"},
    {FILES("[" A "," B "," A "]"), IK_ENOTICE_FIELD, "files[2]: fileName: is that of another"},
    /* sizes, of each and together */
    {SIZED("0"), IK_ENOTICE_FIELD, "files[1]: fileSize"},
    {SIZED("-1"), IK_ENOTICE_FIELD, "files[1]: fileSize"},
    {SIZED("1.5"), IK_ENOTICE_FIELD, "files[1]: fileSize"},
    {SIZED("null"), IK_ENOTICE_FIELD, "files[1]: fileSize"},
    {SIZED("1125899906842624"), IK_ENOTICE_FIELD, "out of range"},
    {SIZED("18446744073709551615"), IK_ENOTICE_FIELD, "out of range"},
    /* URLs and digests */
    {FILES("[" FILE_OF("5", "\"a\"", "\"\"", "\"fileMd5\":\"" MD5 "\"") "]"), IK_ENOTICE_FIELD,
     "fileUrl"},
    {FILES("[" FILE_OF("5", "\"a\"", "\"file:///a\"", "\"fileMd5\":\"" MD5 "\"") "]"),
     IK_EURL_SCHEME, "fileUrl"},
    {FILES("[" FILE_OF("5", "\"a\"", "\"https://u:p@h/\"", "\"fileMd5\":\"" MD5 "\"") "]"), IK_EURL,
     "fileUrl"},
    {DIGEST("\"x\":1"), IK_ENOTICE_FIELD, "fileMd5: is missing"},
    {DIGEST("\"fileMd5\":\"" SHA256 "\""), IK_ENOTICE_FIELD, "fileMd5"},
    {DIGEST("\"fileSign\":5"), IK_ENOTICE_FIELD, "fileSign"},
    {DIGEST("\"fileMd5\":\"" MD5 "\",\"fileSign\":\"" MD5_B "\""), IK_ENOTICE_FIELD, "differs"},
    /* blocks */
    {PUSH(IMAGE ",\"dProtocol\":\"mqtt\",\"streamFileId\":1"), IK_ENOTICE_FIELD, "streamId"},
    {PUSH(IMAGE ",\"dProtocol\":\"mqtt\",\"streamId\":1"), IK_ENOTICE_FIELD, "streamFileId"},
    {PUSH(IMAGE ",\"dProtocol\":\"mqtt\",\"streamId\":\"a\",\"streamFileId\":1"), IK_ENOTICE_FIELD,
     "streamId"},
    {PUSH(IMAGE ",\"dProtocol\":\"mqtt\",\"streamId\":-1,\"streamFileId\":1"), IK_ENOTICE_FIELD,
     "streamId"},
    {PUSH("\"size\":16777217,\"md5\":\"" MD5 "\"," STREAM), IK_ENOTICE_FIELD, "size"},
    {PUSH("\"size\":5," STREAM), IK_ENOTICE_FIELD, "md5"},
    {PUSH(IMAGE ",\"streamId\":1,\"streamFileId\":1"), IK_ENOTICE_FIELD, "url"},
};

static void refuses_and_names_file_and_field(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(refused); i++) {
    struct ik_announcement notice;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_notice_parse(ik_str(refused[i].json), &notice, detail);
    if (rc != refused[i].rc) fail_msg("%s: %d (%s)", refused[i].json, rc, detail);
    if (strstr(detail, refused[i].said) == NULL) {
      fail_msg("%s: the detail is \"%s\"", refused[i].json, detail);
    }
    assert_string_equal(notice.upgrade.id, "7");
    ik_announcement_free(&notice);
  }
}

/* A notice of `count` files, named by their index. */
static char *many(unsigned count) {
  size_t cap = 100 + 150 * (size_t)count;
  char *json = malloc(cap);
  assert_non_null(json);
  size_t len = (size_t)snprintf(json, cap, "{\"message\":\"success\",\"data\":{\"version\":\"2\"");
  len += (size_t)snprintf(json + len, cap - len, ",\"files\":[");
  for (unsigned i = 0; i < count; i++) {
    len += (size_t)snprintf(json + len, cap - len,
                            "%s{\"fileSize\":1,\"fileName\":\"%u\",\"fileUrl\":\"https://h/\","
                            "\"fileMd5\":\"" MD5 "\"}",
                            i > 0 ? "," : "", i);
  }
  snprintf(json + len, cap - len, "]}}");
  return json;
}

static void takes_at_most_twenty_files(void **state) {
  (void)state;
  struct ik_announcement notice;
  char detail[IOTKIT_DETAIL_MAX] = "";
  char *json = many(IOTKIT_FILES_MAX);
  read_ok(json, &notice);
  assert_int_equal(notice.upgrade.file_count, IOTKIT_FILES_MAX);
  assert_string_equal(notice.upgrade.files[19].name, "19");
  ik_announcement_free(&notice);
  free(json);
  json = many(IOTKIT_FILES_MAX + 1);
  assert_int_equal(ik_notice_parse(ik_str(json), &notice, detail), IK_ENOTICE_FIELD);
  assert_non_null(strstr(detail, "20"));
  ik_announcement_free(&notice);
  free(json);
}

static void leaves_room_for_the_journals_name(void **state) {
  (void)state;
  char name[IK_FILE_NAME_MAX + 2];
  memset(name, 'n', sizeof(name));
  name[IK_FILE_NAME_MAX] = '\0';
  assert_true(ik_file_name_valid(name));
  assert_true(strlen(name) + strlen(".part.journal") == 255);
  name[IK_FILE_NAME_MAX] = 'n';
  name[IK_FILE_NAME_MAX + 1] = '\0';
  assert_false(ik_file_name_valid(name));
  assert_true(ik_file_name_valid("..."));
  assert_true(ik_file_name_valid(".part.bin"));
}

/* ---- the same image ---- */

/* Cut anywhere it is no notice; nothing leaks and nothing is read beyond the end. */
static void refuses_every_beginning(void **state) {
  (void)state;
  static const char json[] = FILES("[" A "," B "]");
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_several_files),
      cmocka_unit_test(reads_files_with_sha256),
      cmocka_unit_test(reads_an_image_in_blocks),
      cmocka_unit_test(reads_the_platforms_own_spelling),
      cmocka_unit_test(refuses_and_names_file_and_field),
      cmocka_unit_test(takes_at_most_twenty_files),
      cmocka_unit_test(leaves_room_for_the_journals_name),
      cmocka_unit_test(refuses_every_beginning),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
