/*
 * Files and images of several threads in one directory, as iotkit_file.h allows it: each file is one
 * thread's at a time, but for its checkpoints, which another one takes.
 */
#include <stdio.h>
#include <string.h>

#include "download/job.h"
#include "iotkit_file.h"
#include "support/cm.h"
#include "support/fake_web.h"
#include "support/file_world.h"
#include "support/threads.h"

#define CALLERS 4
#define CALLS 40
#define BYTES 100000u
#define BLOCK 16384u

static struct image image_bytes;

static struct fake_web web_of_image(void) {
  return (struct fake_web){
      .image = image_bytes.bytes, .size = BYTES, .answer = fake_web_serve, .rng = {1}};
}

/* ---- files ---- */

/* Of commits of several files one at a time goes on in a directory. */
static void assert_committed_or_locked(int rc) {
  assert_true(rc == 0 || rc == IK_EFILE_LOCKED);
}

/* A file of its own name, which one thread at a time has. */
static void use_file(struct caller *caller) {
  const struct iotkit_file_options options = {.size = 5};
  char path[32];
  iotkit_file_t *files[1];
  const uint64_t sizes[1] = {5};
  snprintf(path, sizeof(path), "d%zu/f", rng_below(&caller->rng, 2));
  struct iotkit_file_options made = options;
  made.make_directory = true;
  int rc = iotkit_file_open(path, &made, files, NULL);
  assert_true(rc == 0 || rc == IK_EFILE_LOCKED);
  if (rc != 0) return;
  assert_int_equal(iotkit_file_write(files[0], 0, "hello", 5, NULL), 0);
  assert_int_equal(iotkit_file_rewind(files[0], NULL), 0);
  assert_int_equal(iotkit_file_write(files[0], 0, "hello", 5, NULL), 0);
  switch (rng_below(&caller->rng, 4)) {
  case 0:
    assert_int_equal(iotkit_file_commit(files[0], 5, NULL), 0);
    break;
  case 1:
    assert_committed_or_locked(iotkit_file_commit_all(files, sizes, 1, NULL));
    break;
  case 2:
    iotkit_file_keep(files[0], NULL);
    break;
  default:
    iotkit_file_discard(files[0]);
  }
}

static void recover(struct caller *caller) {
  char path[32];
  snprintf(path, sizeof(path), "d%zu", rng_below(&caller->rng, 2));
  int rc = iotkit_file_recover(path, NULL);
  assert_true(rc == 0 || rc == 1 || rc == IK_EFILE_LOCKED || rc == IK_EFILE_NOT_FOUND);
}

/* ---- images: received and digested side by side ---- */

struct block {
  iotkit_image_t *image;
  uint64_t offset;
  size_t len;
  uint8_t bytes[BLOCK];
};

static void digest(void *arg) {
  const struct block *block = arg;
  iotkit_job_t *job = iotkit_image_job(block->image);
  assert_int_equal(iotkit_job_digest(job, block->offset, block->bytes, block->len), 0);
  iotkit_image_checkpoint(block->image);
}

static bool receive(iotkit_image_t *image, struct block *block) {
  int64_t got = iotkit_image_fetch(image, block->bytes, BLOCK, UINT32_MAX, &block->offset, NULL);
  assert_true(got >= 0);
  block->image = image;
  block->len = (size_t)got;
  assert_int_equal(iotkit_image_write(image, block->offset, block->bytes, block->len, NULL), 0);
  return got > 0;
}

static void receive_all(iotkit_image_t *image, struct block blocks[2]) {
  iotkit_thread_t *digester = NULL;
  for (unsigned i = 0; receive(image, &blocks[i % 2]); i++) {
    iotkit_thread_join(digester);
    assert_int_equal(iotkit_thread_start(&digester, "digest", 0, digest, &blocks[i % 2]), 0);
  }
  iotkit_thread_join(digester);
}

static void hear_of_phase(void *ctx, enum iotkit_phase phase) {
  (void)phase;
  assert_true(iotkit_job_get_state(ctx) != IOTKIT_JOB_FAILED);
}

static void begin_again(iotkit_image_t *image, struct block *block) {
  (void)receive(image, block);
  digest(block);
  assert_int_equal(iotkit_image_rewind(image, NULL), 0);
  assert_int_equal(iotkit_image_write(image, block->offset, block->bytes, block->len, NULL), 0);
  digest(block);
}

static void use_image(struct caller *caller) {
  const struct iotkit_fetch_options options = {.external_digest = true, .proxy = ""};
  const struct iotkit_file_options target = {.make_directory = true};
  uint8_t so_far[IOTKIT_DIGEST_MAX];
  uint64_t offset = 0;
  struct fake_web web = web_of_image();
  iotkit_image_t *image;
  char path[16];
  bool again;
  snprintf(path, sizeof(path), "own%u/image", caller->number);
  iotkit_job_t *job = fake_web_job(&web, &options);
  ik_job_set_dial(job, fake_web_dial, &web);
  struct block *blocks = calloc(2, sizeof(*blocks));
  assert_int_equal(iotkit_image_new(job, &image), 0);
  assert_int_equal(iotkit_image_on_phase(image, hear_of_phase, job), 0);
  assert_int_equal(iotkit_image_open(image, path, &target, true, NULL), 0);
  assert_int_equal(iotkit_image_resume(image, NULL), 0);
  begin_again(image, &blocks[0]);
  receive_all(image, blocks);
  assert_int_equal(iotkit_job_digest_so_far(job, &offset, so_far), 32);
  assert_int_equal(offset, BYTES);
  assert_int_equal(iotkit_image_check(image, &again, NULL), 0);
  if (rng_below(&caller->rng, 2))
    assert_int_equal(iotkit_image_commit(image, NULL), 0);
  else
    assert_int_equal(iotkit_image_commit_all(&image, 1, NULL), 0);
  iotkit_image_release(image, 0);
  iotkit_image_free(image);
  iotkit_job_unref(job);
  free(blocks);
}

/* ---- a job and a file without an image between them ---- */

static void use_job(struct caller *caller) {
  const struct iotkit_fetch_options options = {.proxy = ""};
  const struct iotkit_file_options key = image_options(&image_bytes);
  struct fake_web web = web_of_image();
  uint8_t block[BLOCK];
  uint64_t offset = 0;
  iotkit_file_t *file;
  char path[16];
  snprintf(path, sizeof(path), "job%u", caller->number);
  iotkit_job_t *job = fake_web_job(&web, &options);
  ik_job_set_dial(job, fake_web_dial, &web);
  assert_int_equal(iotkit_file_open(path, &key, &file, NULL), 0);
  assert_true(iotkit_file_resume(file, job, NULL) >= 0);
  int64_t got = iotkit_job_fetch(job, block, sizeof(block), UINT32_MAX, &offset);
  assert_true(got >= 0);
  assert_int_equal(iotkit_file_write(file, offset, block, (size_t)got, NULL), 0);
  iotkit_file_checkpoint(file, job);
  iotkit_file_keep(file, job);
  iotkit_job_unref(job);
}

static void every_call_beside_every_other(void **state) {
  static const threads_call table[] = {use_file, recover, use_file, use_job, use_image};
  struct rng rng = {11};
  (void)state;
  image_bytes = image_new(&rng, BYTES, IOTKIT_DIGEST_SHA256);
  threads_run(__func__, NULL, table, COUNT(table), CALLERS, CALLS, NULL);
  image_free(&image_bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_call_beside_every_other, world_enter, world_leave),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
