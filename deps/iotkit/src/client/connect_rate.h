/*
 * connect_rate.h - how often a client signs in: a platform refuses a device that does so too often in a
 * minute. No I/O, no clock, no lock: its owner brings the time.
 */
#ifndef IK_CLIENT_CONNECT_RATE_H
#define IK_CLIENT_CONNECT_RATE_H

#include <stdint.h>

#define IK_CONNECTS_MAX 10

struct ik_connect_rate {
  uint32_t at_s[IK_CONNECTS_MAX]; /* the last `max` of them, by the second; a ring */
  uint8_t max;                    /* in a minute; 0: any number */
  uint8_t count;                  /* of those that there are */
  uint8_t oldest;
};

/* `max`: at most IK_CONNECTS_MAX. */
void ik_connect_rate_init(struct ik_connect_rate *rate, uint8_t max);
/* One more. `now_ms` never goes back. */
void ik_connect_rate_note(struct ik_connect_rate *rate, uint64_t now_ms);
/* When the next one may follow, up to a second later than it had to be; 0: at once. */
uint64_t ik_connect_rate_next_ms(const struct ik_connect_rate *rate);

#endif
