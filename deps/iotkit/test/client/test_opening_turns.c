/* How many connections are opened at a time, on a clock that is moved by hand. */
#include "client/opening_turns.h"

#include "support/cm.h"

static void take_all(struct ik_opening_turns *turns, uint64_t now_ms) {
  uint32_t turn;
  for (int i = 0; i < IK_OPENING_TURNS; i++) {
    assert_int_equal(ik_opening_turn_next_ms(turns, now_ms), 0);
    assert_true(ik_opening_turn_take(turns, now_ms, &turn));
    assert_int_not_equal(turn, 0);
  }
  assert_false(ik_opening_turn_take(turns, now_ms, &turn));
}

static void what_has_ended_makes_room(void **state) {
  struct ik_opening_turns turns = {0};
  uint32_t turn = 0;
  (void)state;
  assert_true(ik_opening_turn_take(&turns, 0, &turn));
  ik_opening_turn_end(&turns, turn);
  take_all(&turns, 1);
  ik_opening_turn_end(&turns, turn);
  assert_int_equal(ik_opening_turn_next_ms(&turns, 2), 0);
  assert_true(ik_opening_turn_take(&turns, 2, &turn));
  assert_false(ik_opening_turn_take(&turns, 2, &turn));
}

static void a_period_later_there_is_room_again(void **state) {
  struct ik_opening_turns turns = {0};
  (void)state;
  take_all(&turns, 5300);
  assert_int_equal(ik_opening_turn_next_ms(&turns, 5300), 6000);
  assert_int_equal(ik_opening_turn_next_ms(&turns, 6000), 0);
  take_all(&turns, 6000);
}

/* One of a period before has lost its turn to another, and gives nothing back. */
static void an_old_turn_ends_as_nothing(void **state) {
  struct ik_opening_turns turns = {0};
  uint32_t old = 0, turn = 0;
  (void)state;
  assert_true(ik_opening_turn_take(&turns, 999, &old));
  take_all(&turns, 1000);
  ik_opening_turn_end(&turns, old);
  assert_false(ik_opening_turn_take(&turns, 1000, &turn));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_has_ended_makes_room),
      cmocka_unit_test(a_period_later_there_is_room_again),
      cmocka_unit_test(an_old_turn_ends_as_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
