/*
 * threads.h - threads that call the functions of a table side by side, each in an order that a seed
 * decides: for the programs that hold the promise "may be called from any thread" (test_*_threads.c).
 * What they find is found by the thread and address sanitizers; how much they do is a count, not a
 * time.
 */
#ifndef TEST_THREADS_H
#define TEST_THREADS_H

#include <stdatomic.h>
#include <stddef.h>

#include "support/rng.h"

#define THREADS_MAX 8

/* One of the threads. */
struct caller {
  void *world; /* what all of them share */
  unsigned number;
  struct rng rng; /* its own */
  void *own;      /* what this one keeps between its calls; NULL at first */
};

/* One or a few calls, which end by themselves. */
typedef void (*threads_call)(struct caller *caller);

/*
 * Starts `threads` callers at once, each of which makes `calls` calls out of the table, and waits for
 * all of them. `leave` (NULL: nothing) is each one's last call. Prints the seed.
 */
void threads_run(const char *test, void *world, const threads_call *table, size_t count,
                 unsigned threads, unsigned calls, threads_call leave);

#endif
