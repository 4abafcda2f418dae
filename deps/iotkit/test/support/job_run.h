/*
 * job_run.h - what the tests of jobs share: an image, its notice, a server that gives it, a fetch
 * to the end.
 */
#ifndef TEST_JOB_RUN_H
#define TEST_JOB_RUN_H

#include "iotkit_ota.h"
#include "support/http_server.h"

#define JOB_SIZE 100000u
#define JOB_HALF (JOB_SIZE / 2)
#define JOB_TAG "\"v1\""

/* A job for http (https with options.tls) ://127.0.0.1:port/path with the right SHA-256. */
iotkit_job_t *job_make(uint16_t port, const char *path, const struct iotkit_fetch_options *options);
/* Options that wait a millisecond or two between tries, three times at most. */
struct iotkit_fetch_options job_quick(void);
/*
 * Fetches to the end, `chunk` bytes a call; the bytes land at their offsets. The job's error, or 0
 * when it is FETCHED.
 */
int job_fetch_all(iotkit_job_t *job, uint8_t *image, size_t chunk);
void job_assert_image(const uint8_t *image);
/* A server function: the image with an entity tag, or the range that is asked for. */
bool job_serve_well(void *ctx, int fd, const struct http_request *request);

#endif
