/*
 * blocks.c - the policy of a download in MQTT blocks. Bytes that are next in the image go straight
 * into the buffer on loan from the caller; only bytes that arrive before their turn are held.
 */
#include "policy/blocks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "iotkit_core.h"

#define REPLY_TIMEOUT_FIRST_MS 10000 /* until replies have shown how long they take */
#define REPLY_TIMEOUT_LEAST_MS 1000
#define QUICK_MS 250               /* after a block that took less, blocks grow */
#define SLOW_MS 4000               /* after a block that took longer, blocks shrink */
#define BLOCK_TIME_MAX_MS 3600000u /* a longer time counts as this */
#define SHRUNK_MIN 4096u /* slow and lost replies shrink blocks down to this, refusals further */
#define OFFLINE_WAIT_MIN_MS 50
#define OFFLINE_WAIT_MAX_MS 1000
#define RAISE_AFTER_FIRST 32u  /* good blocks until a size that was refused is tried again */
#define DISTANCE_FIRST_MS 125u /* between requests, once a burst has had no reply */
#define DISTANCE_STEP_MS 25u   /* back, where that goes well */
#define DISTANCE_MAX_MS 2000u
#define CALM_AFTER_MAX 64u
#define CALM_PROOF 4u       /* good blocks that prove window and distance */
#define CALM_AFTER_FIRST 8u /* good blocks until the next step back */
#define CODE_TOO_MANY 429   /* codes of refusals, as in HTTP */
#define CODE_SERVER_ERROR 500

/* The most that the time-out of a reply may be. */
static uint32_t longest_wait(const struct ik_blocks *blocks) {
  return ik_least(blocks->options.response_timeout_ms, blocks->options.idle_timeout_ms);
}

void ik_blocks_init(struct ik_blocks *blocks, const struct ik_blocks_options *options,
                    uint64_t now_ms) {
  memset(blocks, 0, sizeof(*blocks));
  blocks->options = *options;
  blocks->offset = options->offset;
  blocks->end = options->offset;
  blocks->block_size_max = options->block_max;
  blocks->raise_after = RAISE_AFTER_FIRST / 2; /* the first refusal doubles it */
  blocks->block_size = ik_least(IK_BLOCK_FIRST, options->block_max);
  blocks->reply_timeout_ms = ik_least(REPLY_TIMEOUT_FIRST_MS, longest_wait(blocks));
  blocks->arrived_ms = now_ms;
  blocks->offline_wait_ms = OFFLINE_WAIT_MIN_MS;
  blocks->window_max = IK_BLOCKS_WINDOW;
  blocks->calm_after = CALM_AFTER_FIRST / 2; /* the first failure doubles it */
  ik_patience_begin(&blocks->patience, options->patience_ms, 0, 0, now_ms);
  blocks->total_end_ms =
      options->total_timeout_ms > 0 ? now_ms + options->total_timeout_ms : UINT64_MAX;
  ik_backoff_init(&blocks->backoff, options->retry_min_ms, options->retry_max_ms);
  if (blocks->offset >= options->size) blocks->state = IK_BLOCKS_DONE;
}

void ik_blocks_free(struct ik_blocks *blocks) {
  for (size_t i = 0; i < blocks->count; i++)
    free(blocks->window[i].data);
  blocks->count = 0;
}

void ik_blocks_fail(struct ik_blocks *blocks, int error, const char *detail) {
  if (blocks->state != IK_BLOCKS_FETCHING) return;
  blocks->state = IK_BLOCKS_FAILED;
  blocks->error = error;
  ik_detail(blocks->detail, "%s", detail);
}

/* Waits before the next request; or fails by max_retries or the patience. */
static void count_failure(struct ik_blocks *blocks, int error, const char *detail, uint64_t now_ms,
                          uint32_t random) {
  uint32_t max = blocks->options.max_retries;
  bool too_many = max != UINT32_MAX && blocks->backoff.failures >= max;
  if (too_many || ik_patience_is_over(&blocks->patience, now_ms)) {
    ik_blocks_fail(blocks, error, detail);
    return;
  }
  blocks->wait_until_ms = now_ms + ik_backoff_next(&blocks->backoff, random);
  blocks->failed_number = blocks->request_count;
  blocks->waits++;
  blocks->error = error;
  ik_detail(blocks->detail, "%s", detail);
}

/*
 * A request has failed. If it was published before the last failure was counted, it probably failed
 * for the same cause and is not counted again.
 */
static void fail_range(struct ik_blocks *blocks, struct ik_block_range *range, int error,
                       const char *detail, uint64_t now_ms, uint32_t random) {
  range->state = IK_BLOCK_RANGE_WANTED;
  if (range->number > blocks->failed_number) count_failure(blocks, error, detail, now_ms, random);
}

/* ---- handing out ---- */

static void put_out(struct ik_blocks *blocks, const uint8_t *data, uint32_t len) {
  memcpy(blocks->out, data, len);
  blocks->out += len;
  blocks->room -= len;
  blocks->given += len;
  blocks->offset += len;
}

static void drop_first(struct ik_blocks *blocks) {
  free(blocks->window[0].data);
  blocks->count--;
  memmove(blocks->window, blocks->window + 1, blocks->count * sizeof(blocks->window[0]));
}

/* Hands out held bytes that are next in the image, as many as there is room for. */
static void drain(struct ik_blocks *blocks) {
  while (blocks->count > 0) {
    struct ik_block_range *first = &blocks->window[0];
    uint32_t held = first->got - first->taken;
    uint32_t n = blocks->room < held ? (uint32_t)blocks->room : held;
    if (n > 0) put_out(blocks, first->data + first->taken, n);
    first->taken += n;
    if (first->taken < first->size) break;
    drop_first(blocks);
  }
  if (blocks->offset == blocks->options.size && blocks->state == IK_BLOCKS_FETCHING)
    blocks->state = IK_BLOCKS_DONE;
}

void ik_blocks_lend(struct ik_blocks *blocks, void *buf, size_t len) {
  blocks->out = buf;
  blocks->room = len;
  blocks->given = 0;
  drain(blocks);
}

size_t ik_blocks_take_back(struct ik_blocks *blocks) {
  blocks->out = NULL;
  blocks->room = 0;
  return blocks->given;
}

/* ---- requests ---- */

static struct ik_block_range *add_range(struct ik_blocks *blocks) {
  uint64_t rest = blocks->options.size - blocks->end;
  if (blocks->count == IK_BLOCKS_WINDOW || rest == 0) return NULL;
  struct ik_block_range *range = &blocks->window[blocks->count++];
  *range = (struct ik_block_range){.offset = blocks->end};
  range->size = rest < blocks->block_size ? (uint32_t)rest : blocks->block_size;
  blocks->end += range->size;
  return range;
}

static struct ik_block_range *find_wanted(struct ik_blocks *blocks) {
  for (size_t i = 0; i < blocks->count; i++) {
    if (blocks->window[i].state == IK_BLOCK_RANGE_WANTED) return &blocks->window[i];
  }
  return add_range(blocks);
}

/* The size of the next request for a range, so that no rest remains that the platform refuses. */
static uint32_t ask_size(const struct ik_blocks *blocks, const struct ik_block_range *range) {
  uint32_t rest = range->size - range->got;
  if (rest <= blocks->block_size) return rest;
  if (rest - blocks->block_size >= IK_BLOCK_MIN) return blocks->block_size;
  return rest / 2 >= IK_BLOCK_MIN ? rest / 2 : rest;
}

/* ---- one request at a time, at a distance ---- */

/* Small steps where requests are close to each other, larger ones where they are far apart. */
static uint32_t step_of(uint32_t distance_ms) {
  uint32_t part_ms = distance_ms / 4;
  return part_ms > DISTANCE_STEP_MS ? part_ms : DISTANCE_STEP_MS;
}

/* `sure`: it is no single request that was lost. */
static uint32_t longer_distance(const struct ik_blocks *blocks, bool sure) {
  if (blocks->window_max > 1) return DISTANCE_FIRST_MS;
  if (blocks->stepped) return blocks->distance_ms + step_of(blocks->distance_ms);
  if (blocks->calm_blocks == 0) return 2 * blocks->distance_ms; /* it has never worked */
  return sure ? blocks->distance_ms + DISTANCE_FIRST_MS : blocks->distance_ms;
}

/*
 * Requests have had no reply, or the platform is busy. A single request that is lost, where others
 * went well, is lost by chance: the next one would be no better off for coming later.
 */
static void slow_down(struct ik_blocks *blocks, bool sure) {
  if (!sure && blocks->calm_blocks >= CALM_PROOF) return;
  blocks->distance_ms = ik_least(longer_distance(blocks, sure), DISTANCE_MAX_MS);
  blocks->window_max = 1;
  blocks->calm_blocks = 0;
  blocks->calm_after = ik_least(2 * blocks->calm_after, CALM_AFTER_MAX);
  blocks->stepped = false;
}

/* After enough good blocks: first the distance comes down, then the window opens. */
static void speed_up(struct ik_blocks *blocks) {
  if (blocks->calm_blocks < UINT32_MAX) blocks->calm_blocks++;
  if (blocks->distance_ms == 0 && blocks->window_max == IK_BLOCKS_WINDOW) return;
  if (blocks->calm_blocks < blocks->calm_after) return;
  blocks->calm_blocks = 0;
  blocks->stepped = true;
  if (blocks->distance_ms > 0) {
    blocks->distance_ms -= ik_least(blocks->distance_ms, step_of(blocks->distance_ms));
  } else {
    blocks->window_max++;
  }
}

static uint32_t under_way(const struct ik_blocks *blocks) {
  uint32_t count = 0;
  for (size_t i = 0; i < blocks->count; i++)
    count += blocks->window[i].state == IK_BLOCK_RANGE_ASKED;
  return count;
}

/* When the next request may be published, as far as the distance says. */
static uint64_t distant_ms(const struct ik_blocks *blocks) {
  return blocks->request_count > 0 ? blocks->asked_ms + blocks->distance_ms : 0;
}

bool ik_blocks_next(struct ik_blocks *blocks, uint64_t now_ms, uint64_t *offset, uint32_t *size) {
  if (blocks->state != IK_BLOCKS_FETCHING || now_ms < blocks->wait_until_ms) return false;
  if (now_ms < distant_ms(blocks) || under_way(blocks) >= blocks->window_max) return false;
  const struct ik_block_range *range = find_wanted(blocks);
  if (range == NULL) return false;
  blocks->next = (size_t)(range - blocks->window);
  *offset = range->offset + range->got;
  *size = ask_size(blocks, range);
  return true;
}

void ik_blocks_asked(struct ik_blocks *blocks, uint32_t id, uint64_t now_ms) {
  struct ik_block_range *range = &blocks->window[blocks->next];
  range->requests[1] = range->requests[0];
  range->requests[0] = (struct ik_block_request){id, ask_size(blocks, range)};
  range->state = IK_BLOCK_RANGE_ASKED;
  range->asked_ms = now_ms;
  range->number = ++blocks->request_count;
  blocks->asked_ms = now_ms;
  blocks->offline_since_ms = 0;
  blocks->offline_wait_ms = OFFLINE_WAIT_MIN_MS;
  if (range->tries++ == 0 || blocks->options.max_tries == UINT32_MAX) return;
  if (++blocks->repeats > blocks->options.max_tries) {
    ik_blocks_fail(blocks, IK_EBLOCK, "too many blocks had to be asked for again");
  }
}

void ik_blocks_not_asked(struct ik_blocks *blocks, int error, uint64_t now_ms, uint32_t random) {
  if (error != IK_ENOT_CONNECTED && error != IK_EQUEUE_FULL && error != IK_ENO_MEMORY) {
    ik_blocks_fail(blocks, error, "the request for a block could not be sent");
    return;
  }
  if (blocks->offline_since_ms == 0) blocks->offline_since_ms = now_ms;
  blocks->wait_until_ms = now_ms + blocks->offline_wait_ms;
  blocks->offline_wait_ms = ik_least(2 * blocks->offline_wait_ms, OFFLINE_WAIT_MAX_MS);
  if (now_ms - blocks->offline_since_ms < blocks->options.idle_timeout_ms) return;
  blocks->offline_since_ms = now_ms;
  count_failure(blocks, error, "no request for a block could be sent", now_ms, random);
}

/* ---- replies ---- */

/* Finds the range whose request has this id; *size is how many bytes that request was for. */
static struct ik_block_range *find_asked(struct ik_blocks *blocks, uint32_t id, uint32_t *size) {
  for (size_t i = 0; i < blocks->count; i++) {
    const struct ik_block_request *requests = blocks->window[i].requests;
    for (size_t k = 0; k < 2; k++) {
      if (requests[k].size == 0 || requests[k].id != id) continue;
      *size = requests[k].size;
      return &blocks->window[i];
    }
  }
  return NULL;
}

/* After a refusal: unless the platform is only busy, the size may be what it refuses. */
static void lower_block_size_max(struct ik_blocks *blocks, uint32_t size, bool is_counted) {
  if (size / 2 < IK_BLOCK_MIN) return;
  blocks->block_size_max = ik_least(blocks->block_size_max, size / 2);
  blocks->block_size = ik_least(blocks->block_size, blocks->block_size_max);
  blocks->good_blocks = 0;
  if (is_counted && blocks->raise_after < UINT32_MAX / 2) blocks->raise_after *= 2;
}

static void handle_refusal(struct ik_blocks *blocks, struct ik_block_range *range, uint32_t size,
                           const struct ik_block_reply *reply, uint64_t now_ms, uint32_t random) {
  char detail[IOTKIT_DETAIL_MAX];
  ik_detail(detail, "block at %" PRIu64 ": the platform answered with code %" PRIu64 " %.*s",
            range->offset + range->got, reply->code, (int)reply->message.len, reply->message.ptr);
  bool is_new = range->number > blocks->failed_number;
  if (reply->code != CODE_TOO_MANY && reply->code < CODE_SERVER_ERROR) {
    lower_block_size_max(blocks, size, is_new);
  } else if (is_new) {
    slow_down(blocks, true);
  }
  fail_range(blocks, range, IK_EBLOCK, detail, now_ms, random);
}

static void handle_bad_block(struct ik_blocks *blocks, struct ik_block_range *range,
                             const char *why, uint64_t now_ms, uint32_t random) {
  char detail[IOTKIT_DETAIL_MAX];
  ik_detail(detail, "block at %" PRIu64 ": %s", range->offset + range->got, why);
  fail_range(blocks, range, IK_EBLOCK, detail, now_ms, random);
}

/* What is wrong with a block whose CRC is right; NULL: nothing. */
static const char *misfit(const struct ik_blocks *blocks, const struct ik_block_range *range,
                          const struct ik_block_reply *reply, uint32_t size) {
  if (reply->offset != range->offset + range->got) return "it is from another place";
  if (reply->size != size) return "it has another size than was asked for";
  if (reply->file_length != 0 && reply->file_length != blocks->options.size)
    return "the image has another size than was announced";
  return NULL;
}

/*
 * After enough good blocks a refused size is tried again: the refusal may have had another cause.
 * Each further refusal doubles how many blocks are enough.
 */
static void raise_block_size_max(struct ik_blocks *blocks) {
  if (blocks->block_size_max == blocks->options.block_max ||
      ++blocks->good_blocks < blocks->raise_after)
    return;
  blocks->good_blocks = 0;
  blocks->block_size_max = ik_least(2 * blocks->block_size_max, blocks->options.block_max);
}

/* Adapts reply time-out and block size to the time that a block took. */
static void adapt(struct ik_blocks *blocks, uint32_t size, uint64_t since_ms, uint64_t now_ms) {
  uint64_t took_ms = now_ms > since_ms ? now_ms - since_ms : 0;
  uint32_t took = took_ms < BLOCK_TIME_MAX_MS ? (uint32_t)took_ms : BLOCK_TIME_MAX_MS;
  blocks->block_time_ms =
      took > blocks->block_time_ms ? took : (3 * blocks->block_time_ms + took) / 4;
  blocks->reply_timeout_ms =
      ik_least(REPLY_TIMEOUT_LEAST_MS + 4 * blocks->block_time_ms, longest_wait(blocks));
  if (took > SLOW_MS && blocks->block_size > SHRUNK_MIN) {
    blocks->block_size /= 2;
  } else if (took < QUICK_MS && size >= blocks->block_size) {
    blocks->block_size = ik_least(2 * blocks->block_size, blocks->block_size_max);
  }
}

/* Holds the bytes of a block that cannot be handed out yet. */
static int hold(struct ik_block_range *range, const uint8_t *data, uint32_t len) {
  if (len == 0) return 0;
  if (range->data == NULL) range->data = malloc(range->size);
  if (range->data == NULL) return IK_ENO_MEMORY;
  memcpy(range->data + range->got, data, len);
  return 0;
}

static int store(struct ik_blocks *blocks, struct ik_block_range *range, const uint8_t *data,
                 uint32_t len) {
  bool is_next = range == blocks->window && range->taken == range->got;
  if (is_next) {
    uint32_t n = blocks->room < len ? (uint32_t)blocks->room : len;
    if (n > 0) put_out(blocks, data, n);
    range->taken += n;
    range->got += n;
    data += n;
    len -= n;
  }
  int rc = hold(range, data, len);
  if (rc == 0) range->got += len;
  return rc;
}

static void accept_block(struct ik_blocks *blocks, struct ik_block_range *range,
                         const struct ik_block_reply *reply, uint64_t now_ms) {
  /* After a repetition it is unknown which of the two requests this reply took its time from. */
  if (range->requests[1].size == 0)
    adapt(blocks, (uint32_t)reply->size, ik_later(range->asked_ms, blocks->arrived_ms), now_ms);
  memset(range->requests, 0, sizeof(range->requests));
  int rc = store(blocks, range, reply->data, (uint32_t)reply->size);
  if (rc != 0) {
    ik_blocks_fail(blocks, rc, "");
    return;
  }
  blocks->arrived_ms = now_ms;
  ik_backoff_reset(&blocks->backoff);
  ik_patience_add(&blocks->patience, reply->size, now_ms);
  raise_block_size_max(blocks);
  speed_up(blocks);
  range->state = range->got < range->size ? IK_BLOCK_RANGE_WANTED : IK_BLOCK_RANGE_HELD;
  drain(blocks);
}

void ik_blocks_reply(struct ik_blocks *blocks, const uint8_t *payload, size_t len, uint64_t now_ms,
                     uint32_t random) {
  struct ik_block_reply reply;
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint32_t size;
  if (blocks->state != IK_BLOCKS_FETCHING) return;
  int rc = ik_block_reply_parse(payload, len, &reply, detail);
  struct ik_block_range *range = reply.has_id ? find_asked(blocks, reply.id, &size) : NULL;
  if (range == NULL) return;
  const char *why = rc != 0 ? detail : NULL;
  if (why == NULL && reply.code != IK_BLOCK_CODE_OK) {
    handle_refusal(blocks, range, size, &reply, now_ms, random);
    return;
  }
  if (why == NULL) why = misfit(blocks, range, &reply, size);
  if (why == NULL) {
    accept_block(blocks, range, &reply, now_ms);
  } else {
    handle_bad_block(blocks, range, why, now_ms, random);
  }
}

/* ---- time ---- */

/*
 * When a request without a reply counts as lost. Replies arrive one after another, so the time-out
 * of each starts anew with the good block before it.
 */
static uint64_t lost_at(const struct ik_blocks *blocks, const struct ik_block_range *range) {
  return ik_later(range->asked_ms, blocks->arrived_ms) + blocks->reply_timeout_ms;
}

void ik_blocks_tick(struct ik_blocks *blocks, uint64_t now_ms, uint32_t random) {
  char detail[IOTKIT_DETAIL_MAX];
  uint32_t timeout_ms = blocks->reply_timeout_ms;
  bool alone = blocks->window_max == 1;
  unsigned lost = 0;
  bool is_new = false;
  if (blocks->state != IK_BLOCKS_FETCHING) return;
  if (now_ms >= blocks->total_end_ms) {
    ik_blocks_fail(blocks, IK_ETIMEOUT, "the download took longer than its limit");
    return;
  }
  for (size_t i = 0; i < blocks->count; i++) {
    struct ik_block_range *range = &blocks->window[i];
    if (range->state != IK_BLOCK_RANGE_ASKED || now_ms < lost_at(blocks, range)) continue;
    lost++;
    is_new = is_new || range->number > blocks->failed_number;
    ik_detail(detail, "block at %" PRIu64 ": no reply within %" PRIu32 " ms",
              range->offset + range->got, timeout_ms);
    fail_range(blocks, range, IK_EIDLE_TIMEOUT, detail, now_ms, random);
  }
  if (lost == 0) return;
  blocks->reply_timeout_ms =
      timeout_ms < longest_wait(blocks) / 2 ? 2 * timeout_ms : longest_wait(blocks);
  if (alone && blocks->block_size > SHRUNK_MIN) blocks->block_size /= 2;
  if (is_new) slow_down(blocks, lost > 1);
}

void ik_blocks_extend_deadlines(struct ik_blocks *blocks, uint64_t away_ms) {
  for (size_t i = 0; i < blocks->count; i++)
    blocks->window[i].asked_ms += away_ms;
  blocks->arrived_ms += away_ms;
  ik_patience_extend(&blocks->patience, away_ms);
  if (blocks->offline_since_ms != 0) blocks->offline_since_ms += away_ms;
}

void ik_blocks_paused(struct ik_blocks *blocks, uint64_t paused_ms) {
  if (blocks->total_end_ms != UINT64_MAX) blocks->total_end_ms += paused_ms;
}

uint64_t ik_blocks_deadline(const struct ik_blocks *blocks, uint64_t now_ms) {
  if (blocks->state != IK_BLOCKS_FETCHING) return UINT64_MAX;
  uint64_t when = blocks->total_end_ms;
  for (size_t i = 0; i < blocks->count; i++) {
    const struct ik_block_range *range = &blocks->window[i];
    if (range->state == IK_BLOCK_RANGE_ASKED) when = ik_earlier(when, lost_at(blocks, range));
  }
  uint64_t next_ms = blocks->wait_until_ms;
  if (under_way(blocks) < blocks->window_max) next_ms = ik_later(next_ms, distant_ms(blocks));
  return now_ms < next_ms ? ik_earlier(when, next_ms) : when;
}
