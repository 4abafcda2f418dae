/*
 * Every options struct of the public headers, as a program has it that was compiled with an older
 * or a newer header of the same soname.
 *
 * The older one is a copy that ends with its struct_size, so that a read beyond it is one that a
 * sanitizer sees.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iotkit.h"
#include "support/cm.h"
#include "support/signatures.h"

#define NOTICE                                                                                     \
  "{\"message\":\"success\",\"data\":{\"version\":\"2\",\"size\":5,\"url\":\"http://h/f\","        \
  "\"md5\":\"0123456789abcdef0123456789abcdef\"}}"

static iotkit_job_t *job_with(const struct iotkit_fetch_options *options, int *rc, char *detail) {
  iotkit_job_t *job = NULL;
  *rc = iotkit_job_parse(NOTICE, sizeof(NOTICE) - 1, options, &job, detail);
  return job;
}

/* ---- each struct, used by the call that takes it ---- */

static int use_tls(const void *options, char *detail) {
  iotkit_tls_t *tls = NULL;
  int rc = iotkit_tls_new(options, &tls, detail);
  iotkit_tls_unref(tls);
  return rc;
}

static int use_sign(const void *options, char *detail) {
  struct iotkit_sign_in out;
  return iotkit_sign(options, &out, detail);
}

/* Without a TLS context, of which a constant has none: refused, but after the struct was read. */
static int use_register(const void *options, char *detail) {
  iotkit_registration_t *registration = NULL;
  int rc = iotkit_registration_new(options, &registration, detail);
  return rc == IK_ETLS_REQUIRED ? 0 : rc;
}

static int use_mqtt(const void *options, char *detail) {
  iotkit_mqtt_t *client = NULL;
  int rc = iotkit_mqtt_new(options, &client, detail);
  iotkit_mqtt_free(client);
  return rc;
}

static int use_fetch(const void *options, char *detail) {
  int rc;
  iotkit_job_unref(job_with(options, &rc, detail));
  return rc;
}

static int use_set_options(const void *options, char *detail) {
  int rc;
  iotkit_job_t *job = job_with(NULL, &rc, detail);
  rc = iotkit_job_set_options(job, options);
  snprintf(detail, IOTKIT_DETAIL_MAX, "struct_size"); /* this call has none */
  iotkit_job_unref(job);
  return rc;
}

static int use_ota(const void *options, char *detail) {
  const struct iotkit_mqtt_options mqtt = {.host = "127.0.0.1", .port = 1, .client_id = "c"};
  iotkit_mqtt_t *client = NULL;
  iotkit_ota_t *ota = NULL;
  assert_int_equal(iotkit_mqtt_new(&mqtt, &client, NULL), 0);
  int rc = iotkit_ota_new(client, options, &ota, detail);
  iotkit_ota_free(ota);
  iotkit_mqtt_free(client);
  return rc;
}

static char directory[] = "/tmp/iotkit-sized-XXXXXX";
static char path[64];

static int use_file(const void *options, char *detail) {
  iotkit_file_t *file = NULL;
  int rc = iotkit_file_open(path, options, &file, detail);
  iotkit_file_discard(file);
  return rc;
}

static int use_image(const void *options, char *detail) {
  int rc;
  iotkit_image_t *image = NULL;
  iotkit_job_t *job = job_with(NULL, &rc, detail);
  assert_int_equal(iotkit_image_new(job, &image), 0);
  rc = iotkit_image_open(image, path, options, false, detail);
  iotkit_image_free(image);
  iotkit_job_unref(job);
  return rc;
}

/* An aborted job ends with that, unless the options are refused before. */
static int use_save(const void *options, char *detail) {
  int rc;
  iotkit_job_t *job = job_with(NULL, &rc, detail);
  iotkit_job_abort(job);
  rc = iotkit_job_save(job, path, options, detail);
  iotkit_job_unref(job);
  return rc == IK_EABORTED ? 0 : rc;
}

/* ---- the table ---- */

/* One certificate, which is quicker than the system's. */
static const struct iotkit_tls_options tls = {.ca = CERTIFICATE_P256};
static const struct iotkit_sign_options sign = {
    .product_key = "pk", .device_name = "dn", .device_secret = "s"};
static const struct iotkit_register_options registration = {.product_key = "pk"};
static const struct iotkit_mqtt_options mqtt = {.host = "h", .port = 1, .client_id = "c"};
static const struct iotkit_fetch_options fetch = {.max_retries = 3};
static const struct iotkit_ota_options ota = {.product_key = "pk", .device_name = "dn"};
static const struct iotkit_file_options file = {.size = 5};
static const struct iotkit_save_options save = {.no_resume = true};

#define ROW(object, use, last)                                                                     \
  { #object, use, &(object), sizeof(object), last }

static const struct {
  const char *name;
  int (*use)(const void *options, char *detail);
  const void *options;
  size_t size;
  size_t least; /* what the call needs of it */
} rows[] = {
    ROW(tls, use_tls, offsetof(struct iotkit_tls_options, ca_len)),
    ROW(sign, use_sign, offsetof(struct iotkit_sign_options, client_id)),
    ROW(registration, use_register, offsetof(struct iotkit_register_options, method)),
    ROW(mqtt, use_mqtt, offsetof(struct iotkit_mqtt_options, username)),
    ROW(fetch, use_fetch, offsetof(struct iotkit_fetch_options, connect_timeout_ms)),
    ROW(fetch, use_set_options, offsetof(struct iotkit_fetch_options, connect_timeout_ms)),
    ROW(ota, use_ota, offsetof(struct iotkit_ota_options, fetch)),
    ROW(file, use_file, offsetof(struct iotkit_file_options, mode)),
    ROW(file, use_image, offsetof(struct iotkit_file_options, mode)),
    ROW(save, use_save, offsetof(struct iotkit_save_options, on_progress)),
};

/* The options as a program has them whose struct has `size` bytes, in a block of exactly those. */
static int use_sized(size_t row, size_t size, size_t said, int last_byte, char *detail) {
  uint8_t *block = calloc(1, size);
  assert_non_null(block);
  memcpy(block, rows[row].options, size < rows[row].size ? size : rows[row].size);
  memcpy(block, &said, sizeof(said));
  if (size > rows[row].size) block[size - 1] = (uint8_t)last_byte;
  int rc = rows[row].use(block, detail);
  free(block);
  return rc;
}

static bool is_usable(size_t row) {
  return rows[row].use != use_tls || iotkit_tls_source() != NULL;
}

static void an_older_program_gets_the_defaults(void **state) {
  (void)state;
  for (size_t row = 0; row < COUNT(rows); row++) {
    if (!is_usable(row)) continue;
    for (size_t size = rows[row].least; size <= rows[row].size; size += 4 * sizeof(void *)) {
      char detail[IOTKIT_DETAIL_MAX] = "";
      int rc = use_sized(row, size, size, 0, detail);
      if (rc != 0) fail_msg("%s with %zu bytes: %d, \"%s\"", rows[row].name, size, rc, detail);
    }
  }
}

static void a_program_that_says_no_size_is_of_the_first_release(void **state) {
  (void)state;
  for (size_t row = 0; row < COUNT(rows); row++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    if (!is_usable(row)) continue;
    int rc = use_sized(row, rows[row].size, 0, 0, detail);
    if (rc != 0) fail_msg("%s: %d, \"%s\"", rows[row].name, rc, detail);
  }
}

static void a_newer_program_must_not_want_what_is_not_there(void **state) {
  (void)state;
  for (size_t row = 0; row < COUNT(rows); row++) {
    const size_t size = rows[row].size + 24;
    char detail[IOTKIT_DETAIL_MAX] = "";
    if (!is_usable(row)) continue;
    int rc = use_sized(row, size, size, 0, detail);
    if (rc != 0) fail_msg("%s: %d, \"%s\"", rows[row].name, rc, detail);
    rc = use_sized(row, size, size, 1, detail);
    if (rc != IK_EINVALID_ARGUMENT || strstr(detail, "struct_size") == NULL)
      fail_msg("%s: %d, \"%s\"", rows[row].name, rc, detail);
  }
}

static void what_is_no_size_is_refused(void **state) {
  (void)state;
  static const size_t wrong[] = {1, sizeof(size_t), 5000, SIZE_MAX};
  for (size_t row = 0; row < COUNT(rows); row++) {
    for (size_t i = 0; i < COUNT(wrong); i++) {
      char detail[IOTKIT_DETAIL_MAX] = "";
      if (!is_usable(row)) continue;
      int rc = use_sized(row, rows[row].size, wrong[i], 0, detail);
      if (rc != IK_EINVALID_ARGUMENT || strstr(detail, "struct_size") == NULL)
        fail_msg("%s: %d, \"%s\"", rows[row].name, rc, detail);
    }
  }
}

static void what_is_held_by_value_does_not_grow(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct iotkit_ota_options channel = ota;
  channel.fetch.struct_size = sizeof(channel.fetch);
  assert_int_equal(use_ota(&channel, detail), 0);
  channel.fetch.struct_size += 8;
  assert_int_equal(use_ota(&channel, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "fetch.struct_size"));
  struct iotkit_save_options whole = save;
  whole.file.struct_size = sizeof(whole.file);
  assert_int_equal(use_save(&whole, detail), 0);
  whole.file.struct_size -= 8;
  assert_int_equal(use_save(&whole, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "file.struct_size"));
}

static void room_to_come_must_be_empty(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct iotkit_fetch_options later = fetch;
  later.reserved[7] = 1;
  assert_int_equal(use_fetch(&later, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "reserved"));
  struct iotkit_file_options newer = file;
  newer.reserved[0] = 1;
  assert_int_equal(use_file(&newer, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "reserved"));
}

/* What an older program set still arrives. */
static void what_was_set_counts(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct iotkit_fetch_options options = {.connections = 99};
  options.struct_size = offsetof(struct iotkit_fetch_options, connections);
  assert_int_equal(use_fetch(&options, detail), 0); /* not a member of its struct */
  options.struct_size = offsetof(struct iotkit_fetch_options, headers);
  assert_int_equal(use_fetch(&options, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "connections"));
}

static int setup(void **state) {
  (void)state;
  if (mkdtemp(directory) == NULL) return -1;
  snprintf(path, sizeof(path), "%s/f", directory);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  return rmdir(directory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_older_program_gets_the_defaults),
      cmocka_unit_test(a_program_that_says_no_size_is_of_the_first_release),
      cmocka_unit_test(a_newer_program_must_not_want_what_is_not_there),
      cmocka_unit_test(what_is_no_size_is_refused),
      cmocka_unit_test(what_is_held_by_value_does_not_grow),
      cmocka_unit_test(room_to_come_must_be_empty),
      cmocka_unit_test(what_was_set_counts),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
