/*
 * The download policy: bodies that repeat bytes which are there already. Nothing replaces these
 * before they were compared.
 */
#include <string.h>

#include "support/cm.h"
#include "support/transfer_run.h"

#define NO_LENGTH "HTTP/1.1 200 x\r\n\r\n"

/* 400 bytes are there; the request for the rest is answered with `head`. */
static void repeat(const char *head, bool no_rewind) {
  struct ik_transfer_options options = run_usual();
  options.no_rewind = no_rewind;
  run_start_with(&options);
  run_lose_at(WHOLE, 400);
  run_assert_waits(100);
  run_send_request();
  run_respond(head);
  assert_true(run_transfer.compares);
  assert_int_equal(run_transfer.offset, 400);
}

static void skip_bytes(size_t len) {
  size_t skipped;
  size_t taken;
  ik_transfer_bytes(&run_transfer, len, run_now_ms, &skipped, &taken);
  assert_int_equal(skipped, len);
  assert_int_equal(taken, 0);
}

static void goes_on_where_they_agree(void **state) {
  (void)state;
  static const char *const heads[] = {WHOLE, NO_LENGTH};
  for (size_t i = 0; i < 2 * COUNT(heads); i++) {
    repeat(heads[i / 2], i % 2 == 1);
    skip_bytes(300);
    skip_bytes(100);
    ik_transfer_compared(&run_transfer, true);
    assert_int_equal(run_receive(600), 600);
    run_end_body();
    run_assert_state(IK_TRANSFER_DONE);
    assert_false(run_transfer.mixed);
    run_stop();
  }
}

static void begins_again_only_where_they_differ(void **state) {
  (void)state;
  repeat(WHOLE, false);
  skip_bytes(400);
  assert_int_equal(run_transfer.offset, 400);
  ik_transfer_compared(&run_transfer, false);
  assert_int_equal(run_transfer.offset, 0);
  assert_null(strstr(run_send_request(), "Range"));
  run_respond(WHOLE);
  assert_false(run_transfer.compares);
  assert_int_equal(run_receive(SIZE), SIZE);
  run_stop();
}

static void what_was_handed_out_for_good_cannot_begin_again(void **state) {
  (void)state;
  repeat(WHOLE, true);
  skip_bytes(400);
  ik_transfer_compared(&run_transfer, false);
  run_assert_failed(IK_ECHANGED);
  run_stop();
}

/* Which size it has is known at its end: until then it is not believed to be an image. */
static void a_page_of_unknown_length_costs_nothing(void **state) {
  (void)state;
  static const size_t rests[] = {0, 1, 599, 601};
  for (size_t i = 0; i < 2 * COUNT(rests); i++) {
    size_t rest = rests[i / 2];
    repeat(NO_LENGTH, i % 2 == 1);
    skip_bytes(400);
    ik_transfer_compared(&run_transfer, false);
    run_assert_state(IK_TRANSFER_BODY);
    if (rest <= 600) {
      if (rest > 0) skip_bytes(rest);
      run_end_body();
    } else {
      assert_int_equal(run_receive(rest), 0);
    }
    assert_int_equal(run_transfer.error, IK_EHTTP_RANGE);
    assert_int_equal(run_transfer.offset, 400);
    run_assert_waits(200);
    assert_non_null(strstr(run_send_request(), "Range: bytes=400-"));
    run_stop();
  }
}

static void a_short_page_is_no_image_either(void **state) {
  (void)state;
  repeat(NO_LENGTH, false);
  skip_bytes(26);
  run_end_body();
  assert_int_equal(run_transfer.error, IK_ETRUNCATED);
  assert_int_equal(run_transfer.offset, 400);
  run_assert_waits(200);
  run_stop();
}

static void another_image_of_unknown_length_has_the_size(void **state) {
  (void)state;
  for (int no_rewind = 0; no_rewind < 2; no_rewind++) {
    repeat(NO_LENGTH, no_rewind == 1);
    skip_bytes(400);
    ik_transfer_compared(&run_transfer, false);
    skip_bytes(600);
    run_assert_state(IK_TRANSFER_BODY);
    run_end_body();
    if (no_rewind == 1) {
      run_assert_failed(IK_ECHANGED);
    } else {
      assert_null(strstr(run_send_request(), "Range"));
      assert_int_equal(run_transfer.offset, 0);
    }
    run_stop();
  }
}

/* All its bytes are here, but they are of no use: a lost connection does not end the download. */
static void what_differs_is_never_done(void **state) {
  (void)state;
  repeat(NO_LENGTH, false);
  skip_bytes(400);
  ik_transfer_compared(&run_transfer, false);
  skip_bytes(600);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(200);
  assert_int_equal(run_transfer.offset, 400);
  run_stop();
}

/* A drop while the bytes are compared: they are compared anew. */
static void a_drop_on_the_way_costs_nothing(void **state) {
  (void)state;
  repeat(WHOLE, false);
  skip_bytes(200);
  run_lose(IK_ECONNECTION_RESET);
  run_assert_waits(200);
  assert_non_null(strstr(run_send_request(), "Range: bytes=400-"));
  run_respond(WHOLE);
  skip_bytes(400);
  ik_transfer_compared(&run_transfer, true);
  assert_int_equal(run_receive(600), 600);
  run_stop();
}

/* Answers that did not prove to be of one image may be of two. */
static void knows_a_mixture(void **state) {
  (void)state;
  static const struct {
    const char *head;
    bool mixed;
  } cases[] = {
      {"HTTP/1.1 206 x\r\nETag: \"a\"\r\nContent-Range: bytes 400-999/1000\r\n\r\n", false},
      {"HTTP/1.1 206 x\r\nETag: \"b\"\r\nContent-Range: bytes 400-999/1000\r\n\r\n", true},
      {"HTTP/1.1 206 x\r\nContent-Range: bytes 400-999/1000\r\n\r\n", true},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    run_start();
    run_lose_at(WHOLE, 400);
    run_assert_waits(100);
    run_send_request();
    run_respond(cases[i].head);
    run_assert_state(IK_TRANSFER_BODY);
    assert_int_equal(run_transfer.mixed, cases[i].mixed);
    run_stop();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_on_where_they_agree),
      cmocka_unit_test(begins_again_only_where_they_differ),
      cmocka_unit_test(what_was_handed_out_for_good_cannot_begin_again),
      cmocka_unit_test(a_page_of_unknown_length_costs_nothing),
      cmocka_unit_test(a_short_page_is_no_image_either),
      cmocka_unit_test(another_image_of_unknown_length_has_the_size),
      cmocka_unit_test(what_differs_is_never_done),
      cmocka_unit_test(a_drop_on_the_way_costs_nothing),
      cmocka_unit_test(knows_a_mixture),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
