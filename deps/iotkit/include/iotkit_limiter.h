/**
 * @file
 * iotkit_limiter.h - a speed limit that any number of downloads share.
 */
#ifndef IOTKIT_LIMITER_H
#define IOTKIT_LIMITER_H

#include "iotkit_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A token bucket, counted by references; for any number of threads at a time. Bytes are counted as
 * they are read from the connection, so that TCP slows the server down. What one moment may take is
 * a tenth of a second's worth, at least 16 KiB. Downloads that share it are served in turn.
 */
typedef struct iotkit_limiter iotkit_limiter_t;

/** bytes_per_second 0: no limit. The result has one reference. IK_ENO_MEMORY. */
IOTKIT_API int iotkit_limiter_new(uint64_t bytes_per_second, iotkit_limiter_t **out);
/** Takes one more reference and returns `limiter`; NULL is allowed. */
IOTKIT_API iotkit_limiter_t *iotkit_limiter_ref(iotkit_limiter_t *limiter);
/** Gives one reference back; NULL is allowed. */
IOTKIT_API void iotkit_limiter_unref(iotkit_limiter_t *limiter);
/** Changes the limit, 0: none; running downloads follow within a tenth of a second. Any thread. */
IOTKIT_API void iotkit_limiter_set(iotkit_limiter_t *limiter, uint64_t bytes_per_second);
/** The limit now, 0: none. */
IOTKIT_API uint64_t iotkit_limiter_get(iotkit_limiter_t *limiter);

#ifdef __cplusplus
}
#endif
#endif
