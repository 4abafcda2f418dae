/*
 * blocks.c - the policy of a download in MQTT blocks. Owns the bytes that arrived before their turn;
 * what is next in the image goes straight into the buffer that the caller has lent.
 */
#include "ota/blocks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "iotkit_core.h"

#define PATIENCE_FIRST_MS 10000 /* before any reply has shown what to expect */
#define PATIENCE_LEAST_MS 1000
#define QUICK_MS 250 /* a block that comes as fast may be larger */
#define SLOW_MS 4000 /* one that takes as long should be smaller */
#define LONGEST_MS 3600000u
#define SHRUNK_MIN 4096u /* slow replies shrink blocks down to this, refusals further */
#define OFFLINE_WAIT_MIN_MS 50
#define OFFLINE_WAIT_MAX_MS 1000
#define PROBATION 32u /* good blocks after which a size that was refused is tried again */
#define TOO_MANY 429
#define SERVER_ERROR 500

static uint32_t least(uint32_t a, uint32_t b) {
  return a < b ? a : b;
}

static uint64_t later(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

static uint64_t earlier(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* No reply is waited for longer. */
static uint32_t longest_wait(const struct ik_blocks *blocks) {
  return least(blocks->options.response_timeout_ms, blocks->options.idle_timeout_ms);
}

void ik_blocks_init(struct ik_blocks *blocks, const struct ik_blocks_options *options,
                    uint64_t now_ms) {
  memset(blocks, 0, sizeof(*blocks));
  blocks->options = *options;
  blocks->offset = options->offset;
  blocks->end = options->offset;
  blocks->ceiling = options->block_max;
  blocks->probation = PROBATION / 2; /* the first refusal doubles it */
  blocks->block = least(IK_BLOCK_FIRST, options->block_max);
  blocks->patience = least(PATIENCE_FIRST_MS, longest_wait(blocks));
  blocks->arrived_ms = now_ms;
  blocks->offline_wait_ms = OFFLINE_WAIT_MIN_MS;
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

/* Tries again after a wait, or gives up. */
static void count_failure(struct ik_blocks *blocks, int error, const char *detail, uint64_t now_ms,
                          uint32_t random) {
  uint32_t max = blocks->options.max_retries;
  if (max != UINT32_MAX && blocks->backoff.failures >= max) {
    ik_blocks_fail(blocks, error, detail);
    return;
  }
  blocks->wait_until = now_ms + ik_backoff_next(&blocks->backoff, random);
  blocks->failed_number = blocks->number;
}

/*
 * A request has failed. What was asked for before a failure was counted fails of the same cause and
 * is not counted once more.
 */
static void fail_piece(struct ik_blocks *blocks, struct ik_piece *piece, int error,
                       const char *detail, uint64_t now_ms, uint32_t random) {
  piece->state = IK_PIECE_WANTED;
  if (piece->number > blocks->failed_number) count_failure(blocks, error, detail, now_ms, random);
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

/* What is held and next goes out, as far as there is room. */
static void drain(struct ik_blocks *blocks) {
  while (blocks->count > 0) {
    struct ik_piece *first = &blocks->window[0];
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

/* ---- asking ---- */

static struct ik_piece *add_piece(struct ik_blocks *blocks) {
  uint64_t rest = blocks->options.size - blocks->end;
  if (blocks->count == IK_BLOCKS_WINDOW || rest == 0) return NULL;
  struct ik_piece *piece = &blocks->window[blocks->count++];
  *piece = (struct ik_piece){.offset = blocks->end};
  piece->size = rest < blocks->block ? (uint32_t)rest : blocks->block;
  blocks->end += piece->size;
  return piece;
}

static struct ik_piece *find_wanted(struct ik_blocks *blocks) {
  for (size_t i = 0; i < blocks->count; i++) {
    if (blocks->window[i].state == IK_PIECE_WANTED) return &blocks->window[i];
  }
  return add_piece(blocks);
}

/* How much of a piece is asked for at once, so that no rest is left that the platform refuses. */
static uint32_t ask_size(const struct ik_blocks *blocks, const struct ik_piece *piece) {
  uint32_t rest = piece->size - piece->got;
  if (rest <= blocks->block) return rest;
  if (rest - blocks->block >= IK_BLOCK_MIN) return blocks->block;
  return rest / 2 >= IK_BLOCK_MIN ? rest / 2 : rest;
}

bool ik_blocks_next(struct ik_blocks *blocks, uint64_t now_ms, uint64_t *offset, uint32_t *size) {
  if (blocks->state != IK_BLOCKS_FETCHING || now_ms < blocks->wait_until) return false;
  const struct ik_piece *piece = find_wanted(blocks);
  if (piece == NULL) return false;
  blocks->next = (size_t)(piece - blocks->window);
  *offset = piece->offset + piece->got;
  *size = ask_size(blocks, piece);
  return true;
}

void ik_blocks_asked(struct ik_blocks *blocks, uint32_t id, uint64_t now_ms) {
  struct ik_piece *piece = &blocks->window[blocks->next];
  piece->asks[1] = piece->asks[0];
  piece->asks[0] = (struct ik_ask){id, ask_size(blocks, piece)};
  piece->state = IK_PIECE_ASKED;
  piece->asked_ms = now_ms;
  piece->number = ++blocks->number;
  blocks->offline_since = 0;
  blocks->offline_wait_ms = OFFLINE_WAIT_MIN_MS;
  if (piece->tries++ == 0 || blocks->options.max_tries == UINT32_MAX) return;
  if (++blocks->repeats > blocks->options.max_tries) {
    ik_blocks_fail(blocks, IK_EBLOCK, "too many blocks had to be asked for again");
  }
}

void ik_blocks_not_asked(struct ik_blocks *blocks, int error, uint64_t now_ms, uint32_t random) {
  if (error != IK_ENOT_CONNECTED && error != IK_EQUEUE_FULL && error != IK_ENO_MEMORY) {
    ik_blocks_fail(blocks, error, "the request for a block could not be sent");
    return;
  }
  if (blocks->offline_since == 0) blocks->offline_since = now_ms;
  blocks->wait_until = now_ms + blocks->offline_wait_ms;
  blocks->offline_wait_ms = least(2 * blocks->offline_wait_ms, OFFLINE_WAIT_MAX_MS);
  if (now_ms - blocks->offline_since < blocks->options.idle_timeout_ms) return;
  blocks->offline_since = now_ms;
  count_failure(blocks, error, "no request for a block could be sent", now_ms, random);
}

/* ---- replies ---- */

/* The piece that a request with that id was for, and how many bytes it asked for. */
static struct ik_piece *find_asked(struct ik_blocks *blocks, uint32_t id, uint32_t *size) {
  for (size_t i = 0; i < blocks->count; i++) {
    const struct ik_ask *asks = blocks->window[i].asks;
    for (size_t k = 0; k < 2; k++) {
      if (asks[k].size == 0 || asks[k].id != id) continue;
      *size = asks[k].size;
      return &blocks->window[i];
    }
  }
  return NULL;
}

/* Unless the platform is merely busy it may be the size that it does not take. */
static void lower_ceiling(struct ik_blocks *blocks, uint32_t size, bool is_new) {
  if (size / 2 < IK_BLOCK_MIN) return;
  blocks->ceiling = least(blocks->ceiling, size / 2);
  blocks->block = least(blocks->block, blocks->ceiling);
  blocks->good = 0;
  if (is_new && blocks->probation < UINT32_MAX / 2) blocks->probation *= 2;
}

static void refused(struct ik_blocks *blocks, struct ik_piece *piece, uint32_t size,
                    const struct ik_block_reply *reply, uint64_t now_ms, uint32_t random) {
  char detail[IOTKIT_DETAIL_MAX];
  ik_detail(detail, "block at %" PRIu64 ": the platform answered with code %" PRIu64 " %.*s",
            piece->offset + piece->got, reply->code, (int)reply->message.len, reply->message.ptr);
  if (reply->code != TOO_MANY && reply->code < SERVER_ERROR)
    lower_ceiling(blocks, size, piece->number > blocks->failed_number);
  fail_piece(blocks, piece, IK_EBLOCK, detail, now_ms, random);
}

static void spoilt(struct ik_blocks *blocks, struct ik_piece *piece, const char *why,
                   uint64_t now_ms, uint32_t random) {
  char detail[IOTKIT_DETAIL_MAX];
  ik_detail(detail, "block at %" PRIu64 ": %s", piece->offset + piece->got, why);
  fail_piece(blocks, piece, IK_EBLOCK, detail, now_ms, random);
}

/* What is wrong with a block that came whole, NULL: nothing. */
static const char *misfit(const struct ik_blocks *blocks, const struct ik_piece *piece,
                          const struct ik_block_reply *reply, uint32_t size) {
  if (reply->offset != piece->offset + piece->got) return "it is from another place";
  if (reply->size != size) return "it has another size than was asked for";
  if (reply->file_length != 0 && reply->file_length != blocks->options.size)
    return "the image has another size than was announced";
  return NULL;
}

/* A refusal may have had another cause than the size: that is found out, ever more seldom. */
static void raise_ceiling(struct ik_blocks *blocks) {
  if (blocks->ceiling == blocks->options.block_max || ++blocks->good < blocks->probation) return;
  blocks->good = 0;
  blocks->ceiling = least(2 * blocks->ceiling, blocks->options.block_max);
}

/* Learns from the time a block took. */
static void adapt(struct ik_blocks *blocks, uint32_t size, uint64_t since_ms, uint64_t now_ms) {
  uint64_t took_ms = now_ms > since_ms ? now_ms - since_ms : 0;
  uint32_t took = took_ms < LONGEST_MS ? (uint32_t)took_ms : LONGEST_MS;
  blocks->service = took > blocks->service ? took : (3 * blocks->service + took) / 4;
  blocks->patience = least(PATIENCE_LEAST_MS + 4 * blocks->service, longest_wait(blocks));
  if (took > SLOW_MS && blocks->block > SHRUNK_MIN) {
    blocks->block /= 2;
  } else if (took < QUICK_MS && size >= blocks->block) {
    blocks->block = least(2 * blocks->block, blocks->ceiling);
  }
}

/* Keeps the part of a block that cannot go out yet. */
static int keep(struct ik_piece *piece, const uint8_t *data, uint32_t len) {
  if (len == 0) return 0;
  if (piece->data == NULL) piece->data = malloc(piece->size);
  if (piece->data == NULL) return IK_ENO_MEMORY;
  memcpy(piece->data + piece->got, data, len);
  return 0;
}

static int store(struct ik_blocks *blocks, struct ik_piece *piece, const uint8_t *data,
                 uint32_t len) {
  bool is_next = piece == blocks->window && piece->taken == piece->got;
  if (is_next) {
    uint32_t n = blocks->room < len ? (uint32_t)blocks->room : len;
    if (n > 0) put_out(blocks, data, n);
    piece->taken += n;
    piece->got += n;
    data += n;
    len -= n;
  }
  int rc = keep(piece, data, len);
  if (rc == 0) piece->got += len;
  return rc;
}

static void accept_block(struct ik_blocks *blocks, struct ik_piece *piece,
                         const struct ik_block_reply *reply, uint64_t now_ms) {
  /* Of a repetition nobody can say which of the two requests was answered so late. */
  if (piece->asks[1].size == 0)
    adapt(blocks, (uint32_t)reply->size, later(piece->asked_ms, blocks->arrived_ms), now_ms);
  memset(piece->asks, 0, sizeof(piece->asks));
  int rc = store(blocks, piece, reply->data, (uint32_t)reply->size);
  if (rc != 0) {
    ik_blocks_fail(blocks, rc, "out of memory");
    return;
  }
  blocks->arrived_ms = now_ms;
  ik_backoff_reset(&blocks->backoff);
  raise_ceiling(blocks);
  piece->state = piece->got < piece->size ? IK_PIECE_WANTED : IK_PIECE_HELD;
  drain(blocks);
}

void ik_blocks_reply(struct ik_blocks *blocks, const uint8_t *payload, size_t len, uint64_t now_ms,
                     uint32_t random) {
  struct ik_block_reply reply;
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint32_t size;
  if (blocks->state != IK_BLOCKS_FETCHING) return;
  int rc = ik_block_reply_parse(payload, len, &reply, detail);
  struct ik_piece *piece = reply.has_id ? find_asked(blocks, reply.id, &size) : NULL;
  if (piece == NULL) return;
  const char *why = rc != 0 ? detail : NULL;
  if (why == NULL && reply.code != IK_BLOCK_CODE_OK) {
    refused(blocks, piece, size, &reply, now_ms, random);
    return;
  }
  if (why == NULL) why = misfit(blocks, piece, &reply, size);
  if (why == NULL) {
    accept_block(blocks, piece, &reply, now_ms);
  } else {
    spoilt(blocks, piece, why, now_ms, random);
  }
}

/* ---- time ---- */

/*
 * When a request counts as lost. Replies come one behind another, so the wait begins with the last
 * one.
 */
static uint64_t lost_at(const struct ik_blocks *blocks, const struct ik_piece *piece) {
  return later(piece->asked_ms, blocks->arrived_ms) + blocks->patience;
}

void ik_blocks_tick(struct ik_blocks *blocks, uint64_t now_ms, uint32_t random) {
  char detail[IOTKIT_DETAIL_MAX];
  uint32_t patience = blocks->patience;
  bool lost = false;
  if (blocks->state != IK_BLOCKS_FETCHING) return;
  if (now_ms >= blocks->total_end_ms) {
    ik_blocks_fail(blocks, IK_ETIMEOUT, "the download took longer than its limit");
    return;
  }
  for (size_t i = 0; i < blocks->count; i++) {
    struct ik_piece *piece = &blocks->window[i];
    if (piece->state != IK_PIECE_ASKED || now_ms < lost_at(blocks, piece)) continue;
    lost = true;
    ik_detail(detail, "block at %" PRIu64 ": no reply within %" PRIu32 " ms",
              piece->offset + piece->got, patience);
    fail_piece(blocks, piece, IK_EIDLE_TIMEOUT, detail, now_ms, random);
  }
  if (!lost) return;
  blocks->patience = patience < longest_wait(blocks) / 2 ? 2 * patience : longest_wait(blocks);
  if (blocks->block > SHRUNK_MIN) blocks->block /= 2;
}

void ik_blocks_resume(struct ik_blocks *blocks, uint64_t away_ms, bool paused) {
  for (size_t i = 0; i < blocks->count; i++)
    blocks->window[i].asked_ms += away_ms;
  blocks->arrived_ms += away_ms;
  if (blocks->offline_since != 0) blocks->offline_since += away_ms;
  if (paused && blocks->total_end_ms != UINT64_MAX) blocks->total_end_ms += away_ms;
}

uint64_t ik_blocks_deadline(const struct ik_blocks *blocks, uint64_t now_ms) {
  if (blocks->state != IK_BLOCKS_FETCHING) return UINT64_MAX;
  uint64_t when = blocks->total_end_ms;
  for (size_t i = 0; i < blocks->count; i++) {
    const struct ik_piece *piece = &blocks->window[i];
    if (piece->state == IK_PIECE_ASKED) when = earlier(when, lost_at(blocks, piece));
  }
  return now_ms < blocks->wait_until ? earlier(when, blocks->wait_until) : when;
}
