/*
 * time.h - the messages in which the platform says what time it is, and what a reading of its clock
 * is worth. No state, no clock.
 */
#ifndef IK_ALINK_TIME_H
#define IK_ALINK_TIME_H

#include "base/buf.h"
#include "iotkit_time.h"

#define IK_TIME_HEAD "/ext/ntp" /* head of the topics, and their tails */
#define IK_TIME_REQUEST_TAIL "/request"
#define IK_TIME_RESPONSE_TAIL "/response"

/* An answer. Milliseconds since 1970 UTC by the platform's clock, and what the device has sent. */
struct ik_time_answer {
  uint64_t device_send; /* as the request had it; 0: the answer does not say */
  uint64_t server_recv;
  uint64_t server_send;
};

/* The device's clocks around an exchange, milliseconds. */
struct ik_time_exchange {
  uint64_t sent_ms;     /* of iotkit_now_ms() */
  uint64_t received_ms; /* likewise */
  uint64_t wall_ms;     /* this machine's clock when the answer came */
};

/* Appends a request, which names itself by `device_send`. The buffer's errors. */
int ik_time_write_request(struct ik_buf *out, uint64_t device_send);
/*
 * Reads an answer; its numbers may be texts. IK_ENOTICE_JSON, IK_ENOTICE_FIELD with `detail` naming
 * the field, IK_ETOO_LONG, IK_ENO_MEMORY. device_send is right also where another field is refused.
 */
int ik_time_parse(struct ik_str text, struct ik_time_answer *out, char *detail);
/* What the clock says. IK_ENOTICE_FIELD: the platform had it longer than the exchange took. */
int ik_time_read(const struct ik_time_answer *answer, const struct ik_time_exchange *exchange,
                 struct iotkit_time_reading *out, char *detail);

#endif
