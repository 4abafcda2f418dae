/*
 * Disks that are full, closed to us, or gone in the middle: each has its code, and nothing stays
 * but what can be resumed. Where this machine lets us mount one, a small tmpfs is the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/limits.h"
#include "image/file.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/volume.h"

#define DISK (512 * IK_KIB)
#define SIZE (300 * IK_KIB)
#define BLOCK (8 * IK_KIB)
#define NOBODY 65534

static struct image image;

static int enter(void **state) {
  struct rng rng = {5};
  image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  return world_enter(state);
}

static int leave(void **state) {
  volume_unmount("disk"); /* of a test that failed */
  image_free(&image);
  return world_leave(state);
}

static int open_keyed(const char *path, iotkit_file_t **file, char *detail) {
  struct iotkit_file_options options = image_options(&image);
  return iotkit_file_open(path, &options, file, detail);
}

/* A file that takes `len` bytes of the disk. */
static void take(const char *path, size_t len) {
  uint8_t *bytes = calloc(1, len);
  assert_non_null(bytes);
  memset(bytes, 1, len);
  world_put(path, bytes, len);
  free(bytes);
}

/* Takes all that is left of it. */
static void take_the_rest(const char *path) {
  static const uint8_t block[4096] = {1};
  int fd = open(path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  while (write(fd, block, sizeof block) > 0) {}
  assert_int_equal(errno, ENOSPC);
  close(fd);
}

/* ---- full disks ---- */

static void too_small_from_the_start(iotkit_file_t **file, char *detail) {
  take("disk/other", DISK - SIZE);
  assert_int_equal(open_keyed("disk/image", file, detail), IK_ENO_SPACE);
  assert_non_null(strstr(detail, "307200 bytes needed"));
  world_assert_names("disk", "other");
}

/* What there is already is not asked for again. */
static void large_enough_for_the_rest(iotkit_file_t **file, char *detail) {
  iotkit_job_t *job = image_job(&image);
  assert_int_equal(remove("disk/other"), 0);
  assert_int_equal(open_keyed("disk/image", file, detail), 0);
  assert_int_equal(iotkit_file_resume(*file, job, detail), 0);
  image_receive(&image, *file, job, 0, SIZE - 50000, BLOCK);
  iotkit_file_keep(*file, job);
  take("disk/other", DISK - SIZE - 32 * IK_KIB);
  assert_int_equal(open_keyed("disk/image", file, detail), 0);
  assert_int_equal(iotkit_file_resume(*file, job, detail), SIZE - 50000);
  /* Nor is what is reserved taken by others. */
  take_the_rest("disk/third");
  image_receive(&image, *file, job, SIZE - 50000, SIZE, BLOCK);
  assert_int_equal(iotkit_file_commit(*file, SIZE, detail), 0);
  image_assert_at(&image, "disk/image");
  iotkit_job_unref(job);
  world_assert_names("disk", "image other third");
}

/* A part that cannot go on now may later. */
static void too_small_for_the_rest(iotkit_file_t **file, char *detail) {
  iotkit_job_t *job = image_job(&image);
  assert_int_equal(remove("disk/image"), 0);
  assert_int_equal(remove("disk/third"), 0);
  assert_int_equal(open_keyed("disk/image", file, detail), 0);
  image_receive(&image, *file, job, 0, 100000, BLOCK);
  iotkit_file_keep(*file, job);
  take_the_rest("disk/third");
  assert_int_equal(open_keyed("disk/image", file, detail), IK_ENO_SPACE);
  world_assert_names("disk", "image.part image.part.journal other third");
  struct stat st;
  assert_int_equal(stat("disk/image.part", &st), 0);
  assert_true(st.st_blocks * 512 < 110000); /* nor did the try take what little there was */
  assert_int_equal(remove("disk/third"), 0);
  assert_int_equal(open_keyed("disk/image", file, detail), 0);
  assert_int_equal(iotkit_file_resume(*file, job, detail), 100000);
  iotkit_file_discard(*file);
  iotkit_job_unref(job);
  world_assert_names("disk", "other");
}

/* Of an unknown size nothing is reserved. */
static void full_in_the_middle(iotkit_file_t **file, char *detail) {
  int rc = 0;
  assert_int_equal(iotkit_file_open("disk/image", NULL, file, detail), 0);
  for (uint64_t at = 0; rc == 0 && at < 2 * DISK; at += BLOCK)
    rc = iotkit_file_write(*file, at, image.bytes, BLOCK, detail);
  assert_int_equal(rc, IK_ENO_SPACE);
  assert_non_null(strstr(detail, "No space left"));
  iotkit_file_keep(*file, NULL);
  world_assert_names("disk", "other");
}

/* A file with holes that stands for a device: what is written in place fits, or is not begun. */
static void holes_in_place(iotkit_file_t **file, char *detail) {
  struct iotkit_file_options options = {.in_place = true, .size = SIZE, .base = 4096};
  take("disk/target", 1);
  assert_int_equal(truncate("disk/target", 4 * DISK), 0);
  assert_int_equal(iotkit_file_open("disk/target", &options, file, detail), 0);
  take_the_rest("disk/third");
  for (uint64_t at = 0; at < SIZE; at += BLOCK) {
    size_t len = SIZE - at < BLOCK ? (size_t)(SIZE - at) : BLOCK;
    assert_int_equal(iotkit_file_write(*file, at, image.bytes + at, len, detail), 0);
  }
  assert_int_equal(iotkit_file_commit(*file, SIZE, detail), 0);
  options.base = 2 * DISK;
  assert_int_equal(iotkit_file_open("disk/target", &options, file, detail), IK_ENO_SPACE);
  assert_non_null(strstr(detail, "disk/target"));
  assert_int_equal(remove("disk/target"), 0);
  assert_int_equal(remove("disk/third"), 0);
}

static void a_small_disk(void **state) {
  iotkit_file_t *file = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(mkdir("disk", 0700), 0);
  if (!volume_mount("none", "disk", "tmpfs", "size=512k")) skip();
  too_small_from_the_start(&file, detail);
  large_enough_for_the_rest(&file, detail);
  too_small_for_the_rest(&file, detail);
  full_in_the_middle(&file, detail);
  assert_int_equal(remove("disk/other"), 0);
  holes_in_place(&file, detail);
  volume_unmount("disk");
}

/* Where nothing can be mounted, and nothing reserved: a limit on the size of files. */
static void a_limit_on_files(void **state) {
  struct rlimit before, limit;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  iotkit_file_t *file;
  iotkit_job_t *job = image_job(&image);
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(open_keyed("image", &file, detail), 0);
  image_receive(&image, file, job, 0, 200000, BLOCK);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = before;
  limit.rlim_cur = 201000;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
  int rc = iotkit_file_write(file, 200000, image.bytes + 200000, BLOCK, detail);
  iotkit_file_keep(file, job);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  assert_int_equal(rc, IK_EFILE);
  assert_non_null(strstr(detail, "image.part"));
  world_assert_names(".", "image.part image.part.journal");
  assert_int_equal(open_keyed("image", &file, detail), 0);
  assert_int_equal(iotkit_file_resume(file, job, detail), 200000);
  image_receive(&image, file, job, 200000, SIZE, BLOCK);
  assert_int_equal(iotkit_file_commit(file, SIZE, detail), 0);
  image_assert_at(&image, "image");
  iotkit_job_unref(job);
}

/* ---- what we may not ---- */

/* Does `what` as somebody without rights; as that one already, where the test runs as one. */
static void as_nobody(void (*what)(void)) {
  bool root = geteuid() == 0;
  if (root) assert_int_equal(seteuid(NOBODY), 0);
  what();
  if (root) assert_int_equal(seteuid(0), 0);
}

static void cannot_write_there(void) {
  struct iotkit_file_options in_place = {.in_place = true};
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  assert_int_equal(open_keyed("closed/image", &file, detail), IK_EFILE_ACCESS);
  assert_non_null(strstr(detail, "closed/image.part: Permission denied"));
  assert_int_equal(iotkit_file_open("closed/fixed", &in_place, &file, detail), IK_EFILE_ACCESS);
  assert_non_null(strstr(detail, "closed/fixed: Permission denied"));
  in_place.in_place = false;
  in_place.make_directory = true;
  assert_int_equal(iotkit_file_open("closed/new/image", &in_place, &file, detail), IK_EFILE_ACCESS);
  assert_non_null(strstr(detail, "closed/new"));
}

static void a_directory_that_is_closed(void **state) {
  (void)state;
  assert_int_equal(chmod(".", 0755), 0);
  assert_int_equal(mkdir("closed", 0700), 0);
  take("closed/fixed", 1);
  assert_int_equal(chmod("closed/fixed", 0444), 0);
  assert_int_equal(chmod("closed", 0555), 0);
  as_nobody(cannot_write_there);
  assert_int_equal(chmod("closed", 0755), 0);
  world_assert_names("closed", "fixed");
}

static void a_file_system_that_is_read_only(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(mkdir("disk", 0700), 0);
  if (!volume_mount("none", "disk", "tmpfs", "size=512k")) skip();
  if (volume_make_read_only("disk")) {
    assert_int_equal(open_keyed("disk/image", &file, detail), IK_EFILE_ACCESS);
    assert_non_null(strstr(detail, "Read-only file system"));
  }
  volume_unmount("disk");
}

/* An image that nobody may write to, its owner included: that is for when it is whole. */
static void go_on_with_it(void) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  iotkit_job_t *job = image_job(&image);
  options.mode = 0444;
  assert_int_equal(iotkit_file_open("open/image", &options, &file, NULL), 0);
  image_receive(&image, file, job, 0, 200000, BLOCK);
  iotkit_file_keep(file, job);
  assert_int_equal(iotkit_file_open("open/image", &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_resume(file, job, NULL), 200000);
  image_receive(&image, file, job, 200000, SIZE, BLOCK);
  assert_int_equal(iotkit_file_commit(file, SIZE, NULL), 0);
  iotkit_job_unref(job);
}

static void a_mode_without_writing(void **state) {
  struct stat st;
  (void)state;
  assert_int_equal(chmod(".", 0755), 0);
  assert_int_equal(mkdir("open", 0700), 0);
  assert_int_equal(chmod("open", 0777), 0);
  as_nobody(go_on_with_it);
  assert_int_equal(stat("open/image", &st), 0);
  assert_int_equal(st.st_mode & 07777, 0444);
  image_assert_at(&image, "open/image");
}

/* This program's own fchmod(), which the library in it calls. */
static bool no_modes;

int fchmod(int fd, mode_t mode) {
  errno = EPERM;
  return no_modes ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

static mode_t mode_with(mode_t mode) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  iotkit_job_t *job = image_job(&image);
  struct stat st;
  options.mode = mode;
  assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
  int64_t at = iotkit_file_resume(file, job, NULL);
  image_receive(&image, file, job, (size_t)at, SIZE, BLOCK);
  assert_int_equal(iotkit_file_commit(file, SIZE, NULL), 0);
  iotkit_job_unref(job);
  assert_int_equal(stat("image", &st), 0);
  assert_int_equal(remove("image"), 0);
  return st.st_mode & 07777;
}

/* A part that an earlier run made readable for all becomes no image that is. */
static void a_part_with_another_mode(void **state) {
  (void)state;
  world_put("image.part", "old", 3);
  assert_int_equal(chmod("image.part", 0666), 0);
  assert_int_equal(mode_with(0600), 0600);
}

/* FAT has one mode for all files, and refuses others. */
static void a_file_system_without_modes(void **state) {
  (void)state;
  world_put("image.part", "old", 3);
  assert_int_equal(chmod("image.part", 0755), 0);
  no_modes = true;
  mode_t mode = mode_with(0644);
  no_modes = false;
  assert_int_equal(mode, 0755);
}

/* ---- what changes in the middle ---- */

static iotkit_file_t *receive_into(const char *path, iotkit_job_t *job, size_t to) {
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = open_keyed(path, &file, detail);
  if (rc != 0) fail_msg("%d %s", rc, detail);
  assert_int_equal(iotkit_job_resume(job, 0), 0);
  image_receive(&image, file, job, 0, to, BLOCK);
  return file;
}

static void the_directory_vanishes(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = image_job(&image);
  (void)state;
  for (int keep = 0; keep < 2; keep++) {
    assert_int_equal(mkdir("dir", 0700), 0);
    iotkit_file_t *file = receive_into("dir/image", job, 200000);
    assert_int_equal(remove("dir/image.part"), 0);
    assert_int_equal(remove("dir/image.part.journal"), 0);
    assert_int_equal(rmdir("dir"), 0);
    image_receive(&image, file, job, 200000, SIZE, BLOCK);
    if (keep)
      iotkit_file_keep(file, job);
    else
      assert_int_equal(iotkit_file_commit(file, SIZE, detail), IK_EFILE_NOT_FOUND);
    world_assert_names(".", "");
  }
  assert_non_null(strstr(detail, "cannot open dir: "));
  iotkit_job_unref(job);
}

/* It was moved: then it is in the other place, with its journal, and can be resumed there. */
static void the_directory_is_renamed(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = image_job(&image);
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(mkdir("dir", 0700), 0);
  file = receive_into("dir/image", job, SIZE);
  assert_int_equal(rename("dir", "moved"), 0);
  assert_int_equal(iotkit_file_commit(file, SIZE, detail), IK_EFILE_NOT_FOUND);
  world_assert_names("moved", "image.part image.part.journal");
  assert_int_equal(open_keyed("moved/image", &file, detail), 0);
  assert_int_equal(iotkit_file_resume(file, job, detail), SIZE);
  assert_int_equal(iotkit_file_commit(file, SIZE, detail), 0);
  image_assert_at(&image, "moved/image");
  iotkit_job_unref(job);
}

static void the_target_becomes_a_directory(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = image_job(&image);
  (void)state;
  iotkit_file_t *file = receive_into("image", job, SIZE);
  assert_int_equal(mkdir("image", 0700), 0);
  assert_int_equal(iotkit_file_commit(file, SIZE, detail), IK_EFILE);
  assert_non_null(strstr(detail, "image: Is a directory"));
  world_assert_names(".", "image image.part image.part.journal"); /* it may go away */
  iotkit_job_unref(job);
}

/* Truncated by another program, then written on after that: the size is right again at the end. */
static void the_part_is_cut(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = image_job(&image);
  (void)state;
  iotkit_file_t *file = receive_into("image", job, 200000);
  assert_int_equal(truncate("image.part", 100000), 0);
  assert_int_equal(iotkit_file_write(file, 200000, image.bytes + 200000, SIZE - 200000, detail),
                   IK_EFILE);
  assert_non_null(strstr(detail, "image.part was changed by another program"));
  iotkit_file_keep(file, job);
  /* What is left of it is as good as ever. */
  assert_int_equal(open_keyed("image", &file, detail), 0);
  int64_t at = iotkit_file_resume(file, job, detail);
  assert_true(at > 0 && at <= 100000);
  image_receive(&image, file, job, (size_t)at, SIZE, BLOCK);
  /* Cut and lengthened again, which no size shows: the hole does, and then the digest. */
  assert_int_equal(truncate("image.part", 100000), 0);
  assert_int_equal(truncate("image.part", SIZE), 0);
#if defined(__linux__)
  assert_int_equal(iotkit_file_commit(file, SIZE, detail), IK_EFILE);
  assert_non_null(strstr(detail, "image.part was changed by another program"));
  world_assert_names(".", "");
#else
  iotkit_file_discard(file);
#endif
  iotkit_job_unref(job);
}

/*
 * Zeros that a file system does not store are no damage: where there is a hole the digest decides.
 */
static void zeros_that_are_not_stored(void **state) {
  iotkit_file_t *file;
  struct rng rng = {1};
  (void)state;
  struct image zeros = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  image_free(&image);
  memset(zeros.bytes + 100000, 0, 100000);
  struct ik_digest *digest;
  assert_int_equal(ik_digest_new(zeros.method, &digest), 0);
  ik_digest_update(digest, zeros.bytes, SIZE);
  ik_digest_value(digest, zeros.digest);
  ik_digest_free(digest);
  image = zeros;
  iotkit_job_t *job = image_job(&image);
  file = receive_into("image", job, SIZE);
  int fd = open("image.part", O_WRONLY | O_CLOEXEC);
#if defined(FALLOC_FL_PUNCH_HOLE)
  fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100000, 100000);
#endif
  close(fd);
  assert_int_equal(iotkit_file_commit(file, SIZE, NULL), 0);
  image_assert_at(&image, "image");
  iotkit_job_unref(job);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(a_small_disk),
      IN_DIRECTORY(a_limit_on_files),
      IN_DIRECTORY(a_directory_that_is_closed),
      IN_DIRECTORY(a_file_system_that_is_read_only),
      IN_DIRECTORY(a_mode_without_writing),
      IN_DIRECTORY(a_part_with_another_mode),
      IN_DIRECTORY(a_file_system_without_modes),
      IN_DIRECTORY(the_directory_vanishes),
      IN_DIRECTORY(the_directory_is_renamed),
      IN_DIRECTORY(the_target_becomes_a_directory),
      IN_DIRECTORY(the_part_is_cut),
      IN_DIRECTORY(zeros_that_are_not_stored),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
