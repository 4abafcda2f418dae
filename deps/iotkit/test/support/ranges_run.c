/*
 * ranges_run.c - an image whose every byte is known.
 */
#include "support/ranges_run.h"

#include <string.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/http_server.h"

uint8_t image[SIZE];
uint8_t got[SIZE];

int ranges_image(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE; i++)
    image[i] = http_image_byte(i);
  return 0;
}

struct fake_web ranges_web(uint64_t size) {
  return (struct fake_web){
      .image = image, .size = size, .tag = "\"v1\"", .answer = fake_web_serve, .rng = {size}};
}

struct iotkit_fetch_options ranges_options(uint32_t count) {
  return (struct iotkit_fetch_options){.connections = count,
                                       .retry_min_ms = 1,
                                       .retry_max_ms = 2,
                                       .patience_ms = UINT32_MAX,
                                       .max_retries = 3,
                                       .proxy = "",
                                       .renew_timeout_ms = UINT32_MAX};
}

iotkit_job_t *ranges_start(struct fake_web *web, const struct iotkit_fetch_options *options) {
  iotkit_job_t *job = fake_web_job(web, options);
  ik_job_set_dial(job, fake_web_dial, web);
  memset(got, 0xEE, sizeof(got));
  return job;
}

void ranges_assert_right(struct fake_web *web, iotkit_job_t *job) {
  char detail[IOTKIT_DETAIL_MAX];
  int error = iotkit_job_error(job, detail);
  if (error != 0) fail_msg("%s: %s", iotkit_error_name(error), detail);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHED);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_memory_equal(got, image, (size_t)web->size);
  iotkit_job_unref(job);
  assert_int_equal(web->open, 0);
}
