/*
 * trial.h - scenarios, and the driver that runs each of them once for each fault.
 *
 * A program of scenarios: <program> [--all] [scenario …]. Without --all only the first error of each
 * call is tried, for every call of it up to a number (`few`), and those after it here and there.
 */
#ifndef TEST_FAULTS_TRIAL_H
#define TEST_FAULTS_TRIAL_H

#include "faults/inject.h"

struct fault {
  int call; /* -1: none */
  unsigned nth;
  int error;
  bool onward;
};

/*
 * `prepare` puts everything where it was, `run` is struck, `check` looks at what came of it and ends
 * what goes on; none may leave a descriptor or a block of memory. Of a run without a fault `fault` is
 * NULL. All three report by trial_wrong() what is not right.
 */
struct scenario {
  const char *name;
  void (*prepare)(void);
  int (*run)(char *detail);
  void (*check)(const struct fault *fault, int rc, const char *detail);
  bool is_long; /* for --all alone: what it waits for is a matter of seconds */
};

/* What a program tries of its scenarios. */
enum trial_kind { TRIAL_CALLS, TRIAL_ALLOCATIONS };

/* What is wrong in the run that is being checked. Counted; the first hundred are printed. */
void trial_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* main() of a program; `groups` are those whose calls are struck. */
int trial_main(int argc, char **argv, const struct scenario *scenarios, size_t count,
               enum trial_kind kind, unsigned groups);

#endif
