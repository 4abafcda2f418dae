/*
 * job_lane.h - one connection of a job, with the transfer it serves.
 */
#ifndef IK_API_JOB_LANE_H
#define IK_API_JOB_LANE_H

#include "http/exchange.h"
#include "iotkit_ota.h"
#include "net/transport.h"
#include "ota/transfer.h"

#define IK_LANE_SCRATCH (4 * IK_KIB)

/* The fetching thread only. */
struct ik_lane {
  struct ik_transfer transfer;
  struct ik_http_exchange exchange;
  struct ik_transport *transport; /* NULL: none */
  struct ik_buf request;          /* not yet sent */
  int interest;                   /* what the transport waits for, when a step could do nothing */
  uint64_t throttled_until;       /* a limiter gave nothing before it; 0: it waits for none */
  size_t scratch_pos;             /* raw bytes that came with a head or behind the image */
  size_t scratch_len;
  uint8_t scratch[IK_LANE_SCRATCH];
};

/* Where a step may put bytes of the body, and how many it did. */
struct ik_step {
  uint8_t *into;
  size_t room;
  size_t got;
  uint64_t now_ms;
};

void ik_lane_init(struct ik_lane *lane); /* all but the transfer */
void ik_lane_deinit(struct ik_lane *lane);
void ik_lane_disconnect(struct ik_lane *lane);
/* Gives the connection with all that was received on it to another, which has none. */
void ik_lane_move(struct ik_lane *from, struct ik_lane *to);
/*
 * Does one thing in the states CONNECT to BODY. False: nothing could be done, wait for what the lane
 * says. Bytes of the body are received straight into the room; only what came in one piece with a
 * response head passes through the scratch, and so does what comes behind the body.
 */
bool ik_lane_step(iotkit_job_t *job, struct ik_lane *lane, struct ik_step *step);
/* The transfer was in state `before`: closes the connection if it is of no more use. */
void ik_lane_follow(struct ik_lane *lane, enum ik_transfer_state before);
/* Applies time-outs. */
void ik_lane_tick(struct ik_lane *lane, uint64_t now_ms);
/* When it must be stepped or ticked at the latest. */
uint64_t ik_lane_deadline(const struct ik_lane *lane);

#endif
