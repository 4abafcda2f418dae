/* Paths, free space and directories, in a directory of the test's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "port/port.h"
#include "support/cmocka_all.h"

static char directory[64];

static const char *at(const char *name) {
  static char paths[4][256];
  static int turn;
  char *path = paths[turn++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", directory, name);
  return path;
}

static int enter(void **state) {
  (void)state;
  snprintf(directory, sizeof directory, "/tmp/iotkit-test-XXXXXX");
  return mkdtemp(directory) == NULL ? -1 : 0;
}

static int leave(void **state) {
  (void)state;
  unlink(at("x"));
  return rmdir(directory);
}

static void free_space_is_known(void **state) {
  (void)state;
  uint64_t bytes = UINT64_MAX;
  assert_int_equal(ik_path_free_space(directory, &bytes), 0);
  assert_true(bytes != UINT64_MAX);
  assert_int_equal(ik_path_free_space(at("none"), &bytes), IK_EFILE_NOT_FOUND);
}

static void directories_are_made(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_path_info info;
  FILE *file = fopen(at("x"), "w");
  assert_non_null(file);
  fclose(file);
  assert_int_equal(ik_path_make_directory(at("x"), 0700, detail), IK_EFILE); /* is a file */
  unlink(at("x"));
  assert_int_equal(ik_path_make_directory(at("x"), 0700, detail), 0);
  assert_int_equal(ik_path_make_directory(at("x"), 0700, detail), 0);
  assert_int_equal(ik_path_info(at("x"), &info, NULL), 0);
  assert_true(info.is_directory);
  assert_int_equal(ik_path_make_directory(at("none/x"), 0700, detail), IK_EFILE_NOT_FOUND);
  assert_non_null(strstr(detail, "none/x"));
  assert_int_equal(rmdir(at("x")), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(free_space_is_known),
      cmocka_unit_test(directories_are_made),
  };
  return cmocka_run_group_tests(tests, enter, leave);
}
