/*
 * publish_rate.h - how much was published within the last second. No I/O, no clock, no lock: its owner
 * brings the time and guards it.
 */
#ifndef IK_CLIENT_PUBLISH_RATE_H
#define IK_CLIENT_PUBLISH_RATE_H

#include <stddef.h>
#include <stdint.h>

/* Slots of a tenth of a second; the one that is being filled besides. */
#define IK_PUBLISH_SLOTS 11

/* Zeroed: nothing was. */
struct ik_publish_rate {
  uint64_t slot; /* the latest one, in tenths of a second */
  uint16_t counts[IK_PUBLISH_SLOTS];
};

/* One more. `now_ms` never goes back. */
void ik_publish_rate_note(struct ik_publish_rate *rate, uint64_t now_ms);
/* Within the second before `now_ms`; those of up to a tenth more are counted too. */
size_t ik_publish_rate_recent(struct ik_publish_rate *rate, uint64_t now_ms);

#endif
