/*
 * The download policy when the signed URL has expired: it waits for another one, continues at the
 * same byte, and neither waits nor asks for ever.
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

static void start(void) {
  const struct ik_transfer_options options = renewing();
  run_start_with(&options);
}

static void expire(void) {
  run_send_request();
  run_respond(EXPIRED);
  run_assert_state(IK_TRANSFER_URL);
}

static void goes_on_at_the_same_byte(void **state) {
  (void)state;
  start();
  run_lose_at(WHOLE, 400);
  run_assert_waits(100);
  run_send_request();
  run_respond("HTTP/1.1 410 Gone\r\n\r\n");
  run_assert_state(IK_TRANSFER_URL);
  assert_int_equal(run_transfer.wait_until_ms, run_now_ms);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + RENEW_MS);
  ik_transfer_renew(&run_transfer, "https://h.example/g?k=secret2", run_now_ms);
  run_assert_state(IK_TRANSFER_CONNECT);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "GET /g?k=secret2 HTTP/1.1\r\n"));
  assert_non_null(strstr(request, "Range: bytes=400-\r\n"));
  /* Perhaps another server with other entity tags. */
  assert_null(strstr(request, "If-Range"));
  run_respond(REST);
  assert_int_equal(run_receive(600), 600);
  run_end_body();
  run_assert_state(IK_TRANSFER_DONE);
  run_stop();
}

static void later_tries_begin_at_the_new_url(void **state) {
  (void)state;
  start();
  expire();
  ik_transfer_renew(&run_transfer, "https://other.example/g", run_now_ms);
  run_redirect_to("https://cdn.example/x");
  run_lose(IK_ECONNECT);
  run_assert_waits(100);
  assert_string_equal(run_transfer.url.host, "other.example");
  run_stop();
}

static void is_final_where_no_other_url_is_asked_for(void **state) {
  (void)state;
  static const char *const responses[] = {EXPIRED, "HTTP/1.1 410 Gone\r\n\r\n"};
  for (size_t i = 0; i < COUNT(responses); i++) {
    run_start();
    run_send_request();
    run_respond(responses[i]);
    run_assert_failed(IK_EURL_EXPIRED);
    run_stop();
  }
}

static void waits_only_so_long(void **state) {
  (void)state;
  start();
  expire();
  run_pass(RENEW_MS - 1);
  run_assert_state(IK_TRANSFER_URL);
  ik_transfer_paused(&run_transfer, 500);
  run_pass(500);
  run_assert_state(IK_TRANSFER_URL);
  run_pass(1);
  run_assert_failed(IK_EURL_EXPIRED);
  assert_non_null(strstr(run_transfer.detail, "403 Expired"));
  assert_non_null(strstr(run_transfer.detail, "8000 ms"));
  run_stop();
}

/* A new URL that brings nothing is a failed try: longer waits before each, then no more. */
static void new_urls_that_are_refused_are_failures(void **state) {
  (void)state;
  static const uint64_t waits[] = {0, 100, 200, 300};
  start();
  uint64_t until = run_now_ms + RENEW_MS;
  for (size_t i = 0; i < COUNT(waits); i++) {
    expire();
    assert_int_equal(run_transfer.wait_until_ms, run_now_ms + waits[i]);
    assert_int_equal(ik_transfer_deadline(&run_transfer), until);
    run_now_ms += waits[i];
    ik_transfer_renew(&run_transfer, "https://h.example/again", run_now_ms);
  }
  run_send_request();
  run_respond(EXPIRED);
  run_assert_failed(IK_EURL_EXPIRED);
  run_stop();
}

static void refusals_are_forgotten_after_progress(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  run_start_at(&options, 10000000, 0);
  for (unsigned i = 0; i < 20; i++) {
    char head[128];
    expire();
    assert_int_equal(run_transfer.wait_until_ms, run_now_ms);
    assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + RENEW_MS);
    ik_transfer_renew(&run_transfer, "https://h.example/again", run_now_ms);
    run_send_request();
    snprintf(head, sizeof(head),
             i == 0 ? "HTTP/1.1 200 x\r\n\r\n"
                    : "HTTP/1.1 206 x\r\nContent-Range: bytes %u-9999999/10000000\r\n\r\n",
             i * 70000);
    run_respond(head);
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
    run_start_with(&options);
    expire();
    ik_transfer_renew(&run_transfer, cases[i].url, run_now_ms);
    run_assert_state(IK_TRANSFER_FAILED);
    assert_int_equal(run_transfer.error, cases[i].error);
    run_stop();
  }
}

/* Header fields may be secrets: they stay with the scheme, host and port announced first. */
static void header_fields_do_not_follow_a_renewed_url(void **state) {
  (void)state;
  static const struct {
    const char *url;
    bool has_fields;
  } cases[] = {
      {"https://h.example/g", true},       {"https://h.example:443/g", true},
      {"https://x.example/g", false},      {"https://h.example:444/g", false},
      {"https://h.example.evil/g", false},
  };
  struct ik_transfer_options options = renewing();
  options.headers = "Authorization: token\r\n";
  for (size_t i = 0; i < COUNT(cases); i++) {
    run_start_with(&options);
    expire();
    ik_transfer_renew(&run_transfer, cases[i].url, run_now_ms);
    assert_int_equal(strstr(run_send_request(), "token") != NULL, cases[i].has_fields);
    run_lose(IK_ECONNECTION_RESET);
    run_assert_waits(100);
    assert_int_equal(strstr(run_send_request(), "token") != NULL, cases[i].has_fields);
    /* Back at the first, by a redirect. */
    run_respond("HTTP/1.1 302 x\r\nLocation: https://h.example/back\r\n\r\n");
    assert_non_null(strstr(run_send_request(), "token"));
    run_stop();
  }
}

/* Nor do they from http to https, as another may answer there. */
static void header_fields_stay_with_the_first_scheme(void **state) {
  (void)state;
  struct ik_transfer_options options = renewing();
  options.headers = "Authorization: token\r\n";
  run_start_url(&options, "http://h.example:8080/f");
  expire();
  ik_transfer_renew(&run_transfer, "https://h.example:8080/f", run_now_ms);
  assert_null(strstr(run_send_request(), "token"));
  run_stop();
}

static void a_renewal_never_steps_down_from_https(void **state) {
  (void)state;
  start();
  expire();
  ik_transfer_renew(&run_transfer, "http://h.example/g?k=secret", run_now_ms);
  run_assert_failed(IK_ETLS_REQUIRED);
  run_stop();
  /* Nor does one after a step up. */
  const struct ik_transfer_options options = renewing();
  run_start_url(&options, "http://h.example/f");
  expire();
  ik_transfer_renew(&run_transfer, "https://h.example/g", run_now_ms);
  expire();
  ik_transfer_renew(&run_transfer, "http://h.example/g", run_now_ms);
  run_assert_failed(IK_ETLS_REQUIRED);
  run_stop();
}

/* 403 to each range: a fresh URL first, then the whole. */
static void a_range_refused_at_a_fresh_url_is_asked_for_as_a_whole(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  run_start_at(&options, SIZE, 400);
  expire();
  ik_transfer_renew(&run_transfer, "https://h.example/g", run_now_ms);
  assert_non_null(strstr(run_send_request(), "Range: bytes=400-"));
  run_respond(EXPIRED);
  assert_null(strstr(run_send_request(), "Range"));
  run_respond(WHOLE);
  run_assert_state(IK_TRANSFER_BODY);
  run_stop();
}

/* There is no other URL: the one that there is may still give the whole. */
static void without_another_url_the_whole_is_asked_for(void **state) {
  (void)state;
  const struct ik_transfer_options options = renewing();
  for (int timed_out = 0; timed_out < 2; timed_out++) {
    run_start_at(&options, SIZE, 400);
    expire();
    if (timed_out) {
      run_pass(RENEW_MS);
    } else {
      ik_transfer_not_renewed(&run_transfer, "nothing is announced", run_now_ms);
    }
    assert_null(strstr(run_send_request(), "Range"));
    run_respond(EXPIRED);
    run_assert_state(IK_TRANSFER_URL);
    ik_transfer_not_renewed(&run_transfer, "nothing is announced", run_now_ms);
    run_assert_failed(IK_EURL_EXPIRED);
    assert_non_null(strstr(run_transfer.detail, "nothing is announced"));
    run_stop();
  }
}

static void a_missing_file_is_not_asked_for_again(void **state) {
  (void)state;
  start();
  expire();
  ik_transfer_renew(&run_transfer, "https://h.example/g", run_now_ms);
  run_send_request();
  run_respond("HTTP/1.1 404 Not Found\r\n\r\n");
  run_assert_failed(IK_EHTTP_STATUS);
  run_stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_on_at_the_same_byte),
      cmocka_unit_test(later_tries_begin_at_the_new_url),
      cmocka_unit_test(is_final_where_no_other_url_is_asked_for),
      cmocka_unit_test(waits_only_so_long),
      cmocka_unit_test(new_urls_that_are_refused_are_failures),
      cmocka_unit_test(refusals_are_forgotten_after_progress),
      cmocka_unit_test(holds_new_urls_to_the_policy),
      cmocka_unit_test(header_fields_do_not_follow_a_renewed_url),
      cmocka_unit_test(header_fields_stay_with_the_first_scheme),
      cmocka_unit_test(a_renewal_never_steps_down_from_https),
      cmocka_unit_test(a_range_refused_at_a_fresh_url_is_asked_for_as_a_whole),
      cmocka_unit_test(without_another_url_the_whole_is_asked_for),
      cmocka_unit_test(a_missing_file_is_not_asked_for_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
