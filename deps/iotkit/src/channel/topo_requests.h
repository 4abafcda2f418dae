/*
 * topo_requests.h - a gateway's requests that wait for an answer, by the id of their message. No I/O,
 * no clock, no lock: its owner brings the time and guards it.
 */
#ifndef IK_CHANNEL_TOPO_REQUESTS_H
#define IK_CHANNEL_TOPO_REQUESTS_H

#include "alink/topology.h"

#define IK_TOPO_REQUESTS_MAX 64
#define IK_TOPO_PROGRAM_MAX 48 /* of them the program's own, so that logins have room */

struct ik_topo_request {
  uint32_t id;
  enum ik_topo_action action;
  unsigned connects;                  /* of which connection it is */
  iotkit_gateway_answer_fn on_answer; /* NULL: nobody waits */
  void *ctx;
  uint64_t end_ms; /* 0: its time has not begun, since whoever sent it had no clock */
};

struct ik_topo_requests {
  struct ik_topo_request list[IK_TOPO_REQUESTS_MAX];
  size_t count;
  uint32_t timeout_ms;
};

/* IK_EQUEUE_FULL. */
int ik_topo_requests_add(struct ik_topo_requests *requests, const struct ik_topo_request *request);
/* Takes out the request with that id; false: there is none. */
bool ik_topo_requests_take(struct ik_topo_requests *requests, uint32_t id,
                           struct ik_topo_request *out);
/*
 * Takes out one that will not be answered any more and returns why: IK_ETIMEOUT; IK_ENOT_CONNECTED: it
 * was sent in another connection than `connects` (0: there is none now). 0: none of them.
 */
int ik_topo_requests_take_lost(struct ik_topo_requests *requests, unsigned connects,
                               uint64_t now_ms, struct ik_topo_request *out);
/* When the first of them is too late; UINT64_MAX: none waits. */
uint64_t ik_topo_requests_due(const struct ik_topo_requests *requests);

#endif
