/* Tested by deps/iotkit/test/port/soft/test_soft_digest.c. */
/*
 * soft_sha1.c - the compression function of SHA-1 (FIPS 180-4), for sign-in strings of old devices
 * only. The variables change their roles instead of their values: five rounds bring each back to
 * its place.
 */
#include "port/soft/soft_blocks.h"

#define CH(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define PARITY(x, y, z) ((x) ^ (y) ^ (z))
#define MAJ(x, y, z) (((x) & (y)) | ((z) & ((x) | (y))))
#define ROUND(f, k, a, b, c, d, e, i)                                                              \
  do {                                                                                             \
    (e) += ik_soft_rotl(a, 5) + f(b, c, d) + (k) + w[i];                                           \
    (b) = ik_soft_rotl(b, 30);                                                                     \
  } while (0)
#define TWENTY_ROUNDS(f, k, first)                                                                 \
  for (int i = (first); i < (first) + 20; i += 5) {                                                \
    ROUND(f, k, a, b, c, d, e, i);                                                                 \
    ROUND(f, k, e, a, b, c, d, i + 1);                                                             \
    ROUND(f, k, d, e, a, b, c, i + 2);                                                             \
    ROUND(f, k, c, d, e, a, b, i + 3);                                                             \
    ROUND(f, k, b, c, d, e, a, i + 4);                                                             \
  }

static void schedule(uint32_t w[80], const uint8_t *data) {
  for (int i = 0; i < 16; i++) {
    w[i] = ik_soft_load_be(data + (ptrdiff_t)4 * i);
  }
  for (int i = 16; i < 80; i++) {
    w[i] = ik_soft_rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
  }
}

void ik_soft_sha1_blocks(uint32_t state[5], const uint8_t *data, size_t count) {
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
  for (; count > 0; count--, data += 64) {
    uint32_t w[80];
    schedule(w, data);
    TWENTY_ROUNDS(CH, 0x5a827999, 0)
    TWENTY_ROUNDS(PARITY, 0x6ed9eba1, 20)
    TWENTY_ROUNDS(MAJ, 0x8f1bbcdc, 40)
    TWENTY_ROUNDS(PARITY, 0xca62c1d6, 60)
    a = state[0] += a;
    b = state[1] += b;
    c = state[2] += c;
    d = state[3] += d;
    e = state[4] += e;
  }
}
