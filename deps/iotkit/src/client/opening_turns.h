/*
 * opening_turns.h - how many connections a loop opens at a time. After a restart of their broker thousands of
 * clients want to connect: what they all begin at once none of them finishes in time, and each handshake of
 * TLS holds memory. No I/O, no clock: its owner brings the time.
 *
 * A turn ends when its connection is open, or could not be opened; or with the period in which it was taken, because
 * what takes as long waits for its peer and not for this machine, and must not keep others from theirs.
 */
#ifndef IK_CLIENT_OPENING_TURNS_H
#define IK_CLIENT_OPENING_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#define IK_OPENING_TURNS 256
#define IK_OPENING_PERIOD_MS 1000

/* Zeroed: none is taken. */
struct ik_opening_turns {
  uint32_t period; /* the present one */
  uint32_t taken;  /* in it, less those that have ended */
};

/* False: there is none before the period ends. Else *turn is for ik_opening_turn_end(), and not 0. */
bool ik_opening_turn_take(struct ik_opening_turns *turns, uint64_t now_ms, uint32_t *turn);
void ik_opening_turn_end(struct ik_opening_turns *turns, uint32_t turn);
/* When there is one at the latest; 0: now. */
uint64_t ik_opening_turn_next_ms(const struct ik_opening_turns *turns, uint64_t now_ms);

#endif
