/* Version, error table, clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "iotkit_core.h"
#include "support/cm.h"

static void every_error_has_name_and_sentence(void **state) {
  static const int errors[] = {
#define VALUE(name, value, retryable, sentence) IK_E##name,
      IOTKIT_ERROR_MAP(VALUE)
#undef VALUE
  };
  (void)state;
  for (size_t i = 0; i < COUNT(errors); i++) {
    assert_in_range(-errors[i], 1001, 1999);
    assert_memory_equal(iotkit_error_name(errors[i]), "ERR_", 4);
    assert_string_not_equal(iotkit_error_name(errors[i]), "ERR_UNKNOWN");
    assert_true(strlen(iotkit_strerror(errors[i])) > 5);
    for (size_t j = 0; j < i; j++) {
      assert_int_not_equal(errors[i], errors[j]);
      assert_string_not_equal(iotkit_error_name(errors[i]), iotkit_error_name(errors[j]));
    }
  }
  assert_string_equal(iotkit_error_name(IK_ETLS), "ERR_TLS");
  assert_string_equal(iotkit_strerror(IK_EDIGEST_MISMATCH),
                      "the digest of the image is not the announced one");
  assert_true(iotkit_error_retryable(IK_ERESOLVE));
  assert_false(iotkit_error_retryable(IK_EDIGEST_MISMATCH));
}

static void unknown_numbers(void **state) {
  static const int numbers[] = {0, 1, -1, -1000, -2000, INT32_MIN, INT32_MAX};
  (void)state;
  for (size_t i = 0; i < COUNT(numbers); i++) {
    assert_string_equal(iotkit_error_name(numbers[i]), "ERR_UNKNOWN");
    assert_non_null(iotkit_strerror(numbers[i]));
    assert_false(iotkit_error_retryable(numbers[i]));
  }
}

/* The tests run in deps/iotkit/test. */
static void version_is_the_packages(void **state) {
  static char text[64 * 1024];
  struct ik_json json;
  char *version;
  FILE *file = fopen("../../../package.json", "rb");
  size_t len;
  (void)state;
  assert_non_null(file);
  len = fread(text, 1, sizeof text, file);
  fclose(file);
  assert_int_equal(ik_json_parse((struct ik_str){text, len}, &json, NULL), 0);
  assert_int_equal(
      ik_json_string(ik_json_get(&json, ik_json_root(&json), "version"), 64, &version, NULL), 0);
  assert_string_equal(version, iotkit_version());
  free(version);
  ik_json_free(&json);
}

static void clock_never_goes_back(void **state) {
  uint64_t before = iotkit_now_ms();
  (void)state;
  assert_true(before > 0);
  for (int i = 0; i < 10000; i++) {
    uint64_t now = iotkit_now_ms();
    assert_true(now >= before);
    before = now;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_error_has_name_and_sentence),
      cmocka_unit_test(unknown_numbers),
      cmocka_unit_test(version_is_the_packages),
      cmocka_unit_test(clock_never_goes_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
