/*
 * How long a download is tried without progress, on a fake clock.
 */
#include "policy/patience.h"
#include "support/cm.h"

#define LIMIT_MS 600000
#define LOW_BYTES 100
#define LOW_MS 60000

static struct ik_patience begin(void) {
  struct ik_patience patience;
  ik_patience_begin(&patience, LIMIT_MS, LOW_BYTES, LOW_MS, 1000);
  return patience;
}

static void is_a_time(void **state) {
  (void)state;
  struct ik_patience patience = begin();
  assert_false(ik_patience_is_over(&patience, 1000));
  assert_false(ik_patience_is_over(&patience, 1000 + LIMIT_MS - 1));
  assert_true(ik_patience_is_over(&patience, 1000 + LIMIT_MS));
}

static void a_byte_begins_it_anew(void **state) {
  (void)state;
  struct ik_patience patience = begin();
  ik_patience_add(&patience, 1, 500000);
  assert_false(ik_patience_is_over(&patience, 500000 + LOW_MS - 1));
  /* Enough bytes for as long as that was: they count, from the last of them on. */
  ik_patience_add(&patience, LOW_BYTES * LOW_MS / 1000, 559999);
  assert_false(ik_patience_is_over(&patience, 500000 + LOW_MS));
  assert_false(ik_patience_is_over(&patience, 559999 + LIMIT_MS - 1));
  assert_true(ik_patience_is_over(&patience, 559999 + LIMIT_MS));
}

/* A byte for each connection, two connections a second. */
static void a_trickle_ends(void **state) {
  (void)state;
  struct ik_patience patience = begin();
  uint64_t now_ms = 1000;
  while (!ik_patience_is_over(&patience, now_ms)) {
    now_ms += 500;
    ik_patience_add(&patience, 1, now_ms);
    assert_true(now_ms < 1000 + 2 * LIMIT_MS);
  }
  assert_true(now_ms >= 1000 + LIMIT_MS);
  assert_true(now_ms <= 1000 + LIMIT_MS + LOW_MS + 1000);
}

/* As much in the same time as the limit asks for. */
static void a_slow_link_does_not(void **state) {
  (void)state;
  struct ik_patience patience = begin();
  for (uint64_t now_ms = 1000; now_ms < 10 * LIMIT_MS; now_ms += 500) {
    ik_patience_add(&patience, LOW_BYTES / 2, now_ms);
    assert_false(ik_patience_is_over(&patience, now_ms + 1));
  }
}

static void without_a_low_speed_limit_any_byte_counts(void **state) {
  (void)state;
  struct ik_patience patience;
  ik_patience_begin(&patience, LIMIT_MS, 0, LOW_MS, 1000);
  for (uint64_t now_ms = 1000; now_ms < 10 * LIMIT_MS; now_ms += LIMIT_MS - 1) {
    assert_false(ik_patience_is_over(&patience, now_ms));
    ik_patience_add(&patience, 1, now_ms);
  }
}

static void other_times_do_not_count(void **state) {
  (void)state;
  struct ik_patience patience = begin();
  ik_patience_add(&patience, 1000000, 2000);
  ik_patience_extend(&patience, 5 * LIMIT_MS);
  assert_false(ik_patience_is_over(&patience, 2000 + 6 * LIMIT_MS - 1));
  assert_true(ik_patience_is_over(&patience, 2000 + 6 * LIMIT_MS));
}

static void may_have_no_end(void **state) {
  (void)state;
  struct ik_patience patience;
  ik_patience_begin(&patience, UINT32_MAX, LOW_BYTES, LOW_MS, 0);
  assert_false(ik_patience_is_over(&patience, UINT64_MAX / 2));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(is_a_time),
      cmocka_unit_test(a_byte_begins_it_anew),
      cmocka_unit_test(a_trickle_ends),
      cmocka_unit_test(a_slow_link_does_not),
      cmocka_unit_test(without_a_low_speed_limit_any_byte_counts),
      cmocka_unit_test(other_times_do_not_count),
      cmocka_unit_test(may_have_no_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
