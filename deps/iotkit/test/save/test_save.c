/*
 * iotkit_job_save() over real sockets: what lies in the directory after each way a download can
 * end, and what the next one fetches.
 */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "image/file.h"
#include "support/blocks_world.h"
#include "support/cm.h"
#include "support/file_world.h"
#include "support/job_run.h"
#include "support/volume.h"

#define SIZE JOB_SIZE
#define HALF JOB_HALF

typedef unsigned long long ull;

static void assert_image(const char *path) {
  size_t len;
  uint8_t *bytes = world_get(path, &len);
  assert_int_equal(len, SIZE);
  job_assert_image(bytes);
  free(bytes);
}

/* What the server of a test counts, and what it is to do. */
struct site {
  atomic_uint_least64_t sent;
  uint64_t first_from;  /* of the first request */
  uint64_t limit;       /* bytes of the body until it is cut; 0: none */
  uint64_t wrong_below; /* these bytes of the image are wrong */
};

static void send_body(struct site *site, int fd, uint64_t from) {
  uint64_t to = site->limit != 0 && site->limit < SIZE ? site->limit : SIZE;
  for (uint64_t at = from; at < to;) {
    uint8_t block[10000];
    size_t n = to - at < sizeof block ? (size_t)(to - at) : sizeof block;
    for (size_t i = 0; i < n; i++)
      block[i] = (uint8_t)(http_image_byte(at + i) ^ (at + i < site->wrong_below ? 1 : 0));
    if (send(fd, block, n, MSG_NOSIGNAL) != (ssize_t)n) break;
    at += n;
    atomic_fetch_add(&site->sent, n);
  }
}

static bool serve(void *ctx, int fd, const struct http_request *request) {
  struct site *site = ctx;
  if (request->index == 0) site->first_from = request->from;
  if (request->has_range) {
    http_send(fd,
              "HTTP/1.1 206 Partial Content\r\nETag: " JOB_TAG "\r\n"
              "Content-Range: bytes %llu-%u/%u\r\nContent-Length: %llu\r\n\r\n",
              (ull)request->from, SIZE - 1, SIZE, (ull)(SIZE - request->from));
  } else {
    http_send(fd, "HTTP/1.1 200 OK\r\nETag: " JOB_TAG "\r\nContent-Length: %u\r\n\r\n", SIZE);
  }
  send_body(site, fd, request->from);
  return site->limit == 0;
}

static iotkit_job_t *job_of_now;

/* Saves once with a server of its own, as after a restart: another job, another URL. */
static int save_once(struct site *site, const struct iotkit_save_options *options, char *detail) {
  struct http_server *server = http_server_start(serve, site);
  struct iotkit_fetch_options fetch = job_quick();
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &fetch);
  job_of_now = job;
  int rc = iotkit_job_save(job, "image", options, detail);
  iotkit_job_unref(job);
  http_server_stop(server);
  return rc;
}

/* Leaves half of the image behind, or of one with wrong bytes. */
static void leave_half(uint64_t wrong_below) {
  struct site site = {.limit = HALF, .wrong_below = wrong_below};
  assert_true(save_once(&site, NULL, NULL) < 0);
  world_assert_names(".", "image.part image.part.journal");
}

/* ---- one image ---- */

/* Nothing is made, and nothing asked for. */
static void what_is_too_large_leaves_nothing(void **state) {
  struct site site = {0};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  struct http_server *server = http_server_start(serve, &site);
  struct iotkit_fetch_options fetch = job_quick();
  fetch.max_size = SIZE - 1;
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &fetch);
  assert_int_equal(iotkit_job_save(job, "image", NULL, detail), IK_ENO_SPACE);
  assert_string_equal(detail, "100000 bytes are announced, and max_size is 99999");
  world_assert_names(".", "");
  assert_int_equal(atomic_load(&site.sent), 0);
  iotkit_job_unref(job);
  http_server_stop(server);
}

static void count_retry(void *ctx, const struct iotkit_retry *retry) {
  assert_int_equal(retry->error, IK_ETRUNCATED);
  (*(unsigned *)ctx)++;
}

static void tells_that_it_tries_again(void **state) {
  struct site site = {.limit = HALF};
  unsigned retries = 0;
  const struct iotkit_save_options options = {.on_retry = count_retry, .ctx = &retries};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(save_once(&site, &options, detail), IK_ETRUNCATED);
  assert_true(retries >= 3);
}

struct seen {
  unsigned calls;
  uint64_t last;
};

static void see(void *ctx, uint64_t received, uint64_t size) {
  struct seen *seen = ctx;
  assert_int_equal(size, SIZE);
  assert_true(received >= seen->last);
  seen->last = received;
  seen->calls++;
}

static void saves_an_image(void **state) {
  struct site site = {0};
  struct seen seen = {0};
  struct iotkit_save_options options = {.on_progress = see, .ctx = &seen, .file.mode = 0600};
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct stat st;
  (void)state;
  int rc = save_once(&site, &options, detail);
  if (rc != 0) fail_msg("%d %s", rc, detail);
  assert_image("image");
  world_assert_names(".", "image");
  assert_int_equal(seen.last, SIZE);
  assert_true(seen.calls > 0);
  assert_int_equal(stat("image", &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
}

static void goes_on_after_a_restart(void **state) {
  struct site site = {0};
  struct seen seen = {0};
  struct iotkit_save_options options = {.on_progress = see, .ctx = &seen};
  (void)state;
  leave_half(0);
  assert_int_equal(save_once(&site, &options, NULL), 0);
  assert_int_equal(site.first_from, HALF); /* not one byte is fetched twice */
  assert_int_equal(site.sent, SIZE - HALF);
  assert_image("image");
  world_assert_names(".", "image");
}

/* All of it is there: nothing is asked of any server. */
static void needs_no_server_for_what_is_there(void **state) {
  struct iotkit_fetch_options fetch = job_quick();
  (void)state;
  struct http_server *server = http_server_start(job_serve_well, NULL);
  uint16_t port = http_server_port(server);
  iotkit_job_t *job = job_make(port, "/f", &fetch);
  struct iotkit_file_options options = {.size = SIZE, .digest_method = IOTKIT_DIGEST_SHA256};
  iotkit_file_t *file;
  memcpy(options.digest, iotkit_job_upgrade(job)->digest, sizeof options.digest);
  assert_int_equal(iotkit_file_open("image", &options, &file, NULL), 0);
  assert_int_equal(iotkit_file_resume(file, job, NULL), 0);
  static uint8_t block[SIZE];
  uint64_t offset;
  while (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED) {
    int64_t n = iotkit_job_fetch(job, block, sizeof block, 30000, &offset);
    assert_true(n > 0);
    assert_int_equal(iotkit_file_write(file, offset, block, (size_t)n, NULL), 0);
    iotkit_file_checkpoint(file, job);
  }
  iotkit_file_keep(file, job); /* it came to an end before it was committed */
  iotkit_job_unref(job);
  http_server_stop(server);

  job = job_make(port, "/f", &fetch);
  assert_int_equal(iotkit_job_save(job, "image", NULL, NULL), 0);
  iotkit_job_unref(job);
  assert_image("image");
}

static void leaves_nothing_when_it_may_not_resume(void **state) {
  struct site site = {.limit = HALF};
  struct iotkit_save_options options = {.no_resume = true};
  (void)state;
  assert_true(save_once(&site, &options, NULL) < 0);
  world_assert_names(".", "");
  leave_half(0);
  site = (struct site){0};
  assert_int_equal(save_once(&site, &options, NULL), 0);
  assert_int_equal(site.first_from, 0);
  assert_image("image");
  world_assert_names(".", "image");
}

static void a_wrong_image_leaves_nothing(void **state) {
  struct site site = {.wrong_below = 1};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  world_put("image", "old", 3);
  assert_int_equal(save_once(&site, NULL, detail), IK_EDIGEST_MISMATCH);
  assert_non_null(strstr(detail, "image"));
  assert_int_equal(site.sent, SIZE); /* and was not asked for twice */
  world_assert_names(".", "image");
}

/* The bytes of the earlier run were as wrong as they were well journalled. */
static void a_wrong_start_is_fetched_again(void **state) {
  struct site site = {0};
  (void)state;
  leave_half(1000);
  assert_int_equal(save_once(&site, NULL, NULL), 0);
  assert_int_equal(site.first_from, HALF);
  assert_int_equal(site.sent, SIZE - HALF + SIZE);
  assert_image("image");
  world_assert_names(".", "image");
}

static void a_wrong_start_is_fetched_again_once(void **state) {
  struct site site = {.wrong_below = 1000};
  (void)state;
  leave_half(1000);
  assert_int_equal(save_once(&site, NULL, NULL), IK_EDIGEST_MISMATCH);
  assert_int_equal(site.sent, SIZE - HALF + SIZE);
  world_assert_names(".", "");
}

/* Another image at the same URL, by a server that gives no ranges. */
static bool serve_changed(void *ctx, int fd, const struct http_request *request) {
  unsigned *fulls = ctx;
  if (request->index == 0) {
    struct site wrong = {.limit = HALF, .wrong_below = SIZE};
    http_send(fd, "HTTP/1.1 200 OK\r\nETag: \"old\"\r\nContent-Length: %u\r\n\r\n", SIZE);
    send_body(&wrong, fd, 0);
    return false;
  }
  ++*fulls;
  http_send(fd, "HTTP/1.1 200 OK\r\nETag: \"new\"\r\nContent-Length: %u\r\n\r\n", SIZE);
  return http_send_image(fd, 0, SIZE);
}

static void begins_again_with_the_job(void **state) {
  unsigned fulls = 0;
  struct http_server *server = http_server_start(serve_changed, &fulls);
  struct iotkit_fetch_options fetch = job_quick();
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &fetch);
  (void)state;
  assert_int_equal(iotkit_job_save(job, "image", NULL, NULL), 0);
  iotkit_job_unref(job);
  http_server_stop(server);
  assert_int_equal(fulls, 2); /* one to compare what is there with, one to replace it */
  assert_image("image");
  world_assert_names(".", "image");
}

static void abort_at_once(void *ctx, uint64_t received, uint64_t size) {
  (void)ctx, (void)size;
  if (received > 0) iotkit_job_abort(job_of_now);
}

static void an_abort_keeps_what_there_is(void **state) {
  struct site site = {0};
  struct site rest = {0};
  struct iotkit_save_options options = {.on_progress = abort_at_once};
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(save_once(&site, &options, detail), IK_EABORTED);
  assert_non_null(strstr(detail, "cancelled"));
  world_assert_names(".", "image.part image.part.journal");
  assert_int_equal(save_once(&rest, NULL, NULL), 0);
  assert_int_equal(rest.first_from, 64 * 1024); /* the block that was written */
  assert_image("image");
}

static void in_place(void **state) {
  struct site site = {.limit = HALF};
  struct iotkit_save_options options = {
      .file = {.in_place = true, .base = 1000, .journal = "journal"}};
  static uint8_t room[SIZE + 2000];
  size_t len;
  (void)state;
  memset(room, 0x5a, sizeof room);
  world_put("image", room, sizeof room);
  assert_true(save_once(&site, &options, NULL) < 0);
  world_assert_names(".", "image journal");
  site.limit = 0;
  assert_int_equal(save_once(&site, &options, NULL), 0);
  assert_int_equal(site.first_from, HALF);
  world_assert_names(".", "image");
  uint8_t *bytes = world_get("image", &len);
  assert_int_equal(len, sizeof room);
  assert_memory_equal(bytes, room, 1000);
  job_assert_image(bytes + 1000);
  assert_memory_equal(bytes + 1000 + SIZE, room, 1000);
  free(bytes);
}

/* A disk that is too small is reported before any server is asked. */
static void a_small_disk(void **state) {
  struct site site = {0};
  struct http_server *server = http_server_start(serve, &site);
  struct iotkit_fetch_options fetch = job_quick();
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &fetch);
  assert_int_equal(mkdir("disk", 0700), 0);
  bool mounted = volume_mount("none", "disk", "tmpfs", "size=64k");
  if (mounted) {
    int rc = iotkit_job_save(job, "disk/image", NULL, detail);
    world_assert_names("disk", "");
    volume_unmount("disk");
    assert_int_equal(rc, IK_ENO_SPACE);
    assert_non_null(strstr(detail, "disk"));
    assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_READY);
  }
  iotkit_job_unref(job);
  assert_int_equal(http_server_stop(server), 0);
  if (!mounted) skip();
}

/* What cannot be written ends the download, and keeps what was. */
static void a_write_that_fails(void **state) {
  struct site site = {0};
  struct site rest = {0};
  struct rlimit before, limit;
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  limit = before;
  limit.rlim_cur = 90000;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
  int rc = save_once(&site, NULL, detail);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, handler);
  assert_int_equal(rc, IK_EFILE);
  assert_non_null(strstr(detail, "image.part"));
  world_assert_names(".", "image.part image.part.journal");
  assert_int_equal(save_once(&rest, NULL, NULL), 0);
  assert_int_equal(rest.first_from, 64 * 1024);
  assert_image("image");
}

struct watch {
  atomic_bool again;
  atomic_uint_least64_t lowest; /* that was asked for since */
};

static enum block_fault watch_requests(void *ctx, const struct block_request *request) {
  struct watch *watch = ctx;
  if (atomic_load(&watch->again) && request->offset < atomic_load(&watch->lowest))
    atomic_store(&watch->lowest, request->offset);
  return BLOCK_WELL;
}

/* Another way for the bytes makes no difference to where they go. */
static void an_image_in_mqtt_blocks(void **state) {
  struct iotkit_save_options options = {.on_progress = abort_at_once};
  struct watch watch = {.lowest = SIZE};
  iotkit_job_t *again;
  (void)state;
  struct world *world = bw_make(SIZE, NULL, 0);
  world->platform.script = watch_requests;
  world->platform.ctx = &watch;
  job_of_now = bw_announced(world);
  bw_step_elsewhere(world);
  assert_int_equal(iotkit_job_save(job_of_now, "image", &options, NULL), IK_EABORTED);
  world_assert_names(".", "image.part image.part.journal");
  atomic_store(&watch.again, true);
  assert_int_equal(iotkit_job_dup(job_of_now, &again), 0);
  assert_int_equal(iotkit_job_save(again, "image", NULL, NULL), 0);
  assert_int_equal(atomic_load(&watch.lowest), 64 * 1024);
  iotkit_job_unref(again);
  bw_free(world);
  assert_image("image");
  world_assert_names(".", "image");
}

static void refused_calls(void **state) {
  struct http_server *server = http_server_start(job_serve_well, NULL);
  struct iotkit_fetch_options fetch = job_quick();
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  iotkit_job_t *job = job_make(http_server_port(server), "/f", &fetch);
  assert_int_equal(iotkit_job_save(NULL, "image", NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_save(job, NULL, NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_save(job, "", NULL, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_save(job, "none/image", NULL, detail), IK_EFILE_NOT_FOUND);
  assert_int_equal(iotkit_job_save(job, "image", NULL, detail), 0);
  assert_int_equal(iotkit_job_save(job, "image", NULL, detail), IK_EINVALID_STATE);
  assert_non_null(strstr(detail, "fetched"));
  iotkit_job_unref(job);
  job = job_make(1, "/f", &fetch);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_job_save(job, "image", NULL, detail), IK_EABORTED);
  iotkit_job_unref(job);
  fetch.external_digest = true;
  job = job_make(1, "/f", &fetch);
  assert_int_equal(iotkit_job_save(job, "image", NULL, detail), IK_EINVALID_STATE);
  assert_non_null(strstr(detail, "external_digest"));
  iotkit_job_unref(job);
  http_server_stop(server);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, world_enter, world_leave)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_DIRECTORY(saves_an_image),
      IN_DIRECTORY(what_is_too_large_leaves_nothing),
      IN_DIRECTORY(tells_that_it_tries_again),
      IN_DIRECTORY(goes_on_after_a_restart),
      IN_DIRECTORY(needs_no_server_for_what_is_there),
      IN_DIRECTORY(leaves_nothing_when_it_may_not_resume),
      IN_DIRECTORY(a_wrong_image_leaves_nothing),
      IN_DIRECTORY(a_wrong_start_is_fetched_again),
      IN_DIRECTORY(a_wrong_start_is_fetched_again_once),
      IN_DIRECTORY(begins_again_with_the_job),
      IN_DIRECTORY(an_abort_keeps_what_there_is),
      IN_DIRECTORY(in_place),
      IN_DIRECTORY(an_image_in_mqtt_blocks),
      IN_DIRECTORY(a_small_disk),
      IN_DIRECTORY(a_write_that_fails),
      IN_DIRECTORY(refused_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
