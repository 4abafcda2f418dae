/*
 * tls_context.h - what a connection needs of its TLS context: an SSL, and the session of an earlier
 * connection. Knows no connection.
 */
#ifndef IK_OPENSSL_TLS_CONTEXT_H
#define IK_OPENSSL_TLS_CONTEXT_H

#include <time.h>

#include "base/limits.h"
#include "port/openssl/openssl.h"
#include "port/port.h"

/* Whom a connection is with. Lives as long as its SSL. */
struct ik_tls_peer {
  iotkit_tls_t *tls;          /* a reference of the connection's */
  char name[IK_HOST_MAX + 1]; /* what the certificate must be for */
};

/*
 * A new SSL for a connection to `peer`, with the session of an earlier one to the same name where
 * there is such; what the peer offers for later connections is kept in the context. IK_ENO_MEMORY;
 * of a deferred context also what iotkit_tls_new() returns, with detail.
 */
int ik_tls_new_ssl(struct ik_tls_peer *peer, SSL **out, char *detail);
/* The name to verify instead of the host's, or NULL. */
const char *ik_tls_cert_name(const iotkit_tls_t *tls);
/* What certificates are held against now, seconds since 1970; *given: by iotkit_tls_set_time(). */
time_t ik_tls_clock(iotkit_tls_t *tls, bool *given);
/* The handshake failed: the next one begins from scratch. */
void ik_tls_drop_session(iotkit_tls_t *tls);

#endif
