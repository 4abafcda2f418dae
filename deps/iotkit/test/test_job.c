/*
 * Jobs: what other threads may do to a fetch, digests, copies, options, images that begin again.
 * test_job_faults.c has the answers of bad servers.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/job.h"
#include "support/cm.h"
#include "support/job_run.h"

#define SIZE JOB_SIZE
#define HALF JOB_HALF

static void tells_that_nobody_listens(void **state) {
  (void)state;
  static uint8_t image[16];
  char detail[IOTKIT_DETAIL_MAX];
  struct http_server *server = http_server_start(job_serve_well, NULL);
  uint16_t port = http_server_port(server);
  http_server_stop(server);
  struct iotkit_fetch_options options = job_quick();
  iotkit_job_t *job = job_make(port, "/f", &options);
  assert_int_equal(job_fetch_all(job, image, sizeof(image)), IK_ECONNECT);
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
  struct iotkit_fetch_options options = job_quick();
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &options);
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
  struct iotkit_fetch_options options = job_quick();
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &options);
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
  struct http_server *server = http_server_start(job_serve_well, NULL);
  iotkit_job_t *job = job_make(http_server_port(server), "/f", NULL);
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
  struct fetcher fetcher = {job_make(http_server_port(server), "/f", NULL), 0};
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
  struct http_server *server = http_server_start(job_serve_well, NULL);
  struct iotkit_fetch_options options = job_quick();
  options.external_digest = true;
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &options);
  assert_int_equal(iotkit_job_check(job), IK_EINVALID_STATE);
  assert_int_equal(job_fetch_all(job, image, 4096), 0);
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
  iotkit_job_t *job = job_make(http_server_port(server), "/f", NULL);
  assert_int_equal(job_fetch_all(job, image, 4096), 0);
  assert_int_equal(iotkit_job_check(job), IK_EDIGEST_MISMATCH);
  iotkit_job_unref(job);
  http_server_stop(server);
}

static void is_fetched_again_by_a_copy(void **state) {
  (void)state;
  static uint8_t image[SIZE];
  iotkit_job_t *again = NULL;
  struct http_server *server = http_server_start(job_serve_well, NULL);
  struct iotkit_fetch_options options = job_quick();
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &options);
  assert_int_equal(job_fetch_all(job, image, 4096), 0);
  assert_int_equal(iotkit_job_dup(job, &again), 0);
  assert_string_equal(iotkit_job_upgrade(again)->url, iotkit_job_upgrade(job)->url);
  assert_string_equal(iotkit_job_upgrade(again)->id, "7");
  iotkit_job_unref(job);
  assert_int_equal(iotkit_job_get_state(again), IOTKIT_JOB_READY);
  memset(image, 0, sizeof(image));
  assert_int_equal(job_fetch_all(again, image, 4096), 0);
  job_assert_image(image);
  assert_int_equal(iotkit_job_set_options(again, &options), IK_EINVALID_STATE);
  iotkit_job_unref(again);
  http_server_stop(server);
}

static void refuses_http_when_told_to(void **state) {
  (void)state;
  uint8_t byte;
  struct iotkit_fetch_options options = job_quick();
  options.https_only = true;
  iotkit_job_t *job = job_make(1, "/f", &options);
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
    struct iotkit_fetch_options options = job_quick();
    iotkit_job_t *job = job_make(http_server_port(server), "/f", &options);
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
      job_assert_image(image);
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
  iotkit_job_t *job = job_make(1, "/f", NULL);
  assert_int_equal(iotkit_job_fetch(NULL, &byte, 1, 0, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_fetch(job, NULL, 1, 0, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_fetch(job, &byte, 0, 0, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_check(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_READY);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_job_fetch(job, &byte, 1, 0, NULL), IK_EABORTED);
  iotkit_job_unref(job);
  iotkit_job_unref(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
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
