/*
 * transfer_response.c - the download policy: judges the head of a response by its status. Bodies
 * are accepted only where size and range match; the rest is a redirect or an error. No response
 * costs bytes that are there already, and none to a range is the last word: once, all is asked for.
 */
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "http/range.h"
#include "policy/transfer.h"

/* A longer Retry-After is cut to this: the platform's own time-out ends the job earlier. */
#define RETRY_AFTER_MAX_MS ((uint64_t)60 * 60 * 1000)
#define RENEWALS_MAX 5   /* URLs in a row that are refused as well, after which there is no other */
#define RANGE_REFUSALS 2 /* 5xx to a range in a row, after which all is asked for */
#define REASON_MAX 40    /* bytes of a reason phrase in a detail */
#define SHOWN_MAX 64     /* bytes of a Content-Range in a detail */

/* ---- bodies ---- */

static void begin_body(struct ik_transfer *transfer, uint64_t offset, uint64_t end,
                       uint64_t now_ms) {
  transfer->state = IK_TRANSFER_BODY;
  transfer->body_offset = offset;
  transfer->body_end = end;
  transfer->redirects = 0;
  transfer->compares = false;
  transfer->differs = false;
  transfer->last_activity_ms = now_ms;
  if (transfer->image != NULL) return;
  transfer->speed_since_ms = now_ms;
  transfer->speed_bytes = 0;
}

/* Keeps the entity tag if it is strong: only then it proves that two answers are of one image. */
static void note_etag(struct ik_transfer *transfer, const struct ik_http_head *head) {
  struct ik_str tag;
  size_t count = ik_http_head_get(head, "ETag", &tag);
  transfer->etag[0] = '\0';
  if (count != 1 || tag.len > IK_ETAG_MAX || !ik_http_etag_is_strong(tag)) return;
  memcpy(transfer->etag, tag.ptr, tag.len);
  transfer->etag[tag.len] = '\0';
}

/*
 * The body has another length than the image. Where a part of the image is there, this may be a
 * log-in page, which goes away: the part stays, and the image is tried later.
 */
static void refuse_size(struct ik_transfer *transfer, uint64_t length, uint64_t now_ms) {
  char text[IOTKIT_DETAIL_MAX];
  ik_detail(text, "%s: Content-Length is %" PRIu64 ", the announced size %" PRIu64,
            ik_transfer_host(transfer).text, length, transfer->size);
  if (transfer->offset > 0) {
    ik_transfer_retry(transfer, IK_EHTTP_RANGE, text, 0, now_ms, transfer->random);
  } else {
    ik_transfer_fail(transfer, IK_ESIZE_MISMATCH, text);
  }
}

/* 200: the body is the whole image, whether the request had a range or not. */
static void accept_whole(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                         uint64_t now_ms) {
  bool known = exchange->framing == IK_HTTP_LENGTH || exchange->framing == IK_HTTP_NO_BODY;
  if (transfer->image != NULL) {
    ik_transfer_fail_at_host(transfer, IK_EHTTP_RANGE, "answered a range with the whole image");
    return;
  }
  if (known && exchange->length != transfer->size) {
    refuse_size(transfer, exchange->length, now_ms);
    return;
  }
  transfer->no_range = false;
  transfer->total_known = false;
  transfer->length_known = known;
  note_etag(transfer, &exchange->head);
  begin_body(transfer, 0, transfer->size, now_ms);
  transfer->compares = transfer->offset > 0;
}

/* The server refuses the range, or what it gives is none: all is asked for, if that is new. */
static void refuse_range(struct ik_transfer *transfer, int error, const char *why,
                         uint64_t now_ms) {
  char text[IOTKIT_DETAIL_MAX];
  if (transfer->image != NULL || !ik_transfer_has_range(transfer)) {
    ik_transfer_fail_at_host(transfer, error, why);
    return;
  }
  ik_detail(text, "%s: %s", ik_transfer_host(transfer).text, why);
  ik_transfer_ask_whole(transfer, error, text, now_ms, transfer->random);
}

/* Whether a 206 starts at the requested byte and stays in the image or range; it may end early. */
static bool matches_request(const struct ik_transfer *transfer,
                            const struct ik_http_content_range *range) {
  if (!ik_transfer_has_range(transfer)) return false;
  if (range->first != transfer->range_start || range->last >= transfer->size) return false;
  if (transfer->image != NULL && range->last >= transfer->range_end) return false;
  return range->total == IK_HTTP_TOTAL_UNKNOWN || range->total == transfer->size;
}

static void refuse_content_range(struct ik_transfer *transfer, struct ik_str value,
                                 uint64_t now_ms) {
  char text[IOTKIT_DETAIL_MAX];
  if (value.len == 0 || value.len > SHOWN_MAX) value = IK_STR("no usable range");
  ik_detail(text, "asked for bytes from %" PRIu64 " of %" PRIu64 ", got 206 with %.*s",
            transfer->range_start, transfer->size, (int)value.len, value.ptr);
  refuse_range(transfer, IK_EHTTP_RANGE, text, now_ms);
}

/*
 * The nodes of a CDN have different entity tags for one image, so no tag refuses a range; but where
 * it does not prove the same image, a wrong digest at the end may come from the mixture.
 */
static void note_mixture(struct ik_transfer *transfer, const struct ik_http_head *head) {
  struct ik_transfer *image = transfer->image != NULL ? transfer->image : transfer;
  struct ik_str tag;
  if (transfer->range_start == 0) {
    note_etag(transfer, head);
    return;
  }
  bool proven = transfer->etag[0] != '\0' && ik_http_head_get(head, "ETag", &tag) == 1 &&
                ik_str_eq(tag, ik_str(transfer->etag));
  if (!proven) image->mixed = true;
}

static void accept_range(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                         uint64_t now_ms) {
  char text[IOTKIT_DETAIL_MAX];
  struct ik_str value = {"", 0};
  struct ik_http_content_range range = {0, 0, 0};
  size_t count = ik_http_head_get(&exchange->head, "Content-Range", &value);
  if (count != 1 || !ik_http_content_range(value, &range) || !matches_request(transfer, &range)) {
    refuse_content_range(transfer, value, now_ms);
    return;
  }
  if (exchange->framing == IK_HTTP_LENGTH && exchange->length != range.last - range.first + 1) {
    ik_detail(text, "Content-Length is %" PRIu64 " but Content-Range %.*s", exchange->length,
              (int)(value.len < SHOWN_MAX ? value.len : SHOWN_MAX), value.ptr);
    refuse_range(transfer, IK_EHTTP_RANGE, text, now_ms);
    return;
  }
  note_mixture(transfer, &exchange->head);
  transfer->gives_ranges = true;
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
    ik_detail(text, "more than the %" PRIu32 " of fetch.maxRedirects (max_redirects)",
              transfer->options.max_redirects);
    ik_transfer_fail_at_host(transfer, IK_EHTTP_REDIRECTS, text);
    return;
  }
  int rc = ik_url_resolve(&transfer->url, location, &next, why);
  if (rc != 0) {
    ik_detail(text, "its redirect is refused: %s", why);
    ik_transfer_fail_at_host(transfer, rc, text);
    return;
  }
  if (!next.https && (transfer->url.https || transfer->options.https_only)) {
    ik_detail(text, "leads to http://%s", next.authority);
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
  transfer->redirected = true;
  transfer->redirects++;
  transfer->state = IK_TRANSFER_CONNECT;
}

/* ---- errors ---- */

/* Writes "answered 404 Not Found" for a detail, without unprintable characters. */
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
 * The server refuses the signed URL, which has probably expired: another one is needed. The caller
 * may ask for it immediately; if the URL before it brought no progress either, only after the wait
 * that follows any failed try.
 */
static void await_new_url(struct ik_transfer *transfer, const char *what, uint64_t now_ms,
                          uint32_t random) {
  uint32_t renew_ms = transfer->options.renew_timeout_ms;
  bool may = transfer->image == NULL && renew_ms != UINT32_MAX;
  bool range_suspected = ik_transfer_has_range(transfer) && !transfer->asked_whole;
  /* A fresh URL is refused as well, or there is none: it may be the range that is refused. */
  if (transfer->image == NULL && range_suspected && (!may || transfer->renewals > 0)) {
    refuse_range(transfer, IK_EURL_EXPIRED, what, now_ms);
    return;
  }
  may = may && ik_transfer_count_try(transfer);
  bool again = transfer->renewals > 0;
  if (again)
    may = may && transfer->renewals <= RENEWALS_MAX && ik_transfer_may_retry(transfer, now_ms);
  if (!may) {
    ik_transfer_fail_at_host(transfer, IK_EURL_EXPIRED, what);
    return;
  }
  transfer->wait_until_ms = now_ms;
  if (again) {
    transfer->wait_until_ms += ik_transfer_next_wait(transfer, random);
  } else {
    transfer->renew_until_ms = now_ms + renew_ms;
  }
  transfer->state = IK_TRANSFER_URL;
  transfer->error = IK_EURL_EXPIRED;
  ik_detail(transfer->detail, "%s: %s", ik_transfer_host(transfer).text, what);
}

/*
 * After a 5xx: it may be the range that the server cannot do. The first one may be what it says;
 * after more of them the next try asks for all, and if that is refused as well, again for a range.
 * A server that has answered a range of this image can do ranges: only the last try asks for all.
 */
static void doubt_range(struct ik_transfer *transfer, uint64_t now_ms) {
  bool doubts = ik_transfer_has_range(transfer) && !transfer->gives_ranges;
  transfer->no_range = doubts && ++transfer->refusals >= RANGE_REFUSALS;
  if (!transfer->no_range) return;
  transfer->refusals = 0;
  transfer->asked_whole = ik_transfer_may_retry(transfer, now_ms);
}

static void retry_unavailable(struct ik_transfer *transfer, const struct ik_http_head *head,
                              const char *what, uint64_t now_ms, uint64_t wall_ms,
                              uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  struct ik_str value;
  uint64_t wait_ms = 0;
  if (ik_http_head_get(head, "Retry-After", &value) != 1 ||
      !ik_http_retry_after(value, wall_ms, &wait_ms)) {
    wait_ms = 0;
  }
  if (wait_ms > RETRY_AFTER_MAX_MS) wait_ms = RETRY_AFTER_MAX_MS;
  ik_detail(text, "%s: %s", ik_transfer_host(transfer).text, what);
  /* With several connections the server may object to their number: fall back before waiting. */
  if (transfer->image != NULL) {
    ik_transfer_fail(transfer, IK_EHTTP_UNAVAILABLE, text);
    return;
  }
  if (head->status >= 500) doubt_range(transfer, now_ms);
  if (ik_transfer_has_range(transfer) && !transfer->asked_whole &&
      !ik_transfer_may_retry(transfer, now_ms)) {
    ik_transfer_ask_whole(transfer, IK_EHTTP_UNAVAILABLE, text, now_ms, random);
  } else {
    ik_transfer_retry(transfer, IK_EHTTP_UNAVAILABLE, text, wait_ms, now_ms, random);
  }
}

static void bad_status(struct ik_transfer *transfer, const struct ik_http_head *head,
                       uint64_t now_ms, uint64_t wall_ms, uint32_t random) {
  char what[IOTKIT_DETAIL_MAX];
  status_text(head, what);
  switch (head->status) {
  case 403:
  case 410:
    await_new_url(transfer, what, now_ms, random);
    return;
  case 407:
    ik_transfer_fail_at_host(transfer, IK_EPROXY_REFUSED, what);
    return;
  case 416:
    refuse_range(transfer, IK_EHTTP_RANGE, what, now_ms);
    return;
  default:
    break;
  }
  if (is_temporary(head->status)) {
    retry_unavailable(transfer, head, what, now_ms, wall_ms, random);
  } else {
    refuse_range(transfer, IK_EHTTP_STATUS, what, now_ms);
  }
}

void ik_transfer_head(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                      uint64_t now_ms, uint64_t wall_ms, uint32_t random) {
  if (transfer->state != IK_TRANSFER_HEAD) return;
  transfer->random = random;
  switch (exchange->head.status) {
  case 200:
    accept_whole(transfer, exchange, now_ms);
    return;
  case 206:
    accept_range(transfer, exchange, now_ms);
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
