/*
 * A disk that fails at each step of a commit, and what is made of it: the new image is there, or it
 * has failed and what was received is kept. Never both, and never neither.
 */
#include "support/file_steps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/beside.h"
#include "image/commit_note.h"
#include "image/file.h"
#include "support/cm.h"
#include "support/file_set.h"

#define STEPS_MAX 100

static int leave(void **state) {
  steps.left = -1;
  steps.on_fat = false;
  steps.free_space = 0;
  steps.hold_error = 0;
  return set_leave(state);
}

static void an_error_at_any_step(void **state) {
  (void)state;
  for (int n = 0;; n++) {
    iotkit_file_t *files[FILES];
    uint64_t sizes[FILES];
    char detail[IOTKIT_DETAIL_MAX] = "";
    assert_true(n < STEPS_MAX);
    set_put_old_files();
    set_receive(files, sizes);
    steps.left = n;
    steps.error = EIO;
    int rc = iotkit_file_commit_all(files, sizes, FILES, detail);
    bool failed = steps.left < 0;
    steps.left = -1;
    if (!failed) break;
    if (rc < 0) assert_int_equal(rc, IK_EFILE);
    if (rc < 0) assert_non_null(strstr(detail, "Input/output error"));
    if (set_is_old() && !world_exists(IK_COMMIT_NAME)) {
      assert_true(rc < 0);
      /* Once all are finished, those that can be resumed are kept. The others are removed. */
      assert_false(world_exists("c.part"));
      assert_true(world_exists("a.part") == world_exists("b.part"));
    }
    if (rc == 0) assert_true(*detail == '\0' || strstr(detail, "installed, not yet durable"));
    assert_true(iotkit_file_recover(".", NULL) >= 0); /* after the note it goes on */
    if (!set_is_old() && !set_is_new()) fail_msg("step %d: some are old, some are new", n);
    if (rc == 0) assert_true(set_is_new());
  }
}

static void an_error_at_any_step_of_one_file(void **state) {
  (void)state;
  for (int n = 0;; n++) {
    struct iotkit_file_options options = image_options(&set_images[0]);
    iotkit_file_t *file;
    assert_true(n < STEPS_MAX);
    set_put_old_files();
    iotkit_job_t *job = image_job(&set_images[0]);
    assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
    image_receive(&set_images[0], file, job, 0, set_images[0].size, 300);
    iotkit_job_unref(job);
    steps.left = n;
    steps.error = EIO;
    char detail[IOTKIT_DETAIL_MAX] = "of earlier";
    int rc = iotkit_file_commit(file, set_images[0].size, detail);
    bool failed = steps.left < 0;
    steps.left = -1;
    if (!failed) break;
    /* The new image is there, or it has failed; never both, and never neither. */
    bool is_new = set_holds("a", set_images[0].bytes, set_images[0].size);
    assert_true(is_new ? rc == 0 : rc < 0 && set_holds("a", "old a", 5));
  }
}

/*
 * After the rename the new image is there, whatever the directory's fsync says: that is a success,
 * of which `detail` says what is missing. The commit note stays until it is durable.
 */
static void installed_but_not_yet_durable(void **state) {
  struct iotkit_file_options options = image_options(&set_images[0]);
  iotkit_file_t *file, *files[FILES];
  uint64_t sizes[FILES];
  char detail[IOTKIT_DETAIL_MAX] = "of earlier";
  (void)state;
  iotkit_job_t *job = image_job(&set_images[0]);
  assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
  image_receive(&set_images[0], file, job, 0, set_images[0].size, 300);
  iotkit_job_unref(job);
  steps.left = 2; /* the part, the rename, the directory */
  steps.error = EIO;
  assert_int_equal(iotkit_file_commit(file, set_images[0].size, detail), 0);
  assert_string_equal(detail, "installed, not yet durable: cannot sync .: Input/output error");
  assert_true(set_holds("a", set_images[0].bytes, set_images[0].size));
  world_assert_names(".", "a");

  set_put_old_files();
  set_receive(files, sizes);
  steps.left = 9; /* three parts; the note twice, the directory; three renames; the directory */
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, detail), 0);
  assert_non_null(strstr(detail, "installed, not yet durable: "));
  assert_true(set_is_new());
  assert_true(world_exists(IK_COMMIT_NAME));
  steps.left = 0;
  *detail = '\0';
  assert_int_equal(iotkit_file_recover(".", detail), 1);
  assert_non_null(strstr(detail, "Input/output error"));
  assert_true(world_exists(IK_COMMIT_NAME));
  steps.left = -1;
  assert_int_equal(iotkit_file_recover(".", NULL), 1);
  world_assert_names(".", "a b c");
  /* Nothing is left to say. */
  snprintf(detail, sizeof detail, "of earlier");
  set_receive(files, sizes);
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, detail), 0);
  assert_string_equal(detail, "");
}

/* On FAT there are more steps after a rename, and what is said of them is the same. */
static void not_yet_durable_on_fat(void **state) {
  static const struct {
    bool replaces;
    int step; /* after the part and the rename */
    const char *says;
  } rows[] = {
      {true, 0, "installed, not yet durable: cannot sync .: Input/output error"},
      {true, 1, "installed, not yet durable: cannot sync a.part: Input/output error"},
      {true, 2, "installed, not yet durable: cannot sync .: Input/output error"},
      {false, 0, "installed, not yet durable: cannot sync .: Input/output error"},
      {false, 1, "installed, not yet durable: cannot sync a.part: Input/output error"},
      {false, 2, "installed, not yet durable: cannot sync .: Input/output error"},
  };
  struct iotkit_file_options options = image_options(&set_images[0]);
  iotkit_file_t *file;
  (void)state;
  steps.on_fat = true;
  for (size_t i = 0; i < COUNT(rows); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "of earlier";
    (void)remove("a");
    if (rows[i].replaces) world_put("a", "old a", 5);
    iotkit_job_t *job = image_job(&set_images[0]);
    assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
    image_receive(&set_images[0], file, job, 0, set_images[0].size, 300);
    iotkit_job_unref(job);
    steps.left = 2 + rows[i].step;
    steps.error = EIO;
    steps.count = 0;
    assert_int_equal(iotkit_file_commit(file, set_images[0].size, detail), 0);
    assert_int_equal(steps.left, -1);
    assert_string_equal(detail, rows[i].says);
    assert_string_equal(steps.log, "frfffu"); /* nothing is left out after a failure */
    assert_true(set_holds("a", set_images[0].bytes, set_images[0].size));
    world_assert_names(".", "a");
  }
}

/*
 * The note stays until all that it names is durable. Steps of a commit: three parts; the note twice, the directory; of
 * each file the copy twice, the rename, the directory, the file; the directory.
 */
static void several_not_yet_durable_on_fat(void **state) {
  static const int failing[] = {9, 10, 14, 15, 19, 20, 21};
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  steps.on_fat = true;
  for (size_t i = 0; i < COUNT(failing); i++) {
    set_put_old_files();
    set_receive(files, sizes);
    steps.left = failing[i];
    steps.error = EIO;
    assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, detail), 0);
    assert_non_null(strstr(detail, "installed, not yet durable: "));
    assert_true(set_is_new());
    for (int step = 0; step < 16; step++) { /* the same of the recovery, from the first copy on */
      steps.left = step;
      *detail = '\0';
      int rc = iotkit_file_recover(".", detail);
      assert_int_equal(rc, step == 15 || step % 5 > 2 ? 1 : IK_EFILE);
      assert_non_null(strstr(detail, "Input/output error"));
      assert_true(world_exists(IK_COMMIT_NAME));
      assert_true(set_is_new());
    }
    steps.left = -1;
    assert_int_equal(iotkit_file_recover(".", NULL), 1);
    world_assert_names(".", "a b c");
  }
}

/* An error at any step leaves no mixture that the recovery does not complete. */
static void an_error_at_any_step_on_fat(void **state) {
  steps.on_fat = true;
  an_error_at_any_step(state);
}

/* Nothing is replaced whose bytes a power cut may then take. */
static void what_cannot_be_held_on_fat_is_not_replaced(void **state) {
  struct iotkit_file_options options = image_options(&set_images[0]);
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  steps.on_fat = true;
  steps.hold_error = EMFILE;
  set_put_old_files();
  iotkit_job_t *job = image_job(&set_images[0]);
  assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
  image_receive(&set_images[0], file, job, 0, set_images[0].size, 300);
  iotkit_job_unref(job);
  assert_true(iotkit_file_commit(file, set_images[0].size, detail) < 0);
  assert_non_null(strstr(detail, "cannot look at a: "));
  assert_true(set_is_old());
  assert_true(set_holds("a.part", set_images[0].bytes, set_images[0].size)); /* for the next run */
}

/* Copies are made before any file is replaced, or nothing is. */
static void no_room_for_a_set_on_fat(void **state) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  steps.on_fat = true;
  set_put_old_files();
  set_receive(files, sizes);
  steps.free_space = 4096;
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, detail), IK_ENO_SPACE);
  assert_non_null(strstr(detail, "to put several files there at once"));
  assert_true(set_is_old());
  assert_false(world_exists(IK_COMMIT_NAME));
  assert_true(world_exists("a.part") && world_exists("b.part")); /* whole, for the next run */
  steps.free_space = 0;
  set_receive(files, sizes);
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, detail), 0);
  assert_true(set_is_new());
}

/* Elsewhere nothing is copied. */
static void a_set_needs_no_room_where_it_is_renamed(void **state) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  (void)state;
  set_put_old_files();
  set_receive(files, sizes);
  steps.free_space = 4096;
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, NULL), 0);
  assert_true(set_is_new());
}

/* It would take the room from the next try, which recovers the set. */
static void a_copy_that_fails_on_fat_is_removed(void **state) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  (void)state;
  steps.on_fat = true;
  for (int failing = 6; failing <= 8;
       failing++) { /* to write the first copy, to sync it, to rename it */
    set_put_old_files();
    set_receive(files, sizes);
    steps.left = failing;
    steps.error = ENOSPC;
    assert_true(iotkit_file_commit_all(files, sizes, FILES, NULL) < 0);
    assert_int_equal(steps.left, -1);
    assert_true(set_is_old());
    assert_true(world_exists(IK_COMMIT_NAME));
    assert_false(world_exists("a" IK_LINK_SUFFIX));
    assert_int_equal(iotkit_file_recover(".", NULL), 1);
    world_assert_names(".", "a b c");
  }
}

/* A file of `size` bytes that a power cut has left. */
static void put_remains(const char *path, uint64_t size) {
  int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, (off_t)size), 0);
  close(fd);
}

/* Of a copy or a note that a power cut has left nothing stays, and it may be longer than the new one. */
static void what_a_cut_has_left_is_written_anew(void **state) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  (void)state;
  set_put_old_files();
  set_receive(files, sizes);
  put_remains(IK_COMMIT_NAME, IK_COMMIT_NOTE_MAX);
  steps.left = 6; /* the first rename */
  steps.error = EIO;
  assert_true(iotkit_file_commit_all(files, sizes, FILES, NULL) < 0);
  assert_int_equal(iotkit_file_recover(".", NULL), 1); /* the note is whole */
  assert_true(set_is_new());

  steps.on_fat = true;
  set_put_old_files();
  set_receive(files, sizes);
  put_remains("a" IK_LINK_SUFFIX, sizes[0] + 100);
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, NULL), 0);
  assert_true(set_is_new());
  world_assert_names(".", "a b c");
}

/* What cannot be renamed is whole, and kept: the next run has no byte to fetch. */
static void a_rename_that_fails_keeps_the_part(void **state) {
  static const int errors[] = {EBUSY, EXDEV, EROFS, EPERM, EIO, ENOSPC};
  struct iotkit_file_options options = image_options(&set_images[0]);
  iotkit_file_t *file;
  struct stat st;
  (void)state;
  for (size_t i = 0; i < COUNT(errors); i++) {
    set_put_old_files();
    assert_int_equal(chmod("a", 0666), 0); /* whose mode the part has by then */
    iotkit_job_t *job = image_job(&set_images[0]);
    assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
    image_receive(&set_images[0], file, job, 0, set_images[0].size, 300);
    steps.left = 1; /* the part is synced */
    steps.error = errors[i];
    assert_true(iotkit_file_commit(file, set_images[0].size, NULL) < 0);
    steps.left = -1;
    assert_true(set_holds("a", "old a", 5));
    assert_int_equal(stat("a.part", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
    iotkit_job_t *next = image_job(&set_images[0]);
    assert_int_equal(iotkit_file_resume(file, next, NULL), set_images[0].size);
    assert_int_equal(iotkit_file_commit(file, set_images[0].size, NULL), 0);
    assert_true(set_holds("a", set_images[0].bytes, set_images[0].size));
    iotkit_job_unref(job);
    iotkit_job_unref(next);
  }
}

/* What fails before the part is finished is kept where it may succeed another time, and only there. */
static void a_sync_that_may_succeed_later_keeps_the_part(void **state) {
  static const struct {
    int error;
    bool kept;
  } rows[] = {{ENOMEM, true}, {EIO, false}};
  struct iotkit_file_options options = image_options(&set_images[0]);
  iotkit_file_t *file;
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    iotkit_job_t *job = image_job(&set_images[0]);
    assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
    image_receive(&set_images[0], file, job, 0, set_images[0].size, 300);
    iotkit_job_unref(job);
    steps.left = 0;
    steps.error = rows[i].error;
    assert_true(iotkit_file_commit(file, set_images[0].size, NULL) < 0);
    assert_int_equal(steps.left, -1);
    assert_true(world_exists("a.part") == rows[i].kept);
    assert_false(world_exists("a"));
  }
}

/* Somebody else is at the note: that passes, and no finished file may be lost by it. */
static void a_note_that_is_busy_costs_nothing(void **state) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  (void)state;
  set_put_old_files();
  set_receive(files, sizes);
  int fd = open(IK_COMMIT_NAME, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, NULL), IK_EFILE_LOCKED);
  close(fd);
  assert_true(set_is_old());
  assert_true(set_holds("a.part", set_images[0].bytes, set_images[0].size));
  assert_true(set_holds("b.part", set_images[1].bytes, set_images[1].size));
  iotkit_job_t *job = image_job(&set_images[0]);
  struct iotkit_file_options options = image_options(&set_images[0]);
  assert_int_equal(iotkit_file_open("a", &options, &files[0], NULL), 0);
  assert_int_equal(iotkit_file_resume(files[0], job, NULL), set_images[0].size);
  iotkit_file_discard(files[0]);
  iotkit_job_unref(job);
}

/* In a directory of others the name can change hands between the last check and the rename. */
static void what_is_renamed_is_what_was_checked(void **state) {
  struct iotkit_file_options options = image_options(&set_images[0]);
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  iotkit_job_t *job = image_job(&set_images[0]);
  assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
  image_receive(&set_images[0], file, job, 0, set_images[0].size, 300);
  iotkit_job_unref(job);
  world_put("x", "foreign", 7);
  steps.swap = "x";
  assert_int_equal(iotkit_file_commit(file, set_images[0].size, detail), IK_EFILE);
  assert_string_equal(detail, "a was replaced by another program");
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, set_enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(an_error_at_any_step),
      IN_DIRECTORY(an_error_at_any_step_of_one_file),
      IN_DIRECTORY(installed_but_not_yet_durable),
      IN_DIRECTORY(not_yet_durable_on_fat),
      IN_DIRECTORY(several_not_yet_durable_on_fat),
      IN_DIRECTORY(an_error_at_any_step_on_fat),
      IN_DIRECTORY(what_cannot_be_held_on_fat_is_not_replaced),
      IN_DIRECTORY(no_room_for_a_set_on_fat),
      IN_DIRECTORY(a_set_needs_no_room_where_it_is_renamed),
      IN_DIRECTORY(a_copy_that_fails_on_fat_is_removed),
      IN_DIRECTORY(what_a_cut_has_left_is_written_anew),
      IN_DIRECTORY(a_rename_that_fails_keeps_the_part),
      IN_DIRECTORY(a_sync_that_may_succeed_later_keeps_the_part),
      IN_DIRECTORY(a_note_that_is_busy_costs_nothing),
      IN_DIRECTORY(what_is_renamed_is_what_was_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
