/* The files that stand beside an image, and the parts of a path. */
#include "image/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/beside.h"
#include "base/limits.h"
#include "support/cm.h"

static void assert_text(char *text, const char *want) {
  assert_non_null(text);
  assert_string_equal(text, want);
  free(text);
}

static void a_part_and_its_journal(void **state) {
  (void)state;
  assert_text(ik_file_name("/data/image", IK_PART_SUFFIX), "/data/image.part");
  assert_text(ik_file_name("image", IK_JOURNAL_SUFFIX), "image.part.journal");
}

static void a_name_that_is_too_long_is_none(void **state) {
  char *path = malloc(IK_PATH_MAX + 1);
  (void)state;
  assert_non_null(path);
  memset(path, 'n', IK_PATH_MAX);
  path[IK_PATH_MAX] = '\0';
  assert_null(ik_file_name(path, IK_PART_SUFFIX));
  path[IK_PATH_MAX - strlen(IK_PART_SUFFIX)] = '\0';
  char *name = ik_file_name(path, IK_PART_SUFFIX);
  assert_non_null(name);
  free(name);
  free(path);
}

static void directories_and_last_names(void **state) {
  static const struct {
    const char *path, *directory, *last;
  } rows[] = {{"image", ".", "image"},
              {"/image", "/", "image"},
              {"/a/b/image", "/a/b", "image"},
              {"a/image", "a", "image"},
              {"a//image", "a/", "image"}};
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    assert_text(ik_file_directory(rows[i].path), rows[i].directory);
    assert_string_equal(ik_file_last_name(rows[i].path), rows[i].last);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_part_and_its_journal),
      cmocka_unit_test(a_name_that_is_too_long_is_none),
      cmocka_unit_test(directories_and_last_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
