/* Version and clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "iotkit_core.h"
#include "support/cm.h"

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
      cmocka_unit_test(version_is_the_packages),
      cmocka_unit_test(clock_never_goes_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
