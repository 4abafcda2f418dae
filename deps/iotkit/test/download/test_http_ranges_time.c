/*
 * Jobs over several connections at once, in memory: time-outs, speed limits, pauses, being ended.
 */
#include <pthread.h>
#include <string.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/ranges_run.h"

static void is_slow(struct fake_web *web, const struct fake_request *request,
                    struct fake_answer *answer) {
  fake_web_serve(web, request, answer);
  answer->stall = 1000;
}

static void stalls_end(void **state) {
  (void)state;
  struct fake_web web = ranges_web(SIZE);
  struct iotkit_fetch_options options = ranges_options(4);
  options.idle_timeout_ms = 10;
  options.max_retries = 2;
  web.answer = is_slow;
  iotkit_job_t *job = ranges_start(&web, &options);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), IK_EIDLE_TIMEOUT);
  iotkit_job_unref(job);
  assert_int_equal(web.open, 0);
}

static void the_sum_must_be_fast_enough(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct fake_web web = ranges_web(SIZE);
  struct iotkit_fetch_options options = ranges_options(4);
  options.low_speed_bytes = 1000000;
  options.low_speed_ms = 20;
  options.max_retries = 1;
  web.answer = is_slow;
  iotkit_job_t *job = ranges_start(&web, &options);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), IK_ETOO_SLOW);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "the limit is 1000000"));
  iotkit_job_unref(job);
  assert_int_equal(web.open, 0);
}

static void all_has_a_time_limit(void **state) {
  (void)state;
  struct fake_web web = ranges_web(SIZE);
  struct iotkit_fetch_options options = ranges_options(4);
  options.total_timeout_ms = 100;
  web.answer = is_slow;
  iotkit_job_t *job = ranges_start(&web, &options);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), IK_ETIMEOUT);
  iotkit_job_unref(job);
  assert_int_equal(web.open, 0);
}

/* All of them together keep to it, and are not called slow because of it. */
static void keeps_to_a_limit(void **state) {
  (void)state;
  const uint64_t size = RANGE + RANGE / 2;
  struct fake_web web = ranges_web(size);
  struct iotkit_fetch_options options = ranges_options(4);
  options.max_tries = 1;
  options.idle_timeout_ms = 500;
  options.low_speed_bytes = 2500000;
  options.low_speed_ms = 500;
  assert_int_equal(iotkit_limiter_new(2000000, &options.limiters[0]), 0);
  iotkit_job_t *job = ranges_start(&web, &options);
  uint64_t before = ik_port_now_ms();
  assert_int_equal(fake_web_fetch(job, got, size, 65536), 0);
  /* A tenth of a second's worth comes at once. */
  assert_true(ik_port_now_ms() - before >= 600);
  ranges_assert_right(&web, job);
  assert_int_equal(web.sent, size);
  assert_int_equal(web.open_max, 2);
  iotkit_limiter_unref(options.limiters[0]);
}

static void waits_while_paused(void **state) {
  (void)state;
  struct fake_web web = ranges_web(SIZE);
  struct iotkit_fetch_options options = ranges_options(4);
  options.max_tries = 1;
  options.idle_timeout_ms = 1000;
  options.low_speed_bytes = 1000;
  options.low_speed_ms = 1000;
  options.total_timeout_ms = 30000;
  iotkit_job_t *job = ranges_start(&web, &options);
  /* The head of the first answer begins it: the others are not open yet. */
  assert_int_equal(iotkit_job_fetch(job, got, 1, 30000, NULL), 1);
  iotkit_job_pause(job, true);
  assert_int_equal(iotkit_job_fetch(job, got + 1, 1000, 10, NULL), 0);
  iotkit_job_pause(job, false);
  assert_int_equal(iotkit_job_fetch(job, got + 1, 99999, 30000, NULL), 99999);
  iotkit_job_pause(job, true);
  assert_int_equal(iotkit_job_fetch(job, got + 1, 1000, 1300, NULL), 0);
  iotkit_job_pause(job, false);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), 0);
  ranges_assert_right(&web, job);
  assert_int_equal(web.sent, SIZE);
}

static void *abort_soon(void *job) {
  while (iotkit_job_received(job) < 2 * RANGE)
    ik_port_sleep_ms(1);
  iotkit_job_abort(job);
  return NULL;
}

static void stalls_after_two(struct fake_web *web, const struct fake_request *request,
                             struct fake_answer *answer) {
  fake_web_serve(web, request, answer);
  if (request->from >= 2 * RANGE) answer->stall = 5000;
}

static void is_aborted(void **state) {
  (void)state;
  struct fake_web web = ranges_web(SIZE);
  const struct iotkit_fetch_options options = ranges_options(4);
  pthread_t thread;
  web.answer = stalls_after_two;
  iotkit_job_t *job = ranges_start(&web, &options);
  assert_int_equal(pthread_create(&thread, NULL, abort_soon, job), 0);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 65536), IK_EABORTED);
  pthread_join(thread, NULL);
  assert_int_equal(web.open, 0);
  iotkit_job_unref(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(stalls_end),           cmocka_unit_test(the_sum_must_be_fast_enough),
      cmocka_unit_test(all_has_a_time_limit), cmocka_unit_test(keeps_to_a_limit),
      cmocka_unit_test(waits_while_paused),   cmocka_unit_test(is_aborted),
  };
  return cmocka_run_group_tests(tests, ranges_image, NULL);
}
