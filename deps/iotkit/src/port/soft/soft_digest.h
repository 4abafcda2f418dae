/*
 * soft_digest.h - MD5 (RFC 1321), SHA-1 and SHA-256 (FIPS 180-4) and HMAC (RFC 2104) in plain C,
 * for a process without OpenSSL.
 *
 * A digest is a plain struct: no allocation, nothing to free; assigning it copies the state. One
 * thread at a time.
 */
#ifndef IK_SOFT_DIGEST_H
#define IK_SOFT_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define IK_SOFT_BLOCK 64 /* bytes, the same for all three */
#define IK_SOFT_MAX 32   /* bytes of the longest result */

enum ik_soft_method { IK_SOFT_MD5, IK_SOFT_SHA1, IK_SOFT_SHA256 };

struct ik_soft_digest {
  enum ik_soft_method method;
  uint32_t state[8];
  uint64_t len;                 /* bytes so far */
  uint8_t block[IK_SOFT_BLOCK]; /* the last len % 64 bytes */
};

void ik_soft_digest_init(struct ik_soft_digest *digest, enum ik_soft_method method);
void ik_soft_digest_update(struct ik_soft_digest *digest, const void *data, size_t len);
/*
 * Returns the length, 16, 20 or 32, and wipes the state. For the value so far, call it on a copy.
 */
size_t ik_soft_digest_final(struct ik_soft_digest *digest, uint8_t out[IK_SOFT_MAX]);
/* Returns the length. Keys longer than a block are hashed first. */
size_t ik_soft_hmac(enum ik_soft_method method, const void *key, size_t key_len, const void *data,
                    size_t len, uint8_t out[IK_SOFT_MAX]);

#endif
