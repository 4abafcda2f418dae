/*
 * tls_aside.c - a thread for each, one result, and a descriptor that says when it is there; and a queue of those that
 * have no thread yet.
 *
 * The thread writes the result before it sets `is_done`; who has joined it owns all of it. As it ends it
 * starts the thread of the next, so that whoever steps a connection that waits has nothing to do for it. Which have a
 * thread, and who is the next, is under `line.lock`, which is held for no longer than it takes to start one.
 */
#include "port/openssl/tls_aside.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buf.h"
#include "port/port.h"

#define STACK_BYTES ((size_t)128 * 1024)

struct ik_tls_aside {
  int (*run)(void *ctx, char *detail);
  void *ctx;
  struct ik_wake *wake;
  atomic_bool is_done;
  int result;
  char detail[IOTKIT_DETAIL_MAX];
  /* under line.lock */
  iotkit_thread_t *thread;      /* NULL: it waits for one, or there was none to be had */
  struct ik_tls_aside **queued; /* what refers to it in the queue; NULL: it is not there */
  struct ik_tls_aside *next;
};

static struct {
  pthread_mutex_t lock;
  struct ik_tls_aside *first; /* of the queue */
  struct ik_tls_aside **end;  /* where the next one is put; NULL: nobody was ever in it */
  unsigned running;
} line = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- the queue, locked ---- */

static void append(struct ik_tls_aside *aside) {
  if (line.end == NULL) line.end = &line.first;
  aside->queued = line.end;
  *line.end = aside;
  line.end = &aside->next;
}

static void take_out(struct ik_tls_aside *aside) {
  *aside->queued = aside->next;
  if (aside->next != NULL)
    aside->next->queued = aside->queued;
  else
    line.end = aside->queued;
  aside->queued = NULL;
}

static void set_done(struct ik_tls_aside *aside) {
  atomic_store_explicit(&aside->is_done, true, memory_order_release);
  ik_wake_signal(aside->wake);
}

static void run_thread(void *arg);

/* Where the system has no more threads, the end of one that runs tries again; if none does, there will be none. */
static void start_waiting(void) {
  while (line.first != NULL && line.running < IK_TLS_ASIDE_MAX) {
    struct ik_tls_aside *aside = line.first;
    int rc = iotkit_thread_start(&aside->thread, "iotkit-sign", STACK_BYTES, run_thread, aside);
    if (rc != 0 && line.running > 0) return;
    take_out(aside);
    if (rc == 0) {
      line.running++;
    } else {
      aside->result = rc;
      set_done(aside);
    }
  }
}

/* ---- one of them ---- */

static void run_thread(void *arg) {
  struct ik_tls_aside *aside = arg;
  aside->result = aside->run(aside->ctx, aside->detail);
  iotkit_tls_thread_stop();
  set_done(aside);
  pthread_mutex_lock(&line.lock);
  line.running--;
  start_waiting();
  pthread_mutex_unlock(&line.lock);
}

int ik_tls_aside_start(int (*run)(void *ctx, char *detail), void *ctx, struct ik_tls_aside **out) {
  *out = NULL;
  struct ik_tls_aside *aside = calloc(1, sizeof *aside);
  if (aside == NULL) return IK_ENO_MEMORY;
  aside->run = run;
  aside->ctx = ctx;
  atomic_init(&aside->is_done, false);
  int rc = ik_wake_new(&aside->wake);
  if (rc != 0) {
    free(aside);
    return rc;
  }
  pthread_mutex_lock(&line.lock);
  append(aside);
  start_waiting();
  pthread_mutex_unlock(&line.lock);
  *out = aside;
  return 0;
}

int ik_tls_aside_fd(const struct ik_tls_aside *aside) {
  return ik_wake_fd(aside->wake);
}

bool ik_tls_aside_is_done(const struct ik_tls_aside *aside) {
  return atomic_load_explicit(&aside->is_done, memory_order_acquire);
}

bool ik_tls_aside_is_queued(const struct ik_tls_aside *aside) {
  pthread_mutex_lock(&line.lock);
  const bool is_queued = aside->queued != NULL;
  pthread_mutex_unlock(&line.lock);
  return is_queued;
}

int ik_tls_aside_join(struct ik_tls_aside *aside, char *detail) {
  pthread_mutex_lock(&line.lock);
  if (aside->queued != NULL) {
    take_out(aside);
    aside->result = IK_EABORTED;
  }
  iotkit_thread_t *thread = aside->thread;
  pthread_mutex_unlock(&line.lock);
  if (thread != NULL) iotkit_thread_join(thread);
  const int result = aside->result;
  ik_detail(detail, "%s", aside->detail);
  ik_wake_free(aside->wake);
  free(aside);
  return result;
}
