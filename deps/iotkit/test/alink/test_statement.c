/*
 * The text that a signed statement is made over: each field of an announcement changes it, and no
 * announcement that is accepted can write a line of another's.
 */
#include <stdio.h>
#include <string.h>

#include "alink/notice.h"
#include "alink/statement.h"
#include "base/limits.h"
#include "iotkit_errors.h"
#include "support/cm.h"

#define MD5 "0123456789abcdef0123456789ABCDEF"
#define SHA256 MD5 MD5
#define PUSH(data) "{\"code\":\"1000\",\"id\":7,\"message\":\"success\",\"data\":{" data "}}"
#define NOTICE(version, size, more)                                                                \
  PUSH("\"version\":\"" version "\",\"size\":" size ",\"url\":\"https://h/f\"," more)
#define SIGN "\"signMethod\":\"SHA256\",\"sign\":\"" SHA256 "\""

static void read_notice(const char *json, struct ik_announcement *out) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (ik_notice_parse(ik_str(json), out, detail) != 0) fail_msg("%s: %s", json, detail);
}

static int write_text(const char *product, const struct ik_announcement *notice, char *out) {
  struct ik_buf buf;
  ik_buf_init(&buf, IOTKIT_STATEMENT_MAX - 1);
  int rc = ik_statement_write(&buf, product, notice);
  memcpy(out, ik_buf_ptr(&buf), rc == 0 ? ik_buf_size(&buf) : 0);
  out[rc == 0 ? ik_buf_size(&buf) : 0] = '\0';
  ik_buf_free(&buf);
  return rc;
}

static void is_written_line_by_line(void **state) {
  (void)state;
  static const struct {
    const char *json;
    const char *text;
  } rows[] = {
      {NOTICE("2.0.0", "300007", SIGN),
       "iotkit-ota statement 1\nproduct a1Product\nmodule default\nversion 2.0.0\nkind full\n"
       "size 300007\n"
       "sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"},
      {NOTICE("2", "\"5\"", "\"module\":\"MCU\",\"isDiff\":1,\"md5\":\"" MD5 "\""),
       "iotkit-ota statement 1\nproduct a1Product\nmodule MCU\nversion 2\nkind diff\nsize 5\n"
       "md5 0123456789abcdef0123456789abcdef\n"},
      {NOTICE("2", "1125899906842624", "\"module\":\"default\"," SIGN),
       "iotkit-ota statement 1\nproduct a1Product\nmodule default\nversion 2\nkind full\n"
       "size 1125899906842624\n"
       "sha256 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    char text[IOTKIT_STATEMENT_MAX];
    struct ik_announcement notice;
    read_notice(rows[i].json, &notice);
    assert_int_equal(write_text("a1Product", &notice, text), 0);
    assert_string_equal(text, rows[i].text);
    ik_announcement_free(&notice);
  }
}

#define LIST(name)                                                                                 \
  PUSH("\"version\":\"2\",\"signMethod\":\"SHA256\",\"files\":[{\"fileSize\":5,\"fileName\":" name \
       ",\"fileUrl\":\"https://h/f\",\"fileSign\":\"" SHA256 "\"}]")

static void of_several_files_names_the_one(void **state) {
  (void)state;
  char text[IOTKIT_STATEMENT_MAX];
  struct ik_announcement notice;
  struct ik_announcement file;
  struct ik_announcement copy;
  read_notice(LIST("\"a b.bin\""), &notice);
  assert_int_equal(write_text("p", &notice, text), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_announcement_file(&notice, 0, &file), 0);
  assert_int_equal(ik_announcement_copy(&file, &copy), 0);
  ik_announcement_free(&file);
  assert_int_equal(write_text("p", &copy, text), 0);
  assert_non_null(strstr(text, "\nsize 5\nsha256 0123"));
  assert_string_equal(strrchr(text, 'f'), "file a b.bin\n");
  ik_announcement_free(&copy);
  ik_announcement_free(&notice);
}

/* The longest of everything: product, module, version, size, digest, name. */
static void fits_its_bound(void **state) {
  (void)state;
  char text[IOTKIT_STATEMENT_MAX];
  char json[4096];
  char name[IK_FILE_NAME_MAX + 1];
  char words[IK_VERSION_MAX + 1];
  struct ik_announcement notice;
  struct ik_announcement file;
  memset(name, 'n', sizeof(name));
  memset(words, 'v', sizeof(words));
  name[IK_FILE_NAME_MAX] = words[IK_VERSION_MAX] = '\0';
  snprintf(json, sizeof(json),
           PUSH("\"version\":\"%s\",\"module\":\"%s\",\"signMethod\":\"SHA256\",\"files\":[{"
                "\"fileSize\":1125899906842624,\"fileName\":\"%s\",\"fileUrl\":\"https://h/f\","
                "\"fileSign\":\"" SHA256 "\"}]"),
           words, words, name);
  read_notice(json, &notice);
  assert_int_equal(ik_announcement_file(&notice, 0, &file), 0);
  assert_int_equal(write_text("12345678901234567890", &file, text), 0);
  assert_true(strlen(text) > 500);
  ik_announcement_free(&file);
  ik_announcement_free(&notice);
}

/* What would write a line of its own never becomes part of an announcement, or is no product. */
static void no_field_can_write_a_line(void **state) {
  (void)state;
  static const char *const hostile[] = {
      NOTICE("2\\nkind diff", "5", SIGN),
      NOTICE("2 ", "5", SIGN),
      NOTICE("2", "5", "\"module\":\"a\\nversion 3\"," SIGN),
      NOTICE("2", "5", "\"module\":\"a b\"," SIGN),
      LIST("\"a\\nfile b\""),
      LIST("\"a\\rfile b\""),
      LIST("\"a\\u007f\""),
      LIST("\"\\u0000\""),
  };
  for (size_t i = 0; i < COUNT(hostile); i++) {
    struct ik_announcement notice;
    assert_true(ik_notice_parse(ik_str(hostile[i]), &notice, NULL) < 0);
    ik_announcement_free(&notice);
  }
  static const char *const products[] = {"",      "a\nmodule b", "a b",  "a\r",
                                         "a\x7f", "\xc3\xa4",    "a\tb", "123456789012345678901"};
  for (size_t i = 0; i < COUNT(products); i++)
    assert_false(ik_statement_product_valid(ik_str(products[i])));
  assert_true(ik_statement_product_valid(IK_STR("a1Product")));
  assert_true(ik_statement_product_valid(IK_STR("12345678901234567890")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_written_line_by_line),
      cmocka_unit_test(of_several_files_names_the_one),
      cmocka_unit_test(fits_its_bound),
      cmocka_unit_test(no_field_can_write_a_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
