/*
 * Whole responses through the exchange and the download policy: no split changes the body, and the
 * policy never hands out a byte beyond the announced size, nor bytes that were not received.
 */
#include <stdlib.h>
#include <string.h>

#include "iotkit_errors.h"
#include "policy/transfer.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)
#define SIZE 64 /* of the image */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
  struct ik_http_exchange exchange;
  struct ik_transfer transfer;
  int rc;
  size_t used;
  size_t body;
  uint64_t sum; /* of the body, in order */
  size_t handed;
};

static void begin(struct run *run, bool resuming) {
  static const struct ik_transfer_options options = {.response_timeout_ms = 1,
                                                     .idle_timeout_ms = 1,
                                                     .patience_ms = 1000,
                                                     .max_retries = 2,
                                                     .max_tries = 3,
                                                     .renew_timeout_ms = 1,
                                                     .retry_min_ms = 1,
                                                     .retry_max_ms = 1,
                                                     .max_redirects = 5};
  static const struct ik_transfer_sender sender = {.user_agent = "fuzz"};
  struct ik_buf request;
  memset(run, 0, sizeof(*run));
  ik_http_exchange_init(&run->exchange);
  CHECK(ik_transfer_init(&run->transfer, &options, "http://h/f", SIZE, NULL) == 0);
  if (resuming) run->transfer.offset = run->transfer.high_water = SIZE / 2;
  ik_buf_init(&request, 4096);
  ik_transfer_connected(&run->transfer, 1);
  CHECK(ik_transfer_request(&run->transfer, &sender, &request) == 0);
  ik_transfer_sent(&run->transfer, 1);
  ik_buf_free(&request);
}

static void take_body(struct run *run, const uint8_t *body, size_t len) {
  uint64_t offset = run->transfer.offset;
  size_t skip;
  size_t take;
  for (size_t i = 0; i < len; i++)
    run->sum = run->sum * 31 + body[i];
  run->body += len;
  if (run->transfer.state != IK_TRANSFER_BODY) return;
  ik_transfer_bytes(&run->transfer, len, 1, &skip, &take);
  CHECK(skip + take <= len && offset + take <= SIZE);
  CHECK(run->transfer.offset == offset + take);
  run->handed += take;
}

static void push(struct run *run, const uint8_t *data, size_t n) {
  uint8_t *piece = malloc(n);
  size_t at = 0;
  CHECK(piece != NULL);
  memcpy(piece, data, n);
  while (at < n && run->rc == 0 && run->exchange.phase != IK_HTTP_END) {
    bool in_head = run->exchange.phase == IK_HTTP_HEAD;
    size_t body;
    size_t used;
    run->rc = ik_http_exchange_push(&run->exchange, piece + at, n - at, &body, &used, NULL);
    CHECK(body <= used && used <= n - at);
    if (in_head) CHECK(body == 0);
    if (in_head && run->rc == 0 && run->exchange.phase != IK_HTTP_HEAD) {
      ik_transfer_head(&run->transfer, &run->exchange, 1, 1, 0);
    }
    take_body(run, piece + at, body);
    at += used;
  }
  run->used += at;
  free(piece);
}

static void end(struct run *run) {
  ik_http_exchange_free(&run->exchange);
  ik_transfer_free(&run->transfer);
}

static void feed(struct run *run, const uint8_t *data, size_t size, size_t step, bool resuming) {
  begin(run, resuming);
  for (size_t at = 0; at < size && run->rc == 0;) {
    size_t n = size - at < step ? size - at : step;
    push(run, data + at, n);
    at += n;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  for (int resuming = 0; resuming < 2; resuming++) {
    struct run whole;
    struct run pieces;
    feed(&whole, data, size, SIZE_MAX, resuming == 1);
    feed(&pieces, data, size, 1, resuming == 1);
    CHECK(whole.rc == pieces.rc && whole.exchange.phase == pieces.exchange.phase);
    CHECK(whole.body == pieces.body && whole.sum == pieces.sum);
    if (whole.rc == 0) CHECK(whole.used == pieces.used);
    CHECK(ik_http_exchange_eof(&whole.exchange, NULL) ==
          ik_http_exchange_eof(&pieces.exchange, NULL));
    CHECK(whole.transfer.body_offset <= SIZE);
    end(&whole);
    end(&pieces);
  }
  return 0;
}
