/*
 * What is resumed: the proven bytes of a part, whatever became of it and of its journal
 * meanwhile. A process that was killed is one whose file was closed with nothing else done.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/limits.h"
#include "download/job.h"
#include "download/job_private.h"
#include "image/file.h"
#include "support/cm.h"
#include "support/file_world.h"

#define DISTANCE (64 * IK_KIB)
#define IMAGE_SIZE (1024 * IK_KIB + 123)
#define BLOCK (10 * IK_KIB)

/* One run of a program that downloads. */
struct run {
  const struct image *image;
  iotkit_file_t *file;
  iotkit_job_t *job;
  size_t at; /* resumed from */
};

static struct run run_open(const struct image *image) {
  struct run run = {.image = image, .job = image_job(image)};
  struct iotkit_file_options options = image_options(image);
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_file_open("image", &options, &run.file, detail);
  if (rc != 0) fail_msg("%d %s", rc, detail);
  int64_t at = iotkit_file_resume(run.file, run.job, detail);
  if (at < 0) fail_msg("%d %s", (int)at, detail);
  run.at = (size_t)at;
  return run;
}

static void run_receive(struct run *run, size_t to) {
  image_receive(run->image, run->file, run->job, run->at, to, BLOCK);
}

static void run_kill(struct run *run) {
  ik_file_free(run->file);
  iotkit_job_unref(run->job);
}

static void run_keep(struct run *run) {
  iotkit_file_keep(run->file, run->job);
  iotkit_job_unref(run->job);
}

/* Receives the rest and commits; what stands there then is the image. */
static void run_finish(struct run *run) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  run_receive(run, run->image->size);
  int rc = iotkit_file_commit(run->file, run->image->size, detail);
  if (rc != 0) fail_msg("%d %s", rc, detail);
  iotkit_job_unref(run->job);
  image_assert_at(run->image, "image");
  world_assert_names(".", "image");
}

/* The part and its journal as a run leaves them that received `to` bytes. */
static void leave(const struct image *image, size_t to, bool killed) {
  struct run run = run_open(image);
  assert_int_equal(run.at, 0);
  run_receive(&run, to);
  if (killed)
    run_kill(&run);
  else
    run_keep(&run);
}

static struct image new_image(const char *test) {
  struct rng rng = rng_start(test);
  return image_new(&rng, IMAGE_SIZE, IOTKIT_DIGEST_SHA256);
}

static void flip(const char *path, off_t at) {
  uint8_t byte;
  int fd = open(path, O_RDWR | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(pread(fd, &byte, 1, at), 1);
  byte ^= 0x10;
  assert_int_equal(pwrite(fd, &byte, 1, at), 1);
  close(fd);
}

/* ---- the ways a run ends ---- */

static void goes_on_at_the_byte_where_it_was_kept(void **state) {
  struct image image = new_image("goes_on_at_the_byte_where_it_was_kept");
  const size_t stops[] = {1, 100, DISTANCE - 1, DISTANCE, DISTANCE + 1, 500001, IMAGE_SIZE};
  (void)state;
  for (size_t i = 0; i < COUNT(stops); i++) {
    leave(&image, stops[i], false);
    world_assert_names(".", i == 0 ? "image.part image.part.journal"
                                   : "image image.part image.part.journal");
    struct run run = run_open(&image);
    assert_int_equal(run.at, stops[i]);
    assert_int_equal(iotkit_job_received(run.job), stops[i]);
    run_finish(&run);
  }
  image_free(&image);
}

static void goes_on_near_where_it_was_killed(void **state) {
  struct image image = new_image("goes_on_near_where_it_was_killed");
  const size_t stops[] = {BLOCK, DISTANCE - 1, DISTANCE + BLOCK, 500001, IMAGE_SIZE};
  (void)state;
  for (size_t i = 0; i < COUNT(stops); i++) {
    leave(&image, stops[i], true);
    struct run run = run_open(&image);
    assert_true(run.at <= stops[i] && stops[i] - run.at < DISTANCE + BLOCK);
    if (stops[i] == IMAGE_SIZE) assert_int_equal(run.at, IMAGE_SIZE);
    run_finish(&run);
  }
  image_free(&image);
}

/* A part that is left again and again has a journal that is not longer for it. */
static void many_small_runs(void **state) {
  struct image image = new_image("many_small_runs");
  struct stat st;
  (void)state;
  for (size_t at = 0; at < IMAGE_SIZE; at += 1017) {
    struct run run = run_open(&image);
    assert_int_equal(run.at, at);
    run_receive(&run, at + 1017 < IMAGE_SIZE ? at + 1017 : IMAGE_SIZE);
    run_keep(&run);
  }
  assert_int_equal(stat("image.part.journal", &st), 0);
  assert_true((size_t)st.st_size <=
              IK_JOURNAL_HEADER + (2 * IMAGE_SIZE / DISTANCE + 2) * IK_JOURNAL_RECORD);
  struct run run = run_open(&image);
  assert_int_equal(run.at, IMAGE_SIZE);
  run_finish(&run);
  image_free(&image);
}

static void nothing_received_leaves_nothing(void **state) {
  struct image image = new_image("nothing_received_leaves_nothing");
  struct iotkit_file_options none = {.size = IMAGE_SIZE};
  iotkit_file_t *file;
  (void)state;
  struct run run = run_open(&image);
  run_keep(&run);
  world_assert_names(".", "");
  /* Nor what has no key, whatever was received. */
  assert_int_equal(iotkit_file_open("image", &none, &file, NULL), 0);
  assert_int_equal(iotkit_file_write(file, 0, "x", 1, NULL), 0);
  iotkit_file_keep(file, NULL);
  world_assert_names(".", "");
  /* Nor what is discarded. */
  run = run_open(&image);
  run_receive(&run, 500000);
  world_assert_names(".", "image.part image.part.journal");
  iotkit_file_discard(run.file);
  iotkit_job_unref(run.job);
  world_assert_names(".", "");
  iotkit_file_keep(NULL, NULL);
  image_free(&image);
}

/* A kept part takes no more room than what is proven of it. */
static void reserved_space_is_given_back(void **state) {
  struct image image = new_image("reserved_space_is_given_back");
  struct stat st;
  (void)state;
  leave(&image, 200000, false);
  assert_int_equal(stat("image.part", &st), 0);
  assert_int_equal(st.st_size, 200000);
  assert_true(st.st_blocks * 512 <= 200000 + 64 * 1024);
  assert_int_equal(stat("image.part.journal", &st), 0);
  assert_int_equal(st.st_mode & 07177, 0); /* for its owner alone */
  image_free(&image);
}

/* ---- what is not trusted ---- */

static void another_image_begins_at_0(void **state) {
  struct image image = new_image("another_image_begins_at_0");
  struct rng rng = {42};
  struct image other = image_new(&rng, IMAGE_SIZE, IOTKIT_DIGEST_SHA256);
  struct image method = image_new(&rng, IMAGE_SIZE, IOTKIT_DIGEST_MD5);
  struct image longer = image_new(&rng, IMAGE_SIZE + 1, IOTKIT_DIGEST_SHA256);
  const struct image *others[] = {&other, &method, &longer};
  (void)state;
  for (size_t i = 0; i < COUNT(others); i++) {
    leave(&image, 500000, i & 1);
    struct run run = run_open(others[i]);
    assert_int_equal(run.at, 0);
    run_receive(&run, 1); /* nothing of the old part is left behind */
    run_keep(&run);
    run = run_open(others[i]);
    assert_int_equal(run.at, 1);
    run_finish(&run);
    assert_int_equal(remove("image"), 0);
  }
  leave(&image, 500000, false);
  /* Without a key neither part nor journal is of use. */
  iotkit_file_t *file;
  assert_int_equal(iotkit_file_open("image", NULL, &file, NULL), 0);
  iotkit_file_discard(file);
  world_assert_names(".", "");
  image_free(&longer);
  image_free(&method);
  image_free(&other);
  image_free(&image);
}

static void a_flipped_byte_ends_what_is_trusted(void **state) {
  struct image image = new_image("a_flipped_byte_ends_what_is_trusted");
  const size_t places[] = {0, DISTANCE + BLOCK, 300000, 499999};
  (void)state;
  for (size_t i = 0; i < COUNT(places); i++) {
    leave(&image, 500000, false);
    flip("image.part", (off_t)places[i]);
    struct run run = run_open(&image);
    assert_true(run.at <= places[i] && places[i] - run.at < DISTANCE + BLOCK);
    run_finish(&run);
    assert_int_equal(remove("image"), 0);
  }
  image_free(&image);
}

/* The size says that it is all there; the bytes are zeros that were never written. */
static void holes_are_not_bytes(void **state) {
  struct image image = new_image("holes_are_not_bytes");
  (void)state;
  leave(&image, 500000, true);
  assert_int_equal(truncate("image.part", 200000), 0);
  assert_int_equal(truncate("image.part", IMAGE_SIZE), 0);
  struct run run = run_open(&image);
  assert_true(run.at <= 200000 && 200000 - run.at < DISTANCE + BLOCK);
  run_finish(&run);
  image_free(&image);
}

static void a_journal_ahead_of_the_data(void **state) {
  struct image image = new_image("a_journal_ahead_of_the_data");
  (void)state;
  leave(&image, 800000, false);
  assert_int_equal(truncate("image.part", 300001), 0);
  struct run run = run_open(&image);
  assert_true(run.at <= 300001 && 300001 - run.at < DISTANCE + BLOCK);
  run_kill(&run); /* immediately: what was proven stays so */
  struct run again = run_open(&image);
  assert_int_equal(again.at, run.at);
  run_finish(&again);
  image_free(&image);
}

static void damage_to_the_journal(void **state) {
  struct image image = new_image("damage_to_the_journal");
  static const struct {
    const char *what;
    off_t flip;     /* -1: none */
    off_t truncate; /* -1: not */
    size_t least;   /* of what is trusted */
    size_t most;
  } rows[] = {
      {"magic", 0, -1, 0, 0},
      {"version", 8, -1, 0, 0},
      {"digest", 30, -1, 0, 0},
      {"first record", 64, -1, 0, 0},
      {"second record", 64 + 44, -1, 64 * 1024, 75 * 1024},
      {"empty", -1, 0, 0, 0},
      {"half a header", -1, 32, 0, 0},
      {"no record", -1, 64, 0, 0},
      {"two records and a half", -1, 64 + 110, 128 * 1024, 150 * 1024},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    leave(&image, 500000, true);
    if (rows[i].flip >= 0) flip("image.part.journal", rows[i].flip);
    if (rows[i].truncate >= 0)
      assert_int_equal(truncate("image.part.journal", rows[i].truncate), 0);
    struct run run = run_open(&image);
    if (run.at < rows[i].least || run.at > rows[i].most) fail_msg("%s: %zu", rows[i].what, run.at);
    run_finish(&run);
    assert_int_equal(remove("image"), 0);
  }
  image_free(&image);
}

/* One is gone: the other alone is of no use and in nobody's way. */
static void part_or_journal_removed(void **state) {
  struct image image = new_image("part_or_journal_removed");
  (void)state;
  leave(&image, 500000, false);
  assert_int_equal(remove("image.part"), 0);
  struct run run = run_open(&image);
  assert_int_equal(run.at, 0);
  run_finish(&run);
  assert_int_equal(remove("image"), 0);
  leave(&image, 500000, false);
  assert_int_equal(remove("image.part.journal"), 0);
  run = run_open(&image);
  assert_int_equal(run.at, 0);
  run_finish(&run);
  image_free(&image);
}

/* While it is written: what has lost its part is not resumed, and leaves nothing. */
static void the_part_vanishes_in_the_middle(void **state) {
  struct image image = new_image("the_part_vanishes_in_the_middle");
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  struct run run = run_open(&image);
  run_receive(&run, 500000);
  assert_int_equal(remove("image.part"), 0);
  run_keep(&run);
  world_assert_names(".", "");

  run = run_open(&image);
  run_receive(&run, IMAGE_SIZE);
  assert_int_equal(remove("image.part"), 0);
  assert_int_equal(iotkit_file_commit(run.file, IMAGE_SIZE, detail), IK_EFILE_NOT_FOUND);
  assert_non_null(strstr(detail, "image.part"));
  iotkit_job_unref(run.job);
  world_assert_names(".", "");
  image_free(&image);
}

/* A record that is well-formed and is not true: only the digest at the end shows that. */
static void what_the_journal_claims_is_held_against_the_bytes(void **state) {
  struct image image = new_image("what_the_journal_claims");
  struct iotkit_file_options options = image_options(&image);
  struct ik_journal_key key = {.method = options.digest_method, .size = options.size};
  struct ik_journal_record record = {.offset = 1000, .digest = {1, 2, 3}};
  uint8_t journal[IK_JOURNAL_HEADER + IK_JOURNAL_RECORD];
  (void)state;
  memcpy(key.digest, options.digest, sizeof key.digest);
  ik_journal_put_record(ik_journal_put_header(&key, journal), &record, journal + IK_JOURNAL_HEADER);
  world_put("image.part", image.bytes, 2000);
  world_put("image.part.journal", journal, sizeof journal);
  struct run run = run_open(&image);
  assert_int_equal(run.at, 0);
  run_finish(&run);
  image_free(&image);
}

/* ---- rewind, abort, repeat ---- */

static void begins_again_after_a_rewind(void **state) {
  struct image image = new_image("begins_again_after_a_rewind");
  (void)state;
  leave(&image, 500000, false);
  struct run run = run_open(&image);
  run_receive(&run, 700000);
  assert_int_equal(iotkit_file_rewind(run.file, NULL), 0);
  assert_int_equal(iotkit_job_resume(run.job, 0), 0);
  run.at = 0;
  run_receive(&run, 10);
  run_kill(&run);
  run = run_open(&image);
  assert_int_equal(run.at, 0); /* not one of the records from before */
  run_receive(&run, 20);
  run_keep(&run);
  run = run_open(&image);
  assert_int_equal(run.at, 20);
  run_finish(&run);
  assert_int_equal(iotkit_file_rewind(NULL, NULL), IK_EINVALID_ARGUMENT);
  image_free(&image);
}

static void an_abort_leaves_it_as_it_was(void **state) {
  struct image image = new_image("an_abort_leaves_it_as_it_was");
  struct iotkit_file_options options = image_options(&image);
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  (void)state;
  leave(&image, 500000, false);
  iotkit_job_t *job = image_job(&image);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_resume(file, job, detail), IK_EABORTED);
  assert_non_null(strstr(detail, "cancelled"));
  iotkit_file_keep(file, job);
  iotkit_job_unref(job);
  struct run run = run_open(&image);
  assert_int_equal(run.at, 500000);
  run_finish(&run);
  image_free(&image);
}

/* Two files of one image with parts of different lengths, as one job with two targets has them. */
static void one_job_and_two_files(void **state) {
  struct image image = new_image("one_job_and_two_files");
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *other;
  (void)state;
  leave(&image, 500000, false);
  assert_int_equal(rename("image.part", "other.part"), 0);
  assert_int_equal(rename("image.part.journal", "other.part.journal"), 0);
  leave(&image, 300000, false);
  struct run run = run_open(&image);
  assert_int_equal(run.at, 300000);
  assert_int_equal(iotkit_file_open("other", &options, &other, NULL), 0);
  assert_int_equal(iotkit_file_resume(other, run.job, NULL), 500000);
  assert_int_equal(iotkit_file_resume(run.file, run.job, NULL), 300000);
  assert_int_equal(iotkit_job_received(run.job), 300000);
  /* The longer one is written again below its proven end. */
  image_receive(&image, other, run.job, 300000, 400000, BLOCK);
  assert_int_equal(iotkit_file_resume(run.file, run.job, NULL), 300000);
  iotkit_file_keep(other, run.job);
  run_receive(&run, IMAGE_SIZE);
  assert_int_equal(iotkit_file_commit(run.file, IMAGE_SIZE, NULL), 0);
  iotkit_job_unref(run.job);
  image_assert_at(&image, "image");
  assert_int_equal(remove("image"), 0);
  assert_int_equal(rename("other.part", "image.part"), 0);
  assert_int_equal(rename("other.part.journal", "image.part.journal"), 0);
  run = run_open(&image);
  assert_int_equal(run.at, 500000);
  run_finish(&run);
  image_free(&image);
}

static void refused_calls(void **state) {
  struct image image = new_image("refused_calls");
  struct run run = run_open(&image);
  (void)state;
  assert_int_equal(iotkit_file_resume(NULL, run.job, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_resume(run.file, NULL, NULL), IK_EINVALID_ARGUMENT);
  atomic_store(&run.job->control.state, IOTKIT_JOB_FETCHING);
  assert_int_equal(iotkit_file_resume(run.file, run.job, NULL), IK_EINVALID_STATE);
  atomic_store(&run.job->control.state, IOTKIT_JOB_READY);
  iotkit_file_checkpoint(NULL, run.job);
  iotkit_file_checkpoint(run.file, NULL);
  run_finish(&run);
  image_free(&image);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(goes_on_at_the_byte_where_it_was_kept),
      IN_DIRECTORY(goes_on_near_where_it_was_killed),
      IN_DIRECTORY(many_small_runs),
      IN_DIRECTORY(nothing_received_leaves_nothing),
      IN_DIRECTORY(reserved_space_is_given_back),
      IN_DIRECTORY(another_image_begins_at_0),
      IN_DIRECTORY(a_flipped_byte_ends_what_is_trusted),
      IN_DIRECTORY(holes_are_not_bytes),
      IN_DIRECTORY(a_journal_ahead_of_the_data),
      IN_DIRECTORY(damage_to_the_journal),
      IN_DIRECTORY(part_or_journal_removed),
      IN_DIRECTORY(the_part_vanishes_in_the_middle),
      IN_DIRECTORY(what_the_journal_claims_is_held_against_the_bytes),
      IN_DIRECTORY(begins_again_after_a_rewind),
      IN_DIRECTORY(an_abort_leaves_it_as_it_was),
      IN_DIRECTORY(one_job_and_two_files),
      IN_DIRECTORY(refused_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
