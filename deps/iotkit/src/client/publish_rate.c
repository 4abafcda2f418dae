/*
 * publish_rate.c - a ring of counts, one a tenth of a second.
 */
#include "client/publish_rate.h"

#include <string.h>

#define SLOT_MS 100

/* Empties the slots that time has passed over. */
static void move_to(struct ik_publish_rate *rate, uint64_t now_ms) {
  const uint64_t slot = now_ms / SLOT_MS;
  if (slot <= rate->slot) return;
  if (slot - rate->slot >= IK_PUBLISH_SLOTS) memset(rate->counts, 0, sizeof(rate->counts));
  for (uint64_t at = rate->slot + 1; at <= slot && slot - rate->slot < IK_PUBLISH_SLOTS; at++)
    rate->counts[at % IK_PUBLISH_SLOTS] = 0;
  rate->slot = slot;
}

void ik_publish_rate_note(struct ik_publish_rate *rate, uint64_t now_ms) {
  move_to(rate, now_ms);
  uint16_t *count = &rate->counts[rate->slot % IK_PUBLISH_SLOTS];
  if (*count < UINT16_MAX) (*count)++;
}

size_t ik_publish_rate_recent(struct ik_publish_rate *rate, uint64_t now_ms) {
  size_t sum = 0;
  move_to(rate, now_ms);
  for (size_t i = 0; i < IK_PUBLISH_SLOTS; i++)
    sum += rate->counts[i];
  return sum;
}
