/*
 * tls_server.h - a TLS server on 127.0.0.1, on a thread of its own, with OpenSSL directly; one
 * connection after another.
 */
#ifndef TEST_TLS_SERVER_H
#define TEST_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tls_server_mode {
  TLS_SERVER_ECHO, /* gives back what it gets, until the client's end */
  TLS_SERVER_SEND, /* sends `bytes` bytes (tls_server_byte), then its close_notify */
  TLS_SERVER_CUT,  /* the same, then FIN without close_notify */
  TLS_SERVER_SINK, /* takes `bytes` bytes, then sends the 8 bytes of their sum, big-endian */
  TLS_SERVER_KEYS, /* sends `bytes` bytes of `text`, then one KeyUpdate (1.3) after another until the
                      client is gone */
  TLS_SERVER_MUTE  /* accepts, and says nothing at all, not even a handshake */
};

struct tls_server_options {
  const char *cert; /* PEM */
  const char *key;
  const char *client_ca;  /* PEM: a client certificate of it is required; NULL: none is asked for */
  const char *client_crl; /* PEM: of client_ca, those it has revoked are refused; NULL: none */
  /* What a client may sign with, as OpenSSL's lists are; NULL: any */
  const char *client_sign_algorithms;
  const char *groups; /* of key exchanges, as OpenSSL's lists are; NULL: any */
  int max_version;    /* TLS1_1_VERSION …; 0: any */
  size_t tickets;     /* of TLS 1.3, with each full handshake; 0: OpenSSL's two */
  bool weak_dh;       /* DHE of 1,024 bits is all it offers; with an RSA certificate */
  enum tls_server_mode mode;
  size_t bytes;
  const char *text; /* of TLS_SERVER_KEYS */
};

struct tls_server;

struct tls_server *tls_server_start(const struct tls_server_options *options);
uint16_t tls_server_port(const struct tls_server *server);
/* Counted at the end of each handshake; read them after tls_server_stop. */
struct tls_server_counts {
  unsigned handshakes;
  unsigned resumed;
  unsigned client_certs;
  unsigned peer_closed;  /* close_notify from the client */
  char server_name[256]; /* SNI of the last one */
};
/* Ends it, waits for its thread, frees. */
struct tls_server_counts tls_server_stop(struct tls_server *server);
/* The byte at a position of what TLS_SERVER_SEND sends. */
uint8_t tls_server_byte(size_t at);

#endif
