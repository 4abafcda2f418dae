/*
 * Out of memory at every place of an image file's life: each scenario runs with its first
 * allocation failing, then its second, and so on. A run that fails must say IK_ENO_MEMORY, leave no
 * block of memory, and nothing on disk that a later run trips over. For that the sources under test
 * are compiled into this file, with its allocator.
 */
#include "support/oom.h"

#include <unistd.h>

#include "base/beside.h"
#include "base/buf.c"
#include "base/str.c"
#include "base/wipe.c"
#include "image/commit.c"
#include "image/content.c"
#include "image/file.c"
#include "image/journal.c"
#include "image/names.c"
#include "image/place.c"
#include "image/recover.c"
#include "save/image.c"
#include "save/resume.c"
#undef malloc
#undef calloc
#undef realloc
#undef free

#include "support/cm.h"
#include "support/file_world.h"

static struct image image;
static iotkit_job_t *job; /* outlives the scenarios */

static int enter(void **state) {
  struct rng rng = {3};
  budget = ~0u;
  image = image_new(&rng, 100000, IOTKIT_DIGEST_SHA256);
  job = image_job(&image);
  return world_enter(state);
}

static int leave_world(void **state) {
  budget = ~0u;
  iotkit_job_unref(job);
  image_free(&image);
  return world_leave(state);
}

/* Runs `scenario` until nothing in it fails; says how many allocations that takes. */
static unsigned torture(int (*scenario)(void)) {
  for (unsigned n = 0; n < 1000; n++) {
    budget = n;
    live = 0;
    int rc = scenario();
    budget = ~0u;
    if (live != 0) fail_msg("allocation %u fails: %d blocks are left", n, live);
    if (rc == 0) return n;
    if (rc != IK_ENO_MEMORY) fail_msg("allocation %u fails: %d", n, rc);
  }
  fail_msg("it never passes");
  return 0;
}

static int write_and_commit(void) {
  iotkit_file_t *file = NULL;
  int rc = iotkit_file_open("image", NULL, &file, NULL);
  if (rc < 0) return file ? -1 : rc;
  rc = iotkit_file_write(file, 0, "x", 1, NULL);
  if (rc < 0) {
    iotkit_file_discard(file);
    return rc;
  }
  return iotkit_file_commit(file, 1, NULL);
}

static void one_file(void **state) {
  (void)state;
  assert_true(torture(write_and_commit) >= 5);
  world_assert_names(".", "image");
}

/* A part of 70,000 bytes, proven. */
static void put_part(void) {
  iotkit_file_t *file;
  struct iotkit_file_options options = image_options(&image);
  assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
  assert_int_equal(iotkit_job_resume(job, 0), 0);
  image_receive(&image, file, job, 0, 70000, 10000);
  iotkit_file_keep(file, job);
}

static int resume_and_keep(void) {
  iotkit_file_t *file = NULL;
  struct iotkit_file_options options = image_options(&image);
  int rc = iotkit_file_open("image", &options, &file, NULL);
  if (rc < 0) return rc;
  int64_t at = iotkit_file_resume(file, job, NULL);
  iotkit_file_keep(file, job);
  return at == 70000 ? 0 : at < 0 ? (int)at : -1;
}

/* Whatever failed, the part is there for the run that has the memory. */
static void a_part(void **state) {
  (void)state;
  put_part();
  assert_true(torture(resume_and_keep) >= 8);
  world_assert_names(".", "image.part image.part.journal");
}

static int commit_two(void) {
  static const char *const names[] = {"a", "b"};
  static const uint64_t sizes[] = {1, 1};
  iotkit_file_t *files[2] = {NULL, NULL};
  int rc = 0;
  for (size_t i = 0; rc == 0 && i < 2; i++) {
    rc = iotkit_file_open(names[i], NULL, &files[i], NULL);
    if (rc == 0) rc = iotkit_file_write(files[i], 0, names[i], 1, NULL);
  }
  if (rc == 0) return iotkit_file_commit_all(files, sizes, 2, NULL);
  iotkit_file_discard(files[0]);
  iotkit_file_discard(files[1]);
  return rc;
}

static void two_files(void **state) {
  (void)state;
  assert_true(torture(commit_two) >= 12);
  world_assert_names(".", "a b");
}

/* Two targets of one image, in turn. */
static int save_to_two(void) {
  iotkit_image_t *saved;
  int rc = iotkit_image_new(job, &saved);
  if (rc == 0) rc = iotkit_image_open(saved, "a", NULL, false, NULL);
  if (rc == 0) rc = iotkit_image_open(saved, "b", NULL, false, NULL);
  if (rc == 0) rc = iotkit_image_write(saved, image.size - 1, "x", 1, NULL);
  if (rc == 0) rc = iotkit_image_commit(saved, NULL);
  iotkit_image_free(saved);
  return rc;
}

static void two_targets(void **state) {
  (void)state;
  assert_true(torture(save_to_two) >= 12);
  world_assert_names(".", "a b");
}

static int recover(void) {
  int rc = iotkit_file_recover(".", NULL);
  return rc == 1 ? 0 : rc == 0 ? -1 : rc;
}

/* A commit that could not be completed for lack of memory is not given up. */
static void a_recovery(void **state) {
  struct ik_commit_file row = {.name = "image", .size = image.size, .method = image.method};
  struct ik_buf note;
  (void)state;
  memcpy(row.digest, image.digest, sizeof row.digest);
  ik_buf_init(&note, IK_COMMIT_NOTE_MAX);
  assert_int_equal(ik_commit_note_put(&row, 1, &note), 0);
  world_put(IK_COMMIT_NAME, ik_buf_ptr(&note), ik_buf_size(&note));
  ik_buf_free(&note);
  world_put("image.part", image.bytes, image.size);
  assert_true(torture(recover) >= 5);
  image_assert_at(&image, "image");
  world_assert_names(".", "image");
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave_world)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(one_file),    IN_DIRECTORY(a_part),     IN_DIRECTORY(two_files),
      IN_DIRECTORY(two_targets), IN_DIRECTORY(a_recovery),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
