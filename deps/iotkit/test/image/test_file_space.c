/*
 * A notice does not fill the disk: what an image may take, what stays free, and what goes back when
 * it is not committed. Where this machine lets us mount one, a small tmpfs is the disk.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/limits.h"
#include "image/file.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/volume.h"

#define DISK (8 * IK_MIB)
#define SIZE (3 * IK_MIB)
#define BLOCK (64 * IK_KIB)

static struct image image;
static bool mounted;

static int enter(void **state) {
  struct rng rng = {9};
  image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  if (world_enter(state) != 0 || mkdir("disk", 0700) != 0) return -1;
  mounted = volume_mount("none", "disk", "tmpfs", "size=8m");
  return 0;
}

static int leave(void **state) {
  if (mounted) volume_unmount("disk");
  image_free(&image);
  return world_leave(state);
}

static uint64_t free_bytes(void) {
  struct statvfs fs;
  assert_int_equal(statvfs("disk", &fs), 0);
  return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static int open_sized(uint64_t size, uint64_t max_size, iotkit_file_t **file, char *detail) {
  struct iotkit_file_options options = {.size = size, .max_size = max_size};
  return iotkit_file_open("disk/image", &options, file, detail);
}

static void a_reserve_stays_free(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "", want[IOTKIT_DETAIL_MAX];
  iotkit_file_t *file;
  (void)state;
  if (!mounted) skip();
  uint64_t room = free_bytes(), reserve = DISK / 64;
  assert_int_equal(open_sized(room - reserve + 1, 0, &file, detail), IK_ENO_SPACE);
  snprintf(want, sizeof want, "disk: %llu bytes needed, %llu free, of which %llu stay free",
           (unsigned long long)(room - reserve + 1), (unsigned long long)room,
           (unsigned long long)reserve);
  assert_string_equal(detail, want);
  world_assert_names("disk", "");
  assert_int_equal(open_sized(room - reserve, 0, &file, detail), 0);
  iotkit_file_discard(file);
  assert_int_equal(free_bytes(), room);
}

/* Who says how large an image may be has all that is free; and no more than is free. */
static void max_size_is_the_users_word(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(open_sized(1001, 1000, &file, detail), IK_ENO_SPACE);
  assert_string_equal(detail, "disk/image: 1001 bytes needed, and max_size is 1000");
  world_assert_names("disk", "");
  assert_int_equal(open_sized(1000, 1000, &file, detail), 0);
  iotkit_file_discard(file);
  /* Of an unknown size it is the end. */
  assert_int_equal(open_sized(0, 1000, &file, detail), 0);
  assert_int_equal(iotkit_file_write(file, 0, image.bytes, 1000, detail), 0);
  assert_int_equal(iotkit_file_write(file, 1000, image.bytes, 1, detail), IK_ENO_SPACE);
  assert_non_null(strstr(detail, "max_size"));
  iotkit_file_discard(file);
  if (!mounted) skip();
  uint64_t room = free_bytes();
  assert_int_equal(open_sized(room, room, &file, detail), 0);
  iotkit_file_discard(file);
  assert_int_equal(open_sized(room + 1, UINT64_MAX, &file, detail), IK_ENO_SPACE);
  assert_non_null(strstr(detail, "0 stay free"));
  world_assert_names("disk", "");
}

/* However it ends but by a commit, only what is proven stays taken. */
static void what_was_reserved_goes_back(void **state) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  struct stat st;
  (void)state;
  if (!mounted) skip();
  uint64_t room = free_bytes();
  for (int end = 0; end < 4; end++) {
    iotkit_job_t *job = image_job(&image);
    assert_int_equal(iotkit_file_open("disk/image", &options, &file, NULL), 0);
    assert_true(free_bytes() <= room - SIZE);
    if (end != 0) image_receive(&image, file, job, 0, IK_MIB, BLOCK);
    if (end < 2)
      iotkit_file_discard(file);
    else if (end == 2)
      iotkit_file_keep(file, NULL); /* proven up to the last checkpoint */
    else
      iotkit_file_keep(file, job);
    if (end >= 2) {
      assert_int_equal(stat("disk/image.part", &st), 0);
      assert_true(st.st_size > 0 && (uint64_t)st.st_size <= IK_MIB);
      assert_true((uint64_t)st.st_blocks * 512 <= IK_MIB);
      assert_true(free_bytes() >= room - IK_MIB - BLOCK);
      assert_int_equal(remove("disk/image.part"), 0);
      assert_int_equal(remove("disk/image.part.journal"), 0);
    }
    assert_int_equal(free_bytes(), room);
    iotkit_job_unref(job);
  }
}

/* The bytes that come are more than the disk has: nothing was reserved, as the size is unknown. */
static void a_disk_that_fills_up_says_how_much(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  int rc = 0;
  (void)state;
  if (!mounted) skip();
  assert_int_equal(iotkit_file_open("disk/image", NULL, &file, NULL), 0);
  for (uint64_t at = 0; rc == 0 && at < 2 * DISK; at += BLOCK)
    rc = iotkit_file_write(file, at, image.bytes, BLOCK, detail);
  assert_int_equal(rc, IK_ENO_SPACE);
  assert_non_null(strstr(detail, "cannot write disk/image.part: No space left on device"));
  assert_non_null(strstr(detail, " free)"));
  iotkit_file_discard(file);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(a_reserve_stays_free),
      IN_DIRECTORY(max_size_is_the_users_word),
      IN_DIRECTORY(what_was_reserved_goes_back),
      IN_DIRECTORY(a_disk_that_fills_up_says_how_much),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
