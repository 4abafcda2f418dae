/*
 * Downloads in blocks on a fake clock: replies that are lost, late, bad or refusals, and when the
 * policy gives up.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support/blocks_run.h"
#include "support/cm.h"
#include "support/rng.h"

static void asks_again_for_what_was_lost(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(2 * IK_BLOCK_FIRST);
  br_start_lent(&options);
  br_ask();
  struct request lost = br_take_asked(0);
  br_now_ms += 300;
  br_reply_first(); /* the second */
  assert_int_equal(br_ask(), 0);
  assert_true(ik_blocks_deadline(&br_blocks, br_now_ms) == br_now_ms + 1000 + 4 * 300);
  br_pass();
  assert_int_equal(br_ask(), 0); /* first a wait */
  br_pass();
  assert_true(br_ask() > 0);
  assert_true(br_asked[0].offset == 0);
  assert_int_equal(br_asked[0].size, IK_BLOCK_FIRST); /* it may only have been one too many */
  assert_true(br_asked[0].id != lost.id);
  /* The reply to the first request arrives after all: it is as good. */
  br_reply(&lost);
  br_assert_done();
  br_stop();
}

/* Twice, the second time with nothing else under way. */
static void goes_on_in_smaller_blocks_within_a_range(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(IK_BLOCK_FIRST);
  br_start_lent(&options);
  for (int i = 0; i < 2; i++) {
    while (br_ask() == 0)
      br_pass();
    br_take_asked(0);
    br_pass();
  }
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    if (br_asked_count == 0) br_pass();
    br_ask();
    while (br_asked_count > 0) {
      assert_true(br_asked[0].size <= IK_BLOCK_FIRST / 2);
      br_reply_first();
    }
    br_ask();
  }
  br_assert_done();
  br_stop();
}

static void gives_up_without_any_reply(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(10 * IK_BLOCK_FIRST);
  unsigned tries = 0;
  uint64_t begun;
  br_start(&options);
  begun = br_now_ms;
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    if (br_ask() > 0) tries++;
    br_pass();
  }
  br_assert_failed(IK_EIDLE_TIMEOUT);
  assert_int_equal(tries, options.max_retries + 1);
  assert_true(br_now_ms - begun > 4 * 10000);
  assert_non_null(strstr(br_blocks.detail, "block at 0: no reply within 30000 ms"));
  br_stop();
}

/* Each reply to the first block is bad; the others are good, until the window is full. */
static void assert_bad(size_t (*compose)(const struct request *request), const char *detail) {
  const struct ik_blocks_options options = br_usual(10 * IK_BLOCK_FIRST);
  struct request request;
  unsigned tries = 0;
  br_start_lent(&options);
  while (br_await_request(&request)) {
    if (request.offset > 0) {
      br_reply(&request);
    } else {
      tries++;
      br_deliver(compose(&request));
    }
  }
  br_assert_failed(IK_EBLOCK);
  assert_true(tries > options.max_retries);
  assert_non_null(strstr(br_blocks.detail, detail));
  assert_int_equal(br_blocks.given, 0); /* no byte of it was handed out */
  br_stop();
}

static size_t bad_crc(const struct request *r) {
  return br_compose(r->id, r->offset, r->size, br_blocks.options.size, 1);
}
static size_t bad_size(const struct request *r) {
  return br_compose(r->id, r->offset, r->size - 1, br_blocks.options.size, 0);
}
static size_t bad_offset(const struct request *r) {
  return br_compose(r->id, r->offset + 1, r->size, br_blocks.options.size, 0);
}
static size_t bad_length(const struct request *r) {
  return br_compose(r->id, r->offset, r->size, br_blocks.options.size + 1, 0);
}
static size_t bad_end(const struct request *r) {
  return br_compose(r->id, r->offset, r->size, br_blocks.options.size, 0) - 1;
}
static size_t bad_data(const struct request *r) {
  char json[64];
  snprintf(json, sizeof(json), "{\"id\":%" PRIu32 ",\"code\":\"200\",\"data\":[]}", r->id);
  return br_put_json(json);
}

static void asks_again_for_bad_blocks_but_not_for_ever(void **state) {
  (void)state;
  assert_bad(bad_crc, "block at 0: block: the CRC does not fit");
  assert_bad(bad_size, "it has another size than was asked for");
  assert_bad(bad_offset, "it is from another place");
  assert_bad(bad_length, "the image has another size");
  assert_bad(bad_end, "bytes came instead of bSize");
  assert_bad(bad_data, "data is not an object");
}

static void shrinks_to_what_the_platform_takes(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(100000);
  struct request request;
  br_start_lent(&options);
  while (br_await_request(&request)) {
    bool last = request.offset + request.size == options.size;
    if (request.size > 5000 || (request.size < IK_BLOCK_MIN && !last)) {
      br_refuse(&request, 400);
    } else {
      br_reply(&request);
    }
  }
  br_assert_done();
  assert_int_equal(br_blocks.block_size, 4096); /* larger ones were not tried again and again */
  br_stop();
}

static void tries_a_refused_size_again_later(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(IMAGE_MAX);
  struct request request;
  uint32_t largest = 0;
  unsigned refused = 0;
  br_start_lent(&options);
  while (br_await_request(&request)) {
    if (refused < 4 && br_blocks.given > 0) {
      refused++; /* for a cause that goes away */
      br_refuse(&request, 400);
    } else {
      br_reply(&request);
      if (refused == 4 && request.size > largest) largest = request.size;
    }
  }
  br_assert_done();
  assert_true(largest >= IK_BLOCK_FIRST);
  br_stop();
}

static void waits_while_the_platform_is_busy(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(100000);
  br_start(&options);
  br_ask();
  br_refuse(&br_asked[0], 429);
  br_refuse(&br_asked[1], 503);
  assert_int_equal(br_blocks.backoff.failures, 1); /* both for one cause */
  assert_int_equal(br_blocks.block_size, IK_BLOCK_FIRST);
  br_reply(&br_asked[2]);
  br_reply(&br_asked[3]);
  assert_int_equal(br_ask(), 0);
  br_pass();
  assert_int_equal(br_ask(), 1); /* four at a time were too many */
  for (unsigned i = 0; i < 4 && br_blocks.state == IK_BLOCKS_FETCHING; i++) {
    br_refuse(&br_asked[br_asked_count - 1], 500);
    if (br_blocks.state == IK_BLOCKS_FETCHING) br_pass();
    br_ask();
  }
  br_assert_failed(IK_EBLOCK);
  assert_non_null(strstr(br_blocks.detail, "code 500 no"));
  br_stop();
}

static void keeps_its_limits_of_time_and_tries(void **state) {
  (void)state;
  struct ik_blocks_options options = br_usual(100000);
  options.total_timeout_ms = 5000;
  options.max_retries = UINT32_MAX;
  br_start(&options);
  br_ask();
  br_now_ms += 4000;
  ik_blocks_extend_deadlines(&br_blocks, 4000);
  ik_blocks_paused(&br_blocks, 4000);
  ik_blocks_tick(&br_blocks, br_now_ms, LONGEST);
  assert_int_equal(br_blocks.state, IK_BLOCKS_FETCHING);
  assert_true(ik_blocks_deadline(&br_blocks, br_now_ms) == br_now_ms + 5000);
  br_pass();
  br_assert_failed(IK_ETIMEOUT);
  br_stop();
  options.total_timeout_ms = 0;
  options.max_tries = 7;
  br_start(&options);
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    br_ask();
    if (br_blocks.state == IK_BLOCKS_FETCHING) br_pass();
  }
  br_assert_failed(IK_EBLOCK);
  assert_int_equal(br_blocks.repeats, 8);
  br_stop();
}

/* A random reply, or none, to a random request. */
static void misbehave(struct rng *rng) {
  size_t index = rng_below(rng, br_asked_count);
  struct request request = br_asked[index];
  size_t what = rng_below(rng, 16);
  if (what < 12 && rng_below(rng, 4) > 0) br_take_asked(index); /* else there may be two replies */
  switch (what) {
  case 0: /* lost */
    return;
  case 1:
    br_deliver(bad_crc(&request));
    return;
  case 2:
    br_refuse(&request, rng_below(rng, 2) ? 429 : 400);
    return;
  case 3:
    br_deliver(br_compose(request.id, request.offset, request.size, 1, 0));
    return;
  default:
    br_reply(&request);
  }
}

static void survives_anything(void **state) {
  (void)state;
  struct rng rng = rng_start("survives_anything");
  for (unsigned round = 0; round < 200; round++) {
    struct ik_blocks_options options = br_usual(1 + rng_below(&rng, IMAGE_MAX));
    size_t at = options.offset = rng_below(&rng, (size_t)options.size);
    options.max_retries = UINT32_MAX;
    options.max_tries = UINT32_MAX;
    options.block_max = IK_BLOCK_MIN + (uint32_t)rng_below(&rng, IK_BLOCK_MAX - IK_BLOCK_MIN);
    br_start(&options);
    while (br_blocks.state == IK_BLOCKS_FETCHING) {
      size_t room = 1 + rng_below(&rng, 100000);
      if (room > options.size - at) room = (size_t)options.size - at;
      ik_blocks_lend(&br_blocks, br_got + at, room);
      br_ask();
      if (br_asked_count > 8 || (br_asked_count > 0 && rng_below(&rng, 4) > 0)) {
        br_now_ms += rng_below(&rng, 700);
        misbehave(&rng);
      } else if (ik_blocks_deadline(&br_blocks, br_now_ms) > br_now_ms && br_blocks.given == 0 &&
                 ik_blocks_deadline(&br_blocks, br_now_ms) != UINT64_MAX) {
        br_pass();
        if (rng_below(&rng, 8) == 0) br_asked_count = 0; /* a reconnect */
      } else {
        ik_blocks_tick(&br_blocks, br_now_ms, LONGEST);
      }
      at += ik_blocks_take_back(&br_blocks);
      assert_true(br_blocks.offset == at);
      assert_true(br_blocks.count <= IK_BLOCKS_WINDOW);
    }
    br_assert_done();
    assert_int_equal(at, options.size);
    br_stop();
  }
}

/* ---- a platform that takes few requests ---- */

#define APART_MS 100

/* Answers only what comes APART_MS after the request before, well or not; 5 ms later. */
struct strict {
  uint64_t last_ms;
  unsigned dropped;
};

static void run_strict(struct strict *strict) {
  uint64_t seen = 0;
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    br_ask();
    while (br_asked_count > 0) {
      struct request request = br_take_asked(0);
      bool answers = br_now_ms - strict->last_ms >= APART_MS;
      strict->last_ms = br_now_ms;
      seen++;
      if (!answers) strict->dropped++;
      if (!answers) continue;
      br_now_ms += 5;
      br_reply(&request);
      br_ask();
    }
    if (br_blocks.state == IK_BLOCKS_FETCHING) br_pass();
    assert_true(seen < 1000);
  }
}

static void comes_from_a_platform_that_wants_distance(void **state) {
  (void)state;
  struct ik_blocks_options options = br_usual(300000);
  struct strict strict = {0, 0};
  options.patience_ms = 600000;
  options.max_retries = UINT32_MAX;
  options.block_max = IK_BLOCK_FIRST; /* 19 blocks, and more in smaller ones */
  br_start_lent(&options);
  uint64_t begun_ms = br_now_ms;
  run_strict(&strict);
  br_assert_done();
  assert_true(strict.dropped <= 8);
  assert_true(br_now_ms - begun_ms < 30000);
  br_stop();
}

/* The same for a whole image, and in the smallest blocks: what is dropped becomes ever less. */
static void tries_to_be_quicker_ever_more_seldom(void **state) {
  (void)state;
  struct ik_blocks_options options = br_usual(300000);
  struct strict strict = {0, 0};
  options.patience_ms = 600000;
  options.max_retries = UINT32_MAX;
  options.block_max = 1000;
  br_start_lent(&options);
  run_strict(&strict);
  br_assert_done();
  assert_true(strict.dropped < 20);
  br_stop();
}

static void opens_the_window_again_step_by_step(void **state) {
  (void)state;
  const struct ik_blocks_options options = br_usual(IMAGE_MAX);
  size_t under_way = 0;
  br_start_lent(&options);
  br_blocks.block_size_max = br_blocks.block_size = 1000;
  br_ask();
  br_asked_count = 0; /* a burst without a reply */
  br_pass();
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    br_ask();
    assert_true(br_asked_count <= under_way + 1);
    if (br_asked_count > under_way) under_way = br_asked_count;
    if (br_asked_count > 0) br_now_ms += 5;
    if (br_asked_count > 0) {
      br_reply_first();
    } else {
      br_pass();
    }
  }
  br_assert_done();
  assert_int_equal(under_way, IK_BLOCKS_WINDOW);
  br_stop();
}

/* The first try that fails after so long is the last. */
static void gives_up_when_its_patience_is_over(void **state) {
  (void)state;
  struct ik_blocks_options options = br_usual(10 * IK_BLOCK_FIRST);
  options.patience_ms = 600000;
  options.max_retries = UINT32_MAX;
  br_start(&options);
  br_ask();
  br_reply_first(); /* progress, though it is only held */
  uint64_t begun_ms = br_now_ms;
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    br_ask();
    br_asked_count = 0;
    br_pass();
  }
  br_assert_failed(IK_EIDLE_TIMEOUT);
  assert_true(br_now_ms - begun_ms >= 600000 && br_now_ms - begun_ms < 640000);
  assert_true(br_blocks.waits > 5);
  br_stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(asks_again_for_what_was_lost),
      cmocka_unit_test(goes_on_in_smaller_blocks_within_a_range),
      cmocka_unit_test(gives_up_without_any_reply),
      cmocka_unit_test(asks_again_for_bad_blocks_but_not_for_ever),
      cmocka_unit_test(shrinks_to_what_the_platform_takes),
      cmocka_unit_test(tries_a_refused_size_again_later),
      cmocka_unit_test(waits_while_the_platform_is_busy),
      cmocka_unit_test(keeps_its_limits_of_time_and_tries),
      cmocka_unit_test(survives_anything),
      cmocka_unit_test(comes_from_a_platform_that_wants_distance),
      cmocka_unit_test(tries_to_be_quicker_ever_more_seldom),
      cmocka_unit_test(opens_the_window_again_step_by_step),
      cmocka_unit_test(gives_up_when_its_patience_is_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
