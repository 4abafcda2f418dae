/*
 * An image being saved, with one target and with several: what each target has after each way it
 * can end. Over real sockets where the job is fetched.
 */
#include "save/image.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "download/job_private.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/job_run.h"

#define SIZE (500 * IK_KIB)
#define BLOCK (10 * IK_KIB)

static struct image image_of(const char *test) {
  struct rng rng = rng_start(test);
  return image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
}

/* An image of a job that nobody fetches, with these targets. */
static iotkit_image_t *open_image(const struct image *image, const char *const *paths,
                                  size_t count) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_image_t *saved;
  iotkit_job_t *job = image_job(image);
  assert_int_equal(iotkit_image_new(job, &saved), 0);
  iotkit_job_unref(job);
  for (size_t i = 0; i < count; i++) {
    int rc = iotkit_image_open(saved, paths[i], NULL, true, detail);
    if (rc != 0) fail_msg("%s: %d %s", paths[i], rc, detail);
  }
  return saved;
}

/* Does what a download of bytes [from, to) does. */
static void receive(const struct image *image, iotkit_image_t *saved, size_t from, size_t to) {
  iotkit_job_t *job = iotkit_image_job(saved);
  for (size_t at = from; at < to;) {
    size_t len = to - at < BLOCK ? to - at : BLOCK;
    assert_int_equal(iotkit_image_write(saved, at, image->bytes + at, len, NULL), 0);
    assert_int_equal(iotkit_job_digest(job, at, image->bytes + at, len), 0);
    at += len;
    atomic_store(&job->control.received, at);
    iotkit_image_checkpoint(saved);
  }
}

/* Leaves the first `to` bytes for the next run. */
static void leave(const struct image *image, const char *const *paths, size_t count, size_t to) {
  iotkit_image_t *saved = open_image(image, paths, count);
  assert_int_equal(iotkit_image_resume(saved, NULL), 0);
  receive(image, saved, 0, to);
  iotkit_image_free(saved);
}

static const char *const two[] = {"a", "b"};

static void every_target_gets_every_byte(void **state) {
  struct image image = image_of("every_target_gets_every_byte");
  iotkit_image_t *saved = open_image(&image, two, 2);
  (void)state;
  assert_int_equal(iotkit_image_resume(saved, NULL), 0);
  receive(&image, saved, 0, SIZE);
  assert_int_equal(iotkit_image_commit(saved, NULL), 0);
  iotkit_image_free(saved);
  world_assert_names(".", "a b");
  image_assert_at(&image, "a");
  image_assert_at(&image, "b");
  image_free(&image);
}

static void the_target_with_the_least_counts(void **state) {
  struct image image = image_of("the_target_with_the_least_counts");
  (void)state;
  for (int order = 0; order < 2; order++) {
    const char *const less[] = {two[order]};
    const char *const more[] = {two[1 - order]};
    leave(&image, less, 1, 100 * IK_KIB);
    leave(&image, more, 1, 300 * IK_KIB);
    iotkit_image_t *saved = open_image(&image, two, 2);
    assert_int_equal(iotkit_image_resume(saved, NULL), 100 * IK_KIB);
    receive(&image, saved, 100 * IK_KIB, SIZE);
    assert_int_equal(iotkit_image_commit(saved, NULL), 0);
    iotkit_image_free(saved);
    world_assert_names(".", "a b");
    image_assert_at(&image, "a");
    image_assert_at(&image, "b");
  }
  image_free(&image);
}

static void a_target_with_nothing_begins_at_0(void **state) {
  struct image image = image_of("a_target_with_nothing_begins_at_0");
  (void)state;
  leave(&image, two, 1, 300 * IK_KIB);
  iotkit_image_t *saved = open_image(&image, two, 2);
  assert_int_equal(iotkit_image_resume(saved, NULL), 0);
  receive(&image, saved, 0, SIZE);
  assert_int_equal(iotkit_image_commit(saved, NULL), 0);
  iotkit_image_free(saved);
  image_assert_at(&image, "a");
  image_free(&image);
}

static void what_is_not_resumable_leaves_nothing(void **state) {
  struct image image = image_of("what_is_not_resumable_leaves_nothing");
  iotkit_job_t *job = image_job(&image);
  iotkit_image_t *saved;
  (void)state;
  assert_int_equal(iotkit_image_new(job, &saved), 0);
  iotkit_job_unref(job);
  assert_int_equal(iotkit_image_open(saved, "a", NULL, false, NULL), 0);
  assert_int_equal(iotkit_image_resume(saved, NULL), 0);
  receive(&image, saved, 0, 100 * IK_KIB);
  iotkit_image_free(saved);
  world_assert_names(".", "");
  image_free(&image);
}

static void an_error_that_condemns_it_leaves_nothing(void **state) {
  struct image image = image_of("an_error_that_condemns_it_leaves_nothing");
  static const int errors[] = {IK_EABORTED, IK_ESIGNATURE};
  (void)state;
  for (size_t i = 0; i < COUNT(errors); i++) {
    iotkit_image_t *saved = open_image(&image, two, 2);
    iotkit_image_resume(saved, NULL);
    receive(&image, saved, 0, 100 * IK_KIB);
    iotkit_image_release(saved, errors[i]);
    iotkit_image_release(saved, IK_ESIGNATURE); /* once more: it has no targets */
    iotkit_image_free(saved);
    world_assert_names(".", i == 0 ? "a.part a.part.journal b.part b.part.journal" : "");
  }
  image_free(&image);
}

/* ---- several images ---- */

static const char *const in_x[] = {"x/a", "y/a"};
static const char *const in_y[] = {"x/b", "y/b"};

static void enter_two_directories(iotkit_image_t *saved[2], const struct image *image) {
  static const struct iotkit_file_options made = {.make_directory = true};
  const char *const *paths[] = {in_x, in_y};
  for (size_t i = 0; i < 2; i++) {
    saved[i] = open_image(image, NULL, 0);
    for (size_t k = 0; k < 2; k++)
      assert_int_equal(iotkit_image_open(saved[i], paths[i][k], &made, true, NULL), 0);
    assert_int_equal(iotkit_image_resume(saved[i], NULL), 0);
    receive(image, saved[i], 0, SIZE);
  }
}

static void a_set_in_each_of_two_directories(void **state) {
  struct image image = image_of("a_set_in_each_of_two_directories");
  iotkit_image_t *saved[2];
  (void)state;
  enter_two_directories(saved, &image);
  assert_int_equal(ik_image_check_set(saved, 2, NULL), 0);
  assert_int_equal(iotkit_image_commit_all(saved, 2, NULL), 0);
  for (size_t i = 0; i < 2; i++)
    iotkit_image_free(saved[i]);
  world_assert_names("x", "a b");
  world_assert_names("y", "a b");
  image_free(&image);
}

/* The first set has its names; the second has parts and says why. */
static void the_set_after_one_that_failed_is_kept(void **state) {
  struct image image = image_of("the_set_after_one_that_failed_is_kept");
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_image_t *saved[2];
  (void)state;
  enter_two_directories(saved, &image);
  assert_int_equal(remove("x/a.part"), 0);
  assert_true(iotkit_image_commit_all(saved, 2, detail) < 0);
  assert_true(strlen(detail) > 0);
  for (size_t i = 0; i < 2; i++)
    iotkit_image_free(saved[i]);
  assert_true(world_exists("y/a.part") && world_exists("y/b.part"));
  image_free(&image);
}

static void sets_are_checked(void **state) {
  struct image image = image_of("sets_are_checked");
  static const char *const elsewhere[] = {"z/c"};
  static const struct iotkit_file_options made = {.make_directory = true};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  iotkit_image_t *saved[] = {open_image(&image, two, 1), open_image(&image, NULL, 0)};
  assert_int_equal(ik_image_check_set(saved, 2, detail), IK_EINVALID_ARGUMENT); /* one has none */
  assert_int_equal(iotkit_image_commit_all(saved, 2, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_open(saved[1], elsewhere[0], &made, true, NULL), 0);
  assert_int_equal(ik_image_check_set(saved, 2, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "directory"));
  for (size_t i = 0; i < 2; i++)
    iotkit_image_free(saved[i]);
  image_free(&image);
}

/* ---- fetched ---- */

struct fetch {
  struct http_server *server;
  iotkit_image_t *saved;
  uint8_t block[BLOCK];
  unsigned begun; /* how often the bytes began at 0 */
};

static void fetch_start(struct fetch *fetch, http_serve_fn serve, void *ctx) {
  struct iotkit_fetch_options options = job_quick();
  *fetch = (struct fetch){.server = http_server_start(serve, ctx)};
  iotkit_job_t *job = job_make(http_server_port(fetch->server), "/f", &options);
  assert_int_equal(iotkit_image_new(job, &fetch->saved), 0);
  assert_ptr_equal(iotkit_image_job(fetch->saved), job);
  iotkit_job_unref(job);
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(iotkit_image_open(fetch->saved, two[i], NULL, true, NULL), 0);
}

static void fetch_stop(struct fetch *fetch) {
  iotkit_image_free(fetch->saved);
  http_server_stop(fetch->server);
}

/* To the end, or to the first error. */
static int fetch_all(struct fetch *fetch, char *detail) {
  iotkit_image_t *saved = fetch->saved;
  while (iotkit_job_get_state(iotkit_image_job(saved)) != IOTKIT_JOB_FETCHED) {
    uint64_t offset = 0;
    int64_t n = iotkit_image_fetch(saved, fetch->block, BLOCK, UINT32_MAX, &offset, detail);
    if (n < 0) return (int)n;
    if (n > 0 && offset == 0) fetch->begun++;
    int rc = iotkit_image_write(saved, offset, fetch->block, (size_t)n, detail);
    if (rc != 0) return rc;
    iotkit_image_checkpoint(saved);
  }
  return 0;
}

/* Half of the targets' bytes are proven, but of an image whose first byte was another. */
static void put_wrong_half(void) {
  struct iotkit_file_options options = {.size = JOB_SIZE};
  uint8_t *bytes = malloc(JOB_SIZE);
  assert_non_null(bytes);
  for (size_t i = 0; i < JOB_SIZE; i++)
    bytes[i] = http_image_byte(i);
  bytes[0] ^= 1;
  struct iotkit_fetch_options fetch = {.external_digest = true};
  iotkit_job_t *job = job_make(1, "/f", &fetch);
  options.digest_method = iotkit_job_upgrade(job)->digest_method;
  memcpy(options.digest, iotkit_job_upgrade(job)->digest, sizeof options.digest);
  for (size_t i = 0; i < 2; i++) {
    iotkit_file_t *file;
    assert_int_equal(iotkit_file_open(two[i], &options, &file, NULL), 0);
    assert_int_equal(iotkit_job_resume(job, 0), 0);
    assert_int_equal(iotkit_file_write(file, 0, bytes, JOB_HALF, NULL), 0);
    assert_int_equal(iotkit_job_digest(job, 0, bytes, JOB_HALF), 0);
    iotkit_file_keep(file, job);
  }
  iotkit_job_unref(job);
  free(bytes);
}

static void a_wrong_start_is_fetched_again(void **state) {
  struct fetch fetch;
  bool again = false;
  (void)state;
  put_wrong_half();
  fetch_start(&fetch, job_serve_well, NULL);
  assert_int_equal(iotkit_image_resume(fetch.saved, NULL), JOB_HALF);
  assert_int_equal(fetch_all(&fetch, NULL), 0);
  assert_int_equal(fetch.begun, 0);
  assert_int_equal(iotkit_image_check(fetch.saved, &again, NULL), 0);
  assert_true(again);
  assert_int_equal(fetch_all(&fetch, NULL), 0);
  assert_int_equal(fetch.begun, 1);
  assert_int_equal(iotkit_image_check(fetch.saved, &again, NULL), 0);
  assert_false(again);
  assert_int_equal(iotkit_image_commit(fetch.saved, NULL), 0);
  fetch_stop(&fetch);
  world_assert_names(".", "a b");
}

/* Every byte is wrong, whatever is asked for. */
static bool serve_wrong(void *ctx, int fd, const struct http_request *request) {
  (void)ctx, (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", JOB_SIZE);
  for (size_t i = 0; i < JOB_SIZE / 10; i++)
    http_send(fd, "%s", "0123456789");
  return true;
}

static void a_wrong_image_is_condemned(void **state) {
  struct fetch fetch;
  bool again = true;
  (void)state;
  fetch_start(&fetch, serve_wrong, NULL);
  assert_int_equal(iotkit_image_resume(fetch.saved, NULL), 0);
  assert_int_equal(fetch_all(&fetch, NULL), 0);
  assert_int_equal(iotkit_image_check(fetch.saved, &again, NULL), IK_EDIGEST_MISMATCH);
  assert_false(again);
  fetch_stop(&fetch); /* release needs no error */
  world_assert_names(".", "");
}

static void after_an_interrupt_it_goes_on(void **state) {
  struct fetch fetch;
  char detail[IOTKIT_DETAIL_MAX] = "";
  bool again;
  (void)state;
  fetch_start(&fetch, job_serve_well, NULL);
  assert_int_equal(iotkit_image_resume(fetch.saved, NULL), 0);
  iotkit_job_interrupt(iotkit_image_job(fetch.saved));
  assert_int_equal(fetch_all(&fetch, detail), IK_EINTERRUPTED);
  assert_string_equal(detail, iotkit_strerror(IK_EINTERRUPTED));
  assert_int_equal(fetch_all(&fetch, NULL), 0);
  assert_int_equal(iotkit_image_check(fetch.saved, &again, NULL), 0);
  fetch_stop(&fetch);
  world_assert_names(".", "a.part a.part.journal b.part b.part.journal"); /* nobody committed it */
}

static void the_error_of_the_job(void **state) {
  struct fetch fetch;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  fetch_start(&fetch, job_serve_well, NULL);
  iotkit_job_abort(iotkit_image_job(fetch.saved));
  assert_int_equal(iotkit_image_resume(fetch.saved, detail), IK_EABORTED);
  assert_int_equal(fetch_all(&fetch, detail), IK_EABORTED);
  fetch_stop(&fetch);
}

static void refused_calls(void **state) {
  iotkit_image_t *saved = (iotkit_image_t *)(uintptr_t)1;
  bool again;
  uint64_t offset;
  uint8_t byte;
  (void)state;
  assert_int_equal(iotkit_image_new(NULL, &saved), IK_EINVALID_ARGUMENT);
  assert_null(saved);
  assert_int_equal(iotkit_image_new(NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_null(iotkit_image_job(NULL));
  assert_int_equal(iotkit_image_open(NULL, "a", NULL, true, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_resume(NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_fetch(NULL, &byte, 1, 0, &offset, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_write(NULL, 0, "x", 1, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_rewind(NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_check(NULL, &again, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_commit(NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_commit_all(NULL, 1, NULL), IK_EINVALID_ARGUMENT);
  iotkit_image_checkpoint(NULL);
  iotkit_image_release(NULL, 0);
  iotkit_image_free(NULL);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(every_target_gets_every_byte),
      IN_DIRECTORY(the_target_with_the_least_counts),
      IN_DIRECTORY(a_target_with_nothing_begins_at_0),
      IN_DIRECTORY(what_is_not_resumable_leaves_nothing),
      IN_DIRECTORY(an_error_that_condemns_it_leaves_nothing),
      IN_DIRECTORY(a_set_in_each_of_two_directories),
      IN_DIRECTORY(the_set_after_one_that_failed_is_kept),
      IN_DIRECTORY(sets_are_checked),
      IN_DIRECTORY(a_wrong_start_is_fetched_again),
      IN_DIRECTORY(a_wrong_image_is_condemned),
      IN_DIRECTORY(after_an_interrupt_it_goes_on),
      IN_DIRECTORY(the_error_of_the_job),
      IN_DIRECTORY(refused_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
