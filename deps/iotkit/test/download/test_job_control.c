/*
 * Jobs in memory: options until the first fetch, pauses, and the end of a paused job.
 */
#include <pthread.h>
#include <sys/resource.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/web_run.h"

/* Options may be set until the first fetch; what is wrong with them changes nothing. */
static void takes_options_until_it_is_fetched(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = web_run_start(&web, &options);
  options.connections = IOTKIT_CONNECTIONS_MAX + 1;
  assert_int_equal(iotkit_job_set_options(job, &options), IK_EINVALID_ARGUMENT);
  options.connections = 1;
  options.allowed_hosts = "other.example";
  assert_int_equal(iotkit_job_set_options(job, &options), 0);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), IK_EHOST_NOT_ALLOWED);
  assert_int_equal(iotkit_job_set_options(job, &options), IK_EINVALID_STATE);
  iotkit_job_unref(job);
}

/* ---- pause ---- */

static void no_time_passes_while_paused(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  struct iotkit_fetch_options options = web_run_options();
  options.idle_timeout_ms = 600;
  options.response_timeout_ms = 600;
  options.low_speed_bytes = 1000;
  options.low_speed_ms = 600;
  options.total_timeout_ms = 1200;
  options.max_tries = 1;
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_int_equal(iotkit_job_fetch(job, web_got, 1000, 1000, NULL), 1000);
  iotkit_job_pause(job, true);
  assert_int_equal(iotkit_job_fetch(job, web_got + 1000, 1000, 700, NULL), 0);
  assert_int_equal(iotkit_job_fetch(job, web_got + 1000, 1000, 700, NULL), 0);
  assert_int_equal(iotkit_job_received(job), 1000);
  iotkit_job_pause(job, false);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  web_run_assert_right(job);
  assert_int_equal(web.connections, 1);
  iotkit_job_unref(job);
}

static void *go_on(void *job) {
  iotkit_job_pause(job, false);
  return NULL;
}

static void another_thread_ends_the_pause(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  pthread_t thread;
  iotkit_job_t *job = web_run_start(&web, &options);
  iotkit_job_pause(job, true);
  assert_int_equal(iotkit_job_fetch(job, web_got, WEB_RUN_SIZE, 0, NULL), 0);
  assert_int_equal(web.connections, 0);
  assert_int_equal(pthread_create(&thread, NULL, go_on, job), 0);
  assert_int_equal(iotkit_job_fetch(job, web_got, WEB_RUN_SIZE, UINT32_MAX, NULL), WEB_RUN_SIZE);
  pthread_join(thread, NULL);
  web_run_assert_right(job);
  iotkit_job_unref(job);
}

static void a_paused_job_can_be_ended(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = web_run_start(&web, &options);
  iotkit_job_pause(job, true);
  iotkit_job_interrupt(job);
  assert_int_equal(iotkit_job_fetch(job, web_got, WEB_RUN_SIZE, UINT32_MAX, NULL), IK_EINTERRUPTED);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_job_fetch(job, web_got, WEB_RUN_SIZE, UINT32_MAX, NULL), IK_EABORTED);
  iotkit_job_unref(job);
}

static void calls_without_a_job(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = web_run_start(&web, &options), *other = job;
  uint64_t offset;
  uint8_t byte = 0, digest[IOTKIT_DIGEST_MAX];
  char detail[IOTKIT_DETAIL_MAX];
  assert_null(iotkit_job_ref(NULL));
  assert_null(iotkit_job_upgrade(NULL));
  assert_int_equal(iotkit_job_get_state(NULL), IOTKIT_JOB_FAILED);
  assert_int_equal(iotkit_job_error(NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_received(NULL), 0);
  assert_false(iotkit_job_wants_url(NULL));
  assert_int_equal(iotkit_job_dup(NULL, &other), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_open_file(NULL, 0, &other), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_open_file(job, 0, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_set_options(NULL, &options), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_set_options(job, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_renew(NULL, "{}", 2, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_renew(job, NULL, 2, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_resume(NULL, 0), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_resume(job, WEB_RUN_SIZE + 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_rewind(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_fetch(NULL, &byte, 1, 0, &offset), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_fetch(job, NULL, 1, 0, &offset), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_digest(NULL, 0, &byte, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_digest(job, 0, NULL, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_digest(job, 0, NULL, 0), 0);
  assert_int_equal(iotkit_job_digest_so_far(NULL, &offset, digest), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_digest_so_far(job, NULL, digest), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_digest_so_far(job, &offset, NULL), IK_EINVALID_ARGUMENT);
  iotkit_job_interrupt(NULL);
  iotkit_job_abort(NULL);
  iotkit_job_pause(NULL, true);
  iotkit_job_unref(NULL);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  web_run_assert_right(job); /* none of it did any harm */
  iotkit_job_unref(job);
}

/* That passes: the job is no worse for it. */
static void no_free_descriptor_ends_no_job(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  struct rlimit before, none;
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = before;
  none.rlim_cur = 0;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  int64_t n = iotkit_job_fetch(job, web_got, WEB_RUN_SIZE, 0, NULL);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(n, IK_ENETWORK);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_READY);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  web_run_assert_right(job);
  iotkit_job_unref(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_options_until_it_is_fetched),
      cmocka_unit_test(no_time_passes_while_paused),
      cmocka_unit_test(another_thread_ends_the_pause),
      cmocka_unit_test(a_paused_job_can_be_ended),
      cmocka_unit_test(no_free_descriptor_ends_no_job),
      cmocka_unit_test(calls_without_a_job),
  };
  return cmocka_run_group_tests(tests, web_run_image, NULL);
}
