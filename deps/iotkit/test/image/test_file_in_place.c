/*
 * Images written in place, into a block device or a file that is there: what lies around them stays
 * as it is, and what was written before a restart is proven by reading it back. Each test runs with
 * a plain file; then, where this machine has one for us, with a loop device.
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

#define ROOM (2 * IK_MIB)
#define BASE (300 * IK_KIB + 7)
#define SIZE (700 * IK_KIB + 13)
#define BLOCK (10 * IK_KIB)
#define NEAR (64 * IK_KIB + BLOCK)

static const char *target; /* of this round */

struct run {
  struct image image;
  iotkit_file_t *file;
  iotkit_job_t *job;
  size_t at;
};

static struct iotkit_file_options options_of(const struct image *image, bool journal) {
  struct iotkit_file_options options = image_options(image);
  options.in_place = true;
  options.base = BASE;
  options.journal = journal ? "journal" : NULL;
  return options;
}

static void begin(struct run *run, bool journal) {
  struct iotkit_file_options options = options_of(&run->image, journal);
  char detail[IOTKIT_DETAIL_MAX] = "";
  run->job = image_job(&run->image);
  int rc = iotkit_file_open(target, &options, &run->file, detail);
  if (rc != 0) fail_msg("%d %s", rc, detail);
  int64_t at = iotkit_file_resume(run->file, run->job, detail);
  if (at < 0) fail_msg("%d %s", (int)at, detail);
  run->at = (size_t)at;
}

static void receive(struct run *run, size_t to) {
  image_receive(&run->image, run->file, run->job, run->at, to, BLOCK);
}

static void read_target(uint8_t *bytes, size_t at, size_t len) {
  int fd = open(target, O_RDONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(pread(fd, bytes, len, (off_t)at), len);
  close(fd);
}

static void write_target(const uint8_t *bytes, size_t at, size_t len) {
  int fd = open(target, O_WRONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, bytes, len, (off_t)at), len);
  close(fd);
}

/* Fills the target with what must stay around the image. */
static uint8_t *fill(struct rng *rng) {
  uint8_t *bytes = malloc(ROOM);
  assert_non_null(bytes);
  rng_fill(rng, bytes, ROOM);
  write_target(bytes, 0, ROOM);
  return bytes;
}

/* The image is there and all around it is as it was. */
static void assert_written(const struct image *image, uint8_t *around) {
  uint8_t *bytes = malloc(ROOM);
  assert_non_null(bytes);
  memcpy(around + BASE, image->bytes, image->size);
  read_target(bytes, 0, ROOM);
  if (memcmp(bytes, around, ROOM) != 0) fail_msg("%s holds something else", target);
  free(bytes);
}

static void writes_nothing_but_the_image(struct rng *rng) {
  struct run run = {.image = image_new(rng, SIZE, IOTKIT_DIGEST_SHA256)};
  uint8_t *around = fill(rng);
  begin(&run, false);
  assert_int_equal(run.at, 0);
  receive(&run, SIZE);
  assert_int_equal(iotkit_file_commit(run.file, SIZE, NULL), 0);
  assert_written(&run.image, around);
  iotkit_job_unref(run.job);
  image_free(&run.image);
  free(around);
}

static void resumes_what_it_reads_back(struct rng *rng) {
  struct run run = {.image = image_new(rng, SIZE, IOTKIT_DIGEST_MD5)};
  uint8_t *around = fill(rng);
  begin(&run, true);
  receive(&run, 300000);
  iotkit_file_keep(run.file, run.job);
  iotkit_job_unref(run.job);
  assert_true(world_exists("journal"));
  begin(&run, true);
  assert_int_equal(run.at, 300000);
  receive(&run, 500000);
  ik_file_free(run.file); /* killed */
  iotkit_job_unref(run.job);
  const uint8_t other = run.image.bytes[200000] ^ 1;
  write_target(&other, BASE + 200000, 1); /* and somebody wrote there */
  begin(&run, true);
  assert_true(run.at <= 200000 && 200000 - run.at < NEAR);
  receive(&run, SIZE);
  assert_int_equal(iotkit_file_commit(run.file, SIZE, NULL), 0);
  assert_false(world_exists("journal"));
  assert_written(&run.image, around);
  iotkit_job_unref(run.job);
  image_free(&run.image);
  free(around);
}

static void a_journal_is_of_one_place(struct rng *rng) {
  struct run run = {.image = image_new(rng, SIZE, IOTKIT_DIGEST_SHA256)};
  uint8_t *around = fill(rng);
  begin(&run, true);
  receive(&run, 300000);
  iotkit_file_keep(run.file, run.job);
  struct iotkit_file_options options = options_of(&run.image, true);
  options.base = 0;
  assert_int_equal(iotkit_file_open(target, &options, &run.file, NULL), 0);
  assert_int_equal(iotkit_file_resume(run.file, run.job, NULL), 0);
  iotkit_file_keep(run.file, NULL);
  assert_false(world_exists("journal"));
  iotkit_job_unref(run.job);
  image_free(&run.image);
  free(around);
}

static void without_a_journal_nothing_is_resumed(struct rng *rng) {
  struct run run = {.image = image_new(rng, SIZE, IOTKIT_DIGEST_SHA256)};
  begin(&run, false);
  receive(&run, 300000);
  iotkit_file_keep(run.file, run.job);
  iotkit_job_unref(run.job);
  begin(&run, false);
  assert_int_equal(run.at, 0);
  receive(&run, 100);
  assert_int_equal(iotkit_file_rewind(run.file, NULL), 0);
  assert_int_equal(iotkit_file_commit(run.file, 100, NULL), IK_ESIZE_MISMATCH);
  iotkit_job_unref(run.job);
  image_free(&run.image);
}

static void keeps_to_its_room(struct rng *rng) {
  struct image image = image_new(rng, SIZE, IOTKIT_DIGEST_SHA256);
  struct iotkit_file_options options = options_of(&image, false);
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  uint8_t *around = fill(rng);
  uint8_t *bytes = malloc(ROOM);
  assert_non_null(bytes);
  options.size = ROOM - BASE + 1;
  assert_int_equal(iotkit_file_open(target, &options, &file, detail), IK_ENO_SPACE);
  assert_non_null(strstr(detail, target));
  options.base = ROOM + 1;
  options.size = 0;
  assert_int_equal(iotkit_file_open(target, &options, &file, detail), IK_ENO_SPACE);
  options.base = UINT64_MAX;
  options.size = 2;
  assert_int_equal(iotkit_file_open(target, &options, &file, detail), IK_ENO_SPACE);
  /* Of an announced size no byte more, of an unknown one what there is room for. */
  options.base = BASE;
  options.size = SIZE;
  assert_int_equal(iotkit_file_open(target, &options, &file, detail), 0);
  assert_int_equal(iotkit_file_write(file, SIZE - 1, "ab", 2, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "announced"));
  iotkit_file_discard(file);
  options.size = 0;
  assert_int_equal(iotkit_file_open(target, &options, &file, detail), 0);
  assert_int_equal(iotkit_file_write(file, ROOM - BASE - 1, "ab", 2, detail), IK_ENO_SPACE);
  iotkit_file_discard(file);
  read_target(bytes, 0, ROOM);
  assert_memory_equal(bytes, around, ROOM);
  free(bytes);
  free(around);
  image_free(&image);
}

static void has_one_writer(struct rng *rng) {
  struct image image = image_new(rng, SIZE, IOTKIT_DIGEST_SHA256);
  struct iotkit_file_options options = options_of(&image, false);
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *first, *second;
  assert_int_equal(symlink(target, "alias"), 0); /* as /dev/disk/by-partlabel has them */
  assert_int_equal(iotkit_file_open("alias", &options, &first, NULL), 0);
  assert_int_equal(iotkit_file_open(target, &options, &second, detail), IK_EFILE_LOCKED);
  assert_non_null(strstr(detail, target));
  iotkit_file_discard(first);
  assert_int_equal(iotkit_file_open(target, &options, &second, NULL), 0);
  iotkit_file_discard(second);
  assert_int_equal(unlink("alias"), 0);
  assert_true(world_exists(target));
  image_free(&image);
}

static void (*const rounds[])(struct rng *) = {
    writes_nothing_but_the_image,         resumes_what_it_reads_back, a_journal_is_of_one_place,
    without_a_journal_nothing_is_resumed, keeps_to_its_room,          has_one_writer};

static void make_backing(const char *path) {
  int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(ftruncate(fd, ROOM), 0);
  close(fd);
}

static void in_a_file(void **state) {
  struct rng rng = rng_start("in_a_file");
  (void)state;
  make_backing("target");
  target = "target";
  for (size_t i = 0; i < COUNT(rounds); i++)
    rounds[i](&rng);
  world_assert_names(".", "target");
}

static void in_a_block_device(void **state) {
  struct rng rng = rng_start("in_a_block_device");
  struct loop loop;
  (void)state;
  make_backing("backing");
  if (!loop_open(&loop, "backing")) skip();
  target = loop.path;
  for (size_t i = 0; i < COUNT(rounds); i++)
    rounds[i](&rng);
  loop_close(&loop);
}

static void a_device_is_not_replaced(void **state) {
  struct loop loop;
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  make_backing("backing");
  if (!loop_open(&loop, "backing")) skip();
  assert_int_equal(iotkit_file_open(loop.path, NULL, &file, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "in place"));
  loop_close(&loop);
}

static void a_claimed_device_is_refused(void **state) {
  struct iotkit_file_options options = {.in_place = true};
  struct loop loop;
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  make_backing("backing");
  if (!loop_open(&loop, "backing")) skip();
  int claim = open(loop.path, O_RDWR | O_EXCL | O_CLOEXEC); /* as a mount, swap or RAID does */
  assert_true(claim >= 0);
  assert_int_equal(iotkit_file_open(loop.path, &options, &file, detail), IK_EFILE_LOCKED);
  assert_non_null(strstr(detail, "in use"));
  close(claim);
  assert_int_equal(iotkit_file_open(loop.path, &options, &file, detail), 0);
  iotkit_file_discard(file);
  loop_close(&loop);
}

static void a_mounted_device_is_refused(void **state) {
  struct iotkit_file_options options = {.in_place = true};
  struct loop loop;
  iotkit_file_t *file;
  (void)state;
  make_backing("backing");
  if (!loop_open(&loop, "backing")) skip();
  bool mounted = volume_format(loop.path, "ext2") && mkdir("mounted", 0700) == 0 &&
                 volume_mount(loop.path, "mounted", "ext2", NULL);
  if (mounted) {
    int rc = iotkit_file_open(loop.path, &options, &file, NULL);
    volume_unmount("mounted");
    assert_int_equal(rc, IK_EFILE_LOCKED);
  }
  loop_close(&loop);
  if (!mounted) skip();
}

static void refused_targets(void **state) {
  struct iotkit_file_options options = {.in_place = true};
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(iotkit_file_open("none", &options, &file, NULL), IK_EFILE_NOT_FOUND);
  assert_int_equal(iotkit_file_open("/dev/null", &options, &file, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(mkdir("dir", 0700), 0);
  assert_int_equal(iotkit_file_open("dir", &options, &file, NULL), IK_EINVALID_ARGUMENT);
  world_assert_names(".", "dir");
}

/* Who cuts the file under the writer does not get zeros where the image should be. */
static void a_file_that_is_cut(void **state) {
  struct iotkit_file_options options = {.in_place = true};
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  (void)state;
  make_backing("target");
  assert_int_equal(iotkit_file_open("target", &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_write(file, 0, "abcdef", 6, NULL), 0);
  assert_int_equal(truncate("target", 3), 0);
  assert_int_equal(iotkit_file_write(file, 6, "ghi", 3, detail), IK_EFILE);
  assert_non_null(strstr(detail, "target was changed"));
  assert_int_equal(iotkit_file_commit(file, 6, detail), IK_EFILE);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(in_a_file),
      IN_DIRECTORY(in_a_block_device),
      IN_DIRECTORY(a_device_is_not_replaced),
      IN_DIRECTORY(a_claimed_device_is_refused),
      IN_DIRECTORY(a_mounted_device_is_refused),
      IN_DIRECTORY(refused_targets),
      IN_DIRECTORY(a_file_that_is_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
