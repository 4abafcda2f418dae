/*
 * How many connections a download takes: redirects, refusals and the files of an upgrade go over the
 * one that is there.
 */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "download/job.h"
#include "support/cm.h"
#include "support/web_run.h"

#define BODY "<Error><Code>AccessDenied</Code></Error>"

/* An answer with a body that nobody wants. */
static void answer_with(struct fake_answer *answer, const char *status, const char *fields,
                        const char *body) {
  snprintf(answer->head, sizeof(answer->head), "HTTP/1.1 %s\r\n%s\r\n", status, fields);
  answer->body = (const uint8_t *)body;
  answer->len = strlen(body);
}

static void fetch(struct fake_web *web) {
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = web_run_start(web, &options);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  web_run_assert_right(job);
  assert_int_equal(web->open, 0); /* the last user has gone */
  iotkit_job_unref(job);
}

/* The first three requests are answered as `ctx` says. */
struct answer {
  const char *status;
  const char *fields;
  const char *body;
};

static void first_as_said(struct fake_web *web, const struct fake_request *request,
                          struct fake_answer *answer) {
  const struct answer *first = web->ctx;
  if (request->index < 3)
    answer_with(answer, first->status, first->fields, first->body);
  else
    fake_web_serve(web, request, answer);
}

static unsigned connections_with(const struct answer *first) {
  struct fake_web web = web_run_of(first_as_said);
  web.ctx = (void *)(uintptr_t)first;
  fetch(&web);
  assert_int_equal(web.requests, 4);
  return web.connections;
}

static void one_is_enough(void **state) {
  (void)state;
  static const struct answer rows[] = {
      {"302 Found", "Location: /g\r\nContent-Length: 0\r\n", ""},
      {"302 Found", "Location: http://h.example/g\r\nContent-Length: 40\r\n", BODY},
      {"307 Temporary Redirect", "Location: ?a\r\nTransfer-Encoding: chunked\r\n",
       "3\r\nabc\r\n0\r\n\r\n"},
      {"503 Busy", "Content-Length: 40\r\n", BODY},
      {"429 Too Many", "Retry-After: 0\r\nContent-Length: 0\r\n", ""},
  };
  for (size_t i = 0; i < COUNT(rows); i++)
    assert_int_equal(connections_with(&rows[i]), 1);
}

/* Where the end of the answer is not known, or not here, or says that it is the last. */
static void one_is_not(void **state) {
  (void)state;
  static char long_body[100000];
  memset(long_body, 'x', sizeof(long_body) - 1);
  const struct answer rows[] = {
      {"302 Found", "Location: /g\r\nConnection: close\r\nContent-Length: 0\r\n", ""},
      {"302 Found", "Location: http://i.example/g\r\nContent-Length: 0\r\n", ""},
      {"302 Found", "Location: //h.example:81/g\r\nContent-Length: 0\r\n", ""},
      {"503 Busy", "Content-Length: 99999\r\n", long_body},
      {"503 Busy", "Content-Length: 41\r\n", BODY},
      {"503 Busy", "Content-Length: 39\r\n", BODY},
  };
  const unsigned connections[] = {4, 2, 2, 4, 4, 4};
  for (size_t i = 0; i < COUNT(rows); i++)
    assert_int_equal(connections_with(&rows[i]), connections[i]);
}

/* From the announced host to another, as a CDN has it; the other drops each connection. */
static void two_hosts(struct fake_web *web, const struct fake_request *request,
                      struct fake_answer *answer) {
  if (strstr(request->text, "Host: h.example") != NULL) {
    fake_web_status(answer, "302 Found", "Location: http://cdn.example/f\r\n");
    return;
  }
  fake_web_serve(web, request, answer);
  if (request->index < 6) answer->cut = 20000;
}

static void tries_again_ask_the_announced_host_over_its_connection(void **state) {
  (void)state;
  struct fake_web web = web_run_of(two_hosts);
  fetch(&web);
  assert_int_equal(web.requests, 8);
  assert_int_equal(web.connections, 5); /* one to h.example, four to the other */
}

static void expires_twice(struct fake_web *web, const struct fake_request *request,
                          struct fake_answer *answer) {
  if (strstr(request->text, "GET /new") == NULL)
    answer_with(answer, "403 Forbidden", "Content-Length: 40\r\n", BODY);
  else
    fake_web_serve(web, request, answer);
}

static void another_url_is_fetched_over_the_same(void **state) {
  (void)state;
  char json[1024];
  char hex[65];
  struct fake_web web = web_run_of(expires_twice);
  struct iotkit_fetch_options options = web_run_options();
  options.renew_timeout_ms = 60000;
  iotkit_job_t *job = web_run_start(&web, &options);
  while (!iotkit_job_wants_url(job))
    assert_int_equal(iotkit_job_fetch(job, web_got, WEB_RUN_SIZE, 5, NULL), 0);
  assert_int_equal(web.open, 1); /* while nobody knows where to go on */
  ik_hex_encode(iotkit_job_upgrade(job)->digest, 32, hex);
  snprintf(json, sizeof(json),
           "{\"id\":8,\"message\":\"success\",\"data\":{\"size\":%u,\"version\":\"2.0.0\","
           "\"url\":\"http://h.example/new\",\"signMethod\":\"Sha256\",\"sign\":\"%s\"}}",
           WEB_RUN_SIZE, hex);
  assert_int_equal(iotkit_job_renew(job, json, strlen(json), NULL), 0);
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  web_run_assert_right(job);
  assert_int_equal(web.connections, 1);
  iotkit_job_unref(job);
}

/* ---- several files ---- */

static iotkit_job_t *upgrade_of_two(struct fake_web *web,
                                    const struct iotkit_fetch_options *options) {
  static const char notice[] =
      "{\"code\":\"1000\",\"id\":7,\"data\":{\"version\":\"2\",\"signMethod\":\"Md5\",\"files\":["
      "{\"fileSize\":%u,\"fileName\":\"a\",\"fileUrl\":\"http://h.example/a\","
      "\"fileMd5\":\"00000000000000000000000000000000\","
      "\"fileSign\":\"00000000000000000000000000000000\"},"
      "{\"fileSize\":%u,\"fileName\":\"b\",\"fileUrl\":\"http://h.example/b\","
      "\"fileMd5\":\"00000000000000000000000000000000\","
      "\"fileSign\":\"00000000000000000000000000000000\"}]}}";
  char json[1024];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  int len = snprintf(json, sizeof(json), notice, WEB_RUN_SIZE, WEB_RUN_SIZE);
  int rc = iotkit_job_parse(json, (size_t)len, options, &job, detail);
  if (rc != 0) fail_msg("%s", detail);
  ik_job_set_dial(job, fake_web_dial, web);
  return job;
}

static void open_both(iotkit_job_t *upgrade, iotkit_job_t *files[2]) {
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(iotkit_job_open_file(upgrade, i, &files[i]), 0);
}

static void files_of_an_upgrade_share_one(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = upgrade_of_two(&web, &options);
  iotkit_job_t *files[2];
  open_both(job, files);
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(fake_web_fetch(files[i], web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
    assert_int_equal(web.open, 1);
  }
  assert_int_equal(web.connections, 1);
  iotkit_job_unref(files[0]);
  assert_int_equal(web.open, 1);
  iotkit_job_unref(files[1]);
  assert_int_equal(web.open, 0);
  iotkit_job_unref(job);
}

/* Other options may mean other trust. */
static void a_file_with_options_of_its_own_does_not(void **state) {
  (void)state;
  struct fake_web web = web_run_of(fake_web_serve);
  const struct iotkit_fetch_options options = web_run_options();
  iotkit_job_t *job = upgrade_of_two(&web, &options);
  iotkit_job_t *files[2];
  open_both(job, files);
  assert_int_equal(iotkit_job_set_options(files[1], &options), 0);
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(fake_web_fetch(files[i], web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  assert_int_equal(web.connections, 2);
  for (size_t i = 0; i < 2; i++)
    iotkit_job_unref(files[i]);
  assert_int_equal(web.open, 0);
  iotkit_job_unref(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_is_enough),
      cmocka_unit_test(one_is_not),
      cmocka_unit_test(tries_again_ask_the_announced_host_over_its_connection),
      cmocka_unit_test(another_url_is_fetched_over_the_same),
      cmocka_unit_test(files_of_an_upgrade_share_one),
      cmocka_unit_test(a_file_with_options_of_its_own_does_not),
  };
  return cmocka_run_group_tests(tests, web_run_image, NULL);
}
