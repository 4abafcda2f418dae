/*
 * limiter.h - the inside of a speed limit.
 */
#ifndef IK_API_LIMITER_H
#define IK_API_LIMITER_H

#include "iotkit_limiter.h"

/*
 * How many of `want` bytes may be read now; 0: none before *until_ms, when it is to be asked again.
 * The bytes are taken; what was not read is given back. NULL: all. Any thread.
 */
size_t ik_limiter_take(iotkit_limiter_t *limiter, size_t want, uint64_t now_ms, uint64_t *until_ms);
void ik_limiter_give_back(iotkit_limiter_t *limiter, size_t bytes);

#endif
