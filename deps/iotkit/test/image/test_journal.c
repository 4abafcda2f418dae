/*
 * The file that the journal is: never through a link, never two writers, no hindrance where there
 * is no room for it, and written beside the part.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/limits.h"
#include "download/job.h"
#include "download/job_private.h"
#include "image/file.h"
#include "support/cm.h"
#include "support/file_world.h"

#define IMAGE_SIZE (1024 * IK_KIB + 123)
#define BLOCK (10 * IK_KIB)

static struct image new_image(const char *test) {
  struct rng rng = rng_start(test);
  return image_new(&rng, IMAGE_SIZE, IOTKIT_DIGEST_SHA256);
}

static void the_journal_is_never_a_link(void **state) {
  struct image image = new_image("the_journal_is_never_a_link");
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  (void)state;
  world_put("other", "precious", 8);
  assert_int_equal(symlink("other", "image.part.journal"), 0);
  assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
  iotkit_file_discard(file);
  world_assert_names(".", "other");
  size_t len;
  uint8_t *bytes = world_get("other", &len);
  assert_int_equal(len, 8);
  free(bytes);
  image_free(&image);
}

/* Two targets that were given one journal. */
static void one_journal_has_one_writer(void **state) {
  struct image image = new_image("one_journal_has_one_writer");
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *first, *second;
  (void)state;
  options.journal = "state";
  assert_int_equal(iotkit_file_open("image", &options, &first, NULL), 0);
  assert_int_equal(iotkit_file_open("other", &options, &second, NULL), IK_EFILE_LOCKED);
  world_assert_names(".", "image.part state");
  options.journal = "image.part";
  assert_int_equal(iotkit_file_open("other", &options, &second, NULL), IK_EFILE_LOCKED);
  options.journal = "none/state";
  assert_int_equal(iotkit_file_open("other", &options, &second, NULL), IK_EFILE_NOT_FOUND);
  options.journal = "";
  assert_int_equal(iotkit_file_open("other", &options, &second, NULL), IK_EINVALID_ARGUMENT);
  iotkit_file_discard(first);
  world_assert_names(".", "");
  image_free(&image);
}

/* A name that leaves no room for the journal's: written all the same, and not resumed. */
static void a_name_too_long_for_a_journal(void **state) {
  struct image image = new_image("a_name_too_long_for_a_journal");
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  char name[251];
  (void)state;
  memset(name, 'n', 250);
  name[250] = '\0';
  iotkit_job_t *job = image_job(&image);
  assert_int_equal(iotkit_file_open(name, &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_resume(file, job, NULL), 0);
  image_receive(&image, file, job, 0, IMAGE_SIZE, BLOCK);
  assert_int_equal(iotkit_file_commit(file, IMAGE_SIZE, NULL), 0);
  image_assert_at(&image, name);
  assert_int_equal(iotkit_file_open(name, &options, &file, NULL), 0);
  assert_int_equal(iotkit_job_resume(job, 0), 0);
  image_receive(&image, file, job, 0, 500000, BLOCK);
  iotkit_file_keep(file, job);
  world_assert_names(".", name);
  iotkit_job_unref(job);
  image_free(&image);
}

/* ---- other threads ---- */

/* This program's own pread(), which the library in it calls: at one of them the job is aborted. */
static struct {
  int left; /* reads before that one; -1: none is meant */
  iotkit_job_t *job;
} abort_at = {-1, NULL};

ssize_t pread(int fd, void *buf, size_t len, off_t offset) {
  struct iovec part = {buf, len};
  if (abort_at.left >= 0 && abort_at.left-- == 0) iotkit_job_abort(abort_at.job);
  return preadv(fd, &part, 1, offset);
}

/* While it is read: it ends immediately, and every byte on disk stays. */
static void an_abort_ends_the_proof(void **state) {
  struct image image = new_image("an_abort_ends_the_proof");
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  iotkit_job_t *job = image_job(&image);
  assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_resume(file, job, NULL), 0);
  image_receive(&image, file, job, 0, 700000, BLOCK);
  iotkit_file_keep(file, job);
  iotkit_job_unref(job);
  for (int i = 0; i < 3; i++) {
    abort_at.job = image_job(&image);
    assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
    abort_at.left = 3 * i;
    assert_int_equal(iotkit_file_resume(file, abort_at.job, detail), IK_EABORTED);
    assert_true(abort_at.left < 0);
    assert_non_null(strstr(detail, "cancelled"));
    iotkit_file_keep(file, abort_at.job);
    iotkit_job_unref(abort_at.job);
    world_assert_names(".", "image.part image.part.journal");
  }
  job = image_job(&image);
  assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_resume(file, job, NULL), 700000);
  iotkit_file_discard(file);
  iotkit_job_unref(job);
  image_free(&image);
}

/* Blocks go from the writing thread to the digesting one. */
struct pipeline {
  pthread_mutex_t mutex;
  pthread_cond_t moved;
  size_t written;
  const struct image *image;
  iotkit_file_t *file;
  iotkit_job_t *job;
};

static void *digest_what_is_written(void *arg) {
  struct pipeline *pipe = arg;
  for (size_t at = 0; at < pipe->image->size;) {
    pthread_mutex_lock(&pipe->mutex);
    while (pipe->written == at)
      pthread_cond_wait(&pipe->moved, &pipe->mutex);
    size_t to = pipe->written;
    pthread_mutex_unlock(&pipe->mutex);
    iotkit_job_digest(pipe->job, at, pipe->image->bytes + at, to - at);
    iotkit_file_checkpoint(pipe->file, pipe->job);
    at = to;
  }
  return NULL;
}

/* What is written next is no hindrance to noting what was digested. */
static void checkpoints_run_beside_writes(void **state) {
  struct image image = new_image("checkpoints_run_beside_writes");
  struct iotkit_file_options options = image_options(&image);
  struct pipeline pipe = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                          .moved = PTHREAD_COND_INITIALIZER,
                          .image = &image,
                          .job = image_job(&image)};
  pthread_t thread;
  (void)state;
  assert_int_equal(iotkit_file_open("image", &options, &pipe.file, NULL), 0);
  assert_int_equal(iotkit_file_resume(pipe.file, pipe.job, NULL), 0);
  assert_int_equal(pthread_create(&thread, NULL, digest_what_is_written, &pipe), 0);
  for (size_t at = 0; at < image.size; at += BLOCK) {
    size_t len = image.size - at < BLOCK ? image.size - at : BLOCK;
    assert_int_equal(iotkit_file_write(pipe.file, at, image.bytes + at, len, NULL), 0);
    atomic_store(&pipe.job->control.received, at + len);
    pthread_mutex_lock(&pipe.mutex);
    pipe.written = at + len;
    pthread_cond_signal(&pipe.moved);
    pthread_mutex_unlock(&pipe.mutex);
  }
  pthread_join(thread, NULL);
  ik_file_free(pipe.file); /* killed */
  assert_int_equal(iotkit_file_open("image", &options, &pipe.file, NULL), 0);
  assert_int_equal(iotkit_file_resume(pipe.file, pipe.job, NULL), image.size);
  assert_int_equal(iotkit_file_commit(pipe.file, image.size, NULL), 0);
  image_assert_at(&image, "image");
  iotkit_job_unref(pipe.job);
  image_free(&image);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(the_journal_is_never_a_link),   IN_DIRECTORY(one_journal_has_one_writer),
      IN_DIRECTORY(a_name_too_long_for_a_journal), IN_DIRECTORY(an_abort_ends_the_proof),
      IN_DIRECTORY(checkpoints_run_beside_writes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
