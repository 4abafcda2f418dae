/*
 * Out of memory at every place where a block of an image is requested, read and held.
 */
#include "support/oom.h"

#include "alink/block_reply.c"
#include "alink/fields.c"
#include "alink/messages.c"
#include "base/backoff.c"
#include "base/buf.c"
#include "base/codec.c"
#include "base/json.c"
#include "base/json_text.c"
#include "base/str.c"
#include "base/url.c"
#include "base/wipe.c"
#include "policy/blocks.c"

/* After the sources, because cmocka's macros have the names of some of their functions. */
#include "support/oom_torture.h"

#define SIZE 600u

static size_t compose_reply(uint8_t *reply, uint32_t id, uint32_t offset, uint32_t size) {
  char json[128];
  int len = snprintf(json, sizeof(json),
                     "{\"id\":\"%u\",\"code\":200,\"data\":{\"bSize\":%u,\"bOffset\":%u}}",
                     (unsigned)id, (unsigned)size, (unsigned)offset);
  size_t at = 2 + (size_t)len;
  reply[0] = (uint8_t)(len >> 8);
  reply[1] = (uint8_t)(len & 0xff);
  memcpy(reply + 2, json, (size_t)len);
  memset(reply + at, 7, size);
  uint16_t crc = ik_crc16(0, reply + at, size);
  reply[at + size] = (uint8_t)(crc & 0xff);
  reply[at + size + 1] = (uint8_t)(crc >> 8);
  return at + size + 2;
}

static int ask(void) {
  struct ik_buf buf;
  const struct ik_ota_block block = {1, 1, 0, 256};
  ik_buf_init(&buf, 1024);
  int rc = ik_ota_write_block(&buf, 1, &block);
  ik_buf_free(&buf);
  return rc;
}

/* The second block arrives before the first and is held; a reply that cannot be read is lost. */
static int fetch(void) {
  const struct ik_blocks_options options = {
      .size = SIZE, .block_max = SIZE / 2, .response_timeout_ms = 1000, .idle_timeout_ms = 1000};
  struct ik_blocks blocks;
  uint8_t reply[1024];
  uint8_t out[SIZE] = {0};
  uint64_t offset;
  uint32_t size;
  ik_blocks_init(&blocks, &options, 1);
  ik_blocks_lend(&blocks, out, sizeof(out));
  for (uint32_t id = 1; ik_blocks_next(&blocks, 1, &offset, &size); id++)
    ik_blocks_asked(&blocks, id, 1);
  for (uint32_t id = 2; id > 0 && blocks.state == IK_BLOCKS_FETCHING; id--) {
    size_t len = compose_reply(reply, id, (id - 1) * SIZE / 2, SIZE / 2);
    ik_blocks_reply(&blocks, reply, len, 1, 0);
    size_t there = (id == 2 ? blocks.window[1].got : (uint32_t)blocks.given);
    if (blocks.state == IK_BLOCKS_FETCHING && there == 0) {
      ik_blocks_free(&blocks);
      return IK_ENO_MEMORY;
    }
  }
  int rc = blocks.state == IK_BLOCKS_DONE ? 0 : blocks.error;
  if (rc == 0 && (ik_blocks_take_back(&blocks) != SIZE || out[0] != 7 || out[SIZE - 1] != 7))
    rc = -1;
  ik_blocks_free(&blocks);
  return rc;
}

static void blocks_of_an_image(void **state) {
  (void)state;
  (void)oom_calloc; /* not used here */
  assert_int_equal(torture(ask), 1);
  assert_int_equal(torture(fetch), 3); /* the nodes of two JSON texts, and the block that is held */
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(blocks_of_an_image)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
