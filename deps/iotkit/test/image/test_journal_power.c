/*
 * The power fails: what the disk holds at that moment is all there is. The disk is an ext4 on a
 * loop device; the moment is a copy of the file that holds it, of which the caches above know
 * nothing. Skipped where this machine has no loop device for us.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "image/file.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/volume.h"

#define DISK (24 * IK_MIB)
#define SIZE (3 * IK_MIB + 77)
#define BLOCK (40 * IK_KIB)
#define ROUNDS 6

static struct loop disk, copy;
static bool ready;

static int leave(void **state) {
  volume_unmount("disk"); /* of a test that failed */
  volume_unmount("after");
  return world_leave(state);
}

static void make_disk(void) {
  int fd = open("backing", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, DISK), 0);
  close(fd);
  assert_int_equal(mkdir("disk", 0700), 0);
  assert_int_equal(mkdir("after", 0700), 0);
  ready = loop_open(&disk, "backing");
  if (!ready) skip();
  ready = volume_format(disk.path, "ext4") && volume_mount(disk.path, "disk", "ext4", NULL);
  if (!ready) loop_close(&disk);
  if (!ready) skip();
}

static void end_disk(void) {
  volume_unmount("disk");
  loop_close(&disk);
}

/* The power fails and comes back: "after" is the disk then. */
static void fail_power(void) {
  size_t len;
  uint8_t *bytes = world_get("backing", &len);
  world_put("snapshot", bytes, len);
  free(bytes);
  assert_true(loop_open(&copy, "snapshot"));
  assert_true(volume_mount(copy.path, "after", "ext4", NULL));
}

static void end_copy(void) {
  volume_unmount("after");
  loop_close(&copy);
}

/* All that was written so far reaches the disk, as it does by itself some seconds later. */
static void let_time_pass(void) {
#if defined(__linux__)
  int fd = open("disk", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  assert_int_equal(syncfs(fd), 0);
  close(fd);
#else
  sync();
#endif
}

static void finish_after(const struct image *image, size_t least) {
  struct iotkit_file_options options = image_options(image);
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  iotkit_job_t *job = image_job(image);
  int rc = iotkit_file_open("after/image", &options, &file, detail);
  if (rc != 0) fail_msg("%d %s", rc, detail);
  int64_t at = iotkit_file_resume(file, job, detail);
  if (at < 0) fail_msg("%d %s", (int)at, detail);
  if ((size_t)at < least) fail_msg("resumed at %d, not at %zu", (int)at, least);
  image_receive(image, file, job, (size_t)at, image->size, BLOCK);
  assert_int_equal(iotkit_file_commit(file, image->size, detail), 0);
  image_assert_at(image, "after/image");
  iotkit_job_unref(job);
}

/* In the middle of a download, some of it on disk and some not. */
static void while_it_is_fetched(void **state) {
  struct rng rng = rng_start("while_it_is_fetched");
  struct image image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  struct iotkit_file_options options = image_options(&image);
  (void)state;
  make_disk();
  for (int i = 0; i < ROUNDS; i++) {
    iotkit_file_t *file;
    iotkit_job_t *job = image_job(&image);
    size_t synced = rng_below(&rng, SIZE);
    size_t to = synced + rng_below(&rng, SIZE - synced);
    assert_int_equal(iotkit_file_open("disk/image", &options, &file, NULL), 0);
    image_receive(&image, file, job, 0, synced, BLOCK);
    let_time_pass();
    image_receive(&image, file, job, synced, to, BLOCK);
    fail_power();
    size_t distance = 64 * IK_KIB + BLOCK;
    finish_after(&image, synced > distance ? synced - distance : 0);
    end_copy();
    iotkit_file_discard(file);
    iotkit_job_unref(job);
  }
  end_disk();
  image_free(&image);
}

/* Behind the commit: what it has said is so. */
static void behind_a_commit(void **state) {
  struct rng rng = rng_start("behind_a_commit");
  struct image image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  (void)state;
  make_disk();
  world_put("disk/image", "old", 3);
  let_time_pass();
  iotkit_job_t *job = image_job(&image);
  assert_int_equal(iotkit_file_open("disk/image", &options, &file, NULL), 0);
  image_receive(&image, file, job, 0, SIZE, BLOCK);
  assert_int_equal(iotkit_file_commit(file, SIZE, NULL), 0);
  fail_power();
  image_assert_at(&image, "after/image");
  end_copy();
  end_disk();
  iotkit_job_unref(job);
  image_free(&image);
}

static void behind_a_commit_of_several(void **state) {
  struct rng rng = rng_start("behind_a_commit_of_several");
  static const char *const names[] = {"disk/a", "disk/b", "disk/c"};
  struct image images[3];
  iotkit_file_t *files[3];
  uint64_t sizes[3];
  (void)state;
  make_disk();
  for (size_t i = 0; i < 3; i++) {
    images[i] = image_new(&rng, 500000 + i, IOTKIT_DIGEST_SHA256);
    struct iotkit_file_options options = image_options(&images[i]);
    iotkit_job_t *job = image_job(&images[i]);
    sizes[i] = images[i].size;
    assert_int_equal(iotkit_file_open(names[i], &options, &files[i], NULL), 0);
    image_receive(&images[i], files[i], job, 0, images[i].size, BLOCK);
    iotkit_job_unref(job);
  }
  assert_int_equal(iotkit_file_commit_all(files, sizes, 3, NULL), 0);
  fail_power();
  assert_true(iotkit_file_recover("after", NULL) >= 0); /* the note may still be there */
  image_assert_at(&images[0], "after/a");
  image_assert_at(&images[1], "after/b");
  image_assert_at(&images[2], "after/c");
  end_copy();
  end_disk();
  for (size_t i = 0; i < 3; i++)
    image_free(&images[i]);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(while_it_is_fetched),
      IN_DIRECTORY(behind_a_commit),
      IN_DIRECTORY(behind_a_commit_of_several),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
