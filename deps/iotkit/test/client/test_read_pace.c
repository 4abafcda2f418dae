/* When a socket that brings many messages is left alone for a moment, on a clock that is moved by hand. */
#include "client/read_pace.h"

#include "support/cm.h"

/* `count` messages come at once, and the socket is empty. */
static void come(struct ik_read_pace *pace, int count, uint64_t now_ms) {
  for (int i = 0; i < count; i++)
    ik_read_pace_note(pace);
  ik_read_pace_emptied(pace, now_ms);
}

static void rests_a_millisecond_after_many_at_once(void **state) {
  struct ik_read_pace pace = {0};
  (void)state;
  come(&pace, IK_READ_PACE_AT_ONCE - 1, 1000);
  assert_false(ik_read_pace_rests(&pace, 1000));
  come(&pace, IK_READ_PACE_AT_ONCE, 5000);
  assert_true(ik_read_pace_rests(&pace, 5000));
  assert_true(pace.rest_end_ms == 5001);
  assert_false(ik_read_pace_rests(&pace, 5001));
  assert_true(pace.rest_end_ms == 0);
}

static void rests_after_many_one_by_one(void **state) {
  struct ik_read_pace pace = {0};
  (void)state;
  for (int i = 1; i < IK_READ_PACE_ONE_BY_ONE; i++) {
    come(&pace, 1, 1000 + (i > IK_READ_PACE_ONE_BY_ONE / 2));
    assert_false(ik_read_pace_rests(&pace, 1001));
  }
  come(&pace, 1, 1001);
  assert_true(ik_read_pace_rests(&pace, 1001));
}

/* However long: of messages that come slowly each is read at once. */
static void never_rests_below_the_rate(void **state) {
  struct ik_read_pace pace = {0};
  (void)state;
  for (uint64_t now_ms = 1000; now_ms < 2000; now_ms++) {
    come(&pace, IK_READ_PACE_AT_ONCE - 1, now_ms);
    assert_false(ik_read_pace_rests(&pace, now_ms));
  }
}

/* However fast the answers are: each is read at once. */
static void never_rests_between_request_and_answer(void **state) {
  struct ik_read_pace pace = {0};
  (void)state;
  for (int i = 0; i < 1000; i++) {
    ik_read_pace_sent(&pace);
    come(&pace, 2, 1000);
    assert_false(ik_read_pace_rests(&pace, 1000));
  }
}

/* At a steady rate each rest follows the read that ends the one before: a read for each millisecond. */
static void rests_again_while_the_flow_lasts(void **state) {
  struct ik_read_pace pace = {0};
  (void)state;
  come(&pace, IK_READ_PACE_AT_ONCE, 1000);
  for (uint64_t now_ms = 1001; now_ms < 2000; now_ms++) {
    assert_false(ik_read_pace_rests(&pace, now_ms));
    come(&pace, 100, now_ms);
    assert_true(ik_read_pace_rests(&pace, now_ms));
  }
  assert_false(ik_read_pace_rests(&pace, 2000));
  come(&pace, 1, 2000); /* the flow has ended */
  assert_false(ik_read_pace_rests(&pace, 2000));
}

static void ends_a_rest_before_its_time(void **state) {
  struct ik_read_pace pace = {0};
  (void)state;
  come(&pace, IK_READ_PACE_AT_ONCE, 1000);
  ik_read_pace_end_rest(&pace);
  assert_false(ik_read_pace_rests(&pace, 1000));
  come(&pace, 1, 1000); /* nothing of before counts */
  assert_false(ik_read_pace_rests(&pace, 1000));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rests_a_millisecond_after_many_at_once),
      cmocka_unit_test(rests_after_many_one_by_one),
      cmocka_unit_test(never_rests_below_the_rate),
      cmocka_unit_test(never_rests_between_request_and_answer),
      cmocka_unit_test(rests_again_while_the_flow_lasts),
      cmocka_unit_test(ends_a_rest_before_its_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
