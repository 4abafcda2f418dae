/* Back-off: the bounds of each wait, the whole span used, no overflow. */
#include "base/backoff.h"
#include "support/cm.h"
#include "support/rng.h"

static uint64_t cap_of(uint32_t failures, uint32_t min_ms, uint32_t max_ms) {
  uint64_t cap = min_ms;
  for (uint32_t i = 0; i < failures && cap < max_ms; i++)
    cap *= 2;
  return cap < max_ms ? cap : max_ms;
}

static void doubles_up_to_the_maximum(void **state) {
  struct ik_backoff low, high;
  (void)state;
  ik_backoff_init(&low, 1000, 60000);
  ik_backoff_init(&high, 1000, 60000);
  static const uint32_t longest[] = {1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000, 60000};
  for (size_t i = 0; i < COUNT(longest); i++) {
    assert_int_equal(ik_backoff_next(&low, 0), 500);
    assert_int_equal(ik_backoff_next(&high, UINT32_MAX), longest[i]);
    assert_int_equal(high.failures, i + 1);
  }
  ik_backoff_reset(&high);
  assert_int_equal(ik_backoff_next(&high, UINT32_MAX), 1000);
}

static void spreads_evenly(void **state) {
  enum { DRAWS = 40000, BINS = 8 };
  struct rng rng = rng_start("backoff");
  unsigned bins[BINS] = {0};
  (void)state;
  for (int i = 0; i < DRAWS; i++) {
    struct ik_backoff backoff = {.min_ms = 1000, .max_ms = 60000, .failures = 5};
    uint32_t wait = ik_backoff_next(&backoff, (uint32_t)rng_u64(&rng));
    assert_in_range(wait, 500, 32000);
    bins[(size_t)(wait - 500) * BINS / 31501]++;
  }
  /* 5,000 each; a deviation of 500 is 7.5 standard deviations. */
  for (size_t i = 0; i < BINS; i++)
    assert_in_range(bins[i], 4500, 5500);
}

static void never_leaves_its_bounds(void **state) {
  struct rng rng = rng_start("backoff bounds");
  (void)state;
  for (int i = 0; i < 20000; i++) {
    struct ik_backoff backoff;
    uint32_t min_ms = (uint32_t)(rng_u64(&rng) >> (32 + rng_below(&rng, 32)));
    uint32_t max_ms = (uint32_t)(rng_u64(&rng) >> (32 + rng_below(&rng, 32)));
    uint32_t failures = (uint32_t)(rng_u64(&rng) >> (32 + rng_below(&rng, 32)));
    uint64_t cap;
    ik_backoff_init(&backoff, min_ms, max_ms);
    if (max_ms < min_ms) max_ms = min_ms;
    cap = cap_of(failures < 40 ? failures : 40, min_ms, max_ms);
    backoff.failures = failures;
    assert_in_range(ik_backoff_next(&backoff, (uint32_t)rng_u64(&rng)), min_ms / 2, cap);
  }
}

static void counts_no_further_than_it_can(void **state) {
  struct ik_backoff backoff;
  (void)state;
  ik_backoff_init(&backoff, UINT32_MAX, UINT32_MAX);
  backoff.failures = UINT32_MAX;
  assert_int_equal(ik_backoff_next(&backoff, UINT32_MAX), UINT32_MAX);
  assert_int_equal(backoff.failures, UINT32_MAX);
  ik_backoff_init(&backoff, 0, 0);
  assert_int_equal(ik_backoff_next(&backoff, UINT32_MAX), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(doubles_up_to_the_maximum),
      cmocka_unit_test(spreads_evenly),
      cmocka_unit_test(never_leaves_its_bounds),
      cmocka_unit_test(counts_no_further_than_it_can),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
