/*
 * ranges_run.h - what the tests of several connections share: an image of some MiB, a server that
 * gives it, a job that fetches it.
 */
#ifndef TEST_RANGES_RUN_H
#define TEST_RANGES_RUN_H

#include "base/limits.h"
#include "support/fake_web.h"

#define RANGE IK_MIB
#define SIZE ((size_t)(9 * RANGE + 12345))

extern uint8_t image[SIZE];
extern uint8_t got[SIZE]; /* where tests put what they fetch */

/* A cmocka setup. */
int ranges_image(void **state);
struct fake_web ranges_web(uint64_t size);
/* So many connections, waits of a millisecond or two, three retries, no other URLs. */
struct iotkit_fetch_options ranges_options(uint32_t count);
iotkit_job_t *ranges_start(struct fake_web *web, const struct iotkit_fetch_options *options);
/* The image is in `got` and is right; gives the job back, which closes all connections. */
void ranges_assert_right(struct fake_web *web, iotkit_job_t *job);

#endif
