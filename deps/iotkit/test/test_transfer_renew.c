/*
 * The download policy when the signed URL has expired: it waits for another one, goes on at the same
 * byte, and does not wait or ask for ever.
 */
#include <stdio.h>
#include <string.h>

#include "support/cm.h"
#include "support/transfer_run.h"

#define EXPIRED "HTTP/1.1 403 Expired\r\n\r\n"
#define RENEW_MS 8000
#define REST "HTTP/1.1 206 x\r\nETag: \"b\"\r\nContent-Range: bytes 400-999/1000\r\n\r\n"

static struct ik_transfer_options renewing(void) {
  struct ik_transfer_options options = run_usual();
  options.renew_timeout_ms = RENEW_MS;
  return options;
}

static void start(const struct ik_transfer_options *options) {
  run_start_with(options, "https://h.example/f?k=secret");
}

static void expire(void) {
  run_send_request();
  run_answer(EXPIRED);
  assert_int_equal(run_transfer.state, IK_TRANSFER_URL);
}

static void goes_on_at_the_same_byte(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  start(&options);
  run_send_request();
  run_answer(WHOLE);
  run_receive(400);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(100);
  run_send_request();
  run_answer("HTTP/1.1 410 Gone\r\n\r\n");
  assert_int_equal(run_transfer.state, IK_TRANSFER_URL);
  assert_int_equal(run_transfer.wait_until, run_now_ms);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + RENEW_MS);
  ik_transfer_renew(&run_transfer, "https://h.example/g?k=secret2", run_now_ms);
  assert_int_equal(run_transfer.state, IK_TRANSFER_CONNECT);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "GET /g?k=secret2 HTTP/1.1\r\n"));
  assert_non_null(strstr(request, "Range: bytes=400-\r\n"));
  /* Perhaps another server, whose tags are others. */
  assert_null(strstr(request, "If-Range"));
  run_answer(REST);
  assert_int_equal(run_receive(600), 600);
  ik_transfer_end(&run_transfer, true, run_now_ms, 0);
  assert_int_equal(run_transfer.state, IK_TRANSFER_DONE);
  run_stop();
}

static void later_tries_begin_at_the_new_url(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  start(&options);
  expire();
  ik_transfer_renew(&run_transfer, "https://other.example/g", run_now_ms);
  run_send_request();
  run_answer("HTTP/1.1 302 x\r\nLocation: https://cdn.example/x\r\n\r\n");
  run_lose(IK_ECONNECT);
  run_assert_waits(100);
  assert_string_equal(run_transfer.url.host, "other.example");
  run_stop();
}

static void is_final_where_nobody_can_be_asked(void **state) {
  (void)state;
  static const char *const answers[] = {EXPIRED, "HTTP/1.1 410 Gone\r\n\r\n"};
  for (size_t i = 0; i < COUNT(answers); i++) {
    run_start();
    run_send_request();
    run_answer(answers[i]);
    run_assert_failed(IK_EURL_EXPIRED);
    run_stop();
  }
}

static void waits_only_so_long(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  start(&options);
  expire();
  run_now_ms += RENEW_MS - 1;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_URL);
  ik_transfer_paused(&run_transfer, 500);
  run_now_ms += 500;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_URL);
  run_now_ms++;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  run_assert_failed(IK_EURL_EXPIRED);
  assert_non_null(strstr(run_transfer.detail, "403 Expired"));
  assert_non_null(strstr(run_transfer.detail, "8000 ms"));
  run_stop();
}

/* Each new URL that brings nothing is a failed try: asked for later each time, then no more. */
static void new_urls_that_are_refused_are_failures(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  static const uint64_t waits[] = {0, 100, 200, 300};
  start(&options);
  uint64_t until = run_now_ms + RENEW_MS;
  for (size_t i = 0; i < COUNT(waits); i++) {
    expire();
    assert_int_equal(run_transfer.wait_until, run_now_ms + waits[i]);
    assert_int_equal(ik_transfer_deadline(&run_transfer), until);
    run_now_ms += waits[i];
    ik_transfer_renew(&run_transfer, "https://h.example/again", run_now_ms);
  }
  run_send_request();
  run_answer(EXPIRED);
  run_assert_failed(IK_EURL_EXPIRED);
  run_stop();
}

static void progress_makes_refusals_forgotten(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  run_start_at(&options, "https://h.example/f", 10000000, 0);
  for (unsigned i = 0; i < 20; i++) {
    char head[128];
    expire();
    assert_int_equal(run_transfer.wait_until, run_now_ms);
    assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + RENEW_MS);
    ik_transfer_renew(&run_transfer, "https://h.example/again", run_now_ms);
    run_send_request();
    snprintf(head, sizeof(head),
             i == 0 ? "HTTP/1.1 200 x\r\n\r\n"
                    : "HTTP/1.1 206 x\r\nContent-Range: bytes %u-9999999/10000000\r\n\r\n",
             i * 70000);
    run_answer(head);
    run_receive(70000);
    run_lose(IK_ECONNECTION_RESET);
    run_assert_waits(100);
  }
  run_stop();
}

static void holds_new_urls_to_the_policy(void **state) {
  (void)state;
  static const struct {
    const char *url;
    int error;
  } cases[] = {
      {"http://h.example/f?secret", IK_ETLS_REQUIRED},
      {"https://x.h.example/f?secret", IK_EHOST_NOT_ALLOWED},
      {"ftp://h.example/f?secret", IK_EURL_SCHEME},
  };
  struct ik_transfer_options options = renewing();
  options.https_only = true;
  options.allowed_hosts = "h.example";
  for (size_t i = 0; i < COUNT(cases); i++) {
    start(&options);
    expire();
    ik_transfer_renew(&run_transfer, cases[i].url, run_now_ms);
    assert_int_equal(run_transfer.state, IK_TRANSFER_FAILED);
    assert_int_equal(run_transfer.error, cases[i].error);
    run_stop();
  }
}

static void what_is_not_there_is_not_asked_for_again(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  start(&options);
  expire();
  ik_transfer_renew(&run_transfer, "https://h.example/g", run_now_ms);
  run_send_request();
  run_answer("HTTP/1.1 404 Not Found\r\n\r\n");
  run_assert_failed(IK_EHTTP_STATUS);
  run_stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_on_at_the_same_byte),
      cmocka_unit_test(later_tries_begin_at_the_new_url),
      cmocka_unit_test(is_final_where_nobody_can_be_asked),
      cmocka_unit_test(waits_only_so_long),
      cmocka_unit_test(new_urls_that_are_refused_are_failures),
      cmocka_unit_test(progress_makes_refusals_forgotten),
      cmocka_unit_test(holds_new_urls_to_the_policy),
      cmocka_unit_test(what_is_not_there_is_not_asked_for_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
