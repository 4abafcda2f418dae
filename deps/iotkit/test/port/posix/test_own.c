/* Files of our own, links and modes, in a directory of the test's own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "port/port.h"
#include "support/cm.h"
#include "support/file_world.h"

static mode_t mode_of(const char *path) {
  struct stat st;
  assert_int_equal(lstat(path, &st), 0);
  return st.st_mode & 07777;
}

static void it_is_made_for_us_alone(void **state) {
  struct ik_osfile *file, *second;
  char text[8];
  (void)state;
  mode_t before = umask(0);
  assert_int_equal(ik_osfile_open_own("own", 0, &file, NULL), IK_EFILE_NOT_FOUND);
  assert_null(file);
  assert_int_equal(ik_osfile_open_own("own", IK_OSFILE_CREATE, &file, NULL), 0);
  umask(before);
  assert_int_equal(mode_of("own"), 0600);
  assert_int_equal(ik_osfile_write(file, 0, "kept", 4, NULL), 0);
  assert_int_equal(ik_osfile_open_own("own", IK_OSFILE_CREATE, &second, NULL), IK_EFILE_LOCKED);
  ik_osfile_close(file);
  assert_int_equal(ik_osfile_open_own("own", 0, &file, NULL), 0);
  assert_int_equal(ik_osfile_read(file, 0, text, sizeof text, NULL), 4);
  ik_osfile_close(file);
}

static void what_is_not_ours_alone(void **state) {
  struct ik_osfile *file;
  struct stat st;
  (void)state;
  for (int i = 0; i < 3; i++) {
    world_put("victim", "x", 1);
    if (i == 0) assert_int_equal(symlink("victim", "own"), 0);
    if (i == 1) assert_int_equal(link("victim", "own"), 0);
    if (i == 2) world_put("own", "y", 1);
    if (i == 2) assert_int_equal(chmod("own", 0602), 0);
    assert_int_equal(ik_osfile_open_own("own", 0, &file, NULL), IK_OSFILE_NOT_OURS);
    assert_null(file);
    assert_int_equal(ik_osfile_open_own("own", IK_OSFILE_CREATE, &file, NULL), 0);
    ik_osfile_close(file);
    assert_int_equal(lstat("own", &st), 0);
    assert_true(S_ISREG(st.st_mode) && st.st_size == 0 && st.st_nlink == 1);
    assert_int_equal(stat("victim", &st), 0);
    assert_int_equal(st.st_size, 1);
    assert_int_equal(remove("own"), 0);
  }
}

/* Ours, but readable by others: from now on by nobody. */
static void a_mode_is_narrowed(void **state) {
  struct ik_osfile *file;
  (void)state;
  world_put("own", "x", 1);
  assert_int_equal(chmod("own", 0644), 0);
  assert_int_equal(ik_osfile_open_own("own", 0, &file, NULL), 0);
  assert_int_equal(mode_of("own"), 0600);
  mode_t before = umask(026);
  assert_int_equal(ik_osfile_set_mode(file, 0666), 0);
  umask(before);
  assert_int_equal(mode_of("own"), 0640);
  ik_osfile_make_private(file);
  assert_int_equal(mode_of("own"), 0600);
  ik_osfile_close(file);
}

/* What an image has before its rename is left to a recovery as it is. */
static void a_finished_one_keeps_its_mode(void **state) {
  struct ik_osfile *file;
  (void)state;
  world_put("own", "x", 1);
  assert_int_equal(chmod("own", 0664), 0);
  assert_int_equal(ik_osfile_open_own("own", IK_OSFILE_FINISHED, &file, NULL), 0);
  assert_int_equal(mode_of("own"), 0664);
  ik_osfile_close(file);
}

/* What others may open is not private, and is not made so. */
static void a_private_one_is_for_us_alone(void **state) {
  static const mode_t open_to_others[] = {0640, 0604, 0660, 0610, 0601};
  struct ik_osfile *file;
  char text[8];
  (void)state;
  world_put("own", "x", 1);
  for (size_t i = 0; i < COUNT(open_to_others); i++) {
    assert_int_equal(chmod("own", open_to_others[i]), 0);
    assert_int_equal(ik_osfile_open_own("own", IK_OSFILE_PRIVATE, &file, NULL), IK_OSFILE_NOT_OURS);
    assert_int_equal(mode_of("own"), open_to_others[i]);
  }
  assert_int_equal(chmod("own", 0400), 0);
  assert_int_equal(ik_osfile_open_own("own", IK_OSFILE_PRIVATE, &file, NULL), 0);
  assert_int_equal(mode_of("own"), 0400);
  assert_int_equal(ik_osfile_read(file, 0, text, sizeof text, NULL), 1);
  ik_osfile_close(file);
}

static void set_id_bits_are_not_copied(void **state) {
  struct ik_osfile *file;
  (void)state;
  world_put("old", "x", 1);
  assert_int_equal(chmod("old", 06751), 0);
  assert_int_equal(symlink("old", "link"), 0);
  assert_int_equal(ik_osfile_open_own("own", IK_OSFILE_CREATE, &file, NULL), 0);
  assert_int_equal(ik_osfile_copy_owner(file, "link"), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_osfile_copy_owner(file, "old"), 0);
  assert_int_equal(mode_of("own"), 0751);
  ik_osfile_close(file);
}

static void links_are_followed_to_their_end(void **state) {
  char *path = NULL, detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(mkdir("dir", 0700), 0);
  assert_int_equal(symlink("dir/b", "a"), 0);
  assert_int_equal(symlink("../c", "dir/b"), 0);
  assert_int_equal(ik_path_resolve("a", &path, detail), 0);
  assert_string_equal(path, "dir/../c");
  free(path);
  assert_int_equal(ik_path_resolve("none/x", &path, detail), 0);
  assert_string_equal(path, "none/x");
  free(path);
  assert_int_equal(symlink("loop", "loop"), 0);
  assert_int_equal(ik_path_resolve("loop", &path, detail), IK_EINVALID_ARGUMENT);
  assert_null(path);
}

static void paths_that_are_the_same(void **state) {
  (void)state;
  assert_int_equal(mkdir("dir", 0700), 0);
  assert_int_equal(symlink("dir", "alias"), 0);
  assert_true(ik_path_is_same("a", "./a"));
  assert_true(ik_path_is_same("dir/a", "alias/a"));
  assert_true(ik_path_is_same("dir/../a", "a"));
  assert_false(ik_path_is_same("dir/a", "a"));
  assert_false(ik_path_is_same("a", "b"));
  assert_true(ik_path_is_same("none/a", "none/a"));
  assert_false(ik_path_is_same("none/a", "other/a"));
  assert_true(ik_path_is_same("/a", "/a"));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(it_is_made_for_us_alone),    IN_DIRECTORY(what_is_not_ours_alone),
      IN_DIRECTORY(a_mode_is_narrowed),         IN_DIRECTORY(a_finished_one_keeps_its_mode),
      IN_DIRECTORY(set_id_bits_are_not_copied), IN_DIRECTORY(links_are_followed_to_their_end),
      IN_DIRECTORY(paths_that_are_the_same),    IN_DIRECTORY(a_private_one_is_for_us_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
