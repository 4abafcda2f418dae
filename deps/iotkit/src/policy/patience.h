/*
 * patience.h - how long a download is tried without progress. It is a time and no number of tries:
 * a server that is away for minutes costs nothing but these minutes.
 *
 * A byte that arrives is progress. But a server that gives a byte for each connection must come to
 * an end, though each of its connections is too short for a low-speed limit: so bytes are measured
 * over all tries together, waits included, and those of a measurement that ends below the limit
 * count for nothing.
 *
 * Pure, as transfer.h says of this room. Owns nothing.
 */
#ifndef IK_POLICY_PATIENCE_H
#define IK_POLICY_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

struct ik_patience {
  uint32_t limit_ms;        /* UINT32_MAX: no limit */
  uint32_t low_speed_bytes; /* per second; 0: every byte is progress */
  uint32_t low_speed_ms;
  uint64_t progress_ms; /* the last progress that a measurement has confirmed, or the beginning */
  bool measures;        /* a measurement is under way: the next three belong to it */
  uint64_t since_ms;
  uint64_t bytes;
  uint64_t byte_ms; /* when the last byte arrived */
};

void ik_patience_begin(struct ik_patience *patience, uint32_t limit_ms, uint32_t low_speed_bytes,
                       uint32_t low_speed_ms, uint64_t now_ms);
/* `len` bytes that count have arrived. */
void ik_patience_add(struct ik_patience *patience, uint64_t len, uint64_t now_ms);
/* After a failed try: whether there has been no progress for too long. Ends a measurement. */
bool ik_patience_is_over(struct ik_patience *patience, uint64_t now_ms);
/* The download was paused, or nobody received, for `away_ms`: that time does not count. */
void ik_patience_extend(struct ik_patience *patience, uint64_t away_ms);

#endif
