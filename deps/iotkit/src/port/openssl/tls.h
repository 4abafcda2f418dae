/*
 * tls.h - what a connection needs of its TLS context.
 */
#ifndef IK_OPENSSL_TLS_H
#define IK_OPENSSL_TLS_H

#include "../port.h"
#include "openssl.h"

/* A new SSL for a connection to `name`, with the session of an earlier one where there is such;
 * NULL: out of memory. */
SSL *ik_tls_new_ssl(iotkit_tls_t *tls, const char *name);
/* The name to verify instead of the host's, or NULL. */
const char *ik_tls_cert_name(const iotkit_tls_t *tls);
/* Keeps the session for the next connection to `name`; takes over the reference. */
void ik_tls_keep_session(iotkit_tls_t *tls, const char *name, SSL_SESSION *session);
/* The handshake failed: the next one begins from scratch. */
void ik_tls_drop_session(iotkit_tls_t *tls);

/* A BIO over ik_tcp_read and ik_tcp_write, so that no write can raise SIGPIPE. `conn` is given back
 * to the functions below. */
BIO *ik_tls_bio_new(const struct ik_openssl *o, struct ik_tls_conn *conn);
/* Called by the BIO; results as of ik_tcp_read and ik_tcp_write. */
ptrdiff_t ik_tls_conn_receive(struct ik_tls_conn *conn, void *buf, size_t len);
ptrdiff_t ik_tls_conn_send(struct ik_tls_conn *conn, const void *data, size_t len);
bool ik_tls_conn_at_end(const struct ik_tls_conn *conn);

/* Set by tls_conn.c on each SSL: called with a session to keep. */
int ik_tls_conn_new_session(SSL *ssl, SSL_SESSION *session);

#endif
