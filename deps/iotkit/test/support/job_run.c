/*
 * job_run.c - an image whose every byte is known, and jobs that fetch it.
 */
#include "support/job_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "port/port.h"
#include "support/cm.h"

typedef unsigned long long ull;

static void image_digest(enum iotkit_digest_method method, char hex[65]) {
  struct ik_digest *digest;
  uint8_t value[IOTKIT_DIGEST_MAX];
  assert_int_equal(ik_digest_new(method, &digest), 0);
  for (unsigned i = 0; i < JOB_SIZE; i++) {
    uint8_t byte = http_image_byte(i);
    ik_digest_update(digest, &byte, 1);
  }
  int len = ik_digest_value(digest, value);
  assert_true(len > 0);
  ik_hex_encode(value, (size_t)len, hex);
  ik_digest_free(digest);
}

iotkit_job_t *job_make(uint16_t port, const char *path,
                       const struct iotkit_fetch_options *options) {
  char json[1024];
  char hex[65];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  image_digest(IOTKIT_DIGEST_SHA256, hex);
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":7,\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"2.0.0\",\"url\":\"%s://127.0.0.1:%u%s\",\"signMethod\":\"Sha256\","
           "\"sign\":\"%s\"}}",
           JOB_SIZE, options != NULL && options->tls != NULL ? "https" : "http", port, path, hex);
  int rc = iotkit_job_parse(json, strlen(json), options, &job, detail);
  if (rc != 0) fail_msg("%s", detail);
  return job;
}

struct iotkit_fetch_options job_quick(void) {
  return (struct iotkit_fetch_options){
      .retry_min_ms = 1, .retry_max_ms = 2, .max_retries = 3, .idle_timeout_ms = 20000};
}

/* Fetches to the end; the bytes land at their offsets. The job's error, or 0 when it is FETCHED. */
int job_fetch_all(iotkit_job_t *job, uint8_t *image, size_t chunk) {
  uint8_t *buf = malloc(chunk);
  int64_t n = 0;
  uint64_t next = 0;
  assert_non_null(buf);
  while (iotkit_job_get_state(job) <= IOTKIT_JOB_FETCHING) {
    uint64_t offset = 0;
    n = iotkit_job_fetch(job, buf, chunk, 30000, &offset);
    if (n <= 0) break;
    assert_true(offset == next || offset == 0);
    assert_true(offset + (uint64_t)n <= JOB_SIZE);
    memcpy(image + offset, buf, (size_t)n);
    next = offset + (uint64_t)n;
  }
  free(buf);
  if (iotkit_job_get_state(job) == IOTKIT_JOB_FETCHED) return 0;
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FAILED);
  return iotkit_job_error(job, NULL);
}

void job_assert_image(const uint8_t *image) {
  for (unsigned i = 0; i < JOB_SIZE; i++) {
    if (image[i] != http_image_byte(i)) fail_msg("byte %u differs", i);
  }
}

bool job_serve_well(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  if (!request->has_range) {
    http_send(fd, "HTTP/1.1 200 OK\r\nETag: " JOB_TAG "\r\nContent-Length: %u\r\n\r\n", JOB_SIZE);
    return http_send_image(fd, 0, JOB_SIZE);
  }
  http_send(fd,
            "HTTP/1.1 206 Partial Content\r\nETag: " JOB_TAG "\r\n"
            "Content-Range: bytes %llu-%u/%u\r\nContent-Length: %llu\r\n\r\n",
            (ull)request->from, JOB_SIZE - 1, JOB_SIZE, (ull)(JOB_SIZE - request->from));
  return http_send_image(fd, request->from, JOB_SIZE - request->from);
}
