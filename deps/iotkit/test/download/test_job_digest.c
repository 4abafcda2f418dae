/*
 * The digest of a job's image: computed by the fetch or by the caller, and checked at the end.
 */
#include "iotkit_ota.h"
#include "support/cm.h"
#include "support/job_run.h"

static void takes_the_digest_from_the_caller(void **state) {
  (void)state;
  static uint8_t image[JOB_SIZE];
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
  assert_int_equal(iotkit_job_digest(job, 7, image + 7, JOB_SIZE - 7), 0);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(iotkit_job_check(job), 0);
  image[JOB_SIZE - 1] ^= 1;
  assert_int_equal(iotkit_job_digest(job, 0, image, JOB_SIZE), 0);
  assert_int_equal(iotkit_job_check(job), IK_EDIGEST_MISMATCH);
  iotkit_job_unref(job);
  http_server_stop(server);
}

static bool one_wrong_byte(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\nX", JOB_SIZE);
  return http_send_image(fd, 1, JOB_SIZE - 1);
}

static void finds_one_wrong_byte(void **state) {
  (void)state;
  static uint8_t image[JOB_SIZE];
  struct http_server *server = http_server_start(one_wrong_byte, NULL);
  iotkit_job_t *job = job_make(http_server_port(server), "/f", NULL);
  assert_int_equal(job_fetch_all(job, image, 4096), 0);
  assert_int_equal(iotkit_job_check(job), IK_EDIGEST_MISMATCH);
  iotkit_job_unref(job);
  http_server_stop(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_the_digest_from_the_caller),
      cmocka_unit_test(finds_one_wrong_byte),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
