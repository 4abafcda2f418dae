/* Images of several threads that are made from one original, which each of them gives back. */
#include <stdio.h>
#include <stdlib.h>

#include "download/job.h"
#include "iotkit_file.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/threads.h"

#define CALLERS 4
#define CALLS 30
#define BYTES 100000u

struct world {
  struct image image;
  iotkit_original_t *original;
  iotkit_job_t *job; /* whose key is asked for */
};

static iotkit_image_t *open_image(const struct world *world, const char *path) {
  iotkit_image_t *made;
  iotkit_job_t *job = image_job(&world->image);
  assert_int_equal(iotkit_image_new(job, &made), 0);
  iotkit_job_unref(job);
  assert_int_equal(iotkit_image_open(made, path, NULL, true, NULL), 0);
  return made;
}

static void copy_one(struct caller *caller) {
  struct world *world = caller->world;
  iotkit_original_t *original = iotkit_original_ref(world->original);
  uint8_t keys[2][IOTKIT_DIGEST_MAX];
  char path[16];
  snprintf(path, sizeof path, "copy%u", caller->number);
  iotkit_image_t *made = open_image(world, path);
  assert_int_equal(iotkit_job_share_key(iotkit_image_job(made), keys[0]), 0);
  assert_int_equal(iotkit_job_share_key(world->job, keys[1]), 0);
  assert_memory_equal(keys[0], keys[1], sizeof keys[0]);
  assert_int_equal(iotkit_image_copy(made, original, NULL), 0);
  assert_int_equal(iotkit_image_keep_original(made, NULL), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_original_unref(iotkit_image_original(made));
  iotkit_image_free(made);
  iotkit_original_unref(original);
  image_assert_at(&world->image, path);
}

static void link_one(struct caller *caller) {
  struct world *world = caller->world;
  char path[16];
  snprintf(path, sizeof path, "link%u", caller->number);
  iotkit_image_t *made = open_image(world, path);
  assert_int_equal(iotkit_image_link(made, world->original, NULL), 0);
  assert_int_equal(iotkit_image_made(made), IOTKIT_MADE_LINKED);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_image_free(made);
  image_assert_at(&world->image, path);
}

static void fetch_original(struct world *world) {
  bool again;
  iotkit_image_t *made = open_image(world, "original");
  iotkit_job_t *job = iotkit_image_job(made);
  assert_int_equal(iotkit_image_write(made, 0, world->image.bytes, BYTES, NULL), 0);
  assert_int_equal(iotkit_job_digest(job, 0, world->image.bytes, BYTES), 0);
  assert_int_equal(ik_job_complete(job, NULL), 0);
  assert_int_equal(iotkit_image_check(made, &again, NULL), 0);
  assert_int_equal(iotkit_image_keep_original(made, NULL), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  world->original = iotkit_image_original(made);
  iotkit_image_free(made);
}

static void many_are_made_of_one(void **state) {
  static const threads_call table[] = {copy_one, link_one};
  struct rng rng = {11};
  struct world world = {.image = image_new(&rng, BYTES, IOTKIT_DIGEST_SHA256)};
  (void)state;
  world.job = image_job(&world.image);
  fetch_original(&world);
  threads_run(__func__, &world, table, COUNT(table), CALLERS, CALLS, NULL);
  iotkit_original_unref(world.original);
  iotkit_job_unref(world.job);
  image_free(&world.image);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(many_are_made_of_one, world_enter, world_leave),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
