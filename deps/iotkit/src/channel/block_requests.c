/*
 * block_requests.c - publishes requests for blocks at the platform's pace, and hands replies on.
 */
#include "channel/block_requests.h"

#include <string.h>

#include "base/limits.h"

#define PAYLOAD_MAX (8 * IK_KIB)
/*
 * At most PACE_BURST + 1,000 / PACE_MS requests in any second: 20 of the 30 publishes that the
 * platform accepts from a device; the others are left for reports.
 */
#define PACE_MS UINT64_C(63)
#define PACE_BURST 4
/*
 * The pace is that of one line alone. On its connection the program publishes, too, and so do the other
 * lines of a gateway: from RECENT_MAX of any second on, requests wait. Above RECENT_FREE, a
 * line's own requests included, it is no connection that is held to 30, as to a broker of one's own:
 * then waiting would help nobody.
 */
#define RECENT_MAX 20
#define RECENT_FREE 60
/* However much others publish, no request waits for them longer: more than the second that is counted. */
#define SHARE_MS 1200
#define REPLY_HEAD 400 /* of a reply in its packet: header, JSON and CRC, without the topic */

void ik_block_requests_init(struct ik_block_requests *blocks, struct ik_line *line) {
  *blocks = (struct ik_block_requests){.line = line};
}

/* ---- receivers ---- */

static void on_block(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {
  const struct ik_block_receiver *receiver = ctx;
  (void)client;
  receiver->on_reply(receiver->ctx, message->payload, message->payload_len);
}

int ik_block_requests_open(struct ik_block_requests *blocks, struct ik_block_receiver *receiver) {
  struct ik_line *line = blocks->line;
  struct ik_line_use use;
  struct ik_carrier *carrier = ik_line_begin_use(line, &use, NULL);
  if (carrier == NULL) return IK_ECLOSED;
  char topic[IK_OTA_TOPIC_MAX];
  int rc = carrier->ops->subscribe(carrier, ik_line_topic(line, IK_OTA_FILE_REPLY, topic), 0,
                                   on_block, receiver);
  ik_mutex_lock(line->mutex);
  if (rc >= 0) {
    receiver->next = blocks->receivers;
    blocks->receivers = receiver;
    if (line->carrier == NULL) receiver->on_close(receiver->ctx); /* closing waits for this use */
  }
  ik_mutex_unlock(line->mutex);
  ik_line_end_use(line, &use);
  return rc < 0 ? rc : 0;
}

bool ik_block_requests_has_receivers(struct ik_block_requests *blocks) {
  ik_mutex_lock(blocks->line->mutex);
  const bool has = blocks->receivers != NULL;
  ik_mutex_unlock(blocks->line->mutex);
  return has;
}

static void remove_receiver(struct ik_block_requests *blocks,
                            const struct ik_block_receiver *receiver) {
  struct ik_block_receiver **at = &blocks->receivers;
  while (*at != NULL && *at != receiver)
    at = &(*at)->next;
  if (*at != NULL) *at = receiver->next;
}

void ik_block_requests_close(struct ik_block_requests *blocks, struct ik_block_receiver *receiver) {
  struct ik_line *line = blocks->line;
  struct ik_line_use use;
  struct ik_carrier *carrier = ik_line_begin_use(line, &use, NULL);
  ik_mutex_lock(line->mutex);
  if (carrier == NULL) {
    ik_line_await_closed(line); /* it unsubscribes all receivers */
    ik_mutex_unlock(line->mutex);
    return;
  }
  remove_receiver(blocks, receiver);
  ik_mutex_unlock(line->mutex);
  char topic[IK_OTA_TOPIC_MAX];
  carrier->ops->unsubscribe(carrier, ik_line_topic(line, IK_OTA_FILE_REPLY, topic), on_block,
                            receiver);
  ik_line_end_use(line, &use);
}

void ik_block_requests_notify_close(struct ik_block_requests *blocks) {
  for (struct ik_block_receiver *it = blocks->receivers; it != NULL; it = it->next)
    it->on_close(it->ctx);
}

void ik_block_requests_unsubscribe(struct ik_block_requests *blocks, struct ik_carrier *carrier) {
  char memory[IK_OTA_TOPIC_MAX];
  const char *topic = ik_line_topic(blocks->line, IK_OTA_FILE_REPLY, memory);
  ik_mutex_lock(blocks->line->mutex);
  struct ik_block_receiver *receivers = blocks->receivers;
  blocks->receivers = NULL;
  ik_mutex_unlock(blocks->line->mutex);
  while (receivers != NULL) {
    struct ik_block_receiver *next =
        receivers->next; /* its owner frees it once it is unsubscribed */
    carrier->ops->unsubscribe(carrier, topic, on_block, receivers);
    receivers = next;
  }
}

/* ---- asking ---- */

size_t ik_block_requests_room(struct ik_block_requests *blocks) {
  struct ik_line_use use;
  const struct ik_carrier *carrier = ik_line_begin_use(blocks->line, &use, NULL);
  if (carrier == NULL) return 0;
  size_t max = carrier->ops->max_packet(carrier);
  char topic[IK_OTA_TOPIC_MAX];
  size_t head = REPLY_HEAD + strlen(ik_line_topic(blocks->line, IK_OTA_FILE_REPLY, topic));
  ik_line_end_use(blocks->line, &use);
  return max > head ? max - head : 1;
}

/* Whether a request waits for what others publish. With the mutex held. */
static bool is_held(struct ik_block_requests *blocks, size_t recent, uint64_t now_ms) {
  if (recent < RECENT_MAX || recent > RECENT_FREE) return false;
  if (blocks->held_ms == 0) blocks->held_ms = now_ms;
  return now_ms < blocks->held_ms + SHARE_MS;
}

/* When the next request may be published; 0: now, and it is counted. Within a use. */
static uint64_t pace(struct ik_block_requests *blocks, struct ik_carrier *carrier,
                     uint64_t now_ms) {
  const size_t recent = carrier->ops->recent(carrier);
  uint64_t until_ms = 0;
  ik_mutex_lock(blocks->line->mutex);
  if (blocks->pace_ms < now_ms) blocks->pace_ms = now_ms;
  if (is_held(blocks, recent, now_ms)) {
    until_ms = now_ms + PACE_MS;
  } else if (blocks->pace_ms > now_ms + (PACE_BURST - 1) * PACE_MS) {
    until_ms = blocks->pace_ms - (PACE_BURST - 1) * PACE_MS;
  } else {
    blocks->pace_ms += PACE_MS;
    blocks->held_ms = 0;
  }
  ik_mutex_unlock(blocks->line->mutex);
  return until_ms;
}

static int publish_block(const struct ik_line *line, struct ik_carrier *carrier, uint32_t id,
                         const struct ik_ota_block *block) {
  struct ik_buf payload;
  ik_buf_init(&payload, PAYLOAD_MAX);
  int rc = ik_ota_write_block(&payload, id, block);
  if (rc == 0) rc = ik_line_publish(line, carrier, IK_OTA_FILE, &payload, 0);
  ik_buf_free(&payload);
  return rc;
}

int ik_block_requests_ask(struct ik_block_requests *blocks, const struct ik_ota_block *block,
                          uint64_t now_ms, uint32_t *id, uint64_t *until_ms) {
  struct ik_line_use use;
  struct ik_carrier *carrier = ik_line_begin_use(blocks->line, &use, NULL);
  if (carrier == NULL) return IK_ECLOSED;
  *until_ms = pace(blocks, carrier, now_ms);
  int rc = *until_ms != 0 ? IK_EAGAIN : 0;
  if (rc == 0) {
    *id = ik_line_next_id(blocks->line);
    rc = publish_block(blocks->line, carrier, *id, block);
  }
  ik_line_end_use(blocks->line, &use);
  return rc;
}
