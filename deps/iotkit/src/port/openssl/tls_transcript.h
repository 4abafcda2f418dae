/*
 * tls_transcript.h - what a handshake has said so far, of which TLS has the client's key sign: as OpenSSL
 * itself gives a key the digest alone. Knows no key and no connection.
 */
#ifndef IK_OPENSSL_TLS_TRANSCRIPT_H
#define IK_OPENSSL_TLS_TRANSCRIPT_H

#include "base/buf.h"
#include "port/openssl/openssl.h"

struct ik_tls_transcript {
  const struct ik_openssl *openssl;
  SSL *ssl;
  struct ik_buf messages; /* of the handshake, both sides', each with its header */
  size_t first_len;       /* bytes of the ClientHello that the server may have had repeated */
  int error; /* of the one that could not be kept: nothing can be said any more; 0: none */
};

/* Follows `ssl` from its first message on, until it is stopped; before `ssl` is freed. */
void ik_tls_transcript_begin(struct ik_tls_transcript *transcript, const struct ik_openssl *o,
                             SSL *ssl);
/* Also what was never begun. */
void ik_tls_transcript_stop(struct ik_tls_transcript *transcript);
/*
 * Appends what the client's CertificateVerify signs (RFC 8446, 4.4.3; RFC 5246, 7.4.8). While OpenSSL makes
 * that message. IK_ETLS: it cannot be said; IK_ENO_MEMORY, also of a message that came before; IK_ETOO_LONG.
 */
int ik_tls_transcript_message(const struct ik_tls_transcript *transcript, struct ik_buf *out);
/* The digest of `data`; its length, or 0: out of memory. */
size_t ik_tls_digest(const struct ik_openssl *o, const EVP_MD *type, const void *data, size_t len,
                     uint8_t out[64]);

#endif
