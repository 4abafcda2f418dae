/*
 * The download policy on a fake clock: waits, time-outs, caps, resuming. test_transfer_answers.c
 * has redirects and ranges, test_job_faults.c the same over sockets.
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
  run_answer(WHOLE);
  assert_int_equal(run_transfer.state, IK_TRANSFER_BODY);
  assert_int_equal(run_receive(999), 999);
  assert_int_equal(run_receive(1), 1);
  ik_transfer_end(&run_transfer, true, run_now_ms, 0);
  assert_int_equal(run_transfer.state, IK_TRANSFER_DONE);
  assert_true(ik_transfer_deadline(&run_transfer) == UINT64_MAX);
  run_stop();
}

static void resumes_where_it_was(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer(WHOLE);
  assert_int_equal(run_receive(400), 400);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(100);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "Range: bytes=400-\r\nIf-Range: \"a\"\r\n"));
  run_answer("HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 400-999/1000\r\n"
             "Content-Length: 600\r\n\r\n");
  assert_int_equal(run_receive(600), 600);
  ik_transfer_end(&run_transfer, true, run_now_ms, 0);
  assert_int_equal(run_transfer.state, IK_TRANSFER_DONE);
  run_stop();
}

static void a_weak_tag_is_not_sent_back(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer("HTTP/1.1 200 OK\r\nETag: W/\"a\"\r\nContent-Length: 1000\r\n\r\n");
  run_receive(400);
  run_lose(IK_ECONNECTION_RESET);
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

/* The next bytes of the big image arrive, then the connection goes. */
static void bring(unsigned from, size_t len) {
  char head[128];
  run_send_request();
  snprintf(head, sizeof(head),
           from == 0 ? BIG_WHOLE
                     : "HTTP/1.1 206 x\r\nContent-Range: bytes %u-999999/1000000\r\n\r\n",
           from);
  run_answer(head);
  assert_int_equal(run_receive(len), len);
  run_lose(IK_ECONNECTION_RESET);
}

static void progress_resets_the_count_but_repetition_does_not(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, "https://h.example/f", BIG, 0);
  for (unsigned i = 0; i < 10; i++) {
    bring(i * 65536, 65536);
    run_assert_waits(100);
  }
  /* From the start each time, and never as far as before: that is no progress. */
  for (int i = 0; i < 3; i++) {
    run_send_request();
    run_answer(BIG_WHOLE);
    assert_true(run_transfer.offset == 0);
    assert_int_equal(run_receive(600000), 600000);
    run_lose(IK_ECONNECTION_RESET);
    if (i < 2) run_assert_waits(i == 0 ? 200 : 300);
  }
  run_assert_failed(IK_ECONNECTION_RESET);
  run_stop();
}

/* A few bytes a try are none: what is counted is 64 KiB, of one try or of several. */
static void a_trickle_is_no_progress(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, "https://h.example/f", BIG, 0);
  bring(0, 30000);
  run_assert_waits(100);
  bring(30000, 30000);
  run_assert_waits(200);
  bring(60000, 30000);
  run_assert_waits(100); /* 90,000 together */
  for (unsigned i = 0; i < 2; i++) {
    bring(90000 + i, 1);
    run_assert_waits(i == 0 ? 200 : 300);
  }
  bring(90002, 1);
  run_assert_failed(IK_ECONNECTION_RESET);
  run_stop();
}

static void tries_are_limited_in_all(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.max_tries = 4;
  run_start_at(&options, "https://h.example/f", BIG, 0);
  for (unsigned i = 0; i < 3; i++) {
    bring(i * 65536, 65536);
    run_assert_waits(100);
  }
  bring(3 * 65536, 65536);
  run_assert_failed(IK_ECONNECTION_RESET);
  run_stop();
}

static void all_of_it_has_a_time_limit(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.total_timeout_ms = 10000;
  run_start_at(&options, "https://h.example/f", BIG, 0);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + 10000);
  bring(0, 65536);
  run_assert_waits(100);
  run_send_request();
  run_answer("HTTP/1.1 503 x\r\nRetry-After: 3600\r\n\r\n");
  /* A pause does not count, and no wait is longer than what is left. */
  ik_transfer_paused(&run_transfer, 5000);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms - 100 + 15000);
  run_now_ms += 14899;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_WAIT);
  run_now_ms++;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  run_assert_failed(IK_ETIMEOUT);
  assert_non_null(strstr(run_transfer.detail, "answered 503"));
  assert_non_null(strstr(run_transfer.detail, "byte 65536 of 1000000"));
  run_stop();
}

static void begins_where_the_caller_is(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, "https://h.example/f", SIZE, 700);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "Range: bytes=700-\r\n"));
  assert_null(strstr(request, "If-Range"));
  run_answer("HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 700-999/1000\r\n\r\n");
  assert_int_equal(run_receive(200), 200);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(100);
  assert_non_null(strstr(run_send_request(), "Range: bytes=900-\r\nIf-Range: \"a\"\r\n"));
  run_answer(WHOLE);
  assert_true(run_transfer.offset == 0);
  run_stop();
  run_start_at(&options, "https://h.example/f", SIZE, SIZE);
  assert_int_equal(run_transfer.state, IK_TRANSFER_DONE);
  run_stop();
}

static void never_gives_up_when_told_so(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.max_retries = UINT32_MAX;
  run_start_with(&options, "https://h.example/f");
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
    run_answer(head);
    run_assert_waits(cases[i].wait_ms);
    run_stop();
  }
}

static void times_out(void **state) {
  (void)state;
  run_start();
  assert_true(ik_transfer_deadline(&run_transfer) ==
              UINT64_MAX); /* connecting is the transport's */
  run_send_request();
  run_now_ms += 2999;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_HEAD);
  assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms + 1);
  run_now_ms++;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.error, IK_EIDLE_TIMEOUT);
  run_assert_waits(100);
  run_send_request();
  run_answer(WHOLE);
  run_now_ms += 1999;
  assert_int_equal(run_receive(1), 1);
  run_now_ms += 1999;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_BODY);
  /* Nobody received for a while: not the server's fault. */
  run_now_ms += 100000;
  ik_transfer_resume(&run_transfer, 100000);
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_BODY);
  run_now_ms++;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_WAIT);
  assert_non_null(strstr(run_transfer.detail, "byte 1 of 1000"));
  run_stop();
}

static void drops_what_is_too_slow(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.low_speed_bytes = 10;
  options.low_speed_ms = 1000;
  run_start_with(&options, "https://h.example/f");
  run_send_request();
  run_answer(WHOLE);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(run_receive(10), 10);
    run_now_ms += 1000;
    assert_int_equal(ik_transfer_deadline(&run_transfer), run_now_ms);
    ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
    assert_int_equal(run_transfer.state, IK_TRANSFER_BODY);
  }
  assert_int_equal(run_receive(9), 9);
  run_now_ms += 1000;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_WAIT);
  assert_int_equal(run_transfer.error, IK_ETOO_SLOW);
  run_stop();
}

static void does_not_need_the_end_when_all_is_there(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer("HTTP/1.1 200 x\r\n\r\n");
  run_receive(1000);
  run_now_ms += 2000;
  ik_transfer_tick(&run_transfer, run_now_ms, LONGEST);
  assert_int_equal(run_transfer.state, IK_TRANSFER_DONE);
  run_stop();
}

static void skips_when_it_cannot_rewind(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  size_t skip;
  size_t take;
  options.no_rewind = true;
  run_start_with(&options, "https://h.example/f");
  run_send_request();
  run_answer(WHOLE);
  run_receive(400);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(100);
  run_send_request();
  run_answer(WHOLE);
  assert_true(run_transfer.offset == 400);
  ik_transfer_bytes(&run_transfer, 300, run_now_ms, &skip, &take);
  assert_int_equal(skip, 300);
  assert_int_equal(take, 0);
  ik_transfer_bytes(&run_transfer, 300, run_now_ms, &skip, &take);
  assert_int_equal(skip, 100);
  assert_int_equal(take, 200);
  assert_true(run_transfer.offset == 600);
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
      cmocka_unit_test(a_trickle_is_no_progress),
      cmocka_unit_test(tries_are_limited_in_all),
      cmocka_unit_test(all_of_it_has_a_time_limit),
      cmocka_unit_test(begins_where_the_caller_is),
      cmocka_unit_test(never_gives_up_when_told_so),
      cmocka_unit_test(some_errors_are_final_at_once),
      cmocka_unit_test(honours_retry_after),
      cmocka_unit_test(times_out),
      cmocka_unit_test(drops_what_is_too_slow),
      cmocka_unit_test(does_not_need_the_end_when_all_is_there),
      cmocka_unit_test(skips_when_it_cannot_rewind),
      cmocka_unit_test(stays_failed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
