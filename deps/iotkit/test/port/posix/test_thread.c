/* Threads. */
#include <pthread.h>
#include <signal.h>

#include "port/port.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

struct seen {
  uintptr_t self;
  char name[16];
  bool pipe_blocked;
  bool fault_blocked;
};

static void look(void *arg) {
  struct seen *seen = arg;
  sigset_t set;
  seen->self = ik_thread_self();
  pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
  pthread_sigmask(SIG_BLOCK, NULL, &set);
  seen->pipe_blocked = sigismember(&set, SIGPIPE) == 1 && sigismember(&set, SIGINT) == 1;
  seen->fault_blocked = sigismember(&set, SIGSEGV) == 1;
}

static void threads_have_name_and_no_signals(void **state) {
  (void)state;
  struct seen seen = {0};
  sigset_t before, after;
  iotkit_thread_t *thread;
  pthread_sigmask(SIG_BLOCK, NULL, &before);
  assert_int_equal(
      iotkit_thread_start(&thread, "a name that is much too long", 100000, look, &seen), 0);
  iotkit_thread_join(thread);
  pthread_sigmask(SIG_BLOCK, NULL, &after);
  assert_true(seen.self != 0);
  assert_true(seen.self != ik_thread_self());
  assert_string_equal(seen.name, "a name that is ");
  assert_true(seen.pipe_blocked);
  assert_false(seen.fault_blocked);
  assert_int_equal(sigismember(&before, SIGPIPE), sigismember(&after, SIGPIPE));
}

static void impossible_stacks_are_an_error(void **state) {
  (void)state;
  struct seen seen = {0};
  iotkit_thread_t *thread = (iotkit_thread_t *)&seen;
  assert_int_equal(iotkit_thread_start(&thread, "big", (size_t)1 << 60, look, &seen), IK_ETHREAD);
  assert_null(thread);
  assert_int_equal(iotkit_thread_start(NULL, "x", 0, look, &seen), IK_EINVALID_ARGUMENT);
  iotkit_thread_join(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(threads_have_name_and_no_signals),
      cmocka_unit_test(impossible_stacks_are_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
