/*
 * Fetch options: what is refused, what is copied, what a job and its copies make of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/fake_web.h"
#include "support/http_server.h"

#define SIZE 5000

static uint8_t image[SIZE];
static uint8_t got[SIZE];

static int setup(void **state) {
  static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                      "ALL_PROXY",  "no_proxy",    "NO_PROXY"};
  (void)state;
  for (size_t i = 0; i < COUNT(names); i++)
    unsetenv(names[i]);
  for (size_t i = 0; i < SIZE; i++)
    image[i] = http_image_byte(i);
  return 0;
}

/* ---- refused ---- */

static void refuses_by_name(void **state) {
  (void)state;
  static const struct {
    struct iotkit_fetch_options options;
    int error;
    const char *excerpt;
  } cases[] = {
      {{.connections = 9}, IK_EINVALID_ARGUMENT, "connections"},
      {{.require_signature = true}, IK_EINVALID_ARGUMENT, "require_signature"},
      {{.headers = "Range: secret\r\n"}, IK_EINVALID_ARGUMENT, "headers"},
      {{.headers = "X: secret"}, IK_EINVALID_ARGUMENT, "headers"},
      {{.allowed_hosts = "a b"}, IK_EINVALID_ARGUMENT, "allowed_hosts"},
      {{.proxy = "http://u:secret@"}, IK_EURL, "proxy"},
      {{.proxy = "socks5://u:secret@h"}, IK_EUNSUPPORTED, "proxy"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    struct ik_fetch_config *config = NULL;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_fetch_config_new(&cases[i].options, &config, detail);
    if (rc != cases[i].error || strstr(detail, cases[i].excerpt) == NULL ||
        strstr(detail, "secret") != NULL) {
      fail_msg("%s: %s: %s", cases[i].excerpt, iotkit_error_name(rc), detail);
    }
    assert_null(config);
    ik_fetch_config_unref(config);
  }
}

static void fills_in_what_is_missing(void **state) {
  (void)state;
  struct ik_fetch_config *config = NULL;
  assert_int_equal(ik_fetch_config_new(NULL, &config, NULL), 0);
  assert_int_equal(config->options.patience_ms, 600000);
  assert_int_equal(config->options.max_retries, UINT32_MAX);
  assert_int_equal(config->options.retry_min_ms, 500);
  assert_int_equal(config->options.retry_max_ms, 30000);
  assert_int_equal(config->options.low_speed_bytes, 100);
  assert_int_equal(config->options.low_speed_ms, 60000);
  assert_int_equal(config->options.max_size, 0);
  assert_int_equal(config->options.max_tries, 1000);
  assert_int_equal(config->options.renew_timeout_ms, 60000);
  assert_int_equal(config->options.connections, 1);
  assert_int_equal(config->options.max_redirects, 5);
  assert_int_equal(config->options.total_timeout_ms, 0);
  assert_false(config->renew_by_caller);
  ik_fetch_config_unref(config);
}

static void knows_what_is_too_large(void **state) {
  (void)state;
  struct ik_fetch_config *config = NULL;
  struct iotkit_fetch_options options = {.proxy = "", .max_size = 1000};
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(ik_fetch_config_new(&options, &config, NULL), 0);
  assert_int_equal(ik_fetch_config_check_size(config, 1000, detail), 0);
  assert_string_equal(detail, "");
  assert_int_equal(ik_fetch_config_check_size(config, 1001, detail), IK_ENO_SPACE);
  assert_int_equal(ik_fetch_config_check_size(config, UINT64_MAX, NULL), IK_ENO_SPACE);
  config->options.max_size = 0;
  assert_int_equal(ik_fetch_config_check_size(config, UINT64_MAX, detail), 0);
  ik_fetch_config_unref(config);
}

/* ---- copied ---- */

static char request_text[4096];

static void note(struct fake_web *web, const struct fake_request *request,
                 struct fake_answer *answer) {
  memcpy(request_text, request->text, sizeof(request_text));
  fake_web_serve(web, request, answer);
}

static struct fake_web web_of(fake_answer_fn answer) {
  return (struct fake_web){.image = image, .size = SIZE, .answer = answer, .rng = {1}};
}

/* Everything a job needs of its options is its own: the caller's are gone when it fetches. */
static iotkit_job_t *make(struct fake_web *web, const char *headers, const char *proxy,
                          const char *no_proxy, const char *hosts) {
  char *texts[4];
  const char *from[4] = {headers, proxy, no_proxy, hosts};
  for (size_t i = 0; i < 4; i++)
    texts[i] = from[i] != NULL ? strdup(from[i]) : NULL;
  struct iotkit_fetch_options options = {.headers = texts[0],
                                         .proxy = texts[1],
                                         .no_proxy = texts[2],
                                         .allowed_hosts = texts[3],
                                         .retry_min_ms = 1,
                                         .retry_max_ms = 1,
                                         .max_retries = 2};
  assert_int_equal(iotkit_limiter_new(0, &options.limiters[0]), 0);
  iotkit_job_t *job = fake_web_job(web, &options);
  iotkit_limiter_unref(options.limiters[0]);
  for (size_t i = 0; i < 4; i++) {
    if (texts[i] != NULL) memset(texts[i], 'x', strlen(texts[i]));
    free(texts[i]);
  }
  memset(&options, 0xEE, sizeof(options));
  ik_job_set_dial(job, fake_web_dial, web);
  return job;
}

static void a_job_owns_what_it_was_told(void **state) {
  (void)state;
  struct fake_web web = web_of(note);
  iotkit_job_t *job = make(&web, "Authorization: Bearer secret\r\n", "http://u:p%40@prox.example",
                           "other.example", "h.example");
  iotkit_job_t *copy = NULL;
  assert_int_equal(iotkit_job_dup(job, &copy), 0);
  iotkit_job_unref(job);
  assert_int_equal(fake_web_fetch(copy, got, SIZE, SIZE), 0);
  assert_int_equal(iotkit_job_check(copy), 0);
  /* The whole URL to the proxy, with its credentials, and the user's field. */
  assert_non_null(strstr(request_text, "GET http://h.example/f?k=secret HTTP/1.1\r\n"));
  assert_non_null(strstr(request_text, "\r\nHost: h.example\r\n"));
  assert_non_null(strstr(request_text, "\r\nProxy-Authorization: Basic dTpwQA==\r\n"));
  assert_non_null(strstr(request_text, "\r\nAuthorization: Bearer secret\r\n"));
  assert_true(web.proxied);
  assert_string_equal(web.host, "h.example");
  assert_string_equal(web.proxy.host, "prox.example");
  assert_int_equal(web.proxy.port, 80);
  iotkit_job_unref(copy);
}

static void hosts_may_be_reached_straight(void **state) {
  (void)state;
  static const char *const lists[] = {"h.example", "*", "example", ".example:80"};
  for (size_t i = 0; i < COUNT(lists); i++) {
    struct fake_web web = web_of(note);
    iotkit_job_t *job = make(&web, NULL, "http://prox.example:3128", lists[i], NULL);
    assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), 0);
    assert_false(web.proxied);
    assert_non_null(strstr(request_text, "GET /f?k=secret HTTP/1.1\r\n"));
    iotkit_job_unref(job);
  }
}

/* Read when the options are set, not when it is fetched. */
static void the_environment_names_proxies(void **state) {
  (void)state;
  struct fake_web web = web_of(note);
  setenv("http_proxy", "prox.example:3128", 1);
  iotkit_job_t *job = make(&web, NULL, NULL, NULL, NULL);
  iotkit_job_t *straight = make(&web, NULL, "", NULL, NULL);
  unsetenv("http_proxy");
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), 0);
  assert_true(web.proxied);
  assert_int_equal(web.proxy.port, 3128);
  assert_int_equal(fake_web_fetch(straight, got, SIZE, SIZE), 0);
  assert_false(web.proxied);
  iotkit_job_unref(job);
  iotkit_job_unref(straight);
}

static void an_unusable_proxy_is_no_reason_to_do_without(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct fake_web web = web_of(note);
  setenv("ALL_PROXY", "socks5://u:secret@prox.example", 1);
  iotkit_job_t *job = make(&web, NULL, NULL, NULL, NULL);
  unsetenv("ALL_PROXY");
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), IK_EUNSUPPORTED);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "ALL_PROXY"));
  assert_null(strstr(detail, "secret"));
  assert_int_equal(web.connections, 0);
  iotkit_job_unref(job);
}

static void moves_away(struct fake_web *web, const struct fake_request *request,
                       struct fake_answer *answer) {
  if (request->index == 0) {
    fake_web_status(answer, "302 There", "Location: http://cdn.example/g\r\n");
  } else {
    note(web, request, answer);
  }
}

static void strangers_get_no_secret(void **state) {
  (void)state;
  struct fake_web web = web_of(moves_away);
  iotkit_job_t *job = make(&web, "Authorization: Bearer secret\r\n", "", NULL, NULL);
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), 0);
  assert_string_equal(web.host, "cdn.example");
  assert_null(strstr(request_text, "secret"));
  iotkit_job_unref(job);
}

static void strangers_are_not_asked(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct fake_web web = web_of(moves_away);
  iotkit_job_t *job =
      make(&web, "Authorization: Bearer secret\r\n", "", NULL, "*.h.example,h.example");
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), IK_EHOST_NOT_ALLOWED);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "cdn.example"));
  assert_null(strstr(detail, "secret"));
  assert_int_equal(web.requests, 1);
  iotkit_job_unref(job);
}

static void fails(struct fake_web *web, const struct fake_request *request,
                  struct fake_answer *answer) {
  (void)web;
  (void)request;
  fake_web_status(answer, "500 Bearer?", "");
}

static char logged[4096];

static void keep_log(void *ctx, int level, const char *text) {
  (void)ctx;
  (void)level;
  size_t len = strlen(logged);
  snprintf(logged + len, sizeof(logged) - len, "%s\n", text);
}

static void secrets_are_not_told(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct fake_web web = web_of(fails);
  iotkit_log_set(IOTKIT_LOG_DEBUG, keep_log, NULL);
  iotkit_job_t *job =
      make(&web, "Authorization: Bearer secret\r\n", "http://user:secret@prox.example", NULL, NULL);
  assert_int_equal(fake_web_fetch(job, got, SIZE, SIZE), IK_EHTTP_UNAVAILABLE);
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  iotkit_job_error(job, detail);
  assert_null(strstr(detail, "secret"));
  assert_null(strstr(logged, "secret"));
  iotkit_job_unref(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refuses_by_name),
      cmocka_unit_test(fills_in_what_is_missing),
      cmocka_unit_test(knows_what_is_too_large),
      cmocka_unit_test(a_job_owns_what_it_was_told),
      cmocka_unit_test(hosts_may_be_reached_straight),
      cmocka_unit_test(the_environment_names_proxies),
      cmocka_unit_test(an_unusable_proxy_is_no_reason_to_do_without),
      cmocka_unit_test(strangers_get_no_secret),
      cmocka_unit_test(strangers_are_not_asked),
      cmocka_unit_test(secrets_are_not_told),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
