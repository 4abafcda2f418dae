/*
 * process.c - the lock of what the process has once. fork() waits for it, so that a child finds it
 * free and what it guards whole, whatever the other threads of the parent were at.
 */
#include <pthread.h>

#include "port/port.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t registered = PTHREAD_ONCE_INIT;

static void before_fork(void) {
  pthread_mutex_lock(&lock);
}

static void after_fork(void) {
  pthread_mutex_unlock(&lock);
}

/* Without memory for it nothing is lost but this. */
static void guard_fork(void) {
  (void)pthread_atfork(before_fork, after_fork, after_fork);
}

void ik_process_lock(void) {
  /* Not under the lock: registering may wait for a fork(), which waits for the lock. */
  pthread_once(&registered, guard_fork);
  pthread_mutex_lock(&lock);
}

void ik_process_unlock(void) {
  pthread_mutex_unlock(&lock);
}
