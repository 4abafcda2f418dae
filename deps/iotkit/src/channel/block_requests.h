/*
 * block_requests.h - requests for MQTT blocks and the receivers of their replies.
 *
 * The platform counts what a device publishes, so all downloads of the line share one pace. Any
 * thread, unless a function says otherwise.
 */
#ifndef IK_CHANNEL_BLOCK_REQUESTS_H
#define IK_CHANNEL_BLOCK_REQUESTS_H

#include "channel/line.h"
#include "download/uplink.h"

/* Guarded by the line's mutex. */
struct ik_block_requests {
  struct ik_line *line;                /* borrowed */
  struct ik_block_receiver *receivers; /* a list; each is its owner's memory */
  uint64_t pace_ms; /* when the next request would be due if each kept its interval */
  uint64_t held_ms; /* since when requests wait for what others publish; 0: they do not */
};

void ik_block_requests_init(struct ik_block_requests *blocks, struct ik_line *line);
/* As ik_uplink_ops.open_blocks, .close_blocks, .block_room and .ask_block. */
int ik_block_requests_open(struct ik_block_requests *blocks, struct ik_block_receiver *receiver);
void ik_block_requests_close(struct ik_block_requests *blocks, struct ik_block_receiver *receiver);
/* Whether somebody waits for blocks, and the topic of their replies is subscribed. */
bool ik_block_requests_has_receivers(struct ik_block_requests *blocks);
size_t ik_block_requests_room(struct ik_block_requests *blocks);
int ik_block_requests_ask(struct ik_block_requests *blocks, const struct ik_ota_block *block,
                          uint64_t now_ms, uint32_t *id, uint64_t *until_ms);

/* The line closes: calls on_close() of every receiver. With the mutex held. */
void ik_block_requests_notify_close(struct ik_block_requests *blocks);
/* Unsubscribes the receivers, between begin_close and end_close. With no lock held. */
void ik_block_requests_unsubscribe(struct ik_block_requests *blocks, struct ik_carrier *carrier);

#endif
