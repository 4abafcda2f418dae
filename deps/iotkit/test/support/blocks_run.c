/*
 * blocks_run.c - see blocks_run.h. Nothing allocated here outlives br_stop().
 */
#include "support/blocks_run.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "support/cm.h"

#define QUEUE 64

uint8_t br_image[IMAGE_MAX], br_got[IMAGE_MAX];
static uint8_t payload[IK_BLOCK_REPLY_MAX + 1024];
struct ik_blocks br_blocks;
uint64_t br_now_ms;
static uint32_t last_id;
struct request br_asked[QUEUE];
size_t br_asked_count;

struct ik_blocks_options br_usual(uint64_t size) {
  return (struct ik_blocks_options){.size = size,
                                    .block_max = IK_BLOCK_MAX,
                                    .response_timeout_ms = 30000,
                                    .idle_timeout_ms = 30000,
                                    .patience_ms = UINT32_MAX,
                                    .max_retries = 3,
                                    .max_tries = 1000,
                                    .retry_min_ms = 100,
                                    .retry_max_ms = 1000};
}

void br_start(const struct ik_blocks_options *options) {
  for (size_t i = 0; i < sizeof(br_image); i++)
    br_image[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
  memset(br_got, 0, sizeof(br_got));
  br_now_ms = 1000000;
  br_asked_count = 0;
  last_id = 4294967290u; /* ids wrap */
  ik_blocks_init(&br_blocks, options, br_now_ms);
}

void br_start_lent(const struct ik_blocks_options *options) {
  br_start(options);
  ik_blocks_lend(&br_blocks, br_got + options->offset, sizeof(br_got) - (size_t)options->offset);
}

void br_stop(void) {
  ik_blocks_free(&br_blocks);
}

size_t br_ask(void) {
  size_t count = 0;
  struct request request;
  while (ik_blocks_next(&br_blocks, br_now_ms, &request.offset, &request.size)) {
    request.id = last_id++;
    ik_blocks_asked(&br_blocks, request.id, br_now_ms);
    assert_true(br_asked_count < QUEUE);
    br_asked[br_asked_count++] = request;
    count++;
  }
  return count;
}

struct request br_take_asked(size_t index) {
  assert_true(index < br_asked_count);
  struct request request = br_asked[index];
  br_asked_count--;
  memmove(br_asked + index, br_asked + index + 1, (br_asked_count - index) * sizeof(br_asked[0]));
  return request;
}

bool br_await_request(struct request *request) {
  while (br_blocks.state == IK_BLOCKS_FETCHING) {
    br_ask();
    if (br_asked_count > 0) {
      *request = br_take_asked(0);
      return true;
    }
    br_pass();
  }
  return false;
}

size_t br_put_json(const char *json) {
  size_t len = strlen(json);
  payload[0] = (uint8_t)(len >> 8);
  payload[1] = (uint8_t)(len & 0xff);
  memcpy(payload + 2, json, len);
  return 2 + len;
}

size_t br_compose(uint32_t id, uint64_t offset, uint32_t size, uint64_t file_length,
                  uint16_t crc_change) {
  char json[256];
  snprintf(json, sizeof(json),
           "{\"id\":\"%" PRIu32 "\",\"code\":200,\"data\":{\"bSize\":%" PRIu32
           ",\"bOffset\":%" PRIu64 ",\"fileLength\":%" PRIu64 ",\"fileToken\":\"t\"}}",
           id, size, offset, file_length);
  size_t at = br_put_json(json);
  memcpy(payload + at, br_image + offset, size);
  uint16_t crc = ik_crc16(0, payload + at, size) ^ crc_change;
  payload[at + size] = (uint8_t)(crc & 0xff);
  payload[at + size + 1] = (uint8_t)(crc >> 8);
  return at + size + 2;
}

void br_deliver(size_t len) {
  uint8_t *copy = malloc(len); /* of this size, so that a sanitizer finds a read beyond the end */
  assert_non_null(copy);
  memcpy(copy, payload, len);
  ik_blocks_reply(&br_blocks, copy, len, br_now_ms, LONGEST);
  free(copy);
}

void br_reply(const struct request *request) {
  br_deliver(br_compose(request->id, request->offset, request->size, br_blocks.options.size, 0));
}

void br_reply_first(void) {
  struct request request = br_take_asked(0);
  br_reply(&request);
}

void br_refuse(const struct request *request, unsigned code) {
  char json[128];
  snprintf(json, sizeof(json), "{\"id\":\"%" PRIu32 "\",\"code\":%u,\"message\":\"no\"}",
           request->id, code);
  br_deliver(br_put_json(json));
}

void br_pass(void) {
  uint64_t due = ik_blocks_deadline(&br_blocks, br_now_ms);
  assert_true(due != UINT64_MAX);
  assert_true(due > br_now_ms);
  br_now_ms = due;
  ik_blocks_tick(&br_blocks, br_now_ms, LONGEST);
}

void br_assert_done(void) {
  const struct ik_blocks_options *options = &br_blocks.options;
  assert_int_equal(br_blocks.state, IK_BLOCKS_DONE);
  assert_memory_equal(br_got + options->offset, br_image + options->offset,
                      (size_t)(options->size - options->offset));
}

void br_assert_failed(int error) {
  assert_int_equal(br_blocks.state, IK_BLOCKS_FAILED);
  assert_int_equal(br_blocks.error, error);
}
