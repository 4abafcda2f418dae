/*
 * A signal that interrupts a system call changes nothing: every call is made once more, but for
 * close(), whose descriptor is gone in any case. The calls are this program's own, which the
 * library in it calls: every other one fails with EINTR.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "image/file.h"
#include "support/cm.h"
#include "support/file_world.h"

#define SIZE 5000

static bool armed;
static int interrupted, closed_twice;

static bool interrupt(void) {
  static bool turn;
  turn = armed && !turn;
  if (!turn) return false;
  interrupted++;
  errno = EINTR;
  return true;
}

int open(const char *path, int flags, ...) {
  va_list args;
  va_start(args, flags);
  mode_t mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
  va_end(args);
  return interrupt() ? -1 : openat(AT_FDCWD, path, flags, mode);
}

int rename(const char *from, const char *to) {
  return interrupt() ? -1 : renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlink(const char *path) {
  return interrupt() ? -1 : unlinkat(AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode) {
  return interrupt() ? -1 : mkdirat(AT_FDCWD, path, mode);
}

int fsync(int fd) {
  return interrupt() ? -1 : (int)syscall(SYS_fsync, fd);
}

int ftruncate(int fd, off_t size) {
  return interrupt() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t len) {
  return interrupt() ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

int fchmod(int fd, mode_t mode) {
  return interrupt() ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

int fchown(int fd, uid_t uid, gid_t gid) {
  return interrupt() ? -1 : (int)syscall(SYS_fchown, fd, uid, gid);
}

ssize_t pread(int fd, void *data, size_t len, off_t offset) {
  struct iovec part = {data, len};
  return interrupt() ? -1 : preadv(fd, &part, 1, offset);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset) {
  struct iovec part = {(void *)data, len};
  return interrupt() ? -1 : pwritev(fd, &part, 1, offset);
}

int close(int fd) {
  int rc = (int)syscall(SYS_close, fd);
  if (rc != 0 && armed) closed_twice++;
  if (!armed || rc != 0) return rc;
  errno = EINTR;
  return -1;
}

static struct image image;

static int enter(void **state) {
  struct rng rng = {13};
  image = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  return world_enter(state);
}

static int leave(void **state) {
  armed = false;
  image_free(&image);
  return world_leave(state);
}

static void every_call_is_made_again(void **state) {
  struct iotkit_file_options options = image_options(&image);
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  options.make_directory = true;
  iotkit_job_t *job = image_job(&image), *next = image_job(&image);
  armed = true;
  assert_int_equal(iotkit_file_open("dir/image", &options, &file, detail), 0);
  image_receive(&image, file, job, 0, 3000, 1000);
  iotkit_file_keep(file, job);
  assert_int_equal(iotkit_file_open("dir/image", &options, &file, detail), 0);
  assert_int_equal(iotkit_file_resume(file, next, detail), 3000);
  image_receive(&image, file, next, 3000, SIZE, 1000);
  assert_int_equal(iotkit_file_commit(file, SIZE, detail), 0);
  assert_string_equal(detail, "");
  armed = false;
  image_assert_at(&image, "dir/image");
  world_assert_names("dir", "image");
  assert_true(interrupted > 20);
  assert_int_equal(closed_twice, 0);
  iotkit_job_unref(job);
  iotkit_job_unref(next);
}

static void also_of_several_files(void **state) {
  iotkit_file_t *files[2];
  const uint64_t sizes[] = {SIZE, SIZE};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  world_put("a", "old", 3);
  armed = true;
  assert_int_equal(iotkit_file_open("a", NULL, &files[0], detail), 0);
  assert_int_equal(iotkit_file_open("b", NULL, &files[1], detail), 0);
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(iotkit_file_write(files[i], 0, image.bytes, SIZE, detail), 0);
  assert_int_equal(iotkit_file_commit_all(files, sizes, 2, detail), 0);
  assert_string_equal(detail, "");
  assert_int_equal(iotkit_file_recover(".", detail), 0);
  armed = false;
  image_assert_at(&image, "a");
  image_assert_at(&image, "b");
  world_assert_names(".", "a b");
  assert_int_equal(closed_twice, 0);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(every_call_is_made_again),
      IN_DIRECTORY(also_of_several_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
