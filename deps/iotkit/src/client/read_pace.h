/*
 * read_pace.h - when the socket of a client that gets many messages is left alone for a moment, so that
 * one read takes what has come meanwhile. No I/O, no clock, no lock: its owner brings the time.
 *
 * A broker that writes each message by itself would else wake the driver for each, the program's thread
 * after it, and pay for the wake-ups too. Messages of QoS 0 alone count: of the others a broker sends a
 * few and waits for their acknowledgements.
 */
#ifndef IK_CLIENT_READ_PACE_H
#define IK_CLIENT_READ_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* A rest begins when so many messages came at once, */
#define IK_READ_PACE_AT_ONCE 16
/* or so many one by one, within one to two milliseconds and with nothing sent meanwhile. */
#define IK_READ_PACE_ONE_BY_ONE 32

/* Zeroed: nothing has come. */
struct ik_read_pace {
  uint64_t since_ms;    /* `counted` have come from then on */
  uint64_t rest_end_ms; /* nothing is read before; 0: the socket is read */
  uint32_t counted;     /* up to the last time the socket was empty */
  uint32_t fresh;       /* since then */
};

/* A message of QoS 0 has come. */
void ik_read_pace_note(struct ik_read_pace *pace);
/* Something was sent: what comes now may be its answer, and is not made to wait for others. */
void ik_read_pace_sent(struct ik_read_pace *pace);
/* The socket is empty: a rest begins if many have come. `now_ms` never goes back. */
void ik_read_pace_emptied(struct ik_read_pace *pace, uint64_t now_ms);
/* Whether the socket is not to be read yet. Ends a rest whose time is over. */
bool ik_read_pace_rests(struct ik_read_pace *pace, uint64_t now_ms);
/* Ends a rest before its time. */
void ik_read_pace_end_rest(struct ik_read_pace *pace);

#endif
