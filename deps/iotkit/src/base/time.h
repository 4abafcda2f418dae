/*
 * time.h - times, all of them milliseconds of one monotonic clock; UINT64_MAX is never.
 */
#ifndef IK_TIME_H
#define IK_TIME_H

#include <stdint.h>

static inline uint64_t ik_earlier(uint64_t a_ms, uint64_t b_ms) {
  return a_ms < b_ms ? a_ms : b_ms;
}

static inline uint64_t ik_later(uint64_t a_ms, uint64_t b_ms) {
  return a_ms > b_ms ? a_ms : b_ms;
}

/* The less of two durations, rates or sizes. */
static inline uint32_t ik_least(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

#endif
