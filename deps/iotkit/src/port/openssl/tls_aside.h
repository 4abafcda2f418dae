/*
 * tls_aside.h - a part of a handshake on a thread of its own, so that no other thread waits for what it
 * waits for. Knows no connection.
 */
#ifndef IK_OPENSSL_TLS_ASIDE_H
#define IK_OPENSSL_TLS_ASIDE_H

#include <stdbool.h>

/* So many have a thread at once, of the whole process; the others wait their turn. */
#define IK_TLS_ASIDE_MAX 32

struct ik_tls_aside;

/*
 * Begins `run(ctx, detail)`, with a detail of IOTKIT_DETAIL_MAX bytes, at once or when others have ended, first
 * come, first served. What `ctx` has is that thread's until ik_tls_aside_join(). IK_ENO_MEMORY, IK_ENETWORK (no
 * descriptor).
 */
int ik_tls_aside_start(int (*run)(void *ctx, char *detail), void *ctx, struct ik_tls_aside **out);
/* Becomes readable when it is done. */
int ik_tls_aside_fd(const struct ik_tls_aside *aside);
bool ik_tls_aside_is_done(const struct ik_tls_aside *aside);
/* Whether it has not begun. */
bool ik_tls_aside_is_queued(const struct ik_tls_aside *aside);
/*
 * Waits for the end, and frees; one that has not begun never does, and nothing is waited for. What `run` returned,
 * and its detail; IK_ETHREAD, IK_ENO_MEMORY: there was no thread for it.
 */
int ik_tls_aside_join(struct ik_tls_aside *aside, char *detail);

#endif
