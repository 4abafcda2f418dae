/*
 * A copy that shares the bytes of its original on the disk, over a file system of the test's: the file
 * systems of most machines cannot, so that this ioctl() stands in the place of the system's, and this
 * rename() lets another program write just before the original gets its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "download/job.h"
#include "image/original.h"
#include "save/image.h"
#include "support/cm.h"
#include "support/file_world.h"

#if defined(__linux__)
#include <linux/fs.h>
#include <sys/ioctl.h>

#define SIZE 100000u

static unsigned clones;
static bool spoils; /* the shared bytes are others: whether they are read again shows */

int ioctl(int fd, unsigned long request, ...) {
  static uint8_t bytes[SIZE];
  va_list arguments;
  va_start(arguments, request);
  int from = va_arg(arguments, int);
  va_end(arguments);
  if (request != FICLONE) {
    errno = ENOTTY;
    return -1;
  }
  ssize_t n = pread(from, bytes, sizeof bytes, 0);
  if (spoils) bytes[0] ^= 1;
  clones++;
  return n >= 0 && pwrite(fd, bytes, (size_t)n, 0) == n ? 0 : -1;
}

static bool writes_to_part; /* another program, at the next rename */

int rename(const char *from, const char *to) {
  static const struct timespec later[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
  if (writes_to_part) {
    uint8_t byte;
    int fd = open(from, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, 0), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, 0), 1);
    assert_int_equal(futimens(fd, later), 0); /* the system's clock may not have ticked meanwhile */
    assert_int_equal(close(fd), 0);
    writes_to_part = false;
  }
  return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

static iotkit_image_t *open_image(const struct image *image, const char *path) {
  iotkit_image_t *made;
  iotkit_job_t *job = image_job(image);
  assert_int_equal(iotkit_image_new(job, &made), 0);
  iotkit_job_unref(job);
  assert_int_equal(iotkit_image_open(made, path, NULL, true, NULL), 0);
  return made;
}

static iotkit_original_t *fetch_original(const struct image *image) {
  bool again;
  iotkit_image_t *made = open_image(image, "a");
  iotkit_job_t *job = iotkit_image_job(made);
  assert_int_equal(iotkit_image_write(made, 0, image->bytes, SIZE, NULL), 0);
  assert_int_equal(iotkit_job_digest(job, 0, image->bytes, SIZE), 0);
  assert_int_equal(ik_job_complete(job, NULL), 0);
  assert_int_equal(iotkit_image_check(made, &again, NULL), 0);
  assert_int_equal(iotkit_image_keep_original(made, NULL), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_original_t *original = iotkit_image_original(made);
  iotkit_image_free(made);
  clones = 0;
  spoils = false;
  return original;
}

static int copy(const struct image *image, const iotkit_original_t *original) {
  iotkit_image_t *made = open_image(image, "b");
  int rc = iotkit_image_copy(made, original, NULL);
  if (rc == 0) assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_image_free(made);
  return rc;
}

static void shared_bytes_are_not_read_again(void **state) {
  struct rng rng = rng_start("shared_bytes_are_not_read_again");
  struct image image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  iotkit_original_t *original = fetch_original(&image);
  (void)state;
  assert_int_equal(copy(&image, original), 0);
  assert_int_equal(clones, 1);
  image_assert_at(&image, "b");
  spoils = true;
  assert_int_equal(copy(&image, original), 0);
  iotkit_original_unref(original);
  image_free(&image);
}

static void unless_somebody_has_written_to_the_original(void **state) {
  struct rng rng = rng_start("unless_somebody_has_written_to_the_original");
  struct image image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  iotkit_original_t *original = fetch_original(&image);
  const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
  (void)state;
  assert_int_equal(utimensat(AT_FDCWD, "a", times, 0), 0);
  assert_int_equal(copy(&image, original), 0); /* read again, and right */
  spoils = true;
  assert_int_equal(copy(&image, original), IK_ECHANGED);
  assert_int_equal(clones, 2);
  iotkit_original_unref(original);
  world_assert_names(".", "a b");
  image_assert_at(&image, "b");
  image_free(&image);
}

static void nor_just_before_it_got_its_name(void **state) {
  struct rng rng = rng_start("nor_just_before_it_got_its_name");
  struct image image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  (void)state;
  writes_to_part = true;
  iotkit_original_t *original = fetch_original(&image);
  assert_false(writes_to_part);
  assert_non_null(original);
  assert_int_equal(copy(&image, original), IK_ECHANGED);
  assert_int_equal(clones, 1);
  iotkit_original_unref(original);
  world_assert_names(".", "a");
  image_free(&image);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(shared_bytes_are_not_read_again),
      IN_DIRECTORY(unless_somebody_has_written_to_the_original),
      IN_DIRECTORY(nor_just_before_it_got_its_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) {
  return 0;
}
#endif
