/* An image that is made from one that another job has fetched: its targets, its rules, its end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "download/job.h"
#include "image/original.h"
#include "save/image.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/signatures.h"

#define SIZE (2 * IK_MIB + 5)

static struct image image_of(const char *test) {
  struct rng rng = rng_start(test);
  return image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
}

/* An image of the job, which it takes over, with one target. */
static iotkit_image_t *open_image(iotkit_job_t *job, const char *path,
                                  const struct iotkit_file_options *options) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_image_t *made;
  assert_int_equal(iotkit_image_new(job, &made), 0);
  iotkit_job_unref(job);
  int rc = iotkit_image_open(made, path, options, true, detail);
  if (rc != 0) fail_msg("%s: %d %s", path, rc, detail);
  return made;
}

/* What a download does, up to the commit. */
static void receive(const struct image *image, iotkit_image_t *made) {
  bool again;
  iotkit_job_t *job = iotkit_image_job(made);
  assert_int_equal(iotkit_image_resume(made, NULL), 0);
  assert_int_equal(iotkit_image_write(made, 0, image->bytes, image->size, NULL), 0);
  assert_int_equal(iotkit_job_digest(job, 0, image->bytes, image->size), 0);
  assert_int_equal(ik_job_complete(job, NULL), 0);
  assert_int_equal(iotkit_image_check(made, &again, NULL), 0);
  assert_false(again);
}

static iotkit_original_t *fetch_original(const struct image *image, const char *path) {
  iotkit_image_t *made = open_image(image_job(image), path, NULL);
  receive(image, made);
  assert_int_equal(iotkit_image_keep_original(made, NULL), 0);
  assert_null(iotkit_image_original(made)); /* not yet */
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_original_t *original = iotkit_image_original(made);
  assert_non_null(original);
  iotkit_image_free(made);
  return original;
}

static int copy_to(const struct image *image, const iotkit_original_t *original, const char *path) {
  iotkit_image_t *made = open_image(image_job(image), path, NULL);
  int rc = iotkit_image_copy(made, original, NULL);
  if (rc == 0) assert_int_equal(iotkit_job_get_state(iotkit_image_job(made)), IOTKIT_JOB_FETCHED);
  if (rc == 0) assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_image_free(made);
  return rc;
}

static void change_byte(const char *path, long at) {
  FILE *file = fopen(path, "r+b");
  assert_non_null(file);
  assert_int_equal(fseek(file, at, SEEK_SET), 0);
  int byte = fgetc(file);
  assert_int_equal(fseek(file, at, SEEK_SET), 0);
  assert_int_not_equal(fputc(byte ^ 1, file), EOF);
  assert_int_equal(fclose(file), 0);
}

/* ---- what it makes ---- */

static void makes_files_of_the_original(void **state) {
  struct image image = image_of("makes_files_of_the_original");
  iotkit_original_t *original = fetch_original(&image, "a");
  (void)state;
  world_put("c", "old", 3);
  assert_int_equal(copy_to(&image, original, "b"), 0);
  assert_int_equal(copy_to(&image, original, "c"), 0);
  iotkit_original_unref(original);
  world_assert_names(".", "a b c");
  image_assert_at(&image, "b");
  image_assert_at(&image, "c");
  change_byte("b", 7); /* each has bytes of its own */
  image_assert_at(&image, "a");
  image_assert_at(&image, "c");
  image_free(&image);
}

static void the_name_of_the_original_is_not_needed(void **state) {
  struct image image = image_of("the_name_of_the_original_is_not_needed");
  iotkit_original_t *original = fetch_original(&image, "a");
  (void)state;
  assert_int_equal(remove("a"), 0);
  assert_int_equal(copy_to(&image, original, "b"), 0);
  world_put("a", "another", 7);
  assert_int_equal(copy_to(&image, original, "a"), 0);
  iotkit_original_unref(original);
  image_assert_at(&image, "a");
  image_assert_at(&image, "b");
  image_free(&image);
}

static void a_copy_can_be_the_original_of_another(void **state) {
  struct image image = image_of("a_copy_can_be_the_original_of_another");
  iotkit_original_t *original = fetch_original(&image, "a");
  (void)state;
  iotkit_image_t *made = open_image(image_job(&image), "b", NULL);
  assert_int_equal(iotkit_image_copy(made, original, NULL), 0);
  assert_int_equal(iotkit_image_keep_original(made, NULL), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_original_unref(original);
  original = iotkit_image_original(made);
  iotkit_image_free(made);
  assert_int_equal(copy_to(&image, original, "c"), 0);
  iotkit_original_unref(original);
  image_assert_at(&image, "c");
  image_free(&image);
}

static void what_a_target_has_of_an_earlier_run_is_forgotten(void **state) {
  struct image image = image_of("what_a_target_has_of_an_earlier_run_is_forgotten");
  struct rng rng = rng_start("another");
  struct image other = image_new(&rng, SIZE, IOTKIT_DIGEST_SHA256);
  iotkit_original_t *original = fetch_original(&image, "a");
  struct iotkit_file_options options = image_options(&image);
  iotkit_job_t *job = image_job(&image);
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(iotkit_file_open("b", &options, &file, NULL), 0);
  image_receive(&other, file, job, 0, IK_MIB, IK_MIB / 4); /* not even of this image */
  iotkit_file_keep(file, job);
  iotkit_job_unref(job);
  world_assert_names(".", "a b.part b.part.journal");
  assert_int_equal(copy_to(&image, original, "b"), 0);
  iotkit_original_unref(original);
  world_assert_names(".", "a b");
  image_assert_at(&image, "b");
  image_free(&image);
  image_free(&other);
}

static void a_target_in_place(void **state) {
  struct image image = image_of("a_target_in_place");
  iotkit_original_t *original = fetch_original(&image, "a");
  const struct iotkit_file_options options = {.in_place = true, .base = 9};
  uint8_t *room = calloc(1, SIZE + 20);
  size_t len;
  (void)state;
  world_put("device", room, SIZE + 20);
  free(room);
  iotkit_image_t *made = open_image(image_job(&image), "device", &options);
  assert_int_equal(iotkit_image_copy(made, original, NULL), 0);
  assert_int_equal(iotkit_image_keep_original(made, NULL), 0);
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  assert_null(iotkit_image_original(made));
  iotkit_image_free(made);
  iotkit_original_unref(original);
  room = world_get("device", &len);
  assert_int_equal(len, SIZE + 20);
  assert_memory_equal(room + 9, image.bytes, SIZE);
  assert_int_equal(room[8] | room[SIZE + 9], 0);
  free(room);
  image_free(&image);
}

static void each_of_a_set_has_its_own(void **state) {
  struct image image = image_of("each_of_a_set_has_its_own");
  iotkit_image_t *set[2];
  iotkit_original_t *originals[2];
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    set[i] = open_image(image_job(&image), i == 0 ? "a" : "b", NULL);
    receive(&image, set[i]);
    assert_int_equal(iotkit_image_keep_original(set[i], NULL), 0);
  }
  assert_int_equal(iotkit_image_commit_all(set, 2, NULL), 0);
  for (size_t i = 0; i < 2; i++) {
    originals[i] = iotkit_image_original(set[i]);
    assert_non_null(originals[i]);
    iotkit_image_free(set[i]);
    assert_int_equal(copy_to(&image, originals[i], "c"), 0);
    iotkit_original_unref(originals[i]);
  }
  image_free(&image);
}

/* ---- an original that is no more what it was ---- */

static void changed_bytes_are_noticed(void **state) {
  struct image image = image_of("changed_bytes_are_noticed");
  iotkit_original_t *original = fetch_original(&image, "a");
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  change_byte("a", SIZE - 1);
  iotkit_image_t *made = open_image(image_job(&image), "b", NULL);
  assert_int_equal(iotkit_image_copy(made, original, detail), IK_ECHANGED);
  assert_non_null(strstr(detail, "has changed"));
  assert_int_equal(iotkit_image_keep_original(made, NULL), IK_EINVALID_STATE);
  receive(&image, made); /* it is fetched as if nothing had been */
  assert_int_equal(iotkit_image_commit(made, NULL), 0);
  iotkit_image_free(made);
  iotkit_original_unref(original);
  image_assert_at(&image, "b");
  image_free(&image);
}

static void missing_bytes_are_noticed(void **state) {
  struct image image = image_of("missing_bytes_are_noticed");
  iotkit_original_t *original = fetch_original(&image, "a");
  (void)state;
  world_put("a", image.bytes, SIZE / 2); /* the same file, shorter */
  assert_int_equal(copy_to(&image, original, "b"), IK_ECHANGED);
  iotkit_original_unref(original);
  world_assert_names(".", "a");
  image_free(&image);
}

/* ---- the rules of the job ---- */

static iotkit_job_t *job_with(const struct image *image,
                              const struct iotkit_fetch_options *options) {
  char json[512], hex[65];
  iotkit_job_t *job = NULL;
  ik_hex_encode(image->digest, 32, hex);
  snprintf(json, sizeof json,
           "{\"message\":\"success\",\"data\":{\"size\":%zu,\"version\":\"2\",\"url\":"
           "\"http://h.example/x?token=1\",\"signMethod\":\"SHA256\",\"sign\":\"%s\"}}",
           image->size, hex);
  assert_int_equal(iotkit_job_parse(json, strlen(json), options, &job, NULL), 0);
  return job;
}

static void the_rules_of_the_job_hold(void **state) {
  static const struct {
    struct iotkit_fetch_options options;
    int error;
  } cases[] = {
      {{.https_only = true, .proxy = ""}, IK_ETLS_REQUIRED},
      {{.allowed_hosts = "other.example", .proxy = ""}, IK_EHOST_NOT_ALLOWED},
      {{.allowed_hosts = "h.example", .proxy = ""}, 0},
  };
  struct image image = image_of("the_rules_of_the_job_hold");
  iotkit_original_t *original = fetch_original(&image, "a");
  (void)state;
  for (size_t i = 0; i < COUNT(cases); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    iotkit_image_t *made = open_image(job_with(&image, &cases[i].options), "b", NULL);
    iotkit_job_t *job = iotkit_image_job(made);
    int rc = iotkit_image_copy(made, original, detail);
    if (rc != cases[i].error) fail_msg("case %zu: %d %s", i, rc, detail);
    assert_int_equal(iotkit_job_error(job, NULL), cases[i].error);
    assert_true(cases[i].error == 0 || detail[0] != '\0');
    iotkit_image_free(made);
  }
  iotkit_original_unref(original);
  image_free(&image);
}

static void a_signature_of_its_own_is_asked_for(void **state) {
  struct image image = image_of("a_signature_of_its_own_is_asked_for");
  iotkit_original_t *original = fetch_original(&image, "a");
  struct iotkit_fetch_options options = {.proxy = ""};
  (void)state;
  assert_int_equal(iotkit_keys_new(KEY_P256, 0, &options.keys, NULL), 0);
  iotkit_image_t *made = open_image(job_with(&image, &options), "b", NULL);
  iotkit_keys_unref(options.keys);
  assert_int_equal(iotkit_image_copy(made, original, NULL), IK_ESIGNATURE_MISSING);
  iotkit_image_free(made);
  iotkit_original_unref(original);
  world_assert_names(".", "a");
  image_free(&image);
}

static void what_is_refused_keeps_no_part(void **state) {
  struct image image = image_of("what_is_refused_keeps_no_part");
  iotkit_original_t *original = fetch_original(&image, "a");
  struct iotkit_file_options file_options = image_options(&image);
  struct iotkit_fetch_options options = {.proxy = ""};
  iotkit_job_t *job = image_job(&image);
  iotkit_file_t *file;
  (void)state;
  assert_int_equal(iotkit_file_open("b", &file_options, &file, NULL), 0);
  image_receive(&image, file, job, 0, IK_MIB, IK_MIB / 4);
  iotkit_file_keep(file, job);
  iotkit_job_unref(job);
  world_assert_names(".", "a b.part b.part.journal");
  assert_int_equal(iotkit_keys_new(KEY_P256, 0, &options.keys, NULL), 0);
  iotkit_image_t *made = open_image(job_with(&image, &options), "b", NULL);
  iotkit_keys_unref(options.keys);
  assert_int_equal(iotkit_image_copy(made, original, NULL), IK_ESIGNATURE_MISSING);
  iotkit_image_release(made, 0);
  iotkit_image_free(made);
  iotkit_original_unref(original);
  world_assert_names(".", "a");
  image_free(&image);
}

static void an_aborted_job_gets_nothing(void **state) {
  struct image image = image_of("an_aborted_job_gets_nothing");
  iotkit_original_t *original = fetch_original(&image, "a");
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  iotkit_image_t *made = open_image(image_job(&image), "b", NULL);
  iotkit_job_abort(iotkit_image_job(made));
  assert_int_equal(iotkit_image_copy(made, original, detail), IK_EABORTED);
  assert_string_equal(detail, "the download was cancelled");
  iotkit_image_free(made);
  iotkit_original_unref(original);
  world_assert_names(".", "a");
  image_free(&image);
}

static void refused_calls(void **state) {
  struct image image = image_of("refused_calls");
  struct rng rng = rng_start("other");
  struct image other = image_new(&rng, 100, IOTKIT_DIGEST_SHA256);
  iotkit_original_t *original = fetch_original(&image, "a");
  (void)state;
  assert_int_equal(copy_to(&other, original, "b"), IK_EINVALID_ARGUMENT);
  iotkit_image_t *made = open_image(image_job(&image), "b", NULL);
  assert_int_equal(iotkit_image_keep_original(made, NULL), IK_EINVALID_STATE);
  assert_int_equal(iotkit_image_copy(made, NULL, NULL), IK_EINVALID_ARGUMENT);
  receive(&image, made);
  assert_int_equal(iotkit_image_copy(made, original, NULL), IK_EINVALID_STATE);
  iotkit_image_free(made);
  assert_int_equal(iotkit_image_copy(NULL, original, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_image_keep_original(NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_null(iotkit_image_original(NULL));
  assert_null(iotkit_original_ref(NULL));
  iotkit_original_unref(NULL);
  iotkit_original_unref(original);
  image_free(&image);
  image_free(&other);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(makes_files_of_the_original),
      IN_DIRECTORY(the_name_of_the_original_is_not_needed),
      IN_DIRECTORY(a_copy_can_be_the_original_of_another),
      IN_DIRECTORY(what_a_target_has_of_an_earlier_run_is_forgotten),
      IN_DIRECTORY(a_target_in_place),
      IN_DIRECTORY(each_of_a_set_has_its_own),
      IN_DIRECTORY(changed_bytes_are_noticed),
      IN_DIRECTORY(missing_bytes_are_noticed),
      IN_DIRECTORY(the_rules_of_the_job_hold),
      IN_DIRECTORY(a_signature_of_its_own_is_asked_for),
      IN_DIRECTORY(what_is_refused_keeps_no_part),
      IN_DIRECTORY(an_aborted_job_gets_nothing),
      IN_DIRECTORY(refused_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
