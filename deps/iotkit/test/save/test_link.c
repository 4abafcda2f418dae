/* A target that becomes a hard link of one that another job has fetched: where it does, where it is copied, its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "download/job.h"
#include "image/original.h"
#include "save/image.h"
#include "support/cm.h"
#include "support/file_world.h"

#define SIZE (64 * IK_KIB + 5)

static struct image image;

static int enter(void **state) {
  struct rng rng = rng_start("link");
  umask(022);
  image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  return world_enter(state);
}

static int leave(void **state) {
  image_free(&image);
  return world_leave(state);
}

static iotkit_image_t *open_image(const char *path, const struct iotkit_file_options *options) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_image_t *made;
  iotkit_job_t *job = image_job(&image);
  assert_int_equal(iotkit_image_new(job, &made), 0);
  iotkit_job_unref(job);
  int rc = iotkit_image_open(made, path, options, true, detail);
  if (rc != 0) fail_msg("%s: %d %s", path, rc, detail);
  return made;
}

static void receive(iotkit_image_t *made) {
  bool again;
  iotkit_job_t *job = iotkit_image_job(made);
  assert_int_equal(iotkit_image_resume(made, NULL), 0);
  assert_int_equal(iotkit_image_write(made, 0, image.bytes, image.size, NULL), 0);
  assert_int_equal(iotkit_job_digest(job, 0, image.bytes, image.size), 0);
  assert_int_equal(ik_job_complete(job, NULL), 0);
  assert_int_equal(iotkit_image_check(made, &again, NULL), 0);
  assert_int_equal(iotkit_image_made(made), IOTKIT_MADE_FETCHED);
}

static iotkit_original_t *commit_as_original(iotkit_image_t *made) {
  assert_int_equal(iotkit_image_keep_original(made, NULL), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_original_t *original = iotkit_image_original(made);
  assert_non_null(original);
  iotkit_image_free(made);
  return original;
}

static iotkit_original_t *fetch_original(const char *path) {
  iotkit_image_t *made = open_image(path, NULL);
  receive(made);
  return commit_as_original(made);
}

static enum iotkit_made link_with(const iotkit_original_t *original, const char *path,
                                  const struct iotkit_file_options *options) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_image_t *made = open_image(path, options);
  int rc = iotkit_image_link(made, original, detail);
  if (rc == 0) assert_int_equal(iotkit_job_get_state(iotkit_image_job(made)), IOTKIT_JOB_FETCHED);
  if (rc == 0) rc = iotkit_image_commit(made, detail);
  if (rc != 0) fail_msg("%s: %d %s", path, rc, detail);
  enum iotkit_made how = iotkit_image_made(made);
  iotkit_image_free(made);
  image_assert_at(&image, path);
  return how;
}

static enum iotkit_made link_to(const iotkit_original_t *original, const char *path) {
  return link_with(original, path, NULL);
}

static bool is_one_file(const char *a, const char *b) {
  struct stat at_a, at_b;
  assert_int_equal(lstat(a, &at_a), 0);
  assert_int_equal(lstat(b, &at_b), 0);
  return at_a.st_dev == at_b.st_dev && at_a.st_ino == at_b.st_ino;
}

static mode_t mode_of(const char *path) {
  struct stat st;
  assert_int_equal(lstat(path, &st), 0);
  return st.st_mode & 07777;
}

/* Whether it is made of bytes of its own, shared or not. */
static void assert_copied(enum iotkit_made how) {
  assert_true(how == IOTKIT_MADE_COPIED || how == IOTKIT_MADE_CLONED);
}

/* ---- a link ---- */

static void is_another_name_of_the_original(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  world_put("c", "old", 3);
  assert_int_equal(link_to(original, "b"), IOTKIT_MADE_LINKED);
  assert_int_equal(link_to(original, "c"), IOTKIT_MADE_LINKED);
  iotkit_original_unref(original);
  world_assert_names(".", "a b c");
  assert_true(is_one_file("a", "b"));
  assert_true(is_one_file("a", "c"));
  assert_int_equal(mode_of("b"), 0644);
}

static void it_was_that_very_file_before(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  for (int i = 0; i < 3; i++) /* rename() of two names of one file does nothing */
    assert_int_equal(link_to(original, "b"), IOTKIT_MADE_LINKED);
  assert_int_equal(link_to(original, "a"), IOTKIT_MADE_LINKED);
  iotkit_original_unref(original);
  world_assert_names(".", "a b");
  assert_true(is_one_file("a", "b"));
}

static void the_next_image_replaces_one_name_alone(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  assert_int_equal(link_to(original, "b"), IOTKIT_MADE_LINKED);
  iotkit_original_unref(original);
  uint8_t old = image.bytes[3];
  iotkit_original_unref(fetch_original("b"));
  assert_false(is_one_file("a", "b"));
  assert_int_equal(image.bytes[3], old);
  image_assert_at(&image, "a");
  world_assert_names(".", "a b");
}

static void a_link_can_be_the_original_of_another(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  iotkit_image_t *made = open_image("b", NULL);
  assert_int_equal(iotkit_image_link(made, original, NULL), 0);
  iotkit_original_unref(original);
  original = commit_as_original(made);
  assert_int_equal(remove("a"), 0);
  assert_int_equal(link_to(original, "c"), IOTKIT_MADE_LINKED);
  iotkit_original_unref(original);
  assert_true(is_one_file("b", "c"));
}

static void it_takes_no_space(void **state) {
  const struct iotkit_file_options options = {.max_size = SIZE, .defers_space = true};
  iotkit_original_t *original = fetch_original("a");
  struct stat st;
  (void)state;
  iotkit_image_t *made = open_image("b", &options);
  assert_int_equal(stat("b.part", &st), 0);
  assert_int_equal(st.st_blocks, 0);
  assert_int_equal(iotkit_image_link(made, original, NULL), 0);
  assert_int_equal(stat("b.part", &st), 0);
  assert_int_equal(st.st_size, 0);
  assert_int_equal(st.st_blocks, 0);
  assert_int_equal(st.st_mode & 07777, 0600); /* it is the lock */
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_image_free(made);
  iotkit_original_unref(original);
  world_assert_names(".", "a b");
}

static void space_is_set_aside_when_it_is_written(void **state) {
  const struct iotkit_file_options options = {.defers_space = true};
  struct stat st;
  (void)state;
  iotkit_image_t *made = open_image("a", &options);
  assert_int_equal(iotkit_image_write(made, 0, image.bytes, 4096, NULL), 0);
  assert_int_equal(stat("a.part", &st), 0);
  uint64_t reserved = (uint64_t)st.st_blocks * 512;
  assert_true(reserved == 4096 || reserved >= SIZE); /* a file system may have no way to */
  iotkit_image_free(made);
}

static void one_path_is_one_download(void **state) {
  iotkit_original_t *original = fetch_original("a");
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_image_t *other;
  (void)state;
  iotkit_image_t *made = open_image("b", NULL);
  assert_int_equal(iotkit_image_link(made, original, NULL), 0);
  iotkit_job_t *job = image_job(&image);
  assert_int_equal(iotkit_image_new(job, &other), 0);
  iotkit_job_unref(job);
  assert_int_equal(iotkit_image_open(other, "b", NULL, true, detail), IK_EFILE_LOCKED);
  iotkit_image_free(other);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_image_free(made);
  iotkit_original_unref(original);
  assert_true(is_one_file("a", "b"));
  world_assert_names(".", "a b");
}

static void several_targets_at_once(void **state) {
  iotkit_original_t *original = fetch_original("a");
  const struct iotkit_file_options strict = {.mode = 0600};
  (void)state;
  iotkit_image_t *made = open_image("b", NULL);
  assert_int_equal(iotkit_image_open(made, "c", NULL, true, NULL), 0);
  assert_int_equal(iotkit_image_open(made, "b", NULL, true, NULL), IK_EFILE_LOCKED);
  assert_int_equal(iotkit_image_link(made, original, NULL), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  assert_int_equal(iotkit_image_made(made), IOTKIT_MADE_LINKED);
  iotkit_image_free(made);
  made = open_image("d", NULL);
  assert_int_equal(iotkit_image_open(made, "e", &strict, true, NULL), 0);
  assert_int_equal(iotkit_image_link(made, original, NULL), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  assert_copied(iotkit_image_made(made)); /* one of them */
  iotkit_image_free(made);
  iotkit_original_unref(original);
  world_assert_names(".", "a b c d e");
  assert_true(is_one_file("a", "c"));
  assert_true(is_one_file("a", "d"));
  assert_false(is_one_file("a", "e"));
}

/* ---- no link ---- */

static void owner_and_mode_are_its_own(void **state) {
  const struct iotkit_file_options strict = {.mode = 0600};
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  assert_copied(link_with(original, "b", &strict));
  assert_int_equal(mode_of("b"), 0600);
  world_put("c", "old", 3);
  assert_int_equal(chmod("c", 0755), 0);
  assert_copied(link_to(original, "c"));
  assert_int_equal(mode_of("c"), 0755);
  assert_int_equal(mode_of("a"), 0644);
  iotkit_original_unref(original);
  world_assert_names(".", "a b c");
}

static void another_owner(void **state) {
  (void)state;
  if (geteuid() != 0) skip();
  world_put("a", "old", 3);
  assert_int_equal(chown("a", 1234, 1234), 0);
  iotkit_original_t *original = fetch_original("a"); /* which is 1234's, as the file was */
  assert_copied(link_to(original, "b"));
  iotkit_original_unref(original);
  original = fetch_original("c");
  world_put("d", "old", 3);
  assert_int_equal(chown("d", 1234, 1234), 0);
  assert_copied(link_to(original, "d"));
  iotkit_original_unref(original);
  struct stat st;
  assert_int_equal(stat("d", &st), 0);
  assert_int_equal(st.st_uid, 1234);
}

static void the_name_is_another_files(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  assert_int_equal(rename("a", "moved"), 0);
  assert_copied(link_to(original, "b"));
  world_put("a", "another", 7);
  assert_copied(link_to(original, "c"));
  assert_int_equal(remove("a"), 0);
  assert_int_equal(symlink("moved", "a"), 0); /* and leads to the original */
  assert_copied(link_to(original, "d"));
  iotkit_original_unref(original);
  world_assert_names(".", "a b c d moved");
  assert_false(is_one_file("moved", "d"));
}

static void what_was_written_to_is_no_original(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  FILE *file = fopen("a", "r+b");
  assert_non_null(file);
  assert_int_equal(fputc(image.bytes[0] ^ 1, file), image.bytes[0] ^ 1);
  assert_int_equal(fclose(file), 0);
  iotkit_image_t *made = open_image("b", NULL);
  assert_int_equal(iotkit_image_link(made, original, NULL), IK_ECHANGED);
  assert_int_equal(iotkit_image_made(made), IOTKIT_MADE_FETCHED);
  receive(made); /* it is fetched as if nothing had been */
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_image_free(made);
  iotkit_original_unref(original);
  image_assert_at(&image, "b");
  assert_false(is_one_file("a", "b"));
  world_assert_names(".", "a b");
}

static void in_place_is_copied(void **state) {
  const struct iotkit_file_options options = {.in_place = true};
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  uint8_t *room = calloc(1, SIZE);
  world_put("device", room, SIZE);
  free(room);
  assert_int_equal(link_with(original, "device", &options), IOTKIT_MADE_COPIED);
  iotkit_original_unref(original);
  assert_false(is_one_file("a", "device"));
}

static void another_file_system(void **state) {
  char path[] = "/dev/shm/iotkit-link-XXXXXX";
  (void)state;
  struct stat here, there;
  int fd = mkstemp(path);
  if (fd < 0) skip();
  (void)close(fd);
  assert_int_equal(stat(path, &there), 0);
  assert_int_equal(stat(".", &here), 0);
  if (here.st_dev != there.st_dev) {
    assert_int_equal(chmod(path, 0644), 0);
    iotkit_original_t *original = fetch_original("a");
    assert_int_equal(link_to(original, path), IOTKIT_MADE_COPIED);
    iotkit_original_unref(original);
  }
  assert_int_equal(unlink(path), 0);
}

static void a_set_is_not_linked(void **state) {
  iotkit_image_t *set[2];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    set[i] = open_image(i == 0 ? "b" : "c", NULL);
    assert_int_equal((i == 0 ? iotkit_image_link : iotkit_image_copy)(set[i], original, NULL), 0);
  }
  assert_int_equal(iotkit_image_commit_all(set, 2, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "hard link"));
  for (size_t i = 0; i < 2; i++)
    iotkit_image_free(set[i]);
  iotkit_original_unref(original);
  world_assert_names(".", "a");
}

/* ---- ends ---- */

static void without_a_commit_nothing_is_left(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  world_put("b", "old", 3);
  iotkit_image_t *made = open_image("b", NULL);
  assert_int_equal(iotkit_image_link(made, original, NULL), 0);
  world_assert_names(".", "a b b.part b.part.journal b.part.part");
  iotkit_image_free(made);
  iotkit_original_unref(original);
  world_assert_names(".", "a b");
  image_assert_at(&image, "a");
  size_t len;
  free(world_get("b", &len));
  assert_int_equal(len, 3);
}

static void what_an_interrupted_run_has_left_goes(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  assert_int_equal(link("a", "b.part.part"), 0);
  world_put("b.part", "", 0);
  world_put("outside", "kept", 4);
  assert_int_equal(symlink("outside", "c.part.part"), 0); /* of whomever: the name alone goes */
  assert_int_equal(link_to(original, "b"), IOTKIT_MADE_LINKED);
  assert_int_equal(link_to(original, "c"), IOTKIT_MADE_LINKED);
  assert_int_equal(link("a", "d.part.part"), 0);
  iotkit_image_free(open_image("d", NULL));
  iotkit_original_unref(original);
  world_assert_names(".", "a b c outside");
  assert_true(is_one_file("a", "c"));
}

static void a_link_that_is_exchanged_is_not_committed(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  world_put("b", "old", 3);
  iotkit_image_t *made = open_image("b", NULL);
  assert_int_equal(iotkit_image_link(made, original, NULL), 0);
  assert_int_equal(remove("b.part.part"), 0);
  world_put("b.part.part", "another", 7);
  assert_int_equal(iotkit_image_commit(made, detail), IK_EFILE);
  assert_non_null(strstr(detail, "changed by another program"));
  iotkit_image_free(made);
  iotkit_original_unref(original);
  size_t len;
  free(world_get("b", &len));
  assert_int_equal(len, 3);
  world_assert_names(".", "a b b.part.part"); /* which is not ours to remove */
}

static void a_write_before_the_commit_is_noticed(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  iotkit_image_t *made = open_image("b", NULL);
  assert_int_equal(iotkit_image_link(made, original, NULL), 0);
  assert_int_equal(truncate("a", SIZE - 1), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), IK_EFILE);
  iotkit_image_free(made);
  iotkit_original_unref(original);
  world_assert_names(".", "a");
}

static void refused_calls(void **state) {
  iotkit_original_t *original = fetch_original("a");
  (void)state;
  iotkit_image_t *made = open_image("b", NULL);
  assert_int_equal(iotkit_image_link(made, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_link(NULL, original, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_made(NULL), IOTKIT_MADE_FETCHED);
  iotkit_job_abort(iotkit_image_job(made));
  assert_int_equal(iotkit_image_link(made, original, NULL), IK_EABORTED);
  iotkit_image_free(made);
  iotkit_original_unref(original);
  world_assert_names(".", "a");
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(is_another_name_of_the_original),
      IN_DIRECTORY(it_was_that_very_file_before),
      IN_DIRECTORY(the_next_image_replaces_one_name_alone),
      IN_DIRECTORY(a_link_can_be_the_original_of_another),
      IN_DIRECTORY(it_takes_no_space),
      IN_DIRECTORY(space_is_set_aside_when_it_is_written),
      IN_DIRECTORY(one_path_is_one_download),
      IN_DIRECTORY(several_targets_at_once),
      IN_DIRECTORY(owner_and_mode_are_its_own),
      IN_DIRECTORY(another_owner),
      IN_DIRECTORY(the_name_is_another_files),
      IN_DIRECTORY(what_was_written_to_is_no_original),
      IN_DIRECTORY(in_place_is_copied),
      IN_DIRECTORY(another_file_system),
      IN_DIRECTORY(a_set_is_not_linked),
      IN_DIRECTORY(without_a_commit_nothing_is_left),
      IN_DIRECTORY(what_an_interrupted_run_has_left_goes),
      IN_DIRECTORY(a_link_that_is_exchanged_is_not_committed),
      IN_DIRECTORY(a_write_before_the_commit_is_noticed),
      IN_DIRECTORY(refused_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
