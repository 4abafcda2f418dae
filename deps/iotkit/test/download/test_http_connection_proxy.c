/*
 * Connections through HTTP proxies over loopback: what the proxy is asked, what the server is asked,
 * and what either must not see.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cm.h"
#include "support/connect_proxy.h"
#include "support/job_run.h"
#if defined(IK_OPENSSL_LINKED)
#include "support/certs.h"
#include "support/tls_front.h"
#endif

static uint8_t image[JOB_SIZE];

/* What a scripted server saw, request by request. */
struct seen {
  http_serve_fn serve;
  struct http_request requests[8];
};

static bool note(void *ctx, int fd, const struct http_request *request) {
  struct seen *seen = ctx;
  if (request->index < COUNT(seen->requests)) seen->requests[request->index] = *request;
  return seen->serve(ctx, fd, request);
}

static bool begins(const struct http_request *request, const char *line) {
  return strncmp(request->head, line, strlen(line)) == 0;
}

static bool has(const struct http_request *request, const char *name) {
  char value[1024];
  return http_request_field(request, name, value, sizeof value);
}

/* Nobody listens on the port of the URL: the proxy is all there is. */
static iotkit_job_t *make_unreachable(const char *proxy_user, struct http_server *proxy,
                                      const char *headers) {
  char url[128];
  snprintf(url, sizeof url, "http://%s127.0.0.1:%u", proxy_user, http_server_port(proxy));
  struct iotkit_fetch_options options = job_quick();
  options.proxy = url;
  options.no_proxy = "";
  options.headers = headers;
  return job_make(1, "/fw.bin?a=b", &options);
}

/* ---- http ---- */

static bool serve_cut_once(void *ctx, int fd, const struct http_request *request) {
  if (request->index > 0) return job_serve_well(ctx, fd, request);
  http_send(fd, "HTTP/1.1 200 OK\r\nETag: " JOB_TAG "\r\nContent-Length: %u\r\n\r\n", JOB_SIZE);
  http_send_image(fd, 0, 80000);
  return false;
}

static void http_asks_the_proxy_for_the_whole_url(void **state) {
  (void)state;
  static struct seen seen;
  seen = (struct seen){.serve = serve_cut_once};
  struct http_server *proxy = http_server_start(note, &seen);
  iotkit_job_t *job = make_unreachable("us%40er:p%3Ass@", proxy, "X-Key: k\r\n");
  assert_int_equal(job_fetch_all(job, image, 30000), 0);
  job_assert_image(image);
  iotkit_job_unref(job);
  assert_int_equal(http_server_stop(proxy), 2);
  for (unsigned i = 0; i < 2; i++) {
    char value[128];
    assert_true(begins(&seen.requests[i], "GET http://127.0.0.1:1/fw.bin?a=b HTTP/1.1\r\n"));
    assert_true(http_request_field(&seen.requests[i], "Host", value, sizeof value));
    assert_string_equal(value, "127.0.0.1:1");
    assert_true(http_request_field(&seen.requests[i], "Proxy-Authorization", value, sizeof value));
    assert_string_equal(value, "Basic dXNAZXI6cDpzcw==");
    assert_true(http_request_field(&seen.requests[i], "X-Key", value, sizeof value));
    assert_string_equal(value, "k");
  }
  assert_true(seen.requests[1].has_range);
  assert_int_equal(seen.requests[1].from, 80000);
}

static bool refuse_407(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "HTTP/1.1 407 Proxy Authentication Required\r\n"
                       "Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n");
}

static void a_407_ends_the_download_without_a_retry(void **state) {
  (void)state;
  static struct seen seen;
  char detail[IOTKIT_DETAIL_MAX];
  seen = (struct seen){.serve = refuse_407};
  struct http_server *proxy = http_server_start(note, &seen);
  iotkit_job_t *job = make_unreachable("user:s3cret@", proxy, NULL);
  assert_int_equal(job_fetch_all(job, image, 30000), IK_EPROXY_REFUSED);
  iotkit_job_error(job, detail);
  assert_null(strstr(detail, "s3cret"));
  iotkit_job_unref(job);
  assert_int_equal(http_server_stop(proxy), 1);
}

struct redirect {
  struct seen seen; /* first: note() takes the context for it */
  uint16_t port;
};

static bool send_elsewhere(void *ctx, int fd, const struct http_request *request) {
  (void)request;
  const struct redirect *redirect = ctx;
  return http_send(fd,
                   "HTTP/1.1 302 Found\r\nLocation: http://localhost:%u/there\r\n"
                   "Content-Length: 0\r\n\r\n",
                   redirect->port);
}

/* Each host has its own way chosen, and gets no secret that was meant for another. */
static void a_redirect_chooses_its_own_way(void **state) {
  (void)state;
  static struct seen there;
  static struct redirect redirect;
  there = (struct seen){.serve = job_serve_well};
  struct http_server *server = http_server_start(note, &there);
  redirect = (struct redirect){.seen.serve = send_elsewhere, .port = http_server_port(server)};
  struct http_server *proxy = http_server_start(note, &redirect);
  char url[128];
  snprintf(url, sizeof url, "http://user:s3cret@127.0.0.1:%u", http_server_port(proxy));
  struct iotkit_fetch_options options = job_quick();
  options.proxy = url;
  options.no_proxy = "example.com LOCALHOST";
  options.headers = "Authorization: Bearer s3cret\r\n";
  iotkit_job_t *job = job_make(1, "/fw.bin", &options);
  assert_int_equal(job_fetch_all(job, image, 30000), 0);
  job_assert_image(image);
  iotkit_job_unref(job);
  assert_int_equal(http_server_stop(proxy), 1);
  assert_int_equal(http_server_stop(server), 1);
  assert_true(has(&redirect.seen.requests[0], "Authorization"));
  assert_true(begins(&there.requests[0], "GET /there HTTP/1.1\r\n"));
  assert_false(has(&there.requests[0], "Proxy-Authorization"));
  assert_false(has(&there.requests[0], "Authorization"));
}

/* ---- which proxy ---- */

static const char *const variables[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY",  "no_proxy",    "NO_PROXY"};

static void clean_environment(void) {
  for (size_t i = 0; i < COUNT(variables); i++)
    unsetenv(variables[i]);
}

static void the_environment_of_the_start_counts(void **state) {
  (void)state;
  static struct seen seen;
  char url[128];
  seen = (struct seen){.serve = job_serve_well};
  struct http_server *proxy = http_server_start(note, &seen);
  snprintf(url, sizeof url, "127.0.0.1:%u", http_server_port(proxy));
  const struct iotkit_fetch_options options = job_quick();
  clean_environment();
  setenv("http_proxy", url, 1);
  iotkit_job_t *job = job_make(1, "/fw.bin", &options);
  clean_environment();
  assert_int_equal(job_fetch_all(job, image, 30000), 0);
  job_assert_image(image);
  iotkit_job_unref(job);
  assert_int_equal(http_server_stop(proxy), 1);
  assert_true(begins(&seen.requests[0], "GET http://127.0.0.1:1/fw.bin HTTP/1.1\r\n"));
}

/* Some other program's proxy is no reason not to connect, but one not to go around it. */
static void an_environment_that_is_not_supported_fails_the_download(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  const struct iotkit_fetch_options options = job_quick();
  clean_environment();
  setenv("ALL_PROXY", "socks5h://user:s3cret@127.0.0.1:1080", 1);
  iotkit_job_t *job = job_make(1, "/fw.bin", &options);
  clean_environment();
  assert_int_equal(job_fetch_all(job, image, 30000), IK_EUNSUPPORTED);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "ALL_PROXY is a proxy over socks5h"));
  assert_null(strstr(detail, "s3cret"));
  iotkit_job_unref(job);
}

/* ---- https ---- */

#if defined(IK_OPENSSL_LINKED)

#define DAY 86400L

struct tls_world {
  struct test_ca *ca;
  struct test_cert cert;
  struct http_server *server;
  struct tls_front *front;
};

static struct tls_world open_tls(struct seen *seen) {
  struct tls_world world = {.ca = test_ca_new("test CA")};
  world.cert = test_ca_issue(world.ca, "IP:127.0.0.1", -DAY, DAY);
  world.server = http_server_start(note, seen);
  world.front = tls_front_start(http_server_port(world.server), world.cert.cert, world.cert.key);
  return world;
}

static unsigned close_tls(struct tls_world *world) {
  tls_front_stop(world->front);
  unsigned requests = http_server_stop(world->server);
  test_cert_free(&world->cert);
  test_ca_free(world->ca);
  return requests;
}

/* An https job for a port that only the proxy makes something of. */
static iotkit_job_t *make_https(const struct tls_world *world, struct connect_proxy *proxy,
                                const char *headers) {
  char url[128];
  const struct iotkit_tls_options trust = {.ca = test_ca_pem(world->ca)};
  struct iotkit_fetch_options options = job_quick();
  snprintf(url, sizeof url, "http://user:s3cret@127.0.0.1:%u", connect_proxy_port(proxy));
  assert_int_equal(iotkit_tls_new(&trust, &options.tls, NULL), 0);
  options.https_proxy = url;
  options.no_proxy = "";
  options.headers = headers;
  iotkit_job_t *job = job_make(1, "/fw.bin", &options);
  iotkit_tls_unref(options.tls);
  return job;
}

static void https_is_end_to_end(void **state) {
  (void)state;
  static struct seen seen;
  char head[1024];
  seen = (struct seen){.serve = serve_cut_once};
  struct tls_world world = open_tls(&seen);
  const struct connect_proxy_options options = {.answer = "HTTP/1.1 200 OK\r\n\r\n",
                                                .then = CONNECT_PROXY_TUNNEL,
                                                .port = tls_front_port(world.front)};
  struct connect_proxy *proxy = connect_proxy_start(&options);
  iotkit_job_t *job = make_https(&world, proxy, "X-Key: k\r\n");
  assert_int_equal(job_fetch_all(job, image, 30000), 0);
  job_assert_image(image);
  iotkit_job_unref(job);
  connect_proxy_stop(proxy, head, sizeof head);
  assert_int_equal(close_tls(&world), 2);
  assert_string_equal(head, "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n"
                            "Proxy-Authorization: Basic dXNlcjpzM2NyZXQ=\r\n\r\n");
  for (unsigned i = 0; i < 2; i++) {
    assert_true(begins(&seen.requests[i], "GET /fw.bin HTTP/1.1\r\n"));
    assert_false(has(&seen.requests[i], "Proxy-Authorization"));
    assert_true(has(&seen.requests[i], "X-Key"));
  }
  assert_int_equal(seen.requests[1].from, 80000);
}

static void check_refusal(const char *answer, int error, const char *text) {
  static struct seen seen;
  char detail[IOTKIT_DETAIL_MAX];
  seen = (struct seen){.serve = job_serve_well};
  struct tls_world world = open_tls(&seen);
  const struct connect_proxy_options options = {.answer = answer, .then = CONNECT_PROXY_CLOSE};
  struct connect_proxy *proxy = connect_proxy_start(&options);
  iotkit_job_t *job = make_https(&world, proxy, "Authorization: Bearer s3cret\r\n");
  assert_int_equal(job_fetch_all(job, image, 30000), error);
  iotkit_job_error(job, detail);
  if (strstr(detail, text) == NULL) fail_msg("%s", detail);
  assert_null(strstr(detail, "s3cret"));
  iotkit_job_unref(job);
  connect_proxy_stop(proxy, NULL, 0);
  assert_int_equal(close_tls(&world), 0);
}

static void refusals_of_a_tunnel(void **state) {
  (void)state;
  check_refusal("HTTP/1.1 407 \r\n\r\n", IK_EPROXY_REFUSED, "refuses the user or password (407)");
  check_refusal("HTTP/1.1 403 \r\n\r\n", IK_EPROXY_REFUSED, "a tunnel to 127.0.0.1:1 (403)");
  check_refusal("HTTP/1.1 502 \r\n\r\n", IK_EPROXY, "opens no tunnel to 127.0.0.1:1 (502)");
  check_refusal("", IK_EPROXY, "closed the connection without an answer");
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(http_asks_the_proxy_for_the_whole_url),
    cmocka_unit_test(a_407_ends_the_download_without_a_retry),
    cmocka_unit_test(a_redirect_chooses_its_own_way),
    cmocka_unit_test(the_environment_of_the_start_counts),
    cmocka_unit_test(an_environment_that_is_not_supported_fails_the_download),
#if defined(IK_OPENSSL_LINKED)
    cmocka_unit_test(https_is_end_to_end),
    cmocka_unit_test(refusals_of_a_tunnel),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
