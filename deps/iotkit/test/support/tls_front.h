/*
 * tls_front.h - TLS in front of a plain server on 127.0.0.1, on a thread of its own, with OpenSSL
 * directly; one connection after another. Orderly ends and resets pass through in both directions.
 */
#ifndef TEST_TLS_FRONT_H
#define TEST_TLS_FRONT_H

#include <stdint.h>

struct tls_front;

/* cert, key: PEM. */
struct tls_front *tls_front_start(uint16_t plain_port, const char *cert, const char *key);
/* The same, for clients that show a certificate of client_ca. */
struct tls_front *tls_front_start_for(uint16_t plain_port, const char *cert, const char *key,
                                      const char *client_ca);
uint16_t tls_front_port(const struct tls_front *front);
/* Ends it, waits for its thread, frees. */
void tls_front_stop(struct tls_front *front);

#endif
