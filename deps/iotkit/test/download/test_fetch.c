/*
 * The fetch loop over a source that follows a script: what ends a call, and what a call reports.
 */
#include "support/fetch_script.h"

/* ---- bytes ---- */

static void ends_a_call_when_the_buffer_is_full(void **state) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  uint64_t digested;
  (void)state;
  FOLLOW({GIVE, 3}, {GIVE, 3}, {GIVE, 6}, {END, 0});
  assert_int_equal(run(4), 4);
  assert_memory_equal(buf, "0123", 4);
  assert_int_equal(call.start, 0);
  assert_int_equal(atomic_load(&control.received), 4);
  assert_int_equal(source.ends, 1);
  assert_int_equal(run(6), 6);
  assert_memory_equal(buf, "456789", 6);
  assert_int_equal(call.start, 4);
  ik_running_digest_value(&digest, &digested, value);
  assert_int_equal(digested, SIZE);
  assert_goes_on();
  assert_int_equal(run(1), 0);
  assert_ended(IOTKIT_JOB_FETCHED, 0);
}

static void a_fetched_image_has_no_more(void **state) {
  (void)state;
  FOLLOW({GIVE, SIZE}, {END, 0});
  assert_int_equal(run(SIZE), SIZE);
  assert_int_equal(run(1), 0);
  assert_int_equal(run(1), 0);
  assert_int_equal(call.start, SIZE);
  assert_ended(IOTKIT_JOB_FETCHED, 0);
}

/* A call's bytes are of one place: those of the new beginning are the next call's. */
static void ends_a_call_when_the_image_begins_again(void **state) {
  (void)state;
  FOLLOW({GIVE, 5}, {BEGIN_AGAIN, 0}, {GIVE, SIZE}, {END, 0});
  assert_int_equal(run(SIZE), 5);
  assert_int_equal(call.start, 0);
  assert_int_equal(run(SIZE), SIZE);
  assert_int_equal(call.start, 0);
  assert_memory_equal(buf, "0123456789", SIZE);
  assert_int_equal(atomic_load(&control.received), SIZE);
}

static void begins_again_within_a_call_that_has_no_bytes(void **state) {
  (void)state;
  FOLLOW({GIVE, 5}, {WAIT, 0}, {BEGIN_AGAIN, 0}, {GIVE, 2});
  assert_int_equal(run(5), 5);
  assert_int_equal(run(2), 2);
  assert_int_equal(call.start, 0);
  assert_memory_equal(buf, "01", 2);
}

static void a_full_buffer_waits_for_the_end_of_the_body(void **state) {
  (void)state;
  FOLLOW({HIDE_END, 0}, {GIVE, SIZE}, {WAIT, 0}, {END, 0});
  assert_int_equal(run(SIZE), SIZE);
  assert_int_equal(source.waits, 1);
  assert_ended(IOTKIT_JOB_FETCHED, 0);
}

static void leaves_the_digest_to_the_caller(void **state) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  uint64_t digested;
  (void)state;
  setup_of.config->options.external_digest = true;
  FOLLOW({GIVE, 4});
  assert_int_equal(run(4), 4);
  ik_running_digest_value(&digest, &digested, value);
  assert_int_equal(digested, 0);
  assert_int_equal(atomic_load(&control.received), 4);
}

static void a_gap_ends_the_download(void **state) {
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  FOLLOW({GIVE, 2}, {GIVE_BEYOND, 2});
  assert_int_equal(run(4), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_control_error(&control, detail), IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "the digest could not be computed");
  assert_ended(IOTKIT_JOB_FAILED, IK_EINVALID_ARGUMENT);
}

/* ---- errors ---- */

static void reports_a_failure_after_the_bytes_before_it(void **state) {
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  FOLLOW({GIVE, 5}, {FAIL, IK_ETRUNCATED});
  assert_int_equal(run(SIZE), 5);
  assert_goes_on();
  assert_int_equal(run(SIZE), IK_ETRUNCATED);
  assert_ended(IOTKIT_JOB_FAILED, IK_ETRUNCATED);
  ik_control_error(&control, detail);
  assert_string_equal(detail, "as scripted");
  assert_int_equal(run(SIZE), IK_ETRUNCATED);
}

static void an_error_of_the_wait_ends_the_call_alone(void **state) {
  (void)state;
  FOLLOW({WAIT, IK_EIN_CALLBACK}, {GIVE, 3}, {WAIT, IK_EIN_CALLBACK}, {GIVE, 4});
  assert_int_equal(run(SIZE), IK_EIN_CALLBACK);
  assert_goes_on();
  assert_int_equal(run(SIZE), 3); /* bytes are not lost to it */
  assert_int_equal(run(4), 4);
  assert_goes_on();
}

static void an_abort_counts_more_than_bytes(void **state) {
  (void)state;
  FOLLOW({GIVE, 5}, {ABORT, 0});
  assert_int_equal(run(SIZE), IK_EABORTED);
  assert_ended(IOTKIT_JOB_FAILED, IK_EABORTED);
}

static void an_abort_between_calls_closes_the_source(void **state) {
  (void)state;
  FOLLOW({GIVE, 5}, {GIVE, 5});
  assert_int_equal(run(5), 5);
  ik_control_finish(&control, IOTKIT_JOB_FAILED, IK_EABORTED, "cancelled");
  assert_int_equal(run(5), IK_EABORTED);
  assert_int_equal(source.advances, 1);
  assert_ended(IOTKIT_JOB_FAILED, IK_EABORTED);
}

/* ---- retries ---- */

struct told {
  unsigned calls;
  uint32_t attempt;
  int error;
  uint64_t delay_ms;
};

static void note_retry(void *ctx, const struct iotkit_retry *retry) {
  struct told *told = ctx;
  told->calls++;
  told->attempt = retry->attempt;
  told->error = retry->error;
  told->delay_ms = retry->delay_ms;
  assert_string_equal(retry->detail, "as scripted");
}

static void tells_each_retry_once(void **state) {
  (void)state;
  struct told told = {0};
  setup_of.on_retry = note_retry;
  setup_of.retry_ctx = &told;
  FOLLOW({GIVE, 4}, {RETRY, IK_ECONNECT}, {WAIT, 0}, {RETRY, IK_ERESOLVE}, {GIVE, 6}, {END, 0});
  assert_int_equal(run(4), 4);
  assert_int_equal(told.calls, 0);
  assert_int_equal(run_now(6), 0);
  assert_int_equal(told.calls, 1);
  assert_int_equal(told.error, IK_ECONNECT);
  assert_true(told.delay_ms > 0 && told.delay_ms <= 700);
  assert_int_equal(run(6), 6);
  assert_int_equal(told.calls, 2);
  assert_int_equal(told.error, IK_ERESOLVE);
  assert_int_equal(told.attempt, 2);
}

static void nobody_need_be_told(void **state) {
  (void)state;
  FOLLOW({RETRY, IK_ECONNECT}, {GIVE, SIZE}, {END, 0});
  assert_int_equal(run(SIZE), SIZE);
}

static void a_failure_is_no_retry(void **state) {
  (void)state;
  struct told told = {0};
  setup_of.on_retry = note_retry;
  setup_of.retry_ctx = &told;
  FOLLOW({FAIL, IK_ECONNECT});
  assert_int_equal(run(SIZE), IK_ECONNECT);
  assert_int_equal(told.calls, 0);
}

/* ---- what is too large ---- */

static void refuses_what_is_too_large(void **state) {
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  setup_of.upgrade_size = 1001;
  setup_of.config->options.max_size = 1000;
  fetch.last_ms = ik_port_now_ms();
  assert_int_equal(run(SIZE), IK_ENO_SPACE);
  ik_control_error(&control, detail);
  assert_string_equal(detail, "1001 bytes are announced, and max_size is 1000");
}

/* ---- interrupts ---- */

static void is_interrupted_without_bytes(void **state) {
  (void)state;
  FOLLOW({INTERRUPT, 0}, {GIVE, 4});
  assert_int_equal(run(4), IK_EINTERRUPTED);
  assert_int_equal(run(4), 4); /* once */
  assert_goes_on();
}

static void hands_out_its_bytes_before_it_is_interrupted(void **state) {
  (void)state;
  FOLLOW({GIVE, 5}, {INTERRUPT, 0}, {GIVE, 5});
  assert_int_equal(run(SIZE), 5);
  assert_int_equal(run(SIZE), IK_EINTERRUPTED);
  assert_int_equal(run(5), 5);
  assert_goes_on();
}

/* ---- pauses and time ---- */

static void a_pause_ends_a_call_that_has_bytes(void **state) {
  (void)state;
  FOLLOW({GIVE, 5}, {PAUSE, 0}, {GIVE, 5});
  assert_int_equal(run(SIZE), 5);
  assert_int_equal(source.pauses, 0);
}

static void receives_nothing_while_paused(void **state) {
  (void)state;
  FOLLOW({GIVE, 5});
  ik_control_set_paused(&control, true, 1000);
  assert_int_equal(run_now(5), 0);
  assert_int_equal(source.pauses, 1);
  assert_int_equal(source.advances, 0);
  assert_int_equal(source.ticks, 0);       /* no time-out runs */
  assert_int_equal(source.extended_ms, 5); /* by as long as it waited */
  ik_control_set_paused(&control, false, 1700);
  assert_int_equal(run(5), 5);
  assert_int_equal(source.paused_ms, 700); /* the total time did not run either */
}

static void a_pause_is_reported_once(void **state) {
  (void)state;
  FOLLOW({GIVE, 2}, {GIVE, 2});
  ik_control_set_paused(&control, true, 1000);
  ik_control_set_paused(&control, false, 1300);
  assert_int_equal(run(2), 2);
  assert_int_equal(run(2), 2);
  assert_int_equal(source.paused_ms, 300);
}

static void a_call_without_time_tries_once(void **state) {
  (void)state;
  FOLLOW({WAIT, 0}, {GIVE, 5});
  assert_int_equal(run_now(5), 0);
  assert_int_equal(source.advances, 1);
  assert_int_equal(source.waits, 1);
  assert_int_equal(source.waited_until_ms, 0); /* which is over */
  assert_int_equal(run_now(5), 5);
  assert_goes_on();
}

static void a_call_that_runs_out_of_time_keeps_its_bytes(void **state) {
  (void)state;
  FOLLOW({GIVE, 3}, {WAIT, 0}, {GIVE, 3});
  assert_int_equal(run_now(SIZE), 3);
}

/* The other side was not idle while nobody fetched. */
static void time_between_calls_is_not_the_servers(void **state) {
  (void)state;
  FOLLOW({GIVE, 1});
  call = (struct ik_call){.buf = buf, .len = 1, .now_ms = fetch.last_ms + 700};
  call.deadline_ms = UINT64_MAX;
  assert_int_equal(ik_fetch_run(&fetch, &call), 1);
  assert_int_equal(source.extended_ms, 700);
}

static void time_outs_are_applied(void **state) {
  (void)state;
  FOLLOW({WAIT, 0}, {GIVE, 1});
  assert_int_equal(run(1), 1);
  assert_int_equal(source.ticks, 2); /* as the call begins, and after the wait */
}

/* ---- beginning ---- */

static void announce(const char *fields) {
  char json[512];
  snprintf(json, sizeof(json),
           "{\"code\":200,\"id\":\"1\",\"data\":{\"size\":5,\"version\":\"2\","
           "\"md5\":\"0123456789abcdef0123456789abcdef\",%s}}",
           fields);
  assert_int_equal(ik_notice_parse(ik_str(json), &setup_of.announcement, NULL), 0);
}

static void fails_where_its_source_cannot_be_made(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  announce("\"url\":\"http://h.example/f\"");
  open_error = IK_ETLS_REQUIRED;
  fetch.last_ms = ik_port_now_ms();
  assert_int_equal(run(1), IK_ETLS_REQUIRED);
  assert_int_equal(ik_control_state(&control), IOTKIT_JOB_FAILED);
  ik_control_error(&control, detail);
  assert_string_equal(detail, "no such source");
  assert_null(fetch.source);
  ik_announcement_free(&setup_of.announcement);
}

static void fails_where_a_signature_cannot_be_verified(void **state) {
  (void)state;
  announce("\"url\":\"http://h.example/f\"");
  setup_of.config->options.require_signature = true;
  fetch.last_ms = ik_port_now_ms();
  assert_int_equal(run(1), IK_EPUBLIC_KEY);
  assert_int_equal(ik_control_state(&control), IOTKIT_JOB_FAILED);
  assert_null(fetch.source);
  ik_announcement_free(&setup_of.announcement);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(ends_a_call_when_the_buffer_is_full),
      TEST(a_fetched_image_has_no_more),
      TEST(ends_a_call_when_the_image_begins_again),
      TEST(begins_again_within_a_call_that_has_no_bytes),
      TEST(a_full_buffer_waits_for_the_end_of_the_body),
      TEST(leaves_the_digest_to_the_caller),
      TEST(a_gap_ends_the_download),
      TEST(reports_a_failure_after_the_bytes_before_it),
      TEST(an_error_of_the_wait_ends_the_call_alone),
      TEST(an_abort_counts_more_than_bytes),
      TEST(an_abort_between_calls_closes_the_source),
      TEST(tells_each_retry_once),
      TEST(nobody_need_be_told),
      TEST(a_failure_is_no_retry),
      TEST(refuses_what_is_too_large),
      TEST(is_interrupted_without_bytes),
      TEST(hands_out_its_bytes_before_it_is_interrupted),
      TEST(a_pause_ends_a_call_that_has_bytes),
      TEST(receives_nothing_while_paused),
      TEST(a_pause_is_reported_once),
      TEST(a_call_without_time_tries_once),
      TEST(a_call_that_runs_out_of_time_keeps_its_bytes),
      TEST(time_between_calls_is_not_the_servers),
      TEST(time_outs_are_applied),
      TEST(fails_where_its_source_cannot_be_made),
      TEST(fails_where_a_signature_cannot_be_verified),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
