/*
 * transfer.c - the download policy: tries, progress, time. transfer_answer.c judges what servers
 * answer. A transfer owns its URLs; its options borrow texts, everything else is plain data.
 */
#include "ota/transfer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/hosts.h"
#include "base/limits.h"
#include "http/request.h"
#include "iotkit_core.h"

/* ---- life ---- */

/* `url` has the host and port that were announced, and is no less safe: it may have our headers. */
static bool is_announced(const struct ik_transfer *transfer, const struct ik_url *url) {
  struct ik_url origin;
  if (ik_url_parse(ik_str(transfer->origin), &origin, NULL) != 0) return false;
  bool same = strcmp(origin.host, url->host) == 0 && origin.port == url->port &&
              (url->https || !origin.https);
  ik_url_free(&origin);
  return same;
}

static int check_url(const struct ik_transfer_options *options, const struct ik_url *url,
                     char *detail) {
  if (options->https_only && !url->https) {
    ik_detail(detail, "%s: the policy requires https", url->host);
    return IK_ETLS_REQUIRED;
  }
  if (options->allowed_hosts != NULL &&
      !ik_hosts_allow(ik_str(options->allowed_hosts), url->host, url->port)) {
    ik_detail(detail, "%s:%u: the policy does not allow this host", url->host, url->port);
    return IK_EHOST_NOT_ALLOWED;
  }
  return 0;
}

int ik_transfer_set_url(struct ik_transfer *transfer, struct ik_url *url, char *detail) {
  int rc = check_url(&transfer->options, url, detail);
  if (rc != 0) return rc;
  ik_url_free(&transfer->url);
  transfer->url = *url;
  transfer->announced = is_announced(transfer, url);
  return 0;
}

/* The next try begins there. On failure nothing has changed. */
static int set_origin(struct ik_transfer *transfer, const char *text, char *detail) {
  struct ik_url url;
  int rc = ik_url_parse(ik_str(text), &url, detail);
  if (rc != 0) return rc;
  rc = check_url(&transfer->options, &url, detail);
  char *origin = rc == 0 ? ik_str_dup(ik_str(text)) : NULL;
  if (rc == 0 && origin == NULL) rc = IK_ENO_MEMORY;
  if (rc != 0) {
    ik_url_free(&url);
    return rc;
  }
  free(transfer->origin);
  ik_url_free(&transfer->url);
  transfer->origin = origin;
  transfer->url = url;
  transfer->announced = true;
  transfer->moved = false;
  transfer->redirects = 0;
  return 0;
}

int ik_transfer_init(struct ik_transfer *transfer, const struct ik_transfer_options *options,
                     const char *url, uint64_t size, char *detail) {
  memset(transfer, 0, sizeof(*transfer));
  transfer->options = *options;
  transfer->size = size;
  transfer->end = size;
  transfer->ends_at = UINT64_MAX;
  ik_backoff_init(&transfer->backoff, options->retry_min_ms, options->retry_max_ms);
  return set_origin(transfer, url, detail);
}

void ik_transfer_begin(struct ik_transfer *transfer, uint64_t offset, uint64_t now_ms) {
  uint32_t total_ms = transfer->options.total_timeout_ms;
  transfer->offset = offset;
  transfer->high = offset;
  if (total_ms > 0) transfer->ends_at = now_ms + total_ms;
  if (offset > 0 && offset == transfer->size) transfer->state = IK_TRANSFER_DONE;
}

void ik_transfer_free(struct ik_transfer *transfer) {
  free(transfer->origin);
  ik_url_free(&transfer->url);
}

bool ik_transfer_has_ended(const struct ik_transfer *transfer) {
  return transfer->state == IK_TRANSFER_DONE || transfer->state == IK_TRANSFER_FAILED;
}

/* ---- failing and trying again ---- */

void ik_transfer_fail(struct ik_transfer *transfer, int error, const char *detail) {
  if (ik_transfer_has_ended(transfer)) return;
  transfer->state = IK_TRANSFER_FAILED;
  transfer->error = error;
  ik_detail(transfer->detail, "%s", detail);
}

void ik_transfer_fail_at_host(struct ik_transfer *transfer, int error, const char *what) {
  char text[IOTKIT_DETAIL_MAX];
  ik_detail(text, "%s: %s", transfer->url.host, what);
  ik_transfer_fail(transfer, error, text);
}

/* Where the origin redirects to may have changed. */
static bool back_to_origin(struct ik_transfer *transfer) {
  struct ik_url url;
  if (!transfer->moved) return true;
  if (ik_url_parse(ik_str(transfer->origin), &url, NULL) != 0) return false;
  ik_url_free(&transfer->url);
  transfer->url = url;
  transfer->announced = true;
  transfer->moved = false;
  transfer->redirects = 0;
  return true;
}

bool ik_transfer_count_try(struct ik_transfer *transfer) {
  const struct ik_transfer_options *options = &transfer->options;
  struct ik_transfer *image = transfer->image != NULL ? transfer->image : transfer;
  if (image->tries < UINT32_MAX) image->tries++;
  return options->max_tries == UINT32_MAX || image->tries < options->max_tries;
}

bool ik_transfer_has_retries(const struct ik_transfer *transfer) {
  const struct ik_transfer_options *options = &transfer->options;
  return options->max_retries == UINT32_MAX || transfer->backoff.failures < options->max_retries;
}

void ik_transfer_retry(struct ik_transfer *transfer, int error, const char *detail,
                       uint64_t least_ms, uint64_t now_ms, uint32_t random) {
  /* A connection that never brought a byte may be one more than the server allows. */
  bool unproven = transfer->image != NULL && !transfer->proven;
  if (!ik_transfer_count_try(transfer) || !ik_transfer_has_retries(transfer) || unproven) {
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
  if (ik_transfer_has_ended(transfer)) return;
  /* All of it is here; what is missing is only the end of the chunked body or the FIN. */
  if (transfer->state == IK_TRANSFER_BODY && transfer->place == transfer->end) {
    transfer->state = IK_TRANSFER_DONE;
    transfer->reusable = false;
    return;
  }
  if (detail == NULL || detail[0] == '\0') detail = iotkit_strerror(error);
  /* The transport names the host itself, where it has something to say. */
  bool named = strstr(detail, transfer->url.host) != NULL;
  ik_detail(text, "%s%s%s", named ? "" : transfer->url.host, named ? "" : ": ", detail);
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

void ik_transfer_renew(struct ik_transfer *transfer, const char *url, uint64_t now_ms) {
  char why[IOTKIT_DETAIL_MAX] = "";
  if (transfer->state != IK_TRANSFER_URL) return;
  int rc = set_origin(transfer, url, why);
  if (rc != 0) {
    ik_transfer_fail(transfer, rc, why[0] != '\0' ? why : iotkit_strerror(rc));
    return;
  }
  /* Perhaps another server: size and digest say that it is the same image, not its entity tag. */
  transfer->etag[0] = '\0';
  transfer->state = IK_TRANSFER_CONNECT;
  transfer->activity = now_ms;
  transfer->renewals++;
}

/* ---- requests ---- */

void ik_transfer_connected(struct ik_transfer *transfer, uint64_t now_ms) {
  if (transfer->state != IK_TRANSFER_CONNECT) return;
  transfer->state = IK_TRANSFER_REQUEST;
  transfer->reused = false;
  transfer->activity = now_ms;
}

int ik_transfer_request(struct ik_transfer *transfer, const struct ik_transfer_sender *sender,
                        struct ik_buf *out) {
  bool bounded = !transfer->whole && transfer->until > transfer->offset;
  transfer->asked = transfer->whole ? 0 : transfer->offset;
  transfer->asked_end = bounded ? transfer->until : 0;
  bool has_range = transfer->asked > 0 || bounded;
  const struct ik_http_request request = {
      .url = &transfer->url,
      .user_agent = sender->user_agent,
      .offset = transfer->asked,
      .end = transfer->asked_end,
      .if_range = ik_str(has_range ? transfer->etag : ""),
      .fields = ik_str(transfer->announced ? transfer->options.headers : NULL),
      .absolute_form = sender->to_proxy,
      .proxy_authorization = sender->proxy_authorization,
  };
  return ik_http_request_write(&request, out);
}

void ik_transfer_sent(struct ik_transfer *transfer, uint64_t now_ms) {
  if (transfer->state != IK_TRANSFER_REQUEST) return;
  transfer->state = IK_TRANSFER_HEAD;
  transfer->activity = now_ms;
}

/* ---- the body ---- */

/* The offset has moved on: enough new bytes make former failures forgotten. */
static void count_progress(struct ik_transfer *transfer) {
  if (transfer->offset <= transfer->high) return;
  transfer->fresh += transfer->offset - transfer->high;
  transfer->high = transfer->offset;
  if (transfer->fresh < IK_TRANSFER_PROGRESS && transfer->high < transfer->end) return;
  transfer->fresh = 0;
  transfer->shorts = 0;
  transfer->renewals = 0;
  ik_backoff_reset(&transfer->backoff);
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
    ik_transfer_fail_at_host(transfer, is_size ? IK_ESIZE_MISMATCH : IK_EHTTP_RANGE, text);
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
  transfer->proven = true;
  struct ik_transfer *image = transfer->image != NULL ? transfer->image : transfer;
  image->speed_bytes += len;
  count_progress(transfer);
}

/* A range that ended before the image: false when there are too many, each of next to nothing. */
static bool may_go_on(struct ik_transfer *transfer) {
  if (transfer->asked_end != 0 && transfer->limit == transfer->asked_end) return true;
  if (transfer->shorts < UINT32_MAX) transfer->shorts++;
  return transfer->shorts <= transfer->options.max_retries;
}

void ik_transfer_end(struct ik_transfer *transfer, bool reusable, uint64_t now_ms,
                     uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  if (transfer->state != IK_TRANSFER_BODY) return;
  if (transfer->place == transfer->end) {
    transfer->state = IK_TRANSFER_DONE;
    transfer->reusable = reusable;
    return;
  }
  if (transfer->place == transfer->limit && may_go_on(transfer)) {
    /* A server may give less than the range; the rest is asked for at once. */
    transfer->state = reusable ? IK_TRANSFER_REQUEST : IK_TRANSFER_CONNECT;
    transfer->reused = reusable;
    transfer->activity = now_ms;
    return;
  }
  ik_detail(text, "%s: the body ended at byte %" PRIu64 " of %" PRIu64, transfer->url.host,
            transfer->place, transfer->size);
  ik_transfer_retry(transfer, IK_ETRUNCATED, text, 0, now_ms, random);
}

/* ---- time ---- */

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

/* Of pieces, the sum has to be fast enough. */
static bool has_speed_limit(const struct ik_transfer *transfer) {
  bool receives = transfer->state == IK_TRANSFER_BODY || transfer->state == IK_TRANSFER_LANES;
  return receives && transfer->image == NULL && transfer->options.low_speed_bytes > 0 &&
         transfer->options.low_speed_ms > 0;
}

uint64_t ik_transfer_deadline(const struct ik_transfer *transfer) {
  if (ik_transfer_has_ended(transfer)) return UINT64_MAX;
  uint64_t at = idle_deadline(transfer);
  if (transfer->state == IK_TRANSFER_WAIT) at = transfer->wait_until;
  if (transfer->state == IK_TRANSFER_URL) at = transfer->renew_until;
  if (has_speed_limit(transfer)) {
    uint64_t speed_at = transfer->speed_since + transfer->options.low_speed_ms;
    if (speed_at < at) at = speed_at;
  }
  return transfer->ends_at < at ? transfer->ends_at : at;
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

/* All the time is over. What was wrong last may be the reason. */
static void time_out(struct ik_transfer *transfer) {
  char text[IOTKIT_DETAIL_MAX];
  if (transfer->state == IK_TRANSFER_BODY && transfer->place == transfer->end) {
    transfer->state = IK_TRANSFER_DONE;
    return;
  }
  ik_detail(text, "not finished within %" PRIu32 " ms, at byte %" PRIu64 " of %" PRIu64 "%s%s",
            transfer->options.total_timeout_ms, transfer->offset, transfer->size,
            transfer->error != 0 ? "; before: " : "", transfer->detail);
  ik_transfer_fail_at_host(transfer, IK_ETIMEOUT, text);
}

static void idle(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  char text[IOTKIT_DETAIL_MAX];
  const struct ik_transfer_options *options = &transfer->options;
  if (transfer->state == IK_TRANSFER_BODY) {
    ik_detail(text,
              "no byte of the body arrived within %" PRIu32 " ms, at byte %" PRIu64 " of %" PRIu64,
              options->idle_timeout_ms, transfer->place, transfer->size);
  } else {
    ik_detail(text, "no answer within %" PRIu32 " ms", options->response_timeout_ms);
  }
  ik_transfer_error(transfer, IK_EIDLE_TIMEOUT, text, now_ms, random);
}

/* Nobody gave another URL: what the server said of the one we have is the error. */
static void give_up_url(struct ik_transfer *transfer) {
  char text[IOTKIT_DETAIL_MAX];
  ik_detail(text, "%s, and there was no other URL within %" PRIu32 " ms", transfer->detail,
            transfer->options.renew_timeout_ms);
  ik_transfer_fail(transfer, IK_EURL_EXPIRED, text);
}

void ik_transfer_tick(struct ik_transfer *transfer, uint64_t now_ms, uint32_t random) {
  if (ik_transfer_has_ended(transfer)) return;
  if (now_ms >= transfer->ends_at) {
    time_out(transfer);
  } else if (transfer->state == IK_TRANSFER_WAIT) {
    if (now_ms >= transfer->wait_until) transfer->state = IK_TRANSFER_CONNECT;
  } else if (transfer->state == IK_TRANSFER_URL) {
    if (now_ms >= transfer->renew_until) give_up_url(transfer);
  } else if (now_ms >= idle_deadline(transfer)) {
    idle(transfer, now_ms, random);
  } else if (has_speed_limit(transfer)) {
    check_speed(transfer, now_ms, random);
  }
}

void ik_transfer_resume(struct ik_transfer *transfer, uint64_t away_ms) {
  transfer->activity += away_ms;
  transfer->speed_since += away_ms;
}

void ik_transfer_paused(struct ik_transfer *transfer, uint64_t paused_ms) {
  if (transfer->ends_at != UINT64_MAX) transfer->ends_at += paused_ms;
  transfer->renew_until += paused_ms;
}

/* ---- side by side ---- */

int ik_transfer_init_piece(struct ik_transfer *piece, struct ik_transfer *image, uint64_t from,
                           uint64_t end) {
  int rc = ik_transfer_init(piece, &image->options, image->origin, image->size, NULL);
  if (rc != 0) return rc;
  piece->image = image;
  memcpy(piece->etag, image->etag, sizeof(piece->etag));
  piece->state = IK_TRANSFER_DONE;
  ik_transfer_next_piece(piece, from, end, 0);
  return 0;
}

void ik_transfer_next_piece(struct ik_transfer *piece, uint64_t from, uint64_t end,
                            uint64_t now_ms) {
  if (piece->state != IK_TRANSFER_DONE) return;
  piece->state = piece->reusable ? IK_TRANSFER_REQUEST : IK_TRANSFER_CONNECT;
  piece->reused = piece->reusable;
  piece->reusable = false;
  piece->offset = piece->high = from;
  piece->fresh = 0;
  piece->end = piece->until = end;
  piece->activity = now_ms;
}

void ik_transfer_split(struct ik_transfer *image, struct ik_transfer *piece, uint64_t now_ms) {
  struct ik_url url = piece->url;
  piece->url = image->url;
  piece->moved = image->moved;
  piece->announced = image->announced;
  piece->state = IK_TRANSFER_BODY;
  piece->asked = image->asked;
  piece->asked_end = image->asked_end;
  piece->place = image->place;
  piece->limit = image->limit;
  piece->proven = true;
  piece->activity = now_ms;
  image->url = url;
  image->moved = false;
  image->announced = true;
  image->state = IK_TRANSFER_LANES;
}

void ik_transfer_handed_out(struct ik_transfer *image, size_t len) {
  if (image->state != IK_TRANSFER_LANES) return;
  image->offset += len;
  count_progress(image);
  if (image->offset == image->end) image->state = IK_TRANSFER_DONE;
}

void ik_transfer_unite(struct ik_transfer *image) {
  if (image->state != IK_TRANSFER_LANES) return;
  image->state = IK_TRANSFER_CONNECT;
}
