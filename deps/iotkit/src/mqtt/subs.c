/*
 * subs.c - the subscription table. It owns subscriptions and one reference to each handler; a
 * handler that was matched or taken out lives until the last reference is gone.
 */
#include "mqtt/subs.h"

#include <stdlib.h>
#include <string.h>

#include "iotkit_errors.h"
#include "mqtt/topic.h"

#define FIRST_BUCKETS                                                                              \
  4 /* a power of two; most clients have three, and there may be thousands of them */

/* FNV-1a: topics are short, and a peer cannot choose the filters. */
static uint32_t hash_of(struct ik_str text) {
  uint32_t hash = 2166136261u;
  for (size_t i = 0; i < text.len; i++)
    hash = (hash ^ (uint8_t)text.ptr[i]) * 16777619u;
  return hash;
}

void ik_mqtt_subs_init(struct ik_mqtt_subs *subs, size_t max) {
  memset(subs, 0, sizeof(*subs));
  subs->max = max;
}

void ik_mqtt_handler_unref(struct ik_mqtt_handler *handler) {
  if (handler && --handler->refs == 0) free(handler);
}

static void free_handlers(struct ik_mqtt_sub *sub) {
  while (sub->handlers) {
    struct ik_mqtt_handler *handler = sub->handlers;
    sub->handlers = handler->next;
    handler->removed = true;
    ik_mqtt_handler_unref(handler);
  }
}

static void free_list(struct ik_mqtt_sub *list) {
  while (list) {
    struct ik_mqtt_sub *sub = list;
    list = sub->next;
    free_handlers(sub);
    free(sub);
  }
}

void ik_mqtt_subs_deinit(struct ik_mqtt_subs *subs) {
  free_list(subs->exact);
  free_list(subs->wild);
  free(subs->buckets);
  ik_mqtt_subs_init(subs, subs->max);
}

static struct ik_mqtt_sub *find(const struct ik_mqtt_subs *subs, struct ik_str filter,
                                uint32_t hash) {
  if (!subs->bucket_count) return NULL;
  struct ik_mqtt_sub *sub = subs->buckets[hash & (subs->bucket_count - 1)];
  while (sub && !(sub->hash == hash && ik_str_eq(sub->filter, filter)))
    sub = sub->hash_next;
  return sub;
}

struct ik_mqtt_sub *ik_mqtt_subs_find(const struct ik_mqtt_subs *subs, struct ik_str filter) {
  return find(subs, filter, hash_of(filter));
}

/* Keeps the buckets at least as many as the subscriptions. */
static int grow(struct ik_mqtt_subs *subs) {
  if (subs->count < subs->bucket_count) return 0;
  const size_t count = subs->bucket_count ? subs->bucket_count * 2 : FIRST_BUCKETS;
  struct ik_mqtt_sub **buckets = calloc(count, sizeof(*buckets));
  if (!buckets) return IK_ENO_MEMORY;
  struct ik_mqtt_sub *sub = ik_mqtt_subs_first(subs);
  for (; sub; sub = ik_mqtt_subs_next(subs, sub)) {
    struct ik_mqtt_sub **bucket = &buckets[sub->hash & (count - 1)];
    sub->hash_next = *bucket;
    *bucket = sub;
  }
  free(subs->buckets);
  subs->buckets = buckets;
  subs->bucket_count = count;
  return 0;
}

static struct ik_mqtt_sub *new_sub(struct ik_str filter, uint32_t hash) {
  struct ik_mqtt_sub *sub = calloc(1, sizeof(*sub) + filter.len);
  if (!sub) return NULL;
  char *text = (char *)(sub + 1);
  memcpy(text, filter.ptr, filter.len);
  sub->filter = (struct ik_str){text, filter.len};
  sub->hash = hash;
  sub->wild = ik_mqtt_topic_filter_is_wild(filter);
  return sub;
}

int ik_mqtt_subs_add(struct ik_mqtt_subs *subs, struct ik_str filter, struct ik_mqtt_sub **out) {
  const uint32_t hash = hash_of(filter);
  *out = find(subs, filter, hash);
  if (*out) return 0;
  if (subs->count >= subs->max) return IK_EQUEUE_FULL;
  const int rc = grow(subs);
  if (rc < 0) return rc;
  struct ik_mqtt_sub *sub = new_sub(filter, hash);
  if (!sub) return IK_ENO_MEMORY;
  struct ik_mqtt_sub **bucket = &subs->buckets[hash & (subs->bucket_count - 1)];
  struct ik_mqtt_sub **list = sub->wild ? &subs->wild : &subs->exact;
  sub->hash_next = *bucket;
  *bucket = sub;
  sub->next = *list;
  if (*list) (*list)->prev = sub;
  *list = sub;
  subs->count++;
  *out = sub;
  return 0;
}

void ik_mqtt_subs_remove(struct ik_mqtt_subs *subs, struct ik_mqtt_sub *sub) {
  struct ik_mqtt_sub **link = &subs->buckets[sub->hash & (subs->bucket_count - 1)];
  while (*link != sub)
    link = &(*link)->hash_next;
  *link = sub->hash_next;
  if (sub->next) sub->next->prev = sub->prev;
  if (sub->prev)
    sub->prev->next = sub->next;
  else if (sub->wild)
    subs->wild = sub->next;
  else
    subs->exact = sub->next;
  subs->count--;
  free_handlers(sub);
  free(sub);
}

struct ik_mqtt_sub *ik_mqtt_subs_first(const struct ik_mqtt_subs *subs) {
  return subs->exact ? subs->exact : subs->wild;
}

struct ik_mqtt_sub *ik_mqtt_subs_next(const struct ik_mqtt_subs *subs,
                                      const struct ik_mqtt_sub *sub) {
  return sub->next || sub->wild ? sub->next : subs->wild;
}

/* ---- handlers ---- */

static struct ik_mqtt_handler **find_handler(struct ik_mqtt_sub *sub, void (*fn)(void), void *ctx) {
  struct ik_mqtt_handler **link = &sub->handlers;
  while (*link && !((*link)->fn == fn && (*link)->ctx == ctx))
    link = &(*link)->next;
  return link;
}

int ik_mqtt_sub_add_handler(struct ik_mqtt_sub *sub, void (*fn)(void), void *ctx, uint8_t qos) {
  struct ik_mqtt_handler **link = find_handler(sub, fn, ctx);
  if (!*link) {
    *link = calloc(1, sizeof(**link));
    if (!*link) return IK_ENO_MEMORY;
    (*link)->fn = fn;
    (*link)->ctx = ctx;
    (*link)->refs = 1;
  }
  (*link)->qos = qos;
  return 0;
}

struct ik_mqtt_handler *ik_mqtt_sub_take_handler(struct ik_mqtt_sub *sub, void (*fn)(void),
                                                 void *ctx) {
  struct ik_mqtt_handler **link = find_handler(sub, fn, ctx);
  struct ik_mqtt_handler *handler = *link;
  if (!handler) return NULL;
  *link = handler->next;
  handler->next = NULL;
  handler->removed = true;
  return handler;
}

uint8_t ik_mqtt_sub_qos(const struct ik_mqtt_sub *sub) {
  uint8_t qos = 0;
  for (const struct ik_mqtt_handler *handler = sub->handlers; handler; handler = handler->next) {
    if (handler->qos > qos) qos = handler->qos;
  }
  return qos;
}

/* ---- matching ---- */

static int push(struct ik_mqtt_matches *matches, struct ik_mqtt_handler *handler) {
  if (matches->count == matches->cap) {
    const size_t cap = matches->cap * 2;
    struct ik_mqtt_handler **list = malloc(cap * sizeof(struct ik_mqtt_handler *));
    if (!list) return IK_ENO_MEMORY;
    memcpy(list, matches->list, matches->count * sizeof(struct ik_mqtt_handler *));
    if (matches->list != matches->in_place) free(matches->list);
    matches->list = list;
    matches->cap = cap;
  }
  handler->refs++;
  matches->list[matches->count++] = handler;
  return 0;
}

static int push_all(struct ik_mqtt_matches *matches, const struct ik_mqtt_sub *sub) {
  for (struct ik_mqtt_handler *handler = sub->handlers; handler; handler = handler->next) {
    const int rc = push(matches, handler);
    if (rc < 0) return rc;
  }
  return 0;
}

int ik_mqtt_subs_match(const struct ik_mqtt_subs *subs, struct ik_str topic,
                       struct ik_mqtt_matches *out) {
  int rc = 0;
  out->list = out->in_place;
  out->count = 0;
  out->cap = sizeof(out->in_place) / sizeof(out->in_place[0]);
  const struct ik_mqtt_sub *sub =
      ik_mqtt_subs_find(subs, topic); /* a name has no wildcards: the exact one */
  if (sub) rc = push_all(out, sub);
  for (sub = subs->wild; sub && rc == 0; sub = sub->next) {
    if (ik_mqtt_topic_matches(sub->filter, topic)) rc = push_all(out, sub);
  }
  if (rc < 0) ik_mqtt_matches_free(out);
  return rc;
}

void ik_mqtt_matches_free(struct ik_mqtt_matches *matches) {
  for (size_t i = 0; i < matches->count; i++)
    ik_mqtt_handler_unref(matches->list[i]);
  if (matches->list != matches->in_place) free(matches->list);
  matches->list = matches->in_place;
  matches->count = 0;
}
