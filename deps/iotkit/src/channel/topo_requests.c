/*
 * topo_requests.c - a short list of requests.
 */
#include "channel/topo_requests.h"

#include "base/time.h"

int ik_topo_requests_add(struct ik_topo_requests *requests, const struct ik_topo_request *request) {
  if (requests->count == IK_TOPO_REQUESTS_MAX) return IK_EQUEUE_FULL;
  requests->list[requests->count++] = *request;
  return 0;
}

static void take_at(struct ik_topo_requests *requests, size_t index, struct ik_topo_request *out) {
  *out = requests->list[index];
  requests->list[index] = requests->list[--requests->count];
}

bool ik_topo_requests_take(struct ik_topo_requests *requests, uint32_t id,
                           struct ik_topo_request *out) {
  size_t i = 0;
  while (i < requests->count && requests->list[i].id != id)
    i++;
  if (i == requests->count) return false;
  take_at(requests, i, out);
  return true;
}

int ik_topo_requests_take_lost(struct ik_topo_requests *requests, unsigned connects,
                               uint64_t now_ms, struct ik_topo_request *out) {
  for (size_t i = 0; i < requests->count; i++) {
    struct ik_topo_request *request = &requests->list[i];
    if (request->end_ms == 0) request->end_ms = now_ms + requests->timeout_ms;
    const bool lost = request->connects != connects;
    if (!lost && now_ms < request->end_ms) continue;
    take_at(requests, i, out);
    return lost ? IK_ENOT_CONNECTED : IK_ETIMEOUT;
  }
  return 0;
}

uint64_t ik_topo_requests_due(const struct ik_topo_requests *requests) {
  uint64_t due_ms = UINT64_MAX;
  for (size_t i = 0; i < requests->count; i++)
    due_ms = ik_earlier(due_ms, requests->list[i].end_ms);
  return due_ms;
}
