/*
 * transfer_run.c - see transfer_run.h.
 */
#include "support/transfer_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "iotkit_core.h"
#include "support/cm.h"

#define WALL_MS 784111777000u /* Sun, 06 Nov 1994 08:49:37 */

uint64_t run_now_ms;
struct ik_transfer run_transfer;
static struct ik_http_exchange exchange;

struct ik_transfer_options run_usual(void) {
  return (struct ik_transfer_options){.response_timeout_ms = 3000,
                                      .idle_timeout_ms = 2000,
                                      .patience_ms = UINT32_MAX,
                                      .max_retries = 3,
                                      .max_tries = UINT32_MAX,
                                      .renew_timeout_ms = UINT32_MAX,
                                      .retry_min_ms = 100,
                                      .retry_max_ms = 300,
                                      .max_redirects = 5};
}

static void start(const struct ik_transfer_options *options, const char *url, uint64_t size,
                  uint64_t offset) {
  run_now_ms = 5000;
  ik_http_exchange_init(&exchange);
  assert_int_equal(ik_transfer_init(&run_transfer, options, url, size, NULL), 0);
  ik_transfer_begin(&run_transfer, offset, run_now_ms);
}

void run_start_at(const struct ik_transfer_options *options, uint64_t size, uint64_t offset) {
  start(options, RUN_URL, size, offset);
}

void run_start_url(const struct ik_transfer_options *options, const char *url) {
  start(options, url, SIZE, 0);
  run_assert_state(IK_TRANSFER_CONNECT);
}

void run_start_with(const struct ik_transfer_options *options) {
  run_start_url(options, RUN_URL);
}

void run_start(void) {
  const struct ik_transfer_options options = run_usual();
  run_start_with(&options);
}

void run_stop(void) {
  assert_null(strstr(run_transfer.detail, "secret"));
  ik_transfer_free(&run_transfer);
  ik_http_exchange_free(&exchange);
}

const char *run_send_request(void) {
  run_assert_state(IK_TRANSFER_CONNECT);
  ik_transfer_connected(&run_transfer, run_now_ms);
  return run_send_on();
}

const char *run_send_on(void) {
  static char text[4096];
  struct ik_buf buf;
  run_assert_state(IK_TRANSFER_REQUEST);
  ik_buf_init(&buf, sizeof(text) - 1);
  const struct ik_transfer_sender sender = {.user_agent = "test"};
  assert_int_equal(ik_transfer_request(&run_transfer, &sender, &buf), 0);
  memcpy(text, ik_buf_ptr(&buf), ik_buf_size(&buf));
  text[ik_buf_size(&buf)] = '\0';
  ik_buf_free(&buf);
  ik_transfer_sent(&run_transfer, run_now_ms);
  run_assert_state(IK_TRANSFER_HEAD);
  return text;
}

void run_respond(const char *head) {
  uint8_t copy[2048];
  size_t body;
  size_t used;
  size_t len = strlen(head);
  assert_true(len <= sizeof(copy));
  memcpy(copy, head, len);
  ik_http_exchange_reset(&exchange);
  assert_int_equal(ik_http_exchange_push(&exchange, copy, len, &body, &used, NULL), 0);
  assert_int_equal(used, len);
  ik_transfer_head(&run_transfer, &exchange, run_now_ms, WALL_MS, LONGEST);
}

void run_redirect_to(const char *location) {
  char head[256];
  run_send_request();
  snprintf(head, sizeof(head), "HTTP/1.1 302 x\r\nLocation: %s\r\n\r\n", location);
  run_respond(head);
}

size_t run_receive(size_t len) {
  size_t skip;
  size_t take;
  ik_transfer_bytes(&run_transfer, len, run_now_ms, &skip, &take);
  return take;
}

void run_respond_range(uint64_t first, uint64_t end, uint64_t size) {
  char head[160];
  snprintf(head, sizeof(head),
           "HTTP/1.1 206 x\r\nContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64
           "\r\nContent-Length: %" PRIu64 "\r\n\r\n",
           first, end - 1, size, end - first);
  run_respond(head);
}

void run_end_body(void) {
  ik_transfer_end(&run_transfer, true, run_now_ms, LONGEST);
}

void run_lose(int error) {
  ik_transfer_error(&run_transfer, error, "lost", run_now_ms, LONGEST);
}

void run_lose_at(const char *head, size_t len) {
  run_send_request();
  run_respond(head);
  assert_int_equal(run_receive(len), len);
  run_lose(IK_ECONNECTION_RESET);
}

void run_pass(uint64_t ms) {
  run_now_ms += ms;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
}

void run_assert_state(enum ik_transfer_state state) {
  if (run_transfer.state != state)
    fail_msg("state %d: %s", run_transfer.state, run_transfer.detail);
}

void run_assert_waits(uint64_t wait_ms) {
  run_assert_state(IK_TRANSFER_WAIT);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + wait_ms);
  run_pass(wait_ms - 1);
  run_assert_state(IK_TRANSFER_WAIT);
  run_pass(1);
  run_assert_state(IK_TRANSFER_CONNECT);
}

void run_assert_failed(int error) {
  if (run_transfer.error != error)
    fail_msg("%s: %s", iotkit_error_name(run_transfer.error), run_transfer.detail);
  run_assert_state(IK_TRANSFER_FAILED);
  assert_non_null(strstr(run_transfer.detail, "h.example"));
}
