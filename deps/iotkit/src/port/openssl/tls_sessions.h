/*
 * tls_sessions.h - sessions of earlier TLS connections, for later ones to resume. Knows no context
 * and no connection.
 *
 * One store belongs to one TLS context, so that what it holds was made with the same CAs, the same
 * client certificate and the same expected name; the key says the rest. A session stands for a chain that
 * was verified once and is not verified again: it is used only while every certificate of that chain
 * would still be in its time.
 *
 * Bounded: IK_TLS_SESSIONS_MAX in all, IK_TLS_SESSIONS_OF_KEY of one key; the oldest makes room.
 * Thread: any.
 */
#ifndef IK_OPENSSL_TLS_SESSIONS_H
#define IK_OPENSSL_TLS_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "port/openssl/openssl.h"

#define IK_TLS_SESSIONS_MAX 80
/*
 * Of TLS 1.3, where each serves one connection and a server gives two with each: so many devices that connect at
 * once resume, which halves the work and lets them share the peer's certificate. Each takes some 1.2 KiB.
 */
#define IK_TLS_SESSIONS_OF_KEY 64

/* When all certificates of a chain are in their time, seconds since 1970, both inclusive. */
struct ik_tls_validity {
  time_t from;
  time_t until;
};

struct ik_tls_sessions;

/* IK_ENO_MEMORY. `openssl` is borrowed. */
int ik_tls_sessions_new(const struct ik_openssl *openssl, struct ik_tls_sessions **out);
/* No connection uses it any more. NULL is allowed. */
void ik_tls_sessions_free(struct ik_tls_sessions *sessions);
/*
 * Gives `ssl` the newest session of `key` whose chain is in its time at `now`, and *validity; false: there
 * is none. One of TLS 1.3 leaves the store: its ticket is for one connection (RFC 8446, C.4).
 */
bool ik_tls_sessions_use(struct ik_tls_sessions *sessions, const char *key, time_t now, SSL *ssl,
                         struct ik_tls_validity *validity);
/*
 * Keeps a copy of `session`, unless it cannot be resumed or there is no memory. One of TLS 1.2 replaces
 * those of its key.
 */
void ik_tls_sessions_keep(struct ik_tls_sessions *sessions, const char *key,
                          const SSL_SESSION *session, const struct ik_tls_validity *validity);
/* Forgets those of `key`; NULL: all. */
void ik_tls_sessions_drop(struct ik_tls_sessions *sessions, const char *key);
/* Of the chain that `ssl` has verified itself. False: it has not, but resumed, say. */
bool ik_tls_validity_of(const struct ik_openssl *openssl, const SSL *ssl,
                        struct ik_tls_validity *out);

#endif
