/*
 * job_lanes.c - an image over several connections, piece by piece, all on the fetching thread.
 *
 * The first request asks for the first piece alone. If it is answered with that range, each lane
 * fetches a piece into a buffer of its own, the next one when its last was handed out; so a few
 * MiB at most are ahead. Bytes are handed out in the order of the image: the piece that is at the
 * head is received straight into the caller's buffer once its own is empty. A lane tries again as
 * any download does. One that fails ends it: what lies before the gap is handed out, then one
 * connection, whose policy has the last word, begins again behind that, and with half as many lanes
 * if it can. Nothing is lost by that but bytes behind the gap.
 */
#include <stdlib.h>
#include <string.h>

#include "api/job.h"
#include "port/port.h"

#define PIECE IK_MIB
#define STEPS_MAX 16 /* of one lane in a row */

struct ik_job_lanes {
  uint64_t next; /* the first byte that no piece has */
  bool closing;  /* a lane failed: no more pieces */
  size_t count;
  struct ik_lane *lanes; /* `count`; their transfers' pieces are [from, end) */
  uint64_t from[IOTKIT_CONNECTIONS_MAX];
  uint8_t *bytes[IOTKIT_CONNECTIONS_MAX]; /* PIECE each; bytes[i][0] is at from[i] */
};

/* ---- beginning and ending ---- */

void ik_job_lanes_plan(iotkit_job_t *job) {
  struct ik_transfer *transfer = &job->lane.transfer;
  if (job->lanes_max == 0) job->lanes_max = job->config->options.connections;
  bool wanted = job->lanes_max > 1 && transfer->size - transfer->offset > PIECE;
  transfer->until = wanted ? transfer->offset + PIECE : 0;
}

static void free_lanes(struct ik_job_lanes *all) {
  for (size_t i = 0; i < all->count; i++) {
    ik_lane_deinit(&all->lanes[i]);
    ik_transfer_free(&all->lanes[i].transfer);
    free(all->bytes[i]);
  }
  free(all->lanes);
  free(all);
}

void ik_job_lanes_free(iotkit_job_t *job) {
  if (job->lanes != NULL) free_lanes(job->lanes);
  job->lanes = NULL;
}

/* The next piece of the image, for lane i. */
static uint64_t take_piece(struct ik_job_lanes *all, size_t i, uint64_t size) {
  all->from[i] = all->next;
  all->next = size - all->next > PIECE ? all->next + PIECE : size;
  return all->next;
}

static bool add_lane(struct ik_job_lanes *all, struct ik_transfer *image) {
  size_t i = all->count;
  struct ik_lane *lane = &all->lanes[i];
  uint64_t end = take_piece(all, i, image->size);
  all->bytes[i] = malloc(PIECE);
  if (all->bytes[i] == NULL) return false;
  if (ik_transfer_init_piece(&lane->transfer, image, all->from[i], end) != 0) {
    free(all->bytes[i]);
    return false;
  }
  ik_lane_init(lane);
  all->count++;
  return true;
}

static struct ik_job_lanes *new_lanes(const iotkit_job_t *job, struct ik_transfer *image) {
  uint64_t pieces = (image->size - image->offset + PIECE - 1) / PIECE;
  size_t count = job->lanes_max;
  if (pieces < count) count = (size_t)pieces;
  struct ik_job_lanes *all = calloc(1, sizeof(*all));
  if (all == NULL) return NULL;
  all->lanes = calloc(count, sizeof(*all->lanes));
  all->next = image->offset;
  bool made = all->lanes != NULL;
  for (size_t i = 0; made && i < count; i++)
    made = add_lane(all, image);
  if (made) return all;
  free_lanes(all);
  return NULL;
}

void ik_job_lanes_begin(iotkit_job_t *job, uint64_t now_ms) {
  struct ik_transfer *image = &job->lane.transfer;
  if (image->state != IK_TRANSFER_BODY || image->until == 0) return;
  bool honoured = image->total_known && image->limit == image->asked_end &&
                  image->place == image->offset && image->asked == image->offset;
  struct ik_job_lanes *all = honoured ? new_lanes(job, image) : NULL;
  if (all == NULL) {
    job->lanes_max = 1;
    return;
  }
  ik_transfer_split(image, &all->lanes[0].transfer, now_ms);
  ik_lane_move(&job->lane, &all->lanes[0]);
  job->lanes = all;
}

struct ik_lane *ik_job_lanes_all(iotkit_job_t *job, size_t *count) {
  *count = job->lanes != NULL ? job->lanes->count : 1;
  return job->lanes != NULL ? job->lanes->lanes : &job->lane;
}

/* ---- fetching ---- */

/* The lane whose piece has the next byte to hand out; `count`: none has. */
static size_t find_head(const struct ik_job_lanes *all, uint64_t offset) {
  size_t i = 0;
  while (i < all->count && !(all->from[i] <= offset && offset < all->lanes[i].transfer.end))
    i++;
  return i;
}

static void hand_out(iotkit_job_t *job, struct ik_call *call, size_t len) {
  struct ik_transfer *image = &job->lane.transfer;
  ik_job_hand_out(job, call, image->offset, len);
  ik_transfer_handed_out(image, len);
}

/* What has arrived in order goes to the caller. True: something did. */
static bool drain(iotkit_job_t *job, struct ik_call *call) {
  struct ik_job_lanes *all = job->lanes;
  const struct ik_transfer *image = &job->lane.transfer;
  bool any = false;
  while (call->got < call->len && image->state == IK_TRANSFER_LANES) {
    size_t i = find_head(all, image->offset);
    if (i == all->count) break;
    uint64_t there = all->lanes[i].transfer.offset - image->offset;
    if (there == 0) break;
    size_t n = there < call->len - call->got ? (size_t)there : call->len - call->got;
    memcpy(call->buf + call->got, all->bytes[i] + (image->offset - all->from[i]), n);
    hand_out(job, call, n);
    any = true;
  }
  return any;
}

/* One thing on one lane; its bytes go straight to the caller where they are next. */
static bool step_once(iotkit_job_t *job, struct ik_call *call, size_t i) {
  struct ik_job_lanes *all = job->lanes;
  struct ik_lane *lane = &all->lanes[i];
  const struct ik_transfer *image = &job->lane.transfer;
  uint64_t at = lane->transfer.offset;
  uint64_t left = lane->transfer.end - at;
  struct ik_step step = {all->bytes[i] + (at - all->from[i]), (size_t)left, 0, call->now_ms};
  bool straight = at == image->offset && call->got < call->len;
  if (straight) {
    step.into = call->buf + call->got;
    if (step.room > call->len - call->got) step.room = call->len - call->got;
  }
  bool done = ik_lane_step(job, lane, &step);
  if (straight && step.got > 0) hand_out(job, call, step.got);
  return done;
}

static bool step_lane(iotkit_job_t *job, struct ik_call *call, size_t i) {
  struct ik_job_lanes *all = job->lanes;
  struct ik_transfer *piece = &all->lanes[i].transfer;
  const struct ik_transfer *image = &job->lane.transfer;
  bool any = false;
  bool handed_out = piece->state == IK_TRANSFER_DONE && image->offset >= piece->end;
  if (handed_out && !all->closing && all->next < image->size) {
    uint64_t end = take_piece(all, i, image->size);
    ik_transfer_next_piece(piece, all->from[i], end, call->now_ms);
  }
  for (int n = 0; n < STEPS_MAX && image->state == IK_TRANSFER_LANES; n++) {
    if (!step_once(job, call, i)) break;
    any = true;
  }
  if (piece->state == IK_TRANSFER_FAILED) all->closing = true;
  return any;
}

/* The next bytes will not come this way. */
static void unite(iotkit_job_t *job, const struct ik_transfer *failed) {
  ik_log(IOTKIT_LOG_INFO, "ota: %zu connections were too many: %s", job->lanes->count,
         failed->detail);
  /* An expired URL is replaced; nothing is wrong with the number. */
  if (failed->error != IK_EURL_EXPIRED) job->lanes_max = (uint32_t)job->lanes->count / 2;
  ik_transfer_unite(&job->lane.transfer);
  ik_job_lanes_free(job);
}

bool ik_job_lanes_step(iotkit_job_t *job, struct ik_call *call) {
  struct ik_job_lanes *all = job->lanes;
  const struct ik_transfer *image = &job->lane.transfer;
  bool any = drain(job, call);
  size_t head = find_head(all, image->offset);
  for (size_t n = 0; n < all->count && image->state == IK_TRANSFER_LANES; n++)
    any = step_lane(job, call, (head + n) % all->count) || any;
  any = drain(job, call) || any;
  if (image->state != IK_TRANSFER_LANES) return true;
  head = find_head(all, image->offset);
  if (head == all->count) return any;
  const struct ik_transfer *piece = &all->lanes[head].transfer;
  if (piece->state != IK_TRANSFER_FAILED || piece->offset > image->offset) return any;
  unite(job, piece);
  return true;
}
