/*
 * connect_rate.c - the times of the last connects. So many may follow each other at once; the next
 * one comes a minute after the first of them.
 */
#include "client/connect_rate.h"

#define MINUTE_S 60
#define MS 1000u

void ik_connect_rate_init(struct ik_connect_rate *rate, uint8_t max) {
  *rate = (struct ik_connect_rate){.max = max};
}

void ik_connect_rate_note(struct ik_connect_rate *rate, uint64_t now_ms) {
  if (rate->max == 0) return;
  const uint32_t now_s = (uint32_t)(now_ms / MS);
  if (rate->count < rate->max) {
    rate->at_s[rate->count++] = now_s;
    return;
  }
  rate->at_s[rate->oldest] = now_s;
  rate->oldest = (uint8_t)((rate->oldest + 1) % rate->max);
}

/* The begun second counts as a whole one, so that a minute is never shorter. */
uint64_t ik_connect_rate_next_ms(const struct ik_connect_rate *rate) {
  if (rate->max == 0 || rate->count < rate->max) return 0;
  return ((uint64_t)rate->at_s[rate->oldest] + MINUTE_S + 1) * MS;
}
