/*
 * Several files get their set_names together or not at all: the process ends, or the disk fails, before
 * each single step of it, and before each step of the recovery from that.
 */
#include "support/file_steps.h"

#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/beside.h"
#include "image/commit_note.h"
#include "image/file.h"
#include "support/cm.h"
#include "support/file_set.h"

#define STEPS_MAX 100

static int leave(void **state) {
  steps.left = -1;
  steps.on_fat = false;
  steps.watched = 0;
  return set_leave(state);
}

static int commit(void) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  set_receive(files, sizes);
  return iotkit_file_commit_all(files, sizes, FILES, NULL);
}

/* Runs `what` in a child that ends before its change number `n`. Whether it came to that. */
static bool crashes(int (*what)(void), int n, bool after_receiving) {
  int status;
  fflush(stdout);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    iotkit_file_t *files[FILES];
    uint64_t sizes[FILES];
    if (after_receiving) set_receive(files, sizes);
    steps.left = n;
    steps.error = 0;
    int rc = after_receiving ? iotkit_file_commit_all(files, sizes, FILES, NULL) : what();
    _exit(rc < 0 ? 1 : 0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  if (WEXITSTATUS(status) != STEPS_CRASHED) assert_int_equal(WEXITSTATUS(status), 0);
  return WEXITSTATUS(status) == STEPS_CRASHED;
}

static int recover(void) {
  return iotkit_file_recover(".", NULL);
}

static int open_another(void) {
  iotkit_file_t *file;
  int rc = iotkit_file_open("another", NULL, &file, NULL);
  if (rc == 0) iotkit_file_discard(file);
  return rc;
}

/* ---- as it should be ---- */

static void all_get_their_names(void **state) {
  struct stat st;
  (void)state;
  set_put_old_files();
  assert_int_equal(chmod("a", 0750), 0);
  assert_int_equal(commit(), 0);
  assert_true(set_is_new());
  world_assert_names(".", "a b c");
  assert_int_equal(stat("a", &st), 0);
  assert_int_equal(st.st_mode & 07777, 0750);
  assert_int_equal(recover(), 0);
}

static void steps_of_commit_all(void) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  set_receive(files, sizes);
  steps.count = 0;
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, NULL), 0);
}

static void steps_of_commit(void) {
  struct iotkit_file_options options = image_options(&set_images[0]);
  iotkit_file_t *file;
  iotkit_job_t *job = image_job(&set_images[0]);
  assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
  image_receive(&set_images[0], file, job, 0, set_images[0].size, 300);
  iotkit_job_unref(job);
  steps.count = 0;
  assert_int_equal(iotkit_file_commit(file, set_images[0].size, NULL), 0);
}

/* A power cut may undo what is not synced: so nothing is renamed before its bytes, and with several
 * files the note and its name, are on disk. */
static void what_is_synced_before_what(void **state) {
  (void)state;
  steps_of_commit_all();
  /* the parts; the note, the directory; the set_names, the directory; two journals, the note */
  assert_string_equal(steps.log, "fff"
                                 "wff"
                                 "rrrf"
                                 "uuu");
  steps_of_commit();
  assert_string_equal(steps.log, "frfu");
}

/*
 * On FAT the file is there when both the directory and it have been synced. A part of a set stays until all of the set
 * are there, since a power cut may leave neither name to what is renamed: it is a copy.
 */
static void what_is_synced_on_fat(void **state) {
  (void)state;
  steps.on_fat = true;
  set_put_old_files();
  steps_of_commit_all();
  assert_string_equal(steps.log, "fff"
                                 "wff"
                                 "wfrff"
                                 "wfrff"
                                 "wfrff"
                                 "f"
                                 "uuuuuuf");
  world_assert_names(".", "a b c");
  steps_of_commit();
  assert_string_equal(steps.log, "frfffu");
  assert_int_equal(remove("a"), 0);
  steps_of_commit();
  assert_string_equal(steps.log, "frfffu");
}

/* What loses its name on FAT keeps its bytes while it is open: until the new file is on the disk, and no longer. */
static void what_is_replaced_on_fat_is_held_meanwhile(void **state) {
  struct stat st;
  (void)state;
  steps.on_fat = true;
  set_put_old_files();
  assert_int_equal(stat("a", &st), 0);
  steps.watched = st.st_ino;
  steps_of_commit();
  assert_string_equal(steps.log, "frFFfu");
}

/* Of what has its name nobody knows whether it was synced. */
static void what_is_synced_on_fat_when_it_recovers(void **state) {
  static const struct {
    int done;
    const char *log;
  } rows[] = {
      {6, "wfrffwfrffwfrfff"},  /* the parts, the note, the directory */
      {20, "wfrffwfrffwfrfff"}, /* and all that comes before the last directory's */
      {23, "fwfrffwfrfff"},     /* and a part and its journal are gone */
      {27, "ffff"},             /* all of them */
  };
  (void)state;
  steps.on_fat = true;
  for (size_t i = 0; i < COUNT(rows); i++) {
    set_put_old_files();
    assert_true(crashes(NULL, rows[i].done, true));
    steps.count = 0;
    assert_int_equal(recover(), 1);
    assert_true(set_is_new());
    assert_memory_equal(steps.log, rows[i].log, strlen(rows[i].log));
    assert_int_equal(steps.log[strlen(rows[i].log)], 'u');
    assert_int_equal(steps.log[steps.count - 1], 'f'); /* no power cut brings the note back */
    world_assert_names(".", "a b c");
  }
}

/* ---- crashes ---- */

/* Whatever the moment, all files are the old ones or, once recovered, all the new ones. */
static void a_crash_at_any_step(void **state) {
  int (*const ways[])(void) = {recover, open_another};
  bool seen_old = false, seen_new = false;
  int n = 0;
  (void)state;
  for (;; n++) {
    assert_true(n < STEPS_MAX);
    set_put_old_files();
    if (!crashes(NULL, n, true)) break;
    assert_true(ways[n % 2]() >= 0);
    if (!set_is_old() && !set_is_new()) fail_msg("step %d: some are old, some are new", n);
    seen_old = seen_old || set_is_old();
    seen_new = seen_new || set_is_new();
    assert_false(world_exists(IK_COMMIT_NAME));
    if (set_is_new()) world_assert_names(".", "a b c");
    assert_int_equal(recover(), 0);
    /* The next attempt is not hindered by what is left. */
    assert_int_equal(commit(), 0);
    assert_true(set_is_new());
    world_assert_names(".", "a b c");
  }
  assert_true(set_is_new());
  assert_true(seen_old && seen_new && n > 2 * FILES);
}

/* What a crash leaves is no other than elsewhere. */
static void a_crash_at_any_step_on_fat(void **state) {
  steps.on_fat = true;
  a_crash_at_any_step(state);
}

/* The recovery ends at each of its steps, too. */
static void a_crash_while_it_recovers(void **state) {
  int twice = 0;
  (void)state;
  for (int n = 0;; n++) {
    set_put_old_files();
    if (!crashes(NULL, n, true)) break;
    for (int m = 0;; m++) {
      assert_true(n < STEPS_MAX && m < STEPS_MAX);
      set_put_old_files();
      assert_true(crashes(NULL, n, true));
      if (!crashes(recover, m, false)) break;
      twice++;
      assert_true(recover() >= 0);
      if (!set_is_old() && !set_is_new())
        fail_msg("steps %d, %d: some are old, some are new", n, m);
      assert_false(world_exists(IK_COMMIT_NAME));
    }
  }
  assert_true(twice > 10);
}

/* Before the note a crash costs nothing that was received. */
static void what_was_received_outlives_a_crash(void **state) {
  struct iotkit_file_options options = image_options(&set_images[0]);
  iotkit_file_t *file;
  (void)state;
  set_put_old_files();
  assert_true(crashes(NULL, 0, true));
  assert_true(set_is_old());
  iotkit_job_t *job = image_job(&set_images[0]);
  assert_int_equal(iotkit_file_open("a", &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_resume(file, job, NULL), set_images[0].size);
  assert_int_equal(iotkit_file_commit(file, set_images[0].size, NULL), 0);
  assert_true(set_holds("a", set_images[0].bytes, set_images[0].size));
  iotkit_job_unref(job);
}

/* Behind the note an error is no way back: what hinders it has to go, then it is completed. */
static void a_directory_in_the_way(void **state) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  set_put_old_files();
  set_receive(files, sizes);
  assert_int_equal(mkdir("c", 0700), 0);
  int rc = iotkit_file_commit_all(files, sizes, FILES, detail);
  assert_true(rc == IK_EFILE || rc == IK_EFILE_ACCESS);
  assert_non_null(strstr(detail, "c"));
  if (world_exists(IK_COMMIT_NAME)) {
    assert_true(recover() < 0);
    assert_int_equal(rmdir("c"), 0);
    assert_int_equal(recover(), 1);
    assert_true(set_is_new());
  } else {
    assert_int_equal(rmdir("c"), 0);
    assert_true(set_is_old());
    world_assert_names(".", "a b");
  }
}

/* ---- what is refused ---- */

static void one_bad_file_fails_all(void **state) {
  iotkit_file_t *files[FILES];
  uint64_t sizes[FILES];
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  set_put_old_files();
  set_receive(files, sizes);
  sizes[2]++;
  assert_int_equal(iotkit_file_commit_all(files, sizes, FILES, detail), IK_ESIZE_MISMATCH);
  assert_non_null(strstr(detail, "c.part"));
  assert_true(set_is_old());
  world_assert_names(".", "a b");
}

static int commit_two(const char *first, const char *second, const char *journal, char *detail) {
  struct iotkit_file_options options = {.journal = journal};
  iotkit_file_t *files[2];
  const uint64_t sizes[2] = {0, 0};
  assert_int_equal(iotkit_file_open(first, NULL, &files[0], NULL), 0);
  int rc = iotkit_file_open(second, &options, &files[1], NULL);
  if (rc == 0) return iotkit_file_commit_all(files, sizes, 2, detail);
  iotkit_file_discard(files[0]);
  return rc;
}

static void refused_sets(void **state) {
  struct iotkit_file_options in_place = {.in_place = true};
  iotkit_file_t *file = NULL;
  const uint64_t sizes[1] = {0};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(mkdir("dir", 0700), 0);
  assert_int_equal(commit_two("a", "dir/b", NULL, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "dir/b"));
  assert_int_equal(commit_two("a", "a.part", NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(commit_two("b.part", "b", NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(commit_two("a", "a.part.journal", NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(commit_two("a", "b", "a", detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(commit_two("a", IK_COMMIT_NAME, NULL, detail), IK_EINVALID_ARGUMENT);
  world_assert_names(".", "dir");
  assert_int_equal(commit_two("dir/a", "dir/b", NULL, detail), 0);
  world_assert_names("dir", "a b");
  assert_int_equal(remove("dir/a"), 0);
  assert_int_equal(remove("dir/b"), 0);

  world_put("target", "x", 1);
  assert_int_equal(iotkit_file_open("target", &in_place, &file, NULL), 0);
  assert_int_equal(iotkit_file_commit_all(&file, sizes, 1, detail), IK_EINVALID_ARGUMENT);
  file = NULL;
  assert_int_equal(iotkit_file_commit_all(&file, sizes, 1, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_commit_all(NULL, sizes, 1, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_commit_all(&file, NULL, 1, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_commit_all(&file, sizes, 0, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_recover(NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_recover("", detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_recover("none", detail), 0);
  world_assert_names(".", "dir target");
}

/* ---- notes that are not what they seem ---- */

static void put_note(const struct ik_commit_file *rows, size_t count) {
  struct ik_buf note;
  ik_buf_init(&note, IK_COMMIT_NOTE_MAX);
  assert_int_equal(ik_commit_note_put(rows, count, &note), 0);
  world_put(IK_COMMIT_NAME, ik_buf_ptr(&note), ik_buf_size(&note));
  ik_buf_free(&note);
}

static struct ik_commit_file row_of(size_t i) {
  struct ik_commit_file row = {.size = set_images[i].size, .method = set_images[i].method};
  memcpy(row.name, set_names[i], strlen(set_names[i]));
  memcpy(row.digest, set_images[i].digest, sizeof row.digest);
  return row;
}

static void a_part_that_is_another_is_not_renamed(void **state) {
  const struct ik_commit_file rows[] = {row_of(0), row_of(1)};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  for (int i = 0; i < 3; i++) {
    set_put_old_files();
    put_note(rows, 2);
    world_put("a.part", set_images[0].bytes, set_images[0].size);
    set_images[1].bytes[500] ^= 1;
    if (i == 0) world_put("b.part", set_images[1].bytes, set_images[1].size);     /* other bytes */
    if (i == 1) world_put("b.part", set_images[1].bytes, set_images[1].size - 1); /* another size */
    set_images[1].bytes[500] ^= 1; /* i == 2: no part, and an old file */
    assert_int_equal(iotkit_file_recover(".", detail), IK_EFILE);
    assert_non_null(strstr(detail, "./b"));
    assert_true(set_is_old());
    assert_false(world_exists(IK_COMMIT_NAME)); /* said once, then it is over */
    assert_int_equal(recover(), 0);
  }
}

/* A note that a power cut has brought back: the set was complete, and the part is the next download's. */
static void a_part_of_the_next_download_is_left_alone(void **state) {
  const struct ik_commit_file rows[] = {row_of(0), row_of(1)};
  (void)state;
  for (int i = 0; i < 2; i++) {
    world_put("a", set_images[0].bytes, set_images[0].size);
    world_put("b", set_images[1].bytes, set_images[1].size);
    put_note(rows, 2);
    world_put("b.part", "half of the next one", i == 0 ? 20 : 0);
    world_put("b.part.journal", "how far", 7);
    if (i == 1) assert_int_equal(chmod("b.part", 0666), 0); /* somebody else's */
    assert_int_equal(recover(), 1);
    assert_true(set_holds("a", set_images[0].bytes, set_images[0].size));
    assert_true(set_holds("b", set_images[1].bytes, set_images[1].size));
    world_assert_names(".", "a b b.part b.part.journal");
  }
}

static void a_part_of_another_size_is_not_renamed(void **state) {
  struct ik_commit_file row = row_of(0);
  (void)state;
  set_put_old_files();
  put_note(&row, 1);
  world_put("a.part", set_images[0].bytes, set_images[0].size - 1);
  assert_int_equal(recover(), IK_EFILE);
  assert_true(set_is_old());
  put_note(&row, 1);
  world_put("a.part", set_images[0].bytes, set_images[0].size);
  assert_int_equal(recover(), 1);
  assert_true(set_holds("a", set_images[0].bytes, set_images[0].size));
}

/* Any file of that size would do: so nobody writes such a note, and none is believed. */
static void a_note_without_a_digest_is_not_believed(void **state) {
  struct ik_commit_file rows[] = {row_of(0), row_of(1)};
  (void)state;
  rows[1].method = IOTKIT_DIGEST_NONE;
  set_put_old_files();
  put_note(rows, 2);
  world_put("a.part", set_images[0].bytes, set_images[0].size);
  world_put("b.part", set_images[1].bytes, set_images[1].size);
  assert_int_equal(recover(), 0);
  assert_true(set_is_old());
  assert_false(world_exists(IK_COMMIT_NAME));
}

/* Renamed before the crash, says the note; but what is there is something else of that size. */
static void what_was_renamed_is_looked_at_again(void **state) {
  const struct ik_commit_file rows[] = {row_of(0), row_of(1)};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  set_put_old_files();
  put_note(rows, 2);
  set_images[0].bytes[0] ^= 1;
  world_put("a", set_images[0].bytes, set_images[0].size);
  set_images[0].bytes[0] ^= 1;
  world_put("b.part", set_images[1].bytes, set_images[1].size);
  assert_int_equal(iotkit_file_recover(".", detail), IK_EFILE);
  assert_non_null(strstr(detail, "./a"));
  assert_true(set_holds("b", "old b", 5));
}

static void a_torn_note_is_no_commit(void **state) {
  const struct ik_commit_file row = row_of(0);
  (void)state;
  set_put_old_files();
  put_note(&row, 1);
  assert_int_equal(truncate(IK_COMMIT_NAME, 40), 0);
  world_put("a.part", set_images[0].bytes, set_images[0].size);
  assert_int_equal(recover(), 0);
  assert_true(set_is_old());
  world_assert_names(".", "a a.part b");
  world_put(IK_COMMIT_NAME, "", 0);
  assert_int_equal(recover(), 0);
  world_assert_names(".", "a a.part b");
}

/* Its lock says that whoever wrote it is still at it. */
static void a_commit_that_is_being_done_is_left_alone(void **state) {
  const struct ik_commit_file row = row_of(0);
  iotkit_file_t *file;
  const uint64_t size = 0;
  (void)state;
  set_put_old_files();
  put_note(&row, 1);
  world_put("a.part", set_images[0].bytes, set_images[0].size);
  int fd = open(IK_COMMIT_NAME, O_RDWR | O_CLOEXEC);
  assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
  assert_int_equal(recover(), IK_EFILE_LOCKED);
  assert_int_equal(iotkit_file_open("b", NULL, &file, NULL), 0);
  assert_int_equal(iotkit_file_commit_all(&file, &size, 1, NULL), IK_EFILE_LOCKED);
  close(fd);
  /* Nor is a part taken from under who writes it. */
  fd = open("a.part", O_RDWR | O_CLOEXEC);
  assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
  assert_int_equal(recover(), IK_EFILE_LOCKED);
  close(fd);
  assert_true(set_is_old());
  assert_int_equal(recover(), 1);
  assert_true(set_holds("a", set_images[0].bytes, set_images[0].size));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, set_enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(all_get_their_names),
      IN_DIRECTORY(what_is_synced_before_what),
      IN_DIRECTORY(what_is_synced_on_fat),
      IN_DIRECTORY(what_is_replaced_on_fat_is_held_meanwhile),
      IN_DIRECTORY(what_is_synced_on_fat_when_it_recovers),
      IN_DIRECTORY(a_crash_at_any_step),
      IN_DIRECTORY(a_crash_at_any_step_on_fat),
      IN_DIRECTORY(a_crash_while_it_recovers),
      IN_DIRECTORY(what_was_received_outlives_a_crash),
      IN_DIRECTORY(a_directory_in_the_way),
      IN_DIRECTORY(one_bad_file_fails_all),
      IN_DIRECTORY(refused_sets),
      IN_DIRECTORY(a_part_that_is_another_is_not_renamed),
      IN_DIRECTORY(a_part_of_the_next_download_is_left_alone),
      IN_DIRECTORY(a_part_of_another_size_is_not_renamed),
      IN_DIRECTORY(a_note_without_a_digest_is_not_believed),
      IN_DIRECTORY(what_was_renamed_is_looked_at_again),
      IN_DIRECTORY(a_torn_note_is_no_commit),
      IN_DIRECTORY(a_commit_that_is_being_done_is_left_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
