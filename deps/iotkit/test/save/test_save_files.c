/*
 * iotkit_job_save() of several files: all under their names or none, nothing fetched twice.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "iotkit_file.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/http_server.h"
#include "support/signatures.h"

#define FILES 3

static const char *const names[FILES] = {"app.bin", "boot.img", "data"};
static struct image images[FILES];

static int enter(void **state) {
  struct rng rng = {11};
  for (size_t i = 0; i < FILES; i++)
    images[i] = image_new(&rng, 70000 * (i + 1), IOTKIT_DIGEST_SHA256);
  return world_enter(state);
}

static int leave(void **state) {
  for (size_t i = 0; i < FILES; i++)
    image_free(&images[i]);
  return world_leave(state);
}

/* A server of all three, and what happens to one of them. */
struct site {
  size_t bad;    /* index of that one */
  size_t cut_at; /* its body ends there; 0: it does not */
  bool corrupt;  /* its first byte is wrong */
  unsigned asked[FILES];
  uint64_t from[FILES]; /* of the first request for each */
};

static bool serve(void *ctx, int fd, const struct http_request *request) {
  struct site *site = ctx;
  size_t i = (size_t)(strchr(request->head, '/')[1] - '0');
  if (i >= FILES) return false;
  const struct image *image = &images[i];
  if (site->asked[i]++ == 0) site->from[i] = request->from;
  size_t from = (size_t)request->from;
  if (request->has_range) {
    http_send(fd,
              "HTTP/1.1 206 x\r\nContent-Range: bytes %zu-%zu/%zu\r\nContent-Length: %zu\r\n\r\n",
              from, image->size - 1, image->size, image->size - from);
  } else {
    http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", image->size);
  }
  size_t to = image->size;
  if (i == site->bad && site->cut_at > 0) to = site->cut_at;
  if (i == site->bad && site->corrupt && from == 0) {
    uint8_t byte = image->bytes[from++] ^ 1;
    send(fd, &byte, 1, MSG_NOSIGNAL);
  }
  if (from < to) send(fd, image->bytes + from, to - from, MSG_NOSIGNAL);
  return to == image->size;
}

static uint64_t max_size; /* of the next job's options */

static iotkit_job_t *make_job(uint16_t port, const char *const given[FILES]) {
  const struct iotkit_fetch_options options = {.retry_min_ms = 1,
                                               .retry_max_ms = 2,
                                               .max_retries = 2,
                                               .idle_timeout_ms = 20000,
                                               .max_size = max_size};
  char json[2048], hex[65], detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  size_t len =
      (size_t)snprintf(json, sizeof json,
                       "{\"message\":\"success\",\"data\":{\"version\":\"2\",\"signMethod\":"
                       "\"SHA256\",\"files\":[");
  for (size_t i = 0; i < FILES; i++) {
    ik_hex_encode(images[i].digest, 32, hex);
    len += (size_t)snprintf(json + len, sizeof json - len,
                            "%s{\"fileSize\":%zu,\"fileName\":\"%s\",\"fileUrl\":"
                            "\"http://127.0.0.1:%u/%zu\",\"fileSign\":\"%s\"}",
                            i > 0 ? "," : "", images[i].size, given[i], port, i, hex);
  }
  len += (size_t)snprintf(json + len, sizeof json - len, "]}}");
  if (iotkit_job_parse(json, len, &options, &job, detail) != 0) fail_msg("%s", detail);
  return job;
}

static iotkit_job_t *job_of_now;

static int save_once(struct site *site, const struct iotkit_save_options *options, char *detail) {
  struct http_server *server = http_server_start(serve, site);
  iotkit_job_t *job = make_job(http_server_port(server), names);
  job_of_now = job;
  int rc = iotkit_job_save(job, "fw", options, detail);
  iotkit_job_unref(job);
  http_server_stop(server);
  return rc;
}

static void assert_all_new(void) {
  world_assert_names("fw", "app.bin boot.img data");
  assert_int_equal(chdir("fw"), 0);
  for (size_t i = 0; i < FILES; i++)
    image_assert_at(&images[i], names[i]);
  assert_int_equal(chdir(".."), 0);
}

struct seen {
  uint64_t last;
  uint64_t size;
};

static void see(void *ctx, uint64_t received, uint64_t size) {
  struct seen *seen = ctx;
  assert_true(received >= seen->last);
  seen->last = received;
  seen->size = size;
}

/* All files together count: nothing of any of them is made. */
static void together_they_may_be_too_large(void **state) {
  struct site site = {0};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  for (size_t i = 0; i < FILES; i++)
    max_size += images[i].size;
  max_size--;
  assert_int_equal(save_once(&site, NULL, detail), IK_ENO_SPACE);
  assert_non_null(strstr(detail, "max_size"));
  world_assert_names(".", "");
  max_size++;
  assert_int_equal(save_once(&site, NULL, detail), 0);
  assert_all_new();
  max_size = 0;
}

static void saves_them_all(void **state) {
  struct site site = {0};
  struct seen seen = {0};
  struct iotkit_save_options options = {.on_progress = see, .ctx = &seen};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  int rc = save_once(&site, &options, detail);
  if (rc != 0) fail_msg("%d %s", rc, detail);
  assert_all_new();
  assert_int_equal(seen.size, 70000 * 6);
  assert_int_equal(seen.last, seen.size);
  assert_int_equal(save_once(&site, NULL, NULL), 0); /* and once more, over them */
  assert_all_new();
}

static void note_phase(void *ctx, enum iotkit_phase phase) {
  char *letters = ctx;
  size_t len = strlen(letters);
  assert_true(len < 15);
  letters[len] = "?PFVC"[phase];
}

/* Of each file what is done with it, and the commit of all once. */
static void tells_its_phases(void **state) {
  struct site site = {.bad = 1, .cut_at = 50000};
  char letters[2][16] = {"", ""};
  struct iotkit_save_options options = {.on_phase = note_phase, .ctx = letters[0]};
  (void)state;
  assert_true(save_once(&site, &options, NULL) < 0);
  assert_string_equal(letters[0], "FVF");
  options.ctx = letters[1];
  site = (struct site){0};
  assert_int_equal(save_once(&site, &options, NULL), 0);
  assert_all_new();
  assert_string_equal(letters[1], "PFVPFVFVC");
}

static void put_old(void) {
  assert_int_equal(mkdir("fw", 0755), 0);
  world_put("fw/app.bin", "old", 3);
}

static void assert_old(void) {
  size_t len;
  uint8_t *bytes = world_get("fw/app.bin", &len);
  assert_int_equal(len, 3);
  free(bytes);
}

static void goes_on_with_the_file_that_was_cut(void **state) {
  struct site site = {.bad = 1, .cut_at = 100000};
  struct site rest = {.bad = FILES};
  (void)state;
  put_old();
  assert_true(save_once(&site, NULL, NULL) < 0);
  assert_int_equal(site.asked[2], 0);
  world_assert_names("fw", "app.bin app.bin.part app.bin.part.journal boot.img.part "
                           "boot.img.part.journal");
  assert_old();
  assert_int_equal(save_once(&rest, NULL, NULL), 0);
  assert_int_equal(rest.asked[0], 0);
  assert_int_equal(rest.from[1], 100000);
  assert_all_new();
}

static void abort_in_the_second(void *ctx, uint64_t received, uint64_t size) {
  (void)ctx, (void)size;
  if (received > images[0].size) iotkit_job_abort(job_of_now);
}

static void an_abort_reaches_the_file_that_is_fetched(void **state) {
  struct site site = {.bad = FILES};
  struct site rest = {.bad = FILES};
  struct iotkit_save_options options = {.on_progress = abort_in_the_second};
  (void)state;
  assert_int_equal(save_once(&site, &options, NULL), IK_EABORTED);
  assert_int_equal(site.asked[1], 1);
  assert_int_equal(site.asked[2], 0);
  assert_int_equal(save_once(&rest, NULL, NULL), 0);
  assert_int_equal(rest.asked[0], 0);
  assert_int_equal(rest.from[1], 64 * 1024); /* the block that was written */
  assert_all_new();
}

static void one_wrong_file_and_none_is_new(void **state) {
  struct site site = {.bad = 1, .corrupt = true};
  struct site rest = {.bad = FILES};
  (void)state;
  put_old();
  assert_int_equal(save_once(&site, NULL, NULL), IK_EDIGEST_MISMATCH);
  assert_old();
  world_assert_names("fw", "app.bin app.bin.part app.bin.part.journal"); /* that one was right */
  assert_int_equal(save_once(&rest, NULL, NULL), 0);
  assert_int_equal(rest.asked[0], 0);
  assert_int_equal(rest.from[1], 0);
  assert_all_new();
}

static void leaves_nothing_when_it_may_not_resume(void **state) {
  struct site site = {.bad = 1, .cut_at = 100000};
  struct iotkit_save_options options = {.no_resume = true};
  (void)state;
  assert_true(save_once(&site, &options, NULL) < 0);
  world_assert_names("fw", "");
}

/* ---- signatures of single files ---- */

static bool serve_signed(void *ctx, int fd, const struct http_request *request) {
  (void)ctx, (void)request;
  http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", sizeof IMAGE - 1, IMAGE);
  return true;
}

static int give_signature(void *ctx, size_t index, iotkit_job_t *job) {
  uint8_t raw[1024];
  ptrdiff_t len = ik_base64_decode(ik_str(ctx), raw, sizeof raw);
  assert_int_equal(index, 0);
  assert_string_equal(iotkit_job_upgrade(job)->version, "2");
  return iotkit_job_set_signature(job, IOTKIT_SIGNED_IMAGE, raw, (size_t)len);
}

static int save_signed(uint16_t port, iotkit_keys_t *keys, const char *signature) {
  const struct iotkit_fetch_options fetch = {.keys = keys, .require_signature = true};
  const struct iotkit_save_options options = {.on_file = signature ? give_signature : NULL,
                                              .ctx = (void *)(uintptr_t)signature};
  char json[512];
  iotkit_job_t *job;
  int len = snprintf(json, sizeof json,
                     "{\"message\":\"success\",\"data\":{\"version\":\"2\",\"signMethod\":"
                     "\"SHA256\",\"files\":[{\"fileSize\":%zu,\"fileName\":\"f\",\"fileUrl\":"
                     "\"http://127.0.0.1:%u/f\",\"fileSign\":\"" IMAGE_SHA256 "\"}]}}",
                     sizeof IMAGE - 1, port);
  assert_int_equal(iotkit_job_parse(json, (size_t)len, &fetch, &job, NULL), 0);
  int rc = iotkit_job_save(job, "fw", &options, NULL);
  iotkit_job_unref(job);
  return rc;
}

static void each_file_has_its_signature(void **state) {
  iotkit_keys_t *keys;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  if (iotkit_keys_new(KEY_P256, 0, &keys, detail) != 0) fail_msg("%s", detail);
  struct http_server *server = http_server_start(serve_signed, NULL);
  uint16_t port = http_server_port(server);
  assert_int_equal(save_signed(port, keys, NULL), IK_ESIGNATURE_MISSING);
  assert_int_equal(save_signed(port, keys, SIGNED_IMAGE_RSA_2048), IK_ESIGNATURE);
  world_assert_names("fw", "");
  assert_int_equal(save_signed(port, keys, SIGNED_IMAGE_P256), 0);
  world_assert_names("fw", "f");
  http_server_stop(server);
  iotkit_keys_unref(keys);
}

static int refuse_the_second(void *ctx, size_t index, iotkit_job_t *job) {
  (void)ctx, (void)job;
  return index == 1 ? IK_EVERSION_REFUSED : 0;
}

static void a_file_that_the_program_refuses(void **state) {
  struct site site = {.bad = FILES};
  struct iotkit_save_options options = {.on_file = refuse_the_second};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(save_once(&site, &options, detail), IK_EVERSION_REFUSED);
  assert_non_null(strstr(detail, "fw/boot.img"));
  assert_int_equal(site.asked[1], 0);
  world_assert_names("fw", "app.bin.part app.bin.part.journal");
}

static void refused_calls(void **state) {
  struct iotkit_save_options options = {.file.in_place = true};
  struct site site = {0};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(save_once(&site, &options, detail), IK_EINVALID_ARGUMENT);
  options = (struct iotkit_save_options){.file.journal = "journal"};
  assert_int_equal(save_once(&site, &options, detail), IK_EINVALID_ARGUMENT);
  iotkit_job_t *job = make_job(1, names);
  assert_int_equal(iotkit_job_save(job, "none/fw", NULL, detail), IK_EFILE_NOT_FOUND);
  world_put("file", "x", 1);
  assert_true(iotkit_job_save(job, "file", NULL, detail) < 0);
  assert_non_null(strstr(detail, "file"));
  iotkit_job_unref(job);
  world_assert_names(".", "file");
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(saves_them_all),
      IN_DIRECTORY(tells_its_phases),
      IN_DIRECTORY(together_they_may_be_too_large),
      IN_DIRECTORY(goes_on_with_the_file_that_was_cut),
      IN_DIRECTORY(an_abort_reaches_the_file_that_is_fetched),
      IN_DIRECTORY(one_wrong_file_and_none_is_new),
      IN_DIRECTORY(leaves_nothing_when_it_may_not_resume),
      IN_DIRECTORY(each_file_has_its_signature),
      IN_DIRECTORY(a_file_that_the_program_refuses),
      IN_DIRECTORY(refused_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
