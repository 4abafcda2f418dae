/*
 * line.c - topics, ids, and the uses of the carrier that closing waits for.
 */
#include "channel/line.h"

#include <stdlib.h>
#include <string.h>

void ik_line_deinit(struct ik_line *line) {
  free(line->product_key);
  ik_cond_free(line->cond);
  ik_mutex_free(line->mutex);
}

static int keep_names(struct ik_line *line, const char *product_key, const char *device_name) {
  const size_t key_size = strlen(product_key) + 1;
  const size_t name_size = strlen(device_name) + 1;
  line->product_key = malloc(key_size + name_size);
  if (line->product_key == NULL) return IK_ENO_MEMORY;
  memcpy(line->product_key, product_key, key_size);
  line->device_name = memcpy(line->product_key + key_size, device_name, name_size);
  return 0;
}

int ik_line_init(struct ik_line *line, struct ik_carrier *carrier, const char *product_key,
                 const char *device_name) {
  char topic[IK_OTA_TOPIC_MAX];
  int rc = 0;
  *line = (struct ik_line){.carrier = carrier};
  atomic_init(&line->shut, false);
  /* Unique for the device over restarts too, but for chance. */
  atomic_init(&line->next_id, ik_port_random_u32());
  line->mutex = ik_mutex_new();
  line->cond = ik_cond_new();
  if (line->mutex == NULL || line->cond == NULL) rc = IK_ENO_MEMORY;
  for (size_t i = 0; rc == 0 && i < IK_OTA_TOPICS; i++)
    rc = ik_ota_topic((enum ik_ota_topic)i, product_key, device_name, topic);
  return rc == 0 ? keep_names(line, product_key, device_name) : rc;
}

uint32_t ik_line_next_id(struct ik_line *line) {
  return (uint32_t)atomic_fetch_add(&line->next_id, 1);
}

const char *ik_line_topic(const struct ik_line *line, enum ik_ota_topic which,
                          char out[IK_OTA_TOPIC_MAX]) {
  (void)ik_ota_topic(which, line->product_key, line->device_name, out); /* init has tried it */
  return out;
}

int ik_line_make_topic(const struct ik_line *line, const char *head, const char *tail,
                       char out[IK_OTA_TOPIC_MAX]) {
  return ik_ota_make_topic(head, line->product_key, line->device_name, tail, out);
}

void ik_line_set_shut(struct ik_line *line, bool shut) {
  atomic_store(&line->shut, shut);
}

/* ---- uses ---- */

struct ik_carrier *ik_line_begin_use(struct ik_line *line, struct ik_line_use *use,
                                     struct ik_wake *wake) {
  *use = (struct ik_line_use){.thread = ik_thread_self(), .wake = wake};
  ik_mutex_lock(line->mutex);
  struct ik_carrier *carrier = line->carrier;
  if (carrier != NULL) {
    use->next = line->uses;
    line->uses = use;
  }
  ik_mutex_unlock(line->mutex);
  return carrier;
}

void ik_line_end_use(struct ik_line *line, struct ik_line_use *use) {
  ik_mutex_lock(line->mutex);
  struct ik_line_use **at = &line->uses;
  while (*at != use)
    at = &(*at)->next;
  *at = use->next;
  ik_cond_broadcast(line->cond);
  ik_mutex_unlock(line->mutex);
}

int ik_line_publish(const struct ik_line *line, struct ik_carrier *carrier, enum ik_ota_topic which,
                    const struct ik_buf *payload, uint8_t qos) {
  char topic[IK_OTA_TOPIC_MAX];
  return ik_line_publish_to(line, carrier, ik_line_topic(line, which, topic), payload, qos);
}

int ik_line_publish_to(const struct ik_line *line, struct ik_carrier *carrier, const char *topic,
                       const struct ik_buf *payload, uint8_t qos) {
  if (atomic_load(&line->shut)) return IK_ENOT_CONNECTED;
  return carrier->ops->publish(carrier, topic, ik_buf_ptr(payload), ik_buf_size(payload), qos);
}

/* ---- subscriptions of its own ---- */

static void remove_own(struct ik_line *line, const struct ik_line_own *own) {
  ik_mutex_lock(line->mutex);
  struct ik_line_own **at = &line->own;
  while (*at != own)
    at = &(*at)->next;
  *at = own->next;
  ik_mutex_unlock(line->mutex);
}

/* Listed before it is subscribed: a login that comes in between asks for it. */
int ik_line_subscribe_own(struct ik_line *line, struct ik_carrier *carrier,
                          struct ik_line_own *own) {
  ik_mutex_lock(line->mutex);
  own->next = line->own;
  line->own = own;
  ik_mutex_unlock(line->mutex);
  int rc = carrier->ops->subscribe(carrier, own->topic, 0, own->handler, own->ctx);
  if (rc < 0) remove_own(line, own);
  return rc < 0 ? rc : 0;
}

void ik_line_unsubscribe_own(struct ik_line *line, struct ik_carrier *carrier,
                             struct ik_line_own *own) {
  remove_own(line, own);
  carrier->ops->unsubscribe(carrier, own->topic, own->handler, own->ctx);
}

void ik_line_each_own(const struct ik_line *line,
                      void (*each)(void *ctx, const char *topic, uint8_t qos), void *ctx) {
  ik_mutex_lock(line->mutex);
  for (const struct ik_line_own *own = line->own; own != NULL; own = own->next)
    each(ctx, own->topic, 0);
  ik_mutex_unlock(line->mutex);
}

/* ---- closing ---- */

/* With the mutex held. */
static bool used_by_others(const struct ik_line *line) {
  const struct ik_line_use *use = line->uses;
  while (use != NULL && use->thread == ik_thread_self())
    use = use->next;
  return use != NULL;
}

struct ik_carrier *ik_line_begin_close(struct ik_line *line) {
  struct ik_carrier *carrier = line->carrier;
  line->carrier = NULL;
  for (const struct ik_line_use *use = line->uses; use != NULL; use = use->next) {
    if (use->wake != NULL) ik_wake_signal(use->wake);
  }
  while (used_by_others(line))
    ik_cond_wait(line->cond, line->mutex, UINT64_MAX);
  return carrier;
}

void ik_line_end_close(struct ik_line *line) {
  ik_mutex_lock(line->mutex);
  line->closed = true;
  ik_cond_broadcast(line->cond);
  ik_mutex_unlock(line->mutex);
}

void ik_line_await_closed(struct ik_line *line) {
  while (!line->closed)
    ik_cond_wait(line->cond, line->mutex, UINT64_MAX);
}
