/*
 * The download policy over several connections: ranges with transfers of their own, whose bytes the
 * image's transfer hands out in order.
 */
#include <string.h>

#include "support/cm.h"
#include "support/transfer_run.h"

#define HALF (SIZE / 2)
#define TO_HALF "HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 0-499/1000\r\n\r\n"

static struct ik_transfer range;

/* The first request asks for the first half, the server gives it, and `range` gets that body. */
static void start_ranges(void) {
  run_start();
  run_transfer.wanted_end = HALF;
  assert_non_null(strstr(run_send_request(), "Range: bytes=0-499\r\n"));
  run_respond(TO_HALF);
  run_assert_state(IK_TRANSFER_BODY);
  assert_int_equal(ik_transfer_init_range(&range, &run_transfer, 0, HALF), 0);
  ik_transfer_start_ranges(&run_transfer, &range, run_now_ms);
  run_assert_state(IK_TRANSFER_RANGES);
  assert_int_equal(range.state, IK_TRANSFER_BODY);
}

static void stop(void) {
  ik_transfer_free(&range);
  run_stop();
}

static void receive(size_t len) {
  size_t skip;
  size_t take;
  ik_transfer_bytes(&range, len, run_now_ms, &skip, &take);
  assert_int_equal(skip, 0);
  assert_int_equal(take, len);
}

/* Sends the request of the range, and a response arrives. */
static void respond(const char *expected, const char *text) {
  static const struct ik_transfer_sender sender = {.user_agent = "test"};
  struct ik_http_exchange exchange;
  struct ik_buf request;
  uint8_t head[256];
  size_t body;
  size_t used;
  ik_buf_init(&request, sizeof(head) * 4);
  assert_int_equal(ik_transfer_request(&range, &sender, &request), 0);
  assert_int_equal(ik_buf_append_u8(&request, 0), 0);
  assert_non_null(strstr((const char *)ik_buf_ptr(&request), expected));
  ik_buf_free(&request);
  ik_transfer_sent(&range, run_now_ms);
  memcpy(head, text, strlen(text));
  ik_http_exchange_init(&exchange);
  assert_int_equal(ik_http_exchange_push(&exchange, head, strlen(text), &body, &used, NULL), 0);
  ik_transfer_head(&range, &exchange, run_now_ms, 0, LONGEST);
  ik_http_exchange_free(&exchange);
}

static void hands_out_what_the_ranges_bring(void **state) {
  (void)state;
  start_ranges();
  receive(HALF);
  ik_transfer_handed_out(&run_transfer, HALF);
  ik_transfer_end(&range, true, run_now_ms, LONGEST);
  assert_int_equal(range.state, IK_TRANSFER_DONE);
  ik_transfer_next_range(&range, HALF, SIZE, run_now_ms);
  assert_int_equal(range.state, IK_TRANSFER_REQUEST); /* over the same connection */
  respond("Range: bytes=500-999\r\n",
          "HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 500-999/1000\r\n\r\n");
  receive(HALF);
  run_assert_state(IK_TRANSFER_RANGES);
  ik_transfer_handed_out(&run_transfer, HALF);
  run_assert_state(IK_TRANSFER_DONE);
  stop();
}

static void connects_anew_after_a_connection_that_ended(void **state) {
  (void)state;
  start_ranges();
  receive(HALF);
  ik_transfer_error(&range, IK_ECONNECTION_CLOSED, "", run_now_ms, LONGEST);
  assert_int_equal(range.state, IK_TRANSFER_DONE); /* no byte is missing */
  ik_transfer_next_range(&range, HALF, SIZE, run_now_ms);
  assert_int_equal(range.state, IK_TRANSFER_CONNECT);
  stop();
}

/* The tries of a range are tries of the image; one that never brought a byte has none. */
static void a_range_is_tried_again_only_after_its_first_byte(void **state) {
  (void)state;
  start_ranges();
  receive(100);
  ik_transfer_error(&range, IK_ECONNECTION_RESET, "", run_now_ms, LONGEST);
  assert_int_equal(range.state, IK_TRANSFER_WAIT);
  assert_int_equal(run_transfer.tries, 1);
  ik_transfer_free(&range);
  assert_int_equal(ik_transfer_init_range(&range, &run_transfer, HALF, SIZE), 0);
  ik_transfer_error(&range, IK_ECONNECTION_RESET, "", run_now_ms, LONGEST);
  assert_int_equal(range.state, IK_TRANSFER_FAILED);
  assert_int_equal(run_transfer.tries, 2);
  run_assert_state(IK_TRANSFER_RANGES);
  stop();
}

static void a_range_takes_no_other_response(void **state) {
  (void)state;
  static const struct {
    const char *head;
    int error;
  } cases[] = {
      {WHOLE, IK_EHTTP_RANGE},
      {"HTTP/1.1 206 x\r\nContent-Range: bytes 501-999/1000\r\n\r\n", IK_EHTTP_RANGE},
      {"HTTP/1.1 416 x\r\n\r\n", IK_EHTTP_RANGE},
      {"HTTP/1.1 403 x\r\n\r\n", IK_EURL_EXPIRED},
      {"HTTP/1.1 503 x\r\n\r\n", IK_EHTTP_UNAVAILABLE},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    start_ranges();
    ik_transfer_free(&range);
    assert_int_equal(ik_transfer_init_range(&range, &run_transfer, HALF, SIZE), 0);
    ik_transfer_connected(&range, run_now_ms);
    respond("Range: bytes=500-999\r\n", cases[i].head);
    assert_int_equal(range.state, IK_TRANSFER_FAILED);
    assert_int_equal(range.error, cases[i].error);
    stop();
  }
}

/* The nodes of a CDN have tags of their own; a wrong digest may come from the mixture. */
static void a_range_is_taken_whatever_its_tag(void **state) {
  (void)state;
  static const struct {
    const char *head;
    bool mixed;
  } cases[] = {
      {"HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 500-999/1000\r\n\r\n", false},
      {"HTTP/1.1 206 x\r\nETag: \"b\"\r\nContent-Range: bytes 500-999/1000\r\n\r\n", true},
      {"HTTP/1.1 206 x\r\nContent-Range: bytes 500-999/1000\r\n\r\n", true},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    start_ranges();
    ik_transfer_free(&range);
    assert_int_equal(ik_transfer_init_range(&range, &run_transfer, HALF, SIZE), 0);
    ik_transfer_connected(&range, run_now_ms);
    respond("Range: bytes=500-999\r\n", cases[i].head);
    assert_int_equal(range.state, IK_TRANSFER_BODY);
    assert_int_equal(run_transfer.mixed, cases[i].mixed);
    stop();
  }
}

static void falls_back_to_one_connection(void **state) {
  (void)state;
  start_ranges();
  receive(300);
  ik_transfer_handed_out(&run_transfer, 300);
  ik_transfer_fall_back_to_one(&run_transfer);
  run_transfer.wanted_end = 0;
  assert_non_null(strstr(run_send_request(), "Range: bytes=300-\r\n"));
  run_respond_range(300, SIZE, SIZE);
  assert_int_equal(run_receive(700), 700);
  run_end_body();
  run_assert_state(IK_TRANSFER_DONE);
  stop();
}

/* One slow connection among several is no fault while their sum is fast enough. */
static void the_sum_of_the_ranges_has_to_be_fast_enough(void **state) {
  (void)state;
  start_ranges();
  run_transfer.options.low_speed_bytes = 10;
  run_transfer.options.low_speed_ms = 1000;
  range.options.low_speed_bytes = 10;
  range.options.low_speed_ms = 1000;
  receive(10);
  run_now_ms += 1000;
  ik_transfer_tick(&range, run_now_ms, LONGEST);
  assert_int_equal(range.state, IK_TRANSFER_BODY);
  run_pass(0);
  run_assert_state(IK_TRANSFER_RANGES);
  receive(9);
  run_now_ms += 1000;
  ik_transfer_tick(&range, run_now_ms, LONGEST);
  assert_int_equal(range.state, IK_TRANSFER_BODY); /* the limit is the image's */
  run_pass(0);
  run_assert_state(IK_TRANSFER_WAIT);
  assert_int_equal(run_transfer.error, IK_ETOO_SLOW);
  stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hands_out_what_the_ranges_bring),
      cmocka_unit_test(connects_anew_after_a_connection_that_ended),
      cmocka_unit_test(a_range_is_tried_again_only_after_its_first_byte),
      cmocka_unit_test(a_range_takes_no_other_response),
      cmocka_unit_test(a_range_is_taken_whatever_its_tag),
      cmocka_unit_test(falls_back_to_one_connection),
      cmocka_unit_test(the_sum_of_the_ranges_has_to_be_fast_enough),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
