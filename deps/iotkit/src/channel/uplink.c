/*
 * uplink.c - the line, the pending requests and the block requests of a channel as one object that
 * may outlive it.
 */
#include "channel/uplink.h"

#include <stdlib.h>

#include "channel/block_requests.h"

struct ik_channel_uplink {
  struct ik_uplink face; /* first: a pointer to it is one to the whole */
  atomic_uint refs;
  struct ik_line line;
  struct ik_requests requests;
  struct ik_block_requests blocks;
};

static struct ik_channel_uplink *of(struct ik_uplink *face) {
  return (struct ik_channel_uplink *)face;
}

/* ---- the contract of download/uplink.h ---- */

static void ref(struct ik_uplink *face) {
  atomic_fetch_add(&of(face)->refs, 1);
}

static void unref(struct ik_uplink *face) {
  ik_channel_uplink_unref(of(face));
}

static int ask(struct ik_uplink *face, struct ik_request *request, const char *module) {
  return ik_requests_ask(&of(face)->requests, request, module);
}

static void forget(struct ik_uplink *face, struct ik_request *request) {
  ik_requests_forget(&of(face)->requests, request);
}

static int open_blocks(struct ik_uplink *face, struct ik_block_receiver *receiver) {
  return ik_block_requests_open(&of(face)->blocks, receiver);
}

static void close_blocks(struct ik_uplink *face, struct ik_block_receiver *receiver) {
  ik_block_requests_close(&of(face)->blocks, receiver);
}

static size_t block_room(struct ik_uplink *face) {
  return ik_block_requests_room(&of(face)->blocks);
}

static int ask_block(struct ik_uplink *face, const struct ik_ota_block *block, uint64_t now_ms,
                     uint32_t *id, uint64_t *until_ms) {
  return ik_block_requests_ask(&of(face)->blocks, block, now_ms, id, until_ms);
}

static int step(struct ik_uplink *face, struct ik_wake *wake, uint64_t until_ms) {
  struct ik_line *line = &of(face)->line;
  struct ik_line_use use;
  struct ik_carrier *carrier = ik_line_begin_use(line, &use, wake);
  if (carrier == NULL) return IK_ECLOSED;
  int rc = carrier->ops->pump(carrier, wake, until_ms);
  ik_line_end_use(line, &use);
  return rc;
}

static const struct ik_uplink_ops operations = {
    .ref = ref,
    .unref = unref,
    .ask = ask,
    .forget = forget,
    .open_blocks = open_blocks,
    .close_blocks = close_blocks,
    .block_room = block_room,
    .ask_block = ask_block,
    .step = step,
};

/* ---- the channel's side ---- */

static void destroy(struct ik_channel_uplink *uplink) {
  ik_requests_deinit(&uplink->requests);
  ik_line_deinit(&uplink->line);
  free(uplink);
}

int ik_channel_uplink_new(struct ik_carrier *carrier, const char *product_key,
                          const char *device_name, struct ik_channel_uplink **out) {
  *out = NULL;
  struct ik_channel_uplink *uplink = calloc(1, sizeof(*uplink));
  if (uplink == NULL) return IK_ENO_MEMORY;
  uplink->face.ops = &operations;
  atomic_init(&uplink->refs, 1);
  ik_requests_init(&uplink->requests, &uplink->line);
  ik_block_requests_init(&uplink->blocks, &uplink->line);
  int rc = ik_line_init(&uplink->line, carrier, product_key, device_name);
  if (rc == 0) {
    *out = uplink;
  } else {
    destroy(uplink);
  }
  return rc;
}

void ik_channel_uplink_unref(struct ik_channel_uplink *uplink) {
  if (uplink != NULL && atomic_fetch_sub(&uplink->refs, 1) == 1) destroy(uplink);
}

void ik_channel_uplink_close(struct ik_channel_uplink *uplink) {
  struct ik_requests_taken taken;
  if (uplink == NULL) return;
  struct ik_line *line = &uplink->line;
  ik_mutex_lock(line->mutex);
  ik_requests_take_all(&uplink->requests, &taken);
  ik_block_requests_notify_close(&uplink->blocks);
  struct ik_carrier *carrier = ik_line_begin_close(line);
  ik_mutex_unlock(line->mutex);
  ik_block_requests_unsubscribe(&uplink->blocks, carrier);
  ik_line_end_close(line);
  ik_requests_fail(&taken, IK_ECLOSED);
}

void ik_channel_uplink_set_shut(struct ik_channel_uplink *uplink, bool shut) {
  ik_line_set_shut(&uplink->line, shut);
}

bool ik_channel_uplink_awaits_blocks(struct ik_channel_uplink *uplink) {
  return ik_block_requests_has_receivers(&uplink->blocks);
}

struct ik_uplink *ik_channel_uplink_face(struct ik_channel_uplink *uplink) {
  return &uplink->face;
}

struct ik_line *ik_channel_uplink_line(struct ik_channel_uplink *uplink) {
  return &uplink->line;
}

enum ik_reply ik_channel_uplink_reply(struct ik_channel_uplink *uplink,
                                      const struct ik_announcement *notice, int error,
                                      const char *detail) {
  return ik_requests_reply(&uplink->requests, notice, error, detail);
}

bool ik_channel_uplink_push(struct ik_channel_uplink *uplink,
                            const struct ik_announcement *notice) {
  return ik_requests_push(&uplink->requests, notice);
}
