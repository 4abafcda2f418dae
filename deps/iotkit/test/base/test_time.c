/* Comparing times. */
#include "base/time.h"
#include "support/cm.h"

static void never_is_later_than_any_time(void **state) {
  (void)state;
  assert_int_equal(ik_earlier(7, UINT64_MAX), 7);
  assert_int_equal(ik_earlier(UINT64_MAX, 7), 7);
  assert_true(ik_later(7, UINT64_MAX) == UINT64_MAX);
  assert_int_equal(ik_later(7, 6), 7);
  assert_int_equal(ik_earlier(7, 7), 7);
}

static void the_least_of_two(void **state) {
  (void)state;
  assert_int_equal(ik_least(0, UINT32_MAX), 0);
  assert_int_equal(ik_least(2, 1), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(never_is_later_than_any_time),
      cmocka_unit_test(the_least_of_two),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
