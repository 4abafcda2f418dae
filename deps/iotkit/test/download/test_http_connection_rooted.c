/*
 * A host with the root's dot: the dot is dialled, so that no search domain is tried, and is in no
 * request. Redirects and rules see the name without it.
 */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "download/job.h"
#include "support/cm.h"
#include "support/web_run.h"

#define HOSTS_MAX 4

static struct {
  char host[HOSTS_MAX][300]; /* of the requests */
  char line[HOSTS_MAX][300];
  bool has_key[HOSTS_MAX];
} seen;

static void note(const struct fake_request *request) {
  const char *host = strstr(request->text, "\r\nHost: ");
  if (request->index >= HOSTS_MAX) return;
  assert_non_null(host);
  host += strlen("\r\nHost: ");
  snprintf(seen.host[request->index], sizeof(seen.host[0]), "%.*s", (int)strcspn(host, "\r"), host);
  snprintf(seen.line[request->index], sizeof(seen.line[0]), "%.*s",
           (int)strcspn(request->text, "\r"), request->text);
  seen.has_key[request->index] = strstr(request->text, "\r\nX-Key: k\r\n") != NULL;
}

static void serve(struct fake_web *web, const struct fake_request *request,
                  struct fake_answer *answer) {
  note(request);
  fake_web_serve(web, request, answer);
}

static void redirect_once(struct fake_web *web, const struct fake_request *request,
                          struct fake_answer *answer) {
  note(request);
  if (request->index == 0)
    fake_web_status(answer, "302 Found", "Location: /elsewhere\r\n");
  else
    fake_web_serve(web, request, answer);
}

static iotkit_job_t *start(struct fake_web *web, const char *url,
                           const struct iotkit_fetch_options *options) {
  char json[1024];
  char hex[65];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *like = web_run_start(web, options);
  iotkit_job_t *job = NULL;
  memset(&seen, 0, sizeof(seen));
  ik_hex_encode(iotkit_job_upgrade(like)->digest, 32, hex);
  iotkit_job_unref(like);
  snprintf(json, sizeof(json),
           "{\"message\":\"success\",\"data\":{\"size\":%u,\"version\":\"2\",\"url\":\"%s\","
           "\"signMethod\":\"Sha256\",\"sign\":\"%s\"}}",
           WEB_RUN_SIZE, url, hex);
  if (iotkit_job_parse(json, strlen(json), options, &job, detail) != 0) fail_msg("%s", detail);
  ik_job_set_dial(job, fake_web_dial, web);
  return job;
}

static void fetch(iotkit_job_t *job) {
  assert_int_equal(fake_web_fetch(job, web_got, WEB_RUN_SIZE, WEB_RUN_SIZE), 0);
  web_run_assert_right(job);
  iotkit_job_unref(job);
}

static void the_dot_is_dialled_and_not_sent(void **state) {
  (void)state;
  struct fake_web web = web_run_of(serve);
  struct iotkit_fetch_options options = web_run_options();
  options.allowed_hosts = "fw.example";
  fetch(start(&web, "http://FW.example.:8080/a", &options));
  assert_string_equal(web.host, "fw.example.");
  assert_string_equal(seen.host[0], "fw.example:8080");
}

static void without_a_dot_none_is_dialled(void **state) {
  (void)state;
  struct fake_web web = web_run_of(serve);
  struct iotkit_fetch_options options = web_run_options();
  fetch(start(&web, "http://fw.example/a", &options));
  assert_string_equal(web.host, "fw.example");
}

/* It is the same host: header fields go there, and so does the dot to the resolver. */
static void a_redirect_on_the_host_keeps_it(void **state) {
  (void)state;
  struct fake_web web = web_run_of(redirect_once);
  struct iotkit_fetch_options options = web_run_options();
  options.headers = "X-Key: k\r\n";
  fetch(start(&web, "http://fw.example./a", &options));
  assert_string_equal(web.host, "fw.example.");
  assert_string_equal(seen.host[1], "fw.example");
  assert_true(seen.has_key[0] && seen.has_key[1]);
}

static void a_proxy_is_asked_without_it(void **state) {
  (void)state;
  struct fake_web web = web_run_of(serve);
  struct iotkit_fetch_options options = web_run_options();
  options.proxy = "http://gate.example.:3128";
  options.no_proxy = "";
  fetch(start(&web, "http://fw.example./a", &options));
  assert_string_equal(web.host, "fw.example");
  assert_string_equal(web.proxy.host, "gate.example.");
  assert_string_equal(seen.line[0], "GET http://fw.example/a HTTP/1.1");
  assert_string_equal(seen.host[0], "fw.example");
}

static void a_list_without_proxy_has_it(void **state) {
  (void)state;
  struct fake_web web = web_run_of(serve);
  struct iotkit_fetch_options options = web_run_options();
  options.proxy = "http://gate.example:3128";
  options.no_proxy = "fw.example";
  fetch(start(&web, "http://fw.example./a", &options));
  assert_false(web.proxied);
  assert_string_equal(web.host, "fw.example.");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_dot_is_dialled_and_not_sent),
      cmocka_unit_test(without_a_dot_none_is_dialled),
      cmocka_unit_test(a_redirect_on_the_host_keeps_it),
      cmocka_unit_test(a_proxy_is_asked_without_it),
      cmocka_unit_test(a_list_without_proxy_has_it),
  };
  return cmocka_run_group_tests(tests, web_run_image, NULL);
}
