/*
 * Jobs over real sockets: a server answers well or badly, case by case; the job ends with the right
 * image or with the right error, whatever the size of the buffer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iotkit_ota.h"
#include "support/certs.h"
#include "support/cm.h"
#include "support/job_run.h"
#include "support/tcp_peer.h"
#include "support/tls_front.h"

#define SIZE JOB_SIZE
#define HALF JOB_HALF

typedef unsigned long long ull;

/* The first answer, cut after half. */
static bool cut_first(void *ctx, int fd, const struct http_request *request) {
  if (request->index > 0) return job_serve_well(ctx, fd, request);
  http_send(fd, "HTTP/1.1 200 OK\r\nETag: " JOB_TAG "\r\nContent-Length: %u\r\n\r\n", SIZE);
  http_send_image(fd, 0, HALF);
  return false;
}

static bool resumes_without_if_range(void *ctx, int fd, const struct http_request *request) {
  char tag[64] = "";
  if (request->index == 1) {
    bool right =
        !http_request_field(request, "If-Range", tag, sizeof(tag)) && request->from == HALF;
    if (!right) http_send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
  }
  return cut_first(ctx, fd, request);
}

static bool reset_first(void *ctx, int fd, const struct http_request *request) {
  if (request->index > 0) return job_serve_well(ctx, fd, request);
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
  http_send_image(fd, 0, HALF);
  http_reset_on_close(fd);
  return false;
}

static bool close_before_head(void *ctx, int fd, const struct http_request *request) {
  return request->index < 2 ? false : job_serve_well(ctx, fd, request);
}

static bool close_in_head(void *ctx, int fd, const struct http_request *request) {
  if (request->index > 0) return job_serve_well(ctx, fd, request);
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Le");
  return false;
}

static bool cut_every_time(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  uint64_t left = SIZE - request->from;
  http_send(fd, "HTTP/1.1 %s\r\nContent-Range: bytes %llu-%u/%u\r\nContent-Length: %llu\r\n\r\n",
            request->has_range ? "206 x" : "200 x", (ull)request->from, SIZE - 1, SIZE, (ull)left);
  http_send_image(fd, request->from, left < 20000 ? left : 20000);
  return false;
}

static bool never_a_byte(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
  return false;
}

static bool chunked(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  static const unsigned sizes[] = {1, 15, 16, 4095, 4096, 4097, 30000, 17};
  unsigned at = 0;
  http_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (unsigned i = 0; at < SIZE; i++) {
    unsigned n = sizes[i % COUNT(sizes)] < SIZE - at ? sizes[i % COUNT(sizes)] : SIZE - at;
    http_send(fd, "%X;ext=\"1\"\r\n", n);
    http_send_image(fd, at, n);
    http_send(fd, "\r\n");
    at += n;
  }
  return http_send(fd, "0\r\nTrailer: x\r\n\r\n");
}

static bool chunked_without_end(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", SIZE);
  http_send_image(fd, 0, SIZE);
  return false;
}

static bool chunked_too_long(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", SIZE);
  http_send_image(fd, 0, SIZE);
  return http_send(fd, "\r\n5\r\nextra\r\n0\r\n\r\n");
}

static bool bad_chunk_once(void *ctx, int fd, const struct http_request *request) {
  if (request->index > 0) return job_serve_well(ctx, fd, request);
  http_send(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", HALF);
  http_send_image(fd, 0, HALF);
  http_send(fd, "\r\nzz\r\n");
  return false;
}

static bool until_close(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.0 200 OK\r\n\r\n");
  http_send_image(fd, 0, SIZE);
  return false;
}

static bool until_close_too_long(void *ctx, int fd, const struct http_request *request) {
  until_close(ctx, fd, request);
  http_send(fd, "more");
  return false;
}

static bool interim_answers(void *ctx, int fd, const struct http_request *request) {
  http_send(fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
  return job_serve_well(ctx, fd, request);
}

static bool ranges_ignored(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
  http_send_image(fd, 0, request->index == 0 ? HALF : SIZE);
  return request->index > 0;
}

/* The range comes from another node, which has another entity tag. */
static bool tag_changes(void *ctx, int fd, const struct http_request *request) {
  if (request->index == 0) return cut_first(ctx, fd, request);
  http_send(fd, "HTTP/1.1 206 x\r\nETag: \"v2\"\r\nContent-Range: bytes %u-%u/%u\r\n\r\n", HALF,
            SIZE - 1, SIZE);
  http_send_image(fd, HALF, HALF);
  return false;
}

static bool small_ranges(void *ctx, int fd, const struct http_request *request) {
  if (request->index == 0) return cut_first(ctx, fd, request);
  uint64_t left = SIZE - request->from;
  uint64_t n = left < 20000 ? left : 20000;
  http_send(fd,
            "HTTP/1.1 206 x\r\nContent-Range: bytes %llu-%llu/*\r\nContent-Length: %llu\r\n\r\n",
            (ull)request->from, (ull)(request->from + n - 1), (ull)n);
  return http_send_image(fd, request->from, n);
}

static bool range_with(int fd, const struct http_request *request, const char *fields) {
  if (request->index == 0) return cut_first(NULL, fd, request);
  http_send(fd, "HTTP/1.1 206 x\r\n%s\r\n", fields);
  http_send_image(fd, HALF, HALF);
  return false;
}

static bool range_shifted(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  return range_with(fd, request, "Content-Range: bytes 49999-99999/100000\r\n");
}

static bool range_of_another_size(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  return range_with(fd, request, "Content-Range: bytes 50000-99999/100001\r\n");
}

static bool range_missing(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  return range_with(fd, request, "");
}

static bool range_and_length_differ(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  return range_with(fd, request,
                    "Content-Range: bytes 50000-99999/100000\r\nContent-Length: 49999\r\n");
}

static bool partial_unasked(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "HTTP/1.1 206 x\r\nContent-Range: bytes 0-99999/100000\r\n\r\n");
}

static bool wrong_length(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE + 1);
}

static bool empty_body(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

static bool gzip(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n");
}

static bool not_http(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "220 mail.example ESMTP\r\n");
}

/* The path of the request says with which status to answer: "/404". */
static bool status_by_path(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  return http_send(fd, "HTTP/1.1 %.3s Some Reason\r\nContent-Length: 4\r\n\r\nbody",
                   request->head + strlen("GET /"));
}

static bool busy_twice(void *ctx, int fd, const struct http_request *request) {
  if (request->index >= 2) return job_serve_well(ctx, fd, request);
  return http_send(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
}

static bool redirect_thrice(void *ctx, int fd, const struct http_request *request) {
  static const char *const to[] = {"/a/b", "../c?d=1", "//127.0.0.1:%u/e"};
  char location[64];
  char host[32] = "";
  if (request->index >= 3) return job_serve_well(ctx, fd, request);
  http_request_field(request, "Host", host, sizeof(host));
  const char *port = strchr(host, ':');
  snprintf(location, sizeof(location), to[request->index],
           port != NULL ? (unsigned)strtoul(port + 1, NULL, 10) : 0u);
  return http_send(fd, "HTTP/1.1 30%u x\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
                   request->index == 2 ? 7 : request->index + 1, location);
}

static bool redirect_for_ever(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "HTTP/1.1 302 x\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
}

static bool redirect_nowhere(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "HTTP/1.1 302 x\r\nContent-Length: 0\r\n\r\n");
}

static bool redirect_to_ftp(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  return http_send(fd, "HTTP/1.1 302 x\r\nLocation: ftp://h/f?secret\r\n\r\n");
}

static bool stall_in_body(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
  http_wait_closed(fd);
  return false;
}

static bool stall_in_head(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\n");
  http_wait_closed(fd);
  return false;
}

struct scenario {
  const char *name;
  http_serve_fn serve;
  int error;           /* 0: the image arrives whole and right */
  unsigned requests;   /* 0: any number */
  const char *path;    /* NULL: "/f" */
  const char *excerpt; /* of the detail; NULL: any */
};

static const struct scenario scenarios[] = {
    {"well", job_serve_well, 0, 1, NULL, NULL},
    {"connection closed in the body", cut_first, 0, 2, NULL, NULL},
    {"resume without If-Range", resumes_without_if_range, 0, 2, NULL, NULL},
    {"connection reset in the body", reset_first, 0, 2, NULL, NULL},
    {"closed before the head", close_before_head, 0, 3, NULL, NULL},
    {"closed in the head", close_in_head, 0, 2, NULL, NULL},
    {"cut again and again, but with progress", cut_every_time, 0, 5, NULL, NULL},
    {"cut without progress", never_a_byte, IK_ETRUNCATED, 4, NULL, "0 of 100000"},
    {"chunked", chunked, 0, 1, NULL, NULL},
    {"chunked, closed after the last byte", chunked_without_end, 0, 1, NULL, NULL},
    {"chunked, too long", chunked_too_long, IK_ESIZE_MISMATCH, 1, NULL, "100000"},
    {"chunked, malformed once", bad_chunk_once, 0, 2, NULL, NULL},
    {"until close", until_close, 0, 1, NULL, NULL},
    {"until close, too long", until_close_too_long, IK_ESIZE_MISMATCH, 1, NULL, NULL},
    {"interim answers", interim_answers, 0, 1, NULL, NULL},
    {"range ignored", ranges_ignored, 0, 2, NULL, NULL},
    {"entity tag changes", tag_changes, 0, 2, NULL, NULL},
    {"ranges smaller than asked", small_ranges, 0, 4, NULL, NULL},
    {"range at another offset", range_shifted, IK_EHTTP_RANGE, 3, NULL, "49999"},
    {"range of another size", range_of_another_size, IK_EHTTP_RANGE, 3, NULL, "100001"},
    {"206 without Content-Range", range_missing, IK_EHTTP_RANGE, 3, NULL, "no usable range"},
    {"range and length differ", range_and_length_differ, IK_EHTTP_RANGE, 3, NULL, "99999"},
    {"206 unasked", partial_unasked, IK_EHTTP_RANGE, 1, NULL, NULL},
    {"Content-Length is not the size", wrong_length, IK_ESIZE_MISMATCH, 1, NULL, "100001"},
    {"empty body", empty_body, IK_ESIZE_MISMATCH, 1, NULL, "100000"},
    {"gzip of another length", gzip, IK_ESIZE_MISMATCH, 1, NULL, "Content-Length is 9"},
    {"not HTTP", not_http, IK_EHTTP_PROTOCOL, 4, NULL, "127.0.0.1"},
    {"404", status_by_path, IK_EHTTP_STATUS, 1, "/404?secret", "404 Some Reason"},
    {"401", status_by_path, IK_EHTTP_STATUS, 1, "/401?secret", "401"},
    {"204", status_by_path, IK_EHTTP_STATUS, 1, "/204?secret", "204"},
    {"304", status_by_path, IK_EHTTP_STATUS, 1, "/304?secret", "304"},
    {"416", status_by_path, IK_EHTTP_RANGE, 1, "/416?secret", "416"},
    {"403", status_by_path, IK_EURL_EXPIRED, 1, "/403?secret", "403"},
    {"410", status_by_path, IK_EURL_EXPIRED, 1, "/410?secret", "410"},
    {"500", status_by_path, IK_EHTTP_UNAVAILABLE, 4, "/500?secret", "500"},
    {"429", status_by_path, IK_EHTTP_UNAVAILABLE, 4, "/429?secret", "429"},
    {"busy for a while", busy_twice, 0, 3, NULL, NULL},
    {"redirects", redirect_thrice, 0, 4, NULL, NULL},
    {"redirects for ever", redirect_for_ever, IK_EHTTP_REDIRECTS, 6, "/?secret", "5"},
    {"redirect without Location", redirect_nowhere, IK_EHTTP_STATUS, 1, "/?secret", "302"},
    {"redirect to ftp", redirect_to_ftp, IK_EURL_SCHEME, 1, "/?secret", "redirect"},
};

static void check_end(const struct scenario *scenario, iotkit_job_t *job, int error,
                      const uint8_t *image) {
  char detail[IOTKIT_DETAIL_MAX];
  iotkit_job_error(job, detail);
  if (error != scenario->error) {
    fail_msg("%s: %s (%s), not %s", scenario->name, iotkit_error_name(error), detail,
             iotkit_error_name(scenario->error));
  }
  if (error == 0) {
    job_assert_image(image);
    assert_int_equal(iotkit_job_check(job), 0);
    assert_int_equal(iotkit_job_received(job), SIZE);
  } else {
    assert_int_equal(iotkit_job_check(job), IK_EINVALID_STATE);
    if (strstr(detail, "127.0.0.1") == NULL || strstr(detail, "secret") != NULL ||
        (scenario->excerpt != NULL && strstr(detail, scenario->excerpt) == NULL)) {
      fail_msg("%s: the detail is \"%s\"", scenario->name, detail);
    }
  }
}

/* One job against the server, at `port`, which may be that of something before it. */
static void run_job(const struct scenario *scenario, uint16_t port, iotkit_tls_t *tls,
                    size_t chunk) {
  static uint8_t image[SIZE];
  struct iotkit_fetch_options options = job_quick();
  options.tls = tls;
  iotkit_job_t *job = job_make(port, scenario->path != NULL ? scenario->path : "/f", &options);
  memset(image, 0xEE, sizeof(image));
  check_end(scenario, job, job_fetch_all(job, image, chunk), image);
  iotkit_job_unref(job);
}

static void check_requests(const struct scenario *scenario, struct http_server *server) {
  unsigned requests = http_server_stop(server);
  if (scenario->requests > 0 && requests != scenario->requests) {
    fail_msg("%s: %u requests, not %u", scenario->name, requests, scenario->requests);
  }
}

static void run_scenario(const struct scenario *scenario, size_t chunk) {
  struct http_server *server = http_server_start(scenario->serve, NULL);
  run_job(scenario, http_server_port(server), NULL, chunk);
  check_requests(scenario, server);
}

static void ends_as_it_must(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(scenarios); i++)
    run_scenario(&scenarios[i], 65536);
}

static void ends_as_it_must_with_small_buffers(void **state) {
  (void)state;
  static const size_t chunks[] = {1, 3, 5000, SIZE, SIZE + 1};
  for (size_t c = 0; c < COUNT(chunks); c++) {
    for (size_t i = 0; i < COUNT(scenarios); i++)
      run_scenario(&scenarios[i], chunks[c]);
  }
}

static void count_stall(void *ctx, const struct iotkit_retry *retry) {
  unsigned *stalls = ctx;
  assert_int_equal(retry->error, IK_EIDLE_TIMEOUT);
  ++*stalls;
}

static void fails_on_a_stall(void **state) {
  (void)state;
  static const http_serve_fn stalls[] = {stall_in_body, stall_in_head};
  static uint8_t image[SIZE];
  for (size_t i = 0; i < COUNT(stalls); i++) {
    struct http_server *server = http_server_start(stalls[i], NULL);
    struct iotkit_fetch_options options = job_quick();
    options.idle_timeout_ms = 20;
    options.response_timeout_ms = 20;
    options.max_retries = 1;
    iotkit_job_t *job = job_make(http_server_port(server), "/f", &options);
    unsigned retries = 0;
    assert_int_equal(iotkit_job_on_retry(job, count_stall, &retries), 0);
    assert_int_equal(job_fetch_all(job, image, 4096), IK_EIDLE_TIMEOUT);
    iotkit_job_unref(job);
    assert_int_equal(retries, 1);
    http_server_stop(server); /* it may not have come to accept the second in its short time */
  }
}

static void reports_that_nobody_listens(void **state) {
  (void)state;
  static uint8_t image[16];
  char detail[IOTKIT_DETAIL_MAX];
  struct iotkit_fetch_options options = job_quick();
  iotkit_job_t *job = job_make(peer_free_port(4), "/f", &options);
  assert_int_equal(job_fetch_all(job, image, sizeof(image)), IK_ECONNECT);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "127.0.0.1"));
  iotkit_job_unref(job);
}

static void refuses_http_where_https_is_required(void **state) {
  (void)state;
  uint8_t byte;
  struct iotkit_fetch_options options = job_quick();
  options.https_only = true;
  iotkit_job_t *job = job_make(1, "/f", &options);
  assert_int_equal(iotkit_job_fetch(job, &byte, 1, 1000, NULL), IK_ETLS_REQUIRED);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FAILED);
  iotkit_job_unref(job);
}

#if defined(IK_OPENSSL_LINKED)
static void ends_as_it_must_over_tls(void **state) {
  (void)state;
  struct test_ca *ca = test_ca_new("ca");
  struct test_cert cert = test_ca_issue(ca, "IP:127.0.0.1", -60, 3600);
  const struct iotkit_tls_options options = {.ca = test_ca_pem(ca)};
  iotkit_tls_t *tls = NULL;
  assert_int_equal(iotkit_tls_new(&options, &tls, NULL), 0);
  for (size_t i = 0; i < COUNT(scenarios); i++) {
    struct http_server *server = http_server_start(scenarios[i].serve, NULL);
    struct tls_front *front = tls_front_start(http_server_port(server), cert.cert, cert.key);
    run_job(&scenarios[i], tls_front_port(front), tls, 65536);
    tls_front_stop(front);
    check_requests(&scenarios[i], server);
  }
  iotkit_tls_unref(tls);
  test_cert_free(&cert);
  test_ca_free(ca);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(ends_as_it_must),
    cmocka_unit_test(ends_as_it_must_with_small_buffers),
    cmocka_unit_test(fails_on_a_stall),
    cmocka_unit_test(reports_that_nobody_listens),
    cmocka_unit_test(refuses_http_where_https_is_required),
#if defined(IK_OPENSSL_LINKED)
    cmocka_unit_test(ends_as_it_must_over_tls),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
