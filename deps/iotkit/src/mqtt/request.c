/* Tested by deps/iotkit/test/mqtt/test_session_out_subs.c. */
/*
 * request.c - queues of SUBSCRIBE and UNSUBSCRIBE. A request belongs to the list it stands in, else
 * to the caller.
 */
#include "mqtt/request.h"

#include <stdlib.h>
#include <string.h>

struct ik_mqtt_request *ik_mqtt_request_new(enum ik_mqtt_type type, uint16_t packet_id,
                                            struct ik_str filter) {
  struct ik_mqtt_request *request = calloc(1, sizeof(*request) + filter.len);
  if (!request) return NULL;
  request->type = type;
  request->packet_id = packet_id;
  request->filter_len = filter.len;
  memcpy(request->filter, filter.ptr, filter.len);
  return request;
}

struct ik_str ik_mqtt_request_filter(const struct ik_mqtt_request *request) {
  return (struct ik_str){request->filter, request->filter_len};
}

int ik_mqtt_request_write(const struct ik_mqtt_request *request, struct ik_buf *out) {
  const struct ik_str filter = ik_mqtt_request_filter(request);
  if (request->type == IK_MQTT_SUBSCRIBE)
    return ik_mqtt_write_subscribe(out, request->packet_id, filter, request->qos);
  return ik_mqtt_write_unsubscribe(out, request->packet_id, filter);
}

void ik_mqtt_requests_push(struct ik_mqtt_request_list *list, struct ik_mqtt_request *request) {
  request->next = NULL;
  if (list->last)
    list->last->next = request;
  else
    list->first = request;
  list->last = request;
  list->count++;
}

static struct ik_mqtt_request *take_after(struct ik_mqtt_request_list *list,
                                          struct ik_mqtt_request *previous) {
  struct ik_mqtt_request *request = previous ? previous->next : list->first;
  if (!request) return NULL;
  if (previous)
    previous->next = request->next;
  else
    list->first = request->next;
  if (list->last == request) list->last = previous;
  list->count--;
  request->next = NULL;
  return request;
}

struct ik_mqtt_request *ik_mqtt_requests_pop(struct ik_mqtt_request_list *list) {
  return take_after(list, NULL);
}

static bool is_held_back(const struct ik_mqtt_request *request,
                         const struct ik_mqtt_request_list *pending) {
  if (request->type != IK_MQTT_SUBSCRIBE) return false;
  const struct ik_str filter = ik_mqtt_request_filter(request);
  const struct ik_mqtt_request *other = pending->first;
  while (other && !(other->type == IK_MQTT_UNSUBSCRIBE && !other->overdue &&
                    ik_str_eq(ik_mqtt_request_filter(other), filter)))
    other = other->next;
  return other != NULL;
}

struct ik_mqtt_request *ik_mqtt_requests_ready(const struct ik_mqtt_request_list *waiting,
                                               const struct ik_mqtt_request_list *pending) {
  struct ik_mqtt_request *request = waiting->first;
  while (request && is_held_back(request, pending))
    request = request->next;
  return request;
}

struct ik_mqtt_request *ik_mqtt_requests_awaited(const struct ik_mqtt_request_list *pending) {
  struct ik_mqtt_request *request = pending->first;
  while (request && request->overdue)
    request = request->next;
  return request;
}

size_t ik_mqtt_requests_count_awaited(const struct ik_mqtt_request_list *pending) {
  size_t count = 0;
  for (const struct ik_mqtt_request *at = pending->first; at; at = at->next)
    count += !at->overdue;
  return count;
}

void ik_mqtt_requests_open(struct ik_mqtt_request_list *waiting) {
  for (struct ik_mqtt_request *request = waiting->first; request; request = request->next)
    request->opening = true;
}

static bool has_opening(const struct ik_mqtt_request *request) {
  while (request && (request->type != IK_MQTT_SUBSCRIBE || !request->opening || request->overdue))
    request = request->next;
  return request != NULL;
}

bool ik_mqtt_requests_come_first(const struct ik_mqtt_request_list *waiting,
                                 const struct ik_mqtt_request_list *pending) {
  return has_opening(waiting->first) || has_opening(pending->first);
}

struct ik_mqtt_request *ik_mqtt_requests_take(struct ik_mqtt_request_list *list,
                                              enum ik_mqtt_type type, uint16_t packet_id) {
  struct ik_mqtt_request *previous = NULL;
  struct ik_mqtt_request *request = list->first;
  while (request && !(request->packet_id == packet_id && request->type == type)) {
    previous = request;
    request = request->next;
  }
  return request ? take_after(list, previous) : NULL;
}

struct ik_mqtt_request *ik_mqtt_requests_take_filter(struct ik_mqtt_request_list *list,
                                                     struct ik_str filter) {
  struct ik_mqtt_request *previous = NULL;
  struct ik_mqtt_request *request = list->first;
  while (request && !(request->type == IK_MQTT_SUBSCRIBE &&
                      ik_str_eq(ik_mqtt_request_filter(request), filter))) {
    previous = request;
    request = request->next;
  }
  return request ? take_after(list, previous) : NULL;
}

void ik_mqtt_requests_rewind(struct ik_mqtt_request_list *pending,
                             struct ik_mqtt_request_list *waiting) {
  for (struct ik_mqtt_request *request = pending->first; request; request = request->next) {
    request->sent = false;
    request->stamped = false;
    request->overdue = false;
  }
  if (!pending->first) return;
  pending->last->next = waiting->first;
  waiting->first = pending->first;
  if (!waiting->last) waiting->last = pending->last;
  waiting->count += pending->count;
  memset(pending, 0, sizeof(*pending));
}

void ik_mqtt_requests_stamp(struct ik_mqtt_request_list *pending, uint64_t now_ms) {
  for (struct ik_mqtt_request *request = pending->first; request; request = request->next) {
    if (request->stamped) continue;
    request->stamped = true;
    request->sent_ms = now_ms;
  }
}
