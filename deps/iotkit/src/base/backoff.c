/*
 * backoff.c - exponential back-off with full jitter. Pure: no clock, the caller brings the random
 * bits.
 */
#include "base/backoff.h"

void ik_backoff_init(struct ik_backoff *backoff, uint32_t min_ms, uint32_t max_ms) {
  *backoff = (struct ik_backoff){.min_ms = min_ms, .max_ms = max_ms < min_ms ? min_ms : max_ms};
}

void ik_backoff_reset(struct ik_backoff *backoff) {
  backoff->failures = 0;
}

uint32_t ik_backoff_next(struct ik_backoff *backoff, uint32_t random) {
  uint32_t shift = backoff->failures < 32 ? backoff->failures : 32;
  uint64_t longest = (uint64_t)backoff->min_ms << shift;
  uint64_t shortest = backoff->min_ms / 2;
  if (longest > backoff->max_ms) longest = backoff->max_ms;
  if (backoff->failures < UINT32_MAX) backoff->failures++;
  /*
   * Spread over the whole span; lifting short draws to the floor would send half of a fleet back at
   * the same moment.
   */
  return (uint32_t)(shortest + (random * (longest - shortest + 1) >> 32));
}
