/*
 * backoff.h - exponential back-off with full jitter; pure: the caller brings the randomness.
 */
#ifndef IK_BACKOFF_H
#define IK_BACKOFF_H

#include <stdint.h>

struct ik_backoff {
  uint32_t min_ms;
  uint32_t max_ms;
  uint32_t failures; /* in a row */
};

void ik_backoff_init(struct ik_backoff *backoff, uint32_t min_ms, uint32_t max_ms);
void ik_backoff_reset(struct ik_backoff *backoff);
/*
 * Counts a failure and says how long to wait: uniform in [min/2, min(max, min × 2^failures)], with
 * the failures before this one. `random` is any 32 random bits.
 */
uint32_t ik_backoff_next(struct ik_backoff *backoff, uint32_t random);

#endif
