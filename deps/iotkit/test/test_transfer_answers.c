/*
 * The download policy: where redirects lead, and which answers to a range are taken.
 */
#include <stdio.h>
#include <string.h>

#include "support/cm.h"
#include "support/transfer_run.h"

static void follows_redirects_and_returns_to_the_origin(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer("HTTP/1.1 302 x\r\nLocation: https://cdn.example:444/g?sig=1\r\n\r\n");
  assert_int_equal(run_transfer.state, IK_TRANSFER_CONNECT);
  assert_string_equal(run_transfer.url.host, "cdn.example");
  assert_int_equal(run_transfer.url.port, 444);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "GET /g?sig=1 HTTP/1.1\r\nHost: cdn.example:444\r\n"));
  run_answer(WHOLE);
  run_receive(5);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(100);
  assert_string_equal(run_transfer.url.host, "h.example");
  request = run_send_request();
  assert_non_null(strstr(request, "GET /f?k=secret HTTP/1.1\r\nHost: h.example\r\n"));
  assert_non_null(strstr(request, "Range: bytes=5-"));
  run_stop();
}

static void an_origin_with_an_odd_path_stays_itself(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_with(&options, "https://h.example//evil.example/f");
  run_send_request();
  run_answer("HTTP/1.1 302 x\r\nLocation: https://cdn.example/g\r\n\r\n");
  run_lose(IK_ECONNECT);
  run_assert_waits(100);
  assert_string_equal(run_transfer.url.host, "h.example");
  const char *request = run_send_request();
  if (strstr(request, "GET //evil.example/f HTTP") == NULL) fail_msg("%s", request);
  run_stop();
}

static void never_goes_from_https_to_http(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer("HTTP/1.1 301 x\r\nLocation: http://h.example/f?k=secret\r\n\r\n");
  run_assert_failed(IK_EHTTP_INSECURE_REDIRECT);
  run_stop();
  struct ik_transfer_options options = run_usual();
  run_start_with(&options, "http://h.example/f");
  run_send_request();
  run_answer("HTTP/1.1 301 x\r\nLocation: http://other.example/f\r\n\r\n");
  assert_int_equal(run_transfer.state, IK_TRANSFER_CONNECT);
  assert_false(run_transfer.url.https);
  run_stop();
  options.https_only = true;
  char detail[IOTKIT_DETAIL_MAX];
  assert_int_equal(ik_transfer_init(&run_transfer, &options, "http://h.example/f", SIZE, detail),
                   IK_ETLS_REQUIRED);
  assert_non_null(strstr(detail, "h.example"));
}

static void redirects_have_a_limit(void **state) {
  (void)state;
  run_start();
  for (int i = 0; i < 5; i++) {
    run_send_request();
    run_answer("HTTP/1.1 307 x\r\nLocation: ?again\r\n\r\n");
    assert_int_equal(run_transfer.state, IK_TRANSFER_CONNECT);
  }
  run_send_request();
  run_answer("HTTP/1.1 307 x\r\nLocation: ?again\r\n\r\n");
  run_assert_failed(IK_EHTTP_REDIRECTS);
  run_stop();
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
    {"403 x\r\n\r\n", IK_EURL_EXPIRED},
};

static void judges_answers_to_a_range(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(ranges); i++) {
    char head[256];
    run_start();
    run_send_request();
    run_answer(WHOLE);
    run_receive(400);
    run_lose(IK_ECONNECTION_RESET);
    run_assert_waits(100);
    run_send_request();
    snprintf(head, sizeof(head), "HTTP/1.1 %s", ranges[i].head);
    run_answer(head);
    if (ranges[i].error != 0) {
      run_assert_failed(ranges[i].error);
    } else if (run_transfer.state != IK_TRANSFER_BODY) {
      fail_msg("%s: %s", ranges[i].head, run_transfer.detail);
    }
    run_stop();
  }
}

static void begins_again_when_the_tag_changes(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer(WHOLE);
  run_receive(400);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(100);
  run_send_request();
  run_answer("HTTP/1.1 206 x\r\nETag: \"b\"\r\nContent-Range: bytes 400-999/1000\r\n\r\n");
  assert_int_equal(run_transfer.error, IK_ECHANGED);
  run_assert_waits(200);
  assert_null(strstr(run_send_request(), "Range"));
  run_answer("HTTP/1.1 200 x\r\nETag: \"b\"\r\nContent-Length: 1000\r\n\r\n");
  assert_true(run_transfer.offset == 0);
  run_receive(500);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(300);
  assert_non_null(strstr(run_send_request(), "Range: bytes=500-\r\nIf-Range: \"b\"\r\n"));
  run_stop();
}

static void takes_no_byte_behind_the_end(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer("HTTP/1.1 200 x\r\n\r\n");
  assert_int_equal(run_receive(1000), 1000);
  assert_int_equal(run_transfer.state, IK_TRANSFER_BODY);
  assert_int_equal(run_receive(1), 0);
  run_assert_failed(IK_ESIZE_MISMATCH);
  run_stop();
  run_start();
  run_send_request();
  run_answer("HTTP/1.1 200 x\r\n\r\n");
  assert_int_equal(run_receive(1001), 0);
  run_assert_failed(IK_ESIZE_MISMATCH);
  run_stop();
}

static void goes_on_at_once_behind_a_small_range(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer(WHOLE);
  run_receive(400);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(100);
  run_send_request();
  run_answer("HTTP/1.1 206 x\r\nContent-Range: bytes 400-499/1000\r\nContent-Length: 100\r\n\r\n");
  run_receive(100);
  ik_transfer_end(&run_transfer, true, run_now_ms, 0);
  assert_int_equal(run_transfer.state, IK_TRANSFER_REQUEST);
  ik_transfer_sent(&run_transfer, run_now_ms);
  run_answer("HTTP/1.1 503 x\r\n\r\n");
  run_assert_waits(200);
  run_stop();
}

/* Ranges of next to nothing are not asked for again at once for ever. */
static void small_ranges_are_limited(void **state) {
  (void)state;
  char head[128];
  unsigned at = 400;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, "https://h.example/f", SIZE, at);
  run_send_request();
  for (int i = 0; i < 4; i++, at++) {
    snprintf(head, sizeof(head),
             "HTTP/1.1 206 x\r\nContent-Range: bytes %u-%u/1000\r\nContent-Length: 1\r\n\r\n", at,
             at);
    run_answer(head);
    run_receive(1);
    ik_transfer_end(&run_transfer, true, run_now_ms, LONGEST);
    if (i < 3) assert_int_equal(run_transfer.state, IK_TRANSFER_REQUEST);
    if (i < 3) run_send_on();
  }
  assert_int_equal(run_transfer.error, IK_ETRUNCATED);
  run_assert_waits(100);
  run_stop();
}

static void begins_again_where_there_is_no_such_range(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, "https://h.example/f", SIZE, 400);
  run_send_request();
  run_answer("HTTP/1.1 416 x\r\nContent-Range: bytes */1000\r\n\r\n");
  run_assert_waits(100);
  assert_null(strstr(run_send_request(), "Range"));
  run_answer("HTTP/1.1 416 x\r\n\r\n");
  run_assert_failed(IK_EHTTP_RANGE);
  run_stop();
}

/* A connection that has carried a request may be closed by the server at any moment. */
static void a_stale_connection_is_replaced_at_once(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, "https://h.example/f", SIZE, 400);
  run_send_request();
  assert_false(ik_transfer_stale(&run_transfer)); /* a new one */
  run_answer("HTTP/1.1 206 x\r\nContent-Range: bytes 400-499/1000\r\nContent-Length: 100\r\n\r\n");
  run_receive(100);
  ik_transfer_end(&run_transfer, true, run_now_ms, LONGEST);
  run_send_on();
  assert_true(ik_transfer_stale(&run_transfer));
  assert_int_equal(run_transfer.state, IK_TRANSFER_CONNECT);
  assert_non_null(strstr(run_send_request(), "Range: bytes=500-"));
  assert_false(ik_transfer_stale(&run_transfer));
  run_lose(IK_ECONNECTION_CLOSED);
  run_assert_waits(100);
  run_stop();
}

/* ---- policies ---- */

static void keeps_to_the_allowed_hosts(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct ik_transfer_options options = run_usual();
  options.allowed_hosts = "h.example,*.cdn.example:444";
  assert_int_equal(
      ik_transfer_init(&run_transfer, &options, "https://x.example/f?secret", SIZE, detail),
      IK_EHOST_NOT_ALLOWED);
  assert_non_null(strstr(detail, "x.example:443"));
  assert_null(strstr(detail, "secret"));
  run_start_with(&options, "https://h.example/f");
  run_send_request();
  run_answer("HTTP/1.1 302 x\r\nLocation: https://a.cdn.example:444/g\r\n\r\n");
  assert_int_equal(run_transfer.state, IK_TRANSFER_CONNECT);
  run_send_request();
  run_answer("HTTP/1.1 302 x\r\nLocation: https://a.cdn.example/h?k=secret\r\n\r\n");
  assert_int_equal(run_transfer.error, IK_EHOST_NOT_ALLOWED);
  assert_non_null(strstr(run_transfer.detail, "a.cdn.example:443"));
  run_stop();
}

/* Header fields of the user's go to the host that was announced and nowhere else. */
static void keeps_header_fields_from_strangers(void **state) {
  (void)state;
  static const struct {
    const char *to;
    bool has_fields;
  } cases[] = {
      {"http://h.example:8080/g", true},    {"/elsewhere", true},
      {"http://H.EXAMPLE.:8080/g", true},   {"http://h.example/g", false},
      {"https://h.example/g", false},       {"http://h.example:8081/g", false},
      {"http://cdn.example:8080/g", false},
  };
  struct ik_transfer_options options = run_usual();
  options.headers = "Authorization: Bearer secret\r\nX-More: 1\r\n";
  for (size_t i = 0; i < COUNT(cases); i++) {
    char head[256];
    run_start_with(&options, "http://h.example:8080/f");
    assert_non_null(strstr(run_send_request(), "\r\nAuthorization: Bearer secret\r\n"));
    snprintf(head, sizeof(head), "HTTP/1.1 302 x\r\nLocation: %s\r\n\r\n", cases[i].to);
    run_answer(head);
    bool has_fields = strstr(run_send_request(), "secret") != NULL;
    if (has_fields != cases[i].has_fields) fail_msg("%s", cases[i].to);
    run_lose(IK_ECONNECTION_RESET);
    run_assert_waits(100);
    assert_non_null(strstr(run_send_request(), "X-More: 1\r\n"));
    run_stop();
  }
}

static void a_proxy_may_refuse(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_answer("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  run_assert_failed(IK_EPROXY_REFUSED);
  run_stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(follows_redirects_and_returns_to_the_origin),
      cmocka_unit_test(an_origin_with_an_odd_path_stays_itself),
      cmocka_unit_test(never_goes_from_https_to_http),
      cmocka_unit_test(redirects_have_a_limit),
      cmocka_unit_test(judges_answers_to_a_range),
      cmocka_unit_test(begins_again_when_the_tag_changes),
      cmocka_unit_test(takes_no_byte_behind_the_end),
      cmocka_unit_test(goes_on_at_once_behind_a_small_range),
      cmocka_unit_test(small_ranges_are_limited),
      cmocka_unit_test(begins_again_where_there_is_no_such_range),
      cmocka_unit_test(a_stale_connection_is_replaced_at_once),
      cmocka_unit_test(keeps_to_the_allowed_hosts),
      cmocka_unit_test(keeps_header_fields_from_strangers),
      cmocka_unit_test(a_proxy_may_refuse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
