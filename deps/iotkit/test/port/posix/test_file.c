/* Files, in a directory of the test's own. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "port/port.h"
#include "support/cmocka_all.h"

enum { WRITER = IK_OSFILE_READ | IK_OSFILE_WRITE | IK_OSFILE_CREATE };

static char directory[64];

static const char *at(const char *name) {
  static char paths[4][256];
  static int turn;
  char *path = paths[turn++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", directory, name);
  return path;
}

static int enter(void **state) {
  (void)state;
  snprintf(directory, sizeof directory, "/tmp/iotkit-test-XXXXXX");
  return mkdtemp(directory) == NULL ? -1 : 0;
}

static int leave(void **state) {
  static const char *const names[] = {"a", "b", "link", "fifo", "old"};
  (void)state;
  for (size_t i = 0; i < TEST_COUNT(names); i++)
    unlink(at(names[i]));
  return rmdir(directory);
}

static void bytes_come_back(void **state) {
  (void)state;
  char buf[16], detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_path_info info;
  struct ik_osfile *file;
  assert_int_equal(ik_osfile_open(at("a"), WRITER, 0640, &file, detail), 0);
  assert_int_equal(ik_osfile_write(file, 5, "world", 5, detail), 0);
  assert_int_equal(ik_osfile_write(file, 0, "hello", 5, detail), 0);
  assert_int_equal(ik_osfile_sync(file, detail), 0);
  assert_int_equal(ik_osfile_read(file, 3, buf, sizeof buf, detail), 7);
  assert_memory_equal(buf, "loworld", 7);
  assert_int_equal(ik_osfile_read(file, 100, buf, sizeof buf, detail), 0);
  assert_int_equal(ik_osfile_truncate(file, 4, detail), 0);
  ik_osfile_close(file);
  assert_int_equal(ik_path_info(at("a"), &info, detail), 0);
  assert_true(info.exists && info.is_regular && !info.is_directory && !info.is_block_device);
  assert_int_equal(info.size, 4);
  ik_osfile_close(NULL);
}

static void positions_go_beyond_4_gib(void **state) {
  (void)state;
  char byte = 0;
  struct ik_osfile *file;
  uint64_t far = ((uint64_t)5 << 30) + 7;
  assert_int_equal(ik_osfile_open(at("a"), WRITER, 0600, &file, NULL), 0);
  assert_int_equal(ik_osfile_write(file, far, "x", 1, NULL), 0);
  assert_int_equal(ik_osfile_read(file, far, &byte, 1, NULL), 1);
  assert_int_equal(byte, 'x');
  ik_osfile_close(file);
}

static void locks_exclude_the_second(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "", buf[4];
  struct ik_osfile *first, *second;
  assert_int_equal(ik_osfile_open(at("a"), WRITER | IK_OSFILE_LOCK, 0600, &first, detail), 0);
  assert_int_equal(ik_osfile_write(first, 0, "kept", 4, detail), 0);
  int rc =
      ik_osfile_open(at("a"), WRITER | IK_OSFILE_LOCK | IK_OSFILE_TRUNCATE, 0600, &second, detail);
  assert_int_equal(rc, IK_EFILE_LOCKED);
  assert_non_null(strstr(detail, at("a")));
  /* Refused before it was emptied. */
  assert_int_equal(ik_osfile_read(first, 0, buf, 4, detail), 4);
  assert_memory_equal(buf, "kept", 4);
  ik_osfile_close(first);
  rc = ik_osfile_open(at("a"), WRITER | IK_OSFILE_LOCK | IK_OSFILE_TRUNCATE, 0600, &second, detail);
  assert_int_equal(rc, 0);
  assert_int_equal(ik_osfile_read(second, 0, buf, 4, detail), 0);
  ik_osfile_close(second);
}

static void a_lock_on_a_file_that_moved_on_holds_nobody_up(void **state) {
  (void)state;
  struct ik_osfile *first, *second;
  assert_int_equal(ik_osfile_open(at("a"), WRITER | IK_OSFILE_LOCK, 0600, &first, NULL), 0);
  assert_int_equal(ik_path_rename(at("a"), at("b"), NULL), 0);
  assert_int_equal(ik_osfile_open(at("a"), WRITER | IK_OSFILE_LOCK, 0600, &second, NULL), 0);
  ik_osfile_close(first);
  ik_osfile_close(second);
}

static void symbolic_links_are_not_written_through(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_osfile *file;
  assert_int_equal(symlink("b", at("link")), 0);
  assert_int_equal(ik_osfile_open(at("link"), WRITER, 0600, &file, detail), IK_EFILE_ACCESS);
  assert_non_null(strstr(detail, "symbolic link"));
  assert_null(file);
  assert_int_equal(ik_osfile_open(at("b"), WRITER, 0600, &file, detail), 0);
  ik_osfile_close(file);
  assert_int_equal(ik_osfile_open(at("link"), IK_OSFILE_READ, 0, &file, detail),
                   0); /* reading may follow */
  ik_osfile_close(file);
}

static void what_is_no_file_is_refused(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_osfile *file;
  assert_int_equal(mkfifo(at("fifo"), 0600), 0);
  assert_int_equal(ik_osfile_open(at("fifo"), IK_OSFILE_READ, 0, &file, detail),
                   IK_EFILE); /* and does not hang */
  assert_int_equal(ik_osfile_open(directory, IK_OSFILE_READ, 0, &file, detail), IK_EFILE);
  assert_non_null(strstr(detail, directory));
}

static void errors_say_what_and_where(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  char long_path[IK_PATH_MAX + 1];
  struct ik_path_info info;
  struct ik_osfile *file;
  memset(long_path, 'a', sizeof long_path - 1);
  long_path[sizeof long_path - 1] = '\0';
  assert_int_equal(ik_osfile_open(at("none/x"), WRITER, 0600, &file, detail), IK_EFILE_NOT_FOUND);
  assert_non_null(strstr(detail, "none/x: No such file or directory"));
  assert_int_equal(ik_osfile_open(at("a/x"), WRITER, 0600, &file, detail), IK_EFILE_NOT_FOUND);
  assert_int_equal(ik_osfile_open("", WRITER, 0600, &file, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_osfile_open(long_path, WRITER, 0600, &file, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_path_rename(at("none"), at("b"), detail), IK_EFILE_NOT_FOUND);
  assert_int_equal(ik_path_remove(at("none")), IK_EFILE_NOT_FOUND);
  assert_int_equal(ik_path_info(at("none"), &info, detail), 0);
  assert_false(info.exists);
  assert_int_equal(ik_path_sync_directory(at("none"), detail), IK_EFILE_NOT_FOUND);
  assert_int_equal(ik_path_sync_directory(directory, detail), 0);
}

/* A device that is always full, where the system has it. */
static void a_full_disk_says_so(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_osfile *file;
  if (access("/dev/full", W_OK) != 0) skip();
  assert_int_equal(ik_osfile_open("/dev/full", IK_OSFILE_WRITE, 0, &file, detail), 0);
  assert_int_equal(ik_osfile_write(file, 0, "x", 1, detail), IK_ENO_SPACE);
  assert_string_equal(detail, "cannot write /dev/full: No space left on device");
  ik_osfile_close(file);
}

static void mode_and_owner_are_copied(void **state) {
  (void)state;
  struct stat st;
  struct ik_osfile *file;
  int old = open(at("old"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  assert_int_equal(fchmod(old, 0751), 0);
  close(old);
  unlink(at("a"));
  assert_int_equal(ik_osfile_open(at("a"), WRITER, 0600, &file, NULL), 0);
  assert_int_equal(ik_osfile_copy_owner(file, at("old")), 0);
  assert_int_equal(ik_osfile_copy_owner(file, at("none")), IK_EFILE_NOT_FOUND);
  assert_int_equal(ik_osfile_copy_owner(file, directory), IK_EINVALID_ARGUMENT);
  ik_osfile_close(file);
  assert_int_equal(stat(at("a"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0751);
}

static void space_is_set_aside(void **state) {
  (void)state;
  struct stat st;
  struct ik_osfile *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  unlink(at("a"));
  assert_int_equal(ik_osfile_open(at("a"), WRITER, 0600, &file, NULL), 0);
  assert_int_equal(ik_osfile_allocated(file), 0);
  assert_int_equal(ik_osfile_write(file, 0, "abc", 3, NULL), 0);
  int rc = ik_osfile_reserve(file, 0, 1000000, detail);
  assert_int_equal(stat(at("a"), &st), 0);
  assert_int_equal(st.st_size, 3);
  if (rc != IK_EUNSUPPORTED) {
    assert_int_equal(rc, 0);
    assert_true(ik_osfile_allocated(file) >= 1000000);
    /* No file may be as large, whatever the disk. */
    rc = ik_osfile_reserve(file, 0, UINT64_MAX, detail);
    assert_true(rc == IK_EFILE || rc == IK_ENO_SPACE);
    assert_non_null(strstr(detail, at("a")));
  }
  assert_int_equal(ik_osfile_reserve(file, 0, 0, NULL), rc == IK_EUNSUPPORTED ? rc : 0);
  assert_int_equal(ik_osfile_truncate(file, 3, NULL), 0);
  assert_true(ik_osfile_allocated(file) < 1000000);
  ik_osfile_start_writeback(file, 0, 3);
  ik_osfile_close(file);
}

static void holes_are_found(void **state) {
  (void)state;
  static char block[100000];
  struct ik_osfile *file;
  unlink(at("a"));
  memset(block, 'x', sizeof block);
  assert_int_equal(ik_osfile_open(at("a"), WRITER, 0600, &file, NULL), 0);
  assert_false(ik_osfile_has_hole(file, 0));
  assert_int_equal(ik_osfile_reserve(file, 0, 300000, NULL) == IK_ENO_SPACE, 0);
  assert_int_equal(ik_osfile_write(file, 0, block, sizeof block, NULL), 0);
  assert_int_equal(ik_osfile_write(file, 100000, block, sizeof block, NULL), 0);
  assert_int_equal(ik_osfile_sync(file, NULL), 0);
  assert_false(ik_osfile_has_hole(file, 200000));
  assert_int_equal(ik_osfile_truncate(file, 50000, NULL), 0);
  assert_int_equal(ik_osfile_write(file, 100000, block, sizeof block, NULL), 0);
#if defined(__linux__)
  assert_true(ik_osfile_has_hole(file, 200000));
#endif
  ik_osfile_close(file);
}

static void a_mode_is_set_less_umask(void **state) {
  (void)state;
  struct stat st;
  struct ik_osfile *file;
  unlink(at("a"));
  assert_int_equal(ik_osfile_open(at("a"), WRITER, 0640, &file, NULL), 0);
  assert_int_equal(ik_osfile_set_mode(file, 0640), 0);
  assert_int_equal(stat(at("a"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0640);
  assert_int_equal(ik_osfile_set_mode(file, 0440), 0);
  assert_int_equal(stat(at("a"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0440);
  ik_osfile_close(file);
}

/* That it cannot be looked at says neither that it is there nor that it is not. */
static void whether_a_name_is_this_files(void **state) {
  (void)state;
  char name[300], detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_osfile *file, *other;
  assert_int_equal(ik_osfile_open(at("a"), WRITER, 0600, &file, detail), 0);
  assert_int_equal(ik_osfile_at(file, at("a"), detail), 1);
  assert_int_equal(ik_path_rename(at("a"), at("b"), detail), 0);
  assert_int_equal(ik_osfile_at(file, at("a"), detail), 0);
  assert_int_equal(ik_osfile_at(file, at("b/below"), detail), 0);
  assert_int_equal(ik_osfile_open(at("a"), WRITER, 0600, &other, detail), 0);
  assert_int_equal(ik_osfile_at(file, at("a"), detail), 0);
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  assert_string_equal(detail, "");
  assert_int_equal(ik_osfile_at(file, name, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "cannot look at nnn"));
  assert_false(ik_osfile_is_at(file, name));
  ik_osfile_close(file);
  ik_osfile_close(other);
}

static void names_have_a_length(void **state) {
  (void)state;
  char name[300], detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_osfile *file;
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  assert_int_equal(ik_osfile_open(name, WRITER, 0600, &file, detail), IK_EINVALID_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_come_back),
      cmocka_unit_test(positions_go_beyond_4_gib),
      cmocka_unit_test(locks_exclude_the_second),
      cmocka_unit_test(a_lock_on_a_file_that_moved_on_holds_nobody_up),
      cmocka_unit_test(symbolic_links_are_not_written_through),
      cmocka_unit_test(what_is_no_file_is_refused),
      cmocka_unit_test(errors_say_what_and_where),
      cmocka_unit_test(a_full_disk_says_so),
      cmocka_unit_test(mode_and_owner_are_copied),
      cmocka_unit_test(space_is_set_aside),
      cmocka_unit_test(holes_are_found),
      cmocka_unit_test(a_mode_is_set_less_umask),
      cmocka_unit_test(whether_a_name_is_this_files),
      cmocka_unit_test(names_have_a_length),
  };
  return cmocka_run_group_tests(tests, enter, leave);
}
