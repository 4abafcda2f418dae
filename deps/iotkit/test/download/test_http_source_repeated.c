/*
 * A body that begins again where the bytes handed out cannot be taken back: it is compared with them
 * and skipped.
 */
#include "download/job.h"
#include "support/cm.h"
#include "support/job_run.h"

/*
 * Half, then the connection goes; then from the start again, as *ctx says: the same bytes, or
 * others.
 */
static bool again_from_the_start(void *ctx, int fd, const struct http_request *request) {
  const bool *same = ctx;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", JOB_SIZE);
  if (request->index == 0) {
    http_send_image(fd, 0, JOB_HALF);
    return false;
  }
  /* Cut once more in the middle of what is skipped. */
  if (request->index == 1) {
    http_send_image(fd, 0, JOB_HALF / 2);
    return false;
  }
  if (!*same) return http_send(fd, "X") && http_send_image(fd, 1, JOB_SIZE - 1);
  return http_send_image(fd, 0, JOB_SIZE);
}

static void skips_what_cannot_be_taken_back(void **state) {
  (void)state;
  static uint8_t image[JOB_SIZE];
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
      n = iotkit_job_fetch(job, image + got, JOB_SIZE - got < 999 ? JOB_SIZE - got : 999, 30000,
                           &offset);
      if (n > 0) assert_int_equal(offset, got);
      if (n > 0) got += (uint64_t)n;
    } while (n > 0 && got < JOB_SIZE);
    if (is_same) {
      assert_int_equal(got, JOB_SIZE);
      job_assert_image(image);
      assert_int_equal(iotkit_job_check(job), 0);
    } else {
      assert_int_equal(n, IK_ECHANGED);
      assert_int_equal(got, JOB_HALF);
    }
    iotkit_job_unref(job);
    assert_int_equal(http_server_stop(server), 3);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(skips_what_cannot_be_taken_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
