/*
 * A small private file: it appears whole, for its user alone, and one at a time makes it.
 */
#include "support/file_steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/private_file.h"
#include "iotkit_core.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/file_world.h"

static void assert_holds(const char *path, const char *want) {
  struct ik_buf text;
  char detail[IOTKIT_DETAIL_MAX] = "";
  ik_buf_init(&text, 100);
  int rc = ik_private_file_read(path, &text, detail);
  if (rc != 0) fail_msg("%d: %s", rc, detail);
  assert_int_equal(ik_buf_size(&text), strlen(want));
  assert_memory_equal(ik_buf_ptr(&text), want, strlen(want));
  ik_buf_free(&text);
}

static void assert_refused(const char *path, int error, const char *says) {
  struct ik_buf text;
  char detail[IOTKIT_DETAIL_MAX] = "";
  ik_buf_init(&text, 100);
  int rc = ik_private_file_read(path, &text, detail);
  if (rc != error || !strstr(detail, says)) fail_msg("%d: %s", rc, detail);
  assert_int_equal(ik_buf_size(&text), 0);
  ik_buf_free(&text);
}

static void appears_whole(void **state) {
  struct ik_private_file *file;
  struct stat st;
  (void)state;
  const mode_t before = umask(0);
  assert_refused("kept", IK_EFILE_NOT_FOUND, "kept");
  assert_int_equal(ik_private_file_lock("kept", 4096, &file, NULL), 0);
  world_assert_names(".", "kept.part");
  assert_int_equal(ik_private_file_commit(file, "secret", 6, NULL), 0);
  world_assert_names(".", "kept");
  ik_private_file_free(file);
  umask(before);
  world_assert_names(".", "kept");
  assert_int_equal(lstat("kept", &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_holds("kept", "secret");
}

static void replaces_what_is_there(void **state) {
  struct ik_private_file *file;
  (void)state;
  world_put("kept", "old and longer", 14);
  assert_int_equal(chmod("kept", 0644), 0);
  assert_int_equal(ik_private_file_lock("kept", 4096, &file, NULL), 0);
  assert_int_equal(ik_private_file_commit(file, "new", 3, NULL), 0);
  ik_private_file_free(file);
  assert_holds("kept", "new");
}

/* Bytes before the name, and the name before it is said to be there; on FAT as test_commit.c has it. */
static void what_is_synced_before_what(void **state) {
  static const struct {
    bool on_fat;
    const char *log;
  } rows[] = {{false, "wfrf"}, {true, "wfrfff"}};
  struct ik_private_file *file;
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    steps.on_fat = rows[i].on_fat;
    assert_int_equal(ik_private_file_lock("kept", 4096, &file, NULL), 0);
    steps.count = 0;
    assert_int_equal(ik_private_file_commit(file, "secret", 6, NULL), 0);
    assert_string_equal(steps.log, rows[i].log);
    ik_private_file_free(file);
  }
  steps.on_fat = false;
}

static char logged[IOTKIT_DETAIL_MAX + 100];

static void keep_line(void *ctx, int level, const char *text) {
  (void)ctx, (void)level;
  snprintf(logged, sizeof logged, "%s", text);
}

/* It is there in any case, and who wants to know hears of it: after a rename no step may go wrong unheard. */
static void what_a_power_cut_may_take_back_is_logged(void **state) {
  static const struct {
    bool on_fat;
    int step; /* after the bytes, their sync and the rename */
    const char *says;
  } rows[] = {
      {false, 0, "kept is not yet durable: cannot sync .: Input/output error"},
      {true, 0, "kept is not yet durable: cannot sync .: Input/output error"},
      {true, 1, "kept is not yet durable: cannot sync kept.part: Input/output error"},
      {true, 2, "kept is not yet durable: cannot sync .: Input/output error"},
      {true, 3, ""},
  };
  (void)state;
  iotkit_log_set(IOTKIT_LOG_WARNING, keep_line, NULL);
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_private_file *file;
    *logged = '\0';
    steps.on_fat = rows[i].on_fat;
    assert_int_equal(ik_private_file_lock("kept", 4096, &file, NULL), 0);
    steps.left = 3 + rows[i].step;
    steps.error = EIO;
    assert_int_equal(ik_private_file_commit(file, "secret", 6, NULL), 0);
    steps.left = -1;
    ik_private_file_free(file);
    assert_string_equal(logged, rows[i].says);
    assert_holds("kept", "secret");
  }
  steps.on_fat = false;
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
}

static void is_given_up(void **state) {
  struct ik_private_file *file;
  (void)state;
  assert_int_equal(ik_private_file_lock("kept", 4096, &file, NULL), 0);
  ik_private_file_free(file);
  ik_private_file_free(NULL);
  world_assert_names(".", "");
}

static void one_at_a_time(void **state) {
  struct ik_private_file *first, *second;
  (void)state;
  assert_int_equal(ik_private_file_lock("kept", 4096, &first, NULL), 0);
  assert_int_equal(ik_private_file_lock("kept", 4096, &second, NULL), IK_EFILE_LOCKED);
  assert_null(second);
  assert_int_equal(ik_private_file_commit(first, "x", 1, NULL), 0);
  /* The name is taken; the part is anybody's again. */
  assert_int_equal(ik_private_file_lock("kept", 4096, &second, NULL), 0);
  ik_private_file_free(second);
  ik_private_file_free(first);
  world_assert_names(".", "kept");
}

static void a_part_of_a_crash_is_taken_over(void **state) {
  struct ik_private_file *file;
  (void)state;
  world_put("kept.part", "half and much longer", 20);
  assert_int_equal(ik_private_file_lock("kept", 4096, &file, NULL), 0);
  assert_int_equal(ik_private_file_commit(file, "x", 1, NULL), 0);
  ik_private_file_free(file);
  assert_holds("kept", "x");
}

static void somebody_takes_the_part_away(void **state) {
  struct ik_private_file *file;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(ik_private_file_lock("kept", 4096, &file, NULL), 0);
  assert_int_equal(remove("kept.part"), 0);
  world_put("kept.part", "theirs", 6);
  assert_int_equal(ik_private_file_commit(file, "x", 1, detail), IK_EFILE);
  assert_non_null(strstr(detail, "kept.part"));
  ik_private_file_free(file);
  world_assert_names(".", "kept.part");
}

static void what_is_not_private(void **state) {
  (void)state;
  world_put("plain", "x", 1);
  assert_int_equal(chmod("plain", 0640), 0);
  assert_refused("plain", IK_ECREDENTIALS_EXPOSED, "chmod 600");
  assert_int_equal(chmod("plain", 0600), 0);
  assert_holds("plain", "x");
  assert_int_equal(link("plain", "second"), 0);
  assert_refused("plain", IK_ECREDENTIALS_EXPOSED, "other names");
  assert_int_equal(symlink("plain", "link"), 0);
  assert_refused("link", IK_ECREDENTIALS_EXPOSED, "symbolic link");
  assert_int_equal(mkdir("dir", 0700), 0);
  assert_refused("dir", IK_ECREDENTIALS_EXPOSED, "not a regular file");
}

static void too_long(void **state) {
  char text[101] = "", path[5000];
  struct ik_private_file *file;
  (void)state;
  world_put("kept", text, sizeof text);
  assert_int_equal(chmod("kept", 0600), 0);
  assert_refused("kept", IK_ETOO_LONG, "100 bytes");
  memset(path, 'x', sizeof path - 1);
  path[sizeof path - 1] = '\0';
  assert_int_equal(ik_private_file_lock(path, 1, &file, NULL), IK_ETOO_LONG);
  assert_int_equal(ik_private_file_lock("none/kept", 1, &file, NULL), IK_EFILE_NOT_FOUND);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(appears_whole),
      IN_DIRECTORY(replaces_what_is_there),
      IN_DIRECTORY(what_is_synced_before_what),
      IN_DIRECTORY(what_a_power_cut_may_take_back_is_logged),
      IN_DIRECTORY(is_given_up),
      IN_DIRECTORY(one_at_a_time),
      IN_DIRECTORY(a_part_of_a_crash_is_taken_over),
      IN_DIRECTORY(somebody_takes_the_part_away),
      IN_DIRECTORY(what_is_not_private),
      IN_DIRECTORY(too_long),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
