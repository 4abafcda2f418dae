/*
 * Replies to block requests: what the reader accepts lies within the payload and fits its CRC; and
 * a platform that answers anything, in any order, makes the download neither hand out a byte twice
 * nor forget one.
 *
 * Input: the image's size and the largest block, two bytes each, then replies: two bytes length
 * each. Length 0 lets time pass. Ids 1, 2, … are those of the requests.
 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "policy/blocks.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reply(const uint8_t *payload, size_t len) {
  struct ik_block_reply reply;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = ik_block_reply_parse(payload, len, &reply, detail);
  CHECK(memchr(detail, '\0', sizeof(detail)) != NULL);
  CHECK(ik_utf8_valid((const uint8_t *)detail, strlen(detail)));
  if (rc != 0) {
    CHECK(rc == IK_EBLOCK && detail[0] != '\0');
    return;
  }
  CHECK(reply.has_id);
  if (reply.code != IK_BLOCK_CODE_OK) return;
  CHECK(reply.data >= payload && reply.data + reply.size + 2 == payload + len);
  uint16_t crc = (uint16_t)(payload[len - 2] | payload[len - 1] << 8);
  CHECK(crc == ik_crc16(0, reply.data, reply.size));
}

static void check_blocks(const struct ik_blocks *blocks) {
  uint64_t at = blocks->offset;
  CHECK(blocks->count <= IK_BLOCKS_WINDOW && blocks->end <= blocks->options.size);
  for (size_t i = 0; i < blocks->count; i++) {
    const struct ik_block_range *range = &blocks->window[i];
    CHECK(range->taken <= range->got && range->got <= range->size);
    CHECK(range->offset + range->taken == at);
    at = range->offset + range->size;
  }
  CHECK(at == blocks->end);
}

static void ask(struct ik_blocks *blocks, uint32_t *id, uint64_t now_ms) {
  uint64_t offset;
  uint32_t size;
  while (ik_blocks_next(blocks, now_ms, &offset, &size)) {
    CHECK(size > 0 && offset >= blocks->offset && offset + size <= blocks->options.size);
    CHECK(size <= blocks->options.block_max + IK_BLOCK_MIN);
    if (*id % 7 == 6)
      ik_blocks_not_asked(blocks, IK_ENOT_CONNECTED, now_ms, *id);
    else
      ik_blocks_asked(blocks, *id, now_ms);
    ++*id;
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ik_blocks blocks;
  uint8_t out[97];
  uint64_t now_ms = 1;
  uint64_t total = 0;
  uint32_t id = 1;
  if (size < 4) return 0;
  const struct ik_blocks_options options = {.size = 1 + (uint32_t)(data[0] << 8 | data[1]),
                                            .block_max =
                                                IK_BLOCK_MIN + (uint32_t)(data[2] << 8 | data[3]),
                                            .response_timeout_ms = 9000,
                                            .idle_timeout_ms = 5000,
                                            .patience_ms = 1000,
                                            .max_retries = 3,
                                            .max_tries = 40,
                                            .retry_min_ms = 10,
                                            .retry_max_ms = 100};
  ik_blocks_init(&blocks, &options, now_ms);
  data += 4;
  size -= 4;
  while (size >= 2) {
    size_t len = (size_t)(data[0] << 8 | data[1]);
    data += 2;
    size -= 2;
    if (len > size) len = size;
    uint8_t *payload = malloc(len + 1);
    CHECK(payload != NULL);
    memcpy(payload, data, len);
    check_reply(payload, len);
    ask(&blocks, &id, now_ms);
    check_blocks(&blocks);
    ik_blocks_lend(&blocks, out, sizeof(out));
    if (len > 0) ik_blocks_reply(&blocks, payload, len, now_ms, id);
    total += ik_blocks_take_back(&blocks);
    free(payload);
    now_ms += len > 0 ? 1 : 3000;
    ik_blocks_tick(&blocks, now_ms, id);
    check_blocks(&blocks);
    CHECK(blocks.offset == total);
    CHECK((blocks.state == IK_BLOCKS_DONE) == (total == options.size));
    data += len;
    size -= len;
  }
  ik_blocks_free(&blocks);
  return 0;
}
