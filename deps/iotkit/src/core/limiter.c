/*
 * limiter.c - a token bucket that downloads share, in turn.
 *
 * Tokens are thousandths of a byte, which makes milliseconds × bytes per second exact: nothing is
 * lost by rounding, however often it is asked. Who is refused stands in line; only the first in
 * line may take, unless it is late. Limiters are counted by references; waiters belong to their
 * throttle, which takes them out of the line before it goes.
 */
#include "core/limiter.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/limits.h"
#include "port/port.h"

#define PER_BYTE 1000u /* tokens */
/* Far above any network, and far from where token arithmetic overflows. */
#define RATE_MAX ((uint64_t)1 << 40)
#define BURST_MIN (16 * IK_KIB)
#define GRANT_MIN ((uint64_t)256)
#define GRANT_MAX ((uint64_t)64 * IK_KIB)
/* How late the first in line may be before it loses its turn. */
#define LATE_MS 50

struct iotkit_limiter {
  atomic_uint refs;
  struct ik_mutex *mutex; /* all below */
  uint64_t rate;          /* bytes per second; 0: no limit */
  uint64_t tokens;
  uint64_t last_ms; /* when they were counted */
  struct ik_limiter_waiter *first;
  struct ik_limiter_waiter *last;
  size_t waiting;
};

/* ---- tokens (the lock is held) ---- */

static uint64_t burst_of(uint64_t rate) {
  uint64_t bytes = rate / 10;
  return (bytes > BURST_MIN ? bytes : BURST_MIN) * PER_BYTE;
}

/* For less nobody is woken: 50 ms' worth. The minimum keeps slow limits from byte-sized reads, the
 * maximum the others' wait short. */
static uint64_t grant_of(uint64_t rate) {
  uint64_t bytes = rate / 20;
  if (bytes < GRANT_MIN) bytes = GRANT_MIN;
  return (bytes < GRANT_MAX ? bytes : GRANT_MAX) * PER_BYTE;
}

static void add_tokens(iotkit_limiter_t *limiter, uint64_t tokens) {
  uint64_t burst = burst_of(limiter->rate);
  limiter->tokens =
      tokens < burst && limiter->tokens < burst - tokens ? limiter->tokens + tokens : burst;
}

static void refill(iotkit_limiter_t *limiter, uint64_t now_ms) {
  if (now_ms <= limiter->last_ms) return; /* another thread's clock was read later */
  uint64_t elapsed_ms = now_ms - limiter->last_ms;
  limiter->last_ms = now_ms;
  uint64_t full_ms = burst_of(limiter->rate) / limiter->rate + 1;
  add_tokens(limiter, (elapsed_ms < full_ms ? elapsed_ms : full_ms) * limiter->rate);
}

/* ---- the line (the lock is held) ---- */

static void leave_line(iotkit_limiter_t *limiter, struct ik_limiter_waiter *waiter) {
  if (!waiter->waits) return;
  *(waiter->before != NULL ? &waiter->before->after : &limiter->first) = waiter->after;
  *(waiter->after != NULL ? &waiter->after->before : &limiter->last) = waiter->before;
  *waiter = (struct ik_limiter_waiter){0};
  limiter->waiting--;
}

static void join_line(iotkit_limiter_t *limiter, struct ik_limiter_waiter *waiter) {
  if (waiter->waits) return;
  *waiter = (struct ik_limiter_waiter){.before = limiter->last, .waits = true};
  *(limiter->last != NULL ? &limiter->last->after : &limiter->first) = waiter;
  limiter->last = waiter;
  limiter->waiting++;
}

/* Those that do not come for their turn must not keep the others waiting. */
static void drop_late(iotkit_limiter_t *limiter, const struct ik_limiter_waiter *asking,
                      uint64_t now_ms) {
  struct ik_limiter_waiter *first;
  while ((first = limiter->first) != NULL && first != asking && first->until_ms + LATE_MS < now_ms)
    leave_line(limiter, first);
}

/*
 * When there will be tokens for everybody who waits before this one, and for itself. Worked
 * example: at 100,000 bytes per second a grant is 5,000 bytes, that is 5,000,000 tokens. With
 * 2,000,000 in the bucket and two before it 3 x 5,000,000 are needed, so 13,000,000 are missing,
 * which 100,000 tokens a millisecond bring in 130 ms; it is asked to come again after
 * IK_LIMITER_WAIT_MS.
 */
static uint64_t due_ms(const iotkit_limiter_t *limiter, const struct ik_limiter_waiter *waiter,
                       uint64_t now_ms) {
  uint64_t grant = grant_of(limiter->rate);
  uint64_t need = grant;
  for (const struct ik_limiter_waiter *at = limiter->first; at != waiter; at = at->after)
    need += grant;
  uint64_t missing = need > limiter->tokens ? need - limiter->tokens : 1;
  uint64_t wait_ms = (missing + limiter->rate - 1) / limiter->rate;
  return now_ms + (wait_ms < IK_LIMITER_WAIT_MS ? wait_ms : IK_LIMITER_WAIT_MS);
}

/*
 * What the one whose turn it is may have, in tokens. In the example: a full bucket of 16 KiB
 * (16,384,000 tokens) and two more that wait give it a third of that, 5,461 bytes; a bucket of
 * 6,000,000 a whole grant of 5,000.
 */
static uint64_t share_of(const iotkit_limiter_t *limiter) {
  if (limiter->waiting == 0) return limiter->tokens;
  /* An equal share, so that what piled up while somebody was late is used. */
  uint64_t share = limiter->tokens / (limiter->waiting + 1);
  uint64_t grant = grant_of(limiter->rate);
  if (share < grant) share = grant;
  return share < limiter->tokens ? share : limiter->tokens;
}

/* Of `waiter`, who may stand in line; 0: not now. */
static size_t serve(iotkit_limiter_t *limiter, struct ik_limiter_waiter *waiter, size_t want) {
  if (limiter->first != NULL && limiter->first != waiter) return 0;
  uint64_t need = grant_of(limiter->rate);
  if (want < need / PER_BYTE) need = want * PER_BYTE;
  if (limiter->tokens < need) return 0;
  leave_line(limiter, waiter);
  uint64_t bytes = share_of(limiter) / PER_BYTE;
  if (want < bytes) bytes = want;
  limiter->tokens -= bytes * PER_BYTE;
  return (size_t)bytes;
}

/* As ik_throttle_take(), from one limiter. */
static size_t take(iotkit_limiter_t *limiter, struct ik_limiter_waiter *waiter, size_t want,
                   uint64_t now_ms, uint64_t *until_ms) {
  size_t bytes = want;
  ik_mutex_lock(limiter->mutex);
  if (limiter->rate == 0) {
    leave_line(limiter, waiter);
  } else {
    refill(limiter, now_ms);
    drop_late(limiter, waiter, now_ms);
    bytes = serve(limiter, waiter, want);
  }
  if (bytes == 0) {
    join_line(limiter, waiter);
    waiter->until_ms = due_ms(limiter, waiter, now_ms);
    *until_ms = waiter->until_ms;
  }
  ik_mutex_unlock(limiter->mutex);
  return bytes;
}

static void give_back(iotkit_limiter_t *limiter, size_t bytes) {
  ik_mutex_lock(limiter->mutex);
  if (limiter->rate != 0) {
    uint64_t burst = burst_of(limiter->rate);
    add_tokens(limiter, bytes < burst / PER_BYTE ? bytes * PER_BYTE : burst);
  }
  ik_mutex_unlock(limiter->mutex);
}

/* ---- throttles ---- */

void ik_throttle_init(struct ik_throttle *throttle,
                      iotkit_limiter_t *const limiters[IK_LIMITERS_MAX]) {
  *throttle = (struct ik_throttle){0};
  for (size_t i = 0; i < IK_LIMITERS_MAX; i++)
    throttle->ways[i].limiter = iotkit_limiter_ref(limiters[i]);
}

void ik_throttle_deinit(struct ik_throttle *throttle) {
  ik_throttle_give_back(throttle, 0);
  for (size_t i = 0; i < IK_LIMITERS_MAX; i++) {
    struct ik_throttle_way *way = &throttle->ways[i];
    if (way->limiter == NULL) continue;
    ik_mutex_lock(way->limiter->mutex);
    leave_line(way->limiter, &way->waiter);
    ik_mutex_unlock(way->limiter->mutex);
    iotkit_limiter_unref(way->limiter);
    way->limiter = NULL;
  }
}

size_t ik_throttle_take(struct ik_throttle *throttle, size_t want, uint64_t now_ms,
                        uint64_t *until_ms) {
  size_t bytes = want;
  for (size_t i = 0; i < IK_LIMITERS_MAX; i++) {
    struct ik_throttle_way *way = &throttle->ways[i];
    if (way->limiter == NULL || bytes == 0) continue;
    /* What one limiter granted is kept while the other makes wait, or two lines would have to come
     * to their turn in the same moment. */
    if (way->held == 0) way->held = take(way->limiter, &way->waiter, bytes, now_ms, until_ms);
    if (way->held < bytes) bytes = way->held;
  }
  for (size_t i = 0; i < IK_LIMITERS_MAX && bytes > 0; i++) {
    if (throttle->ways[i].limiter != NULL) throttle->ways[i].held -= bytes;
  }
  return bytes;
}

void ik_throttle_give_back(struct ik_throttle *throttle, size_t bytes) {
  for (size_t i = 0; i < IK_LIMITERS_MAX; i++) {
    struct ik_throttle_way *way = &throttle->ways[i];
    if (way->limiter == NULL) continue;
    if (bytes + way->held > 0) give_back(way->limiter, bytes + way->held);
    way->held = 0;
  }
}

/* ---- limiters ---- */

int iotkit_limiter_new(uint64_t bytes_per_second, iotkit_limiter_t **out) {
  if (out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  iotkit_limiter_t *limiter = calloc(1, sizeof *limiter);
  if (limiter == NULL) return IK_ENO_MEMORY;
  limiter->mutex = ik_mutex_new();
  if (limiter->mutex == NULL) {
    free(limiter);
    return IK_ENO_MEMORY;
  }
  atomic_init(&limiter->refs, 1);
  limiter->rate = bytes_per_second < RATE_MAX ? bytes_per_second : RATE_MAX;
  limiter->tokens = burst_of(limiter->rate);
  *out = limiter;
  return 0;
}

iotkit_limiter_t *iotkit_limiter_ref(iotkit_limiter_t *limiter) {
  if (limiter != NULL) atomic_fetch_add(&limiter->refs, 1);
  return limiter;
}

void iotkit_limiter_unref(iotkit_limiter_t *limiter) {
  if (limiter == NULL || atomic_fetch_sub(&limiter->refs, 1) != 1) return;
  ik_mutex_free(limiter->mutex);
  free(limiter);
}

void iotkit_limiter_set(iotkit_limiter_t *limiter, uint64_t bytes_per_second) {
  if (limiter == NULL) return;
  ik_mutex_lock(limiter->mutex);
  limiter->rate = bytes_per_second < RATE_MAX ? bytes_per_second : RATE_MAX;
  uint64_t burst = burst_of(limiter->rate);
  if (limiter->tokens > burst) limiter->tokens = burst;
  ik_mutex_unlock(limiter->mutex);
}

uint64_t iotkit_limiter_get(iotkit_limiter_t *limiter) {
  if (limiter == NULL) return 0;
  ik_mutex_lock(limiter->mutex);
  uint64_t rate = limiter->rate;
  ik_mutex_unlock(limiter->mutex);
  return rate;
}
