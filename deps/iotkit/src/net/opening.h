/*
 * opening.h - the way to a connected socket: lookup, then the addresses, each with a head start
 * (RFC 8305).
 *
 * Thread: one at a time. Belongs to its stream, which frees it as soon as there is a socket.
 */
#ifndef IK_NET_OPENING_H
#define IK_NET_OPENING_H

#include "port/port.h"

struct ik_opening;

/* `host` must outlive it. */
int ik_opening_new(const char *host, uint16_t port, struct ik_opening **out, char *detail);
/* Closes what it has begun. NULL is allowed. */
void ik_opening_free(struct ik_opening *opening);
/* ≥ 0: the connected descriptor, the caller's from here on; IK_EAGAIN; else why all of it failed,
 * with detail. */
int ik_opening_step(struct ik_opening *opening, uint64_t now_ms, char *detail);
int ik_opening_fd(const struct ik_opening *opening);
int ik_opening_interest(const struct ik_opening *opening);
/* When the next step is due, whatever the descriptor says; UINT64_MAX: never. */
uint64_t ik_opening_deadline(const struct ik_opening *opening);
/* What it is at, or the last thing that went wrong, for a time-out's text, which names the host. */
void ik_opening_describe(const struct ik_opening *opening, char *detail);

#endif
