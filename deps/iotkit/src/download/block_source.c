/*
 * block_source.c - the policy of policy/blocks.c carried out over the uplink.
 *
 * The fetching thread sends requests and processes replies; the thread that steps the client only
 * copies replies into a bounded inbox and wakes the fetching thread. Once the source is freed, no
 * reply arrives here.
 */
#include "download/block_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "core/limiter.h"
#include "policy/blocks.h"

/*
 * Replies that wait for the fetching thread; further ones are dropped, and requested again later.
 */
#define INBOX_MAX ((size_t)2 * IK_BLOCKS_WINDOW)

struct reply {
  struct reply *next;
  size_t len;
  uint8_t payload[];
};

struct block_source {
  struct ik_source face; /* first: a pointer to it is one to the whole */
  const struct ik_fetch_setup *setup;
  struct ik_uplink *uplink; /* a reference */
  struct ik_wake *wake;     /* the job's */
  struct ik_block_receiver receiver;
  bool open; /* the receiver */
  struct ik_mutex *mutex;
  /* with the mutex */
  struct reply *first, **last;
  size_t count;
  bool closed; /* the channel is gone */
  /* the fetching thread */
  struct ik_blocks blocks;
  struct ik_throttle throttle;
  size_t credit; /* bytes that the limits granted and no request has used yet */
};

static struct block_source *of(const struct ik_source *face) {
  return (struct block_source *)(uintptr_t)face;
}

/* ---- the inbox ---- */

static void on_reply(void *ctx, const uint8_t *payload, size_t len) {
  struct block_source *source = ctx;
  if (len > IK_BLOCK_REPLY_MAX) return;
  struct reply *reply = malloc(sizeof(*reply) + len);
  if (reply == NULL) return;
  reply->next = NULL;
  reply->len = len;
  memcpy(reply->payload, payload, len);
  ik_mutex_lock(source->mutex);
  if (source->count < INBOX_MAX) {
    *source->last = reply;
    source->last = &reply->next;
    source->count++;
    reply = NULL;
  }
  ik_mutex_unlock(source->mutex);
  free(reply);
  ik_wake_signal(source->wake);
}

static void on_close(void *ctx) {
  struct block_source *source = ctx;
  ik_mutex_lock(source->mutex);
  source->closed = true;
  ik_mutex_unlock(source->mutex);
  ik_wake_signal(source->wake);
}

/* Empties the inbox; *closed: no more replies will arrive. */
static struct reply *take_replies(struct block_source *source, bool *closed) {
  ik_mutex_lock(source->mutex);
  struct reply *replies = source->first;
  source->first = NULL;
  source->last = &source->first;
  source->count = 0;
  *closed = source->closed;
  ik_mutex_unlock(source->mutex);
  return replies;
}

/* Frees a reply and returns the next. */
static struct reply *pop(struct reply *reply) {
  struct reply *next = reply->next;
  free(reply);
  return next;
}

static void process_replies(struct block_source *source, uint64_t now_ms) {
  bool closed;
  struct ik_blocks *blocks = &source->blocks;
  struct reply *reply = take_replies(source, &closed);
  while (reply != NULL) {
    ik_blocks_reply(blocks, reply->payload, reply->len, now_ms, ik_port_random_u32());
    reply = pop(reply);
  }
  if (closed) ik_blocks_fail(blocks, IK_ECLOSED, "the channel that the blocks come on was closed");
}

/* Processes the replies that have arrived, and hands out the next bytes of the image. */
static void receive(struct block_source *source, struct ik_call *call) {
  struct ik_blocks *blocks = &source->blocks;
  ik_blocks_lend(blocks, call->buf + call->got, call->len - call->got);
  process_replies(source, call->now_ms);
  size_t given = ik_blocks_take_back(blocks);
  if (given > 0) call->outlet->hand_out(call->outlet->ctx, call, blocks->offset - given, given);
}

/* ---- asking ---- */

/* The channel is gone, which on_close() noted in the inbox, or only the client is. */
static void fail_closed(struct block_source *source, struct ik_call *call) {
  receive(source, call);
  ik_blocks_fail(&source->blocks, IK_ECLOSED, "the MQTT client was closed");
}

/* Whether the limits allow a request for `size` bytes; if not, ask again at *until_ms. */
static bool granted(struct block_source *source, uint32_t size, uint64_t now_ms,
                    uint64_t *until_ms) {
  while (source->credit < size) {
    size_t n = ik_throttle_take(&source->throttle, size - source->credit, now_ms, until_ms);
    if (n == 0) return false;
    source->credit += n;
  }
  return true;
}

/* Requests one block. False: not before *until_ms. */
static bool ask_one(struct block_source *source, struct ik_call *call,
                    const struct ik_ota_block *block, uint64_t *until_ms) {
  struct ik_uplink *uplink = source->uplink;
  uint64_t now_ms = call->now_ms;
  uint32_t id;
  if (!granted(source, block->size, now_ms, until_ms)) return false;
  int rc = uplink->ops->ask_block(uplink, block, now_ms, &id, until_ms);
  if (rc == IK_EAGAIN) return false;
  if (rc == IK_ECLOSED) {
    fail_closed(source, call);
  } else if (rc < 0) {
    ik_blocks_not_asked(&source->blocks, rc, now_ms, ik_port_random_u32());
  } else {
    source->credit -= block->size;
    ik_blocks_asked(&source->blocks, id, now_ms);
  }
  return true;
}

/* Requests every block that is wanted now. Returns when to try the next; UINT64_MAX: not known. */
static uint64_t ask(struct block_source *source, struct ik_call *call) {
  const struct iotkit_upgrade *upgrade = &source->setup->announcement.upgrade;
  struct ik_ota_block block = {.stream_id = upgrade->stream_id, .file_id = upgrade->stream_file_id};
  uint64_t until_ms = UINT64_MAX;
  while (ik_blocks_next(&source->blocks, call->now_ms, &block.offset, &block.size)) {
    if (!ask_one(source, call, &block, &until_ms)) return until_ms;
  }
  return UINT64_MAX;
}

/* ---- the contract of source.h ---- */

/* It has progressed when bytes were handed out, or the download has ended. */
static bool advance(struct ik_source *face, struct ik_call *call, uint64_t *until_ms) {
  struct block_source *source = of(face);
  size_t before = call->got;
  receive(source, call);
  uint64_t ask_ms = ask(source, call);
  *until_ms =
      ik_earlier(*until_ms, ik_earlier(ask_ms, ik_blocks_deadline(&source->blocks, call->now_ms)));
  return call->got > before || source->blocks.state != IK_BLOCKS_FETCHING;
}

/* Steps the client, or waits while another thread does. */
static int step(struct block_source *source, struct ik_call *call, uint64_t until_ms) {
  int rc = source->uplink->ops->step(source->uplink, source->wake, until_ms);
  ik_wake_clear(source->wake);
  call->now_ms = ik_port_now_ms();
  if (rc != IK_ECLOSED) return rc;
  fail_closed(source, call);
  return 0;
}

/* Replies are processed before the time-outs are applied, and go straight into the buffer. */
static int wait_for_news(struct ik_source *face, struct ik_call *call, uint64_t until_ms) {
  struct block_source *source = of(face);
  int rc = step(source, call, until_ms);
  receive(source, call);
  return rc;
}

static int wait_while_paused(struct ik_source *face, struct ik_call *call) {
  struct block_source *source = of(face);
  ik_throttle_give_back(&source->throttle, source->credit);
  source->credit = 0;
  return step(source, call, call->deadline_ms);
}

static void tick(struct ik_source *face, uint64_t now_ms) {
  ik_blocks_tick(&of(face)->blocks, now_ms, ik_port_random_u32());
}

static void extend_deadlines(struct ik_source *face, uint64_t away_ms) {
  ik_blocks_extend_deadlines(&of(face)->blocks, away_ms);
}

static void count_pause(struct ik_source *face, uint64_t paused_ms) {
  ik_blocks_paused(&of(face)->blocks, paused_ms);
}

/* What the limits granted is kept for the requests of the next call. */
static void end_call(struct ik_source *face) {
  (void)face;
}

static void status(const struct ik_source *face, struct ik_source_status *status) {
  const struct ik_blocks *blocks = &of(face)->blocks;
  *status = (struct ik_source_status){.state = IK_SOURCE_OPEN,
                                      .offset = blocks->offset,
                                      .error = blocks->error,
                                      .detail = blocks->detail,
                                      .waits = blocks->waits,
                                      .attempt = blocks->backoff.failures,
                                      .retry_ms = blocks->wait_until_ms};
  if (blocks->state == IK_BLOCKS_DONE) status->state = IK_SOURCE_DONE;
  if (blocks->state == IK_BLOCKS_FAILED) status->state = IK_SOURCE_FAILED;
}

/* ---- life ---- */

static void free_source(struct ik_source *face) {
  bool closed;
  struct block_source *source = of(face);
  if (source->open) source->uplink->ops->close_blocks(source->uplink, &source->receiver);
  for (struct reply *reply = take_replies(source, &closed); reply != NULL;)
    reply = pop(reply);
  ik_throttle_give_back(&source->throttle, source->credit);
  ik_throttle_deinit(&source->throttle);
  ik_blocks_free(&source->blocks);
  source->uplink->ops->unref(source->uplink);
  ik_mutex_free(source->mutex);
  free(source);
}

static const struct ik_source_ops operations = {
    .advance = advance,
    .wait = wait_for_news, /* `wait` is a function of POSIX */
    .wait_while_paused = wait_while_paused,
    .tick = tick,
    .extend_deadlines = extend_deadlines,
    .count_pause = count_pause,
    .end_call = end_call,
    .status = status,
    .free = free_source,
};

/* The largest block that the client can receive in one packet. */
static int find_room(struct ik_uplink *uplink, uint32_t *block_max, char *detail) {
  size_t room = uplink != NULL ? uplink->ops->block_room(uplink) : 0;
  if (room == 0) {
    return ik_refuse(detail, IK_ECLOSED,
                     "an image over MQTT comes on the channel that announced it");
  }
  if (room < IK_BLOCK_MIN) {
    return ik_refuse(detail, IK_EMQTT_PACKET_TOO_LARGE,
                     "the largest packet of the client has no room for a block");
  }
  *block_max = room < IK_BLOCK_MAX ? (uint32_t)room : IK_BLOCK_MAX;
  return 0;
}

static struct ik_blocks_options policy_of(const struct ik_fetch_setup *setup, uint64_t offset) {
  const struct iotkit_fetch_options *from = &setup->config->options;
  return (struct ik_blocks_options){
      .size = setup->announcement.upgrade.size,
      .offset = offset,
      .response_timeout_ms = from->response_timeout_ms,
      .idle_timeout_ms = from->idle_timeout_ms,
      .patience_ms = from->patience_ms,
      .max_retries = from->max_retries,
      .max_tries = from->max_tries,
      .retry_min_ms = from->retry_min_ms,
      .retry_max_ms = from->retry_max_ms,
      .total_timeout_ms = from->total_timeout_ms,
  };
}

/* NULL: out of memory. */
static struct block_source *make(const struct ik_fetch_setup *setup, struct ik_wake *wake) {
  struct block_source *source = calloc(1, sizeof(*source));
  if (source == NULL) return NULL;
  source->mutex = ik_mutex_new();
  if (source->mutex == NULL) {
    free(source);
    return NULL;
  }
  source->face.ops = &operations;
  source->setup = setup;
  source->uplink = setup->uplink;
  source->uplink->ops->ref(source->uplink);
  source->wake = wake;
  source->receiver =
      (struct ik_block_receiver){.on_reply = on_reply, .on_close = on_close, .ctx = source};
  source->last = &source->first;
  ik_throttle_init(&source->throttle, setup->config->options.limiters);
  return source;
}

int ik_block_source_new(const struct ik_fetch_setup *setup, struct ik_control *control,
                        uint64_t offset, uint64_t now_ms, struct ik_source **out, char *detail) {
  struct ik_blocks_options options = policy_of(setup, offset);
  int rc = find_room(setup->uplink, &options.block_max, detail);
  if (rc != 0) return rc;
  struct block_source *source = make(setup, control->wake);
  if (source == NULL) return IK_ENO_MEMORY;
  ik_blocks_init(&source->blocks, &options, now_ms);
  rc = source->uplink->ops->open_blocks(source->uplink, &source->receiver);
  source->open = rc == 0;
  if (rc != 0) {
    ik_detail(detail, "the topic of the blocks could not be subscribed");
    free_source(&source->face);
    return rc;
  }
  *out = &source->face;
  return 0;
}
