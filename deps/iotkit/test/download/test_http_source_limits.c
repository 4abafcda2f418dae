/*
 * Downloads that keep to a speed limit, which is no fault of the server's.
 */
#include <pthread.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/web_run.h"

/* 16 KiB come at once, the rest as fast as allowed; to wait for that is no fault of the server's. */
static void keeps_to_a_limit(void **state) {
  (void)state;
  for (uint32_t connections = 1; connections <= 2; connections++) {
    struct fake_web web = web_run_of(fake_web_serve);
    struct iotkit_fetch_options options = web_run_options();
    options.connections = connections;
    options.idle_timeout_ms = 500;
    options.low_speed_bytes = 1500000;
    options.low_speed_ms = 500;
    options.max_tries = 1;
    assert_int_equal(iotkit_limiter_new(1000000, &options.limiters[0]), 0);
    assert_int_equal(iotkit_limiter_new(100000000, &options.limiters[1]), 0);
    iotkit_job_t *job = web_run_start(&web, &options);
    uint64_t before = ik_port_now_ms();
    assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
    /* 100 KB of it are the burst of a tenth of a second. */
    assert_true(ik_port_now_ms() - before >= 90);
    web_run_assert_right(job);
    assert_int_equal(web.connections, 1);
    iotkit_job_unref(job);
    iotkit_limiter_unref(options.limiters[0]);
    iotkit_limiter_unref(options.limiters[1]);
  }
}

static void *lift(void *limiter) {
  iotkit_limiter_set(limiter, 0);
  return NULL;
}

static void a_limit_may_be_lifted(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  struct iotkit_fetch_options options = web_run_options();
  pthread_t thread;
  options.idle_timeout_ms = 500;
  options.max_tries = 1;
  assert_int_equal(iotkit_limiter_new(1, &options.limiters[1]), 0);
  iotkit_job_t *job = web_run_start(&web, &options);
  /* All that is allowed at once, then more than the idle time-out of waiting. */
  int64_t n = iotkit_job_fetch(job, web_got, WEB_RUN_SIZE, 700, NULL);
  assert_true(n > 0 && n < WEB_RUN_SIZE);
  assert_int_equal(pthread_create(&thread, NULL, lift, options.limiters[1]), 0);
  assert_int_equal(iotkit_job_fetch(job, web_got + n, WEB_RUN_SIZE - (size_t)n, UINT32_MAX, NULL),
                   WEB_RUN_SIZE - n);
  pthread_join(thread, NULL);
  web_run_assert_right(job);
  assert_int_equal(web.connections, 1);
  iotkit_job_unref(job);
  iotkit_limiter_unref(options.limiters[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keeps_to_a_limit),
      cmocka_unit_test(a_limit_may_be_lifted),
  };
  return cmocka_run_group_tests(tests, web_run_image, NULL);
}
