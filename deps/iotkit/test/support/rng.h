/*
 * rng.h - numbers for randomised tests, repeatable: the seed is printed, and IOTKIT_TEST_SEED sets
 * it.
 */
#ifndef TEST_SUPPORT_RNG_H
#define TEST_SUPPORT_RNG_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct rng {
  uint64_t state;
};

static inline struct rng rng_start(const char *test) {
  const char *text = getenv("IOTKIT_TEST_SEED");
  uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
  printf("%s: IOTKIT_TEST_SEED=%" PRIu64 "\n", test, seed);
  return (struct rng){seed};
}

/* splitmix64 */
static inline uint64_t rng_u64(struct rng *rng) {
  uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

/* In [0, bound); bound > 0. */
static inline size_t rng_below(struct rng *rng, size_t bound) {
  return (size_t)(rng_u64(rng) % bound);
}

static inline void rng_fill(struct rng *rng, uint8_t *out, size_t len) {
  for (size_t i = 0; i < len; i++) {
    out[i] = (uint8_t)(rng_u64(rng) >> 32 & 0xff);
  }
}

#endif
