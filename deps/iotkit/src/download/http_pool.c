/*
 * http_pool.c - an array in the order in which connections came. Transports are asked and closed
 * outside the lock, by the thread that has taken them out.
 */
#include "download/http_pool.h"

#include <stdlib.h>
#include <string.h>

void ik_http_place_of(const struct ik_url *url, struct ik_http_place *out) {
  memset(out, 0, sizeof(*out));
  out->https = url->https;
  out->host_is_rooted = url->host_is_rooted;
  out->port = url->port;
  memcpy(out->host, url->host, sizeof(out->host));
}

static bool is_same(const struct ik_http_place *a, const struct ik_http_place *b) {
  return a->https == b->https && a->host_is_rooted == b->host_is_rooted && a->port == b->port &&
         strcmp(a->host, b->host) == 0;
}

/* ---- life ---- */

void ik_http_pool_init(struct ik_http_pool *pool, struct ik_mutex *lock) {
  memset(pool, 0, sizeof(*pool));
  atomic_init(&pool->expire_ms, UINT64_MAX);
  pool->lock = lock;
}

void ik_http_pool_deinit(struct ik_http_pool *pool) {
  free(pool->idle);
}

/* ---- under the lock ---- */

static void note_expiry(struct ik_http_pool *pool) {
  atomic_store(&pool->expire_ms, pool->count > 0 ? pool->idle[0].until_ms : UINT64_MAX);
}

static struct ik_transport *remove_at(struct ik_http_pool *pool, size_t i) {
  struct ik_transport *transport = pool->idle[i].transport;
  pool->count--;
  memmove(&pool->idle[i], &pool->idle[i + 1], (pool->count - i) * sizeof(*pool->idle));
  note_expiry(pool);
  return transport;
}

/* The oldest, if it has waited long enough or `all` must go; NULL: none. */
static struct ik_transport *remove_oldest(struct ik_http_pool *pool, uint64_t now_ms, bool all) {
  if (pool->count == 0 || (!all && now_ms < pool->idle[0].until_ms)) return NULL;
  return remove_at(pool, 0);
}

static bool make_array(struct ik_http_pool *pool) {
  if (pool->idle == NULL) pool->idle = calloc(IK_HTTP_POOL_MAX, sizeof(*pool->idle));
  return pool->idle != NULL;
}

static struct ik_transport *remove_newest_to(struct ik_http_pool *pool,
                                             const struct ik_http_place *place) {
  for (size_t i = pool->count; i > 0; i--)
    if (is_same(&pool->idle[i - 1].place, place)) return remove_at(pool, i - 1);
  return NULL;
}

/* ---- from outside ---- */

static void close_transport(struct ik_transport *transport) {
  if (transport != NULL) transport->ops->close(transport);
}

static void close_old(struct ik_http_pool *pool, uint64_t now_ms, bool all) {
  struct ik_transport *old;
  do {
    ik_mutex_lock(pool->lock);
    old = remove_oldest(pool, now_ms, all && pool->users == 0);
    ik_mutex_unlock(pool->lock);
    close_transport(old);
  } while (old != NULL);
}

void ik_http_pool_join(struct ik_http_pool *pool) {
  ik_mutex_lock(pool->lock);
  pool->users++;
  ik_mutex_unlock(pool->lock);
}

void ik_http_pool_leave(struct ik_http_pool *pool) {
  ik_mutex_lock(pool->lock);
  const bool last = --pool->users == 0;
  ik_mutex_unlock(pool->lock);
  if (last) close_old(pool, 0, true);
}

void ik_http_pool_put(struct ik_http_pool *pool, const struct ik_http_place *place,
                      struct ik_transport *transport, uint64_t now_ms) {
  struct ik_transport *unwanted = transport;
  ik_mutex_lock(pool->lock);
  if (pool->users > 0 && make_array(pool)) {
    unwanted = remove_oldest(pool, now_ms, pool->count == IK_HTTP_POOL_MAX);
    pool->idle[pool->count++] =
        (struct ik_http_idle){*place, transport, now_ms + IK_HTTP_POOL_IDLE_MS};
    note_expiry(pool);
  }
  ik_mutex_unlock(pool->lock);
  close_transport(unwanted);
}

/* Nothing has come on it since its last answer: no end, and no byte that nobody has asked for. */
static bool is_quiet(struct ik_transport *transport) {
  char byte;
  return transport->ops->read(transport, &byte, sizeof(byte), NULL) == IK_EAGAIN;
}

struct ik_transport *ik_http_pool_take(struct ik_http_pool *pool, const struct ik_http_place *place,
                                       uint64_t now_ms) {
  struct ik_transport *transport;
  ik_http_pool_expire(pool, now_ms);
  for (;;) {
    ik_mutex_lock(pool->lock);
    transport = remove_newest_to(pool, place);
    ik_mutex_unlock(pool->lock);
    if (transport == NULL || is_quiet(transport)) return transport;
    close_transport(transport);
  }
}

void ik_http_pool_expire(struct ik_http_pool *pool, uint64_t now_ms) {
  if (now_ms >= atomic_load(&pool->expire_ms)) close_old(pool, now_ms, false);
}
