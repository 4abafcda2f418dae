/*
 * Which paths a target may have: links that are written through, a journal that is not what stands
 * beside it, mount points, directories that are made.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/file.h"
#include "save/image.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/volume.h"

#define SIZE 4000

static struct image image;

static int enter(void **state) {
  struct rng rng = {3};
  image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  return world_enter(state);
}

static int leave(void **state) {
  image_free(&image);
  return world_leave(state);
}

static int download(const char *path) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  iotkit_job_t *job = image_job(&image);
  int rc = iotkit_file_open(path, &options, &file, NULL);
  if (rc == 0) {
    image_receive(&image, file, job, 0, SIZE, 1000);
    rc = iotkit_file_commit(file, SIZE, NULL);
  }
  iotkit_job_unref(job);
  return rc;
}

static bool is_link(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

/* ---- a symbolic link as target ---- */

/* Part, journal and rename are where it leads to; the link stays. */
static void a_link_is_written_through(void **state) {
  struct stat st;
  iotkit_file_t *file;
  char here[512], absolute[600];
  (void)state;
  assert_int_equal(mkdir("real", 0700), 0);
  world_put("real/image", "old", 3);
  assert_int_equal(chmod("real/image", 0640), 0);
  assert_non_null(getcwd(here, sizeof here));
  snprintf(absolute, sizeof absolute, "%s/second", here);
  assert_int_equal(symlink(absolute, "first"), 0);
  assert_int_equal(symlink("real/image", "second"), 0);
  assert_int_equal(iotkit_file_open("first", NULL, &file, NULL), 0);
  world_assert_names("real", "image image.part");
  iotkit_file_discard(file);
  assert_int_equal(download("first"), 0);
  image_assert_at(&image, "real/image");
  assert_true(is_link("first") && is_link("second"));
  assert_int_equal(stat("real/image", &st), 0);
  assert_int_equal(st.st_mode & 07777, 0640);
  world_assert_names("real", "image");
  world_assert_names(".", "first real second");
}

/* As a shell's > does. */
static void a_link_to_nothing_makes_it(void **state) {
  (void)state;
  assert_int_equal(mkdir("real", 0700), 0);
  assert_int_equal(symlink("real/new", "link"), 0);
  assert_int_equal(download("./link"), 0);
  image_assert_at(&image, "real/new");
  assert_true(is_link("link"));
  assert_int_equal(symlink("none/new", "astray"), 0);
  assert_int_equal(download("astray"), IK_EFILE_NOT_FOUND);
  assert_true(is_link("astray"));
}

static void links_that_lead_nowhere(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(symlink("b", "a"), 0);
  assert_int_equal(symlink("a", "b"), 0);
  assert_int_equal(iotkit_file_open("a", NULL, &file, detail), IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "a: leads through too many symbolic links");
  assert_int_equal(mkdir("dir", 0700), 0);
  assert_int_equal(symlink("dir", "c"), 0);
  assert_int_equal(iotkit_file_open("c", NULL, &file, detail), IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "dir: is a directory");
  world_assert_names(".", "a b c dir");
}

/* ---- names in each other's way ---- */

static int open_with_journal(const char *path, bool in_place, const char *journal, char *detail) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  options.journal = journal;
  options.in_place = in_place;
  int rc = iotkit_file_open(path, &options, &file, detail);
  if (rc == 0) iotkit_file_discard(file);
  return rc;
}

static void a_journal_is_a_file_of_its_own(void **state) {
  static const char *const bad[] = {"image", "./image", "image.part", "dir/../image.part"};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(mkdir("dir", 0700), 0);
  world_put("image", image.bytes, SIZE);
  for (size_t i = 0; i < COUNT(bad); i++) {
    assert_int_equal(open_with_journal("image", false, bad[i], detail), IK_EINVALID_ARGUMENT);
    assert_non_null(strstr(detail, bad[i]));
    assert_non_null(strstr(detail, i < 2 ? "of image:" : "of image.part:"));
    if (i < 2)
      assert_int_equal(open_with_journal("image", true, bad[i], detail), IK_EINVALID_ARGUMENT);
  }
  assert_int_equal(open_with_journal("image", true, "dir", detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(symlink("image", "link"), 0);
  assert_int_equal(open_with_journal("link", true, "image", detail), IK_EINVALID_ARGUMENT);
  image_assert_at(&image, "image");
  /* A link to it is replaced, a second name of it given up; neither is written through. */
  assert_int_equal(open_with_journal("image", true, "link", detail), 0);
  image_assert_at(&image, "image");
  assert_int_equal(link("image", "second"), 0);
  assert_int_equal(open_with_journal("image", true, "second", detail), 0);
  image_assert_at(&image, "image");
  world_assert_names(".", "dir image");
}

static int open_both(struct iotkit_file_options *first, const char *path,
                     struct iotkit_file_options *second, const char *other, char *detail) {
  iotkit_image_t *both;
  iotkit_job_t *job = image_job(&image);
  assert_int_equal(iotkit_image_new(job, &both), 0);
  assert_int_equal(iotkit_image_open(both, path, first, true, detail), 0);
  int rc = iotkit_image_open(both, other, second, true, detail);
  iotkit_image_free(both);
  iotkit_job_unref(job);
  return rc;
}

static void targets_do_not_share_a_file(void **state) {
  struct iotkit_file_options plain = {0}, journal_b = {.journal = "b"},
                             in_place = {.in_place = true}, journal_a = {.journal = "./a"},
                             part_a = {.journal = "a.part"};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  world_put("a", image.bytes, SIZE);
  world_put("b", image.bytes, SIZE);
  assert_int_equal(open_both(&plain, "a", &journal_a, "b", detail), IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "./a is in the way of a: both are one file");
  assert_int_equal(open_both(&in_place, "a", &journal_a, "b", detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(open_both(&plain, "a", &part_a, "b", detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(open_both(&plain, "a", &plain, "a.part", detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(open_both(&plain, "a", &plain, "a.part.journal", detail), IK_EINVALID_ARGUMENT);
  image_assert_at(&image, "a");
  image_assert_at(&image, "b");
  assert_int_equal(remove("b"), 0);
  assert_int_equal(open_both(&journal_b, "a", &plain, "b", detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "b is in the way of b"));
  world_assert_names(".", "a");
  assert_int_equal(open_both(&plain, "a", &plain, "c", detail), 0);
}

/* ---- what can be known first ---- */

static void a_mount_point_is_no_target(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  (void)state;
  world_put("from", "x", 1);
  world_put("a \\target", "x", 1);
#if defined(__linux__)
  if (mount("from", "a \\target", "none", MS_BIND, NULL) != 0) {
    puts("skipped: cannot mount");
    skip();
  }
  int rc = iotkit_file_open("a \\target", NULL, &file, detail);
  volume_unmount("a \\target");
  assert_int_equal(rc, IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "a \\target: is a mount point, which no other file can replace");
#endif
  world_assert_names(".", "a \\target from");
  assert_int_equal(iotkit_file_open("a \\target", NULL, &file, detail), 0);
  iotkit_file_discard(file);
}

static void a_directory_that_is_made_is_not_for_all(void **state) {
  struct iotkit_file_options options = {.make_directory = true};
  iotkit_file_t *file;
  struct stat st;
  (void)state;
  mode_t before = umask(0);
  assert_int_equal(iotkit_file_open("made/image", &options, &file, NULL), 0);
  umask(before);
  iotkit_file_discard(file);
  assert_int_equal(stat("made", &st), 0);
  assert_int_equal(st.st_mode & 07777, 0755);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(a_link_is_written_through),
      IN_DIRECTORY(a_link_to_nothing_makes_it),
      IN_DIRECTORY(links_that_lead_nowhere),
      IN_DIRECTORY(a_journal_is_a_file_of_its_own),
      IN_DIRECTORY(targets_do_not_share_a_file),
      IN_DIRECTORY(a_mount_point_is_no_target),
      IN_DIRECTORY(a_directory_that_is_made_is_not_for_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
