/*
 * Jobs over real sockets: a scripted server answers well or badly, the job ends with the right
 * image or the right error.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job.h"
#include "base/codec.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/http_server.h"

#define SIZE 100000u
#define HALF (SIZE / 2)
#define TAG "\"v1\""

typedef unsigned long long ull;

/* ---- the image and its notice ---- */

static void image_digest(enum iotkit_digest_method method, char hex[65]) {
  struct ik_digest *digest;
  uint8_t value[IOTKIT_DIGEST_MAX];
  assert_int_equal(ik_digest_new(method, &digest), 0);
  for (unsigned i = 0; i < SIZE; i++) {
    uint8_t byte = http_image_byte(i);
    ik_digest_update(digest, &byte, 1);
  }
  int len = ik_digest_value(digest, value);
  assert_true(len > 0);
  ik_hex_encode(value, (size_t)len, hex);
  ik_digest_free(digest);
}

static iotkit_job_t *make_job(uint16_t port, const char *path,
                              const struct iotkit_fetch_options *options) {
  char json[1024];
  char hex[65];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  image_digest(IOTKIT_DIGEST_SHA256, hex);
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":7,\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"2.0.0\",\"url\":\"http://127.0.0.1:%u%s\",\"signMethod\":\"Sha256\","
           "\"sign\":\"%s\"}}",
           SIZE, port, path, hex);
  int rc = iotkit_job_parse(json, strlen(json), options, &job, detail);
  if (rc != 0) fail_msg("%s", detail);
  return job;
}

static struct iotkit_fetch_options quick(void) {
  return (struct iotkit_fetch_options){
      .retry_min_ms = 1, .retry_max_ms = 2, .max_retries = 3, .idle_timeout_ms = 20000};
}

/* Fetches to the end; the bytes land at their offsets. The job's error, or 0 when it is FETCHED. */
static int fetch_all(iotkit_job_t *job, uint8_t *image, size_t chunk) {
  uint8_t *buf = malloc(chunk);
  int64_t n = 0;
  uint64_t next = 0;
  assert_non_null(buf);
  while (iotkit_job_get_state(job) <= IOTKIT_JOB_FETCHING) {
    uint64_t offset = 0;
    n = iotkit_job_fetch(job, buf, chunk, 30000, &offset);
    if (n <= 0) break;
    assert_true(offset == next || offset == 0);
    assert_true(offset + (uint64_t)n <= SIZE);
    memcpy(image + offset, buf, (size_t)n);
    next = offset + (uint64_t)n;
  }
  free(buf);
  if (iotkit_job_get_state(job) == IOTKIT_JOB_FETCHED) return 0;
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FAILED);
  return iotkit_job_error(job, NULL);
}

static void assert_image(const uint8_t *image) {
  for (unsigned i = 0; i < SIZE; i++) {
    if (image[i] != http_image_byte(i)) fail_msg("byte %u differs", i);
  }
}

/* ---- what the server does, case by case ---- */

static bool well(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  if (!request->has_range) {
    http_send(fd, "HTTP/1.1 200 OK\r\nETag: " TAG "\r\nContent-Length: %u\r\n\r\n", SIZE);
    return http_send_image(fd, 0, SIZE);
  }
  http_send(fd,
            "HTTP/1.1 206 Partial Content\r\nETag: " TAG "\r\n"
            "Content-Range: bytes %llu-%u/%u\r\nContent-Length: %llu\r\n\r\n",
            (ull)request->from, SIZE - 1, SIZE, (ull)(SIZE - request->from));
  return http_send_image(fd, request->from, SIZE - request->from);
}

/* The first answer, cut after half. */
static bool cut_first(void *ctx, int fd, const struct http_request *request) {
  if (request->index > 0) return well(ctx, fd, request);
  http_send(fd, "HTTP/1.1 200 OK\r\nETag: " TAG "\r\nContent-Length: %u\r\n\r\n", SIZE);
  http_send_image(fd, 0, HALF);
  return false;
}

static bool resumes_with_if_range(void *ctx, int fd, const struct http_request *request) {
  char tag[64] = "";
  if (request->index == 1) {
    bool right = http_request_field(request, "If-Range", tag, sizeof(tag)) &&
                 strcmp(tag, TAG) == 0 && request->from == HALF;
    if (!right) http_send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
  }
  return cut_first(ctx, fd, request);
}

static bool reset_first(void *ctx, int fd, const struct http_request *request) {
  if (request->index > 0) return well(ctx, fd, request);
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
  http_send_image(fd, 0, HALF);
  http_reset_on_close(fd);
  return false;
}

static bool close_before_head(void *ctx, int fd, const struct http_request *request) {
  return request->index < 2 ? false : well(ctx, fd, request);
}

static bool close_in_head(void *ctx, int fd, const struct http_request *request) {
  if (request->index > 0) return well(ctx, fd, request);
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Le");
  return false;
}

static bool cut_every_time(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  uint64_t left = SIZE - request->from;
  http_send(fd, "HTTP/1.1 %s\r\nContent-Range: bytes %llu-%u/%u\r\nContent-Length: %llu\r\n\r\n",
            request->has_range ? "206 x" : "200 x", (ull)request->from, SIZE - 1, SIZE, (ull)left);
  http_send_image(fd, request->from, left < 7000 ? left : 7000);
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
  if (request->index > 0) return well(ctx, fd, request);
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
  return well(ctx, fd, request);
}

static bool ranges_ignored(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
  http_send_image(fd, 0, request->index == 0 ? HALF : SIZE);
  return request->index > 0;
}

/* The image changes: the range is answered with another entity tag, then all of it. */
static bool tag_changes(void *ctx, int fd, const struct http_request *request) {
  if (request->index == 0) return cut_first(ctx, fd, request);
  if (!request->has_range) return well(ctx, fd, request);
  return http_send(fd, "HTTP/1.1 206 x\r\nETag: \"v2\"\r\nContent-Range: bytes %u-%u/%u\r\n\r\n",
                   HALF, SIZE - 1, SIZE);
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
  if (request->index >= 2) return well(ctx, fd, request);
  return http_send(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
}

static bool redirect_thrice(void *ctx, int fd, const struct http_request *request) {
  static const char *const to[] = {"/a/b", "../c?d=1", "//127.0.0.1:%u/e"};
  char location[64];
  char host[32] = "";
  if (request->index >= 3) return well(ctx, fd, request);
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
  int error;         /* 0: the image arrives whole and right */
  unsigned requests; /* 0: any number */
  const char *path;  /* NULL: "/f" */
  const char *said;  /* in the detail; NULL: not looked at */
};

static const struct scenario scenarios[] = {
    {"well", well, 0, 1, NULL, NULL},
    {"connection closed in the body", cut_first, 0, 2, NULL, NULL},
    {"resume with If-Range", resumes_with_if_range, 0, 2, NULL, NULL},
    {"connection reset in the body", reset_first, 0, 2, NULL, NULL},
    {"closed before the head", close_before_head, 0, 3, NULL, NULL},
    {"closed in the head", close_in_head, 0, 2, NULL, NULL},
    {"cut again and again, but with progress", cut_every_time, 0, 15, NULL, NULL},
    {"cut without progress", never_a_byte, IK_ETRUNCATED, 4, NULL, "0 of 100000"},
    {"chunked", chunked, 0, 1, NULL, NULL},
    {"chunked, closed behind the last byte", chunked_without_end, 0, 1, NULL, NULL},
    {"chunked, too long", chunked_too_long, IK_ESIZE_MISMATCH, 1, NULL, "100000"},
    {"chunked, malformed once", bad_chunk_once, 0, 2, NULL, NULL},
    {"until close", until_close, 0, 1, NULL, NULL},
    {"until close, too long", until_close_too_long, IK_ESIZE_MISMATCH, 1, NULL, NULL},
    {"interim answers", interim_answers, 0, 1, NULL, NULL},
    {"range ignored", ranges_ignored, 0, 2, NULL, NULL},
    {"entity tag changes", tag_changes, 0, 3, NULL, NULL},
    {"ranges smaller than asked", small_ranges, 0, 4, NULL, NULL},
    {"range at another offset", range_shifted, IK_EHTTP_RANGE, 2, NULL, "49999"},
    {"range of another size", range_of_another_size, IK_EHTTP_RANGE, 2, NULL, "100001"},
    {"206 without Content-Range", range_missing, IK_EHTTP_RANGE, 2, NULL, "50000"},
    {"range and length differ", range_and_length_differ, IK_EHTTP_RANGE, 2, NULL, "49999"},
    {"206 unasked", partial_unasked, IK_EHTTP_RANGE, 1, NULL, NULL},
    {"Content-Length is not the size", wrong_length, IK_ESIZE_MISMATCH, 1, NULL, "100001"},
    {"empty body", empty_body, IK_ESIZE_MISMATCH, 1, NULL, "100000"},
    {"gzip unasked", gzip, IK_EHTTP_ENCODING, 1, NULL, "gzip"},
    {"not HTTP", not_http, IK_EHTTP_PROTOCOL, 4, NULL, "127.0.0.1"},
    {"404", status_by_path, IK_EHTTP_STATUS, 1, "/404?secret", "404 Some Reason"},
    {"401", status_by_path, IK_EHTTP_STATUS, 1, "/401?secret", "401"},
    {"204", status_by_path, IK_EHTTP_STATUS, 1, "/204?secret", "204"},
    {"304", status_by_path, IK_EHTTP_STATUS, 1, "/304?secret", "304"},
    {"416", status_by_path, IK_EHTTP_STATUS, 1, "/416?secret", "416"},
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

static void run_scenario(const struct scenario *scenario, size_t chunk) {
  static uint8_t image[SIZE];
  char detail[IOTKIT_DETAIL_MAX];
  struct http_server *server = http_server_start(scenario->serve, NULL);
  struct iotkit_fetch_options options = quick();
  iotkit_job_t *job =
      make_job(http_server_port(server), scenario->path != NULL ? scenario->path : "/f", &options);
  memset(image, 0xEE, sizeof(image));
  int error = fetch_all(job, image, chunk);
  iotkit_job_error(job, detail);
  if (error != scenario->error) {
    fail_msg("%s: %s (%s), not %s", scenario->name, iotkit_error_name(error), detail,
             iotkit_error_name(scenario->error));
  }
  if (error == 0) {
    assert_image(image);
    assert_int_equal(iotkit_job_check(job), 0);
    assert_int_equal(iotkit_job_received(job), SIZE);
  } else {
    assert_int_equal(iotkit_job_check(job), IK_EINVALID_STATE);
    if (strstr(detail, "127.0.0.1") == NULL || strstr(detail, "secret") != NULL ||
        (scenario->said != NULL && strstr(detail, scenario->said) == NULL)) {
      fail_msg("%s: the detail is \"%s\"", scenario->name, detail);
    }
  }
  iotkit_job_unref(job);
  unsigned requests = http_server_stop(server);
  if (scenario->requests > 0 && requests != scenario->requests) {
    fail_msg("%s: %u requests, not %u", scenario->name, requests, scenario->requests);
  }
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

static void gives_up_on_a_stall(void **state) {
  (void)state;
  static const http_serve_fn stalls[] = {stall_in_body, stall_in_head};
  static uint8_t image[SIZE];
  for (size_t i = 0; i < COUNT(stalls); i++) {
    struct http_server *server = http_server_start(stalls[i], NULL);
    struct iotkit_fetch_options options = quick();
    options.idle_timeout_ms = 20;
    options.response_timeout_ms = 20;
    options.max_retries = 1;
    iotkit_job_t *job = make_job(http_server_port(server), "/f", &options);
    assert_int_equal(fetch_all(job, image, 4096), IK_EIDLE_TIMEOUT);
    iotkit_job_unref(job);
    assert_int_equal(http_server_stop(server), 2);
  }
}

static void tells_that_nobody_listens(void **state) {
  (void)state;
  static uint8_t image[16];
  char detail[IOTKIT_DETAIL_MAX];
  struct http_server *server = http_server_start(well, NULL);
  uint16_t port = http_server_port(server);
  http_server_stop(server);
  struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = make_job(port, "/f", &options);
  assert_int_equal(fetch_all(job, image, sizeof(image)), IK_ECONNECT);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "127.0.0.1"));
  iotkit_job_unref(job);
}

/* ---- what other threads do ---- */

struct gate {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  bool open;
};

static struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void gate_open(void) {
  pthread_mutex_lock(&gate.mutex);
  gate.open = true;
  pthread_cond_broadcast(&gate.cond);
  pthread_mutex_unlock(&gate.mutex);
}

static void gate_wait(void) {
  pthread_mutex_lock(&gate.mutex);
  while (!gate.open)
    pthread_cond_wait(&gate.cond, &gate.mutex);
  gate.open = false;
  pthread_mutex_unlock(&gate.mutex);
}

/* Half of the image, then nothing until the client goes; the gate tells that the half is out. */
static bool half_and_stall(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
  http_send_image(fd, 0, HALF);
  gate_open();
  http_wait_closed(fd);
  return false;
}

static void *abort_when_half(void *job) {
  gate_wait();
  iotkit_job_abort(job);
  return NULL;
}

static void is_aborted_by_another_thread(void **state) {
  (void)state;
  static uint8_t buf[SIZE];
  struct http_server *server = http_server_start(half_and_stall, NULL);
  struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = make_job(http_server_port(server), "/f", &options);
  pthread_t thread;
  uint64_t offset;
  assert_int_equal(pthread_create(&thread, NULL, abort_when_half, job), 0);
  assert_int_equal(iotkit_job_fetch(job, buf, sizeof(buf), UINT32_MAX, &offset), IK_EABORTED);
  pthread_join(thread, NULL);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FAILED);
  assert_int_equal(iotkit_job_error(job, NULL), IK_EABORTED);
  assert_int_equal(iotkit_job_fetch(job, buf, sizeof(buf), 0, &offset), IK_EABORTED);
  iotkit_job_unref(job);
  http_server_stop(server);
}

static void *interrupt_when_half(void *job) {
  gate_wait();
  iotkit_job_interrupt(job);
  return NULL;
}

static void is_interrupted_and_loses_nothing(void **state) {
  (void)state;
  static uint8_t buf[SIZE];
  struct http_server *server = http_server_start(half_and_stall, NULL);
  struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = make_job(http_server_port(server), "/f", &options);
  pthread_t thread;
  uint64_t offset;
  uint64_t got = 0;
  assert_int_equal(pthread_create(&thread, NULL, interrupt_when_half, job), 0);
  for (;;) {
    int64_t n = iotkit_job_fetch(job, buf + got, sizeof(buf) - got, UINT32_MAX, &offset);
    if (n == IK_EINTERRUPTED) break;
    assert_true(n > 0);
    assert_int_equal(offset, got);
    got += (uint64_t)n;
  }
  pthread_join(thread, NULL);
  /* What the socket still holds comes without waiting. */
  while (got < HALF) {
    int64_t n = iotkit_job_fetch(job, buf + got, HALF - got, 1000, &offset);
    assert_true(n > 0);
    got += (uint64_t)n;
  }
  for (unsigned i = 0; i < HALF; i++)
    assert_int_equal(buf[i], http_image_byte(i));
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHING);
  assert_int_equal(iotkit_job_fetch(job, buf, 1, 0, &offset), 0);
  iotkit_job_abort(job);
  iotkit_job_unref(job);
  http_server_stop(server);
}

static void interrupt_ends_the_next_fetch(void **state) {
  (void)state;
  uint8_t byte;
  struct http_server *server = http_server_start(well, NULL);
  iotkit_job_t *job = make_job(http_server_port(server), "/f", NULL);
  iotkit_job_interrupt(job);
  assert_int_equal(iotkit_job_fetch(job, &byte, 1, UINT32_MAX, NULL), IK_EINTERRUPTED);
  assert_int_equal(iotkit_job_fetch(job, &byte, 1, UINT32_MAX, NULL), 1);
  iotkit_job_unref(job);
  http_server_stop(server);
}

struct fetcher {
  iotkit_job_t *job;
  int64_t result;
};

static void *fetch_whole(void *arg) {
  static uint8_t buf[SIZE];
  struct fetcher *fetcher = arg;
  fetcher->result = iotkit_job_fetch(fetcher->job, buf, sizeof(buf), UINT32_MAX, NULL);
  return NULL;
}

static void refuses_a_second_fetch_at_once(void **state) {
  (void)state;
  uint8_t byte;
  struct http_server *server = http_server_start(half_and_stall, NULL);
  struct fetcher fetcher = {make_job(http_server_port(server), "/f", NULL), 0};
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, fetch_whole, &fetcher), 0);
  gate_wait();
  assert_int_equal(iotkit_job_fetch(fetcher.job, &byte, 1, 0, NULL), IK_EBUSY);
  iotkit_job_abort(fetcher.job);
  pthread_join(thread, NULL);
  assert_int_equal(fetcher.result, IK_EABORTED);
  iotkit_job_unref(fetcher.job);
  http_server_stop(server);
}

/* ---- digests, copies, options ---- */

static void takes_the_digest_from_the_caller(void **state) {
  (void)state;
  static uint8_t image[SIZE];
  struct http_server *server = http_server_start(well, NULL);
  struct iotkit_fetch_options options = quick();
  options.external_digest = true;
  iotkit_job_t *job = make_job(http_server_port(server), "/f", &options);
  assert_int_equal(iotkit_job_check(job), IK_EINVALID_STATE);
  assert_int_equal(fetch_all(job, image, 4096), 0);
  assert_int_equal(iotkit_job_check(job), IK_ESIZE_MISMATCH);
  assert_int_equal(iotkit_job_digest(job, 0, image, 1000), 0);
  assert_int_equal(iotkit_job_digest(job, 1001, image, 1), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_digest(job, 0, image, 7), 0); /* begins again */
  assert_int_equal(iotkit_job_digest(job, 7, image + 7, SIZE - 7), 0);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(iotkit_job_check(job), 0);
  image[SIZE - 1] ^= 1;
  assert_int_equal(iotkit_job_digest(job, 0, image, SIZE), 0);
  assert_int_equal(iotkit_job_check(job), IK_EDIGEST_MISMATCH);
  iotkit_job_unref(job);
  http_server_stop(server);
}

static bool one_wrong_byte(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\nX", SIZE);
  return http_send_image(fd, 1, SIZE - 1);
}

static void finds_one_wrong_byte(void **state) {
  (void)state;
  static uint8_t image[SIZE];
  struct http_server *server = http_server_start(one_wrong_byte, NULL);
  iotkit_job_t *job = make_job(http_server_port(server), "/f", NULL);
  assert_int_equal(fetch_all(job, image, 4096), 0);
  assert_int_equal(iotkit_job_check(job), IK_EDIGEST_MISMATCH);
  iotkit_job_unref(job);
  http_server_stop(server);
}

static void is_fetched_again_by_a_copy(void **state) {
  (void)state;
  static uint8_t image[SIZE];
  iotkit_job_t *again = NULL;
  struct http_server *server = http_server_start(well, NULL);
  struct iotkit_fetch_options options = quick();
  iotkit_job_t *job = make_job(http_server_port(server), "/f", &options);
  assert_int_equal(fetch_all(job, image, 4096), 0);
  assert_int_equal(iotkit_job_dup(job, &again), 0);
  assert_string_equal(iotkit_job_upgrade(again)->url, iotkit_job_upgrade(job)->url);
  assert_string_equal(iotkit_job_upgrade(again)->id, "7");
  iotkit_job_unref(job);
  assert_int_equal(iotkit_job_get_state(again), IOTKIT_JOB_READY);
  memset(image, 0, sizeof(image));
  assert_int_equal(fetch_all(again, image, 4096), 0);
  assert_image(image);
  assert_int_equal(iotkit_job_set_options(again, &options), IK_EINVALID_STATE);
  iotkit_job_unref(again);
  http_server_stop(server);
}

static void refuses_http_when_told_to(void **state) {
  (void)state;
  uint8_t byte;
  struct iotkit_fetch_options options = quick();
  options.https_only = true;
  iotkit_job_t *job = make_job(1, "/f", &options);
  assert_int_equal(iotkit_job_fetch(job, &byte, 1, 1000, NULL), IK_ETLS_REQUIRED);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FAILED);
  iotkit_job_unref(job);
}

/*
 * Half, then the connection goes; then from the start again, as *ctx says: the same bytes, or
 * others.
 */
static bool again_from_the_start(void *ctx, int fd, const struct http_request *request) {
  const bool *same = ctx;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
  if (request->index == 0) {
    http_send_image(fd, 0, HALF);
    return false;
  }
  /* Cut once more in the middle of what is skipped. */
  if (request->index == 1) {
    http_send_image(fd, 0, HALF / 2);
    return false;
  }
  if (!*same) return http_send(fd, "X") && http_send_image(fd, 1, SIZE - 1);
  return http_send_image(fd, 0, SIZE);
}

static void skips_what_cannot_be_taken_back(void **state) {
  (void)state;
  static uint8_t image[SIZE];
  for (int same = 0; same < 2; same++) {
    bool is_same = same == 1;
    struct http_server *server = http_server_start(again_from_the_start, &is_same);
    struct iotkit_fetch_options options = quick();
    iotkit_job_t *job = make_job(http_server_port(server), "/f", &options);
    ik_job_set_no_rewind(job);
    uint64_t got = 0;
    int64_t n;
    do {
      uint64_t offset;
      n = iotkit_job_fetch(job, image + got, SIZE - got < 999 ? SIZE - got : 999, 30000, &offset);
      if (n > 0) assert_int_equal(offset, got);
      if (n > 0) got += (uint64_t)n;
    } while (n > 0 && got < SIZE);
    if (is_same) {
      assert_int_equal(got, SIZE);
      assert_image(image);
      assert_int_equal(iotkit_job_check(job), 0);
    } else {
      assert_int_equal(n, IK_ECHANGED);
      assert_int_equal(got, HALF);
    }
    iotkit_job_unref(job);
    assert_int_equal(http_server_stop(server), 3);
  }
}

static void refuses_bad_arguments(void **state) {
  (void)state;
  uint8_t byte;
  iotkit_job_t *job = make_job(1, "/f", NULL);
  assert_int_equal(iotkit_job_fetch(NULL, &byte, 1, 0, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_fetch(job, NULL, 1, 0, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_fetch(job, &byte, 0, 0, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_digest(job, 0, &byte, 1), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_check(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_READY);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_job_fetch(job, &byte, 1, 0, NULL), IK_EABORTED);
  iotkit_job_unref(job);
  iotkit_job_unref(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ends_as_it_must),
      cmocka_unit_test(ends_as_it_must_with_small_buffers),
      cmocka_unit_test(gives_up_on_a_stall),
      cmocka_unit_test(tells_that_nobody_listens),
      cmocka_unit_test(is_aborted_by_another_thread),
      cmocka_unit_test(is_interrupted_and_loses_nothing),
      cmocka_unit_test(interrupt_ends_the_next_fetch),
      cmocka_unit_test(refuses_a_second_fetch_at_once),
      cmocka_unit_test(takes_the_digest_from_the_caller),
      cmocka_unit_test(finds_one_wrong_byte),
      cmocka_unit_test(is_fetched_again_by_a_copy),
      cmocka_unit_test(refuses_http_when_told_to),
      cmocka_unit_test(skips_what_cannot_be_taken_back),
      cmocka_unit_test(refuses_bad_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
