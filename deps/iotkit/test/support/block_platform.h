/*
 * block_platform.h - the platform's side of blocks over MQTT, beside a mini_broker: answers block
 * requests for the test image (http_image_byte), well or as a test scripts it.
 */
#ifndef TEST_BLOCK_PLATFORM_H
#define TEST_BLOCK_PLATFORM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/mini_broker.h"

#define BLOCK_STREAM_ID 1397345
#define BLOCK_FILE_ID 1
#define BLOCK_TOPIC "/sys/pk/dn/thing/file/download"
#define BLOCK_REPLY_TOPIC "/sys/pk/dn/thing/file/download_reply"

enum block_fault {
  BLOCK_WELL,
  BLOCK_LOST,
  BLOCK_TWICE,
  BLOCK_SPOILT,  /* a byte is wrong, the CRC is not */
  BLOCK_LATE,    /* comes after the next one */
  BLOCK_REFUSED, /* code 400 */
  BLOCK_BUSY,    /* code 429 */
  BLOCK_DROP     /* the connection is cut instead */
};

struct block_request {
  unsigned index; /* 0, 1 … */
  uint64_t offset;
  uint64_t size;
};

struct block_platform {
  uint64_t size;    /* of the image */
  uint32_t largest; /* larger blocks are refused; 0: 131,072 */
  /* On the broker's thread; NULL: all well. */
  enum block_fault (*script)(void *ctx, const struct block_request *request);
  void *ctx;
  atomic_uint requests;
  atomic_uint wrong;           /* requests that no device may send */
  atomic_uint_least64_t bytes; /* sent in blocks */
  uint8_t *late;               /* a reply that waits; NULL: none */
  size_t late_len;
};

void block_platform_start(struct block_platform *platform, struct mini_broker *broker);
/* After mini_broker_stop. */
void block_platform_free(struct block_platform *platform);
/* The image's digest in hexadecimal digits: 65 bytes. */
void block_platform_sha256(const struct block_platform *platform, char *hex);
void block_platform_md5(const struct block_platform *platform, char *hex);

#endif
