/*
 * subdevices.c - a hash table of sub-devices, and the queue of those that wait for a message. It owns
 * both; names never change while a sub-device is there, so others may read them without a lock as
 * long as nobody reaps.
 */
#include "channel/subdevices.h"

#include <stdlib.h>
#include <string.h>

#include "base/time.h"

#define FIRST_BUCKETS 16
/*
 * The platform takes 200 logins and 30 messages with QoS 0 a second: 167 and 20, since what leaves
 * evenly may arrive in bunches, and others have to send as well.
 */
#define LOGIN_MS 6
#define MESSAGE_MS 50
#define BACK_OFF_MIN_MS 1000
#define BACK_OFF_MAX_MS 60000

void ik_subdevices_init(struct ik_subdevices *subs) {
  *subs = (struct ik_subdevices){0};
  subs->queue_end = &subs->queue;
  ik_backoff_init(&subs->backoff, BACK_OFF_MIN_MS, BACK_OFF_MAX_MS);
}

/* The secret and, after its NUL, the client id. */
static void free_secret(char *secret) {
  ik_str_free(secret); /* wipes as far as the first NUL: the client id is none */
}

static void free_one(struct ik_subdevice *sub) {
  free_secret(sub->secret);
  free(sub);
}

void ik_subdevices_deinit(struct ik_subdevices *subs) {
  for (size_t i = 0; i < subs->bucket_count; i++) {
    while (subs->buckets[i] != NULL) {
      struct ik_subdevice *sub = subs->buckets[i];
      subs->buckets[i] = sub->hash_next;
      free_one(sub);
    }
  }
  free(subs->buckets);
  ik_subdevices_init(subs);
}

const char *ik_subdevice_key(const struct ik_subdevice *sub) {
  return sub->names;
}

const char *ik_subdevice_name(const struct ik_subdevice *sub) {
  return sub->names + sub->key_size;
}

/* ---- the table ---- */

/* FNV-1a. */
static uint32_t add_hash(uint32_t hash, struct ik_str text) {
  for (size_t i = 0; i < text.len; i++)
    hash = (hash ^ (uint8_t)text.ptr[i]) * 16777619u;
  return hash;
}

static uint32_t hash_of(struct ik_str product_key, struct ik_str device_name) {
  return add_hash(add_hash(add_hash(2166136261u, product_key), IK_STR("/")), device_name);
}

struct ik_subdevice *ik_subdevices_find(const struct ik_subdevices *subs, struct ik_str product_key,
                                        struct ik_str device_name) {
  const uint32_t hash = hash_of(product_key, device_name);
  if (subs->bucket_count == 0) return NULL;
  struct ik_subdevice *sub = subs->buckets[hash & (subs->bucket_count - 1)];
  while (sub != NULL &&
         !(sub->hash == hash && ik_str_eq(ik_str(ik_subdevice_key(sub)), product_key) &&
           ik_str_eq(ik_str(ik_subdevice_name(sub)), device_name)))
    sub = sub->hash_next;
  return sub;
}

struct ik_subdevice *ik_subdevices_next(const struct ik_subdevices *subs,
                                        const struct ik_subdevice *after,
                                        enum ik_subdevice_state state, uint32_t message_id) {
  if (subs->bucket_count == 0) return NULL;
  size_t bucket = after != NULL ? after->hash & (subs->bucket_count - 1) : 0;
  struct ik_subdevice *sub = after != NULL ? after->hash_next : subs->buckets[0];
  for (;;) {
    for (; sub != NULL; sub = sub->hash_next) {
      if (sub->state == state && (message_id == 0 || sub->message_id == message_id)) return sub;
    }
    if (++bucket >= subs->bucket_count) return NULL;
    sub = subs->buckets[bucket];
  }
}

/* Keeps the buckets at least as many as the sub-devices. */
static int grow(struct ik_subdevices *subs) {
  if (subs->count < subs->bucket_count) return 0;
  const size_t count = subs->bucket_count > 0 ? subs->bucket_count * 2 : FIRST_BUCKETS;
  struct ik_subdevice **buckets = calloc(count, sizeof(struct ik_subdevice *));
  if (buckets == NULL) return IK_ENO_MEMORY;
  for (size_t i = 0; i < subs->bucket_count; i++) {
    while (subs->buckets[i] != NULL) {
      struct ik_subdevice *sub = subs->buckets[i];
      struct ik_subdevice **bucket = &buckets[sub->hash & (count - 1)];
      subs->buckets[i] = sub->hash_next;
      sub->hash_next = *bucket;
      *bucket = sub;
    }
  }
  free(subs->buckets);
  subs->buckets = buckets;
  subs->bucket_count = count;
  return 0;
}

static char *copy_secret(const struct ik_topo_device *device) {
  const char *client_id = device->client_id != NULL ? device->client_id : "";
  const size_t secret_size = strlen(device->device_secret) + 1;
  const size_t id_size = strlen(client_id) + 1;
  char *secret = malloc(secret_size + id_size);
  if (secret == NULL) return NULL;
  memcpy(secret, device->device_secret, secret_size);
  memcpy(secret + secret_size, client_id, id_size);
  return secret;
}

static int add(struct ik_subdevices *subs, const struct ik_topo_device *device,
               struct ik_subdevice **out) {
  const size_t key_size = strlen(device->product_key) + 1;
  const size_t name_size = strlen(device->device_name) + 1;
  if (subs->count >= IK_SUBDEVICES_MAX) return IK_ESUBDEVICE_LIMIT;
  int rc = grow(subs);
  if (rc != 0) return rc;
  struct ik_subdevice *sub = calloc(1, sizeof(*sub) + key_size + name_size);
  if (sub == NULL) return IK_ENO_MEMORY;
  sub->key_size = (uint8_t)key_size;
  memcpy(sub->names, device->product_key, key_size);
  memcpy(sub->names + key_size, device->device_name, name_size);
  sub->hash = hash_of(ik_str(device->product_key), ik_str(device->device_name));
  struct ik_subdevice **bucket = &subs->buckets[sub->hash & (subs->bucket_count - 1)];
  sub->hash_next = *bucket;
  *bucket = sub;
  subs->count++;
  *out = sub;
  return 0;
}

int ik_subdevices_want(struct ik_subdevices *subs, const struct ik_topo_device *device,
                       struct ik_subdevice **out, bool *is_new) {
  struct ik_subdevice *sub =
      ik_subdevices_find(subs, ik_str(device->product_key), ik_str(device->device_name));
  char *secret = copy_secret(device);
  if (secret == NULL) return IK_ENO_MEMORY;
  *is_new = sub == NULL;
  int rc = sub == NULL ? add(subs, device, &sub) : 0;
  if (rc != 0) {
    free_secret(secret);
    return rc;
  }
  free_secret(sub->secret);
  sub->secret = secret;
  sub->method = (uint8_t)device->method;
  sub->keep_session = device->keep_session;
  sub->wanted = true;
  sub->forgotten = false;
  sub->disabled = false; /* whoever asks has a reason to believe so */
  if (sub->state == IK_SUB_OUT || sub->state == IK_SUB_REFUSED) {
    sub->alone = false;
    ik_subdevices_set(subs, sub, IK_SUB_WAITING);
  }
  *out = sub;
  return 0;
}

void ik_subdevices_unwant(struct ik_subdevices *subs, struct ik_subdevice *sub) {
  sub->wanted = false;
  ik_subdevices_forget(subs, sub);
  if (sub->state == IK_SUB_IN)
    ik_subdevices_set(subs, sub, IK_SUB_LEAVING);
  else if (sub->state == IK_SUB_WAITING || sub->state == IK_SUB_REFUSED)
    ik_subdevices_set(subs, sub, IK_SUB_OUT);
}

void ik_subdevices_forget(struct ik_subdevices *subs, struct ik_subdevice *sub) {
  sub->forgotten = true;
  subs->has_forgotten = true;
}

bool ik_subdevices_have_channel(const struct ik_subdevices *subs) {
  bool have = false;
  for (size_t i = 0; i < subs->bucket_count && !have; i++) {
    const struct ik_subdevice *sub = subs->buckets[i];
    for (; sub != NULL && !have; sub = sub->hash_next)
      have = sub->channel != NULL;
  }
  return have;
}

void ik_subdevices_reap(struct ik_subdevices *subs) {
  if (!subs->has_forgotten) return;
  subs->has_forgotten = false;
  for (size_t i = 0; i < subs->bucket_count; i++) {
    struct ik_subdevice **at = &subs->buckets[i];
    while (*at != NULL) {
      struct ik_subdevice *sub = *at;
      if (!sub->forgotten || sub->state != IK_SUB_OUT || sub->channel != NULL || sub->reports) {
        subs->has_forgotten |= sub->forgotten;
        at = &sub->hash_next;
        continue;
      }
      *at = sub->hash_next;
      subs->count--;
      free_one(sub);
    }
  }
}

struct ik_topo_device ik_subdevice_as_asked(const struct iotkit_subdevice *given) {
  return (struct ik_topo_device){.product_key = given->product_key,
                                 .device_name = given->device_name,
                                 .device_secret = given->device_secret,
                                 .client_id = given->client_id,
                                 .method = given->method,
                                 .keep_session = given->keep_session};
}

struct ik_topo_device ik_subdevice_identity(const struct ik_subdevice *sub) {
  const char *client_id = sub->secret + strlen(sub->secret) + 1;
  return (struct ik_topo_device){.product_key = ik_subdevice_key(sub),
                                 .device_name = ik_subdevice_name(sub),
                                 .device_secret = sub->secret,
                                 .client_id = client_id[0] != '\0' ? client_id : NULL,
                                 .method = (enum iotkit_sign_method)sub->method,
                                 .keep_session = sub->keep_session};
}

/* ---- the queue ---- */

static void dequeue(struct ik_subdevices *subs, const struct ik_subdevice *sub) {
  struct ik_subdevice **at = &subs->queue;
  while (*at != NULL && *at != sub)
    at = &(*at)->queue_next;
  if (*at == NULL) return;
  *at = sub->queue_next;
  if (*at == NULL) subs->queue_end = at;
}

static bool is_queued(const struct ik_subdevice *sub) {
  return sub->state == IK_SUB_WAITING || (sub->state == IK_SUB_LEAVING && sub->message_id == 0);
}

void ik_subdevices_set(struct ik_subdevices *subs, struct ik_subdevice *sub,
                       enum ik_subdevice_state state) {
  if (is_queued(sub)) dequeue(subs, sub);
  sub->state = (uint8_t)state;
  sub->message_id = 0;
  if (!is_queued(sub)) return;
  sub->queue_next = NULL;
  *subs->queue_end = sub;
  subs->queue_end = &sub->queue_next;
}

void ik_subdevices_restart(struct ik_subdevices *subs, uint64_t now_ms) {
  subs->queue = NULL;
  subs->queue_end = &subs->queue;
  for (size_t i = 0; i < subs->bucket_count; i++) {
    for (struct ik_subdevice *sub = subs->buckets[i]; sub != NULL; sub = sub->hash_next) {
      sub->state = IK_SUB_OUT; /* so that nothing looks for it in the queue */
      sub->disabled = false;   /* what happened to it meanwhile, nobody has heard */
      sub->alone = false;
      if (sub->wanted) ik_subdevices_set(subs, sub, IK_SUB_WAITING);
    }
  }
  ik_backoff_reset(&subs->backoff);
  subs->next_ms = ik_later(subs->next_ms, now_ms); /* the rates outlive a connection */
}

size_t ik_subdevices_take(struct ik_subdevices *subs, uint64_t now_ms, uint32_t message_id,
                          struct ik_subdevice *batch[IK_LOGINS_MAX], enum ik_topo_action *action) {
  if (subs->queue == NULL || now_ms < subs->next_ms) return 0;
  const bool login = subs->queue->state == IK_SUB_WAITING;
  const size_t max = subs->queue->alone ? 1 : IK_LOGINS_MAX;
  size_t count = 0;
  do {
    struct ik_subdevice *sub = subs->queue;
    subs->queue = sub->queue_next;
    if (login) sub->state = IK_SUB_ASKED;
    sub->message_id = message_id;
    batch[count++] = sub;
  } while (count < max && subs->queue != NULL &&
           subs->queue->state == (login ? IK_SUB_WAITING : IK_SUB_LEAVING) && !subs->queue->alone);
  if (subs->queue == NULL) subs->queue_end = &subs->queue;
  const uint64_t pace_ms = login ? LOGIN_MS * (uint64_t)count : 0;
  subs->next_ms = now_ms + ik_later(pace_ms, MESSAGE_MS);
  *action = login ? IK_TOPO_LOGIN_BATCH : IK_TOPO_LOGOUT_BATCH;
  if (count == 1) *action = login ? IK_TOPO_LOGIN : IK_TOPO_LOGOUT;
  return count;
}

uint64_t ik_subdevices_due(const struct ik_subdevices *subs) {
  return subs->queue != NULL ? subs->next_ms : UINT64_MAX;
}

void ik_subdevices_back_off(struct ik_subdevices *subs, uint64_t now_ms, uint32_t random) {
  const uint32_t wait_ms = ik_backoff_next(&subs->backoff, random);
  subs->next_ms = ik_later(subs->next_ms, now_ms + wait_ms);
}

void ik_subdevices_go_on(struct ik_subdevices *subs) {
  ik_backoff_reset(&subs->backoff);
}
