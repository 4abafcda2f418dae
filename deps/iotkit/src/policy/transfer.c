/*
 * transfer.c - the download policy: URLs, failed tries, requests, ranges over several connections.
 * transfer_response.c judges the responses, transfer_body.c what they bring, transfer_time.c how long it takes.
 */
#include "policy/transfer.h"

#include <inttypes.h>
#include <string.h>

#include "base/hosts.h"
#include "base/limits.h"
#include "http/request.h"
#include "iotkit_core.h"

/* ---- life and URLs ---- */

/*
 * Whether requests to `url` may carry our headers: scheme, host and port are those announced first.
 */
static bool is_same_origin(const struct ik_transfer *transfer, const struct ik_url *url) {
  struct ik_url origin;
  if (ik_url_parse(ik_str(transfer->first_url), &origin, NULL) != 0) return false;
  bool same =
      strcmp(origin.host, url->host) == 0 && origin.port == url->port && url->https == origin.https;
  ik_url_free(&origin);
  return same;
}

static int check_url(const struct ik_transfer_options *options, const struct ik_url *url,
                     char *detail) {
  if (options->https_only && !url->https) {
    ik_detail(detail, "%s: the URL is of http, and fetch.httpsOnly (https_only) is set",
              ik_endpoint(url->host, 0).text);
    return IK_ETLS_REQUIRED;
  }
  if (options->allowed_hosts != NULL &&
      !ik_hosts_allow(ik_str(options->allowed_hosts), url->host, url->port)) {
    ik_detail(detail, "%s is not in fetch.allowedHosts (allowed_hosts)",
              ik_endpoint(url->host, url->port).text);
    return IK_EHOST_NOT_ALLOWED;
  }
  return 0;
}

int ik_transfer_set_url(struct ik_transfer *transfer, struct ik_url *url, char *detail) {
  int rc = check_url(&transfer->options, url, detail);
  if (rc != 0) return rc;
  ik_url_free(&transfer->url);
  transfer->url = *url;
  transfer->same_origin = is_same_origin(transfer, url);
  return 0;
}

/* The next try starts at this URL. After an error nothing has changed. */
static int set_announced_url(struct ik_transfer *transfer, const char *text, char *detail) {
  struct ik_url url;
  int rc = ik_url_parse(ik_str(text), &url, detail);
  if (rc != 0) return rc;
  rc = check_url(&transfer->options, &url, detail);
  char *copy = rc == 0 ? ik_str_dup(ik_str(text)) : NULL;
  if (rc == 0 && copy == NULL) rc = IK_ENO_MEMORY;
  if (rc != 0) {
    ik_url_free(&url);
    return rc;
  }
  ik_str_free(transfer->announced_url);
  ik_url_free(&transfer->url);
  transfer->announced_url = copy;
  transfer->url = url;
  transfer->same_origin = is_same_origin(transfer, &url);
  transfer->redirected = false;
  transfer->redirects = 0;
  return 0;
}

int ik_transfer_init(struct ik_transfer *transfer, const struct ik_transfer_options *options,
                     const char *url, uint64_t size, char *detail) {
  memset(transfer, 0, sizeof(*transfer));
  transfer->options = *options;
  transfer->size = size;
  transfer->end = size;
  transfer->total_end_ms = UINT64_MAX;
  ik_backoff_init(&transfer->backoff, options->retry_min_ms, options->retry_max_ms);
  transfer->first_url = ik_str_dup(ik_str(url));
  int rc = transfer->first_url != NULL ? set_announced_url(transfer, url, detail) : IK_ENO_MEMORY;
  if (rc != 0) ik_str_free(transfer->first_url);
  return rc;
}

void ik_transfer_begin(struct ik_transfer *transfer, uint64_t offset, uint64_t now_ms) {
  uint32_t total_ms = transfer->options.total_timeout_ms;
  transfer->offset = offset;
  transfer->high_water = offset;
  if (total_ms > 0) transfer->total_end_ms = now_ms + total_ms;
  ik_patience_begin(&transfer->patience, transfer->options.patience_ms,
                    transfer->options.low_speed_bytes, transfer->options.low_speed_ms, now_ms);
  if (offset > 0 && offset == transfer->size) transfer->state = IK_TRANSFER_DONE;
}

void ik_transfer_free(struct ik_transfer *transfer) {
  ik_str_free(transfer->announced_url);
  ik_str_free(transfer->first_url);
  ik_url_free(&transfer->url);
}

bool ik_transfer_has_ended(const struct ik_transfer *transfer) {
  return transfer->state == IK_TRANSFER_DONE || transfer->state == IK_TRANSFER_FAILED;
}

bool ik_transfer_has_all_bytes(const struct ik_transfer *transfer) {
  return transfer->state == IK_TRANSFER_BODY && !transfer->differs &&
         transfer->body_offset == transfer->end;
}

void ik_transfer_count_progress(struct ik_transfer *transfer) {
  if (transfer->offset <= transfer->high_water) return;
  transfer->new_bytes += transfer->offset - transfer->high_water;
  transfer->high_water = transfer->offset;
  ik_backoff_reset(&transfer->backoff);
  if (transfer->new_bytes < IK_TRANSFER_PROGRESS && transfer->high_water < transfer->end) return;
  transfer->new_bytes = 0;
  transfer->failures = 0;
  transfer->short_ranges = 0;
  transfer->renewals = 0;
  transfer->refusals = 0;
  transfer->asked_whole = false;
}

/* ---- failing and trying again ---- */

void ik_transfer_fail(struct ik_transfer *transfer, int error, const char *detail) {
  if (ik_transfer_has_ended(transfer)) return;
  transfer->state = IK_TRANSFER_FAILED;
  transfer->error = error;
  ik_detail(transfer->detail, "%s", detail);
}

struct ik_endpoint ik_transfer_host(const struct ik_transfer *transfer) {
  return ik_endpoint(transfer->url.host, 0);
}

void ik_transfer_fail_at_host(struct ik_transfer *transfer, int error, const char *what) {
  char text[IOTKIT_DETAIL_MAX];
  ik_detail(text, "%s: %s", ik_transfer_host(transfer).text, what);
  ik_transfer_fail(transfer, error, text);
}

bool ik_transfer_restart_url(struct ik_transfer *transfer) {
  struct ik_url url;
  if (!transfer->redirected) return true;
  if (ik_url_parse(ik_str(transfer->announced_url), &url, NULL) != 0) return false;
  ik_url_free(&transfer->url);
  transfer->url = url;
  transfer->same_origin = is_same_origin(transfer, &url);
  transfer->redirected = false;
  transfer->redirects = 0;
  return true;
}

bool ik_transfer_count_try(struct ik_transfer *transfer) {
  const struct ik_transfer_options *options = &transfer->options;
  struct ik_transfer *image = transfer->image != NULL ? transfer->image : transfer;
  if (image->tries < UINT32_MAX) image->tries++;
  return options->max_tries == UINT32_MAX || image->tries < options->max_tries;
}

bool ik_transfer_has_range(const struct ik_transfer *transfer) {
  return transfer->range_start > 0 || transfer->range_end > 0;
}

bool ik_transfer_may_retry(struct ik_transfer *transfer, uint64_t now_ms) {
  uint32_t max = transfer->options.max_retries;
  struct ik_transfer *image = transfer->image != NULL ? transfer->image : transfer;
  if (max != UINT32_MAX && transfer->failures >= max) return false;
  return !ik_patience_is_over(&image->patience, now_ms);
}

uint32_t ik_transfer_next_wait(struct ik_transfer *transfer, uint32_t random) {
  if (transfer->failures < UINT32_MAX) transfer->failures++;
  return ik_backoff_next(&transfer->backoff, random);
}

void ik_transfer_retry(struct ik_transfer *transfer, int error, const char *detail,
                       uint64_t least_ms, uint64_t now_ms, uint32_t random) {
  /* A connection of a range that never brought a byte may be one more than the server allows. */
  bool unproven = transfer->image != NULL && !transfer->got_bytes;
  if (!ik_transfer_count_try(transfer) || !ik_transfer_may_retry(transfer, now_ms) || unproven) {
    ik_transfer_fail(transfer, error, detail);
    return;
  }
  uint64_t wait_ms = ik_transfer_next_wait(transfer, random);
  if (wait_ms < least_ms) wait_ms = least_ms;
  if (!ik_transfer_restart_url(transfer)) {
    ik_transfer_fail(transfer, IK_ENO_MEMORY, "");
    return;
  }
  transfer->state = IK_TRANSFER_WAIT;
  transfer->waits++;
  transfer->wait_until_ms = now_ms + wait_ms;
  transfer->error = error;
  ik_detail(transfer->detail, "%s", detail);
}

void ik_transfer_ask_whole(struct ik_transfer *transfer, int error, const char *detail,
                           uint64_t now_ms, uint32_t random) {
  transfer->no_range = true;
  transfer->refusals = 0;
  if (transfer->asked_whole || transfer->image != NULL) {
    ik_transfer_retry(transfer, error, detail, 0, now_ms, random);
    return;
  }
  transfer->asked_whole = true;
  if (!ik_transfer_count_try(transfer) || !ik_transfer_restart_url(transfer)) {
    ik_transfer_fail(transfer, error, detail);
    return;
  }
  transfer->state = IK_TRANSFER_CONNECT;
  transfer->error = error;
  ik_detail(transfer->detail, "%s", detail);
}

void ik_transfer_name_host(const struct ik_transfer *transfer, const char *detail, char *out) {
  bool named = strstr(detail, transfer->url.host) != NULL;
  ik_detail(out, "%s%s%s", named ? "" : ik_transfer_host(transfer).text,
            named || detail[0] == '\0' ? "" : ": ", detail);
}

void ik_transfer_error(struct ik_transfer *transfer, int error, const char *detail, uint64_t now_ms,
                       uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  if (ik_transfer_has_ended(transfer)) return;
  if (ik_transfer_has_all_bytes(transfer)) {
    transfer->state = IK_TRANSFER_DONE;
    transfer->reusable = false;
    return;
  }
  ik_transfer_name_host(transfer, detail != NULL ? detail : "", text);
  if (iotkit_error_retryable(error)) {
    ik_transfer_retry(transfer, error, text, 0, now_ms, random);
  } else {
    ik_transfer_fail(transfer, error, text);
  }
}

bool ik_transfer_stale(struct ik_transfer *transfer) {
  bool waits = transfer->state == IK_TRANSFER_REQUEST || transfer->state == IK_TRANSFER_HEAD;
  if (!waits || !transfer->reused) return false;
  transfer->reused = false;
  transfer->state = IK_TRANSFER_CONNECT;
  return true;
}

/* A renewed URL may not be of http where the one before was of https. */
static int check_step_down(const struct ik_transfer *transfer, const char *text, char *detail) {
  struct ik_url before;
  struct ik_url next;
  int rc = ik_url_parse(ik_str(transfer->announced_url), &before, NULL);
  if (rc != 0) return rc;
  bool was_https = before.https;
  ik_url_free(&before);
  rc = ik_url_parse(ik_str(text), &next, detail);
  if (rc != 0) return rc;
  if (was_https && !next.https) {
    ik_detail(detail, "%s: the renewed URL is of http, the one before of https",
              ik_endpoint(next.host, 0).text);
    rc = IK_ETLS_REQUIRED;
  }
  ik_url_free(&next);
  return rc;
}

void ik_transfer_renew(struct ik_transfer *transfer, const char *url, uint64_t now_ms) {
  char why[IOTKIT_DETAIL_MAX] = "";
  if (transfer->state != IK_TRANSFER_URL) return;
  int rc = check_step_down(transfer, url, why);
  if (rc == 0) rc = set_announced_url(transfer, url, why);
  if (rc != 0) {
    ik_transfer_fail(transfer, rc, why[0] != '\0' ? why : iotkit_strerror(rc));
    return;
  }
  transfer->state = IK_TRANSFER_CONNECT;
  transfer->last_activity_ms = now_ms;
  transfer->renewals++;
}

void ik_transfer_not_renewed(struct ik_transfer *transfer, const char *why, uint64_t now_ms) {
  char text[IOTKIT_DETAIL_MAX];
  if (transfer->state != IK_TRANSFER_URL) return;
  ik_detail(text, "%s%s%s", transfer->detail, why[0] != '\0' ? "; no other URL: " : "", why);
  if (ik_transfer_has_range(transfer) && !transfer->asked_whole) {
    ik_transfer_ask_whole(transfer, IK_EURL_EXPIRED, text, now_ms, transfer->random);
  } else {
    ik_transfer_fail(transfer, IK_EURL_EXPIRED, text);
  }
}

/* ---- requests ---- */

void ik_transfer_connected(struct ik_transfer *transfer, uint64_t now_ms) {
  if (transfer->state != IK_TRANSFER_CONNECT) return;
  transfer->state = IK_TRANSFER_REQUEST;
  transfer->reused = false;
  transfer->last_activity_ms = now_ms;
}

void ik_transfer_reconnected(struct ik_transfer *transfer, uint64_t now_ms) {
  ik_transfer_connected(transfer, now_ms);
  transfer->reused = transfer->state == IK_TRANSFER_REQUEST;
}

int ik_transfer_request(struct ik_transfer *transfer, const struct ik_transfer_sender *sender,
                        struct ik_buf *out) {
  bool bounded = !transfer->no_range && transfer->wanted_end > transfer->offset;
  transfer->range_start = transfer->no_range ? 0 : transfer->offset;
  transfer->range_end = bounded ? transfer->wanted_end : 0;
  const struct ik_http_request request = {
      .url = &transfer->url,
      .user_agent = sender->user_agent,
      .offset = transfer->range_start,
      .end = transfer->range_end,
      .fields = ik_str(transfer->same_origin ? transfer->options.headers : NULL),
      .absolute_form = sender->to_proxy,
      .proxy_authorization = sender->proxy_authorization,
  };
  return ik_http_request_write(&request, out);
}

void ik_transfer_sent(struct ik_transfer *transfer, uint64_t now_ms) {
  if (transfer->state != IK_TRANSFER_REQUEST) return;
  transfer->state = IK_TRANSFER_HEAD;
  transfer->last_activity_ms = now_ms;
}

/* ---- ranges over several connections ---- */

int ik_transfer_init_range(struct ik_transfer *range, struct ik_transfer *image, uint64_t from,
                           uint64_t end) {
  int rc = ik_transfer_init(range, &image->options, image->announced_url, image->size, NULL);
  if (rc != 0) return rc;
  range->image = image;
  memcpy(range->etag, image->etag, sizeof(range->etag));
  ik_str_free(range->first_url);
  range->first_url = ik_str_dup(ik_str(image->first_url));
  if (range->first_url == NULL) {
    ik_transfer_free(range);
    return IK_ENO_MEMORY;
  }
  range->same_origin = is_same_origin(range, &range->url);
  range->state = IK_TRANSFER_DONE;
  ik_transfer_next_range(range, from, end, 0);
  return 0;
}

void ik_transfer_next_range(struct ik_transfer *range, uint64_t from, uint64_t end,
                            uint64_t now_ms) {
  if (range->state != IK_TRANSFER_DONE) return;
  range->state = range->reusable ? IK_TRANSFER_REQUEST : IK_TRANSFER_CONNECT;
  range->reused = range->reusable;
  range->reusable = false;
  range->offset = range->high_water = from;
  range->new_bytes = 0;
  range->end = range->wanted_end = end;
  range->last_activity_ms = now_ms;
}

void ik_transfer_start_ranges(struct ik_transfer *image, struct ik_transfer *range,
                              uint64_t now_ms) {
  struct ik_url url = range->url;
  range->url = image->url;
  range->redirected = image->redirected;
  range->same_origin = image->same_origin;
  range->state = IK_TRANSFER_BODY;
  range->range_start = image->range_start;
  range->range_end = image->range_end;
  range->body_offset = image->body_offset;
  range->body_end = image->body_end;
  range->got_bytes = true;
  range->last_activity_ms = now_ms;
  image->url = url;
  image->redirected = false;
  image->same_origin = true;
  image->state = IK_TRANSFER_RANGES;
}

void ik_transfer_handed_out(struct ik_transfer *image, size_t len) {
  if (image->state != IK_TRANSFER_RANGES) return;
  image->offset += len;
  ik_transfer_count_progress(image);
  if (image->offset == image->end) image->state = IK_TRANSFER_DONE;
}

void ik_transfer_fall_back_to_one(struct ik_transfer *image) {
  if (image->state != IK_TRANSFER_RANGES) return;
  image->state = IK_TRANSFER_CONNECT;
}
