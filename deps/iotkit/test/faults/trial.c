/*
 * trial.c - counts the calls of a scenario, then runs it once for each fault that is due.
 */
#include "faults/trial.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iotkit_core.h"

#define PRINTED_MAX 100
#define FEW 60 /* calls of one kind that are each struck in a short run */
#define RUN_S 60
#define THREADS_MS 10000
#define HERE_AND_THERE 7 /* and then each so manieth */

static struct {
  bool all;
  unsigned runs, struck, wrong;
  const char *scenario;
  const struct fault *fault; /* NULL: none */
  bool is_wrong;             /* the run that is being checked */
} trial;

struct remains {
  unsigned descriptors;
  size_t blocks; /* of memory */
};

static void print_run(void) {
  const struct fault *fault = trial.fault;
  printf("%s", trial.scenario);
  if (fault == NULL) {
    printf(" without a fault: ");
  } else {
    const char *name =
        fault->call < CALLS ? inject_name((enum fault_call)fault->call) : "allocation";
    printf(", %s %u%s %s: ", name, fault->nth, fault->onward ? " and all after it" : "",
           inject_error_name(fault->error));
  }
}

void trial_wrong(const char *format, ...) {
  va_list args;
  if (!trial.is_wrong) trial.wrong++;
  trial.is_wrong = true;
  if (trial.wrong > PRINTED_MAX) return;
  print_run();
  va_start(args, format);
  vprintf(format, args);
  va_end(args);
  printf("\n");
  fflush(stdout);
}

static void begin(const struct fault *fault) {
  if (fault == NULL)
    inject_begin();
  else if (fault->call == CALLS)
    inject_begin_oom(fault->nth, fault->onward);
  else
    inject_begin_fault((enum fault_call)fault->call, fault->nth, fault->error, fault->onward);
}

/* A run that hangs ends the program, and says which it was. */
static void give_up(int signal_number) {
  (void)signal_number;
  print_run();
  printf("it does not end\n");
  fflush(stdout);
  _exit(1);
}

/*
 * What is left of a run. A detached thread of the library may still be at its end, or a server at
 * its last connection; a server that takes a connection after a look has nothing to do with the
 * library, so one look at which nothing is left is the answer.
 */
static struct remains look_until_clean(unsigned descriptors) {
  struct pollfd none = {.fd = -1};
  struct remains remains;
  for (int i = 0;; i++) {
    remains = (struct remains){inject_descriptors(), inject_live_blocks()};
    bool is_clean = remains.descriptors <= descriptors && remains.blocks == 0;
    if (is_clean || i == THREADS_MS) return remains;
    (void)poll(&none, 1, 1);
  }
}

/* Returns whether the fault struck. */
static bool run(const struct scenario *scenario, const struct fault *fault) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  trial.scenario = scenario->name;
  trial.fault = fault;
  trial.is_wrong = false;
  trial.runs++;
  alarm(RUN_S);
  scenario->prepare();
  unsigned before = inject_descriptors();
  inject_forget_blocks();
  begin(fault);
  int rc = scenario->run(detail);
  bool struck = inject_end();
  struct remains after = look_until_clean(before);
  if (struck) trial.struck++;
  if (after.descriptors > before)
    trial_wrong("%u descriptors before, %u after", before, after.descriptors);
  if (after.blocks > 0) trial_wrong("%zu blocks of memory are left", after.blocks);
  scenario->check(struck ? fault : NULL, rc, detail);
  alarm(0);
  return struck;
}

static bool is_due(unsigned nth) {
  return trial.all || nth < FEW || nth % HERE_AND_THERE == 0;
}

/* A signal at every try would go on for ever, and a name that is there cannot be missing for long. */
static bool may_last(int error) {
  return error != EINTR && error != EAGAIN && error != SHORT && error != ENOENT;
}

static void fail_each(const struct scenario *scenario, int call, unsigned count, int error,
                      bool onward) {
  for (unsigned nth = 0; nth < count; nth++) {
    const struct fault fault = {call, nth, error, onward};
    if (is_due(nth)) run(scenario, &fault);
  }
}

static void fail_calls(const struct scenario *scenario, unsigned groups) {
  unsigned counts[CALLS];
  run(scenario, NULL);
  for (int i = 0; i < CALLS; i++)
    counts[i] = inject_calls((enum fault_call)i);
  for (int i = 0; i < CALLS; i++) {
    const int *errors = inject_errors((enum fault_call)i);
    if ((inject_group((enum fault_call)i) & groups) == 0) continue;
    for (size_t k = 0; errors[k] != 0 && (trial.all || k < 2); k++) {
      fail_each(scenario, i, counts[i], errors[k], false);
      if (trial.all && may_last(errors[k])) fail_each(scenario, i, counts[i], errors[k], true);
    }
  }
}

static void fail_allocations(const struct scenario *scenario) {
  run(scenario, NULL);
  unsigned count = inject_allocations();
  fail_each(scenario, CALLS, count, ENOMEM, false);
  if (trial.all) fail_each(scenario, CALLS, count, ENOMEM, true);
}

static bool is_chosen(int argc, char **argv, const struct scenario *scenario) {
  bool any = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], scenario->name) == 0) return true;
    any = any || argv[i][0] != '-';
  }
  return !any && (trial.all || !scenario->is_long);
}

static void no_log(void *ctx, int level, const char *text) {
  (void)ctx, (void)level, (void)text;
}

int trial_main(int argc, char **argv, const struct scenario *scenarios, size_t count,
               enum trial_kind kind, unsigned groups) {
  for (int i = 1; i < argc; i++)
    trial.all = trial.all || strcmp(argv[i], "--all") == 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  iotkit_log_set(IOTKIT_LOG_ERROR, no_log, NULL);
  signal(SIGALRM, give_up);
  for (size_t i = 0; i < count; i++) {
    unsigned before = trial.struck;
    if (!is_chosen(argc, argv, &scenarios[i])) continue;
    if (kind == TRIAL_CALLS)
      fail_calls(&scenarios[i], groups);
    else
      fail_allocations(&scenarios[i]);
    printf("%s: %u faults\n", scenarios[i].name, trial.struck - before);
    if (trial.struck == before) trial_wrong("no fault struck");
  }
  printf("%u runs, %u faults, %u wrong\n", trial.runs, trial.struck, trial.wrong);
  return trial.wrong > 0 || trial.runs == 0;
}
