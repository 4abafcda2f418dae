/*
 * job_blocks.c - the download of an image in MQTT blocks: the policy of ota/blocks.c carried out
 * over the link to the job's channel.
 *
 * The fetching thread asks and takes in; the stepping thread only copies replies into a bounded
 * inbox and wakes it. Made by the first fetch; freed with the job's connection, after which no
 * reply comes any more.
 */
#include <stdlib.h>
#include <string.h>

#include "api/job.h"
#include "api/limiter.h"
#include "api/link.h"
#include "ota/blocks.h"
#include "port/port.h"

/* Replies that wait for the fetching thread; what is beyond is lost and asked for again. */
#define INBOX_MAX ((size_t)2 * IK_BLOCKS_WINDOW)

struct reply {
  struct reply *next;
  size_t len;
  uint8_t payload[];
};

struct ik_job_blocks {
  struct ik_link *link; /* a reference */
  struct ik_wake *wake; /* the job's */
  struct ik_link_inlet inlet;
  bool open; /* the inlet */
  struct ik_mutex *mutex;
  /* with the mutex */
  struct reply *first, **last;
  size_t count;
  bool closed; /* the channel is gone */
  /* the fetching thread */
  struct ik_blocks blocks;
  struct ik_throttle throttle;
  size_t credit;    /* bytes that the limits granted and nobody has asked for yet */
  uint64_t last_ms; /* when the last fetch returned */
  bool paused;      /* … and whether it was paused */
};

/* One call. */
struct call {
  iotkit_job_t *job;
  struct ik_job_blocks *in;
  size_t len;
  uint64_t now_ms;
  uint64_t deadline_ms;
  uint64_t ask_ms; /* when there may be something to ask for again; UINT64_MAX: not known */
};

/* ---- the inbox ---- */

static void on_reply(void *ctx, const uint8_t *payload, size_t len) {
  struct ik_job_blocks *in = ctx;
  if (len > IK_BLOCK_REPLY_MAX) return;
  struct reply *reply = malloc(sizeof(*reply) + len);
  if (reply == NULL) return;
  reply->next = NULL;
  reply->len = len;
  memcpy(reply->payload, payload, len);
  ik_mutex_lock(in->mutex);
  if (in->count < INBOX_MAX) {
    *in->last = reply;
    in->last = &reply->next;
    in->count++;
    reply = NULL;
  }
  ik_mutex_unlock(in->mutex);
  free(reply);
  ik_wake_signal(in->wake);
}

static void on_close(void *ctx) {
  struct ik_job_blocks *in = ctx;
  ik_mutex_lock(in->mutex);
  in->closed = true;
  ik_mutex_unlock(in->mutex);
  ik_wake_signal(in->wake);
}

/* All that has come; *closed: nothing more will. */
static struct reply *take_replies(struct ik_job_blocks *in, bool *closed) {
  ik_mutex_lock(in->mutex);
  struct reply *replies = in->first;
  in->first = NULL;
  in->last = &in->first;
  in->count = 0;
  *closed = in->closed;
  ik_mutex_unlock(in->mutex);
  return replies;
}

static void take_in(struct call *call) {
  bool closed;
  struct ik_blocks *blocks = &call->in->blocks;
  struct reply *reply = take_replies(call->in, &closed);
  while (reply != NULL) {
    struct reply *next = reply->next;
    ik_blocks_reply(blocks, reply->payload, reply->len, call->now_ms, ik_port_random_u32());
    free(reply);
    reply = next;
  }
  if (closed) ik_blocks_fail(blocks, IK_ECLOSED, "the channel that the blocks come on was closed");
}

/* ---- life ---- */

void ik_job_blocks_free(struct ik_job_blocks *blocks) {
  bool closed;
  if (blocks == NULL) return;
  if (blocks->open) ik_link_close_inlet(blocks->link, &blocks->inlet);
  struct reply *reply = take_replies(blocks, &closed);
  while (reply != NULL) {
    struct reply *next = reply->next;
    free(reply);
    reply = next;
  }
  ik_throttle_give_back(&blocks->throttle, blocks->credit);
  ik_throttle_deinit(&blocks->throttle);
  ik_blocks_free(&blocks->blocks);
  ik_link_unref(blocks->link);
  ik_mutex_free(blocks->mutex);
  free(blocks);
}

/* What the client can receive at once. */
static int find_room(const iotkit_job_t *job, uint32_t *block_max, char *detail) {
  size_t room = ik_link_block_room(job->link);
  if (room == 0) {
    ik_detail(detail, "an image over MQTT comes on the channel that announced it");
    return IK_ECLOSED;
  }
  if (room < IK_BLOCK_MIN) {
    ik_detail(detail, "the largest packet of the client has no room for a block");
    return IK_EMQTT_PACKET_TOO_LARGE;
  }
  *block_max = room < IK_BLOCK_MAX ? (uint32_t)room : IK_BLOCK_MAX;
  return 0;
}

static int begin(iotkit_job_t *job, uint64_t now_ms, char *detail) {
  const struct iotkit_fetch_options *from = &job->config->options;
  struct ik_blocks_options options = {
      .size = job->notice.upgrade.size,
      .offset = atomic_load(&job->received),
      .response_timeout_ms = from->response_timeout_ms,
      .idle_timeout_ms = from->idle_timeout_ms,
      .max_retries = from->max_retries,
      .max_tries = from->max_tries,
      .retry_min_ms = from->retry_min_ms,
      .retry_max_ms = from->retry_max_ms,
      .total_timeout_ms = from->total_timeout_ms,
  };
  int rc = find_room(job, &options.block_max, detail);
  if (rc != 0) return rc;
  struct ik_job_blocks *in = calloc(1, sizeof(*in));
  if (in == NULL) return IK_ENO_MEMORY;
  in->last = &in->first;
  in->mutex = ik_mutex_new();
  if (in->mutex == NULL) {
    free(in);
    return IK_ENO_MEMORY;
  }
  in->link = ik_link_ref(job->link);
  in->wake = job->wake;
  in->inlet = (struct ik_link_inlet){.on_reply = on_reply, .on_close = on_close, .ctx = in};
  in->last_ms = now_ms;
  ik_throttle_init(&in->throttle, from->limiters);
  ik_blocks_init(&in->blocks, &options, now_ms);
  job->blocks = in;
  rc = ik_link_open_inlet(in->link, &in->inlet);
  in->open = rc == 0;
  if (rc != 0) ik_detail(detail, "the topic of the blocks could not be subscribed");
  return rc;
}

/* The channel is gone, which the inbox was told, or only the client. */
static void fail_closed(struct call *call) {
  take_in(call);
  ik_blocks_fail(&call->in->blocks, IK_ECLOSED, "the MQTT client was closed");
}

/* ---- asking ---- */

/* Whether the limits let `size` bytes be asked for; else call->ask_ms says when to come again. */
static bool granted(struct call *call, uint32_t size) {
  struct ik_job_blocks *in = call->in;
  while (in->credit < size) {
    size_t n = ik_throttle_take(&in->throttle, size - in->credit, call->now_ms, &call->ask_ms);
    if (n == 0) return false;
    in->credit += n;
  }
  call->ask_ms = UINT64_MAX;
  return true;
}

static void ask(struct call *call) {
  struct ik_job_blocks *in = call->in;
  const struct iotkit_upgrade *upgrade = &call->job->notice.upgrade;
  struct ik_ota_block block = {.stream_id = upgrade->stream_id, .file_id = upgrade->stream_file_id};
  uint32_t id;
  call->ask_ms = UINT64_MAX;
  while (ik_blocks_next(&in->blocks, call->now_ms, &block.offset, &block.size)) {
    if (!granted(call, block.size)) return;
    int rc = ik_link_ask_block(in->link, &block, call->now_ms, &id, &call->ask_ms);
    if (rc == IK_EAGAIN) return;
    call->ask_ms = UINT64_MAX;
    if (rc == IK_ECLOSED) {
      fail_closed(call);
    } else if (rc < 0) {
      ik_blocks_not_asked(&in->blocks, rc, call->now_ms, ik_port_random_u32());
    } else {
      in->credit -= block.size;
      ik_blocks_asked(&in->blocks, id, call->now_ms);
    }
  }
}

/* ---- the loop ---- */

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* Until something has come or is due. */
static int wait(struct call *call, uint64_t until_ms) {
  int rc = ik_link_step(call->in->link, call->in->wake, until_ms);
  ik_wake_clear(call->in->wake);
  call->now_ms = ik_port_now_ms();
  return rc;
}

/* What ended the call: the number of bytes, 0 or an error; 1 in *done. */
static int64_t outcome(const struct call *call, bool *done) {
  iotkit_job_t *job = call->job;
  const struct ik_blocks *blocks = &call->in->blocks;
  int64_t given = (int64_t)blocks->given;
  *done = true;
  if (iotkit_job_get_state(job) == IOTKIT_JOB_FAILED) return iotkit_job_error(job, NULL);
  if (blocks->state == IK_BLOCKS_DONE) {
    ik_job_finish(job, IOTKIT_JOB_FETCHED, 0, "");
    return given;
  }
  /* Errors and interruptions are for the next call, when there is something to hand out. */
  if (given > 0 && (blocks->state == IK_BLOCKS_FAILED || blocks->given == call->len ||
                    atomic_load(&job->interrupted)))
    return given;
  if (blocks->state == IK_BLOCKS_FAILED) {
    ik_job_finish(job, IOTKIT_JOB_FAILED, blocks->error, blocks->detail);
    return iotkit_job_error(job, NULL);
  }
  if (atomic_exchange(&job->interrupted, false)) return IK_EINTERRUPTED;
  *done = false;
  return 0;
}

/* Nothing is asked for and no time-out runs. */
static int stand_still(struct call *call) {
  struct ik_job_blocks *in = call->in;
  uint64_t since_ms = call->now_ms;
  ik_throttle_give_back(&in->throttle, in->credit);
  in->credit = 0;
  int rc = wait(call, call->deadline_ms);
  ik_blocks_resume(&in->blocks, call->now_ms - since_ms, true);
  return rc;
}

static int move_on(struct call *call) {
  struct ik_blocks *blocks = &call->in->blocks;
  ask(call);
  uint64_t until_ms = earlier(call->deadline_ms, ik_blocks_deadline(blocks, call->now_ms));
  int rc = blocks->state == IK_BLOCKS_FETCHING ? wait(call, earlier(until_ms, call->ask_ms)) : 0;
  take_in(call);
  ik_blocks_tick(blocks, call->now_ms, ik_port_random_u32());
  return rc;
}

static int64_t run(struct call *call) {
  struct ik_blocks *blocks = &call->in->blocks;
  bool done;
  take_in(call);
  for (;;) {
    int64_t result = outcome(call, &done);
    if (done) return result;
    call->in->paused = atomic_load(&call->job->paused);
    if (call->in->paused && blocks->given > 0) return (int64_t)blocks->given;
    bool over = call->now_ms >= call->deadline_ms;
    int rc = call->in->paused ? stand_still(call) : move_on(call);
    if (rc == IK_ECLOSED) {
      fail_closed(call);
    } else if (rc < 0) {
      return blocks->given > 0 ? (int64_t)blocks->given : rc;
    } else if (over && blocks->state == IK_BLOCKS_FETCHING) {
      return (int64_t)blocks->given;
    }
  }
}

/* What the call hands out is digested and counted; behind an abort it is nobody's any more. */
static int64_t account(iotkit_job_t *job, const uint8_t *buf, uint64_t start, int64_t result) {
  size_t given = ik_blocks_take_back(&job->blocks->blocks);
  if (result < 0 || given == 0) return result;
  int rc = job->config->options.external_digest ? 0 : ik_job_update_digest(job, start, buf, given);
  if (rc != 0) {
    ik_job_finish(job, IOTKIT_JOB_FAILED, rc, "the digest could not be computed");
    return iotkit_job_error(job, NULL);
  }
  atomic_store(&job->received, start + given);
  return result;
}

int64_t ik_job_blocks_fetch(iotkit_job_t *job, uint8_t *buf, size_t len, uint64_t deadline_ms,
                            uint64_t *offset) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct call call = {
      .job = job, .len = len, .now_ms = ik_port_now_ms(), .deadline_ms = deadline_ms};
  int rc = job->blocks == NULL ? begin(job, call.now_ms, detail) : 0;
  *offset = atomic_load(&job->received);
  if (rc != 0) {
    ik_job_finish(job, IOTKIT_JOB_FAILED, rc, detail);
    ik_job_disconnect(job);
    return iotkit_job_error(job, NULL);
  }
  call.in = job->blocks;
  ik_blocks_resume(&call.in->blocks, call.now_ms - call.in->last_ms, call.in->paused);
  ik_blocks_lend(&call.in->blocks, buf, len);
  int64_t result = account(job, buf, *offset, run(&call));
  call.in->last_ms = call.now_ms;
  if (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHING) ik_job_disconnect(job);
  return result;
}
