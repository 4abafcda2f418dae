/*
 * request.h - SUBSCRIBE and UNSUBSCRIBE on their way: a queue of those to be sent and one of those
 * to be answered.
 */
#ifndef IK_MQTT_REQUEST_H
#define IK_MQTT_REQUEST_H

#include "mqtt/packet.h"

#define IK_MQTT_REQUEST_WINDOW 64 /* unanswered at a time, not counting what is overdue */

struct ik_mqtt_request {
  struct ik_mqtt_request *next;
  enum ik_mqtt_type type; /* SUBSCRIBE or UNSUBSCRIBE */
  uint16_t packet_id;
  uint8_t qos;
  bool sent;    /* in this connection: stands in the queue of those to be answered */
  bool stamped; /* sent_ms is known */
  bool bare;    /* a SUBSCRIBE for this connection alone, of which the table knows nothing */
  bool overdue; /* its answer has not come in time; it may still come */
  bool opening; /* was asked for before the connection was there */
  uint64_t sent_ms;
  size_t filter_len;
  char filter[];
};

struct ik_mqtt_request_list {
  struct ik_mqtt_request *first; /* owned */
  struct ik_mqtt_request *last;
  size_t count;
};

/* NULL: out of memory. */
struct ik_mqtt_request *ik_mqtt_request_new(enum ik_mqtt_type type, uint16_t packet_id,
                                            struct ik_str filter);
struct ik_str ik_mqtt_request_filter(const struct ik_mqtt_request *request);
/* Appends its packet to `out`. */
int ik_mqtt_request_write(const struct ik_mqtt_request *request, struct ik_buf *out);

void ik_mqtt_requests_push(struct ik_mqtt_request_list *list, struct ik_mqtt_request *request);
/* Removes and returns the first, NULL: empty. */
struct ik_mqtt_request *ik_mqtt_requests_pop(struct ik_mqtt_request_list *list);
/*
 * The first that may be sent now, NULL: none. A SUBSCRIBE waits for the answer to an UNSUBSCRIBE of
 * its filter, unless that is overdue: brokers that work on both side by side would forget the new
 * subscription.
 */
struct ik_mqtt_request *ik_mqtt_requests_ready(const struct ik_mqtt_request_list *waiting,
                                               const struct ik_mqtt_request_list *pending);
/* Of those to be answered, the oldest that is not overdue; NULL: none. */
struct ik_mqtt_request *ik_mqtt_requests_awaited(const struct ik_mqtt_request_list *pending);
/* How many are not overdue. */
size_t ik_mqtt_requests_count_awaited(const struct ik_mqtt_request_list *pending);
/* The connection is there: those that wait were asked for before. */
void ik_mqtt_requests_open(struct ik_mqtt_request_list *waiting);
/*
 * Whether messages wait for the answer to a SUBSCRIBE that was asked for before the connection was there, unless
 * that is overdue.
 */
bool ik_mqtt_requests_come_first(const struct ik_mqtt_request_list *waiting,
                                 const struct ik_mqtt_request_list *pending);
/* Removes and returns the one with that identifier and type, NULL: not there. */
struct ik_mqtt_request *ik_mqtt_requests_take(struct ik_mqtt_request_list *list,
                                              enum ik_mqtt_type type, uint16_t packet_id);
/* Removes and returns a SUBSCRIBE of that filter, NULL: none. */
struct ik_mqtt_request *ik_mqtt_requests_take_filter(struct ik_mqtt_request_list *list,
                                                     struct ik_str filter);
/* The connection is gone: puts those of `pending` in front of `waiting`, in their order. */
void ik_mqtt_requests_rewind(struct ik_mqtt_request_list *pending,
                             struct ik_mqtt_request_list *waiting);
/* Notes the time for those sent since the last call. */
void ik_mqtt_requests_stamp(struct ik_mqtt_request_list *pending, uint64_t now_ms);

#endif
