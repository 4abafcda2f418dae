/*
 * tls_signature.h - a signature that one thread waits for and another one gives. Knows no OpenSSL.
 */
#ifndef IK_OPENSSL_TLS_SIGNATURE_H
#define IK_OPENSSL_TLS_SIGNATURE_H

#include "iotkit_core.h"

#define IK_TLS_SIGNATURE_MAX 2048 /* of an RSA key of 16,384 bits, the longest that OpenSSL takes */
#define IK_TLS_REASON_MAX 80

/* What came of one that was asked for. LOST: it was given, and there was no memory to keep it. */
enum ik_tls_given { IK_TLS_GIVEN, IK_TLS_FAILED, IK_TLS_LOST, IK_TLS_CANCELLED };

/* One reference, the connection's. NULL: out of memory. */
iotkit_tls_signature_t *ik_tls_signature_new(void);
void ik_tls_signature_unref(iotkit_tls_signature_t *signature);
/* For the program, which gives it back by iotkit_tls_signature_give() or _fail(). */
void ik_tls_signature_ref(iotkit_tls_signature_t *signature);
/*
 * Waits. IK_TLS_GIVEN: at most `*len` bytes of it are in `out`, and *len is how many there are, 0 for more
 * than fit; IK_TLS_FAILED: `reason` says why.
 */
enum ik_tls_given ik_tls_signature_await(iotkit_tls_signature_t *signature, uint8_t *out,
                                         size_t *len, char reason[IK_TLS_REASON_MAX + 1]);
/* Ends the wait, or the one to come. Any thread. */
void ik_tls_signature_cancel(iotkit_tls_signature_t *signature);

#endif
