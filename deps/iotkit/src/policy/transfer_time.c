/* Tested by deps/iotkit/test/policy/test_transfer.c. */
/*
 * transfer_time.c - the download policy: how long a transfer may take, be silent, and be slow.
 */
#include <inttypes.h>

#include "policy/transfer.h"

static uint64_t idle_deadline(const struct ik_transfer *transfer) {
  switch (transfer->state) {
  case IK_TRANSFER_REQUEST:
  case IK_TRANSFER_HEAD:
    return transfer->last_activity_ms + transfer->options.response_timeout_ms;
  case IK_TRANSFER_BODY:
    return transfer->last_activity_ms + transfer->options.idle_timeout_ms;
  default:
    return UINT64_MAX;
  }
}

/* Only the image has one: where several connections fetch ranges, their sum must be fast enough. */
static bool has_speed_limit(const struct ik_transfer *transfer) {
  bool receives = transfer->state == IK_TRANSFER_BODY || transfer->state == IK_TRANSFER_RANGES;
  return receives && transfer->image == NULL && transfer->options.low_speed_bytes > 0 &&
         transfer->options.low_speed_ms > 0;
}

uint64_t ik_transfer_deadline(const struct ik_transfer *transfer) {
  if (ik_transfer_has_ended(transfer)) return UINT64_MAX;
  uint64_t at = idle_deadline(transfer);
  if (transfer->state == IK_TRANSFER_WAIT) at = transfer->wait_until_ms;
  if (transfer->state == IK_TRANSFER_URL) at = transfer->renew_until_ms;
  if (has_speed_limit(transfer)) {
    uint64_t speed_at = transfer->speed_since_ms + transfer->options.low_speed_ms;
    if (speed_at < at) at = speed_at;
  }
  return transfer->total_end_ms < at ? transfer->total_end_ms : at;
}

static void check_speed(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  uint64_t elapsed_ms = now_ms - transfer->speed_since_ms;
  if (elapsed_ms < transfer->options.low_speed_ms) return;
  uint64_t per_second = transfer->speed_bytes * 1000 / elapsed_ms;
  if (per_second < transfer->options.low_speed_bytes) {
    ik_detail(text, "%" PRIu64 " bytes/s over %" PRIu64 " ms, the limit is %" PRIu32, per_second,
              elapsed_ms, transfer->options.low_speed_bytes);
    ik_transfer_error(transfer, IK_ETOO_SLOW, text, now_ms, random);
    return;
  }
  transfer->speed_since_ms = now_ms;
  transfer->speed_bytes = 0;
}

/* The total time-out. The detail also names the last error, which may be the reason. */
static void total_timeout(struct ik_transfer *transfer) {
  char text[IOTKIT_DETAIL_MAX];
  char whole[IOTKIT_DETAIL_MAX];
  if (ik_transfer_has_all_bytes(transfer)) {
    transfer->state = IK_TRANSFER_DONE;
    return;
  }
  ik_detail(text, "not finished within %" PRIu32 " ms, at byte %" PRIu64 " of %" PRIu64 "%s%s",
            transfer->options.total_timeout_ms, transfer->offset, transfer->size,
            transfer->error != 0 ? "; before: " : "", transfer->detail);
  ik_transfer_name_host(transfer, text, whole);
  ik_transfer_fail(transfer, IK_ETIMEOUT, whole);
}

static void idle_timeout(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  const struct ik_transfer_options *options = &transfer->options;
  if (transfer->state == IK_TRANSFER_BODY) {
    ik_detail(text,
              "no byte of the body arrived within %" PRIu32 " ms, at byte %" PRIu64 " of %" PRIu64,
              options->idle_timeout_ms, transfer->body_offset, transfer->size);
  } else {
    ik_detail(text, "no answer within %" PRIu32 " ms", options->response_timeout_ms);
  }
  ik_transfer_error(transfer, IK_EIDLE_TIMEOUT, text, now_ms, random);
}

static void renewal_timeout(struct ik_transfer *transfer, uint64_t now_ms) {
  char text[IOTKIT_DETAIL_MAX];
  ik_detail(text, "none came within %" PRIu32 " ms", transfer->options.renew_timeout_ms);
  ik_transfer_not_renewed(transfer, text, now_ms);
}

void ik_transfer_tick(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  if (ik_transfer_has_ended(transfer)) return;
  if (now_ms >= transfer->total_end_ms) {
    total_timeout(transfer);
  } else if (transfer->state == IK_TRANSFER_WAIT) {
    if (now_ms >= transfer->wait_until_ms) transfer->state = IK_TRANSFER_CONNECT;
  } else if (transfer->state == IK_TRANSFER_URL) {
    if (now_ms >= transfer->renew_until_ms) renewal_timeout(transfer, now_ms);
  } else if (now_ms >= idle_deadline(transfer)) {
    idle_timeout(transfer, now_ms, random);
  } else if (has_speed_limit(transfer)) {
    check_speed(transfer, now_ms, random);
  }
}

void ik_transfer_extend_deadlines(struct ik_transfer *transfer, uint64_t away_ms) {
  transfer->last_activity_ms += away_ms;
  transfer->speed_since_ms += away_ms;
  ik_patience_extend(&transfer->patience, away_ms);
}

void ik_transfer_paused(struct ik_transfer *transfer, uint64_t paused_ms) {
  if (transfer->total_end_ms != UINT64_MAX) transfer->total_end_ms += paused_ms;
  transfer->renew_until_ms += paused_ms;
}
