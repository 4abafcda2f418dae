/*
 * tcp_peer.h - the other end of a loopback connection, with plain blocking sockets.
 */
#ifndef TEST_TCP_PEER_H
#define TEST_TCP_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No event that a test waits for takes longer than this; what does is a failure. */
#define TEST_LIMIT_MS 30000

/* Listens on 127.0.0.1 (family 4) or ::1 (6). Returns the descriptor, -1 when this machine lacks
 * the family. */
int peer_listen(int family, uint16_t *port);
/* A port of 127.0.0.1 (family 4) or ::1 (6) that nobody listens on and that the system gives to
 * nobody until this process ends; who sets SO_REUSEADDR may listen there. 0 when this machine lacks
 * the family. */
uint16_t peer_free_port(int family);
int peer_accept(int listener);
/* All of it, or false. */
bool peer_read(int fd, void *buf, size_t len);
bool peer_write(int fd, const void *data, size_t len);
/* Closes so that the other end gets RST. */
void peer_reset(int fd);

#endif
