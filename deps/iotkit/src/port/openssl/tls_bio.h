/*
 * tls_bio.h - OpenSSL's way to a socket: a BIO over ik_tcp_read and ik_tcp_write, so that no write
 * can raise SIGPIPE.
 */
#ifndef IK_OPENSSL_TLS_BIO_H
#define IK_OPENSSL_TLS_BIO_H

#include "port/openssl/openssl.h"
#include "port/port.h"

/*
 * The socket below a connection and how it ended. Belongs to the connection.
 *
 * OpenSSL reads on inside one call as long as records come that bring no data (KeyUpdate, session
 * tickets, HelloRequest, empty records), and so would stay there for as long as the peer likes.
 * Therefore each call has a share; once it is used up, OpenSSL is told that the socket is empty.
 */
struct ik_tls_socket {
  int fd;              /* the caller's */
  size_t bytes_left;   /* of the share of this call */
  unsigned reads_left; /* likewise; two of them make a record */
  bool dry;            /* in this call the socket had nothing left to read */
  bool at_end;         /* the peer sent FIN */
  int receive_error;   /* the last one; 0: none */
  int send_error;      /* the first one, after which nothing is sent; 0: none */
};

/* `socket` must outlive it. NULL: out of memory. */
BIO *ik_tls_bio_new(const struct ik_openssl *o, struct ik_tls_socket *socket);

#endif
