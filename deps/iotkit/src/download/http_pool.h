/*
 * http_pool.h - connections that wait for their next request, of all downloads with the same options.
 *
 * A pool belongs to one fetch config, so that all its connections have the same TLS context, proxies
 * and limits; a place says the rest. What takes one out has checked its own URL against the policy.
 *
 * It keeps connections only while it has users: downloads that are under way, and the files of an upgrade,
 * which are fetched one after another. The last to leave closes them. At most IK_HTTP_POOL_MAX, the
 * oldest makes room, and none waits longer than IK_HTTP_POOL_IDLE_MS.
 *
 * Thread: any.
 */
#ifndef IK_DOWNLOAD_HTTP_POOL_H
#define IK_DOWNLOAD_HTTP_POOL_H

#include <stdatomic.h>

#include "base/url.h"
#include "net/transport.h"

#define IK_HTTP_POOL_MAX 8
#define IK_HTTP_POOL_IDLE_MS 30000

/* Where a connection leads to. */
struct ik_http_place {
  bool https;
  bool host_is_rooted;
  uint16_t port;
  char host[IK_HOST_MAX + 1];
};

struct ik_http_idle {
  struct ik_http_place place;
  struct ik_transport *transport; /* owned */
  uint64_t until_ms;
};

struct ik_http_pool {
  struct ik_mutex *lock;     /* borrowed */
  unsigned users;            /* under `lock` */
  size_t count;              /* likewise */
  struct ik_http_idle *idle; /* likewise; the oldest first, IK_HTTP_POOL_MAX; NULL: never one */
  _Atomic uint64_t
      expire_ms; /* when the oldest has waited long enough; UINT64_MAX: there is none */
};

void ik_http_place_of(const struct ik_url *url, struct ik_http_place *out);

/* `lock` outlives it. */
void ik_http_pool_init(struct ik_http_pool *pool, struct ik_mutex *lock);
/* There are no users. Also one that was never initialised but is all zero. */
void ik_http_pool_deinit(struct ik_http_pool *pool);
void ik_http_pool_join(struct ik_http_pool *pool);
void ik_http_pool_leave(struct ik_http_pool *pool);
/*
 * Takes over a transport that is open and has answered its last request to the end: keeps it, or
 * closes it where there is no user or no memory.
 */
void ik_http_pool_put(struct ik_http_pool *pool, const struct ik_http_place *place,
                      struct ik_transport *transport, uint64_t now_ms);
/*
 * The one to this place that was put last and is still quiet; the caller's from now on. NULL: there is
 * none. The server may have closed it all the same, which only the next request will show.
 */
struct ik_transport *ik_http_pool_take(struct ik_http_pool *pool, const struct ik_http_place *place,
                                       uint64_t now_ms);
/* Closes those that have waited long enough. Cheap where there are none. */
void ik_http_pool_expire(struct ik_http_pool *pool, uint64_t now_ms);

#endif
