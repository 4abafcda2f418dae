/*
 * A job that one thread saves while others do to it all that iotkit_ota.h allows any thread, and call
 * what iotkit_limiter.h, iotkit_verify.h and iotkit_core.h declare: none of it ends the save in
 * another way than was asked for, and what it saves is right. Seen by the thread sanitizer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/codec.h"
#include "download/job.h"
#include "download/job_private.h"
#include "iotkit_file.h"
#include "support/cm.h"
#include "support/fake_web.h"
#include "support/file_world.h"
#include "support/signatures.h"
#include "support/threads.h"

#define CALLERS 4
#define CALLS 120
#define FILES 3
#define BYTES 100000u /* of each file */

static const char *const names[FILES] = {"a", "b", "c"};
static struct image images[FILES];

struct world {
  struct fake_web web; /* of the thread that saves */
  iotkit_job_t *unfetched;
  iotkit_tls_t *deferred; /* NULL: no OpenSSL */
  iotkit_limiter_t *limiter;
  iotkit_keys_t *keys;
  pthread_mutex_t mutex;
  iotkit_job_t *saved; /* mutex: the one that is being saved */
  atomic_bool over;
  unsigned saves;
};

static struct world *world_of(const struct caller *caller) {
  return caller->world;
}

/* The job that is being saved, with a reference. */
static iotkit_job_t *take_job(const struct caller *caller) {
  struct world *world = world_of(caller);
  pthread_mutex_lock(&world->mutex);
  iotkit_job_t *job = iotkit_job_ref(world->saved);
  pthread_mutex_unlock(&world->mutex);
  return job;
}

static void put_job(struct world *world, iotkit_job_t *job) {
  pthread_mutex_lock(&world->mutex);
  iotkit_job_t *before = world->saved;
  world->saved = job;
  pthread_mutex_unlock(&world->mutex);
  iotkit_job_unref(before);
}

/* ---- what is announced ---- */

#define NOTICE_MAX 2048

static void write_notice(char json[NOTICE_MAX], size_t files) {
  char hex[65];
  ik_hex_encode(images[0].digest, 32, hex);
  size_t len = (size_t)snprintf(json, NOTICE_MAX,
                                "{\"message\":\"success\",\"data\":{\"version\":\"2\","
                                "\"signMethod\":\"SHA256\",");
  if (files == 0) {
    snprintf(json + len, NOTICE_MAX - len,
             "\"size\":%u,\"url\":\"http://h.example/0\",\"sign\":\"%s\"}}", BYTES, hex);
    return;
  }
  len += (size_t)snprintf(json + len, NOTICE_MAX - len, "\"files\":[");
  for (size_t i = 0; i < files; i++) {
    ik_hex_encode(images[i].digest, 32, hex);
    len += (size_t)snprintf(json + len, NOTICE_MAX - len,
                            "%s{\"fileSize\":%u,\"fileName\":\"%s\",\"fileUrl\":"
                            "\"http://h.example/%zu\",\"fileSign\":\"%s\"}",
                            i > 0 ? "," : "", BYTES, names[i], i, hex);
  }
  snprintf(json + len, NOTICE_MAX - len, "]}}");
}

/* The bytes of "/0", "/1" or "/2". */
static void serve(struct fake_web *web, const struct fake_request *request,
                  struct fake_answer *answer) {
  struct fake_request asked = *request;
  size_t which = (size_t)(request->text[strlen("GET /")] - '0');
  assert_true(which < FILES);
  struct fake_web part = {.image = images[which].bytes, .size = BYTES, .tag = web->tag};
  if (asked.is_open) asked.end = BYTES;
  fake_web_serve(&part, &asked, answer);
}

static iotkit_job_t *make_job(struct fake_web *web, const struct iotkit_fetch_options *options,
                              size_t files) {
  char json[NOTICE_MAX];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = NULL;
  write_notice(json, files);
  if (iotkit_job_parse(json, strlen(json), options, &job, detail) != 0) fail_msg("%s", detail);
  ik_job_set_dial(job, fake_web_dial, web);
  return job;
}

/* ---- what any thread may do to a job ---- */

static struct iotkit_fetch_options options_of(const struct world *world) {
  return (struct iotkit_fetch_options){
      .retry_min_ms = 1, .retry_max_ms = 2, .proxy = "", .limiters = {world->limiter}};
}

static void ask(struct caller *caller) {
  char detail[IOTKIT_DETAIL_MAX];
  iotkit_job_t *job = take_job(caller);
  (void)iotkit_job_get_state(job);
  (void)iotkit_job_error(job, detail);
  (void)iotkit_job_received(job);
  (void)iotkit_job_wants_url(job);
  (void)iotkit_job_check(job);
  assert_true(iotkit_job_upgrade(job)->size >= BYTES);
  iotkit_job_unref(job);
}

static void copy(struct caller *caller) {
  iotkit_job_t *job = take_job(caller);
  iotkit_job_t *other;
  assert_int_equal(iotkit_job_dup(job, &other), 0);
  assert_int_equal(iotkit_job_get_state(other), IOTKIT_JOB_READY);
  iotkit_job_unref(other);
  if (iotkit_job_upgrade(job)->file_count > 0) {
    assert_int_equal(iotkit_job_open_file(job, rng_below(&caller->rng, FILES), &other), 0);
    iotkit_job_unref(other);
  }
  iotkit_job_unref(job);
}

/* Before the first fetch it counts; from then on it is refused and harmless. */
static void set(struct caller *caller) {
  struct world *world = world_of(caller);
  const struct iotkit_fetch_options options = options_of(world);
  iotkit_job_t *job = take_job(caller);
  int rc = iotkit_job_set_options(job, &options);
  assert_true(rc == 0 || rc == IK_EINVALID_STATE);
  rc = iotkit_job_set_signature(job, IOTKIT_SIGNED_DIGEST, NULL, 0);
  assert_true(rc < 0);
  iotkit_job_unref(job);
}

static void hear_of_retry(void *ctx, const struct iotkit_retry *retry) {
  (void)ctx;
  (void)retry;
}

/* A copy that nobody fetches has its options and signature changed by several threads. */
static void set_before_the_first_fetch(struct caller *caller) {
  struct world *world = world_of(caller);
  const struct iotkit_fetch_options options = options_of(world);
  iotkit_job_t *other;
  assert_int_equal(iotkit_job_set_options(world->unfetched, &options), 0);
  assert_int_equal(iotkit_job_set_signature(world->unfetched, IOTKIT_SIGNED_DIGEST, "signature", 9),
                   0);
  assert_int_equal(iotkit_job_on_retry(world->unfetched, hear_of_retry, NULL), 0);
  /* Without a product key there is none. */
  char text[IOTKIT_STATEMENT_MAX];
  assert_int_equal(iotkit_job_statement(world->unfetched, text), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_job_digest(world->unfetched, 0, "", 0), 0);
  assert_int_equal(iotkit_job_dup(world->unfetched, &other), 0);
  iotkit_job_unref(other);
}

static void refuse(struct caller *caller) {
  iotkit_job_t *job = take_job(caller);
  if (iotkit_job_get_state(job) != IOTKIT_JOB_READY) {
    assert_int_equal(iotkit_job_resume(job, 0), IK_EINVALID_STATE);
    (void)iotkit_job_rewind(job);
  }
  iotkit_job_unref(job);
}

static void renew(struct caller *caller) {
  char json[NOTICE_MAX];
  iotkit_job_t *job = take_job(caller);
  write_notice(json, iotkit_job_upgrade(job)->file_count);
  (void)iotkit_job_renew(job, json, strlen(json), NULL);
  iotkit_job_unref(job);
}

static void pause_for_a_while(struct caller *caller) {
  iotkit_job_t *job = take_job(caller);
  iotkit_job_pause(job, true);
  sched_yield();
  iotkit_job_pause(job, false);
  iotkit_job_unref(job);
}

static void interrupt(struct caller *caller) {
  iotkit_job_t *job = take_job(caller);
  if (rng_below(&caller->rng, 8) == 0) iotkit_job_interrupt(job);
  if (rng_below(&caller->rng, 16) == 0) iotkit_job_abort(job);
  iotkit_job_unref(job);
}

/* ---- what threads share besides ---- */

static void limit(struct caller *caller) {
  struct world *world = world_of(caller);
  iotkit_limiter_t *limiter = iotkit_limiter_ref(world->limiter);
  iotkit_limiter_set(limiter, rng_below(&caller->rng, 2) * 100000000);
  (void)iotkit_limiter_get(limiter);
  iotkit_limiter_unref(limiter);
  assert_int_equal(iotkit_limiter_new(1, &limiter), 0);
  iotkit_limiter_unref(limiter);
}

static void verify(struct caller *caller) {
  static const uint8_t digest[32];
  struct world *world = world_of(caller);
  iotkit_keys_t *keys = iotkit_keys_ref(world->keys);
  if (keys == NULL) return; /* no OpenSSL */
  assert_int_equal(iotkit_verify(keys, "m", 1, "s", 1, NULL), IK_ESIGNATURE);
  assert_int_equal(iotkit_verify_sha256(keys, digest, "s", 1, NULL), IK_ESIGNATURE);
  iotkit_keys_unref(keys);
}

static void use_tls(struct caller *caller) {
  iotkit_tls_t *tls, *deferred = world_of(caller)->deferred;
  if (deferred != NULL) {
    assert_int_equal(iotkit_tls_set_ca(deferred, "a list", 0), 0);
    assert_int_equal(iotkit_tls_set_time(deferred, 1, iotkit_now_ms()), 0);
  }
  if (rng_below(&caller->rng, 10) != 0 || iotkit_tls_source() == NULL) return;
  assert_int_equal(iotkit_tls_new(NULL, &tls, NULL), 0);
  iotkit_tls_unref(iotkit_tls_ref(tls));
  iotkit_tls_unref(tls);
}

static void run_nothing(void *arg) {
  (void)arg;
}

static void ask_the_rest(struct caller *caller) {
  iotkit_thread_t *thread;
  (void)caller;
  assert_non_null(iotkit_version());
  assert_string_equal(iotkit_error_name(IK_ETLS), "ERR_TLS");
  assert_non_null(iotkit_strerror(IK_ETLS));
  (void)iotkit_error_retryable(IK_ETLS);
  (void)iotkit_error_condemns_image(IK_ETLS);
  assert_true(iotkit_now_ms() > 0);
  assert_int_equal(iotkit_thread_start(&thread, "t", 0, run_nothing, NULL), 0);
  iotkit_thread_join(thread);
}

/* ---- the thread that saves ---- */

static void check_saved(size_t files) {
  char path[32];
  if (files == 0) image_assert_at(&images[0], "saved0");
  for (size_t i = 0; i < files; i++) {
    snprintf(path, sizeof(path), "saved%zu/%s", files, names[i]);
    image_assert_at(&images[i], path);
  }
}

static void save_once(struct world *world, size_t files) {
  const struct iotkit_fetch_options options = options_of(world);
  char path[32];
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_job_t *job = make_job(&world->web, &options, files);
  put_job(world, iotkit_job_ref(job));
  snprintf(path, sizeof(path), "saved%zu", files);
  int rc = iotkit_job_save(job, path, NULL, detail);
  if (rc != 0 && rc != IK_EINTERRUPTED && rc != IK_EABORTED)
    fail_msg("%s: %s", iotkit_error_name(rc), detail);
  if (rc == 0) check_saved(files);
  world->saves += rc == 0;
  iotkit_job_unref(job);
}

static void *save_all_the_time(void *arg) {
  struct world *world = arg;
  for (unsigned i = 0; !atomic_load(&world->over); i++)
    save_once(world, i % 2 ? 0 : FILES);
  return NULL;
}

/* ---- all of it ---- */

static void begin(struct world *world, struct rng *rng) {
  pthread_mutex_init(&world->mutex, NULL);
  for (size_t i = 0; i < FILES; i++)
    images[i] = image_new(rng, BYTES, IOTKIT_DIGEST_SHA256);
  assert_int_equal(iotkit_limiter_new(0, &world->limiter), 0);
  if (iotkit_tls_source() != NULL)
    assert_int_equal(iotkit_keys_new(KEY_P256, 0, &world->keys, NULL), 0);
  world->web.answer = serve;
  world->unfetched = make_job(&world->web, NULL, 0);
  const struct iotkit_tls_options deferred = {.deferred = true};
  if (iotkit_tls_source() != NULL)
    assert_int_equal(iotkit_tls_new(&deferred, &world->deferred, NULL), 0);
  world->saved = make_job(&world->web, NULL, FILES);
}

static void end(struct world *world) {
  iotkit_job_unref(world->saved);
  iotkit_job_unref(world->unfetched);
  iotkit_tls_unref(world->deferred);
  iotkit_keys_unref(world->keys);
  iotkit_limiter_unref(world->limiter);
  for (size_t i = 0; i < FILES; i++)
    image_free(&images[i]);
  pthread_mutex_destroy(&world->mutex);
}

static void every_call_beside_a_save(void **state) {
  static const threads_call table[] = {
      ask,          copy, set, set_before_the_first_fetch, refuse, renew,  pause_for_a_while,
      interrupt,    copy, set, pause_for_a_while,          limit,  verify, use_tls,
      ask_the_rest,
  };
  struct rng rng = {11};
  struct world world = {.saves = 0};
  pthread_t saver;
  (void)state;
  begin(&world, &rng);
  assert_int_equal(pthread_create(&saver, NULL, save_all_the_time, &world), 0);
  threads_run(__func__, &world, table, COUNT(table), CALLERS, CALLS, NULL);
  atomic_store(&world.over, true);
  pthread_join(saver, NULL);
  save_once(&world, FILES); /* nothing of all that is left over */
  assert_true(world.saves > 0);
  end(&world);
}

/* ---- a pause of several files ---- */

static atomic_bool stumbles; /* who asks for the time: for longer or shorter */
static _Thread_local struct rng pace;

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec *out);

/* Every pause asks for the time, so here the other thread may come between any two of its parts. */
int clock_gettime(clockid_t clock, struct timespec *out) {
  for (size_t i = atomic_load(&stumbles) ? rng_below(&pace, 6) : 0; i > 0; i--)
    sched_yield();
  return (int)syscall(SYS_clock_gettime, clock, out);
}

struct pair {
  iotkit_job_t *job;
  pthread_barrier_t barrier;
  unsigned rounds;
};

static void *go_on_often(void *arg) {
  struct pair *pair = arg;
  pace.state = 1;
  for (unsigned i = 0; i < pair->rounds; i++) {
    pthread_barrier_wait(&pair->barrier);
    iotkit_job_pause(pair->job, false);
    pthread_barrier_wait(&pair->barrier);
  }
  return NULL;
}

/* However the words of several threads meet, the file that is fetched and the whole are of one mind. */
static void a_file_is_paused_with_the_whole(void **state) {
  const struct iotkit_fetch_options options = {.proxy = ""};
  struct rng rng = {5};
  struct world world = {.saves = 0};
  struct pair pair = {.rounds = 50};
  pthread_t other;
  (void)state;
  begin(&world, &rng);
  pair.job = make_job(&world.web, &options, FILES);
  assert_int_equal(pthread_barrier_init(&pair.barrier, NULL, 2), 0);
  atomic_store(&stumbles, true);
  assert_int_equal(pthread_create(&other, NULL, go_on_often, &pair), 0);
  for (unsigned i = 0; i < pair.rounds; i++) {
    iotkit_job_t *file;
    assert_int_equal(iotkit_job_open_file(pair.job, 0, &file), 0);
    if (i % 2) ik_job_set_inner(pair.job, file);
    if (i % 2 == 0) iotkit_job_pause(pair.job, true);
    pthread_barrier_wait(&pair.barrier);
    if (i % 2) iotkit_job_pause(pair.job, true);
    if (i % 2 == 0) ik_job_set_inner(pair.job, file);
    pthread_barrier_wait(&pair.barrier);
    if (ik_control_is_paused(&pair.job->control) != ik_control_is_paused(&file->control))
      fail_msg("of two minds after round %u", i);
    ik_job_set_inner(pair.job, NULL);
    iotkit_job_unref(file);
  }
  pthread_join(other, NULL);
  atomic_store(&stumbles, false);
  pthread_barrier_destroy(&pair.barrier);
  iotkit_job_unref(pair.job);
  end(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_call_beside_a_save, world_enter, world_leave),
      cmocka_unit_test_setup_teardown(a_file_is_paused_with_the_whole, world_enter, world_leave),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
