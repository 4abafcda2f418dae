/*
 * soft_digest.c - cutting input into blocks, padding, HMAC. State lives in the caller's struct;
 * copies with key material are wiped here.
 */
#include "port/soft/soft_digest.h"

#include <string.h>

#include "base/codec.h"
#include "port/soft/soft_blocks.h"

#define LENGTH_AT (IK_SOFT_BLOCK - 8)

struct algorithm {
  void (*blocks)(uint32_t *state, const uint8_t *data, size_t count);
  uint8_t words; /* of the result */
  uint32_t start[8];
};

static const struct algorithm algorithms[] = {
    [IK_SOFT_MD5] = {ik_soft_md5_blocks, 4, {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}},
    [IK_SOFT_SHA1] = {ik_soft_sha1_blocks,
                      5,
                      {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}},
    [IK_SOFT_SHA256] = {ik_soft_sha256_blocks,
                        8,
                        {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                         0x1f83d9ab, 0x5be0cd19}},
};

void ik_soft_digest_init(struct ik_soft_digest *digest, enum ik_soft_method method) {
  *digest = (struct ik_soft_digest){.method = method};
  memcpy(digest->state, algorithms[method].start, sizeof digest->state);
}

void ik_soft_digest_update(struct ik_soft_digest *digest, const void *data, size_t len) {
  const struct algorithm *algorithm = &algorithms[digest->method];
  const uint8_t *bytes = data;
  size_t held = digest->len % IK_SOFT_BLOCK;
  size_t whole;

  if (len == 0) return;
  digest->len += len;
  if (held > 0) {
    size_t n = IK_SOFT_BLOCK - held < len ? IK_SOFT_BLOCK - held : len;
    memcpy(digest->block + held, bytes, n);
    bytes += n;
    len -= n;
    if (held + n < IK_SOFT_BLOCK) return;
    algorithm->blocks(digest->state, digest->block, 1);
  }
  whole = len / IK_SOFT_BLOCK;
  algorithm->blocks(digest->state, bytes, whole);
  bytes += whole * IK_SOFT_BLOCK;
  len -= whole * IK_SOFT_BLOCK;
  if (len > 0) memcpy(digest->block, bytes, len);
}

/* MD5 counts and writes with the low byte first, SHA with the high one. */
static void store(uint8_t *out, uint64_t value, size_t bytes, bool little) {
  for (size_t i = 0; i < bytes; i++) {
    size_t at = little ? i : bytes - 1 - i;
    out[at] = (uint8_t)(value >> (8 * i) & 0xff);
  }
}

size_t ik_soft_digest_final(struct ik_soft_digest *digest, uint8_t out[IK_SOFT_MAX]) {
  const struct algorithm *algorithm = &algorithms[digest->method];
  bool little = digest->method == IK_SOFT_MD5;
  size_t held = digest->len % IK_SOFT_BLOCK;
  size_t len = (size_t)algorithm->words * 4;

  digest->block[held++] = 0x80;
  if (held > LENGTH_AT) {
    memset(digest->block + held, 0, IK_SOFT_BLOCK - held);
    algorithm->blocks(digest->state, digest->block, 1);
    held = 0;
  }
  memset(digest->block + held, 0, LENGTH_AT - held);
  store(digest->block + LENGTH_AT, digest->len << 3, 8, little);
  algorithm->blocks(digest->state, digest->block, 1);
  for (size_t i = 0; i < algorithm->words; i++)
    store(out + 4 * i, digest->state[i], 4, little);
  ik_wipe(digest, sizeof *digest);
  return len;
}

size_t ik_soft_hmac(enum ik_soft_method method, const void *key, size_t key_len, const void *data,
                    size_t len, uint8_t out[IK_SOFT_MAX]) {
  struct ik_soft_digest digest;
  uint8_t block[IK_SOFT_BLOCK] = {0};
  uint8_t inner[IK_SOFT_MAX];
  size_t inner_len;

  if (key_len > IK_SOFT_BLOCK) {
    ik_soft_digest_init(&digest, method);
    ik_soft_digest_update(&digest, key, key_len);
    ik_soft_digest_final(&digest, block);
  } else if (key_len > 0) {
    memcpy(block, key, key_len);
  }
  for (size_t i = 0; i < sizeof block; i++)
    block[i] ^= 0x36;
  ik_soft_digest_init(&digest, method);
  ik_soft_digest_update(&digest, block, sizeof block);
  ik_soft_digest_update(&digest, data, len);
  inner_len = ik_soft_digest_final(&digest, inner);

  for (size_t i = 0; i < sizeof block; i++)
    block[i] ^= 0x36 ^ 0x5c;
  ik_soft_digest_init(&digest, method);
  ik_soft_digest_update(&digest, block, sizeof block);
  ik_soft_digest_update(&digest, inner, inner_len);
  ik_wipe(block, sizeof block);
  ik_wipe(inner, sizeof inner);
  return ik_soft_digest_final(&digest, out);
}
