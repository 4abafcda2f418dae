/*
 * The file that the journal is: never through a link, never two writers, and no hindrance where there
 * is no room for it.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/file.h"
#include "base/limits.h"
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
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  (void)state;
  world_put("other", "precious", 8);
  assert_int_equal(symlink("other", "image.part.journal"), 0);
  assert_int_equal(iotkit_file_open("image", &options, &file, detail), IK_EFILE_ACCESS);
  assert_non_null(strstr(detail, "image.part.journal"));
  world_assert_names(".", "image.part.journal other");
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

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(the_journal_is_never_a_link),
      IN_DIRECTORY(one_journal_has_one_writer),
      IN_DIRECTORY(a_name_too_long_for_a_journal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
