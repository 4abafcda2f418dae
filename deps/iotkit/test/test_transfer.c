/*
 * The download policy on a fake clock: waits, time-outs, caps, what each answer leads to.
 * test_job.c has the same over sockets.
 */
#include <stdio.h>
#include <string.h>

#include "iotkit_core.h"
#include "ota/transfer.h"
#include "support/cm.h"

#define SIZE 1000
#define WALL_MS 784111777000u /* Sun, 06 Nov 1994 08:49:37 */
#define LONGEST UINT32_MAX    /* random bits: the longest wait */

static uint64_t now_ms;
static struct ik_transfer transfer;
static struct ik_http_exchange exchange;

static struct ik_transfer_options usual(void) {
  return (struct ik_transfer_options){.response_timeout_ms = 3000,
                                      .idle_timeout_ms = 2000,
                                      .max_retries = 3,
                                      .retry_min_ms = 100,
                                      .retry_max_ms = 300,
                                      .max_redirects = 5};
}

static void start_with(const struct ik_transfer_options *options, const char *url) {
  now_ms = 5000;
  ik_http_exchange_init(&exchange);
  assert_int_equal(ik_transfer_init(&transfer, options, url, SIZE, NULL), 0);
  assert_int_equal(transfer.state, IK_TRANSFER_CONNECT);
}

static void start(void) {
  const struct ik_transfer_options options = usual();
  start_with(&options, "https://h.example/f?k=secret");
}

static void stop(void) {
  assert_null(strstr(transfer.detail, "secret"));
  ik_transfer_free(&transfer);
  ik_http_exchange_free(&exchange);
}

/* Connects and sends; the request's text, for a look at it. */
static const char *send_request(void) {
  static char text[4096];
  struct ik_buf buf;
  assert_int_equal(transfer.state, IK_TRANSFER_CONNECT);
  ik_transfer_connected(&transfer, now_ms);
  assert_int_equal(transfer.state, IK_TRANSFER_REQUEST);
  ik_buf_init(&buf, sizeof(text) - 1);
  assert_int_equal(ik_transfer_request(&transfer, "test", &buf), 0);
  memcpy(text, ik_buf_ptr(&buf), ik_buf_size(&buf));
  text[ik_buf_size(&buf)] = '\0';
  ik_buf_free(&buf);
  ik_transfer_sent(&transfer, now_ms);
  assert_int_equal(transfer.state, IK_TRANSFER_HEAD);
  return text;
}

static void answer(const char *head) {
  uint8_t copy[2048];
  size_t body;
  size_t used;
  size_t len = strlen(head);
  assert_true(len <= sizeof(copy));
  memcpy(copy, head, len);
  ik_http_exchange_reset(&exchange);
  assert_int_equal(ik_http_exchange_push(&exchange, copy, len, &body, &used, NULL), 0);
  assert_int_equal(used, len);
  ik_transfer_head(&transfer, &exchange, now_ms, WALL_MS, LONGEST);
}

static size_t receive(size_t len) {
  size_t skip;
  size_t take;
  ik_transfer_bytes(&transfer, len, now_ms, &skip, &take);
  return take;
}

static void lose(int error) {
  ik_transfer_error(&transfer, error, "lost", now_ms, LONGEST);
}

/* The wait is over after exactly `wait_ms`. */
static void assert_waits(uint64_t wait_ms) {
  assert_int_equal(transfer.state, IK_TRANSFER_WAIT);
  assert_int_equal(ik_transfer_deadline(&transfer), now_ms + wait_ms);
  now_ms += wait_ms - 1;
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.state, IK_TRANSFER_WAIT);
  now_ms++;
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.state, IK_TRANSFER_CONNECT);
}

static void assert_failed(int error) {
  if (transfer.error != error)
    fail_msg("%s: %s", iotkit_error_name(transfer.error), transfer.detail);
  assert_int_equal(transfer.state, IK_TRANSFER_FAILED);
  assert_non_null(strstr(transfer.detail, "h.example"));
}

#define WHOLE "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: 1000\r\n\r\n"

static void fetches(void **state) {
  (void)state;
  start();
  const char *request = send_request();
  assert_null(strstr(request, "Range"));
  answer(WHOLE);
  assert_int_equal(transfer.state, IK_TRANSFER_BODY);
  assert_int_equal(receive(999), 999);
  assert_int_equal(receive(1), 1);
  ik_transfer_end(&transfer, true, now_ms, 0);
  assert_int_equal(transfer.state, IK_TRANSFER_DONE);
  assert_true(ik_transfer_deadline(&transfer) == UINT64_MAX);
  stop();
}

static void resumes_where_it_was(void **state) {
  (void)state;
  start();
  send_request();
  answer(WHOLE);
  assert_int_equal(receive(400), 400);
  lose(IK_ECONNECTION_RESET);
  assert_waits(100);
  const char *request = send_request();
  assert_non_null(strstr(request, "Range: bytes=400-\r\nIf-Range: \"a\"\r\n"));
  answer("HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 400-999/1000\r\n"
         "Content-Length: 600\r\n\r\n");
  assert_int_equal(receive(600), 600);
  ik_transfer_end(&transfer, true, now_ms, 0);
  assert_int_equal(transfer.state, IK_TRANSFER_DONE);
  stop();
}

static void a_weak_tag_is_not_sent_back(void **state) {
  (void)state;
  start();
  send_request();
  answer("HTTP/1.1 200 OK\r\nETag: W/\"a\"\r\nContent-Length: 1000\r\n\r\n");
  receive(400);
  lose(IK_ECONNECTION_RESET);
  assert_waits(100);
  const char *request = send_request();
  assert_non_null(strstr(request, "Range: bytes=400-\r\n"));
  assert_null(strstr(request, "If-Range"));
  stop();
}

static void waits_longer_each_time_and_gives_up(void **state) {
  (void)state;
  start();
  lose(IK_ECONNECT);
  assert_waits(100);
  lose(IK_ECONNECT);
  assert_waits(200);
  lose(IK_ECONNECT);
  assert_waits(300);
  lose(IK_ERESOLVE);
  assert_failed(IK_ERESOLVE);
  stop();
}

static void progress_resets_the_count_but_repetition_does_not(void **state) {
  (void)state;
  start();
  for (int i = 0; i < 10; i++) {
    send_request();
    char head[128];
    snprintf(head, sizeof(head),
             i == 0 ? WHOLE : "HTTP/1.1 206 x\r\nContent-Range: bytes %d-999/1000\r\n\r\n", i * 10);
    answer(head);
    assert_int_equal(receive(10), 10);
    lose(IK_ECONNECTION_RESET);
    assert_waits(100);
  }
  /* From the start each time, and never as far as before: that is no progress. */
  for (int i = 0; i < 3; i++) {
    send_request();
    answer(WHOLE);
    assert_true(transfer.offset == 0);
    assert_int_equal(receive(100), 100);
    lose(IK_ECONNECTION_RESET);
    if (i < 2) assert_waits(i == 0 ? 200 : 300);
  }
  assert_failed(IK_ECONNECTION_RESET);
  stop();
}

static void never_gives_up_when_told_so(void **state) {
  (void)state;
  struct ik_transfer_options options = usual();
  options.max_retries = UINT32_MAX;
  start_with(&options, "https://h.example/f");
  for (int i = 0; i < 1000; i++) {
    lose(IK_ECONNECT);
    assert_waits(i == 0 ? 100 : i == 1 ? 200 : 300);
  }
  stop();
}

static void some_errors_are_final_at_once(void **state) {
  (void)state;
  static const int errors[] = {IK_ETLS_CERTIFICATE, IK_ETLS_HOSTNAME,  IK_ETLS_EXPIRED,
                               IK_ETLS_UNAVAILABLE, IK_EHTTP_ENCODING, IK_EHTTP_HEAD_TOO_LARGE};
  for (size_t i = 0; i < COUNT(errors); i++) {
    start();
    lose(errors[i]);
    assert_failed(errors[i]);
    stop();
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
    start();
    send_request();
    snprintf(head, sizeof(head), "HTTP/1.1 503 Busy\r\n%s\r\n", cases[i].field);
    answer(head);
    assert_waits(cases[i].wait_ms);
    stop();
  }
}

static void times_out(void **state) {
  (void)state;
  start();
  assert_true(ik_transfer_deadline(&transfer) == UINT64_MAX); /* connecting is the transport's */
  send_request();
  now_ms += 2999;
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.state, IK_TRANSFER_HEAD);
  assert_int_equal(ik_transfer_deadline(&transfer), now_ms + 1);
  now_ms++;
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.error, IK_EIDLE_TIMEOUT);
  assert_waits(100);
  send_request();
  answer(WHOLE);
  now_ms += 1999;
  assert_int_equal(receive(1), 1);
  now_ms += 1999;
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.state, IK_TRANSFER_BODY);
  /* Nobody received for a while: not the server's fault. */
  now_ms += 100000;
  ik_transfer_resume(&transfer, 100000);
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.state, IK_TRANSFER_BODY);
  now_ms++;
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.state, IK_TRANSFER_WAIT);
  assert_non_null(strstr(transfer.detail, "byte 1 of 1000"));
  stop();
}

static void drops_what_is_too_slow(void **state) {
  (void)state;
  struct ik_transfer_options options = usual();
  options.low_speed_bytes = 10;
  options.low_speed_ms = 1000;
  start_with(&options, "https://h.example/f");
  send_request();
  answer(WHOLE);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(receive(10), 10);
    now_ms += 1000;
    assert_int_equal(ik_transfer_deadline(&transfer), now_ms);
    ik_transfer_tick(&transfer, now_ms, LONGEST);
    assert_int_equal(transfer.state, IK_TRANSFER_BODY);
  }
  assert_int_equal(receive(9), 9);
  now_ms += 1000;
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.state, IK_TRANSFER_WAIT);
  assert_int_equal(transfer.error, IK_ETOO_SLOW);
  stop();
}

static void follows_redirects_and_returns_to_the_origin(void **state) {
  (void)state;
  start();
  send_request();
  answer("HTTP/1.1 302 x\r\nLocation: https://cdn.example:444/g?sig=1\r\n\r\n");
  assert_int_equal(transfer.state, IK_TRANSFER_CONNECT);
  assert_string_equal(transfer.url.host, "cdn.example");
  assert_int_equal(transfer.url.port, 444);
  const char *request = send_request();
  assert_non_null(strstr(request, "GET /g?sig=1 HTTP/1.1\r\nHost: cdn.example:444\r\n"));
  answer(WHOLE);
  receive(5);
  lose(IK_ECONNECTION_RESET);
  assert_waits(100);
  assert_string_equal(transfer.url.host, "h.example");
  request = send_request();
  assert_non_null(strstr(request, "GET /f?k=secret HTTP/1.1\r\nHost: h.example\r\n"));
  assert_non_null(strstr(request, "Range: bytes=5-"));
  stop();
}

static void an_origin_with_an_odd_path_stays_itself(void **state) {
  (void)state;
  const struct ik_transfer_options options = usual();
  start_with(&options, "https://h.example//evil.example/f");
  send_request();
  answer("HTTP/1.1 302 x\r\nLocation: https://cdn.example/g\r\n\r\n");
  lose(IK_ECONNECT);
  assert_waits(100);
  assert_string_equal(transfer.url.host, "h.example");
  const char *request = send_request();
  if (strstr(request, "GET //evil.example/f HTTP") == NULL) fail_msg("%s", request);
  stop();
}

static void never_goes_from_https_to_http(void **state) {
  (void)state;
  start();
  send_request();
  answer("HTTP/1.1 301 x\r\nLocation: http://h.example/f?k=secret\r\n\r\n");
  assert_failed(IK_EHTTP_INSECURE_REDIRECT);
  stop();
  struct ik_transfer_options options = usual();
  start_with(&options, "http://h.example/f");
  send_request();
  answer("HTTP/1.1 301 x\r\nLocation: http://other.example/f\r\n\r\n");
  assert_int_equal(transfer.state, IK_TRANSFER_CONNECT);
  assert_false(transfer.url.https);
  stop();
  options.https_only = true;
  char detail[IOTKIT_DETAIL_MAX];
  assert_int_equal(ik_transfer_init(&transfer, &options, "http://h.example/f", SIZE, detail),
                   IK_ETLS_REQUIRED);
  assert_non_null(strstr(detail, "h.example"));
}

static void redirects_have_a_limit(void **state) {
  (void)state;
  start();
  for (int i = 0; i < 5; i++) {
    send_request();
    answer("HTTP/1.1 307 x\r\nLocation: ?again\r\n\r\n");
    assert_int_equal(transfer.state, IK_TRANSFER_CONNECT);
  }
  send_request();
  answer("HTTP/1.1 307 x\r\nLocation: ?again\r\n\r\n");
  assert_failed(IK_EHTTP_REDIRECTS);
  stop();
}

struct row {
  const char *head;
  int error; /* 0: the body is taken */
};

/* Answers to a request for the bytes from 400 on. */
static const struct row ranges[] = {
    {"206 x\r\nContent-Range: bytes 400-999/1000\r\n\r\n", 0},
    {"206 x\r\nContent-Range: bytes 400-999/*\r\n\r\n", 0},
    {"206 x\r\nContent-Range: bytes 400-499/1000\r\nContent-Length: 100\r\n\r\n", 0},
    {"200 x\r\nContent-Length: 1000\r\n\r\n", 0},
    {"200 x\r\n\r\n", 0},
    {"200 x\r\nContent-Length: 600\r\n\r\n", IK_ESIZE_MISMATCH},
    {"206 x\r\n\r\n", IK_EHTTP_RANGE},
    {"206 x\r\nContent-Type: multipart/byteranges\r\n\r\n", IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 401-999/1000\r\n\r\n", IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 0-999/1000\r\n\r\n", IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 400-1000/*\r\n\r\n", IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 400-999/1001\r\n\r\n", IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 400-999/1000\r\nContent-Length: 601\r\n\r\n", IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 400-999/1000\r\nContent-Range: bytes 400-999/1000\r\n\r\n",
     IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: lines 400-999/1000\r\n\r\n", IK_EHTTP_RANGE},
    {"416 x\r\nContent-Range: bytes */1000\r\n\r\n", IK_EHTTP_STATUS},
    {"403 x\r\n\r\n", IK_EURL_EXPIRED},
};

static void judges_answers_to_a_range(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(ranges); i++) {
    char head[256];
    start();
    send_request();
    answer(WHOLE);
    receive(400);
    lose(IK_ECONNECTION_RESET);
    assert_waits(100);
    send_request();
    snprintf(head, sizeof(head), "HTTP/1.1 %s", ranges[i].head);
    answer(head);
    if (ranges[i].error != 0) {
      assert_failed(ranges[i].error);
    } else if (transfer.state != IK_TRANSFER_BODY) {
      fail_msg("%s: %s", ranges[i].head, transfer.detail);
    }
    stop();
  }
}

static void begins_again_when_the_tag_changes(void **state) {
  (void)state;
  start();
  send_request();
  answer(WHOLE);
  receive(400);
  lose(IK_ECONNECTION_RESET);
  assert_waits(100);
  send_request();
  answer("HTTP/1.1 206 x\r\nETag: \"b\"\r\nContent-Range: bytes 400-999/1000\r\n\r\n");
  assert_int_equal(transfer.error, IK_ECHANGED);
  assert_waits(200);
  assert_null(strstr(send_request(), "Range"));
  answer("HTTP/1.1 200 x\r\nETag: \"b\"\r\nContent-Length: 1000\r\n\r\n");
  assert_true(transfer.offset == 0);
  receive(500);
  lose(IK_ECONNECTION_RESET);
  assert_waits(100);
  assert_non_null(strstr(send_request(), "Range: bytes=500-\r\nIf-Range: \"b\"\r\n"));
  stop();
}

static void takes_no_byte_behind_the_end(void **state) {
  (void)state;
  start();
  send_request();
  answer("HTTP/1.1 200 x\r\n\r\n");
  assert_int_equal(receive(1000), 1000);
  assert_int_equal(transfer.state, IK_TRANSFER_BODY);
  assert_int_equal(receive(1), 0);
  assert_failed(IK_ESIZE_MISMATCH);
  stop();
  start();
  send_request();
  answer("HTTP/1.1 200 x\r\n\r\n");
  assert_int_equal(receive(1001), 0);
  assert_failed(IK_ESIZE_MISMATCH);
  stop();
}

static void does_not_need_the_end_when_all_is_there(void **state) {
  (void)state;
  start();
  send_request();
  answer("HTTP/1.1 200 x\r\n\r\n");
  receive(1000);
  now_ms += 2000;
  ik_transfer_tick(&transfer, now_ms, LONGEST);
  assert_int_equal(transfer.state, IK_TRANSFER_DONE);
  stop();
}

static void skips_when_it_cannot_rewind(void **state) {
  (void)state;
  struct ik_transfer_options options = usual();
  size_t skip;
  size_t take;
  options.no_rewind = true;
  start_with(&options, "https://h.example/f");
  send_request();
  answer(WHOLE);
  receive(400);
  lose(IK_ECONNECTION_RESET);
  assert_waits(100);
  send_request();
  answer(WHOLE);
  assert_true(transfer.offset == 400);
  ik_transfer_bytes(&transfer, 300, now_ms, &skip, &take);
  assert_int_equal(skip, 300);
  assert_int_equal(take, 0);
  ik_transfer_bytes(&transfer, 300, now_ms, &skip, &take);
  assert_int_equal(skip, 100);
  assert_int_equal(take, 200);
  assert_true(transfer.offset == 600);
  stop();
}

static void goes_on_at_once_behind_a_small_range(void **state) {
  (void)state;
  start();
  send_request();
  answer(WHOLE);
  receive(400);
  lose(IK_ECONNECTION_RESET);
  assert_waits(100);
  send_request();
  answer("HTTP/1.1 206 x\r\nContent-Range: bytes 400-499/1000\r\nContent-Length: 100\r\n\r\n");
  receive(100);
  ik_transfer_end(&transfer, true, now_ms, 0);
  assert_int_equal(transfer.state, IK_TRANSFER_REQUEST);
  ik_transfer_sent(&transfer, now_ms);
  answer("HTTP/1.1 503 x\r\n\r\n");
  assert_waits(100);
  stop();
}

static void stays_failed(void **state) {
  (void)state;
  start();
  ik_transfer_fail(&transfer, IK_EABORTED, "h.example: first");
  ik_transfer_fail(&transfer, IK_EINTERNAL, "h.example: second");
  lose(IK_ECONNECT);
  ik_transfer_connected(&transfer, now_ms);
  ik_transfer_tick(&transfer, now_ms + 1000000, 0);
  assert_failed(IK_EABORTED);
  assert_string_equal(transfer.detail, "h.example: first");
  stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fetches),
      cmocka_unit_test(resumes_where_it_was),
      cmocka_unit_test(a_weak_tag_is_not_sent_back),
      cmocka_unit_test(waits_longer_each_time_and_gives_up),
      cmocka_unit_test(progress_resets_the_count_but_repetition_does_not),
      cmocka_unit_test(never_gives_up_when_told_so),
      cmocka_unit_test(some_errors_are_final_at_once),
      cmocka_unit_test(honours_retry_after),
      cmocka_unit_test(times_out),
      cmocka_unit_test(drops_what_is_too_slow),
      cmocka_unit_test(follows_redirects_and_returns_to_the_origin),
      cmocka_unit_test(an_origin_with_an_odd_path_stays_itself),
      cmocka_unit_test(never_goes_from_https_to_http),
      cmocka_unit_test(redirects_have_a_limit),
      cmocka_unit_test(judges_answers_to_a_range),
      cmocka_unit_test(begins_again_when_the_tag_changes),
      cmocka_unit_test(takes_no_byte_behind_the_end),
      cmocka_unit_test(does_not_need_the_end_when_all_is_there),
      cmocka_unit_test(skips_when_it_cannot_rewind),
      cmocka_unit_test(goes_on_at_once_behind_a_small_range),
      cmocka_unit_test(stays_failed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
