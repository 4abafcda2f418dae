/*
 * Where credentials are kept: found, made once, refused, and waited for.
 */
#include <string.h>
#include <sys/stat.h>

#include "channel/credentials_file.h"
#include "support/cm.h"
#include "support/file_world.h"

static const struct iotkit_credentials names = {"pk", "dn", "", "", ""};
static const struct iotkit_credentials whole = {"pk", "dn", "ds", "", ""};

static void put(const char *text) {
  world_put("kept", text, strlen(text));
  assert_int_equal(chmod("kept", 0600), 0);
}

static void made_once(void **state) {
  struct iotkit_credentials got;
  (void)state;
  struct ik_credentials_file *first = ik_credentials_file_new("kept");
  struct ik_credentials_file *second = ik_credentials_file_new("kept");
  assert_int_equal(ik_credentials_file_open(first, &names, &got, NULL), 0);
  assert_int_equal(ik_credentials_file_open(second, &names, &got, NULL), IK_EFILE_LOCKED);
  assert_int_equal(ik_credentials_file_save(first, &whole, NULL), 0);
  ik_credentials_file_free(first);
  assert_int_equal(ik_credentials_file_open(second, &names, &got, NULL), 1);
  assert_memory_equal(&got, &whole, sizeof got);
  ik_credentials_file_free(second);
  world_assert_names(".", "kept");
}

/* Whoever registers may fail; the next one does it. */
static void given_up(void **state) {
  struct iotkit_credentials got;
  (void)state;
  struct ik_credentials_file *first = ik_credentials_file_new("kept");
  struct ik_credentials_file *second = ik_credentials_file_new("kept");
  assert_int_equal(ik_credentials_file_open(first, &names, &got, NULL), 0);
  ik_credentials_file_free(first);
  assert_int_equal(ik_credentials_file_open(second, &names, &got, NULL), 0);
  ik_credentials_file_free(second);
  ik_credentials_file_free(NULL);
  world_assert_names(".", "");
}

static void refused(void **state) {
  static const struct {
    const char *text;
    mode_t mode;
    int rc;
    const char *says;
  } rows[] = {
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"TELL", 0600,
       IK_ECREDENTIALS_DAMAGED, "kept: the answer is not JSON"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"TELL\"}", 0644,
       IK_ECREDENTIALS_EXPOSED, "chmod 600"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"other\",\"deviceSecret\":\"TELL\"}", 0600,
       IK_ECREDENTIALS_OTHER, "kept is for other of pk"},
      {"{\"productKey\":\"k2\",\"deviceName\":\"dn\",\"deviceSecret\":\"TELL\"}", 0600,
       IK_ECREDENTIALS_OTHER, "kept is for dn of k2"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_credentials got;
    char detail[IOTKIT_DETAIL_MAX] = "";
    struct ik_credentials_file *file = ik_credentials_file_new("kept");
    put(rows[i].text);
    assert_int_equal(chmod("kept", rows[i].mode), 0);
    int rc = ik_credentials_file_open(file, &names, &got, detail);
    if (rc != rows[i].rc || !strstr(detail, rows[i].says) || strstr(detail, "TELL"))
      fail_msg("row %zu: %d, %s", i, rc, detail);
    ik_credentials_file_free(file);
    world_assert_names(".", "kept");
  }
}

static void a_directory_that_is_not_there(void **state) {
  struct iotkit_credentials got;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  struct ik_credentials_file *file = ik_credentials_file_new("none/kept");
  assert_int_equal(ik_credentials_file_open(file, &names, &got, detail), IK_EFILE_NOT_FOUND);
  assert_non_null(strstr(detail, "none/kept"));
  ik_credentials_file_free(file);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(made_once),
      IN_DIRECTORY(given_up),
      IN_DIRECTORY(refused),
      IN_DIRECTORY(a_directory_that_is_not_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
