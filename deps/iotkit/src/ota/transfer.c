/*
 * transfer.c - the download policy. Owns its URLs; everything else is plain data.
 */
#include "ota/transfer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "http/range.h"
#include "http/request.h"
#include "iotkit_core.h"

/* A Retry-After beyond it is cut: the platform's own time-out ends the job sooner. */
#define RETRY_AFTER_MAX_MS ((uint64_t)60 * 60 * 1000)
#define REASON_MAX 40

int ik_transfer_init(struct ik_transfer *transfer, const struct ik_transfer_options *options,
                     const char *url, uint64_t size, char *detail) {
  memset(transfer, 0, sizeof(*transfer));
  int rc = ik_url_parse(ik_str(url), &transfer->url, detail);
  if (rc != 0) return rc;
  if (options->https_only && !transfer->url.https) {
    ik_detail(detail, "%s: the policy requires https", transfer->url.host);
    ik_url_free(&transfer->url);
    return IK_ETLS_REQUIRED;
  }
  transfer->origin = ik_str_dup(ik_str(url));
  if (transfer->origin == NULL) {
    ik_url_free(&transfer->url);
    return IK_ENO_MEMORY;
  }
  transfer->options = *options;
  transfer->size = size;
  ik_backoff_init(&transfer->backoff, options->retry_min_ms, options->retry_max_ms);
  return 0;
}

void ik_transfer_free(struct ik_transfer *transfer) {
  free(transfer->origin);
  ik_url_free(&transfer->url);
}

static bool ended(const struct ik_transfer *transfer) {
  return transfer->state == IK_TRANSFER_DONE || transfer->state == IK_TRANSFER_FAILED;
}

void ik_transfer_fail(struct ik_transfer *transfer, int error, const char *detail) {
  if (ended(transfer)) return;
  transfer->state = IK_TRANSFER_FAILED;
  transfer->error = error;
  ik_detail(transfer->detail, "%s", detail);
}

/* Prefixes the host, which the parsers below do not know. */
static void fail_at_host(struct ik_transfer *transfer, int error, const char *what) {
  char text[IOTKIT_DETAIL_MAX];
  ik_detail(text, "%s: %s", transfer->url.host, what);
  ik_transfer_fail(transfer, error, text);
}

/* The next try begins at the origin again: where it redirects to may have changed. */
static bool back_to_origin(struct ik_transfer *transfer) {
  struct ik_url url;
  if (!transfer->moved) return true;
  if (ik_url_parse(ik_str(transfer->origin), &url, NULL) != 0) return false;
  ik_url_free(&transfer->url);
  transfer->url = url;
  transfer->moved = false;
  transfer->redirects = 0;
  return true;
}

/* Waits for another try, at least `least_ms`; or gives up with the error. */
static void retry(struct ik_transfer *transfer, int error, const char *detail, uint64_t least_ms,
                  uint64_t now_ms, uint32_t random) {
  const struct ik_transfer_options *options = &transfer->options;
  if (!iotkit_error_retryable(error) && error != IK_ECHANGED) {
    ik_transfer_fail(transfer, error, detail);
    return;
  }
  if (options->max_retries != UINT32_MAX && transfer->backoff.failures >= options->max_retries) {
    ik_transfer_fail(transfer, error, detail);
    return;
  }
  uint64_t wait_ms = ik_backoff_next(&transfer->backoff, random);
  if (wait_ms < least_ms) wait_ms = least_ms;
  if (!back_to_origin(transfer)) {
    ik_transfer_fail(transfer, IK_ENO_MEMORY, "out of memory");
    return;
  }
  transfer->state = IK_TRANSFER_WAIT;
  transfer->wait_until = now_ms + wait_ms;
  transfer->error = error;
  ik_detail(transfer->detail, "%s", detail);
}

void ik_transfer_error(struct ik_transfer *transfer, int error, const char *detail, uint64_t now_ms,
                       uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  if (ended(transfer)) return;
  /* All of the image is here; what is missing is only the end of the chunked body or the FIN. */
  if (transfer->state == IK_TRANSFER_BODY && transfer->place == transfer->size) {
    transfer->state = IK_TRANSFER_DONE;
    return;
  }
  if (detail == NULL || detail[0] == '\0') detail = iotkit_strerror(error);
  /* The transport names the host itself, where it has something to say. */
  bool named = strstr(detail, transfer->url.host) != NULL;
  ik_detail(text, "%s%s%s", named ? "" : transfer->url.host, named ? "" : ": ", detail);
  retry(transfer, error, text, 0, now_ms, random);
}

void ik_transfer_connected(struct ik_transfer *transfer, uint64_t now_ms) {
  if (transfer->state != IK_TRANSFER_CONNECT) return;
  transfer->state = IK_TRANSFER_REQUEST;
  transfer->activity = now_ms;
}

int ik_transfer_request(struct ik_transfer *transfer, const char *user_agent, struct ik_buf *out) {
  transfer->asked = transfer->whole ? 0 : transfer->offset;
  const struct ik_http_request request = {
      .url = &transfer->url,
      .user_agent = user_agent,
      .offset = transfer->asked,
      .if_range = ik_str(transfer->etag),
  };
  return ik_http_request_write(&request, out);
}

void ik_transfer_sent(struct ik_transfer *transfer, uint64_t now_ms) {
  if (transfer->state != IK_TRANSFER_REQUEST) return;
  transfer->state = IK_TRANSFER_HEAD;
  transfer->activity = now_ms;
}

static void begin_body(struct ik_transfer *transfer, uint64_t place, uint64_t limit,
                       uint64_t now_ms) {
  transfer->state = IK_TRANSFER_BODY;
  transfer->place = place;
  transfer->limit = limit;
  transfer->redirects = 0;
  transfer->activity = now_ms;
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
  if (known && exchange->length != transfer->size) {
    ik_detail(text, "Content-Length is %" PRIu64 ", the announced size %" PRIu64, exchange->length,
              transfer->size);
    fail_at_host(transfer, IK_ESIZE_MISMATCH, text);
    return;
  }
  if (!transfer->options.no_rewind) transfer->offset = 0;
  transfer->whole = false;
  note_etag(transfer, &exchange->head);
  begin_body(transfer, 0, transfer->size, now_ms);
}

/* The image is another one than the bytes before belong to: begin again. */
static void start_over(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  transfer->etag[0] = '\0';
  transfer->whole = true;
  ik_detail(text, "%s: the entity tag changed during the download", transfer->url.host);
  retry(transfer, IK_ECHANGED, text, 0, now_ms, random);
}

/* 206: must be what was asked for, to the end or at least its beginning. */
static void partial_body(struct ik_transfer *transfer, const struct ik_http_exchange *exchange,
                         uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  struct ik_str value;
  struct ik_str tag;
  struct ik_http_content_range range = {0, 0, 0};
  size_t count = ik_http_head_get(&exchange->head, "Content-Range", &value);
  bool valid = count == 1 && ik_http_content_range(value, &range);
  if (!valid || transfer->asked == 0 || range.first != transfer->asked ||
      range.last >= transfer->size ||
      (range.total != IK_HTTP_TOTAL_UNKNOWN && range.total != transfer->size)) {
    ik_detail(text, "asked for bytes from %" PRIu64 " of %" PRIu64 ", got 206 with %.*s",
              transfer->asked, transfer->size, (int)(count > 0 && value.len < 64 ? value.len : 18),
              count > 0 && value.len < 64 ? value.ptr : "no usable range   ");
    fail_at_host(transfer, IK_EHTTP_RANGE, text);
    return;
  }
  if (exchange->framing == IK_HTTP_LENGTH && exchange->length != range.last - range.first + 1) {
    ik_detail(text, "Content-Length is %" PRIu64 " but Content-Range %.*s", exchange->length,
              (int)(value.len < 64 ? value.len : 64), value.ptr);
    fail_at_host(transfer, IK_EHTTP_RANGE, text);
    return;
  }
  if (transfer->etag[0] != '\0' && ik_http_head_get(&exchange->head, "ETag", &tag) > 0 &&
      !ik_str_eq(tag, ik_str(transfer->etag))) {
    start_over(transfer, now_ms, random);
    return;
  }
  begin_body(transfer, range.first, range.last + 1, now_ms);
}

static void redirect(struct ik_transfer *transfer, const struct ik_http_head *head) {
  char text[IOTKIT_DETAIL_MAX];
  char why[IOTKIT_DETAIL_MAX] = "";
  struct ik_str location;
  struct ik_url next;
  if (ik_http_head_get(head, "Location", &location) != 1) {
    ik_detail(text, "answered %u without one Location", head->status);
    fail_at_host(transfer, IK_EHTTP_STATUS, text);
    return;
  }
  if (transfer->redirects >= transfer->options.max_redirects) {
    ik_detail(text, "more than %" PRIu32 " redirects", transfer->options.max_redirects);
    fail_at_host(transfer, IK_EHTTP_REDIRECTS, text);
    return;
  }
  int rc = ik_url_resolve(&transfer->url, location, &next, why);
  if (rc != 0) {
    ik_detail(text, "redirects to a bad URL: %s", why);
    fail_at_host(transfer, rc, text);
    return;
  }
  if (!next.https && (transfer->url.https || transfer->options.https_only)) {
    ik_detail(text, "redirects from https to http://%s", next.host);
    ik_url_free(&next);
    fail_at_host(transfer, IK_EHTTP_INSECURE_REDIRECT, text);
    return;
  }
  ik_url_free(&transfer->url);
  transfer->url = next;
  transfer->moved = true;
  transfer->redirects++;
  transfer->state = IK_TRANSFER_CONNECT;
}

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

static void bad_status(struct ik_transfer *transfer, const struct ik_http_head *head,
                       uint64_t now_ms, uint64_t wall_ms, uint32_t random) {
  char what[IOTKIT_DETAIL_MAX];
  char text[IOTKIT_DETAIL_MAX];
  struct ik_str value;
  uint64_t wait_ms = 0;
  status_text(head, what);
  if (!is_temporary(head->status)) {
    bool expired = head->status == 403 || head->status == 410;
    fail_at_host(transfer, expired ? IK_EURL_EXPIRED : IK_EHTTP_STATUS, what);
    return;
  }
  if (ik_http_head_get(head, "Retry-After", &value) != 1 ||
      !ik_http_retry_after(value, wall_ms, &wait_ms)) {
    wait_ms = 0;
  }
  if (wait_ms > RETRY_AFTER_MAX_MS) wait_ms = RETRY_AFTER_MAX_MS;
  ik_detail(text, "%s: %s", transfer->url.host, what);
  retry(transfer, IK_EHTTP_UNAVAILABLE, text, wait_ms, now_ms, random);
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

void ik_transfer_bytes(struct ik_transfer *transfer, size_t len, uint64_t now_ms, size_t *skip,
                       size_t *take) {
  char text[IOTKIT_DETAIL_MAX];
  *skip = 0;
  *take = 0;
  if (transfer->state != IK_TRANSFER_BODY || len == 0) return;
  if (len > transfer->limit - transfer->place) {
    bool is_size = transfer->limit == transfer->size;
    ik_detail(text, "the body goes on behind byte %" PRIu64 ", where it must end", transfer->limit);
    fail_at_host(transfer, is_size ? IK_ESIZE_MISMATCH : IK_EHTTP_RANGE, text);
    return;
  }
  if (transfer->place < transfer->offset) {
    uint64_t before = transfer->offset - transfer->place;
    *skip = len < before ? len : (size_t)before;
  }
  *take = len - *skip;
  transfer->place += len;
  transfer->offset += *take;
  transfer->activity = now_ms;
  transfer->speed_bytes += len;
  if (transfer->offset > transfer->high) {
    transfer->high = transfer->offset;
    ik_backoff_reset(&transfer->backoff);
  }
}

void ik_transfer_end(struct ik_transfer *transfer, bool reusable, uint64_t now_ms,
                     uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  if (transfer->state != IK_TRANSFER_BODY) return;
  if (transfer->place == transfer->size) {
    transfer->state = IK_TRANSFER_DONE;
    return;
  }
  if (transfer->place == transfer->limit) {
    /* A server may give less than the range; the rest is asked for at once. */
    transfer->state = reusable ? IK_TRANSFER_REQUEST : IK_TRANSFER_CONNECT;
    transfer->activity = now_ms;
    return;
  }
  ik_detail(text, "%s: the body ended at byte %" PRIu64 " of %" PRIu64, transfer->url.host,
            transfer->place, transfer->size);
  retry(transfer, IK_ETRUNCATED, text, 0, now_ms, random);
}

static uint64_t idle_deadline(const struct ik_transfer *transfer) {
  switch (transfer->state) {
  case IK_TRANSFER_REQUEST:
  case IK_TRANSFER_HEAD:
    return transfer->activity + transfer->options.response_timeout_ms;
  case IK_TRANSFER_BODY:
    return transfer->activity + transfer->options.idle_timeout_ms;
  default:
    return UINT64_MAX;
  }
}

static bool has_speed_limit(const struct ik_transfer *transfer) {
  return transfer->state == IK_TRANSFER_BODY && transfer->options.low_speed_bytes > 0 &&
         transfer->options.low_speed_ms > 0;
}

uint64_t ik_transfer_deadline(const struct ik_transfer *transfer) {
  if (transfer->state == IK_TRANSFER_WAIT) return transfer->wait_until;
  uint64_t at = idle_deadline(transfer);
  if (has_speed_limit(transfer)) {
    uint64_t speed_at = transfer->speed_since + transfer->options.low_speed_ms;
    if (speed_at < at) at = speed_at;
  }
  return at;
}

static void check_speed(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  uint64_t elapsed_ms = now_ms - transfer->speed_since;
  if (elapsed_ms < transfer->options.low_speed_ms) return;
  uint64_t per_second = transfer->speed_bytes * 1000 / elapsed_ms;
  if (per_second < transfer->options.low_speed_bytes) {
    ik_detail(text, "%" PRIu64 " bytes/s over %" PRIu64 " ms, the limit is %" PRIu32, per_second,
              elapsed_ms, transfer->options.low_speed_bytes);
    ik_transfer_error(transfer, IK_ETOO_SLOW, text, now_ms, random);
    return;
  }
  transfer->speed_since = now_ms;
  transfer->speed_bytes = 0;
}

void ik_transfer_tick(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  if (transfer->state == IK_TRANSFER_WAIT) {
    if (now_ms >= transfer->wait_until) transfer->state = IK_TRANSFER_CONNECT;
    return;
  }
  if (now_ms >= idle_deadline(transfer)) {
    bool in_body = transfer->state == IK_TRANSFER_BODY;
    if (in_body) {
      ik_detail(text,
                "no byte of the body arrived within %" PRIu32 " ms, at byte %" PRIu64
                " of %" PRIu64,
                transfer->options.idle_timeout_ms, transfer->place, transfer->size);
    } else {
      ik_detail(text, "no answer within %" PRIu32 " ms", transfer->options.response_timeout_ms);
    }
    ik_transfer_error(transfer, IK_EIDLE_TIMEOUT, text, now_ms, random);
    return;
  }
  if (has_speed_limit(transfer)) check_speed(transfer, now_ms, random);
}

void ik_transfer_resume(struct ik_transfer *transfer, uint64_t away_ms) {
  transfer->activity += away_ms;
  transfer->speed_since += away_ms;
}
