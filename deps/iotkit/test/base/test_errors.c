/* The error table, and which errors condemn an image. */
#include <string.h>

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
    assert_false(iotkit_error_condemns_image(numbers[i]));
  }
}

/* A wrong image stays wrong: no error that condemns one is retryable. */
static void wrong_images_are_condemned(void **state) {
  static const int errors[] = {
#define VALUE(name, value, retryable, sentence) IK_E##name,
      IOTKIT_ERROR_MAP(VALUE)
#undef VALUE
  };
  size_t condemning = 0;
  (void)state;
  for (size_t i = 0; i < COUNT(errors); i++) {
    if (!iotkit_error_condemns_image(errors[i])) continue;
    assert_false(iotkit_error_retryable(errors[i]));
    condemning++;
  }
  assert_int_equal(condemning, 4);
  assert_true(iotkit_error_condemns_image(IK_EDIGEST_MISMATCH));
  assert_true(iotkit_error_condemns_image(IK_ESIZE_MISMATCH));
  assert_true(iotkit_error_condemns_image(IK_ESIGNATURE));
  assert_true(iotkit_error_condemns_image(IK_ESIGNATURE_MISSING));
  assert_false(iotkit_error_condemns_image(IK_EABORTED));
  assert_false(iotkit_error_condemns_image(IK_ETRUNCATED));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_error_has_name_and_sentence),
      cmocka_unit_test(unknown_numbers),
      cmocka_unit_test(wrong_images_are_condemned),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
