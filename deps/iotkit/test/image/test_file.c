/*
 * Image files: whole under their name or not at all. Each test has an empty directory of its own as
 * working directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "iotkit_file.h"
#include "support/cm.h"

static int enter_directory(void **state) {
  char *path = strdup("/tmp/iotkit-file-XXXXXX");
  *state = path;
  return path && mkdtemp(path) ? chdir(path) : -1;
}

/* Whatever a test leaves behind is a file, a link or an empty directory with one of these names. */
static int leave_directory(void **state) {
  static const char *const names[] = {"image", "image.part", "other", "dir/image.part", "dir"};
  int rc;
  for (size_t i = 0; i < COUNT(names); i++)
    remove(names[i]);
  rc = chdir("/");
  if (rc == 0) rc = rmdir(*state); /* fails, and with it the test, when anything else was left */
  free(*state);
  return rc;
}

static bool exists(const char *path) {
  struct stat st;
  return lstat(path, &st) == 0;
}

static void put(const char *path, const char *text, mode_t mode) {
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
  assert_int_equal(fclose(file), 0);
  assert_int_equal(chmod(path, mode), 0);
}

static void assert_text(const char *path, const char *want) {
  char text[256];
  size_t len;
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  len = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[len] = '\0';
  assert_string_equal(text, want);
}

static mode_t mode_of(const char *path) {
  struct stat st;
  assert_int_equal(stat(path, &st), 0);
  return st.st_mode & 07777;
}

static iotkit_file_t *open_image(void) {
  iotkit_file_t *file = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (iotkit_file_open("image", NULL, &file, detail) != 0) fail_msg("%s", detail);
  return file;
}

static void appears_at_commit(void **state) {
  iotkit_file_t *file = open_image();
  (void)state;
  assert_true(exists("image.part"));
  assert_int_equal(iotkit_file_write(file, 0, "hello ", 6, NULL), 0);
  assert_int_equal(iotkit_file_write(file, 6, "world", 5, NULL), 0);
  assert_false(exists("image"));
  assert_int_equal(iotkit_file_commit(file, 11, NULL), 0);
  assert_text("image", "hello world");
  assert_false(exists("image.part"));
}

static void any_order_and_absolute_path(void **state) {
  char path[64];
  iotkit_file_t *file;
  snprintf(path, sizeof path, "%s/image", (const char *)*state);
  assert_int_equal(iotkit_file_open(path, NULL, &file, NULL), 0);
  assert_int_equal(iotkit_file_write(file, 3, "def", 3, NULL), 0);
  assert_int_equal(iotkit_file_write(file, 0, "abc", 3, NULL), 0);
  assert_int_equal(iotkit_file_write(file, 6, NULL, 0, NULL), 0);
  assert_int_equal(iotkit_file_commit(file, 6, NULL), 0);
  assert_text("image", "abcdef");
}

static void empty_image(void **state) {
  (void)state;
  assert_int_equal(iotkit_file_commit(open_image(), 0, NULL), 0);
  assert_text("image", "");
}

static void discard_leaves_nothing(void **state) {
  iotkit_file_t *file;
  (void)state;
  put("image", "old", 0644);
  file = open_image();
  assert_int_equal(iotkit_file_write(file, 0, "new", 3, NULL), 0);
  iotkit_file_discard(file);
  assert_text("image", "old");
  assert_false(exists("image.part"));
  iotkit_file_discard(NULL);
}

static void replaces_and_keeps_the_mode(void **state) {
  iotkit_file_t *file;
  (void)state;
  put("image", "old and longer", 0750);
  file = open_image();
  assert_int_equal(iotkit_file_write(file, 0, "new", 3, NULL), 0);
  assert_text("image", "old and longer");
  assert_int_equal(iotkit_file_commit(file, 3, NULL), 0);
  assert_text("image", "new");
  assert_int_equal(mode_of("image"), 0750);
}

static void mode_of_a_new_file(void **state) {
  struct iotkit_file_options options = {.mode = 0666};
  iotkit_file_t *file;
  mode_t before = umask(027);
  (void)state;
  assert_int_equal(iotkit_file_commit(open_image(), 0, NULL), 0);
  assert_int_equal(mode_of("image"), 0640);
  remove("image");
  assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_commit(file, 0, NULL), 0);
  assert_int_equal(mode_of("image"), 0640);
  umask(before);
}

static void a_left_over_part_is_emptied(void **state) {
  iotkit_file_t *file;
  (void)state;
  put("image.part", "what an earlier run left", 0644);
  file = open_image();
  assert_text("image.part", "");
  assert_int_equal(iotkit_file_write(file, 0, "x", 1, NULL), 0);
  assert_int_equal(iotkit_file_commit(file, 1, NULL), 0);
  assert_text("image", "x");
}

static void commit_cuts_but_never_pads(void **state) {
  iotkit_file_t *file = open_image();
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(iotkit_file_write(file, 0, "0123456789", 10, NULL), 0);
  assert_int_equal(iotkit_file_commit(file, 4, NULL), 0);
  assert_text("image", "0123");
  file = open_image();
  assert_int_equal(iotkit_file_write(file, 0, "01234", 5, NULL), 0);
  assert_int_equal(iotkit_file_commit(file, 6, detail), IK_ESIZE_MISMATCH);
  assert_non_null(strstr(detail, "image.part"));
  assert_text("image", "0123");
  assert_false(exists("image.part"));
}

static void one_writer_at_a_time(void **state) {
  iotkit_file_t *first = open_image(), *second = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(iotkit_file_write(first, 0, "first", 5, NULL), 0);
  assert_int_equal(iotkit_file_open("./image", NULL, &second, detail), IK_EFILE_LOCKED);
  assert_null(second);
  assert_non_null(strstr(detail, "image.part"));
  assert_text("image.part", "first"); /* the refused one has not emptied it */
  assert_int_equal(iotkit_file_commit(first, 5, NULL), 0);
  second = open_image();
  assert_text("image", "first");
  iotkit_file_discard(second);
}

/* Another process that dies leaves a part but no lock. */
static void a_dead_writer_blocks_nobody(void **state) {
  int told[2], held[2];
  char byte;
  pid_t child;
  int status;
  iotkit_file_t *file = NULL;
  (void)state;
  assert_int_equal(pipe(told), 0);
  assert_int_equal(pipe(held), 0);
  child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    if (iotkit_file_open("image", NULL, &file, NULL) != 0 ||
        iotkit_file_write(file, 0, "dead", 4, NULL) != 0) {
      _exit(1);
    }
    if (write(told[1], "x", 1) != 1) _exit(1);
    close(held[1]);
    _exit(read(held[0], &byte, 1) == 0 ? 0 : 1); /* until it is killed, or the test is no more */
  }
  close(told[1]);
  assert_int_equal(read(told[0], &byte, 1), 1);
  assert_int_equal(iotkit_file_open("image", NULL, &file, NULL), IK_EFILE_LOCKED);
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, &status, 0), child);
  close(told[0]);
  close(held[0]);
  close(held[1]);
  assert_text("image.part", "dead");
  file = open_image();
  assert_text("image.part", "");
  iotkit_file_discard(file);
}

static void refused_paths(void **state) {
  static char longest[IK_PATH_MAX + 1];
  static const struct {
    const char *path;
    int rc;
  } rows[] = {{NULL, IK_EINVALID_ARGUMENT},        {"", IK_EINVALID_ARGUMENT},
              {"dir", IK_EINVALID_ARGUMENT},       {"dir/", IK_EINVALID_ARGUMENT},
              {"image/", IK_EINVALID_ARGUMENT},    {".", IK_EINVALID_ARGUMENT},
              {longest, IK_EINVALID_ARGUMENT},     {"none/image", IK_EFILE_NOT_FOUND},
              {"other/image", IK_EFILE_NOT_FOUND}, {"/dev/null", IK_EINVALID_ARGUMENT}};
  (void)state;
  memset(longest, 'x', IK_PATH_MAX);
  assert_int_equal(mkdir("dir", 0755), 0);
  put("other", "a file", 0644);
  for (size_t i = 0; i < COUNT(rows); i++) {
    iotkit_file_t *file = (iotkit_file_t *)&rows;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = iotkit_file_open(rows[i].path, NULL, &file, detail);
    if (rc != rows[i].rc || !detail[0]) fail_msg("%zu: %d %s", i, rc, detail);
    assert_null(file);
    assert_int_equal(iotkit_file_open(rows[i].path, NULL, &file, NULL), rc);
  }
  assert_int_equal(iotkit_file_open("image", NULL, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_text("other", "a file");
}

/* Nobody lures the image to somewhere else by laying a link where the part will be. */
static void the_part_is_never_a_link(void **state) {
  iotkit_file_t *file;
  (void)state;
  put("other", "precious", 0644);
  assert_int_equal(symlink("other", "image.part"), 0);
  file = open_image();
  assert_int_equal(iotkit_file_write(file, 0, "x", 1, NULL), 0);
  assert_int_equal(iotkit_file_commit(file, 1, NULL), 0);
  assert_text("image", "x");
  assert_text("other", "precious");
}

static void a_pipe_does_not_stop_it(void **state) {
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(mkfifo("image", 0600), 0);
  assert_int_equal(iotkit_file_open("image", NULL, &file, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(rename("image", "image.part"), 0);
  assert_int_equal(iotkit_file_commit(open_image(), 0, NULL), 0);
  assert_text("image", "");
}

static void space_is_checked_first(void **state) {
  struct iotkit_file_options options = {.size = UINT64_MAX};
  iotkit_file_t *file = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(iotkit_file_open("image", &options, &file, detail), IK_ENO_SPACE);
  assert_non_null(strstr(detail, "18446744073709551615 bytes needed"));
  assert_false(exists("image.part"));
  options.size = 1;
  assert_int_equal(iotkit_file_open("image", &options, &file, detail), 0);
  iotkit_file_discard(file);
}

static void refused_writes(void **state) {
  iotkit_file_t *file = open_image();
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(iotkit_file_write(NULL, 0, "x", 1, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_write(file, 0, NULL, 1, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_write(file, UINT64_MAX, "x", 1, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_write(file, INT64_MAX, "x", 1, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_file_commit(NULL, 0, detail), IK_EINVALID_ARGUMENT);
  iotkit_file_discard(file);
}

/* A write that fails half way: the limit on the size of files stands for a full disk. */
static void a_failed_write_is_told(void **state) {
  struct rlimit before, limit;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  iotkit_file_t *file = open_image();
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = before;
  limit.rlim_cur = 4;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
  int rc = iotkit_file_write(file, 0, "0123456789", 10, detail);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  assert_int_equal(rc, IK_EFILE);
  assert_non_null(strstr(detail, "image.part"));
  assert_int_equal(iotkit_file_commit(file, 10, detail), IK_ESIZE_MISMATCH);
  assert_false(exists("image"));
  assert_false(exists("image.part"));
}

static void a_commit_that_fails_leaves_no_part(void **state) {
  iotkit_file_t *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  file = open_image();
  assert_int_equal(mkdir("image", 0755), 0);
  assert_int_equal(iotkit_file_commit(file, 0, detail), IK_EFILE);
  assert_non_null(strstr(detail, "image"));
  assert_false(exists("image.part"));
  assert_int_equal(rmdir("image"), 0);

  assert_int_equal(mkdir("dir", 0755), 0);
  assert_int_equal(iotkit_file_open("dir/image", NULL, &file, NULL), 0);
  assert_int_equal(remove("dir/image.part"), 0);
  assert_int_equal(rmdir("dir"), 0);
  assert_int_equal(iotkit_file_commit(file, 0, detail), IK_EFILE_NOT_FOUND);
}

static void a_part_that_was_replaced_is_not_taken(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  iotkit_file_t *file = open_image();
  assert_int_equal(iotkit_file_write(file, 0, "image", 5, detail), 0);
  assert_int_equal(remove("image.part"), 0);
  put("image.part", "other", 0644);
  assert_int_equal(iotkit_file_commit(file, 5, detail), IK_EFILE);
  assert_non_null(strstr(detail, "image.part was changed"));
  assert_false(exists("image"));
  assert_text("image.part", "other"); /* not ours to remove */

  assert_int_equal(remove("image.part"), 0);
  file = open_image();
  assert_int_equal(iotkit_file_write(file, 0, "image", 5, detail), 0);
  assert_int_equal(truncate("image.part", 3), 0);
  assert_int_equal(iotkit_file_commit(file, 5, detail), IK_EFILE);
  assert_false(exists("image"));
  assert_false(exists("image.part"));
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(appears_at_commit),
      IN_DIRECTORY(any_order_and_absolute_path),
      IN_DIRECTORY(empty_image),
      IN_DIRECTORY(discard_leaves_nothing),
      IN_DIRECTORY(replaces_and_keeps_the_mode),
      IN_DIRECTORY(mode_of_a_new_file),
      IN_DIRECTORY(a_left_over_part_is_emptied),
      IN_DIRECTORY(commit_cuts_but_never_pads),
      IN_DIRECTORY(one_writer_at_a_time),
      IN_DIRECTORY(a_dead_writer_blocks_nobody),
      IN_DIRECTORY(refused_paths),
      IN_DIRECTORY(the_part_is_never_a_link),
      IN_DIRECTORY(a_pipe_does_not_stop_it),
      IN_DIRECTORY(space_is_checked_first),
      IN_DIRECTORY(refused_writes),
      IN_DIRECTORY(a_failed_write_is_told),
      IN_DIRECTORY(a_commit_that_fails_leaves_no_part),
      IN_DIRECTORY(a_part_that_was_replaced_is_not_taken),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
