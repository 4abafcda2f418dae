/*
 * http_ranges.c - several connections, each with a range of its own.
 *
 * The first request asks for the first range alone. If it is answered with that range, each
 * connection fetches a range into a buffer of its own, the next one when its last was handed out;
 * so a few MiB at most are ahead. Bytes are handed out in the order of the image: the range that
 * has the next byte is received straight into the caller's buffer once its own is empty. A
 * connection tries again as any download does. One that fails ends it: what lies before the gap is
 * handed out, then the download continues from there over one connection, whose policy decides
 * whether it fails, and later over half as many as before. Only bytes after the gap are lost and
 * fetched again.
 */
#include "download/http_ranges.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

#define RANGE_BYTES IK_MIB
#define STEPS_MAX 16 /* of one connection in a row */

struct ik_http_ranges {
  uint64_t next; /* the first byte that no range has */
  bool closing;  /* a connection failed: no more ranges */
  size_t count;
  struct ik_http_connection *connections; /* `count`; the range of each is [from, transfer.end) */
  uint64_t from[IOTKIT_CONNECTIONS_MAX];
  uint8_t *bytes[IOTKIT_CONNECTIONS_MAX]; /* RANGE_BYTES each; bytes[i][0] is at from[i] */
};

/* ---- beginning and ending ---- */

void ik_http_ranges_plan(struct ik_transfer *image, uint32_t max) {
  bool wanted = max > 1 && image->size - image->offset > RANGE_BYTES;
  image->wanted_end = wanted ? image->offset + RANGE_BYTES : 0;
}

bool ik_http_ranges_are_planned(const struct ik_transfer *image) {
  return image->state == IK_TRANSFER_BODY && image->wanted_end != 0;
}

void ik_http_ranges_free(struct ik_http_ranges *ranges) {
  if (ranges == NULL) return;
  for (size_t i = 0; i < ranges->count; i++) {
    ik_http_connection_deinit(&ranges->connections[i]);
    ik_transfer_free(&ranges->connections[i].transfer);
    free(ranges->bytes[i]);
  }
  free(ranges->connections);
  free(ranges);
}

/* The next range of the image, for connection i. Returns its end. */
static uint64_t take_range(struct ik_http_ranges *ranges, size_t i, uint64_t size) {
  ranges->from[i] = ranges->next;
  ranges->next = size - ranges->next > RANGE_BYTES ? ranges->next + RANGE_BYTES : size;
  return ranges->next;
}

static bool add_connection(struct ik_http_ranges *ranges, struct ik_transfer *image,
                           const struct ik_http_environment *environment) {
  size_t i = ranges->count;
  struct ik_http_connection *connection = &ranges->connections[i];
  uint64_t end = take_range(ranges, i, image->size);
  ranges->bytes[i] = malloc(RANGE_BYTES);
  if (ranges->bytes[i] == NULL) return false;
  if (ik_transfer_init_range(&connection->transfer, image, ranges->from[i], end) != 0) {
    free(ranges->bytes[i]);
    return false;
  }
  ik_http_connection_init(connection, environment);
  ranges->count++;
  return true;
}

static struct ik_http_ranges *make(struct ik_transfer *image, uint32_t max,
                                   const struct ik_http_environment *environment) {
  uint64_t left = (image->size - image->offset + RANGE_BYTES - 1) / RANGE_BYTES;
  size_t count = left < max ? (size_t)left : max;
  struct ik_http_ranges *ranges = calloc(1, sizeof(*ranges));
  if (ranges == NULL) return NULL;
  ranges->connections = calloc(count, sizeof(*ranges->connections));
  ranges->next = image->offset;
  bool made = ranges->connections != NULL;
  for (size_t i = 0; made && i < count; i++)
    made = add_connection(ranges, image, environment);
  if (made) return ranges;
  ik_http_ranges_free(ranges);
  return NULL;
}

struct ik_http_ranges *ik_http_ranges_new(struct ik_http_connection *connection, uint32_t max,
                                          uint64_t now_ms) {
  struct ik_transfer *image = &connection->transfer;
  bool honoured = image->total_known && image->body_end == image->range_end &&
                  image->body_offset == image->offset && image->range_start == image->offset;
  struct ik_http_ranges *ranges = honoured ? make(image, max, connection->environment) : NULL;
  if (ranges == NULL) return NULL;
  ik_transfer_start_ranges(image, &ranges->connections[0].transfer, now_ms);
  ik_http_connection_move(connection, &ranges->connections[0]);
  return ranges;
}

struct ik_http_connection *ik_http_ranges_all(struct ik_http_ranges *ranges, size_t *count) {
  *count = ranges->count;
  return ranges->connections;
}

/* ---- fetching ---- */

/* One call of ik_http_ranges_advance(). */
struct advance {
  struct ik_http_ranges *ranges;
  struct ik_transfer *image;
  struct ik_call *call;
};

/* The connection whose range has the next byte to hand out; `count`: none has. */
static size_t find_head(const struct ik_http_ranges *ranges, uint64_t offset) {
  size_t i = 0;
  while (i < ranges->count &&
         !(ranges->from[i] <= offset && offset < ranges->connections[i].transfer.end))
    i++;
  return i;
}

static void hand_out(const struct advance *advance, size_t len) {
  struct ik_call *call = advance->call;
  call->outlet->hand_out(call->outlet->ctx, call, advance->image->offset, len);
  ik_transfer_handed_out(advance->image, len);
}

static size_t room_of(const struct ik_call *call) {
  return call->len - call->got;
}

/* What has arrived in order goes to the caller. True: something did. */
static bool drain(const struct advance *advance) {
  const struct ik_http_ranges *ranges = advance->ranges;
  const struct ik_transfer *image = advance->image;
  struct ik_call *call = advance->call;
  bool any = false;
  while (room_of(call) > 0 && image->state == IK_TRANSFER_RANGES) {
    size_t i = find_head(ranges, image->offset);
    if (i == ranges->count) break;
    uint64_t ready = ranges->connections[i].transfer.offset - image->offset;
    if (ready == 0) break;
    size_t n = ready < room_of(call) ? (size_t)ready : room_of(call);
    memcpy(call->buf + call->got, ranges->bytes[i] + (image->offset - ranges->from[i]), n);
    hand_out(advance, n);
    any = true;
  }
  return any;
}

/* One thing on one connection; its bytes go straight to the caller where they are next. */
static bool step_once(const struct advance *advance, size_t i) {
  struct ik_http_ranges *ranges = advance->ranges;
  struct ik_call *call = advance->call;
  struct ik_http_connection *connection = &ranges->connections[i];
  uint64_t at = connection->transfer.offset;
  uint64_t left = connection->transfer.end - at;
  struct ik_http_step step = {ranges->bytes[i] + (at - ranges->from[i]), (size_t)left, 0,
                              call->now_ms};
  bool straight = at == advance->image->offset && room_of(call) > 0;
  if (straight) {
    step.into = call->buf + call->got;
    if (step.room > room_of(call)) step.room = room_of(call);
  }
  bool done = ik_http_connection_step(connection, &step);
  if (straight && step.got > 0) hand_out(advance, step.got);
  return done;
}

static bool step_connection(const struct advance *advance, size_t i) {
  struct ik_http_ranges *ranges = advance->ranges;
  struct ik_transfer *range = &ranges->connections[i].transfer;
  const struct ik_transfer *image = advance->image;
  bool any = false;
  bool handed_out = range->state == IK_TRANSFER_DONE && image->offset >= range->end;
  if (handed_out && !ranges->closing && ranges->next < image->size) {
    uint64_t end = take_range(ranges, i, image->size);
    ik_transfer_next_range(range, ranges->from[i], end, advance->call->now_ms);
  }
  for (int n = 0; n < STEPS_MAX && image->state == IK_TRANSFER_RANGES; n++) {
    if (!step_once(advance, i)) break;
    any = true;
  }
  if (range->state == IK_TRANSFER_FAILED) ranges->closing = true;
  return any;
}

bool ik_http_ranges_advance(struct ik_http_ranges *ranges, struct ik_transfer *image,
                            struct ik_call *call, const struct ik_transfer **failed) {
  const struct advance advance = {ranges, image, call};
  *failed = NULL;
  bool any = drain(&advance);
  size_t head = find_head(ranges, image->offset);
  for (size_t n = 0; n < ranges->count && image->state == IK_TRANSFER_RANGES; n++)
    any = step_connection(&advance, (head + n) % ranges->count) || any;
  any = drain(&advance) || any;
  if (image->state != IK_TRANSFER_RANGES) return true;
  head = find_head(ranges, image->offset);
  if (head == ranges->count) return any;
  const struct ik_transfer *range = &ranges->connections[head].transfer;
  if (range->state != IK_TRANSFER_FAILED || range->offset > image->offset) return any;
  *failed = range;
  return true;
}
