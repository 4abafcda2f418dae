/*
 * opening_turns.c - turns counted within periods of the clock.
 */
#include "client/opening_turns.h"

static uint32_t period_of(uint64_t now_ms) {
  return (uint32_t)(now_ms / IK_OPENING_PERIOD_MS) + 1;
}

bool ik_opening_turn_take(struct ik_opening_turns *turns, uint64_t now_ms, uint32_t *turn) {
  const uint32_t period = period_of(now_ms);
  if (turns->period != period) *turns = (struct ik_opening_turns){.period = period};
  if (turns->taken == IK_OPENING_TURNS) return false;
  turns->taken++;
  *turn = period;
  return true;
}

void ik_opening_turn_end(struct ik_opening_turns *turns, uint32_t turn) {
  if (turn == turns->period) turns->taken--;
}

uint64_t ik_opening_turn_next_ms(const struct ik_opening_turns *turns, uint64_t now_ms) {
  if (turns->period != period_of(now_ms) || turns->taken < IK_OPENING_TURNS) return 0;
  return (uint64_t)turns->period * IK_OPENING_PERIOD_MS;
}
