/*
 * patience.c - see patience.h. The end of a measurement is looked at when a try fails, since nothing
 * else asks.
 */
#include "policy/patience.h"

void ik_patience_begin(struct ik_patience *patience, uint32_t limit_ms, uint32_t low_speed_bytes,
                       uint32_t low_speed_ms, uint64_t now_ms) {
  *patience = (struct ik_patience){.limit_ms = limit_ms,
                                   .low_speed_bytes = low_speed_bytes,
                                   .low_speed_ms = low_speed_ms,
                                   .progress_ms = now_ms};
}

void ik_patience_add(struct ik_patience *patience, uint64_t len, uint64_t now_ms) {
  if (!patience->measures) {
    patience->measures = true;
    patience->since_ms = now_ms;
    patience->bytes = 0;
  }
  patience->bytes += len;
  patience->byte_ms = now_ms;
}

static void end_measurement(struct ik_patience *patience, uint64_t now_ms) {
  uint64_t elapsed_ms = now_ms - patience->since_ms;
  if (!patience->measures || elapsed_ms < patience->low_speed_ms) return;
  bool fast_enough = patience->bytes * 1000 >= patience->low_speed_bytes * elapsed_ms;
  if (fast_enough) patience->progress_ms = patience->byte_ms;
  patience->measures = false;
}

bool ik_patience_is_over(struct ik_patience *patience, uint64_t now_ms) {
  end_measurement(patience, now_ms);
  if (patience->limit_ms == UINT32_MAX) return false;
  uint64_t from_ms = patience->measures ? patience->byte_ms : patience->progress_ms;
  return now_ms - from_ms >= patience->limit_ms;
}

void ik_patience_extend(struct ik_patience *patience, uint64_t away_ms) {
  patience->progress_ms += away_ms;
  patience->since_ms += away_ms;
  patience->byte_ms += away_ms;
}
