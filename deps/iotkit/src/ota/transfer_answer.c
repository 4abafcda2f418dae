/*
 * transfer_answer.c - the download policy: what a server answered, and what follows from it.
 */
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "http/range.h"
#include "ota/transfer.h"

/* A Retry-After beyond it is cut: the platform's own time-out ends the job sooner. */
#define RETRY_AFTER_MAX_MS ((uint64_t)60 * 60 * 1000)
#define REASON_MAX 40
#define SHOWN_MAX 64

/* ---- bodies ---- */

static void begin_body(struct ik_transfer *transfer, uint64_t place, uint64_t limit,
                       uint64_t now_ms) {
  transfer->state = IK_TRANSFER_BODY;
  transfer->place = place;
  transfer->limit = limit;
  transfer->redirects = 0;
  transfer->activity = now_ms;
  if (transfer->image != NULL) return;
  transfer->speed_since = now_ms;
  transfer->speed_bytes = 0;
}

/* Remembers the entity tag if it can serve for If-Range. */
static void note_etag(struct ik_transfer *transfer, const struct ik_http_head *head) {
  struct ik_str tag;
  size_t count = ik_http_head_get(head, "ETag", &tag);
  transfer->etag[0] = '\0';
  if (count != 1 || tag.len > IK_ETAG_MAX || !ik_http_etag_is_strong(tag)) return;
  memcpy(transfer->etag, tag.ptr, tag.len);
  transfer->etag[tag.len] = '\0';
}

/* 200: the whole image, asked for or not. */
static void whole_body(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                       uint64_t now_ms) {
  char text[IOTKIT_DETAIL_MAX];
  bool known = exchange->framing == IK_HTTP_LENGTH || exchange->framing == IK_HTTP_NO_BODY;
  if (transfer->image != NULL) {
    ik_transfer_fail_at_host(transfer, IK_EHTTP_RANGE, "answered a range with the whole image");
    return;
  }
  if (known && exchange->length != transfer->size) {
    ik_detail(text, "Content-Length is %" PRIu64 ", the announced size %" PRIu64, exchange->length,
              transfer->size);
    ik_transfer_fail_at_host(transfer, IK_ESIZE_MISMATCH, text);
    return;
  }
  if (!transfer->options.no_rewind) transfer->offset = 0;
  transfer->whole = false;
  transfer->total_known = false;
  note_etag(transfer, &exchange->head);
  begin_body(transfer, 0, transfer->size, now_ms);
}

/* What was fetched is of no use, or no range is to be had: all of it again, from the beginning. */
static void start_over(struct ik_transfer *transfer, int error, const char *why, uint64_t now_ms,
                       uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  if (transfer->image != NULL) {
    ik_transfer_fail_at_host(transfer, error, why);
    return;
  }
  transfer->etag[0] = '\0';
  transfer->whole = true;
  ik_detail(text, "%s: %s", transfer->url.host, why);
  ik_transfer_retry(transfer, error, text, 0, now_ms, random);
}

/* Whether a 206 is what was asked for, to the end or at least its beginning. */
static bool is_asked(const struct ik_transfer *transfer,
                     const struct ik_http_content_range *range) {
  if (transfer->asked == 0 && transfer->asked_end == 0) return false;
  if (range->first != transfer->asked || range->last >= transfer->size) return false;
  if (transfer->image != NULL && range->last >= transfer->asked_end) return false;
  return range->total == IK_HTTP_TOTAL_UNKNOWN || range->total == transfer->size;
}

static void refuse_range(struct ik_transfer *transfer, struct ik_str value) {
  char text[IOTKIT_DETAIL_MAX];
  if (value.len == 0 || value.len > SHOWN_MAX) value = IK_STR("no usable range");
  ik_detail(text, "asked for bytes from %" PRIu64 " of %" PRIu64 ", got 206 with %.*s",
            transfer->asked, transfer->size, (int)value.len, value.ptr);
  ik_transfer_fail_at_host(transfer, IK_EHTTP_RANGE, text);
}

static void partial_body(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                         uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  struct ik_str value = {"", 0};
  struct ik_str tag;
  struct ik_http_content_range range = {0, 0, 0};
  size_t count = ik_http_head_get(&exchange->head, "Content-Range", &value);
  if (count != 1 || !ik_http_content_range(value, &range) || !is_asked(transfer, &range)) {
    refuse_range(transfer, value);
    return;
  }
  if (exchange->framing == IK_HTTP_LENGTH && exchange->length != range.last - range.first + 1) {
    ik_detail(text, "Content-Length is %" PRIu64 " but Content-Range %.*s", exchange->length,
              (int)(value.len < SHOWN_MAX ? value.len : SHOWN_MAX), value.ptr);
    ik_transfer_fail_at_host(transfer, IK_EHTTP_RANGE, text);
    return;
  }
  if (transfer->etag[0] == '\0') {
    note_etag(transfer, &exchange->head);
  } else if (ik_http_head_get(&exchange->head, "ETag", &tag) > 0 &&
             !ik_str_eq(tag, ik_str(transfer->etag))) {
    start_over(transfer, IK_ECHANGED, "the entity tag changed during the download", now_ms, random);
    return;
  }
  transfer->total_known = range.total == transfer->size;
  begin_body(transfer, range.first, range.last + 1, now_ms);
}

/* ---- redirects ---- */

static void redirect(struct ik_transfer *transfer, const struct ik_http_head *head) {
  char text[IOTKIT_DETAIL_MAX];
  char why[IOTKIT_DETAIL_MAX] = "";
  struct ik_str location;
  struct ik_url next;
  if (ik_http_head_get(head, "Location", &location) != 1) {
    ik_detail(text, "answered %u without one Location", head->status);
    ik_transfer_fail_at_host(transfer, IK_EHTTP_STATUS, text);
    return;
  }
  if (transfer->redirects >= transfer->options.max_redirects) {
    ik_detail(text, "more than %" PRIu32 " redirects", transfer->options.max_redirects);
    ik_transfer_fail_at_host(transfer, IK_EHTTP_REDIRECTS, text);
    return;
  }
  int rc = ik_url_resolve(&transfer->url, location, &next, why);
  if (rc != 0) {
    ik_detail(text, "redirects to a bad URL: %s", why);
    ik_transfer_fail_at_host(transfer, rc, text);
    return;
  }
  if (!next.https && (transfer->url.https || transfer->options.https_only)) {
    ik_detail(text, "redirects from https to http://%s", next.host);
    rc = IK_EHTTP_INSECURE_REDIRECT;
  } else {
    rc = ik_transfer_set_url(transfer, &next, why);
    ik_detail(text, "redirects to %s", why);
  }
  if (rc != 0) {
    ik_url_free(&next);
    ik_transfer_fail_at_host(transfer, rc, text);
    return;
  }
  transfer->moved = true;
  transfer->redirects++;
  transfer->state = IK_TRANSFER_CONNECT;
}

/* ---- errors ---- */

/* "404 Not Found", for a detail. */
static void status_text(const struct ik_http_head *head, char *out) {
  const char *text = (const char *)ik_buf_ptr(&head->text);
  size_t len = 0;
  while (len < REASON_MAX && text[9 + len] != '\r') {
    uint8_t c = (uint8_t)text[9 + len];
    if (c < 0x20 || c >= 0x7f) break;
    len++;
  }
  ik_detail(out, "answered %.*s", (int)len, text + 9);
}

static bool is_temporary(unsigned status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

/*
 * The signed URL is of no more use. Another one is asked for: the first at once, each that brought
 * no progress after a wait as behind any failed try.
 */
static void expired(struct ik_transfer *transfer, const char *what, uint64_t now_ms,
                    uint32_t random) {
  uint32_t renew_ms = transfer->options.renew_timeout_ms;
  bool may = transfer->image == NULL && renew_ms != UINT32_MAX && ik_transfer_count_try(transfer);
  if (!may || (transfer->renewals > 0 && !ik_transfer_has_retries(transfer))) {
    ik_transfer_fail_at_host(transfer, IK_EURL_EXPIRED, what);
    return;
  }
  transfer->wait_until = now_ms;
  if (transfer->renewals == 0) {
    transfer->renew_until = now_ms + renew_ms;
  } else {
    transfer->wait_until += ik_backoff_next(&transfer->backoff, random);
  }
  transfer->state = IK_TRANSFER_URL;
  transfer->error = IK_EURL_EXPIRED;
  ik_detail(transfer->detail, "%s: %s", transfer->url.host, what);
}

static void temporary(struct ik_transfer *transfer, const struct ik_http_head *head,
                      const char *what, uint64_t now_ms, uint64_t wall_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  struct ik_str value;
  uint64_t wait_ms = 0;
  if (ik_http_head_get(head, "Retry-After", &value) != 1 ||
      !ik_http_retry_after(value, wall_ms, &wait_ms)) {
    wait_ms = 0;
  }
  if (wait_ms > RETRY_AFTER_MAX_MS) wait_ms = RETRY_AFTER_MAX_MS;
  ik_detail(text, "%s: %s", transfer->url.host, what);
  /* Of several connections it may be the number that the server minds. */
  if (transfer->image != NULL) {
    ik_transfer_fail(transfer, IK_EHTTP_UNAVAILABLE, text);
  } else {
    ik_transfer_retry(transfer, IK_EHTTP_UNAVAILABLE, text, wait_ms, now_ms, random);
  }
}

static void bad_status(struct ik_transfer *transfer, const struct ik_http_head *head,
                       uint64_t now_ms, uint64_t wall_ms, uint32_t random) {
  char what[IOTKIT_DETAIL_MAX];
  bool ranged = transfer->asked > 0 || transfer->asked_end > 0;
  status_text(head, what);
  switch (head->status) {
  case 403:
  case 410:
    expired(transfer, what, now_ms, random);
    return;
  case 407:
    ik_transfer_fail_at_host(transfer, IK_EPROXY_REFUSED, what);
    return;
  case 416:
    if (ranged) {
      start_over(transfer, IK_EHTTP_RANGE, what, now_ms, random);
    } else {
      ik_transfer_fail_at_host(transfer, IK_EHTTP_RANGE, what);
    }
    return;
  default:
    break;
  }
  if (is_temporary(head->status)) {
    temporary(transfer, head, what, now_ms, wall_ms, random);
  } else {
    ik_transfer_fail_at_host(transfer, IK_EHTTP_STATUS, what);
  }
}

void ik_transfer_head(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                      uint64_t now_ms, uint64_t wall_ms, uint32_t random) {
  if (transfer->state != IK_TRANSFER_HEAD) return;
  switch (exchange->head.status) {
  case 200:
    whole_body(transfer, exchange, now_ms);
    return;
  case 206:
    partial_body(transfer, exchange, now_ms, random);
    return;
  case 301:
  case 302:
  case 303:
  case 307:
  case 308:
    redirect(transfer, &exchange->head);
    return;
  default:
    bad_status(transfer, &exchange->head, now_ms, wall_ms, random);
    return;
  }
}
