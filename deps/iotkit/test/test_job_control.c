/*
 * Jobs in memory: resume, rewind, pause, speed limits, another URL, the files of an upgrade.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job.h"
#include "base/codec.h"
#include "support/cm.h"
#include "support/fake_web.h"
#include "support/http_server.h"

#define SIZE 200000u
#define HALF (SIZE / 2)

static uint8_t image[SIZE];
static uint8_t got[SIZE];

static int setup(void **state) {
  (void)state;
  for (size_t i = 0; i < SIZE; i++)
    image[i] = http_image_byte(i);
  return 0;
}

static struct fake_web web_of(fake_answer_fn answer) {
  return (struct fake_web){
      .image = image, .size = SIZE, .tag = "\"v1\"", .answer = answer, .rng = {1}};
}

static struct iotkit_fetch_options quick(void) {
  return (struct iotkit_fetch_options){
      .retry_min_ms = 1, .retry_max_ms = 2, .max_retries = 3, .proxy = ""};
}

static iotkit_job_t *start(struct fake_web *web, const struct iotkit_fetch_options *options) {
  iotkit_job_t *job = fake_web_job(web, options);
  ik_job_set_dial(job, fake_web_dial, web);
  memset(got, 0xEE, sizeof(got));
  return job;
}

static void assert_right(iotkit_job_t *job) {
  char detail[IOTKIT_DETAIL_MAX];
  int error = iotkit_job_error(job, detail);
  if (error != 0) fail_msg("%s: %s", iotkit_error_name(error), detail);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_memory_equal(got, image, SIZE);
}

/* ---- resume and rewind ---- */

static void goes_on_behind_what_is_there(void **state) {
  (void)state;
  struct fake_web web = web_of(fake_web_serve);
  const struct iotkit_fetch_options options = quick();
  uint8_t value[IOTKIT_DIGEST_MAX];
  uint64_t offset = 99;
  iotkit_job_t *job = start(&web, &options);
  assert_int_equal(iotkit_job_digest_so_far(job, &offset, value), 32);
  assert_int_equal(offset, 0);
  memcpy(got, image, HALF);
  assert_int_equal(iotkit_job_digest(job, 0, got, 1000), 0);
  assert_int_equal(iotkit_job_digest(job, 1000, got + 1000, HALF - 1000), 0);
  assert_int_equal(iotkit_job_resume(job, HALF - 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_resume(job, HALF + 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_resume(job, HALF), 0);
  assert_int_equal(iotkit_job_received(job), HALF);
  assert_int_equal(iotkit_job_fetch(job, got + HALF, 5000, 1000, &offset), 5000);
  assert_int_equal(offset, HALF);
  assert_int_equal(iotkit_job_digest_so_far(job, &offset, value), 32);
  assert_int_equal(offset, HALF + 5000);
  assert_int_equal(iotkit_job_resume(job, 0), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_digest(job, offset, got, 1), IK_EINVALID_STATE);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 7000), 0);
  assert_right(job);
  assert_int_equal(web.sent, SIZE - HALF);
  iotkit_job_unref(job);
}

static void what_is_there_may_be_nothing_or_all(void **state) {
  (void)state;
  struct fake_web web = web_of(fake_web_serve);
  const struct iotkit_fetch_options options = quick();
  uint64_t offset = 0;
  iotkit_job_t *job = start(&web, &options);
  assert_int_equal(iotkit_job_digest(job, 0, image, SIZE), 0);
  assert_int_equal(iotkit_job_resume(job, SIZE), 0);
  assert_int_equal(iotkit_job_fetch(job, got, 1, 1000, &offset), 0);
  assert_int_equal(offset, SIZE);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHED);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(web.connections, 0);
  iotkit_job_unref(job);
  /* Given up again: the digest is empty, the fetch begins at 0. */
  job = start(&web, &options);
  assert_int_equal(iotkit_job_digest(job, 0, got, HALF), 0);
  assert_int_equal(iotkit_job_resume(job, HALF), 0);
  assert_int_equal(iotkit_job_resume(job, 0), 0);
  assert_int_equal(iotkit_job_resume(job, HALF), IK_EINVALID_ARGUMENT);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 7000), 0);
  assert_right(job);
  iotkit_job_unref(job);
}

static void ignores_ranges(struct fake_web *web, const struct fake_request *request,
                           struct fake_answer *answer) {
  struct fake_request plain = *request;
  plain.has_range = false;
  fake_web_serve(web, &plain, answer);
}

static void begins_again_where_no_range_is_to_be_had(void **state) {
  (void)state;
  struct fake_web web = web_of(ignores_ranges);
  const struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = start(&web, &options);
  assert_int_equal(iotkit_job_digest(job, 0, image, HALF), 0);
  assert_int_equal(iotkit_job_resume(job, HALF), 0);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 7000), 0);
  assert_right(job);
  assert_int_equal(web.sent, SIZE);
  iotkit_job_unref(job);
}

/* The beginning was another image's: only byte 0 helps. */
static void is_rewound_when_the_beginning_was_wrong(void **state) {
  (void)state;
  struct fake_web web = web_of(fake_web_serve);
  const struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = start(&web, &options);
  assert_int_equal(iotkit_job_rewind(job), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_digest(job, 0, got, HALF), 0);
  assert_int_equal(iotkit_job_resume(job, HALF), 0);
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), 0);
  assert_int_equal(iotkit_job_check(job), IK_EDIGEST_MISMATCH);
  assert_int_equal(iotkit_job_rewind(job), 0);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_READY);
  assert_int_equal(iotkit_job_received(job), 0);
  assert_int_equal(fake_web_fetch(job, got, SIZE, 7000), 0);
  assert_right(job);
  assert_int_equal(web.sent, SIZE + HALF);
  iotkit_job_unref(job);
}

/* Options may be set until the first fetch; what is wrong with them changes nothing. */
static void takes_options_until_it_is_fetched(void **state) {
  (void)state;
  struct fake_web web = web_of(fake_web_serve);
  struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = start(&web, &options);
  options.connections = IOTKIT_CONNECTIONS_MAX + 1;
  assert_int_equal(iotkit_job_set_options(job, &options), IK_EINVALID_ARGUMENT);
  options.connections = 1;
  options.allowed_hosts = "other.example";
  assert_int_equal(iotkit_job_set_options(job, &options), 0);
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), IK_EHOST_NOT_ALLOWED);
  assert_int_equal(iotkit_job_set_options(job, &options), IK_EINVALID_STATE);
  iotkit_job_unref(job);
}

/* ---- pause ---- */

static void no_time_passes_while_paused(void **state) {
  (void)state;
  struct fake_web web = web_of(fake_web_serve);
  struct iotkit_fetch_options options = quick();
  options.idle_timeout_ms = 600;
  options.response_timeout_ms = 600;
  options.low_speed_bytes = 1000;
  options.low_speed_ms = 600;
  options.total_timeout_ms = 1200;
  options.max_tries = 1;
  iotkit_job_t *job = start(&web, &options);
  assert_int_equal(iotkit_job_fetch(job, got, 1000, 1000, NULL), 1000);
  iotkit_job_pause(job, true);
  assert_int_equal(iotkit_job_fetch(job, got + 1000, 1000, 700, NULL), 0);
  assert_int_equal(iotkit_job_fetch(job, got + 1000, 1000, 700, NULL), 0);
  assert_int_equal(iotkit_job_received(job), 1000);
  iotkit_job_pause(job, false);
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), 0);
  assert_right(job);
  assert_int_equal(web.connections, 1);
  iotkit_job_unref(job);
}

static void *go_on(void *job) {
  iotkit_job_pause(job, false);
  return NULL;
}

static void another_thread_ends_the_pause(void **state) {
  (void)state;
  struct fake_web web = web_of(fake_web_serve);
  const struct iotkit_fetch_options options = quick();
  pthread_t thread;
  iotkit_job_t *job = start(&web, &options);
  iotkit_job_pause(job, true);
  assert_int_equal(iotkit_job_fetch(job, got, SIZE, 0, NULL), 0);
  assert_int_equal(web.connections, 0);
  assert_int_equal(pthread_create(&thread, NULL, go_on, job), 0);
  assert_int_equal(iotkit_job_fetch(job, got, SIZE, UINT32_MAX, NULL), SIZE);
  pthread_join(thread, NULL);
  assert_right(job);
  iotkit_job_unref(job);
}

static void a_paused_job_can_be_ended(void **state) {
  (void)state;
  struct fake_web web = web_of(fake_web_serve);
  const struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = start(&web, &options);
  iotkit_job_pause(job, true);
  iotkit_job_interrupt(job);
  assert_int_equal(iotkit_job_fetch(job, got, SIZE, UINT32_MAX, NULL), IK_EINTERRUPTED);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_job_fetch(job, got, SIZE, UINT32_MAX, NULL), IK_EABORTED);
  iotkit_job_unref(job);
}

/* ---- limits ---- */

/* 16 KiB come at once, the rest as fast as allowed; to wait for that is no fault of the server's. */
static void keeps_to_a_limit(void **state) {
  (void)state;
  for (uint32_t connections = 1; connections <= 2; connections++) {
    struct fake_web web = web_of(fake_web_serve);
    struct iotkit_fetch_options options = quick();
    options.connections = connections;
    options.idle_timeout_ms = 500;
    options.low_speed_bytes = 1500000;
    options.low_speed_ms = 500;
    options.max_tries = 1;
    assert_int_equal(iotkit_limiter_new(1000000, &options.limiters[0]), 0);
    assert_int_equal(iotkit_limiter_new(100000000, &options.limiters[1]), 0);
    iotkit_job_t *job = start(&web, &options);
    uint64_t before = ik_port_now_ms();
    assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), 0);
    /* 100 KB of it are the burst of a tenth of a second. */
    assert_true(ik_port_now_ms() - before >= 90);
    assert_right(job);
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
  struct fake_web web = web_of(fake_web_serve);
  struct iotkit_fetch_options options = quick();
  pthread_t thread;
  options.idle_timeout_ms = 500;
  options.max_tries = 1;
  assert_int_equal(iotkit_limiter_new(1, &options.limiters[1]), 0);
  iotkit_job_t *job = start(&web, &options);
  /* All that is allowed at once, then more than the idle time-out of waiting. */
  int64_t n = iotkit_job_fetch(job, got, SIZE, 700, NULL);
  assert_true(n > 0 && n < SIZE);
  assert_int_equal(pthread_create(&thread, NULL, lift, options.limiters[1]), 0);
  assert_int_equal(iotkit_job_fetch(job, got + n, SIZE - (size_t)n, UINT32_MAX, NULL), SIZE - n);
  pthread_join(thread, NULL);
  assert_right(job);
  assert_int_equal(web.connections, 1);
  iotkit_job_unref(job);
  iotkit_limiter_unref(options.limiters[1]);
}

/* ---- another URL ---- */

static void expires(struct fake_web *web, const struct fake_request *request,
                    struct fake_answer *answer) {
  bool is_new = strstr(request->text, "GET /new") != NULL;
  if (request->index > 0 && !is_new) {
    fake_web_status(answer, "403 Expired", "");
    return;
  }
  fake_web_serve(web, request, answer);
  if (request->index == 0) answer->cut = HALF;
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
           SIZE, url, hex);
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
    int64_t n = iotkit_job_fetch(job, got + there, SIZE - (size_t)there, 5, NULL);
    if (n > 0) there += (uint64_t)n;
  }
  return there;
}

static void goes_on_with_another_url(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct fake_web web = web_of(expires);
  struct iotkit_fetch_options options = quick();
  options.renew_timeout_ms = 60000;
  iotkit_job_t *job = start(&web, &options);
  assert_false(iotkit_job_wants_url(job));
  assert_int_equal(fetch_till_wanted(job), HALF);
  assert_int_equal(renew(job, "http://h.example/new", false, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "another image"));
  assert_int_equal(iotkit_job_renew(job, "{", 1, detail), IK_ENOTICE_JSON);
  assert_true(iotkit_job_wants_url(job));
  assert_int_equal(renew(job, "http://h.example/new", true, NULL), 0);
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), 0);
  assert_false(iotkit_job_wants_url(job));
  assert_right(job);
  assert_int_equal(web.sent, SIZE);
  assert_int_equal(renew(job, "http://h.example/new", true, NULL), IK_EINVALID_STATE);
  iotkit_job_unref(job);
}

static void does_not_wait_where_nobody_answers(void **state) {
  (void)state;
  static const uint32_t renew_ms[] = {0, UINT32_MAX, 30};
  for (size_t i = 0; i < COUNT(renew_ms); i++) {
    struct fake_web web = web_of(expires);
    struct iotkit_fetch_options options = quick();
    options.renew_timeout_ms = renew_ms[i];
    iotkit_job_t *job = start(&web, &options);
    assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), IK_EURL_EXPIRED);
    assert_false(iotkit_job_wants_url(job));
    assert_int_equal(web.requests, 2);
    iotkit_job_unref(job);
  }
}

/* New URLs that are refused too end it. */
static void does_not_ask_for_ever(void **state) {
  (void)state;
  struct fake_web web = web_of(expires);
  struct iotkit_fetch_options options = quick();
  options.renew_timeout_ms = 60000;
  iotkit_job_t *job = start(&web, &options);
  unsigned renewals = 0;
  while (fetch_till_wanted(job) == HALF && iotkit_job_wants_url(job)) {
    assert_int_equal(renew(job, "http://h.example/old", true, NULL), 0);
    renewals++;
  }
  assert_int_equal(iotkit_job_error(job, NULL), IK_EURL_EXPIRED);
  assert_int_equal(renewals, 3); /* the cut was a failure too */
  iotkit_job_unref(job);
}

static void a_new_url_is_held_to_the_policy(void **state) {
  (void)state;
  struct fake_web web = web_of(expires);
  struct iotkit_fetch_options options = quick();
  options.renew_timeout_ms = 60000;
  options.allowed_hosts = "h.example";
  iotkit_job_t *job = start(&web, &options);
  fetch_till_wanted(job);
  assert_int_equal(renew(job, "http://evil.example/new", true, NULL), 0);
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), IK_EHOST_NOT_ALLOWED);
  iotkit_job_unref(job);
}

/* What the channel says: the answers are ik_job_answered()'s. */
static void the_answer_may_be_an_error(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct fake_web web = web_of(expires);
  struct iotkit_fetch_options options = quick();
  options.renew_timeout_ms = 60000;
  iotkit_job_t *job = start(&web, &options);
  fetch_till_wanted(job);
  ik_job_answered(job, NULL, IK_EURL_EXPIRED, "there is no such upgrade any more");
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), IK_EURL_EXPIRED);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "h.example: answered 403 Expired"));
  assert_non_null(strstr(detail, "no such upgrade"));
  iotkit_job_unref(job);
}

/* ---- several files ---- */

static iotkit_job_t *two_files(const struct iotkit_fetch_options *options) {
  static const char json[] =
      "{\"code\":\"1000\",\"id\":7,\"message\":\"success\",\"data\":{\"version\":\"2.0.0\","
      "\"signMethod\":\"MD5\",\"files\":["
      "{\"fileName\":\"a\",\"fileUrl\":\"http://h.example/a\",\"fileSize\":3,"
      "\"fileSign\":\"900150983cd24fb0d6963f7d28e17f72\","
      "\"fileMd5\":\"900150983cd24fb0d6963f7d28e17f72\"},"
      "{\"fileName\":\"b\",\"fileUrl\":\"http://h.example/b\",\"fileSize\":1,"
      "\"fileSign\":\"0cc175b9c0f1b6a831c399e269772661\","
      "\"fileMd5\":\"0cc175b9c0f1b6a831c399e269772661\"}]}}";
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  int rc = iotkit_job_parse(json, sizeof(json) - 1, options, &job, detail);
  if (rc != 0) fail_msg("%s", detail);
  return job;
}

static void each_file_is_a_job(void **state) {
  (void)state;
  struct fake_web web = {.image = (const uint8_t *)"abc", .size = 3, .answer = fake_web_serve};
  const struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = two_files(&options);
  iotkit_job_t *file = NULL;
  uint8_t text[4] = "";
  ik_job_set_dial(job, fake_web_dial, &web);
  assert_int_equal(iotkit_job_open_file(job, 2, &file), IK_EINVALID_ARGUMENT);
  assert_null(file);
  assert_int_equal(iotkit_job_fetch(job, text, 3, 0, NULL), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_digest(job, 0, text, 3), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_open_file(job, 0, &file), 0);
  assert_string_equal(iotkit_job_upgrade(file)->url, "http://h.example/a");
  assert_string_equal(iotkit_job_upgrade(file)->version, "2.0.0");
  assert_int_equal(iotkit_job_upgrade(file)->file_count, 0);
  assert_int_equal(iotkit_job_fetch(file, text, 3, 1000, NULL), 3);
  assert_string_equal((const char *)text, "abc");
  assert_int_equal(iotkit_job_check(file), 0);
  iotkit_job_unref(file);
  iotkit_job_unref(job);
}

static void what_is_done_to_the_upgrade_is_done_to_its_file(void **state) {
  (void)state;
  const struct iotkit_fetch_options options = quick();
  struct fake_web web = {.image = (const uint8_t *)"abc", .size = 3, .answer = fake_web_serve};
  iotkit_job_t *job = two_files(&options);
  iotkit_job_t *files[3] = {NULL};
  uint8_t text[4] = "";
  ik_job_set_dial(job, fake_web_dial, &web);
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(iotkit_job_open_file(job, i % 2, &files[i]), 0);
  ik_job_set_inner(job, files[0]);
  iotkit_job_pause(job, true);
  assert_int_equal(iotkit_job_fetch(files[0], text, 3, 5, NULL), 0);
  ik_job_set_inner(job, files[1]);
  assert_int_equal(iotkit_job_fetch(files[1], text, 1, 5, NULL), 0);
  iotkit_job_pause(job, false);
  iotkit_job_interrupt(job);
  assert_int_equal(iotkit_job_fetch(files[1], text, 1, 1000, NULL), IK_EINTERRUPTED);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_job_error(files[0], NULL), 0);
  assert_int_equal(iotkit_job_error(files[1], NULL), IK_EABORTED);
  ik_job_set_inner(job, files[2]);
  assert_int_equal(iotkit_job_error(files[2], NULL), IK_EABORTED);
  ik_job_set_inner(job, NULL);
  iotkit_job_unref(job);
  for (size_t i = 0; i < 3; i++)
    iotkit_job_unref(files[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goes_on_behind_what_is_there),
      cmocka_unit_test(what_is_there_may_be_nothing_or_all),
      cmocka_unit_test(begins_again_where_no_range_is_to_be_had),
      cmocka_unit_test(is_rewound_when_the_beginning_was_wrong),
      cmocka_unit_test(takes_options_until_it_is_fetched),
      cmocka_unit_test(no_time_passes_while_paused),
      cmocka_unit_test(another_thread_ends_the_pause),
      cmocka_unit_test(a_paused_job_can_be_ended),
      cmocka_unit_test(keeps_to_a_limit),
      cmocka_unit_test(a_limit_may_be_lifted),
      cmocka_unit_test(goes_on_with_another_url),
      cmocka_unit_test(does_not_wait_where_nobody_answers),
      cmocka_unit_test(does_not_ask_for_ever),
      cmocka_unit_test(a_new_url_is_held_to_the_policy),
      cmocka_unit_test(the_answer_may_be_an_error),
      cmocka_unit_test(each_file_is_a_job),
      cmocka_unit_test(what_is_done_to_the_upgrade_is_done_to_its_file),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
