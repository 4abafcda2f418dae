/*
 * Random runs, random ends, random damage to what lies there in between, by a seed that is printed:
 * the image is right whenever it gets its name, nothing wrong is ever resumed, and where nothing
 * was damaged hardly anything is fetched twice.
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

#define CASES 300
#define RUNS_MAX 12
#define PART "image.part"
#define JOURNAL "image.part.journal"

/* ---- damage ---- */

static off_t size_of(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 ? st.st_size : 0;
}

static const char *one_of_them(struct rng *rng) {
  return rng_below(rng, 2) == 0 ? PART : JOURNAL;
}

static void write_at(const char *path, off_t at, const void *bytes, size_t len) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  assert_int_equal(pwrite(fd, bytes, len, at), len);
  close(fd);
}

static void flip_a_bit(struct rng *rng) {
  const char *path = one_of_them(rng);
  uint8_t byte;
  off_t size = size_of(path);
  if (size == 0) return;
  off_t at = (off_t)rng_below(rng, (size_t)size);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  assert_int_equal(pread(fd, &byte, 1, at), 1);
  byte ^= (uint8_t)(1u << rng_below(rng, 8));
  assert_int_equal(pwrite(fd, &byte, 1, at), 1);
  close(fd);
}

static void cut(struct rng *rng) {
  const char *path = one_of_them(rng);
  off_t size = size_of(path);
  if (size > 0) assert_int_equal(truncate(path, (off_t)rng_below(rng, (size_t)size)), 0);
}

/* Blocks that never reached the disk: the file has its size and zeros. */
static void lose_a_block(struct rng *rng) {
  static const uint8_t zeros[4096];
  const char *path = one_of_them(rng);
  off_t blocks = size_of(path) / 4096;
  if (blocks > 0) write_at(path, (off_t)rng_below(rng, (size_t)blocks) * 4096, zeros, sizeof zeros);
}

static void lengthen(struct rng *rng) {
  uint8_t junk[1000];
  const char *path = one_of_them(rng);
  rng_fill(rng, junk, sizeof junk);
  write_at(path, size_of(path), junk, rng_below(rng, sizeof junk));
}

static void overwrite(struct rng *rng) {
  uint8_t junk[5000];
  const char *path = one_of_them(rng);
  off_t size = size_of(path);
  rng_fill(rng, junk, sizeof junk);
  if (size > 0) write_at(path, (off_t)rng_below(rng, (size_t)size), junk, rng_below(rng, 5000));
}

static void take_away(struct rng *rng) {
  remove(one_of_them(rng));
}

static void copy(const char *from, const char *to) {
  size_t len;
  if (!world_exists(from)) return;
  uint8_t *bytes = world_get(from, &len);
  world_put(to, bytes, len);
  free(bytes);
}

/* One of the two as it was one run ago, the other as it is now. */
static void set_back(struct rng *rng) {
  if (rng_below(rng, 2) == 0)
    copy("before.part", PART);
  else
    copy("before.journal", JOURNAL);
}

/* The journal of another image of the same size, and its part. */
static void mix_up(struct rng *rng) {
  if (rng_below(rng, 2) == 0)
    copy("other.part", PART);
  else
    copy("other.part.journal", JOURNAL);
}

static void (*const damages[])(struct rng *) = {flip_a_bit, cut,       lose_a_block, lengthen,
                                                overwrite,  take_away, set_back,     mix_up};

/* ---- runs ---- */

struct world {
  struct rng rng;
  struct image image;
  struct image other;
};

/* A part and a journal of another image, to be mixed up with. */
static void prepare_other(struct world *world) {
  struct iotkit_file_options options = image_options(&world->other);
  iotkit_file_t *file;
  iotkit_job_t *job = image_job(&world->other);
  assert_int_equal(iotkit_file_open("other", &options, &file, NULL), 0);
  image_receive(&world->other, file, job, 0, world->other.size * 3 / 4, 30000);
  iotkit_file_keep(file, job);
  iotkit_job_unref(job);
}

static void assert_prefix(const struct image *image, size_t len) {
  size_t there;
  uint8_t *bytes = world_get(PART, &there);
  assert_true(there >= len);
  if (memcmp(bytes, image->bytes, len) != 0) fail_msg("wrong bytes were resumed");
  free(bytes);
}

/* One run; `least` is what must be resumed. Returns whether it committed. */
static bool run_once(struct world *world, size_t least, size_t *reached) {
  struct iotkit_file_options options = image_options(&world->image);
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_file_t *file;
  size_t block = 1 + rng_below(&world->rng, 100000);
  iotkit_job_t *job = image_job(&world->image);
  int rc = iotkit_file_open("image", &options, &file, detail);
  if (rc != 0) fail_msg("%d %s", rc, detail);
  int64_t at = iotkit_file_resume(file, job, detail);
  if (at < 0 || (size_t)at > world->image.size) fail_msg("%d %s", (int)at, detail);
  if ((size_t)at < least) fail_msg("resumed at %d, not at %zu", (int)at, least);
  assert_prefix(&world->image, (size_t)at);
  size_t left = world->image.size - (size_t)at;
  size_t to = rng_below(&world->rng, 4) == 0 ? world->image.size
                                             : (size_t)at + rng_below(&world->rng, left + 1);
  image_receive(&world->image, file, job, (size_t)at, to, block);
  bool commit = to == world->image.size && rng_below(&world->rng, 2) == 0;
  *reached = to;
  if (commit) {
    rc = iotkit_file_commit(file, to, detail);
    if (rc != 0) fail_msg("%d %s", rc, detail);
  } else if (rng_below(&world->rng, 2) == 0) {
    iotkit_file_keep(file, job);
  } else {
    ik_file_free(file); /* killed */
    uint64_t distance = ik_journal_distance(world->image.size) + block;
    *reached = to == world->image.size ? to : to > distance ? to - distance : 0;
  }
  iotkit_job_unref(job);
  return commit;
}

static void one_case(uint64_t seed) {
  struct world world = {.rng = {seed}};
  enum iotkit_digest_method method =
      rng_below(&world.rng, 2) ? IOTKIT_DIGEST_MD5 : IOTKIT_DIGEST_SHA256;
  size_t size = 1 + rng_below(&world.rng, rng_below(&world.rng, 2) ? 2000000 : 100000);
  world.image = image_new(&world.rng, size, method);
  world.other = image_new(&world.rng, size, method);
  prepare_other(&world);
  size_t least = 0;
  bool committed = false;
  for (int i = 0; i < RUNS_MAX && !committed; i++) {
    size_t reached;
    copy(PART, "before.part");
    copy(JOURNAL, "before.journal");
    committed = run_once(&world, least, &reached);
    least = reached;
    if (!committed && rng_below(&world.rng, 2) == 0) {
      damages[rng_below(&world.rng, COUNT(damages))](&world.rng);
      least = 0;
    }
  }
  if (committed) {
    image_assert_at(&world.image, "image");
    assert_false(world_exists(PART));
    assert_false(world_exists(JOURNAL));
  }
  image_free(&world.image);
  image_free(&world.other);
}

static void whatever_becomes_of_it(void **state) {
  static const char *const names[] = {"image",          PART,         JOURNAL,
                                      "before.part",    "other.part", "other.part.journal",
                                      "before.journal", "other"};
  struct rng rng = rng_start("whatever_becomes_of_it");
  (void)state;
  for (int i = 0; i < CASES; i++) {
    uint64_t seed = rng_u64(&rng);
    one_case(seed);
    for (size_t k = 0; k < COUNT(names); k++)
      remove(names[k]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(whatever_becomes_of_it, world_enter, world_leave),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
