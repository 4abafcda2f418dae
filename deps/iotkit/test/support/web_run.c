/*
 * web_run.c - see web_run.h.
 */
#include "support/web_run.h"

#include <string.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/http_server.h"

uint8_t web_image[WEB_RUN_SIZE];
uint8_t web_got[WEB_RUN_SIZE];

int web_run_image(void **state) {
  (void)state;
  for (size_t i = 0; i < WEB_RUN_SIZE; i++)
    web_image[i] = http_image_byte(i);
  return 0;
}

struct fake_web web_run_of(fake_answer_fn answer) {
  return (struct fake_web){
      .image = web_image, .size = WEB_RUN_SIZE, .tag = "\"v1\"", .answer = answer, .rng = {1}};
}

struct iotkit_fetch_options web_run_options(void) {
  return (struct iotkit_fetch_options){
      .retry_min_ms = 1, .retry_max_ms = 2, .max_retries = 3, .proxy = ""};
}

iotkit_job_t *web_run_start(struct fake_web *web, const struct iotkit_fetch_options *options) {
  iotkit_job_t *job = fake_web_job(web, options);
  ik_job_set_dial(job, fake_web_dial, web);
  memset(web_got, 0xEE, sizeof(web_got));
  return job;
}

void web_run_assert_right(iotkit_job_t *job) {
  char detail[IOTKIT_DETAIL_MAX];
  int error = iotkit_job_error(job, detail);
  if (error != 0) fail_msg("%s: %s", iotkit_error_name(error), detail);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_memory_equal(web_got, web_image, WEB_RUN_SIZE);
}

void web_run_ignore_ranges(struct fake_web *web, const struct fake_request *request,
                           struct fake_answer *answer) {
  struct fake_request whole = *request;
  whole.has_range = false;
  fake_web_serve(web, &whole, answer);
}
