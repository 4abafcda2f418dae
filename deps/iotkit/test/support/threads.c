/*
 * threads.c - the callers live on the stack of threads_run().
 */
#include "support/threads.h"

#include <pthread.h>

#include "support/cm.h"

struct run {
  const threads_call *table;
  size_t count;
  unsigned calls;
  threads_call leave;
  pthread_barrier_t start;
};

struct starter {
  struct caller caller;
  struct run *run;
  pthread_t thread;
};

static void *call(void *arg) {
  struct starter *starter = arg;
  struct run *run = starter->run;
  struct caller *caller = &starter->caller;
  pthread_barrier_wait(&run->start);
  for (unsigned i = 0; i < run->calls; i++)
    run->table[rng_below(&caller->rng, run->count)](caller);
  if (run->leave != NULL) run->leave(caller);
  return NULL;
}

void threads_run(const char *test, void *world, const threads_call *table, size_t count,
                 unsigned threads, unsigned calls, threads_call leave) {
  /* What fails on a thread other than cmocka's ends the program at once, with its message. */
  assert_int_equal(setenv("CMOCKA_TEST_ABORT", "1", 1), 0);
  struct rng seed = rng_start(test);
  struct starter starters[THREADS_MAX];
  struct run run = {.table = table, .count = count, .calls = calls, .leave = leave};
  assert_true(threads <= THREADS_MAX);
  assert_int_equal(pthread_barrier_init(&run.start, NULL, threads), 0);
  for (unsigned i = 0; i < threads; i++) {
    starters[i] = (struct starter){
        .run = &run, .caller = {.world = world, .number = i, .rng = {rng_u64(&seed)}}};
    assert_int_equal(pthread_create(&starters[i].thread, NULL, call, &starters[i]), 0);
  }
  for (unsigned i = 0; i < threads; i++)
    pthread_join(starters[i].thread, NULL);
  pthread_barrier_destroy(&run.start);
}
