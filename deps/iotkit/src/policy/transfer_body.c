/*
 * transfer_body.c - the download policy: what is done with the bytes of a response. New ones are
 * handed out; those that are there already are compared, and nothing replaces them before.
 */
#include <inttypes.h>

#include "base/time.h"
#include "policy/transfer.h"

/*
 * Bytes that repeat what is there are no progress. But for so many tries in a row they count as a
 * sign of life: comparing a large image may take longer than the patience.
 */
#define REPEATING_TRIES 5
#define SHORT_RANGES_MAX 5 /* in a row and immediately, after which one counts as a failed try */

/* What came is no image, such as a log-in page: what is there stays, the image is tried later. */
static void refuse_no_image(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  ik_detail(text, "%s: what came is not the image: neither its beginning nor its size",
            ik_transfer_host(transfer).text);
  ik_transfer_retry(transfer, IK_EHTTP_RANGE, text, 0, now_ms, random);
}

static void refuse_long_body(struct ik_transfer *transfer, uint64_t now_ms) {
  char text[IOTKIT_DETAIL_MAX];
  bool is_size = transfer->body_end == transfer->size;
  if (transfer->differs) {
    refuse_no_image(transfer, now_ms, transfer->random);
    return;
  }
  ik_detail(text, "the body goes on behind byte %" PRIu64 ", where it must end",
            transfer->body_end);
  ik_transfer_fail_at_host(transfer, is_size ? IK_ESIZE_MISMATCH : IK_EHTTP_RANGE, text);
}

void ik_transfer_bytes(struct ik_transfer *transfer, size_t len, uint64_t now_ms, size_t *skip,
                       size_t *take) {
  *skip = 0;
  *take = 0;
  if (transfer->state != IK_TRANSFER_BODY || len == 0) return;
  if (len > transfer->body_end - transfer->body_offset) {
    refuse_long_body(transfer, now_ms);
    return;
  }
  if (transfer->differs) {
    *skip = len;
  } else if (transfer->body_offset < transfer->offset) {
    uint64_t before = transfer->offset - transfer->body_offset;
    *skip = len < before ? len : (size_t)before;
  }
  *take = len - *skip;
  transfer->body_offset += len;
  transfer->offset += *take;
  transfer->last_activity_ms = now_ms;
  transfer->got_bytes = true;
  struct ik_transfer *image = transfer->image != NULL ? transfer->image : transfer;
  image->speed_bytes += len;
  if (*take > 0 || transfer->failures < REPEATING_TRIES) {
    ik_patience_add(&image->patience, len, now_ms);
  }
  ik_transfer_count_progress(transfer);
}

/*
 * The server has another image of that size than the one whose beginning is there: it begins again,
 * and only its bytes replace the ones that are there.
 */
static void begin_again(struct ik_transfer *transfer) {
  if (transfer->options.no_rewind) {
    ik_transfer_fail_at_host(
        transfer, IK_ECHANGED,
        "the server offers another image than the one whose beginning was handed out");
    return;
  }
  transfer->offset = 0;
  transfer->mixed = false;
  transfer->etag[0] = '\0';
  if (!ik_transfer_restart_url(transfer)) {
    ik_transfer_fail(transfer, IK_ENO_MEMORY, "");
    return;
  }
  transfer->state = IK_TRANSFER_CONNECT;
}

void ik_transfer_compared(struct ik_transfer *transfer, bool same) {
  if (transfer->state != IK_TRANSFER_BODY || !transfer->compares) return;
  transfer->compares = false;
  if (same) {
    transfer->mixed = false; /* all of it is the answer's own */
  } else if (transfer->length_known) {
    begin_again(transfer);
  } else {
    transfer->differs = true;
  }
}

/* The range ended before the image does. False: too many in a row were short without progress. */
static bool may_ask_for_rest(struct ik_transfer *transfer) {
  if (transfer->range_end != 0 && transfer->body_end == transfer->range_end) return true;
  if (transfer->short_ranges < UINT32_MAX) transfer->short_ranges++;
  return transfer->short_ranges <= ik_least(transfer->options.max_retries, SHORT_RANGES_MAX);
}

void ik_transfer_end(struct ik_transfer *transfer, bool reusable, uint64_t now_ms,
                     uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  if (transfer->state != IK_TRANSFER_BODY) return;
  if (ik_transfer_has_all_bytes(transfer)) {
    transfer->state = IK_TRANSFER_DONE;
    transfer->reusable = reusable;
    return;
  }
  if (transfer->differs) {
    if (transfer->body_offset == transfer->size) {
      begin_again(transfer);
    } else {
      refuse_no_image(transfer, now_ms, random);
    }
    return;
  }
  if (transfer->body_offset == transfer->body_end && may_ask_for_rest(transfer)) {
    /* A server may send less than the range; ask for the rest immediately. */
    transfer->state = reusable ? IK_TRANSFER_REQUEST : IK_TRANSFER_CONNECT;
    transfer->reused = reusable;
    transfer->last_activity_ms = now_ms;
    return;
  }
  ik_detail(text, "%s: the body ended at byte %" PRIu64 " of %" PRIu64,
            ik_transfer_host(transfer).text, transfer->body_offset, transfer->size);
  ik_transfer_retry(transfer, IK_ETRUNCATED, text, 0, now_ms, random);
}
