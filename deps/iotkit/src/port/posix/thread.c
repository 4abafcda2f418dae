/*
 * thread.c - threads with a name, a stack size and no signals.
 *
 * iotkit_thread belongs to its starter, who joins (and frees) it. What a detached thread runs on
 * belongs to that thread.
 */
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "port/port.h"

#define STACK_GRAIN ((size_t)64 * 1024) /* a multiple of every page size in use */
#define NAME_MAX_LEN 15

struct iotkit_thread {
  pthread_t os;
  void (*run)(void *arg);
  void *arg;
  char name[NAME_MAX_LEN + 1];
};

static void set_own_name(const char *name) {
  if (name[0] == '\0') return;
#if defined(__APPLE__)
  pthread_setname_np(name);
#elif defined(__linux__)
  pthread_setname_np(pthread_self(), name);
#endif
}

static void *run_joinable(void *arg) {
  struct iotkit_thread *thread = arg;
  set_own_name(thread->name);
  thread->run(thread->arg);
  return NULL;
}

static void *run_detached(void *arg) {
  struct iotkit_thread start = *(struct iotkit_thread *)arg;
  free(arg);
  set_own_name(start.name);
  start.run(start.arg);
  return NULL;
}

/* Signals are the program's business; faults stay deliverable, for who handles them wants the right
 * stack. */
static void block_signals(sigset_t *before) {
  sigset_t all;
  sigfillset(&all);
  sigdelset(&all, SIGSEGV);
  sigdelset(&all, SIGBUS);
  sigdelset(&all, SIGFPE);
  sigdelset(&all, SIGILL);
  sigdelset(&all, SIGABRT);
  sigdelset(&all, SIGTRAP);
  pthread_sigmask(SIG_SETMASK, &all, before);
}

static int start_thread(struct iotkit_thread *thread, size_t stack_bytes, bool detached) {
  pthread_attr_t attr;
  pthread_t os;
  sigset_t before;
  int rc;

  if (pthread_attr_init(&attr) != 0) return IK_ENO_MEMORY;
  if (stack_bytes > 0) {
    size_t least = (size_t)PTHREAD_STACK_MIN;
    size_t bytes = stack_bytes < least ? least : stack_bytes;
    bytes = (bytes + STACK_GRAIN - 1) / STACK_GRAIN * STACK_GRAIN;
    pthread_attr_setstacksize(&attr, bytes);
  }
  if (detached) pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  block_signals(&before);
  /* A detached thread frees its start block, perhaps before pthread_create returns: `os` must not
   * lie in it. */
  rc = pthread_create(&os, &attr, detached ? run_detached : run_joinable, thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attr);
  if (rc != 0) return IK_ETHREAD;
  if (!detached) thread->os = os;
  return 0;
}

static struct iotkit_thread *new_thread(const char *name, void (*run)(void *arg), void *arg) {
  struct iotkit_thread *thread = calloc(1, sizeof *thread);
  if (thread == NULL) return NULL;
  thread->run = run;
  thread->arg = arg;
  if (name != NULL) memcpy(thread->name, name, strnlen(name, NAME_MAX_LEN));
  return thread;
}

int iotkit_thread_start(iotkit_thread_t **out, const char *name, size_t stack_bytes,
                        void (*run)(void *arg), void *arg) {
  if (out == NULL || run == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  struct iotkit_thread *thread = new_thread(name, run, arg);
  if (thread == NULL) return IK_ENO_MEMORY;
  int rc = start_thread(thread, stack_bytes, false);
  if (rc != 0) {
    free(thread);
    return rc;
  }
  *out = thread;
  return 0;
}

void iotkit_thread_join(iotkit_thread_t *thread) {
  if (thread == NULL) return;
  pthread_join(thread->os, NULL);
  free(thread);
}

int ik_thread_detached(const char *name, size_t stack_bytes, void (*run)(void *arg), void *arg) {
  struct iotkit_thread *thread = new_thread(name, run, arg);
  if (thread == NULL) return IK_ENO_MEMORY;
  int rc = start_thread(thread, stack_bytes, true);
  if (rc != 0) free(thread);
  return rc;
}

uintptr_t ik_thread_self(void) {
  return (uintptr_t)pthread_self();
}
