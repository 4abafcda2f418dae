/*
 * What iotkit_image_on_phase() and iotkit_save_options.on_phase tell, in each way a download can
 * go: over real sockets, by iotkit_job_save().
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "iotkit_file.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/job_run.h"

/* A download that is watched: a letter for each phase, and what is done in one of them. */
struct watch {
  char letters[32];
  enum iotkit_phase abort_in; /* 0: in none */
  iotkit_job_t *job;
};

static void note(void *ctx, enum iotkit_phase phase) {
  static const char letters[] = "?PFVC";
  struct watch *watch = ctx;
  size_t len = strlen(watch->letters);
  assert_true(phase >= IOTKIT_PHASE_PROVING && phase <= IOTKIT_PHASE_COMMITTING);
  assert_true(len + 1 < sizeof watch->letters);
  watch->letters[len] = letters[phase];
  if (phase == watch->abort_in) iotkit_job_abort(watch->job);
}

/* What the server of a test is to do. */
struct site {
  unsigned limit; /* bytes of the body until it is cut; 0: none */
  bool wrong;     /* the first byte is */
};

static bool serve(void *ctx, int fd, const struct http_request *request) {
  const struct site *site = ctx;
  unsigned from = (unsigned)request->from;
  if (request->has_range) {
    http_send(fd,
              "HTTP/1.1 206 Partial Content\r\nETag: " JOB_TAG "\r\n"
              "Content-Range: bytes %u-%u/%u\r\nContent-Length: %u\r\n\r\n",
              from, JOB_SIZE - 1, JOB_SIZE, JOB_SIZE - from);
  } else {
    http_send(fd, "HTTP/1.1 200 OK\r\nETag: " JOB_TAG "\r\nContent-Length: %u\r\n\r\n", JOB_SIZE);
  }
  if (site->wrong && from == 0) {
    uint8_t byte = http_image_byte(from++) ^ 1;
    send(fd, &byte, 1, MSG_NOSIGNAL);
  }
  unsigned to = site->limit != 0 ? site->limit : JOB_SIZE;
  if (from < to) http_send_image(fd, from, to - from);
  return site->limit == 0;
}

/* Saves once, as after a restart: another job, another URL. Returns the result. */
static int save_once(struct site site, struct watch *watch) {
  const struct iotkit_save_options options = {.on_phase = note, .ctx = watch};
  struct http_server *server = http_server_start(serve, &site);
  struct iotkit_fetch_options fetch = job_quick();
  watch->job = job_make(http_server_port(server), "/f", &fetch);
  int rc = iotkit_job_save(watch->job, "image", &options, NULL);
  iotkit_job_unref(watch->job);
  http_server_stop(server);
  return rc;
}

static void assert_phases(struct site site, const char *expected, int result) {
  struct watch watch = {.abort_in = 0};
  assert_int_equal(save_once(site, &watch), result);
  assert_string_equal(watch.letters, expected);
}

static void leave_half(bool wrong) {
  struct watch watch = {.abort_in = 0};
  assert_true(save_once((struct site){.limit = JOB_HALF, .wrong = wrong}, &watch) < 0);
  assert_string_equal(watch.letters, "F"); /* whatever tries there were */
}

static void a_fresh_download(void **state) {
  (void)state;
  assert_phases((struct site){0}, "FVC", 0);
}

static void bytes_of_an_earlier_run_are_proven(void **state) {
  (void)state;
  leave_half(false);
  assert_phases((struct site){0}, "PFVC", 0);
}

static void what_was_wrong_is_fetched_again(void **state) {
  (void)state;
  leave_half(true);
  assert_phases((struct site){0}, "PFVFVC", 0);
}

static void a_wrong_image_is_not_committed(void **state) {
  (void)state;
  assert_phases((struct site){.wrong = true}, "FV", IK_EDIGEST_MISMATCH);
}

/* An abort ends the phase in which it comes; what is verified is beyond it. */
static void it_may_be_aborted_in_each(void **state) {
  static const struct {
    enum iotkit_phase phase;
    const char *letters;
    int result;
  } rows[] = {
      {IOTKIT_PHASE_PROVING, "P", IK_EABORTED},
      {IOTKIT_PHASE_FETCHING, "PF", IK_EABORTED},
      {IOTKIT_PHASE_VERIFYING, "PFVC", 0},
  };
  (void)state;
  leave_half(false);
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct watch watch = {.abort_in = rows[i].phase};
    assert_int_equal(save_once((struct site){0}, &watch), rows[i].result);
    assert_string_equal(watch.letters, rows[i].letters);
  }
}

/* A loop of the program's own hears the same; an interrupted fetch begins no phase. */
static void a_loop_of_ones_own(void **state) {
  struct site site = {0};
  struct watch watch = {.abort_in = 0};
  struct iotkit_fetch_options fetch = job_quick();
  iotkit_image_t *image;
  uint8_t block[4096];
  uint64_t offset = 0;
  bool again;
  int64_t n;
  (void)state;
  struct http_server *server = http_server_start(serve, &site);
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &fetch);
  assert_int_equal(iotkit_image_new(job, &image), 0);
  assert_int_equal(iotkit_image_on_phase(image, note, &watch), 0);
  assert_int_equal(iotkit_image_open(image, "image", NULL, true, NULL), 0);
  assert_int_equal(iotkit_image_resume(image, NULL), 0);
  assert_string_equal(watch.letters, "");
  iotkit_job_interrupt(job);
  while (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED) {
    n = iotkit_image_fetch(image, block, sizeof block, UINT32_MAX, &offset, NULL);
    if (n > 0) assert_int_equal(iotkit_image_write(image, offset, block, (size_t)n, NULL), 0);
  }
  n = iotkit_image_fetch(image, block, sizeof block, UINT32_MAX, &offset, NULL);
  assert_int_equal(n, 0); /* once more: there is nothing */
  assert_string_equal(watch.letters, "FV");
  assert_int_equal(iotkit_image_on_phase(image, NULL, NULL), 0); /* nobody is told any more */
  assert_int_equal(iotkit_image_check(image, &again, NULL), 0);
  assert_int_equal(iotkit_image_commit(image, NULL), 0);
  assert_string_equal(watch.letters, "FV");
  iotkit_image_free(image);
  iotkit_job_unref(job);
  http_server_stop(server);
}

static void a_job_that_was_aborted_begins_none(void **state) {
  struct watch watch = {.abort_in = 0};
  struct iotkit_fetch_options fetch = job_quick();
  iotkit_image_t *image;
  uint8_t byte;
  uint64_t offset;
  (void)state;
  iotkit_job_t *job = job_make(1, "/f", &fetch);
  assert_int_equal(iotkit_image_new(job, &image), 0);
  assert_int_equal(iotkit_image_on_phase(image, note, &watch), 0);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_image_fetch(image, &byte, 1, 0, &offset, NULL), IK_EABORTED);
  assert_int_equal(iotkit_image_commit(image, NULL), 0); /* it has no target */
  assert_string_equal(watch.letters, "");
  assert_int_equal(iotkit_image_on_phase(NULL, note, &watch), IK_EINVALID_ARGUMENT);
  iotkit_image_free(image);
  iotkit_job_unref(job);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(a_fresh_download),
      IN_DIRECTORY(bytes_of_an_earlier_run_are_proven),
      IN_DIRECTORY(what_was_wrong_is_fetched_again),
      IN_DIRECTORY(a_wrong_image_is_not_committed),
      IN_DIRECTORY(it_may_be_aborted_in_each),
      IN_DIRECTORY(a_loop_of_ones_own),
      IN_DIRECTORY(a_job_that_was_aborted_begins_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
