/* Announcements: copies, one file of several, the same image under another URL. */

#include <stdio.h>

#include "alink/notice.h"
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

static void gives_each_file_a_notice_of_its_own(void **state) {
  (void)state;
  struct ik_announcement notice;
  struct ik_announcement file;
  read_ok(PUSH("\"isDiff\":1,\"module\":\"MCU\",\"digestsign\":\"AAEC\",\"extData\":{\"k\":\"v\"},"
               "\"files\":[" A "," B "]"),
          &notice);
  assert_int_equal(ik_announcement_file(&notice, 2, &file), IK_EINVALID_ARGUMENT);
  ik_announcement_free(&file);
  assert_int_equal(ik_announcement_file(&notice, 1, &file), 0);
  ik_announcement_free(&notice); /* shares no memory */
  assert_string_equal(file.upgrade.id, "7");
  assert_string_equal(file.upgrade.module, "MCU");
  assert_string_equal(file.upgrade.version, "2.0");
  assert_string_equal(file.upgrade.url, "http://h/b");
  assert_string_equal(file.upgrade.digest_sign, "");
  assert_string_equal(file.upgrade.ext_data, "{\"k\":\"v\"}");
  assert_true(file.upgrade.is_diff);
  assert_true(file.upgrade.size == 7);
  assert_int_equal(file.upgrade.digest_method, IOTKIT_DIGEST_MD5);
  assert_int_equal(file.upgrade.digest[0], 0xff);
  assert_int_equal(file.upgrade.file_count, 0);
  assert_null(file.upgrade.files);
  ik_announcement_free(&file);
}

#define FILES(list) PUSH("\"files\":" list)
#define NAMED(name) FILES("[" FILE_OF("5", name, "\"https://h/a\"", "\"fileMd5\":\"" MD5 "\"") "]")
#define SIZED(size)                                                                                \
  FILES("[" B "," FILE_OF(size, "\"a\"", "\"https://h/a\"", "\"fileMd5\":\"" MD5 "\"") "]")
#define DIGEST(digest) FILES("[" FILE_OF("5", "\"a\"", "\"https://h/a\"", digest) "]")
#define IMAGE "\"size\":5,\"md5\":\"" MD5 "\""

#define ONE(url, size, md5) PUSH("\"size\":" size ",\"url\":" url ",\"md5\":\"" md5 "\"")

static void finds_the_same_image_under_another_url(void **state) {
  (void)state;
  struct ik_announcement old;
  struct ik_announcement other;
  static const char *const different[] = {
      ONE("\"https://h/f\"", "6", MD5), ONE("\"https://h/f\"", "5", MD5_B),
      PUSH("\"size\":5,\"url\":\"https://h/f\",\"signMethod\":\"SHA256\",\"sign\":\"" SHA256 "\""),
      PUSH(IMAGE "," STREAM), FILES("[" A "]")};
  read_ok(ONE("\"https://h/f?old\"", "5", MD5), &old);
  read_ok(ONE("\"https://g/new\"", "5", MD5), &other);
  assert_true(ik_announcement_same_image(&old, &other));
  assert_string_equal(ik_announcement_url_of(&other, &old), "https://g/new");
  ik_announcement_free(&other);
  for (size_t i = 0; i < COUNT(different); i++) {
    read_ok(different[i], &other);
    if (ik_announcement_same_image(&old, &other)) fail_msg("%s is another image", different[i]);
    ik_announcement_free(&other);
  }
  ik_announcement_free(&old);
}

static void finds_a_file_among_others(void **state) {
  (void)state;
  struct ik_announcement old;
  struct ik_announcement renewed;
  struct ik_announcement file;
  read_ok(FILES("[" A "," B "]"), &old);
  read_ok(FILES("[" FILE_OF("7", "\"b\"", "\"https://h/b2\"", "\"fileMd5\":\"" MD5_B "\"") "]"),
          &renewed);
  assert_false(ik_announcement_same_image(&old, &renewed));
  assert_int_equal(ik_announcement_file(&old, 1, &file), 0);
  assert_string_equal(ik_announcement_url_of(&renewed, &file), "https://h/b2");
  ik_announcement_free(&file);
  assert_int_equal(ik_announcement_file(&old, 0, &file), 0);
  assert_null(ik_announcement_url_of(&renewed, &file));
  ik_announcement_free(&file);
  assert_null(ik_announcement_url_of(&renewed, &old)); /* several files have no one URL */
  assert_null(ik_announcement_url_of(&old, &old));
  ik_announcement_free(&renewed);
  ik_announcement_free(&old);
}

static void a_copy_has_files_of_its_own(void **state) {
  (void)state;
  struct ik_announcement notice;
  struct ik_announcement copy;
  read_ok(FILES("[" A "," B "]"), &notice);
  assert_int_equal(ik_announcement_copy(&notice, &copy), 0);
  assert_true(ik_announcement_equal(&notice, &copy));
  assert_ptr_not_equal(copy.upgrade.files, notice.upgrade.files);
  assert_ptr_equal(copy.upgrade.files, copy.files.items);
  copy.files.items[1].digest[31] ^= 1;
  assert_false(ik_announcement_equal(&notice, &copy));
  copy.files.items[1].digest[31] ^= 1;
  copy.files.items[1].size++;
  assert_false(ik_announcement_equal(&notice, &copy));
  ik_announcement_free(&notice);
  assert_string_equal(copy.upgrade.files[0].url, "https://h/a?s=1");
  ik_announcement_free(&copy);
}

static void one_module_has_two_names(void **state) {
  (void)state;
  static const struct {
    const char *a, *b;
    bool same;
  } rows[] = {
      {"", ",\"module\":\"default\"", true},
      {",\"module\":\"\"", ",\"module\":\"default\"", true},
      {",\"module\":\"default\"", ",\"module\":\"default\"", true},
      {",\"module\":\"MCU\"", ",\"module\":\"default\"", false},
      {",\"module\":\"Default\"", ",\"module\":\"default\"", false},
      {",\"module\":\"MCU\"", "", false},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_announcement a;
    struct ik_announcement b;
    char json[512];
    snprintf(json, sizeof(json), ONE("\"https://h/a\"", "5", MD5 "\"%s,\"x\":\""), rows[i].a);
    read_ok(json, &a);
    snprintf(json, sizeof(json), ONE("\"https://h/a\"", "5", MD5 "\"%s,\"x\":\""), rows[i].b);
    read_ok(json, &b);
    assert_int_equal(ik_announcement_equal(&a, &b), rows[i].same);
    ik_announcement_free(&a);
    ik_announcement_free(&b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_module_has_two_names),
      cmocka_unit_test(gives_each_file_a_notice_of_its_own),
      cmocka_unit_test(finds_the_same_image_under_another_url),
      cmocka_unit_test(finds_a_file_among_others),
      cmocka_unit_test(a_copy_has_files_of_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
