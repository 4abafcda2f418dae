/*
 * The download policy: where redirects lead, which responses to a range are accepted, and who gets
 * header fields.
 */
#include <stdio.h>
#include <string.h>

#include "support/cm.h"
#include "support/transfer_run.h"

static void follows_redirects_and_returns_to_the_origin(void **state) {
  (void)state;
  run_start();
  run_redirect_to("https://cdn.example:444/g?sig=1");
  run_assert_state(IK_TRANSFER_CONNECT);
  assert_string_equal(run_transfer.url.host, "cdn.example");
  assert_int_equal(run_transfer.url.port, 444);
  const char *request = run_send_request();
  assert_non_null(strstr(request, "GET /g?sig=1 HTTP/1.1\r\nHost: cdn.example:444\r\n"));
  run_respond(WHOLE);
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
  run_start_url(&options, "https://h.example//evil.example/f");
  run_redirect_to("https://cdn.example/g");
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
  run_respond("HTTP/1.1 301 x\r\nLocation: http://h.example/f?k=secret\r\n\r\n");
  run_assert_failed(IK_EHTTP_INSECURE_REDIRECT);
  run_stop();
  struct ik_transfer_options options = run_usual();
  run_start_url(&options, "http://h.example/f");
  run_send_request();
  run_respond("HTTP/1.1 301 x\r\nLocation: http://other.example/f\r\n\r\n");
  run_assert_state(IK_TRANSFER_CONNECT);
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
    run_respond("HTTP/1.1 307 x\r\nLocation: ?again\r\n\r\n");
    run_assert_state(IK_TRANSFER_CONNECT);
  }
  run_send_request();
  run_respond("HTTP/1.1 307 x\r\nLocation: ?again\r\n\r\n");
  run_assert_failed(IK_EHTTP_REDIRECTS);
  run_stop();
}

/* What follows a response. */
enum then {
  BODY,          /* the body is accepted */
  WHOLE_AT_ONCE, /* the image is asked for without a range */
  LATER,         /* the range is asked for again, after a wait */
};

/* Responses to a request for the bytes from 400 on. */
static const struct {
  const char *head;
  enum then then;
  int error;
} ranges[] = {
    {"206 x\r\nContent-Range: bytes 400-999/1000\r\n\r\n", BODY, 0},
    {"206 x\r\nContent-Range: bytes 400-999/*\r\n\r\n", BODY, 0},
    {"206 x\r\nContent-Range: bytes 400-499/1000\r\nContent-Length: 100\r\n\r\n", BODY, 0},
    {"206 x\r\nETag: \"b\"\r\nContent-Range: bytes 400-999/1000\r\n\r\n", BODY, 0},
    {"206 x\r\nETag: W/\"a\"\r\nContent-Range: bytes 400-999/1000\r\n\r\n", BODY, 0},
    {"200 x\r\nContent-Length: 1000\r\n\r\n", BODY, 0},
    {"200 x\r\n\r\n", BODY, 0},
    {"200 x\r\nContent-Length: 600\r\n\r\n", LATER, IK_EHTTP_RANGE},
    {"200 x\r\nContent-Length: 0\r\n\r\n", LATER, IK_EHTTP_RANGE},
    {"206 x\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"206 x\r\nContent-Type: multipart/byteranges\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 401-999/1000\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 0-999/1000\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 400-1000/*\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 400-999/1001\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 400-999/1000\r\nContent-Length: 601\r\n\r\n", WHOLE_AT_ONCE,
     IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: bytes 400-999/1000\r\nContent-Range: bytes 400-999/1000\r\n\r\n",
     WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"206 x\r\nContent-Range: lines 400-999/1000\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"400 x\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_STATUS},
    {"403 x\r\n\r\n", WHOLE_AT_ONCE, IK_EURL_EXPIRED},
    {"404 x\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_STATUS},
    {"405 x\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_STATUS},
    {"410 x\r\n\r\n", WHOLE_AT_ONCE, IK_EURL_EXPIRED},
    {"416 x\r\n\r\n", WHOLE_AT_ONCE, IK_EHTTP_RANGE},
    {"500 x\r\n\r\n", LATER, IK_EHTTP_UNAVAILABLE},
    {"501 x\r\n\r\n", LATER, IK_EHTTP_UNAVAILABLE},
    {"503 x\r\n\r\n", LATER, IK_EHTTP_UNAVAILABLE},
};

static void judges_responses_to_a_range(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(ranges); i++) {
    char head[256];
    run_start();
    run_lose_at(WHOLE, 400);
    run_assert_waits(100);
    run_send_request();
    snprintf(head, sizeof(head), "HTTP/1.1 %s", ranges[i].head);
    run_respond(head);
    assert_int_equal(run_transfer.offset, 400); /* whatever it says */
    if (ranges[i].then != BODY) assert_int_equal(run_transfer.error, ranges[i].error);
    if (ranges[i].then == BODY) run_assert_state(IK_TRANSFER_BODY);
    if (ranges[i].then == LATER) run_assert_waits(200);
    if (ranges[i].then == LATER) assert_non_null(strstr(run_send_request(), "Range: bytes=400-"));
    if (ranges[i].then == WHOLE_AT_ONCE) assert_null(strstr(run_send_request(), "Range"));
    run_stop();
  }
}

/* A response to a range, for ever; the whole image is there for who asks for it. */
static void a_server_that_cannot_do_ranges_is_asked_for_the_whole(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(ranges); i++) {
    char head[256];
    if (ranges[i].then == BODY || strncmp(ranges[i].head, "200", 3) == 0) continue;
    run_start();
    run_lose_at(WHOLE, 400);
    run_assert_waits(100);
    snprintf(head, sizeof(head), "HTTP/1.1 %s", ranges[i].head);
    for (int n = 0; strstr(run_send_request(), "Range") != NULL; n++) {
      if (n == 3) fail_msg("%s", head);
      run_respond(head);
      if (run_transfer.state == IK_TRANSFER_WAIT)
        run_pass(ik_transfer_deadline(&run_transfer) - run_now_ms);
    }
    run_respond(WHOLE);
    run_assert_state(IK_TRANSFER_BODY);
    assert_int_equal(run_receive(400), 0);
    ik_transfer_compared(&run_transfer, true);
    assert_int_equal(run_receive(600), 600);
    run_end_body();
    run_assert_state(IK_TRANSFER_DONE);
    run_stop();
  }
}

/* The last of the tries that there are is one for the whole. */
static void gives_up_only_after_asking_for_the_whole(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.max_retries = 1;
  run_start_with(&options);
  run_lose_at(WHOLE, 400);
  run_assert_waits(100);
  run_send_request();
  run_respond("HTTP/1.1 503 x\r\n\r\n");
  assert_null(strstr(run_send_request(), "Range"));
  run_respond("HTTP/1.1 503 x\r\n\r\n");
  run_assert_failed(IK_EHTTP_UNAVAILABLE);
  run_stop();
}

/* A server that is away is not asked for the whole each time, but in turns. */
static void asks_for_ranges_again_where_the_whole_is_refused_as_well(void **state) {
  (void)state;
  static const char *const asked[] = {"Range", "Range", NULL, "Range", "Range", NULL, "Range"};
  struct ik_transfer_options options = run_usual();
  options.max_retries = UINT32_MAX;
  run_start_at(&options, SIZE, 400);
  for (size_t i = 0; i < COUNT(asked); i++) {
    bool has_range = strstr(run_send_request(), "Range") != NULL;
    assert_int_equal(has_range, asked[i] != NULL);
    run_respond("HTTP/1.1 503 x\r\nRetry-After: 7\r\n\r\n");
    run_assert_waits(7000);
  }
  run_stop();
}

/* What was fetched already is not asked for again because a server is overloaded for a while. */
static void a_server_that_has_given_a_range_is_asked_for_the_whole_last(void **state) {
  (void)state;
  struct ik_transfer_options options = run_usual();
  options.max_retries = 3;
  run_start_at(&options, SIZE, 400);
  run_lose_at("HTTP/1.1 206 x\r\nContent-Range: bytes 400-999/1000\r\n\r\n", 100);
  run_pass(ik_transfer_deadline(&run_transfer) - run_now_ms);
  for (int n = 0; n < 3; n++) {
    assert_non_null(strstr(run_send_request(), "Range: bytes=500-"));
    run_respond("HTTP/1.1 503 x\r\nRetry-After: 7\r\n\r\n");
    if (n < 2) run_assert_waits(7000);
  }
  assert_null(strstr(run_send_request(), "Range"));
  run_stop();
}

/* A refusal of the whole is the last word. */
static void a_missing_image_is_missing(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, SIZE, 400);
  run_send_request();
  run_respond("HTTP/1.1 404 x\r\n\r\n");
  run_send_request();
  run_respond("HTTP/1.1 404 x\r\n\r\n");
  run_assert_failed(IK_EHTTP_STATUS);
  assert_int_equal(run_transfer.offset, 400);
  run_stop();
}

/* The second time without progress there is a wait before the whole is asked for. */
static void the_whole_is_not_asked_for_at_once_for_ever(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, SIZE, 400);
  run_send_request();
  run_respond("HTTP/1.1 416 x\r\n\r\n");
  run_send_request();
  run_respond("HTTP/1.1 503 x\r\n\r\n");
  run_assert_waits(100);
  run_send_request();
  run_respond("HTTP/1.1 416 x\r\n\r\n");
  run_assert_waits(200);
  assert_null(strstr(run_send_request(), "Range"));
  run_stop();
}

/* A log-in page instead of the image, to a range or not: what is there stays. */
static void a_page_of_another_size_costs_nothing(void **state) {
  (void)state;
  run_start();
  run_lose_at(WHOLE, 400);
  run_assert_waits(100);
  for (int i = 0; i < 2; i++) {
    run_send_request();
    run_respond("HTTP/1.1 200 x\r\nContent-Length: 26\r\n\r\n");
    run_assert_waits(i == 0 ? 200 : 300);
    assert_int_equal(run_transfer.offset, 400);
  }
  assert_non_null(strstr(run_send_request(), "Range: bytes=400-"));
  run_stop();
}

/* Nothing is there: it is known at once. */
static void a_page_instead_of_the_image_is_refused(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_respond("HTTP/1.1 200 x\r\nContent-Length: 26\r\n\r\n");
  run_assert_failed(IK_ESIZE_MISMATCH);
  run_stop();
}

static void takes_no_byte_after_the_end(void **state) {
  (void)state;
  run_start();
  run_send_request();
  run_respond("HTTP/1.1 200 x\r\n\r\n");
  assert_int_equal(run_receive(1000), 1000);
  run_assert_state(IK_TRANSFER_BODY);
  assert_int_equal(run_receive(1), 0);
  run_assert_failed(IK_ESIZE_MISMATCH);
  run_stop();
  run_start();
  run_send_request();
  run_respond("HTTP/1.1 200 x\r\n\r\n");
  assert_int_equal(run_receive(1001), 0);
  run_assert_failed(IK_ESIZE_MISMATCH);
  run_stop();
}

static void asks_for_the_rest_after_a_small_range(void **state) {
  (void)state;
  run_start();
  run_lose_at(WHOLE, 400);
  run_assert_waits(100);
  run_send_request();
  run_respond_range(400, 500, SIZE);
  run_receive(100);
  run_end_body();
  run_assert_state(IK_TRANSFER_REQUEST);
  ik_transfer_sent(&run_transfer, run_now_ms);
  run_respond("HTTP/1.1 503 x\r\n\r\n");
  run_assert_waits(100); /* new bytes make the next wait short */
  run_stop();
}

/* The rest after ranges of one byte is not asked for immediately for ever. */
static void small_ranges_are_limited(void **state) {
  (void)state;
  unsigned at = 400;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, SIZE, at);
  run_send_request();
  for (int i = 0; i < 4; i++, at++) {
    run_respond_range(at, at + 1, SIZE);
    run_receive(1);
    run_end_body();
    if (i < 3) run_assert_state(IK_TRANSFER_REQUEST);
    if (i < 3) run_send_on();
  }
  assert_int_equal(run_transfer.error, IK_ETRUNCATED);
  run_assert_waits(100);
  run_stop();
}

static void begins_again_where_there_is_no_such_range(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, SIZE, 400);
  run_send_request();
  run_respond("HTTP/1.1 416 x\r\nContent-Range: bytes */1000\r\n\r\n");
  assert_null(strstr(run_send_request(), "Range"));
  run_respond("HTTP/1.1 416 x\r\n\r\n");
  run_assert_failed(IK_EHTTP_RANGE);
  run_stop();
}

/* The server may close a connection that has carried a request at any moment. */
static void a_stale_connection_is_replaced_immediately(void **state) {
  (void)state;
  const struct ik_transfer_options options = run_usual();
  run_start_at(&options, SIZE, 400);
  run_send_request();
  assert_false(ik_transfer_stale(&run_transfer)); /* a new one */
  run_respond_range(400, 500, SIZE);
  run_receive(100);
  run_end_body();
  run_send_on();
  assert_true(ik_transfer_stale(&run_transfer));
  run_assert_state(IK_TRANSFER_CONNECT);
  assert_non_null(strstr(run_send_request(), "Range: bytes=500-"));
  assert_false(ik_transfer_stale(&run_transfer));
  run_lose(IK_ECONNECTION_CLOSED);
  run_assert_waits(100);
  run_stop();
}

/* ---- hosts, header fields, proxies ---- */

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
  run_start_with(&options);
  run_redirect_to("https://a.cdn.example:444/g");
  run_assert_state(IK_TRANSFER_CONNECT);
  run_redirect_to("https://a.cdn.example/h?k=secret");
  assert_int_equal(run_transfer.error, IK_EHOST_NOT_ALLOWED);
  assert_non_null(strstr(run_transfer.detail, "a.cdn.example:443"));
  run_stop();
}

/* The user's header fields go to the announced host and nowhere else. */
static void keeps_header_fields_from_strangers(void **state) {
  (void)state;
  static const struct {
    const char *to;
    bool has_fields;
  } cases[] = {
      {"http://h.example:8080/g", true},    {"/elsewhere", true},
      {"http://H.EXAMPLE.:8080/g", true},   {"http://h.example/g", false},
      {"https://h.example/g", false},       {"http://h.example:8081/g", false},
      {"http://cdn.example:8080/g", false}, {"https://h.example:8080/g", false},
  };
  struct ik_transfer_options options = run_usual();
  options.headers = "Authorization: Bearer secret\r\nX-More: 1\r\n";
  for (size_t i = 0; i < COUNT(cases); i++) {
    char head[256];
    run_start_url(&options, "http://h.example:8080/f");
    assert_non_null(strstr(run_send_request(), "\r\nAuthorization: Bearer secret\r\n"));
    snprintf(head, sizeof(head), "HTTP/1.1 302 x\r\nLocation: %s\r\n\r\n", cases[i].to);
    run_respond(head);
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
  run_respond("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
  run_assert_failed(IK_EPROXY_REFUSED);
  run_stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(follows_redirects_and_returns_to_the_origin),
      cmocka_unit_test(an_origin_with_an_odd_path_stays_itself),
      cmocka_unit_test(never_goes_from_https_to_http),
      cmocka_unit_test(redirects_have_a_limit),
      cmocka_unit_test(judges_responses_to_a_range),
      cmocka_unit_test(a_server_that_cannot_do_ranges_is_asked_for_the_whole),
      cmocka_unit_test(gives_up_only_after_asking_for_the_whole),
      cmocka_unit_test(asks_for_ranges_again_where_the_whole_is_refused_as_well),
      cmocka_unit_test(a_server_that_has_given_a_range_is_asked_for_the_whole_last),
      cmocka_unit_test(a_missing_image_is_missing),
      cmocka_unit_test(the_whole_is_not_asked_for_at_once_for_ever),
      cmocka_unit_test(a_page_of_another_size_costs_nothing),
      cmocka_unit_test(a_page_instead_of_the_image_is_refused),
      cmocka_unit_test(takes_no_byte_after_the_end),
      cmocka_unit_test(asks_for_the_rest_after_a_small_range),
      cmocka_unit_test(small_ranges_are_limited),
      cmocka_unit_test(begins_again_where_there_is_no_such_range),
      cmocka_unit_test(a_stale_connection_is_replaced_immediately),
      cmocka_unit_test(keeps_to_the_allowed_hosts),
      cmocka_unit_test(keeps_header_fields_from_strangers),
      cmocka_unit_test(a_proxy_may_refuse),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
