/*
 * fork() beside lookups: lookup.c is built in here with a resolver that can be held. A child looks
 * up whatever its parent was at, and the parent goes on.
 */
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

#define WORKERS 8
#define QUEUED 4

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool is_open;
static int held; /* lookups inside the resolver */

/* Names that begin with "slow" wait until the gate opens; all are this machine. */
static int held_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                            struct addrinfo **out) {
  if (strncmp(name, "slow", 4) == 0) {
    pthread_mutex_lock(&gate);
    held++;
    pthread_cond_broadcast(&changed);
    while (!is_open)
      pthread_cond_wait(&changed, &gate);
    held--;
    pthread_mutex_unlock(&gate);
  }
  return getaddrinfo("127.0.0.1", service, hints, out);
}

#define getaddrinfo held_getaddrinfo
#define ik_lookup test_lookup
#define ik_lookup_start test_lookup_start
#define ik_lookup_fd test_lookup_fd
#define ik_lookup_result test_lookup_result
#define ik_lookup_free test_lookup_free
#include "port/posix/lookup.c"
#undef getaddrinfo

static struct test_lookup *lookups[WORKERS + QUEUED];

/* 0, or a number that says what went wrong: cmocka's checks are for the parent. */
static int look_up(const char *name) {
  struct test_lookup *lookup;
  struct ik_address out[1];
  if (test_lookup_start(name, 80, &lookup) != 0) return 1;
  struct ik_pollfd fd = {.fd = test_lookup_fd(lookup), .interest = IOTKIT_READ};
  if (ik_port_poll(&fd, 1, TEST_LIMIT_MS) != 1) return 2;
  int count = test_lookup_result(lookup, out, 1, NULL);
  test_lookup_free(lookup);
  return count == 1 ? 0 : 3;
}

/* All workers are inside the resolver, and more lookups wait for one. */
static void hold_all(void) {
  is_open = false;
  for (size_t i = 0; i < TEST_COUNT(lookups); i++)
    assert_int_equal(test_lookup_start("slow.example", 80, &lookups[i]), 0);
  pthread_mutex_lock(&gate);
  while (held < WORKERS)
    pthread_cond_wait(&changed, &gate);
  pthread_mutex_unlock(&gate);
}

static void let_all_end(void) {
  pthread_mutex_lock(&gate);
  is_open = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&gate);
  for (size_t i = 0; i < TEST_COUNT(lookups); i++) {
    struct ik_address out[1];
    struct ik_pollfd fd = {.fd = test_lookup_fd(lookups[i]), .interest = IOTKIT_READ};
    assert_int_equal(ik_port_poll(&fd, 1, TEST_LIMIT_MS), 1);
    assert_int_equal(test_lookup_result(lookups[i], out, 1, NULL), 1);
    test_lookup_free(lookups[i]);
  }
}

static int run_child(int (*run)(void)) {
  int status = -1;
  pid_t child = fork();
  if (child == 0) _exit(run());
  assert_true(child > 0);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int look_up_more_than_there_are_workers(void) {
  int rc = 0;
  for (int i = 0; rc == 0 && i < WORKERS + 1; i++)
    rc = look_up("fw.example");
  return rc;
}

static void a_child_has_workers_of_its_own(void **state) {
  (void)state;
  hold_all();
  assert_int_equal(run_child(look_up_more_than_there_are_workers), 0);
  let_all_end();
  assert_int_equal(look_up("fw.example"), 0);
}

static int free_those_of_the_parent(void) {
  for (size_t i = 0; i < TEST_COUNT(lookups); i++)
    test_lookup_free(lookups[i]);
  return look_up("fw.example");
}

static void a_child_may_free_what_it_has_inherited(void **state) {
  (void)state;
  hold_all();
  assert_int_equal(run_child(free_those_of_the_parent), 0);
  let_all_end();
}

static int ask_for_those_of_the_parent(void) {
  struct ik_address out[1];
  for (size_t i = 0; i < TEST_COUNT(lookups); i++)
    if (test_lookup_result(lookups[i], out, 1, NULL) != IK_EAGAIN) return 4;
  return 0;
}

static void those_of_the_parent_do_not_end_in_the_child(void **state) {
  (void)state;
  hold_all();
  assert_int_equal(run_child(ask_for_those_of_the_parent), 0);
  let_all_end();
}

static int fork_again(void) {
  int status = -1;
  if (look_up("fw.example") != 0) return 5;
  pid_t child = fork();
  if (child == 0) _exit(look_up("fw.example"));
  if (child < 0 || waitpid(child, &status, 0) != child) return 6;
  return status;
}

static void a_child_of_a_child_too(void **state) {
  (void)state;
  hold_all();
  assert_int_equal(run_child(fork_again), 0);
  let_all_end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_child_has_workers_of_its_own),
      cmocka_unit_test(a_child_may_free_what_it_has_inherited),
      cmocka_unit_test(those_of_the_parent_do_not_end_in_the_child),
      cmocka_unit_test(a_child_of_a_child_too),
  };
  /* The thread sanitizer ends a child that starts threads. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(IS_TSAN)
  (void)tests;
  print_message("skipped: children start no threads under this sanitizer\n");
  return 0;
#else
  return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
