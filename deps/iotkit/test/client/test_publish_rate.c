/* How much was published within the last second, on a clock that is moved by hand. */
#include "client/publish_rate.h"

#include "support/cm.h"

static void counts_those_of_the_last_second(void **state) {
  struct ik_publish_rate rate = {0};
  (void)state;
  assert_int_equal(ik_publish_rate_recent(&rate, 0), 0);
  for (uint64_t now_ms = 5000; now_ms < 6000; now_ms += 100)
    ik_publish_rate_note(&rate, now_ms);
  assert_int_equal(ik_publish_rate_recent(&rate, 5999), 10);
  assert_int_equal(ik_publish_rate_recent(&rate, 6000), 10); /* from 5000 on */
  assert_int_equal(ik_publish_rate_recent(&rate, 6100), 9);
  assert_int_equal(ik_publish_rate_recent(&rate, 6950), 1);
  assert_int_equal(ik_publish_rate_recent(&rate, 7000), 0);
}

static void forgets_all_after_a_rest(void **state) {
  struct ik_publish_rate rate = {0};
  (void)state;
  for (int i = 0; i < 70000; i++)
    ik_publish_rate_note(&rate, 1000);
  assert_int_equal(ik_publish_rate_recent(&rate, 1000), UINT16_MAX);
  assert_int_equal(ik_publish_rate_recent(&rate, 100000), 0);
  ik_publish_rate_note(&rate, 100000);
  assert_int_equal(ik_publish_rate_recent(&rate, UINT64_MAX), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_those_of_the_last_second),
      cmocka_unit_test(forgets_all_after_a_rest),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
