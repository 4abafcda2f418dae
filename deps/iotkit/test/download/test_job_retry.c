/*
 * A job tells its program that it is retrying, over servers in memory.
 */
#include <stdio.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/web_run.h"

struct told {
  unsigned calls;
  struct iotkit_retry last;
  char detail[IOTKIT_DETAIL_MAX];
  iotkit_job_t *abort; /* inside the callback; NULL: no */
};

static void note(void *ctx, const struct iotkit_retry *retry) {
  struct told *told = ctx;
  told->calls++;
  told->last = *retry;
  snprintf(told->detail, sizeof(told->detail), "%s", retry->detail);
  told->last.detail = told->detail;
  iotkit_job_abort(told->abort);
}

static unsigned busy_times;

static void busy_at_first(struct fake_web *web, const struct fake_request *request,
                          struct fake_answer *answer) {
  if (request->index < busy_times) {
    fake_web_status(answer, "503 Busy", "");
  } else {
    fake_web_serve(web, request, answer);
  }
}

static iotkit_job_t *start(struct fake_web *web, struct told *told) {
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = web_run_start(web, &options);
  *told = (struct told){0};
  assert_int_equal(iotkit_job_on_retry(job, note, told), 0);
  return job;
}

static int fetch(iotkit_job_t *job) {
  return fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE);
}

static void tells_each_failed_try(void **state) {
  (void)state;
  struct told told;
  busy_times = 3;
  struct fake_web web = web_run_of(busy_at_first);
  iotkit_job_t *job = start(&web, &told);
  assert_int_equal(fetch(job), 0);
  web_run_assert_right(job);
  assert_int_equal(told.calls, 3);
  assert_int_equal(told.last.attempt, 3);
  assert_int_equal(told.last.error, IK_EHTTP_UNAVAILABLE);
  assert_string_equal(told.detail, "h.example: answered 503 Busy");
  assert_true(told.last.delay_ms <= 2);
  iotkit_job_unref(job);
}

static void the_try_that_ends_it_is_no_retry(void **state) {
  (void)state;
  struct told told;
  busy_times = 100;
  struct fake_web web = web_run_of(busy_at_first);
  iotkit_job_t *job = start(&web, &told);
  assert_int_equal(fetch(job), IK_EHTTP_UNAVAILABLE);
  assert_int_equal(told.calls, 3); /* the options allow three */
  iotkit_job_unref(job);
}

static void may_be_aborted_inside(void **state) {
  (void)state;
  struct told told;
  busy_times = 100;
  struct fake_web web = web_run_of(busy_at_first);
  iotkit_job_t *job = start(&web, &told);
  told.abort = job;
  assert_int_equal(fetch(job), IK_EABORTED);
  assert_int_equal(told.calls, 1);
  iotkit_job_unref(job);
}

static void is_said_before_the_first_fetch(void **state) {
  (void)state;
  struct told told;
  uint64_t offset;
  busy_times = 100;
  struct fake_web web = web_run_of(busy_at_first);
  iotkit_job_t *job = start(&web, &told);
  iotkit_job_t *copy = NULL;
  assert_int_equal(iotkit_job_on_retry(NULL, note, &told), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_dup(job, &copy), 0);
  ik_job_set_dial(copy, fake_web_dial, &web);
  assert_int_equal(fetch(copy), IK_EHTTP_UNAVAILABLE);
  assert_int_equal(told.calls, 0); /* a copy tells nobody */
  assert_int_equal(iotkit_job_on_retry(job, NULL, NULL), 0);
  assert_int_equal(iotkit_job_fetch(job, web_got, 1, 0, &offset), 0);
  assert_int_equal(iotkit_job_on_retry(job, note, &told), IK_EINVALID_STATE);
  iotkit_job_unref(copy);
  iotkit_job_unref(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tells_each_failed_try),
      cmocka_unit_test(the_try_that_ends_it_is_no_retry),
      cmocka_unit_test(may_be_aborted_inside),
      cmocka_unit_test(is_said_before_the_first_fetch),
  };
  return cmocka_run_group_tests(tests, web_run_image, NULL);
}
