/*
 * The download policy on a fake clock: waits, time-outs, limits, resuming. test_transfer_response.c
 * has redirects and responses to a range, test_transfer_ranges.c several connections at once,
 * test_transfer_renew.c expired URLs, ../download/test_job_faults.c the same over sockets.
 */
#include <stdio.h>
#include <string.h>

#include "support/cm.h"
#include "support/transfer_run.h"

static void fetches(void **state) {
  (void)state;
  run_start();
  const char *request = run_send_request();
  assert_null(strstr(request, "Range"));
  run_respond(WHOLE);
  run_assert_state(IK_TRANSFER_BODY);
  assert_int_equal(run_receive(999), 999);
  assert_int_equal(run_receive(1), 1);
  run_end_body();
  run_assert_state(IK_TRANSFER_DONE);
  assert_true(ik_transfer_deadline(&run_transfer) == UINT64_MAX);
  run_stop();
}

static void resumes_where_it_was(void **state) {
  (void)state;
  run_start();
  run_lose_at(WHOLE, 400);
  run_assert_waits(100);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "Range: bytes=400-\r\n"));
  run_respond("HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 400-999/1000\r\n"
              "Content-Length: 600\r\n\r\n");
  assert_int_equal(run_receive(600), 600);
  run_end_body();
  run_assert_state(IK_TRANSFER_DONE);
  run_stop();
}

static void a_weak_tag_is_not_sent_back(void **state) {
  (void)state;
  run_start();
  run_lose_at("HTTP/1.1 200 OK\r\nETag: W/\"a\"\r\nContent-Length: 1000\r\n\r\n", 400);
  run_assert_waits(100);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "Range: bytes=400-\r\n"));
  assert_null(strstr(request, "If-Range"));
  run_stop();
}

static void waits_longer_each_time_and_gives_up(void **state) {
  (void)state;
  run_start();
  run_lose(IK_ECONNECT);
  run_assert_waits(100);
  run_lose(IK_ECONNECT);
  run_assert_waits(200);
  run_lose(IK_ECONNECT);
  run_assert_waits(300);
  run_lose(IK_ERESOLVE);
  run_assert_failed(IK_ERESOLVE);
  run_stop();
}

#define BIG 1000000
#define BIG_WHOLE "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"

/* The next `len` bytes of the big image arrive, then the connection is lost. */
static void receive_some(unsigned from, size_t len) {
  char head[128];
  snprintf(head, sizeof(head),
           from == 0 ? BIG_WHOLE
                     : "HTTP/1.1 206 x\r\nContent-Range: bytes %u-999999/1000000\r\n\r\n",
           from);
  run_lose_at(head, len);
}

static void progress_resets_the_count_but_repetition_does_not(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, BIG, 0);
  for (unsigned i = 0; i < 10; i++) {
    receive_some(i * 65536, 65536);
    run_assert_waits(100);
  }
  /* From byte 0 each time, and never beyond the bytes received before: that is no progress. */
  for (int i = 0; i < 3; i++) {
    run_send_request();
    run_respond(BIG_WHOLE);
    assert_int_equal(run_receive(600000), 0);
    run_lose(IK_ECONNECTION_RESET);
    if (i < 2) run_assert_waits(i == 0 ? 200 : 300);
  }
  run_assert_failed(IK_ECONNECTION_RESET);
  run_stop();
}

/*
 * A new byte makes the next wait short. But failures that are counted are forgotten after 64 KiB
 * alone, of one try or of several together.
 */
static void a_trickle_does_not_make_the_count_begin_again(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, BIG, 0);
  receive_some(0, 30000);
  run_assert_waits(100);
  run_lose(IK_ECONNECT);
  run_assert_waits(200);
  receive_some(30000, 40000); /* 70,000 together */
  run_assert_waits(100);
  for (unsigned i = 0; i < 2; i++) {
    receive_some(70000 + i, 1);
    run_assert_waits(100);
  }
  receive_some(70002, 1);
  run_assert_failed(IK_ECONNECTION_RESET);
  run_stop();
}

static struct ik_transfer_options patient(void) {
  struct ik_transfer_options options = run_usual();
  options.patience_ms = 600000;
  options.max_retries = UINT32_MAX;
  options.retry_max_ms = 30000;
  options.low_speed_bytes = 100;
  options.low_speed_ms = 60000;
  return options;
}

/* No connection is made until it gives up; returns how long that took. */
static uint64_t be_away(void) {
  uint64_t begun_ms = run_now_ms;
  for (;;) {
    run_lose(IK_ECONNECT);
    if (run_transfer.state == IK_TRANSFER_FAILED) return run_now_ms - begun_ms;
    uint64_t wait_ms = ik_transfer_deadline(&run_transfer) - run_now_ms;
    assert_true(wait_ms <= 30000);
    run_pass(wait_ms);
  }
}

static void patience_is_a_time_and_not_a_number_of_tries(void **state) {
  (void)state;
  const struct ik_transfer_options options = patient();
  run_start_at(&options, BIG, 0);
  receive_some(0, 65536);
  run_assert_waits(100);
  run_pass(300000);
  receive_some(65536, 65536);
  run_assert_waits(100);
  uint64_t took_ms = be_away();
  run_assert_failed(IK_ECONNECT);
  assert_true(took_ms + 100 >= 600000 && took_ms <= 630000);
  run_stop();
}

static void a_pause_costs_no_patience(void **state) {
  (void)state;
  const struct ik_transfer_options options = patient();
  run_start_at(&options, BIG, 0);
  run_lose(IK_ECONNECT);
  run_now_ms += 3600000;
  ik_transfer_extend_deadlines(&run_transfer, 3600000);
  run_pass(0);
  assert_true(be_away() >= 599000);
  run_stop();
}

/* A byte for each connection: each is too short for the low-speed limit, all together are not. */
static void a_byte_for_each_connection_ends(void **state) {
  (void)state;
  const struct ik_transfer_options options = patient();
  run_start_at(&options, BIG, 0);
  uint64_t begun_ms = run_now_ms;
  for (unsigned i = 0; run_transfer.state != IK_TRANSFER_FAILED; i++) {
    receive_some(i, 1);
    if (run_transfer.state == IK_TRANSFER_WAIT) run_assert_waits(100);
  }
  run_assert_failed(IK_ECONNECTION_RESET);
  assert_true(run_now_ms - begun_ms >= 600000 && run_now_ms - begun_ms <= 661000);
  run_stop();
}

/* Comparing takes longer than the patience: a few drops meanwhile are no reason to give up. */
static void repeated_bytes_are_a_sign_of_life_for_a_few_tries(void **state) {
  (void)state;
  const struct ik_transfer_options options = patient();
  unsigned tries = 0;
  run_start_at(&options, BIG, 0);
  receive_some(0, 500000);
  while (run_transfer.state != IK_TRANSFER_FAILED) {
    run_pass(ik_transfer_deadline(&run_transfer) - run_now_ms);
    run_send_request();
    run_respond(BIG_WHOLE);
    run_now_ms += 700000;
    assert_int_equal(run_receive(400000), 0);
    run_lose(IK_ECONNECTION_RESET);
    tries++;
  }
  assert_true(tries > 3 && tries < 8);
  run_stop();
}

static void a_wait_that_the_server_asks_for_is_not_cut(void **state) {
  (void)state;
  const struct ik_transfer_options options = patient();
  run_start_at(&options, BIG, 0);
  for (int i = 0; i < 2; i++) {
    run_send_request();
    run_respond("HTTP/1.1 503 x\r\nRetry-After: 900\r\n\r\n");
    if (i == 0) run_assert_waits(900000);
  }
  run_assert_failed(IK_EHTTP_UNAVAILABLE);
  run_stop();
}

static void tries_are_limited_in_all(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.max_tries = 4;
  run_start_at(&options, BIG, 0);
  for (unsigned i = 0; i < 3; i++) {
    receive_some(i * 65536, 65536);
    run_assert_waits(100);
  }
  receive_some(3 * 65536, 65536);
  run_assert_failed(IK_ECONNECTION_RESET);
  run_stop();
}

static void the_whole_download_has_a_time_limit(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.total_timeout_ms = 10000;
  run_start_at(&options, BIG, 0);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + 10000);
  receive_some(0, 65536);
  run_assert_waits(100);
  run_send_request();
  run_respond("HTTP/1.1 503 x\r\nRetry-After: 3600\r\n\r\n");
  /* The time-out does not run during a pause, and no wait lasts longer than it. */
  ik_transfer_paused(&run_transfer, 5000);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms - 100 + 15000);
  run_pass(14899);
  run_assert_state(IK_TRANSFER_WAIT);
  run_pass(1);
  run_assert_failed(IK_ETIMEOUT);
  assert_non_null(strstr(run_transfer.detail, "answered 503"));
  assert_non_null(strstr(run_transfer.detail, "byte 65536 of 1000000"));
  run_stop();
}

static void begins_where_the_caller_is(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, SIZE, 700);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "Range: bytes=700-\r\n"));
  assert_null(strstr(request, "If-Range"));
  run_respond("HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 700-999/1000\r\n\r\n");
  assert_int_equal(run_receive(200), 200);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(100);
  assert_non_null(strstr(run_send_request(), "Range: bytes=900-\r\n"));
  run_respond(WHOLE);
  assert_int_equal(run_transfer.offset, 900); /* until the bytes before were compared */
  run_stop();
  run_start_at(&options, SIZE, SIZE);
  run_assert_state(IK_TRANSFER_DONE);
  run_stop();
}

static void never_gives_up_without_a_limit(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.max_retries = UINT32_MAX;
  run_start_with(&options);
  for (int i = 0; i < 1000; i++) {
    run_lose(IK_ECONNECT);
    run_assert_waits(i == 0 ? 100 : i == 1 ? 200 : 300);
  }
  run_stop();
}

static void some_errors_are_final_at_once(void **state) {
  (void)state;
  static const int errors[] = {IK_ETLS_CERTIFICATE, IK_ETLS_HOSTNAME,  IK_ETLS_EXPIRED,
                               IK_ETLS_UNAVAILABLE, IK_EHTTP_ENCODING, IK_EHTTP_HEAD_TOO_LARGE};
  for (size_t i = 0; i < COUNT(errors); i++) {
    run_start();
    run_lose(errors[i]);
    run_assert_failed(errors[i]);
    run_stop();
  }
}

static void honours_retry_after(void **state) {
  (void)state;
  static const struct {
    const char *field;
    uint64_t wait_ms;
  } cases[] = {
      {"", 100},
      {"Retry-After: 7\r\n", 7000},
      {"Retry-After: 0\r\n", 100},
      {"Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n", 10000},
      {"Retry-After: 99999999999999\r\n", 3600000},
      {"Retry-After: soon\r\n", 100},
      {"Retry-After: 5\r\nRetry-After: 6\r\n", 100},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    char head[256];
    run_start();
    run_send_request();
    snprintf(head, sizeof(head), "HTTP/1.1 503 Busy\r\n%s\r\n", cases[i].field);
    run_respond(head);
    run_assert_waits(cases[i].wait_ms);
    run_stop();
  }
}

static void times_out(void **state) {
  (void)state;
  run_start();
  /* The transport has the time-out of connecting. */
  assert_true(ik_transfer_deadline(&run_transfer) == UINT64_MAX);
  run_send_request();
  run_pass(2999);
  run_assert_state(IK_TRANSFER_HEAD);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + 1);
  run_pass(1);
  assert_int_equal(run_transfer.error, IK_EIDLE_TIMEOUT);
  run_assert_waits(100);
  run_send_request();
  run_respond(WHOLE);
  run_now_ms += 1999;
  assert_int_equal(run_receive(1), 1);
  run_pass(1999);
  run_assert_state(IK_TRANSFER_BODY);
  /* The caller did not receive for a while: not the server's fault. */
  run_now_ms += 100000;
  ik_transfer_extend_deadlines(&run_transfer, 100000);
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  run_assert_state(IK_TRANSFER_BODY);
  run_pass(1);
  run_assert_state(IK_TRANSFER_WAIT);
  assert_non_null(strstr(run_transfer.detail, "byte 1 of 1000"));
  run_stop();
}

static void drops_what_is_too_slow(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.low_speed_bytes = 10;
  options.low_speed_ms = 1000;
  run_start_with(&options);
  run_send_request();
  run_respond(WHOLE);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(run_receive(10), 10);
    run_now_ms += 1000;
    assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms);
    ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
    run_assert_state(IK_TRANSFER_BODY);
  }
  assert_int_equal(run_receive(9), 9);
  run_pass(1000);
  run_assert_state(IK_TRANSFER_WAIT);
  assert_int_equal(run_transfer.error, IK_ETOO_SLOW);
  run_stop();
}

static void does_not_need_the_end_after_the_last_byte(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_respond("HTTP/1.1 200 x\r\n\r\n");
  run_receive(1000);
  run_pass(2000);
  run_assert_state(IK_TRANSFER_DONE);
  run_stop();
}

static void stays_failed(void **state) {
  (void)state;
  run_start();
  ik_transfer_fail(&run_transfer, IK_EABORTED, "h.example: first");
  ik_transfer_fail(&run_transfer, IK_EINTERNAL, "h.example: second");
  run_lose(IK_ECONNECT);
  ik_transfer_connected(&run_transfer, run_now_ms);
  ik_transfer_tick(&run_transfer, run_now_ms + 1000000, 0);
  run_assert_failed(IK_EABORTED);
  assert_string_equal(run_transfer.detail, "h.example: first");
  run_stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fetches),
      cmocka_unit_test(resumes_where_it_was),
      cmocka_unit_test(a_weak_tag_is_not_sent_back),
      cmocka_unit_test(waits_longer_each_time_and_gives_up),
      cmocka_unit_test(progress_resets_the_count_but_repetition_does_not),
      cmocka_unit_test(a_trickle_does_not_make_the_count_begin_again),
      cmocka_unit_test(patience_is_a_time_and_not_a_number_of_tries),
      cmocka_unit_test(a_pause_costs_no_patience),
      cmocka_unit_test(a_byte_for_each_connection_ends),
      cmocka_unit_test(repeated_bytes_are_a_sign_of_life_for_a_few_tries),
      cmocka_unit_test(a_wait_that_the_server_asks_for_is_not_cut),
      cmocka_unit_test(tries_are_limited_in_all),
      cmocka_unit_test(the_whole_download_has_a_time_limit),
      cmocka_unit_test(begins_where_the_caller_is),
      cmocka_unit_test(never_gives_up_without_a_limit),
      cmocka_unit_test(some_errors_are_final_at_once),
      cmocka_unit_test(honours_retry_after),
      cmocka_unit_test(times_out),
      cmocka_unit_test(drops_what_is_too_slow),
      cmocka_unit_test(does_not_need_the_end_after_the_last_byte),
      cmocka_unit_test(stays_failed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
