/*
 * read_pace.c - counts over windows of one to two milliseconds of the clock, each of which begins with the
 * first message after the one before.
 */
#include "client/read_pace.h"

#define WINDOW_MS 1
#define REST_MS 1

void ik_read_pace_note(struct ik_read_pace *pace) {
  pace->fresh++;
}

void ik_read_pace_sent(struct ik_read_pace *pace) {
  pace->counted = 0;
}

void ik_read_pace_emptied(struct ik_read_pace *pace, uint64_t now_ms) {
  if (now_ms > pace->since_ms + WINDOW_MS) {
    pace->since_ms = now_ms;
    pace->counted = 0;
  }
  const bool at_once = pace->fresh >= IK_READ_PACE_AT_ONCE;
  pace->counted += pace->fresh;
  pace->fresh = 0;
  if (!at_once && pace->counted < IK_READ_PACE_ONE_BY_ONE) return;
  pace->counted = 0;
  pace->rest_end_ms = now_ms + REST_MS;
  pace->since_ms = pace->rest_end_ms;
}

bool ik_read_pace_rests(struct ik_read_pace *pace, uint64_t now_ms) {
  if (now_ms >= pace->rest_end_ms) pace->rest_end_ms = 0;
  return pace->rest_end_ms != 0;
}

void ik_read_pace_end_rest(struct ik_read_pace *pace) {
  pace->rest_end_ms = 0;
}
