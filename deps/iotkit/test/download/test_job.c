/*
 * Jobs: what other threads may do to a fetch, and the arguments of the calls.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/job_run.h"

#define SIZE JOB_SIZE
#define HALF JOB_HALF

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

/* Half of the image, then nothing until the client goes; the gate opens once the half is out. */
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
    int64_t n = iotkit_job_fetch(job, buf + got, HALF - got, UINT32_MAX, &offset);
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

static void refuses_a_second_fetch_meanwhile(void **state) {
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
      cmocka_unit_test(is_aborted_by_another_thread),
      cmocka_unit_test(is_interrupted_and_loses_nothing),
      cmocka_unit_test(interrupt_ends_the_next_fetch),
      cmocka_unit_test(refuses_a_second_fetch_meanwhile),
      cmocka_unit_test(refuses_bad_arguments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
