/*
 * block_platform.c - runs on the broker's thread.
 */
#include "support/block_platform.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "port/port.h"
#include "support/http_server.h"

#define LARGEST 131072
#define SMALLEST 256
#define HEAD_MAX 512

struct asked {
  char id[16];
  struct block_request block;
};

static bool number(const struct ik_json *json, const struct ik_json_node *object, const char *key,
                   uint64_t *out) {
  const struct ik_json_node *node = ik_json_get(json, object, key);
  return node != NULL && node->type == IK_JSON_NUMBER && ik_json_u64(node, out);
}

/* Reads strictly what PROTOCOL.md says a device sends. */
static bool read_request(const char *text, struct asked *out) {
  struct ik_json json;
  uint64_t stream = 0;
  uint64_t file = 0;
  uint64_t id = 0;
  if (ik_json_parse(ik_str(text), &json, NULL) != 0) return false;
  const struct ik_json_node *root = ik_json_root(&json);
  const struct ik_json_node *params = ik_json_get(&json, root, "params");
  const struct ik_json_node *info = ik_json_get(&json, params, "fileInfo");
  const struct ik_json_node *block = ik_json_get(&json, params, "fileBlock");
  const struct ik_json_node *id_node = ik_json_get(&json, root, "id");
  bool good = id_node != NULL && id_node->type == IK_JSON_STRING && ik_json_u64(id_node, &id) &&
              number(&json, info, "streamId", &stream) && stream == BLOCK_STREAM_ID &&
              number(&json, info, "fileId", &file) && file == BLOCK_FILE_ID &&
              number(&json, block, "size", &out->block.size) &&
              number(&json, block, "offset", &out->block.offset);
  snprintf(out->id, sizeof(out->id), "%" PRIu64, id);
  ik_json_free(&json);
  return good;
}

static size_t put_json(uint8_t *reply, const char *json) {
  size_t len = strlen(json);
  reply[0] = (uint8_t)(len >> 8);
  reply[1] = (uint8_t)len;
  memcpy(reply + 2, json, len);
  return 2 + len;
}

static void refuse(struct mini_broker *broker, const struct asked *asked, unsigned code) {
  uint8_t reply[HEAD_MAX];
  char json[HEAD_MAX - 2];
  snprintf(json, sizeof(json), "{\"id\":\"%s\",\"code\":%u,\"message\":\"refused\",\"data\":{}}",
           asked->id, code);
  mini_broker_publish_bytes(broker, BLOCK_REPLY_TOPIC, reply, put_json(reply, json));
}

static uint8_t *compose(const struct block_platform *platform, const struct asked *asked,
                        size_t *len) {
  char json[HEAD_MAX];
  size_t size = (size_t)asked->block.size;
  uint8_t *reply = malloc(HEAD_MAX + size + 2);
  if (reply == NULL) abort();
  snprintf(json, sizeof(json),
           "{\"id\":\"%s\",\"code\":200,\"data\":{\"fileToken\":\"1bb8\",\"fileLength\":%" PRIu64
           ",\"bSize\":%zu,\"bOffset\":%" PRIu64 "}}",
           asked->id, platform->size, size, asked->block.offset);
  size_t at = put_json(reply, json);
  for (size_t i = 0; i < size; i++)
    reply[at + i] = http_image_byte(asked->block.offset + i);
  uint16_t crc = ik_crc16(0, reply + at, size);
  at += size;
  reply[at++] = (uint8_t)crc;
  reply[at++] = (uint8_t)(crc >> 8);
  *len = at;
  return reply;
}

static void send_late(struct block_platform *platform, struct mini_broker *broker) {
  if (platform->late == NULL) return;
  mini_broker_publish_bytes(broker, BLOCK_REPLY_TOPIC, platform->late, platform->late_len);
  free(platform->late);
  platform->late = NULL;
}

static void send_block(struct block_platform *platform, struct mini_broker *broker,
                       const struct asked *asked, enum block_fault fault) {
  size_t len;
  uint8_t *reply = compose(platform, asked, &len);
  atomic_fetch_add(&platform->bytes, asked->block.size);
  if (fault == BLOCK_LATE && platform->late == NULL) {
    platform->late = reply;
    platform->late_len = len;
    return;
  }
  if (fault == BLOCK_SPOILT) reply[len - 3] ^= 1;
  mini_broker_publish_bytes(broker, BLOCK_REPLY_TOPIC, reply, len);
  if (fault == BLOCK_TWICE) mini_broker_publish_bytes(broker, BLOCK_REPLY_TOPIC, reply, len);
  free(reply);
  send_late(platform, broker);
}

static void answer(void *ctx, struct mini_broker *broker, const char *payload) {
  struct block_platform *platform = ctx;
  struct asked asked;
  enum block_fault fault = BLOCK_WELL;
  if (!read_request(payload, &asked)) {
    atomic_fetch_add(&platform->wrong, 1);
    return;
  }
  const struct block_request *block = &asked.block;
  asked.block.index = atomic_fetch_add(&platform->requests, 1);
  uint64_t end = block->offset + block->size;
  bool last = end == platform->size;
  if (block->size > LARGEST || (block->size < SMALLEST && !last) || end > platform->size) {
    atomic_fetch_add(&platform->wrong, 1);
    refuse(broker, &asked, 400);
    return;
  }
  if (platform->script != NULL) fault = platform->script(platform->ctx, block);
  if (platform->largest != 0 && block->size > platform->largest) fault = BLOCK_REFUSED;
  switch (fault) {
  case BLOCK_LOST:
    break;
  case BLOCK_DROP:
    mini_broker_drop(broker);
    break;
  case BLOCK_REFUSED:
    refuse(broker, &asked, 400);
    break;
  case BLOCK_BUSY:
    refuse(broker, &asked, 429);
    break;
  default:
    send_block(platform, broker, &asked, fault);
  }
}

void block_platform_start(struct block_platform *platform, struct mini_broker *broker) {
  mini_broker_answer(broker, BLOCK_TOPIC, answer, platform);
}

void block_platform_free(struct block_platform *platform) {
  free(platform->late);
}

static void digest_text(const struct block_platform *platform, enum iotkit_digest_method method,
                        char *hex) {
  struct ik_digest *digest;
  uint8_t value[IOTKIT_DIGEST_MAX];
  if (ik_digest_new(method, &digest) != 0) abort();
  for (uint64_t i = 0; i < platform->size; i++) {
    uint8_t byte = http_image_byte(i);
    ik_digest_update(digest, &byte, 1);
  }
  int len = ik_digest_value(digest, value);
  ik_hex_encode(value, (size_t)len, hex);
  ik_digest_free(digest);
}

void block_platform_sha256(const struct block_platform *platform, char *hex) {
  digest_text(platform, IOTKIT_DIGEST_SHA256, hex);
}

void block_platform_md5(const struct block_platform *platform, char *hex) {
  digest_text(platform, IOTKIT_DIGEST_MD5, hex);
}
