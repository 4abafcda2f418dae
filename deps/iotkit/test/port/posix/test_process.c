/* The lock of the process, and fork() beside threads that hold it. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "port/port.h"
#include "support/cmocka_all.h"

#define CHILDREN 4
#define ROUNDS 1000

static unsigned counter;

static void *count(void *arg) {
  (void)arg;
  for (int i = 0; i < ROUNDS; i++) {
    ik_process_lock();
    counter++;
    ik_process_unlock();
  }
  return NULL;
}

static void it_is_one_lock(void **state) {
  (void)state;
  pthread_t threads[3];
  counter = 0;
  for (size_t i = 0; i < TEST_COUNT(threads); i++)
    assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
  for (size_t i = 0; i < TEST_COUNT(threads); i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(counter, TEST_COUNT(threads) * ROUNDS);
}

static atomic_bool over;

/* Holds it nearly always. */
static void *hold(void *arg) {
  (void)arg;
  while (!atomic_load(&over)) {
    ik_process_lock();
    counter++;
    ik_process_unlock();
  }
  return NULL;
}

static void a_child_finds_it_free(void **state) {
  (void)state;
  pthread_t holder;
  atomic_store(&over, false);
  assert_int_equal(pthread_create(&holder, NULL, hold, NULL), 0);
  for (int i = 0; i < CHILDREN; i++) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
      ik_process_lock();
      ik_process_unlock();
      _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
  }
  atomic_store(&over, true);
  pthread_join(holder, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_is_one_lock),
      cmocka_unit_test(a_child_finds_it_free),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
