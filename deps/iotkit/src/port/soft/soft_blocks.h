/*
 * soft_blocks.h - the compression functions: `count` blocks of 64 bytes into the state.
 */
#ifndef IK_SOFT_BLOCKS_H
#define IK_SOFT_BLOCKS_H

#include <stddef.h>
#include <stdint.h>

void ik_soft_md5_blocks(uint32_t state[4], const uint8_t *data, size_t count);
void ik_soft_sha1_blocks(uint32_t state[5], const uint8_t *data, size_t count);
void ik_soft_sha256_blocks(uint32_t state[8], const uint8_t *data, size_t count);

static inline uint32_t ik_soft_rotl(uint32_t x, unsigned n) {
  return x << n | x >> (32 - n);
}

static inline uint32_t ik_soft_load_le(const uint8_t *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint32_t ik_soft_load_be(const uint8_t *p) {
  return p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

#endif
