/*
 * limiter.h - the inside of a speed limit: how downloads keep to it.
 *
 * What lives in core/: what downloads and clients of a process share: limiters and public keys,
 * both counted by references, the version and the clock. It may include base/ and port/port.h.
 */
#ifndef IK_CORE_LIMITER_H
#define IK_CORE_LIMITER_H

#include "iotkit_limiter.h"

#define IK_LIMITERS_MAX 2
/*
 * A refused download is asked to come again after at most this long, so that it follows a change.
 */
#define IK_LIMITER_WAIT_MS 100

/* A place in the line of those whom a limiter refused. Guarded by the limiter's lock. */
struct ik_limiter_waiter {
  struct ik_limiter_waiter *before;
  struct ik_limiter_waiter *after;
  bool waits;
  uint64_t until_ms; /* when it was asked to come again */
};

/*
 * One download's place at its limiters. Whoever shares a limiter is served in turn. Thread: one at
 * a time; the limiters are for any number.
 */
struct ik_throttle {
  struct ik_throttle_way {
    iotkit_limiter_t *limiter; /* NULL: no limit. A reference */
    struct ik_limiter_waiter waiter;
    size_t held; /* bytes this limiter granted that the other did not yet */
  } ways[IK_LIMITERS_MAX];
};

/* Takes references. All zero is one without limits. Must not be moved until deinit. */
void ik_throttle_init(struct ik_throttle *throttle,
                      iotkit_limiter_t *const limiters[IK_LIMITERS_MAX]);
void ik_throttle_deinit(struct ik_throttle *throttle);
/*
 * How many of `want` bytes may be read now; 0: ask again at *until_ms (IK_LIMITER_WAIT_MS away at
 * most), or lose the turn. The bytes are taken.
 */
size_t ik_throttle_take(struct ik_throttle *throttle, size_t want, uint64_t now_ms,
                        uint64_t *until_ms);
/*
 * `bytes` of those taken were not read. Also with 0 when nothing is read for a while: what is held
 * goes back as well.
 */
void ik_throttle_give_back(struct ik_throttle *throttle, size_t bytes);

#endif
