/*
 * A download that goes on after bytes that are there already, and one that has to begin again.
 */
#include <string.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/web_run.h"

static void goes_on_after_the_bytes_it_has(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  uint8_t value[IOTKIT_DIGEST_MAX];
  uint64_t offset = 99;
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_int_equal(iotkit_job_digest_so_far(job, &offset, value), 32);
  assert_int_equal(offset, 0);
  memcpy(web_got, web_image, WEB_RUN_HALF);
  assert_int_equal(iotkit_job_digest(job, 0, web_got, 1000), 0);
  assert_int_equal(iotkit_job_digest(job, 1000, web_got + 1000, WEB_RUN_HALF - 1000), 0);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_HALF - 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_HALF + 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_HALF), 0);
  assert_int_equal(iotkit_job_received(job), WEB_RUN_HALF);
  assert_int_equal(iotkit_job_fetch(job, web_got + WEB_RUN_HALF, 5000, 1000, &offset), 5000);
  assert_int_equal(offset, WEB_RUN_HALF);
  assert_int_equal(iotkit_job_digest_so_far(job, &offset, value), 32);
  assert_int_equal(offset, WEB_RUN_HALF + 5000);
  assert_int_equal(iotkit_job_resume(job, 0), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_digest(job, offset, web_got, 1), IK_EINVALID_STATE);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, 7000), 0);
  web_run_assert_right(job);
  assert_int_equal(web.sent, WEB_RUN_SIZE - WEB_RUN_HALF);
  iotkit_job_unref(job);
}

static void may_have_nothing_or_all(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  uint64_t offset = 0;
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_int_equal(iotkit_job_digest(job, 0, web_image, WEB_RUN_SIZE), 0);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_SIZE), 0);
  assert_int_equal(iotkit_job_fetch(job, web_got, 1, 1000, &offset), 0);
  assert_int_equal(offset, WEB_RUN_SIZE);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHED);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(web.connections, 0);
  iotkit_job_unref(job);
  /* Given up again: the digest is empty, the fetch begins at 0. */
  job = web_run_start(&web, &options);
  assert_int_equal(iotkit_job_digest(job, 0, web_got, WEB_RUN_HALF), 0);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_HALF), 0);
  assert_int_equal(iotkit_job_resume(job, 0), 0);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_HALF), IK_EINVALID_ARGUMENT);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, 7000), 0);
  web_run_assert_right(job);
  iotkit_job_unref(job);
}

/* The body is compared with what is there, by the digest alone, and goes on after it. */
static void goes_on_where_no_range_is_to_be_had(void **state) {
  (void)state;
  struct fake_web web = web_run_of(web_run_ignore_ranges);
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_int_equal(iotkit_job_digest(job, 0, web_image, WEB_RUN_HALF), 0);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_HALF), 0);
  memcpy(web_got, web_image, WEB_RUN_HALF);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, 7000), 0);
  web_run_assert_right(job);
  assert_int_equal(web.sent, WEB_RUN_SIZE);
  iotkit_job_unref(job);
}

/* What is there is of another image: only then it begins again. */
static void begins_again_where_the_beginning_differs(void **state) {
  (void)state;
  struct fake_web web = web_run_of(web_run_ignore_ranges);
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_int_equal(iotkit_job_digest(job, 0, web_got, WEB_RUN_HALF), 0);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_HALF), 0);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, 7000), 0);
  web_run_assert_right(job);
  assert_int_equal(web.requests, 2);
  iotkit_job_unref(job);
}

/* The beginning was another image's: only byte 0 helps. */
static void is_rewound_when_the_beginning_was_wrong(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_int_equal(iotkit_job_rewind(job), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_digest(job, 0, web_got, WEB_RUN_HALF), 0);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_HALF), 0);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  assert_int_equal(iotkit_job_check(job), IK_EDIGEST_MISMATCH);
  assert_int_equal(iotkit_job_rewind(job), 0);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_READY);
  assert_int_equal(iotkit_job_received(job), 0);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, 7000), 0);
  web_run_assert_right(job);
  assert_int_equal(web.sent, WEB_RUN_SIZE + WEB_RUN_HALF);
  iotkit_job_unref(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_on_after_the_bytes_it_has),
      cmocka_unit_test(may_have_nothing_or_all),
      cmocka_unit_test(goes_on_where_no_range_is_to_be_had),
      cmocka_unit_test(begins_again_where_the_beginning_differs),
      cmocka_unit_test(is_rewound_when_the_beginning_was_wrong),
  };
  return cmocka_run_group_tests(tests, web_run_image, NULL);
}
