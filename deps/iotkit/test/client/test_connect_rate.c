/* How often a client signs in, on a clock that is moved by hand. */
#include "client/connect_rate.h"

#include "support/cm.h"

enum { MAX = 5 };

static void so_many_at_once_and_the_next_after_a_minute(void **state) {
  struct ik_connect_rate rate;
  (void)state;
  ik_connect_rate_init(&rate, MAX);
  for (uint64_t i = 0; i < MAX; i++) {
    assert_int_equal(ik_connect_rate_next_ms(&rate), 0);
    ik_connect_rate_note(&rate, 7900 + 2000 * i);
  }
  assert_int_equal(ik_connect_rate_next_ms(&rate), 68000);
  ik_connect_rate_note(&rate, 68000);
  assert_int_equal(ik_connect_rate_next_ms(&rate), 70000); /* a minute after the second one */
}

/* Whoever comes as early as it may is never more than so many within a minute. */
static void no_minute_has_more(void **state) {
  struct ik_connect_rate rate;
  uint64_t at_ms[200];
  uint64_t now_ms = 123456;
  (void)state;
  ik_connect_rate_init(&rate, MAX);
  for (size_t i = 0; i < 200; i++) {
    const uint64_t next_ms = ik_connect_rate_next_ms(&rate);
    if (next_ms > now_ms) now_ms = next_ms;
    ik_connect_rate_note(&rate, now_ms);
    at_ms[i] = now_ms;
    if (i >= MAX) assert_true(at_ms[i] - at_ms[i - MAX] > 60000);
    if (i >= MAX) assert_true(at_ms[i] - at_ms[i - MAX] <= 62000);
    now_ms += 37 * (i % 7);
  }
}

static void without_a_limit_any_number(void **state) {
  struct ik_connect_rate rate;
  (void)state;
  ik_connect_rate_init(&rate, 0);
  for (int i = 0; i < 100; i++)
    ik_connect_rate_note(&rate, 1);
  assert_int_equal(ik_connect_rate_next_ms(&rate), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(so_many_at_once_and_the_next_after_a_minute),
      cmocka_unit_test(no_minute_has_more),
      cmocka_unit_test(without_a_limit_any_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
