/*
 * Downloads in blocks on a fake clock: which blocks are requested and when, and which bytes are
 * handed out. test_blocks_faults.c has what goes wrong, test_blocks_oom.c the lack of memory.
 */
#include <stdlib.h>
#include <string.h>

#include "support/blocks_run.h"
#include "support/cm.h"

static void fetches_an_image(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(IMAGE_MAX);
  size_t most = 0;
  uint32_t largest = 0;
  br_start_lent(&options);
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    br_ask();
    if (br_asked_count > most) most = br_asked_count;
    if (br_asked[0].size > largest) largest = br_asked[0].size;
    assert_true(br_asked[0].size <= IK_BLOCK_MAX);
    br_now_ms += 20;
    br_reply_first();
  }
  assert_int_equal(ik_blocks_take_back(&br_blocks), IMAGE_MAX);
  br_assert_done();
  assert_int_equal(most, IK_BLOCKS_WINDOW);
  assert_int_equal(largest, IK_BLOCK_MAX); /* blocks have grown */
  assert_int_equal(br_asked_count, 0);     /* and no byte was requested twice */
  assert_true(ik_blocks_deadline(&br_blocks, br_now_ms) == UINT64_MAX);
  br_stop();
}

static void asks_for_the_first_blocks_together(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(3 * IK_BLOCK_FIRST + 10);
  br_start(&options);
  assert_int_equal(br_ask(), 4);
  for (size_t i = 0; i < 4; i++) {
    assert_true(br_asked[i].offset == i * IK_BLOCK_FIRST);
    assert_int_equal(br_asked[i].size, i < 3 ? IK_BLOCK_FIRST : 10);
  }
  br_stop();
}

static void goes_on_at_an_offset(void **state) {
  (void)state;
  struct ik_blocks_options options = br_usual(1000);
  options.offset = 700;
  br_start_lent(&options);
  assert_int_equal(br_ask(), 1);
  assert_true(br_asked[0].offset == 700);
  assert_int_equal(br_asked[0].size, 300);
  br_reply_first();
  assert_int_equal(ik_blocks_take_back(&br_blocks), 300);
  br_assert_done();
  br_stop();
  options.offset = 1000;
  br_start(&options);
  assert_int_equal(br_blocks.state, IK_BLOCKS_DONE);
  br_stop();
}

static void holds_what_comes_early(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(4 * IK_BLOCK_FIRST);
  br_start(&options);
  assert_int_equal(br_ask(), 4);
  ik_blocks_lend(&br_blocks, br_got, sizeof(br_got));
  while (br_asked_count > 1) {
    struct request last = br_take_asked(br_asked_count - 1);
    br_reply(&last);
  }
  assert_int_equal(br_blocks.given, 0);
  assert_int_equal(br_ask(), 0); /* the window is full */
  br_reply_first();
  assert_int_equal(ik_blocks_take_back(&br_blocks), 4 * IK_BLOCK_FIRST);
  br_assert_done();
  br_stop();
}

static void hands_out_as_much_as_there_is_room(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(3 * IK_BLOCK_FIRST);
  size_t at = 0;
  br_start(&options);
  br_ask();
  br_reply_first(); /* no buffer is lent: the block is held */
  ik_blocks_lend(&br_blocks, br_got, 100);
  assert_int_equal(ik_blocks_take_back(&br_blocks), 100);
  at = 100;
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    ik_blocks_lend(&br_blocks, br_got + at,
                   5000 < sizeof(br_got) - at ? 5000 : sizeof(br_got) - at);
    if (br_blocks.given == 0) br_reply_first();
    at += ik_blocks_take_back(&br_blocks);
    br_ask();
  }
  assert_int_equal(at, 3 * IK_BLOCK_FIRST);
  br_assert_done();
  br_stop();
}

static void ignores_what_it_did_not_ask_for(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(2 * IK_BLOCK_FIRST);
  br_start_lent(&options);
  br_ask();
  struct request first = br_asked[0];
  struct request stranger = {.id = 77, .offset = 0, .size = IK_BLOCK_FIRST};
  br_reply(&stranger);
  br_deliver(br_put_json("{"));
  br_deliver(br_put_json("[]"));
  br_deliver(br_put_json("{\"id\":\"x\",\"code\":200}"));
  br_deliver(br_put_json("{\"id\":\"4294967296\",\"code\":200}"));
  br_deliver(1);
  assert_int_equal(br_blocks.given, 0);
  assert_int_equal(br_blocks.backoff.failures, 0);
  br_reply_first();
  br_reply(&first); /* once more */
  assert_int_equal(br_blocks.given, IK_BLOCK_FIRST);
  br_reply_first();
  assert_int_equal(br_blocks.given, 2 * IK_BLOCK_FIRST);
  br_assert_done();
  br_stop();
}

static void counts_no_time_while_the_caller_is_away(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(100000);
  br_start(&options);
  br_ask();
  br_now_ms += 3600000; /* the caller was writing */
  ik_blocks_extend_deadlines(&br_blocks, 3600000);
  ik_blocks_tick(&br_blocks, br_now_ms, LONGEST);
  assert_int_equal(br_blocks.backoff.failures, 0);
  ik_blocks_lend(&br_blocks, br_got, sizeof(br_got));
  br_reply_first();
  assert_int_equal(br_blocks.given, IK_BLOCK_FIRST);
  br_stop();
}

static void fits_into_small_messages(void **state) {
  (void)state;
  struct ik_blocks_options options = br_usual(10000);
  options.block_max = 300;
  br_start_lent(&options);
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    br_ask();
    assert_true(br_asked[0].size <= 300);
    br_reply_first();
  }
  br_assert_done();
  br_stop();
}

static void waits_for_the_connection(void **state) {
  (void)state;
  struct ik_blocks_options options = br_usual(1000);
  uint64_t offset;
  uint32_t size;
  options.idle_timeout_ms = 2000;
  br_start(&options);
  for (unsigned i = 0; i < 4; i++) {
    assert_true(ik_blocks_next(&br_blocks, br_now_ms, &offset, &size));
    ik_blocks_not_asked(&br_blocks, IK_ENOT_CONNECTED, br_now_ms, LONGEST);
    assert_int_equal(br_blocks.backoff.failures, 0);
    br_pass();
  }
  assert_int_equal(br_ask(), 1);
  br_reply_first();
  assert_int_equal(br_blocks.count, 1); /* held: no buffer is lent */
  br_stop();
  br_start(&options);
  uint64_t begun = br_now_ms;
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    assert_true(ik_blocks_next(&br_blocks, br_now_ms, &offset, &size));
    ik_blocks_not_asked(&br_blocks, IK_ENOT_CONNECTED, br_now_ms, LONGEST);
    if (br_blocks.state == IK_BLOCKS_FETCHING) br_pass();
  }
  br_assert_failed(IK_ENOT_CONNECTED);
  assert_true(br_now_ms - begun >= 4 * 2000);
  br_stop();
  br_start(&options);
  assert_true(ik_blocks_next(&br_blocks, br_now_ms, &offset, &size));
  ik_blocks_not_asked(&br_blocks, IK_ECLOSED, br_now_ms, LONGEST);
  br_assert_failed(IK_ECLOSED);
  br_stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fetches_an_image),
      cmocka_unit_test(asks_for_the_first_blocks_together),
      cmocka_unit_test(goes_on_at_an_offset),
      cmocka_unit_test(holds_what_comes_early),
      cmocka_unit_test(hands_out_as_much_as_there_is_room),
      cmocka_unit_test(ignores_what_it_did_not_ask_for),
      cmocka_unit_test(waits_for_the_connection),
      cmocka_unit_test(counts_no_time_while_the_caller_is_away),
      cmocka_unit_test(fits_into_small_messages),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
