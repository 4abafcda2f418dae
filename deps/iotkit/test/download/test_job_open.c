/*
 * Jobs from a notice, from another job, and for the files of an upgrade.
 */
#include <string.h>

#include "download/job.h"
#include "download/job_private.h"
#include "support/cm.h"
#include "support/fake_web.h"
#include "support/job_run.h"

/* ---- from a notice ---- */

static const char notice[] =
    "{\"code\":\"1000\",\"id\":7,\"data\":{\"size\":1,\"version\":\"2\",\"url\":\"http://a/\","
    "\"signMethod\":\"Md5\",\"sign\":\"00000000000000000000000000000000\"}}";

static iotkit_job_t *parse(const struct iotkit_fetch_options *options) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  int rc = iotkit_job_parse(notice, sizeof(notice) - 1, options, &job, detail);
  if (rc != 0) fail_msg("%s", detail);
  return job;
}

static void makes_a_job_of_a_notice(void **state) {
  (void)state;
  iotkit_job_t *job = parse(NULL);
  const struct iotkit_upgrade *upgrade = iotkit_job_upgrade(job);
  assert_string_equal(upgrade->url, "http://a/");
  assert_string_equal(upgrade->version, "2");
  assert_int_equal(upgrade->size, 1);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_READY);
  assert_int_equal(iotkit_job_received(job), 0);
  assert_false(ik_job_is_shared(job));
  assert_false(ik_job_has_external_digest(job));
  iotkit_job_unref(job);
}

static void refuses_what_is_no_notice(void **state) {
  static const struct {
    const char *json;
    int error;
  } rows[] = {
      {"{", IK_ENOTICE_JSON},
      {"{\"code\":200,\"id\":\"1\",\"data\":{}}", IK_ENOTICE_FIELD},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    iotkit_job_t *job = (iotkit_job_t *)&job;
    assert_int_equal(iotkit_job_parse(rows[i].json, strlen(rows[i].json), NULL, &job, detail),
                     rows[i].error);
    assert_null(job);
    assert_true(detail[0] != '\0');
  }
  assert_int_equal(iotkit_job_parse(NULL, 0, NULL, NULL, NULL), IK_EINVALID_ARGUMENT);
}

static void wrong_options_make_no_job(void **state) {
  (void)state;
  static const struct {
    const char *proxy, *https_proxy;
    int error;
  } rows[] = {
      {"http://user:s3cret@", NULL, IK_EURL},
      {"http://a", "http://user:s3cret@:1", IK_EURL},
      {"https://user:s3cret@a", NULL, IK_EUNSUPPORTED},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    iotkit_job_t *job = NULL;
    struct iotkit_fetch_options options = job_quick();
    options.proxy = rows[i].proxy;
    options.https_proxy = rows[i].https_proxy;
    assert_int_equal(iotkit_job_parse(notice, sizeof(notice) - 1, &options, &job, detail),
                     rows[i].error);
    assert_null(job);
    assert_non_null(strstr(detail, "proxy"));
    assert_null(strstr(detail, "s3cret"));
  }
}

/* ---- copies ---- */

static void is_fetched_again_by_a_copy(void **state) {
  (void)state;
  static uint8_t image[JOB_SIZE];
  iotkit_job_t *again = NULL;
  struct http_server *server = http_server_start(job_serve_well, NULL);
  struct iotkit_fetch_options options = job_quick();
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &options);
  assert_int_equal(job_fetch_all(job, image, 4096), 0);
  assert_int_equal(iotkit_job_dup(job, &again), 0);
  assert_string_equal(iotkit_job_upgrade(again)->url, iotkit_job_upgrade(job)->url);
  assert_string_equal(iotkit_job_upgrade(again)->id, "7");
  iotkit_job_unref(job);
  assert_int_equal(iotkit_job_get_state(again), IOTKIT_JOB_READY);
  memset(image, 0, sizeof(image));
  assert_int_equal(job_fetch_all(again, image, 4096), 0);
  job_assert_image(image);
  assert_int_equal(iotkit_job_set_options(again, &options), IK_EINVALID_STATE);
  iotkit_job_unref(again);
  http_server_stop(server);
}

static void a_copy_has_options_and_signature(void **state) {
  static const struct iotkit_fetch_options options = {.external_digest = true};
  iotkit_job_t *copy = NULL;
  (void)state;
  iotkit_job_t *job = parse(&options);
  assert_int_equal(iotkit_job_set_signature(job, IOTKIT_SIGNED_DIGEST, "sig", 3), 0);
  ik_job_set_no_rewind(job);
  assert_int_equal(iotkit_job_dup(job, &copy), 0);
  iotkit_job_unref(job);
  assert_true(ik_job_has_external_digest(copy));
  assert_true(copy->setup.no_rewind);
  assert_int_equal(copy->setup.signature.len, 3);
  assert_memory_equal(copy->setup.signature.bytes, "sig", 3);
  assert_int_equal(iotkit_job_dup(NULL, &copy), IK_EINVALID_ARGUMENT);
  iotkit_job_unref(copy);
}

/* ---- several files ---- */

static iotkit_job_t *two_files(const struct iotkit_fetch_options *options) {
  static const char json[] =
      "{\"code\":\"1000\",\"id\":7,\"message\":\"success\",\"data\":{\"version\":\"2.0.0\","
      "\"signMethod\":\"MD5\",\"files\":["
      "{\"fileName\":\"a\",\"fileUrl\":\"http://h.example/a\",\"fileSize\":3,"
      "\"fileSign\":\"900150983cd24fb0d6963f7d28e17f72\","
      "\"fileMd5\":\"900150983cd24fb0d6963f7d28e17f72\"},"
      "{\"fileName\":\"b\",\"fileUrl\":\"http://h.example/b\",\"fileSize\":1,"
      "\"fileSign\":\"0cc175b9c0f1b6a831c399e269772661\","
      "\"fileMd5\":\"0cc175b9c0f1b6a831c399e269772661\"}]}}";
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  int rc = iotkit_job_parse(json, sizeof(json) - 1, options, &job, detail);
  if (rc != 0) fail_msg("%s", detail);
  return job;
}

static void each_file_is_a_job(void **state) {
  (void)state;
  struct fake_web web = {.image = (const uint8_t *)"abc", .size = 3, .answer = fake_web_serve};
  const struct iotkit_fetch_options options = job_quick();
  iotkit_job_t *job = two_files(&options);
  iotkit_job_t *file = NULL;
  uint8_t text[4] = "";
  ik_job_set_dial(job, fake_web_dial, &web);
  assert_int_equal(iotkit_job_open_file(job, 2, &file), IK_EINVALID_ARGUMENT);
  assert_null(file);
  assert_int_equal(iotkit_job_fetch(job, text, 3, 0, NULL), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_digest(job, 0, text, 3), IK_EINVALID_STATE);
  assert_int_equal(iotkit_job_open_file(job, 0, &file), 0);
  assert_string_equal(iotkit_job_upgrade(file)->url, "http://h.example/a");
  assert_string_equal(iotkit_job_upgrade(file)->version, "2.0.0");
  assert_int_equal(iotkit_job_upgrade(file)->file_count, 0);
  assert_int_equal(iotkit_job_fetch(file, text, 3, 1000, NULL), 3);
  assert_string_equal((const char *)text, "abc");
  assert_int_equal(iotkit_job_check(file), 0);
  iotkit_job_unref(file);
  iotkit_job_unref(job);
}

static void passes_on_to_its_file_what_is_done_to_it(void **state) {
  (void)state;
  const struct iotkit_fetch_options options = job_quick();
  struct fake_web web = {.image = (const uint8_t *)"abc", .size = 3, .answer = fake_web_serve};
  iotkit_job_t *job = two_files(&options);
  iotkit_job_t *files[3] = {NULL};
  uint8_t text[4] = "";
  ik_job_set_dial(job, fake_web_dial, &web);
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(iotkit_job_open_file(job, i % 2, &files[i]), 0);
  ik_job_set_inner(job, files[0]);
  iotkit_job_pause(job, true);
  assert_int_equal(iotkit_job_fetch(files[0], text, 3, 5, NULL), 0);
  ik_job_set_inner(job, files[1]);
  assert_int_equal(iotkit_job_fetch(files[1], text, 1, 5, NULL), 0);
  iotkit_job_pause(job, false);
  iotkit_job_interrupt(job);
  assert_int_equal(iotkit_job_fetch(files[1], text, 1, 1000, NULL), IK_EINTERRUPTED);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_job_error(files[0], NULL), 0);
  assert_int_equal(iotkit_job_error(files[1], NULL), IK_EABORTED);
  ik_job_set_inner(job, files[2]);
  assert_int_equal(iotkit_job_error(files[2], NULL), IK_EABORTED);
  ik_job_set_inner(job, NULL);
  iotkit_job_unref(job);
  for (size_t i = 0; i < 3; i++)
    iotkit_job_unref(files[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(makes_a_job_of_a_notice),
      cmocka_unit_test(refuses_what_is_no_notice),
      cmocka_unit_test(wrong_options_make_no_job),
      cmocka_unit_test(is_fetched_again_by_a_copy),
      cmocka_unit_test(a_copy_has_options_and_signature),
      cmocka_unit_test(each_file_is_a_job),
      cmocka_unit_test(passes_on_to_its_file_what_is_done_to_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
