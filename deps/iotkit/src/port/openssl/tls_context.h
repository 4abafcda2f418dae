/*
 * tls_context.h - what a connection needs of its TLS context: an SSL, and the sessions of earlier
 * connections. Knows no connection.
 */
#ifndef IK_OPENSSL_TLS_CONTEXT_H
#define IK_OPENSSL_TLS_CONTEXT_H

#include <time.h>

#include "base/limits.h"
#include "port/openssl/openssl.h"
#include "port/openssl/tls_sessions.h"
#include "port/openssl/tls_signer.h"
#include "port/port.h"

/* Room for what sessions are kept by: two names and a way, see ik_tls_conn_new(). */

/* Whom a connection is with. Lives as long as its SSL. */
struct ik_tls_peer {
  iotkit_tls_t *tls;             /* a reference of the connection's */
  struct ik_tls_signing signing; /* by the program's callback, where it has one */
  const char *name;              /* what the certificate must be for; the connection's */
  const char *key;               /* whose sessions it may resume; likewise */
  bool has_validity; /* of the session that it resumes, or of the chain it has verified */
  struct ik_tls_validity validity;
};

/*
 * A new SSL for a connection to `peer`, with a session of an earlier one of the same key where
 * there is such; what the peer offers for later connections is kept in the context. IK_ENO_MEMORY;
 * of a deferred context also what iotkit_tls_new() returns, with detail.
 */
int ik_tls_new_ssl(struct ik_tls_peer *peer, SSL **out, char *detail);
/* The name to verify instead of the host's, or NULL. */
const char *ik_tls_cert_name(const iotkit_tls_t *tls);
/* What certificates are held against now, seconds since 1970; *given: by iotkit_tls_set_time(). */
time_t ik_tls_clock(iotkit_tls_t *tls, bool *given);
/* The peer was refused, or has refused us: the next connection to it begins from scratch. */
void ik_tls_drop_sessions(const struct ik_tls_peer *peer);

#endif
