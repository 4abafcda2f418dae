/*
 * A whole job against a server that does anything: an image passes the check only if its bytes have
 * the announced size and digest, bytes come in order and within the size, every run ends, and no
 * connection is left open.
 *
 * Input: how the job is made (see `begin`), then what the server does, connection by connection and
 * request by request (support/hostile_web.c), with what the program does between two fetches mixed in.
 * With bit 7 of the first byte the notice itself is the input up to a NUL.
 */
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "download/job.h"
#include "fuzz/support/fake_port.h"
#include "fuzz/support/hostile_web.h"
#include "iotkit_ota.h"
#include "port/port.h"

#define SIZE_MAX_HERE 1200000u /* more than one range of those side by side */
#define FETCHES_MAX 100000     /* far more than any run needs: one that has not ended never will */
#define ROOM 65536u
#define INPUT_MAX 1024u

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint32_t sizes[] = {1, 7, 1000, 4096, 70000, SIZE_MAX_HERE, 300, 20};
#define SIZES (sizeof(sizes) / sizeof(*sizes))

static uint8_t image[SIZE_MAX_HERE];
static uint8_t other[SIZE_MAX_HERE];
static uint8_t got[SIZE_MAX_HERE];
static char digests[SIZES][2][65]; /* of `image`: MD5, SHA-256 */
static iotkit_tls_t *tls;

struct run {
  struct input in;
  struct hostile_web web;
  iotkit_job_t *job;
  const struct iotkit_upgrade *upgrade;
  bool external_digest;
  uint64_t next;     /* byte of the image */
  uint64_t digested; /* with external_digest */
};

static size_t digest_of(enum iotkit_digest_method method, const uint8_t *bytes, size_t len,
                        uint8_t value[IOTKIT_DIGEST_MAX]) {
  struct ik_digest *digest;
  CHECK(ik_digest_new(method, &digest) == 0);
  CHECK(ik_digest_update(digest, bytes, len) == 0);
  const int n = ik_digest_value(digest, value);
  CHECK(n > 0);
  ik_digest_free(digest);
  return (size_t)n;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  (void)argc;
  (void)argv;
  for (size_t i = 0; i < SIZE_MAX_HERE; i++) {
    image[i] = (uint8_t)(i * 31 + i / 251);
    other[i] = (uint8_t)(i % 3 ? image[i] : ~image[i]);
  }
  for (size_t i = 0; i < SIZES; i++) {
    ik_hex_encode(value, digest_of(IOTKIT_DIGEST_MD5, image, sizes[i], value), digests[i][0]);
    ik_hex_encode(value, digest_of(IOTKIT_DIGEST_SHA256, image, sizes[i], value), digests[i][1]);
  }
  (void)iotkit_tls_new(NULL, &tls, NULL); /* without OpenSSL https fails, which is an end too */
  return 0;
}

/* ---- the job ---- */

static struct iotkit_fetch_options options_of(struct run *run) {
  const unsigned how = next(&run->in);
  const unsigned more = next(&run->in);
  run->external_digest = (how & 1) != 0;
  return (struct iotkit_fetch_options){
      .tls = tls,
      .external_digest = run->external_digest,
      .max_retries = how & 2 ? UINT32_MAX : 3,
      .max_tries = 40,
      .retry_min_ms = 1,
      .retry_max_ms = 100,
      .max_redirects = 2,
      .https_only = (how & 4) != 0 && (how & 8) != 0,
      .total_timeout_ms = how & 16 ? 100000 : 0,
      .renew_timeout_ms = how & 32 ? 1000 : 0,
      .connections = how >> 6,
      .low_speed_bytes = more & 1 ? 100 : 0,
      .low_speed_ms = 50,
      .idle_timeout_ms = more & 2 ? 20 : 0,
      .response_timeout_ms = more & 4 ? 30 : 0,
      .headers = more & 8 ? "X: secret\r\n" : NULL,
      .allowed_hosts = more & 16 ? "h.example,*.example" : NULL,
      .proxy = more & 32 ? "http://u:p@proxy.example:1" : "",
  };
}

/* What was announced is true, but perhaps for the size. */
static size_t write_notice(struct run *run, char *json, size_t cap) {
  static const char *const urls[] = {"http://h.example/f?secret", "https://h.example/f?secret",
                                     "http://[::1]:81/f", "http://h.example/"};
  const unsigned how = next(&run->in);
  const size_t which = how % SIZES;
  const bool sha256 = (how & 8) != 0;
  const char *url = urls[how >> 4 & 3];
  const char *method = sha256 ? "SHA256" : "Md5";
  const long size = (long)sizes[which] + (how & 128 ? (long)next(&run->in) - 128 : 0);
  if (next(&run->in) % 8 != 7)
    return (size_t)snprintf(
        json, cap,
        "{\"id\":1,\"message\":\"success\",\"data\":{\"size\":%ld,\"version\":\"2\",\"url\":\"%s\","
        "\"signMethod\":\"%s\",\"sign\":\"%s\"}}",
        size, url, method, digests[which][sha256]);
  return (size_t)snprintf(json, cap,
                          "{\"id\":1,\"message\":\"success\",\"data\":{\"version\":\"2\","
                          "\"signMethod\":\"%s\",\"files\":[{"
                          "\"fileName\":\"a\",\"fileSize\":%ld,\"fileUrl\":\"%s\","
                          "\"fileSign\":\"%s\"}]}}",
                          method, size, url, digests[which][sha256]);
}

static size_t read_notice(struct run *run, char *json, size_t cap) {
  size_t len = 0;
  unsigned byte;
  while (len < cap && (byte = next(&run->in)) != 0)
    json[len++] = (char)byte;
  return len;
}

/* Of several files the first one is fetched. */
static void open_first_file(struct run *run) {
  iotkit_job_t *file;
  if (iotkit_job_upgrade(run->job)->file_count == 0) return;
  CHECK(iotkit_job_open_file(run->job, 0, &file) == 0);
  iotkit_job_unref(run->job);
  run->job = file;
}

/* What an earlier run has left, right or wrong. */
static void resume(struct run *run) {
  const unsigned how = next(&run->in);
  uint64_t have = next_u16(&run->in) % run->upgrade->size;
  if (how % 4 != 3) return;
  memcpy(got, how & 8 ? other : image, (size_t)have);
  if (have > 0) CHECK(iotkit_job_digest(run->job, 0, got, (size_t)have) == 0);
  CHECK(iotkit_job_resume(run->job, have) == 0);
  run->next = have;
  run->digested = have;
}

/* False: there is no job, as the notice says nothing that can be fetched here. */
static bool begin(struct run *run) {
  char json[2048];
  char detail[IOTKIT_DETAIL_MAX] = "";
  const bool raw = (next(&run->in) & 128) != 0;
  const struct iotkit_fetch_options options = options_of(run);
  const size_t len =
      raw ? read_notice(run, json, sizeof(json)) : write_notice(run, json, sizeof(json));
  if (iotkit_job_parse(json, len, &options, &run->job, detail) != 0) return false;
  ik_job_set_dial(run->job, hostile_web_dial, &run->web);
  open_first_file(run);
  run->upgrade = iotkit_job_upgrade(run->job);
  if (run->upgrade->size > SIZE_MAX_HERE || run->upgrade->protocol != IOTKIT_PROTOCOL_HTTP)
    return false;
  run->web.size = run->upgrade->size;
  resume(run);
  return true;
}

/* ---- what the program does in between ---- */

static void renew(struct run *run) {
  char json[512];
  const bool sha256 = run->upgrade->digest_method == IOTKIT_DIGEST_SHA256;
  char hex[65];
  ik_hex_encode(run->upgrade->digest, sha256 ? 32 : 16, hex);
  const size_t len =
      (size_t)snprintf(json, sizeof(json),
                       "{\"message\":\"success\",\"data\":{\"size\":%llu,\"version\":\"2\",\"url\":"
                       "\"http://%s.example/new?secret\","
                       "\"signMethod\":\"%s\",\"sign\":\"%s\"}}",
                       (unsigned long long)run->upgrade->size, next(&run->in) & 1 ? "h" : "c",
                       sha256 ? "SHA256" : "Md5", hex);
  CHECK(iotkit_job_renew(run->job, json, len, NULL) == 0);
}

static void act(struct run *run) {
  iotkit_job_t *copy;
  switch (next(&run->in) % 32) {
  case 1:
    iotkit_job_interrupt(run->job);
    break;
  case 2:
    iotkit_job_pause(run->job, true);
    break;
  case 3:
    CHECK(iotkit_job_dup(run->job, &copy) == 0);
    iotkit_job_unref(copy);
    break;
  case 4:
    CHECK(iotkit_job_check(run->job) == IK_EINVALID_STATE);
    break;
  case 5:
    if (iotkit_job_get_state(run->job) == IOTKIT_JOB_FETCHING)
      CHECK(iotkit_job_rewind(run->job) == IK_EINVALID_STATE);
    break;
  case 6:
    iotkit_job_abort(run->job);
    break;
  default:
    iotkit_job_pause(run->job, false);
  }
}

static void digest_up_to(struct run *run, uint64_t end) {
  if (!run->external_digest || end == run->digested) return;
  if (end < run->digested) run->digested = 0;
  CHECK(iotkit_job_digest(run->job, run->digested, got + run->digested,
                          (size_t)(end - run->digested)) == 0);
  run->digested = end;
}

/* ---- the run ---- */

static void take(struct run *run, uint64_t offset, const uint8_t *bytes, size_t len) {
  CHECK(offset == run->next || offset == 0);
  CHECK(offset + len <= run->upgrade->size);
  if (offset != run->next) run->digested = 0;
  memcpy(got + offset, bytes, len);
  run->next = offset + len;
  CHECK(iotkit_job_received(run->job) == run->next);
}

/* One fetch. False: the job has ended. */
static bool fetch(struct run *run, uint8_t *room) {
  const unsigned how = next(&run->in);
  /* Not a byte at a time where there are a million of them. */
  const size_t least = 1 + (size_t)run->upgrade->size / 4096;
  const size_t len = run->in.left > 0 ? least + (size_t)how * how : ROOM;
  uint64_t offset = 0;
  if (how % 4 == 3) act(run);
  if (run->in.left == 0) iotkit_job_pause(run->job, false); /* nobody else will */
  if (iotkit_job_wants_url(run->job) && how & 16) renew(run);
  const int64_t n = iotkit_job_fetch(run->job, room, len, how & 32 ? 0 : 1000, &offset);
  CHECK(n <= (int64_t)len);
  CHECK(n >= 0 || n == IK_EINTERRUPTED || iotkit_job_get_state(run->job) == IOTKIT_JOB_FAILED);
  if (n > 0) take(run, offset, room, (size_t)n);
  if (n == 0 || !(how & 64)) digest_up_to(run, run->next);
  fake_port_pass(1);
  return iotkit_job_get_state(run->job) <= IOTKIT_JOB_FETCHING;
}

static void check_image(struct run *run) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  if (iotkit_job_get_state(run->job) != IOTKIT_JOB_FETCHED) return;
  digest_up_to(run, run->next);
  if (iotkit_job_check(run->job) != 0) return;
  CHECK(run->next == run->upgrade->size);
  const size_t len = digest_of(run->upgrade->digest_method, got, (size_t)run->next, value);
  CHECK(memcmp(value, run->upgrade->digest, len) == 0);
}

static void play(struct run *run, uint8_t *room) {
  for (unsigned tries = 0; tries < 2; tries++) {
    unsigned fetches = 0;
    while (fetch(run, room))
      CHECK(fetches++ < FETCHES_MAX);
    check_image(run);
    if (iotkit_job_rewind(run->job) != 0) break;
    run->next = 0;
    run->digested = 0;
  }
}

static void check_error(const struct run *run) {
  char detail[IOTKIT_DETAIL_MAX];
  const int error = iotkit_job_error(run->job, detail);
  CHECK((error != 0) == (iotkit_job_get_state(run->job) == IOTKIT_JOB_FAILED));
  CHECK(strstr(detail, "secret") == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct run run = {.in = {data, len}, .web = {.image = image, .other = other}};
  if (len > INPUT_MAX) return 0;
  uint8_t *room = malloc(ROOM); /* so that a byte too many is seen */
  CHECK(room != NULL);
  run.web.script = &run.in;
  fake_port_begin(1000);
  if (begin(&run)) {
    play(&run, room);
    check_error(&run);
  }
  iotkit_job_unref(run.job);
  CHECK(run.web.open == 0);
  free(room);
  return 0;
}
