/*
 * Blocks over MQTT on a fake clock: what is asked for and when, what is handed out, whatever the
 * platform answers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "ota/blocks.h"
#include "support/cm.h"
#include "support/rng.h"

#define SIZE_MAX_IMAGE (600 * 1024)
#define LONGEST UINT32_MAX /* random bits: the longest wait */
#define QUEUE 64

struct request {
  uint32_t id;
  uint64_t offset;
  uint32_t size;
};

static uint8_t image[SIZE_MAX_IMAGE];
static uint8_t got[SIZE_MAX_IMAGE];
static uint8_t payload[IK_BLOCK_REPLY_MAX + 1024];
static struct ik_blocks blocks;
static uint64_t now_ms;
static uint32_t last_id;
static struct request asked[QUEUE]; /* not answered yet */
static size_t asked_count;

static struct ik_blocks_options usual(uint64_t size) {
  return (struct ik_blocks_options){.size = size,
                                    .block_max = IK_BLOCK_MAX,
                                    .response_timeout_ms = 30000,
                                    .idle_timeout_ms = 30000,
                                    .max_retries = 3,
                                    .max_tries = 1000,
                                    .retry_min_ms = 100,
                                    .retry_max_ms = 1000};
}

static void start(const struct ik_blocks_options *options) {
  for (size_t i = 0; i < sizeof(image); i++)
    image[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
  memset(got, 0, sizeof(got));
  now_ms = 1000000;
  asked_count = 0;
  last_id = 4294967290u; /* ids wrap */
  ik_blocks_init(&blocks, options, now_ms);
}

static void stop(void) {
  ik_blocks_free(&blocks);
}

/* Sends all that is wanted now. How many that was. */
static size_t ask(void) {
  size_t count = 0;
  struct request request;
  while (ik_blocks_next(&blocks, now_ms, &request.offset, &request.size)) {
    request.id = last_id++;
    ik_blocks_asked(&blocks, request.id, now_ms);
    assert_true(asked_count < QUEUE);
    asked[asked_count++] = request;
    count++;
  }
  return count;
}

static struct request take_asked(size_t index) {
  assert_true(index < asked_count);
  struct request request = asked[index];
  asked_count--;
  memmove(asked + index, asked + index + 1, (asked_count - index) * sizeof(asked[0]));
  return request;
}

static size_t put_head(const char *json) {
  size_t len = strlen(json);
  payload[0] = (uint8_t)(len >> 8);
  payload[1] = (uint8_t)(len & 0xff);
  memcpy(payload + 2, json, len);
  return 2 + len;
}

static size_t compose(uint32_t id, uint64_t offset, uint32_t size, uint64_t file_length,
                      uint16_t crc_change) {
  char json[256];
  snprintf(json, sizeof(json),
           "{\"id\":\"%" PRIu32 "\",\"code\":200,\"data\":{\"bSize\":%" PRIu32
           ",\"bOffset\":%" PRIu64 ",\"fileLength\":%" PRIu64 ",\"fileToken\":\"t\"}}",
           id, size, offset, file_length);
  size_t at = put_head(json);
  memcpy(payload + at, image + offset, size);
  uint16_t crc = ik_crc16(0, payload + at, size) ^ crc_change;
  payload[at + size] = (uint8_t)(crc & 0xff);
  payload[at + size + 1] = (uint8_t)(crc >> 8);
  return at + size + 2;
}

static void deliver(size_t len) {
  uint8_t *copy = malloc(len); /* so that a sanitizer sees its end */
  assert_non_null(copy);
  memcpy(copy, payload, len);
  ik_blocks_reply(&blocks, copy, len, now_ms, LONGEST);
  free(copy);
}

static void answer(const struct request *request) {
  deliver(compose(request->id, request->offset, request->size, blocks.options.size, 0));
}

static void answer_first(void) {
  struct request request = take_asked(0);
  answer(&request);
}

static void refuse(const struct request *request, unsigned code) {
  char json[128];
  snprintf(json, sizeof(json), "{\"id\":\"%" PRIu32 "\",\"code\":%u,\"message\":\"no\"}",
           request->id, code);
  deliver(put_head(json));
}

/* Lets the time pass until something is due. */
static void pass(void) {
  uint64_t due = ik_blocks_deadline(&blocks, now_ms);
  assert_true(due != UINT64_MAX);
  assert_true(due > now_ms);
  now_ms = due;
  ik_blocks_tick(&blocks, now_ms, LONGEST);
}

static void assert_failed(int error) {
  assert_int_equal(blocks.state, IK_BLOCKS_FAILED);
  assert_int_equal(blocks.error, error);
}

static void fetches_an_image(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(SIZE_MAX_IMAGE);
  size_t most = 0;
  uint32_t largest = 0;
  start(&options);
  ik_blocks_lend(&blocks, got, sizeof(got));
  while (blocks.state == IK_BLOCKS_FETCHING) {
    ask();
    if (asked_count > most) most = asked_count;
    if (asked[0].size > largest) largest = asked[0].size;
    assert_true(asked[0].size <= IK_BLOCK_MAX);
    now_ms += 20;
    answer_first();
  }
  assert_int_equal(blocks.state, IK_BLOCKS_DONE);
  assert_int_equal(ik_blocks_take_back(&blocks), SIZE_MAX_IMAGE);
  assert_memory_equal(got, image, SIZE_MAX_IMAGE);
  assert_int_equal(most, IK_BLOCKS_WINDOW);
  assert_int_equal(largest, IK_BLOCK_MAX); /* they have grown */
  assert_int_equal(asked_count, 0);        /* and no byte was asked for twice */
  assert_true(ik_blocks_deadline(&blocks, now_ms) == UINT64_MAX);
  stop();
}

static void asks_for_the_first_blocks_at_once(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(3 * IK_BLOCK_FIRST + 10);
  start(&options);
  assert_int_equal(ask(), 4);
  for (size_t i = 0; i < 4; i++) {
    assert_true(asked[i].offset == i * IK_BLOCK_FIRST);
    assert_int_equal(asked[i].size, i < 3 ? IK_BLOCK_FIRST : 10);
  }
  stop();
}

static void goes_on_at_an_offset(void **state) {
  (void)state;
  struct ik_blocks_options options = usual(1000);
  options.offset = 700;
  start(&options);
  ik_blocks_lend(&blocks, got, sizeof(got));
  assert_int_equal(ask(), 1);
  assert_true(asked[0].offset == 700);
  assert_int_equal(asked[0].size, 300);
  answer_first();
  assert_int_equal(blocks.state, IK_BLOCKS_DONE);
  assert_int_equal(ik_blocks_take_back(&blocks), 300);
  assert_memory_equal(got, image + 700, 300);
  stop();
  options.offset = 1000;
  start(&options);
  assert_int_equal(blocks.state, IK_BLOCKS_DONE);
  stop();
}

static void holds_what_comes_early(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(4 * IK_BLOCK_FIRST);
  start(&options);
  assert_int_equal(ask(), 4);
  ik_blocks_lend(&blocks, got, sizeof(got));
  while (asked_count > 1) {
    struct request last = take_asked(asked_count - 1);
    answer(&last);
  }
  assert_int_equal(blocks.given, 0);
  assert_int_equal(ask(), 0); /* the window is full */
  answer_first();
  assert_int_equal(ik_blocks_take_back(&blocks), 4 * IK_BLOCK_FIRST);
  assert_memory_equal(got, image, 4 * IK_BLOCK_FIRST);
  stop();
}

static void hands_out_as_much_as_there_is_room(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(3 * IK_BLOCK_FIRST);
  size_t at = 0;
  start(&options);
  ask();
  answer_first(); /* nothing is lent: held */
  ik_blocks_lend(&blocks, got, 100);
  assert_int_equal(ik_blocks_take_back(&blocks), 100);
  at = 100;
  while (blocks.state == IK_BLOCKS_FETCHING) {
    ik_blocks_lend(&blocks, got + at, 5000 < sizeof(got) - at ? 5000 : sizeof(got) - at);
    if (blocks.given == 0) answer_first();
    at += ik_blocks_take_back(&blocks);
    ask();
  }
  assert_int_equal(at, 3 * IK_BLOCK_FIRST);
  assert_memory_equal(got, image, at);
  stop();
}

static void ignores_what_it_did_not_ask_for(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(2 * IK_BLOCK_FIRST);
  start(&options);
  ik_blocks_lend(&blocks, got, sizeof(got));
  ask();
  struct request first = asked[0];
  struct request stranger = {.id = 77, .offset = 0, .size = IK_BLOCK_FIRST};
  answer(&stranger);
  deliver(put_head("{"));
  deliver(put_head("[]"));
  deliver(put_head("{\"id\":\"x\",\"code\":200}"));
  deliver(put_head("{\"id\":\"4294967296\",\"code\":200}"));
  deliver(1);
  assert_int_equal(blocks.given, 0);
  assert_int_equal(blocks.backoff.failures, 0);
  answer_first();
  answer(&first); /* once more */
  assert_int_equal(blocks.given, IK_BLOCK_FIRST);
  answer_first();
  assert_int_equal(blocks.given, 2 * IK_BLOCK_FIRST);
  assert_memory_equal(got, image, 2 * IK_BLOCK_FIRST);
  stop();
}

static void asks_again_for_what_was_lost(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(2 * IK_BLOCK_FIRST);
  start(&options);
  ik_blocks_lend(&blocks, got, sizeof(got));
  ask();
  struct request lost = take_asked(0);
  now_ms += 300;
  answer_first(); /* the second */
  assert_int_equal(ask(), 0);
  assert_true(ik_blocks_deadline(&blocks, now_ms) == now_ms + 1000 + 4 * 300);
  pass();
  assert_int_equal(ask(), 0); /* first a wait */
  pass();
  assert_true(ask() > 0);
  assert_true(asked[0].offset == 0);
  assert_true(asked[0].size < IK_BLOCK_FIRST); /* in smaller ones */
  assert_true(asked[0].id != lost.id);
  /* The first reply comes after all: it is as good. */
  answer(&lost);
  assert_int_equal(blocks.state, IK_BLOCKS_DONE);
  assert_memory_equal(got, image, 2 * IK_BLOCK_FIRST);
  stop();
}

static void goes_on_in_smaller_blocks_within_a_piece(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(IK_BLOCK_FIRST);
  start(&options);
  ik_blocks_lend(&blocks, got, sizeof(got));
  ask();
  take_asked(0);
  pass();
  while (blocks.state == IK_BLOCKS_FETCHING) {
    if (asked_count == 0) pass();
    ask();
    while (asked_count > 0) {
      assert_true(asked[0].size <= IK_BLOCK_FIRST / 2);
      answer_first();
    }
    ask();
  }
  assert_memory_equal(got, image, IK_BLOCK_FIRST);
  stop();
}

static void gives_up_when_nothing_answers(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(10 * IK_BLOCK_FIRST);
  unsigned tries = 0;
  uint64_t begun;
  start(&options);
  begun = now_ms;
  while (blocks.state == IK_BLOCKS_FETCHING) {
    if (ask() > 0) tries++;
    pass();
  }
  assert_failed(IK_EIDLE_TIMEOUT);
  assert_int_equal(tries, options.max_retries + 1);
  assert_true(now_ms - begun > 4 * 10000);
  assert_non_null(strstr(blocks.detail, "block at 0: no reply within 30000 ms"));
  stop();
}

/* Spoils each reply to the first block; the others come well, until the window is full. */
static void assert_spoilt(size_t (*spoil)(const struct request *request), const char *detail) {
  const struct ik_blocks_options options = usual(10 * IK_BLOCK_FIRST);
  unsigned tries = 0;
  start(&options);
  ik_blocks_lend(&blocks, got, sizeof(got));
  while (blocks.state == IK_BLOCKS_FETCHING) {
    ask();
    if (asked_count == 0) {
      pass();
      continue;
    }
    struct request request = take_asked(0);
    if (request.offset > 0) {
      answer(&request);
    } else {
      tries++;
      deliver(spoil(&request));
    }
  }
  assert_failed(IK_EBLOCK);
  assert_true(tries > options.max_retries);
  assert_non_null(strstr(blocks.detail, detail));
  assert_int_equal(blocks.given, 0); /* nothing of it was handed out */
  stop();
}

static size_t spoil_crc(const struct request *r) {
  return compose(r->id, r->offset, r->size, blocks.options.size, 1);
}
static size_t spoil_size(const struct request *r) {
  return compose(r->id, r->offset, r->size - 1, blocks.options.size, 0);
}
static size_t spoil_offset(const struct request *r) {
  return compose(r->id, r->offset + 1, r->size, blocks.options.size, 0);
}
static size_t spoil_length(const struct request *r) {
  return compose(r->id, r->offset, r->size, blocks.options.size + 1, 0);
}
static size_t spoil_end(const struct request *r) {
  return compose(r->id, r->offset, r->size, blocks.options.size, 0) - 1;
}
static size_t spoil_data(const struct request *r) {
  char json[64];
  snprintf(json, sizeof(json), "{\"id\":%" PRIu32 ",\"code\":\"200\",\"data\":[]}", r->id);
  return put_head(json);
}

static void asks_again_for_spoilt_blocks_but_not_for_ever(void **state) {
  (void)state;
  assert_spoilt(spoil_crc, "block at 0: block: the CRC does not fit");
  assert_spoilt(spoil_size, "it has another size than was asked for");
  assert_spoilt(spoil_offset, "it is from another place");
  assert_spoilt(spoil_length, "the image has another size");
  assert_spoilt(spoil_end, "bytes came instead of bSize");
  assert_spoilt(spoil_data, "data is not an object");
}

static void shrinks_to_what_the_platform_takes(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(100000);
  start(&options);
  ik_blocks_lend(&blocks, got, sizeof(got));
  while (blocks.state == IK_BLOCKS_FETCHING) {
    ask();
    if (asked_count == 0) {
      pass();
      continue;
    }
    struct request request = take_asked(0);
    bool last = request.offset + request.size == options.size;
    if (request.size > 5000 || (request.size < IK_BLOCK_MIN && !last)) {
      refuse(&request, 400);
    } else {
      answer(&request);
    }
  }
  assert_int_equal(blocks.state, IK_BLOCKS_DONE);
  assert_memory_equal(got, image, 100000);
  assert_int_equal(blocks.block, 4096); /* it has not tried again and again */
  stop();
}

static void waits_while_the_platform_is_busy(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(100000);
  start(&options);
  ask();
  refuse(&asked[0], 429);
  refuse(&asked[1], 503);
  assert_int_equal(blocks.backoff.failures, 1); /* of one cause */
  assert_int_equal(blocks.block, IK_BLOCK_FIRST);
  assert_int_equal(ask(), 0);
  pass();
  assert_int_equal(ask(), 2);
  for (unsigned i = 0; i < 4 && blocks.state == IK_BLOCKS_FETCHING; i++) {
    refuse(&asked[asked_count - 1], 500);
    if (blocks.state == IK_BLOCKS_FETCHING) pass();
    ask();
  }
  assert_failed(IK_EBLOCK);
  assert_non_null(strstr(blocks.detail, "code 500 no"));
  stop();
}

static void waits_for_the_connection(void **state) {
  (void)state;
  struct ik_blocks_options options = usual(1000);
  uint64_t offset;
  uint32_t size;
  options.idle_timeout_ms = 2000;
  start(&options);
  for (unsigned i = 0; i < 4; i++) {
    assert_true(ik_blocks_next(&blocks, now_ms, &offset, &size));
    ik_blocks_not_asked(&blocks, IK_ENOT_CONNECTED, now_ms, LONGEST);
    assert_int_equal(blocks.backoff.failures, 0);
    pass();
  }
  assert_int_equal(ask(), 1);
  answer_first();
  assert_int_equal(blocks.count, 1); /* held: nothing was lent */
  stop();
  start(&options);
  uint64_t begun = now_ms;
  while (blocks.state == IK_BLOCKS_FETCHING) {
    assert_true(ik_blocks_next(&blocks, now_ms, &offset, &size));
    ik_blocks_not_asked(&blocks, IK_ENOT_CONNECTED, now_ms, LONGEST);
    if (blocks.state == IK_BLOCKS_FETCHING) pass();
  }
  assert_failed(IK_ENOT_CONNECTED);
  assert_true(now_ms - begun >= 4 * 2000);
  stop();
  start(&options);
  assert_true(ik_blocks_next(&blocks, now_ms, &offset, &size));
  ik_blocks_not_asked(&blocks, IK_ECLOSED, now_ms, LONGEST);
  assert_failed(IK_ECLOSED);
  stop();
}

static void keeps_its_limits_of_time_and_tries(void **state) {
  (void)state;
  struct ik_blocks_options options = usual(100000);
  options.total_timeout_ms = 5000;
  options.max_retries = UINT32_MAX;
  start(&options);
  ask();
  now_ms += 4000;
  ik_blocks_resume(&blocks, 4000, true); /* it was paused */
  ik_blocks_tick(&blocks, now_ms, LONGEST);
  assert_int_equal(blocks.state, IK_BLOCKS_FETCHING);
  assert_true(ik_blocks_deadline(&blocks, now_ms) == now_ms + 5000);
  pass();
  assert_failed(IK_ETIMEOUT);
  stop();
  options.total_timeout_ms = 0;
  options.max_tries = 7;
  start(&options);
  while (blocks.state == IK_BLOCKS_FETCHING) {
    ask();
    if (blocks.state == IK_BLOCKS_FETCHING) pass();
  }
  assert_failed(IK_EBLOCK);
  assert_int_equal(blocks.repeats, 8);
  stop();
}

static void counts_no_time_while_nobody_looks(void **state) {
  (void)state;
  const struct ik_blocks_options options = usual(100000);
  start(&options);
  ask();
  now_ms += 3600000; /* the caller was writing */
  ik_blocks_resume(&blocks, 3600000, false);
  ik_blocks_tick(&blocks, now_ms, LONGEST);
  assert_int_equal(blocks.backoff.failures, 0);
  ik_blocks_lend(&blocks, got, sizeof(got));
  answer_first();
  assert_int_equal(blocks.given, IK_BLOCK_FIRST);
  stop();
}

static void fits_into_small_messages(void **state) {
  (void)state;
  struct ik_blocks_options options = usual(10000);
  options.block_max = 300;
  start(&options);
  ik_blocks_lend(&blocks, got, sizeof(got));
  while (blocks.state == IK_BLOCKS_FETCHING) {
    ask();
    assert_true(asked[0].size <= 300);
    answer_first();
  }
  assert_memory_equal(got, image, 10000);
  stop();
}

/* One reply or none to some request, as chance has it. */
static void misbehave(struct rng *rng) {
  size_t index = rng_below(rng, asked_count);
  struct request request = asked[index];
  size_t what = rng_below(rng, 16);
  if (what < 12 && rng_below(rng, 4) > 0) take_asked(index); /* else it is answered twice */
  switch (what) {
  case 0: /* lost */
    return;
  case 1:
    deliver(spoil_crc(&request));
    return;
  case 2:
    refuse(&request, rng_below(rng, 2) ? 429 : 400);
    return;
  case 3:
    deliver(compose(request.id, request.offset, request.size, 1, 0));
    return;
  default:
    answer(&request);
  }
}

static void survives_anything(void **state) {
  (void)state;
  struct rng rng = rng_start("survives_anything");
  for (unsigned round = 0; round < 200; round++) {
    struct ik_blocks_options options = usual(1 + rng_below(&rng, SIZE_MAX_IMAGE));
    size_t at = options.offset = rng_below(&rng, (size_t)options.size);
    options.max_retries = UINT32_MAX;
    options.max_tries = UINT32_MAX;
    options.block_max = IK_BLOCK_MIN + (uint32_t)rng_below(&rng, IK_BLOCK_MAX - IK_BLOCK_MIN);
    start(&options);
    while (blocks.state == IK_BLOCKS_FETCHING) {
      size_t room = 1 + rng_below(&rng, 100000);
      if (room > options.size - at) room = (size_t)options.size - at;
      ik_blocks_lend(&blocks, got + at, room);
      ask();
      if (asked_count > 8 || (asked_count > 0 && rng_below(&rng, 4) > 0)) {
        now_ms += rng_below(&rng, 700);
        misbehave(&rng);
      } else if (ik_blocks_deadline(&blocks, now_ms) > now_ms && blocks.given == 0 &&
                 ik_blocks_deadline(&blocks, now_ms) != UINT64_MAX) {
        pass();
        if (rng_below(&rng, 8) == 0) asked_count = 0; /* a reconnect */
      } else {
        ik_blocks_tick(&blocks, now_ms, LONGEST);
      }
      at += ik_blocks_take_back(&blocks);
      assert_true(blocks.offset == at);
      assert_true(blocks.count <= IK_BLOCKS_WINDOW);
    }
    assert_int_equal(blocks.state, IK_BLOCKS_DONE);
    assert_int_equal(at, options.size);
    assert_memory_equal(got + options.offset, image + options.offset,
                        (size_t)(options.size - options.offset));
    stop();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fetches_an_image),
      cmocka_unit_test(asks_for_the_first_blocks_at_once),
      cmocka_unit_test(goes_on_at_an_offset),
      cmocka_unit_test(holds_what_comes_early),
      cmocka_unit_test(hands_out_as_much_as_there_is_room),
      cmocka_unit_test(ignores_what_it_did_not_ask_for),
      cmocka_unit_test(asks_again_for_what_was_lost),
      cmocka_unit_test(goes_on_in_smaller_blocks_within_a_piece),
      cmocka_unit_test(gives_up_when_nothing_answers),
      cmocka_unit_test(asks_again_for_spoilt_blocks_but_not_for_ever),
      cmocka_unit_test(shrinks_to_what_the_platform_takes),
      cmocka_unit_test(waits_while_the_platform_is_busy),
      cmocka_unit_test(waits_for_the_connection),
      cmocka_unit_test(keeps_its_limits_of_time_and_tries),
      cmocka_unit_test(counts_no_time_while_nobody_looks),
      cmocka_unit_test(fits_into_small_messages),
      cmocka_unit_test(survives_anything),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
