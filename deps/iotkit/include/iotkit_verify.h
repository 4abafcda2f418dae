/**
 * @file
 * iotkit_verify.h - public keys, and signatures made with theirs.
 */
#ifndef IOTKIT_VERIFY_H
#define IOTKIT_VERIFY_H

#include "iotkit_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * One or more public keys, of which any one may have signed: while keys are rotated both the old
 * and the new are trusted. Counted by references; never changing, for any number of threads.
 */
typedef struct iotkit_keys iotkit_keys_t;

#define IOTKIT_KEYS_MAX 16 /**< keys of one set */

/**
 * Reads PEM: "PUBLIC KEY" blocks or certificates, 1 to IOTKIT_KEYS_MAX. RSA of 2,048 to 8,192
 * bits, ECDSA on P-256, Ed25519. Of a certificate only its key counts, not who signed it and how
 * long it is valid. `len` 0: the text ends with NUL. Errors, with `detail` naming which key
 * and why: IK_EPUBLIC_KEY, IK_ETLS_UNAVAILABLE (no OpenSSL), IK_ENO_MEMORY.
 */
IOTKIT_API int iotkit_keys_new(const char *pem, size_t len, iotkit_keys_t **out, char *detail);
/** Takes one more reference and returns `keys`; NULL is allowed. */
IOTKIT_API iotkit_keys_t *iotkit_keys_ref(iotkit_keys_t *keys);
/** Gives one reference back; NULL is allowed. */
IOTKIT_API void iotkit_keys_unref(iotkit_keys_t *keys);

/**
 * 0 when one of the keys made `signature` over `message`: RSA PKCS #1 v1.5 with SHA-256, ECDSA with
 * SHA-256 (DER), or Ed25519. IK_ESIGNATURE else; `detail` says how many keys were tried.
 */
IOTKIT_API int iotkit_verify(const iotkit_keys_t *keys, const void *message, size_t message_len,
                             const void *signature, size_t signature_len, char *detail);
/**
 * The same for a message of which only the SHA-256 value is at hand; Ed25519, which cannot do that,
 * never fits.
 */
IOTKIT_API int iotkit_verify_sha256(const iotkit_keys_t *keys, const uint8_t digest[32],
                                    const void *signature, size_t signature_len, char *detail);

#ifdef __cplusplus
}
#endif
#endif
