/*
 * Signed URLs are in nothing that is freed: announced, redirected to, renewed, in requests and in
 * answers.
 */
#include <stdint.h>

#if defined(__linux__)
#include "support/freed.h"
#endif

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "download/job.h"
#include "support/cm.h"
#include "support/web_run.h"

#if defined(__linux__)

#define QUERY "X-Sign=s3cret&"

static char long_query[2048]; /* beyond the first size of every buffer */

static void signed_url(char *out, size_t cap, const char *host, const char *path) {
  snprintf(out, cap, "http://%s/%s?%s%s", host, path, QUERY, long_query);
}

/* 302 to another host; half of the image; 403 from then on, but for "/renewed". */
static void answer(struct fake_web *web, const struct fake_request *request,
                   struct fake_answer *out) {
  char location[sizeof(long_query) + 128];
  if (request->index == 0) {
    snprintf(location, sizeof(location), "Location: http://cdn.example/g?%s%.300s\r\n", QUERY,
             long_query);
    fake_web_status(out, "302 Found", location);
  } else if (request->index == 1) {
    fake_web_serve(web, request, out);
    out->cut = WEB_RUN_HALF;
  } else if (strstr(request->text, "GET /renewed") != NULL) {
    fake_web_serve(web, request, out);
  } else {
    fake_web_status(out, "403 Expired", "");
  }
}

static const char *notice_of(const char *path, const char *hex) {
  static char json[sizeof(long_query) + 512];
  char url[sizeof(long_query) + 128];
  signed_url(url, sizeof(url), "h.example", path);
  snprintf(json, sizeof(json),
           "{\"message\":\"success\",\"data\":{\"size\":%u,\"version\":\"2\",\"url\":\"%s\","
           "\"signMethod\":\"Sha256\",\"sign\":\"%s\"}}",
           WEB_RUN_SIZE, url, hex);
  return json;
}

static void digest_of_the_image(struct fake_web *web, char hex[65]) {
  iotkit_job_t *job = fake_web_job(web, NULL);
  ik_hex_encode(iotkit_job_upgrade(job)->digest, 32, hex);
  iotkit_job_unref(job);
}

static iotkit_job_t *begin(struct fake_web *web, const char *hex) {
  iotkit_job_t *job = NULL;
  struct iotkit_fetch_options options = web_run_options();
  options.renew_timeout_ms = 60000;
  const char *json = notice_of("f", hex);
  assert_int_equal(iotkit_job_parse(json, strlen(json), &options, &job, NULL), 0);
  ik_job_set_dial(job, fake_web_dial, web);
  return job;
}

static uint64_t fetch_till_wanted(iotkit_job_t *job) {
  uint64_t there = 0;
  while (!iotkit_job_wants_url(job) && iotkit_job_get_state(job) <= IOTKIT_JOB_FETCHING) {
    int64_t n = iotkit_job_fetch(job, web_got + there, WEB_RUN_SIZE - (size_t)there, 5, NULL);
    if (n > 0) there += (uint64_t)n;
  }
  return there;
}

static void assert_nothing_was_left(void) {
  assert_true(freed_blocks > 0);
  if (freed_secrets > 0)
    fail_msg("%u of %u blocks, \"%s\"", freed_secrets, freed_blocks, freed_sample);
}

static int start(void **state) {
  memset(long_query, 'x', sizeof(long_query) - 1);
  freed_blocks = freed_secrets = 0;
  return web_run_image(state);
}

static void a_job_to_its_end(void **state) {
  (void)state;
  char hex[65];
  struct fake_web web = web_run_of(answer);
  digest_of_the_image(&web, hex);
  iotkit_job_t *job = begin(&web, hex);
  assert_int_equal(fetch_till_wanted(job), WEB_RUN_HALF);
  /* Two: the first is replaced before it is taken. */
  for (int i = 0; i < 2; i++) {
    const char *json = notice_of("renewed", hex);
    assert_int_equal(iotkit_job_renew(job, json, strlen(json), NULL), 0);
  }
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  iotkit_job_unref(job);
  assert_nothing_was_left();
}

static void a_job_in_the_middle(void **state) {
  (void)state;
  char hex[65];
  struct fake_web web = web_run_of(answer);
  digest_of_the_image(&web, hex);
  iotkit_job_t *job = begin(&web, hex);
  iotkit_job_t *copy = NULL;
  fetch_till_wanted(job);
  const char *json = notice_of("renewed", hex);
  assert_int_equal(iotkit_job_renew(job, json, strlen(json), NULL), 0);
  assert_int_equal(iotkit_job_dup(job, &copy), 0);
  iotkit_job_abort(job);
  iotkit_job_unref(job);
  iotkit_job_unref(copy);
  assert_nothing_was_left();
}

static void notices_that_are_refused(void **state) {
  (void)state;
  iotkit_job_t *job = NULL;
  const char *json = notice_of("f", "00");
  assert_true(iotkit_job_parse(json, strlen(json), NULL, &job, NULL) < 0);
  assert_nothing_was_left();
}

static void several_ranges(void **state) {
  (void)state;
  char hex[65];
  struct fake_web web = web_run_of(fake_web_serve);
  digest_of_the_image(&web, hex);
  iotkit_job_t *job = NULL;
  struct iotkit_fetch_options options = web_run_options();
  options.connections = 4;
  const char *json = notice_of("f", hex);
  assert_int_equal(iotkit_job_parse(json, strlen(json), &options, &job, NULL), 0);
  ik_job_set_dial(job, fake_web_dial, &web);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  iotkit_job_unref(job);
  assert_nothing_was_left();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_job_to_its_end, start),
      cmocka_unit_test_setup(a_job_in_the_middle, start),
      cmocka_unit_test_setup(notices_that_are_refused, start),
      cmocka_unit_test_setup(several_ranges, start),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
  return 0;
}

#endif
