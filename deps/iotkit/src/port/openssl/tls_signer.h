/*
 * tls_signer.h - a client's key that only a callback of the program can sign with. Knows no context
 * and no connection.
 */
#ifndef IK_OPENSSL_TLS_SIGNER_H
#define IK_OPENSSL_TLS_SIGNER_H

#include "iotkit_core.h"
#include "port/openssl/openssl.h"
#include "port/openssl/tls_signature.h"
#include "port/openssl/tls_transcript.h"

struct ik_tls_signer;

/* What one connection's key has to say. Outlives the SSL that has the key. */
struct ik_tls_signing {
  const struct ik_tls_signer *signer;
  /* 0: nothing failed; IK_ETLS_SIGNING, IK_ETLS_IDENTITY: no signature by the key; IK_ENO_MEMORY */
  int error;
  int returned;                       /* by the callback */
  char reason[IK_TLS_REASON_MAX + 1]; /* "": `returned` is all that is known */
  struct ik_tls_transcript transcript;
  /* Of a signer that takes its time: what the handshake will wait for. Owned; NULL: nothing is waited for,
   * and to be asked for a signature is an error. */
  iotkit_tls_signature_t *signature;
  bool is_due;   /* the handshake has come to it, and may go on only where it may wait */
  bool is_aside; /* that is where it is */
};

/*
 * For the key of `cert`, RSA or EC. IK_ETLS_UNAVAILABLE: this OpenSSL has not what it takes;
 * IK_ETLS_IDENTITY: a key of another kind; IK_ENO_MEMORY.
 */
int ik_tls_signer_new(const struct ik_openssl *o, X509 *cert,
                      const struct iotkit_tls_options *options, struct ik_tls_signer **out,
                      char *detail);
/* After the last key of it. NULL is allowed. */
void ik_tls_signer_free(struct ik_tls_signer *signer);
/* From now on its end is the program's to hear of. NULL is allowed. */
void ik_tls_signer_announce_end(struct ik_tls_signer *signer);
/*
 * Gives `ssl` a key that calls back, and begins `signing`, which ik_tls_signing_end() ends before the SSL.
 * IK_ENO_MEMORY, IK_ETLS.
 */
int ik_tls_signing_begin(const struct ik_tls_signer *signer, SSL *ssl,
                         struct ik_tls_signing *signing);
/* Also one that was never begun, and more than once. */
void ik_tls_signing_end(struct ik_tls_signing *signing);

#endif
