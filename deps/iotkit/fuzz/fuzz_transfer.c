/*
 * The download policy under any sequence of events that a network may bring: it never hands out a
 * byte beyond the image, never calls an incomplete image complete, never names a secret in a
 * detail, and always either ends, waits until a moment in the future, or has something to do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iotkit_errors.h"
#include "policy/transfer.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)
#define SIZE 3000000 /* of the image */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
  const uint8_t *data;
  size_t left;
};

static unsigned next(struct input *in) {
  if (in->left == 0) return 0;
  in->left--;
  return *in->data++;
}

static uint64_t number(struct input *in) {
  uint64_t high = next(in);
  uint64_t middle = next(in);
  return high << 16 | middle << 8 | next(in);
}

struct run {
  struct ik_transfer transfer;
  struct ik_http_exchange exchange;
  uint64_t now_ms;
};

static void begin(struct run *run, struct input *in) {
  unsigned how = next(in);
  const struct ik_transfer_options options = {.response_timeout_ms = 30,
                                              .idle_timeout_ms = 20,
                                              .low_speed_bytes = how & 1 ? 1000 : 0,
                                              .low_speed_ms = 50,
                                              .patience_ms = how & 4 ? UINT32_MAX : 1000,
                                              .max_retries = how & 2 ? UINT32_MAX : 3,
                                              .max_tries = 50,
                                              .retry_min_ms = 1,
                                              .retry_max_ms = 100,
                                              .max_redirects = 2,
                                              .total_timeout_ms = how & 4 ? 100000 : 0,
                                              .renew_timeout_ms = how & 8 ? 1000 : UINT32_MAX,
                                              .no_rewind = (how & 16) != 0,
                                              .headers = "X: secret\r\n",
                                              .allowed_hosts = how & 32 ? "h,*.h" : NULL};
  memset(run, 0, sizeof(*run));
  run->now_ms = 1000;
  ik_http_exchange_init(&run->exchange);
  CHECK(ik_transfer_init(&run->transfer, &options, "https://h/f?secret", SIZE, NULL) == 0);
  ik_transfer_begin(&run->transfer, how & 64 ? number(in) % SIZE : 0, run->now_ms);
}

static void send_request(struct run *run, struct input *in) {
  static const struct ik_transfer_sender sender = {.user_agent = "fuzz"};
  struct ik_buf request;
  if (run->transfer.state != IK_TRANSFER_REQUEST) return;
  run->transfer.wanted_end = next(in) & 1 ? run->transfer.offset + number(in) : 0;
  ik_buf_init(&request, 65536);
  CHECK(ik_transfer_request(&run->transfer, &sender, &request) == 0);
  CHECK(ik_buf_append_u8(&request, 0) == 0);
  const char *text = (const char *)ik_buf_ptr(&request);
  CHECK((strstr(text, "X: secret\r\n") != NULL) == run->transfer.same_origin);
  /* Only redirects lead to a.h: no announced or renewed URL does. */
  CHECK(!run->transfer.same_origin || strstr(text, "\r\nHost: a.h\r\n") == NULL);
  ik_buf_free(&request);
  ik_transfer_sent(&run->transfer, run->now_ms);
}

/* A response head; one that fits the request is more likely than by chance. */
static void respond(struct run *run, struct input *in) {
  static const char *const others[] = {
      "302 x\r\nLocation: https://a.h/g?secret\r\n",
      "302 x\r\nLocation: /g?secret\r\n",
      "302 x\r\nLocation: http://h/g?secret\r\n",
      "403 x\r\n",
      "404 x\r\n",
      "407 x\r\n",
      "410 x\r\n",
      "416 x\r\n",
      "429 x\r\nRetry-After: 9\r\n",
      "503 x\r\n",
      "200 x\r\nETag: \"a\"\r\n",
      "200 x\r\nContent-Length: 3000000\r\n",
      "200 x\r\nContent-Length: 2999999\r\n",
  };
  char head[256];
  size_t body;
  size_t used;
  unsigned kind = next(in);
  if (run->transfer.state != IK_TRANSFER_HEAD) return;
  if (kind >= 100) {
    uint64_t first = kind == 100 ? number(in) : run->transfer.range_start;
    uint64_t last = kind == 101 ? number(in) : SIZE - 1;
    if (kind > 200 && run->transfer.range_end > 0) last = run->transfer.range_end - 1;
    snprintf(head, sizeof(head), "HTTP/1.1 206 x\r\n%sContent-Range: bytes %llu-%llu/%s\r\n\r\n",
             kind & 1 ? "ETag: \"a\"\r\n" : "", (unsigned long long)first, (unsigned long long)last,
             kind & 2 ? "*" : "3000000");
  } else {
    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n",
             others[kind % (sizeof(others) / sizeof(*others))]);
  }
  ik_http_exchange_reset(&run->exchange);
  if (ik_http_exchange_push(&run->exchange, (uint8_t *)head, strlen(head), &body, &used, NULL) != 0)
    return;
  ik_transfer_head(&run->transfer, &run->exchange, run->now_ms, 1, next(in) << 24);
}

static void receive(struct run *run, struct input *in) {
  struct ik_transfer *transfer = &run->transfer;
  uint64_t offset = transfer->offset;
  size_t len = (size_t)number(in);
  size_t skip;
  size_t take;
  if (transfer->state != IK_TRANSFER_BODY) return;
  if (transfer->compares && transfer->body_offset == offset) {
    ik_transfer_compared(transfer, (next(in) & 1) != 0);
    return;
  }
  if (transfer->compares && len > offset - transfer->body_offset)
    len = (size_t)(offset - transfer->body_offset);
  ik_transfer_bytes(transfer, len, run->now_ms, &skip, &take);
  CHECK(skip + take <= len && transfer->offset == offset + take);
}

/* The rest as one range over a connection of its own, which then ends. */
static void start_ranges(struct run *run, struct input *in) {
  struct ik_transfer *image = &run->transfer;
  struct ik_transfer range;
  size_t skip;
  size_t take;
  if (image->state != IK_TRANSFER_BODY || image->body_offset != image->offset) return;
  if (image->offset == image->body_end) return;
  CHECK(ik_transfer_init_range(&range, image, image->offset, image->body_end) == 0);
  ik_transfer_start_ranges(image, &range, run->now_ms);
  ik_transfer_bytes(&range, (size_t)number(in), run->now_ms, &skip, &take);
  CHECK(skip == 0 && range.offset <= range.end);
  if (next(in) & 1) ik_transfer_error(&range, IK_ECONNECTION_RESET, "gone", run->now_ms, 0);
  ik_transfer_handed_out(image, take);
  CHECK(range.state == IK_TRANSFER_FAILED || image->offset == range.offset);
  ik_transfer_fall_back_to_one(image);
  ik_transfer_free(&range);
}

/* A tick at the deadline that the transfer names itself; then something must have changed. */
static void tick(struct run *run, unsigned random) {
  struct ik_transfer *transfer = &run->transfer;
  uint64_t at = ik_transfer_deadline(transfer);
  if (at == UINT64_MAX) return;
  if (at > run->now_ms) run->now_ms = at;
  ik_transfer_tick(transfer, run->now_ms, random << 24);
  /* A wait may be one of 0 ms. */
  CHECK(ik_transfer_deadline(transfer) > run->now_ms || transfer->state == IK_TRANSFER_WAIT);
}

static void step(struct run *run, struct input *in) {
  static const int errors[] = {IK_ECONNECT, IK_ECONNECTION_RESET, IK_ETLS_HOSTNAME, IK_ETRUNCATED};
  struct ik_transfer *transfer = &run->transfer;
  unsigned what = next(in);
  switch (what % 12) {
  case 0:
  case 1:
    ik_transfer_connected(transfer, run->now_ms);
    send_request(run, in);
    break;
  case 2:
  case 3:
    respond(run, in);
    break;
  case 4:
  case 5:
    receive(run, in);
    break;
  case 6:
    ik_transfer_end(transfer, (what & 16) != 0, run->now_ms, what << 24);
    break;
  case 7:
    if (transfer->state < IK_TRANSFER_WAIT) {
      ik_transfer_error(transfer, errors[what / 12 % 4], "", run->now_ms, what << 24);
    }
    break;
  case 8:
    tick(run, what);
    break;
  case 9:
    ik_transfer_stale(transfer);
    break;
  case 10:
    ik_transfer_renew(transfer, what & 16 ? "https://h/new?secret" : "https://b.h/f?secret",
                      run->now_ms);
    break;
  default:
    start_ranges(run, in);
    break;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct input in = {data, size};
  struct run run;
  const struct ik_transfer *transfer = &run.transfer;
  begin(&run, &in);
  while (in.left > 0 && !ik_transfer_has_ended(transfer)) {
    step(&run, &in);
    CHECK(transfer->offset <= SIZE && transfer->high_water <= SIZE);
    CHECK(transfer->state != IK_TRANSFER_BODY || transfer->body_offset <= transfer->body_end);
    CHECK(transfer->state != IK_TRANSFER_DONE || transfer->offset == SIZE);
    CHECK(transfer->tries <= 50 && strstr(transfer->detail, "secret") == NULL);
    if (transfer->state == IK_TRANSFER_FAILED) {
      CHECK(transfer->error < 0 && transfer->detail[0] != '\0');
    }
  }
  ik_http_exchange_free(&run.exchange);
  ik_transfer_free(&run.transfer);
  return 0;
}
