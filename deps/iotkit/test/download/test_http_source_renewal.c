/*
 * A URL that expires in the middle: another one, none, or one too many.
 */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "download/job.h"
#include "download/job_private.h"
#include "support/cm.h"
#include "support/web_run.h"

static void expires(struct fake_web *web, const struct fake_request *request,
                    struct fake_answer *answer) {
  bool is_new = strstr(request->text, "GET /new") != NULL;
  if (request->index > 0 && !is_new) {
    fake_web_status(answer, "403 Expired", "");
    return;
  }
  fake_web_serve(web, request, answer);
  if (request->index == 0) answer->cut = WEB_RUN_HALF;
}

/* A notice of the image, with its digest or another one. */
static const char *notice_of(const iotkit_job_t *job, const char *url, bool same) {
  static char json[1024];
  char hex[65];
  ik_hex_encode(iotkit_job_upgrade(job)->digest, 32, hex);
  if (!same) hex[0] = hex[0] == '0' ? '1' : '0';
  snprintf(json, sizeof(json),
           "{\"id\":8,\"message\":\"success\",\"data\":{\"size\":%u,\"version\":\"2.0.0\","
           "\"url\":\"%s\",\"signMethod\":\"Sha256\",\"sign\":\"%s\"}}",
           WEB_RUN_SIZE, url, hex);
  return json;
}

static int renew(iotkit_job_t *job, const char *url, bool same, char *detail) {
  const char *json = notice_of(job, url, same);
  return iotkit_job_renew(job, json, strlen(json), detail);
}

/* Fetches until another URL is wanted; how many bytes there are then. */
static uint64_t fetch_till_wanted(iotkit_job_t *job) {
  uint64_t there = iotkit_job_received(job);
  while (!iotkit_job_wants_url(job) && iotkit_job_get_state(job) <= IOTKIT_JOB_FETCHING) {
    int64_t n = iotkit_job_fetch(job, web_got + there, WEB_RUN_SIZE - (size_t)there, 5, NULL);
    if (n > 0) there += (uint64_t)n;
  }
  return there;
}

static void goes_on_with_another_url(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct fake_web web = web_run_of(expires);
  struct iotkit_fetch_options options = web_run_options();
  options.renew_timeout_ms = 60000;
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_false(iotkit_job_wants_url(job));
  assert_int_equal(fetch_till_wanted(job), WEB_RUN_HALF);
  assert_int_equal(renew(job, "http://h.example/new", false, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "another image"));
  assert_int_equal(iotkit_job_renew(job, "{", 1, detail), IK_ENOTICE_JSON);
  assert_true(iotkit_job_wants_url(job));
  assert_int_equal(renew(job, "http://h.example/new", true, NULL), 0);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  assert_false(iotkit_job_wants_url(job));
  web_run_assert_right(job);
  assert_int_equal(web.sent, WEB_RUN_SIZE);
  assert_int_equal(renew(job, "http://h.example/new", true, NULL), IK_EINVALID_STATE);
  iotkit_job_unref(job);
}

static void does_not_wait_where_nobody_answers(void **state) {
  (void)state;
  static const uint32_t renew_ms[] = {0, UINT32_MAX, 30};
  for (size_t i = 0; i < COUNT(renew_ms); i++) {
    struct fake_web web = web_run_of(expires);
    struct iotkit_fetch_options options = web_run_options();
    options.renew_timeout_ms = renew_ms[i];
    iotkit_job_t *job = web_run_start(&web, &options);
    assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), IK_EURL_EXPIRED);
    assert_false(iotkit_job_wants_url(job));
    assert_int_equal(web.requests, 3); /* all, the rest, and all again: it might be the range */
    iotkit_job_unref(job);
  }
}

/* Even where the caller would renew firmware. */
static void a_configuration_waits_for_no_other_url(void **state) {
  (void)state;
  struct fake_web web = web_run_of(expires);
  struct iotkit_fetch_options options = web_run_options();
  options.renew_timeout_ms = 60000;
  iotkit_job_t *job = web_run_start(&web, &options);
  assert_int_equal(ik_announcement_add_config(&job->setup.announcement), 0);
  fetch_till_wanted(job);
  assert_false(iotkit_job_wants_url(job));
  assert_int_equal(iotkit_job_error(job, NULL), IK_EURL_EXPIRED);
  iotkit_job_unref(job);
}

/* New URLs that are refused too end it. */
static void does_not_ask_for_ever(void **state) {
  (void)state;
  struct fake_web web = web_run_of(expires);
  struct iotkit_fetch_options options = web_run_options();
  options.renew_timeout_ms = 60000;
  iotkit_job_t *job = web_run_start(&web, &options);
  unsigned renewals = 0;
  while (fetch_till_wanted(job) == WEB_RUN_HALF && iotkit_job_wants_url(job)) {
    assert_int_equal(renew(job, "http://h.example/old", true, NULL), 0);
    renewals++;
  }
  assert_int_equal(iotkit_job_error(job, NULL), IK_EURL_EXPIRED);
  assert_int_equal(renewals, 3); /* the cut was a failure too */
  iotkit_job_unref(job);
}

static void a_new_url_is_held_to_the_policy(void **state) {
  (void)state;
  struct fake_web web = web_run_of(expires);
  struct iotkit_fetch_options options = web_run_options();
  options.renew_timeout_ms = 60000;
  options.allowed_hosts = "h.example";
  iotkit_job_t *job = web_run_start(&web, &options);
  fetch_till_wanted(job);
  assert_int_equal(renew(job, "http://evil.example/new", true, NULL), 0);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), IK_EHOST_NOT_ALLOWED);
  iotkit_job_unref(job);
}

/* What the channel says. */
static void the_answer_may_be_an_error(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct fake_web web = web_run_of(expires);
  struct iotkit_fetch_options options = web_run_options();
  options.renew_timeout_ms = 60000;
  iotkit_job_t *job = web_run_start(&web, &options);
  fetch_till_wanted(job);
  for (int i = 0; i < 2; i++) { /* after the first, all is asked for at the old URL */
    assert_true(iotkit_job_wants_url(job));
    job->renewal.request.ops->answer(&job->renewal.request, NULL, IK_EURL_EXPIRED,
                                     "there is no such upgrade any more");
    while (i == 0 && web.requests < 3)
      iotkit_job_fetch(job, web_got, 1, 5, NULL);
    if (i == 0) fetch_till_wanted(job);
  }
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), IK_EURL_EXPIRED);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "h.example: answered 403 Expired"));
  assert_non_null(strstr(detail, "no such upgrade"));
  iotkit_job_unref(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_on_with_another_url),
      cmocka_unit_test(does_not_wait_where_nobody_answers),
      cmocka_unit_test(a_configuration_waits_for_no_other_url),
      cmocka_unit_test(does_not_ask_for_ever),
      cmocka_unit_test(a_new_url_is_held_to_the_policy),
      cmocka_unit_test(the_answer_may_be_an_error),
  };
  return cmocka_run_group_tests(tests, web_run_image, NULL);
}
