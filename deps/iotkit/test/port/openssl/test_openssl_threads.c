/*
 * iotkit_tls_thread_stop(): a thread that has stopped its use of OpenSSL leaves nothing for its end,
 * at which OpenSSL may be gone: OpenSSL frees nothing in that thread any more.
 */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "iotkit_core.h"

#define THREADS 4
#define ROUNDS 50

static atomic_uint frees;

static void *take(size_t size, const char *file, int line) {
  (void)file, (void)line;
  return malloc(size);
}

static void *resize(void *memory, size_t size, const char *file, int line) {
  (void)file, (void)line;
  return realloc(memory, size); /* NOLINT(bugprone-suspicious-realloc-usage): what OpenSSL asks */
}

static void give_back(void *memory, const char *file, int line) {
  (void)file, (void)line;
  if (memory != NULL) frees++;
  free(memory);
}

struct user {
  bool stops;
  unsigned at_stop, at_end; /* frees until then */
};

/* Random numbers and the queue of errors are kept for each thread. */
static void use_openssl(void *arg) {
  struct user *user = arg;
  unsigned char random[8];
  assert_int_equal(RAND_bytes(random, sizeof random), 1);
  (void)ERR_peek_error();
  unsigned before = frees;
  if (user->stops) iotkit_tls_thread_stop();
  user->at_stop = frees - before;
  user->at_end = frees;
}

/* The number of frees after its last line. */
static unsigned run(struct user *user) {
  iotkit_thread_t *thread;
  assert_int_equal(iotkit_thread_start(&thread, "user", 0, use_openssl, user), 0);
  iotkit_thread_join(thread);
  return frees - user->at_end;
}

static void a_stopped_thread_leaves_nothing_for_its_end(void **state) {
  (void)state;
  struct user stopped = {.stops = true};
  struct user other = {0};
  assert_string_equal(iotkit_tls_source(), "linked");
  assert_int_equal(run(&stopped), 0);
  assert_in_range(stopped.at_stop, 1, 1000);
  assert_in_range(run(&other), 1, 1000); /* or this test sees nothing */
}

static void use_and_stop(void *arg) {
  unsigned char random[8];
  for (unsigned i = 0; i < ROUNDS; i++) {
    *(int *)arg += RAND_bytes(random, sizeof random);
    iotkit_tls_thread_stop();
    iotkit_tls_thread_stop(); /* nothing is left to stop */
  }
}

static void threads_stop_and_go_on_side_by_side(void **state) {
  (void)state;
  iotkit_thread_t *threads[THREADS];
  int drawn[THREADS] = {0};
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(iotkit_thread_start(&threads[i], "user", 0, use_and_stop, &drawn[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    iotkit_thread_join(threads[i]);
    assert_int_equal(drawn[i], ROUNDS);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stopped_thread_leaves_nothing_for_its_end),
      cmocka_unit_test(threads_stop_and_go_on_side_by_side),
  };
  if (CRYPTO_set_mem_functions(take, resize, give_back) != 1) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include "iotkit_core.h"

static void there_is_nothing_to_stop(void **state) {
  (void)state;
  iotkit_tls_thread_stop(); /* before OpenSSL was looked for */
  (void)iotkit_tls_source();
  iotkit_tls_thread_stop();
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(there_is_nothing_to_stop)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
