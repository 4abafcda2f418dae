/*
 * sync.c - mutexes and condition variables. Each object is one allocation, owned by who made it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "port/port.h"

struct ik_mutex {
  pthread_mutex_t os;
};

struct ik_cond {
  pthread_cond_t os;
};

struct ik_mutex *ik_mutex_new(void) {
  struct ik_mutex *mutex = malloc(sizeof *mutex);
  if (mutex == NULL) return NULL;
  if (pthread_mutex_init(&mutex->os, NULL) != 0) {
    free(mutex);
    return NULL;
  }
  return mutex;
}

void ik_mutex_free(struct ik_mutex *mutex) {
  if (mutex == NULL) return;
  pthread_mutex_destroy(&mutex->os);
  free(mutex);
}

void ik_mutex_lock(struct ik_mutex *mutex) {
  pthread_mutex_lock(&mutex->os);
}

void ik_mutex_unlock(struct ik_mutex *mutex) {
  pthread_mutex_unlock(&mutex->os);
}

/* Waits are monotonic: setting the wall clock must neither end nor stretch one. A deadline of
 * ik_port_now_ms becomes a duration first, because that clock may be another one (clock.c). */
static int init_cond(pthread_cond_t *cond) {
#if defined(__APPLE__)
  return pthread_cond_init(cond, NULL);
#else
  pthread_condattr_t attr;
  if (pthread_condattr_init(&attr) != 0) return -1;
  int rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  if (rc == 0) rc = pthread_cond_init(cond, &attr);
  pthread_condattr_destroy(&attr);
  return rc;
#endif
}

struct ik_cond *ik_cond_new(void) {
  struct ik_cond *cond = malloc(sizeof *cond);
  if (cond == NULL) return NULL;
  if (init_cond(&cond->os) != 0) {
    free(cond);
    return NULL;
  }
  return cond;
}

void ik_cond_free(struct ik_cond *cond) {
  if (cond == NULL) return;
  pthread_cond_destroy(&cond->os);
  free(cond);
}

void ik_cond_broadcast(struct ik_cond *cond) {
  pthread_cond_broadcast(&cond->os);
}

static void wait_until(struct ik_cond *cond, struct ik_mutex *mutex, uint64_t deadline_ms) {
  uint64_t now = ik_port_now_ms();
  uint64_t wait_ms = deadline_ms > now ? deadline_ms - now : 0;
  struct timespec ts;
  /* A day at a time keeps time_t arithmetic far from its ends; returning early is allowed. */
  if (wait_ms > 86400000) wait_ms = 86400000;
#if defined(__APPLE__)
  ts.tv_sec = (time_t)(wait_ms / 1000);
  ts.tv_nsec = (long)(wait_ms % 1000) * 1000000;
  pthread_cond_timedwait_relative_np(&cond->os, &mutex->os, &ts);
#else
  clock_gettime(CLOCK_MONOTONIC, &ts);
  ts.tv_sec += (time_t)(wait_ms / 1000);
  ts.tv_nsec += (long)(wait_ms % 1000) * 1000000;
  if (ts.tv_nsec >= 1000000000) {
    ts.tv_sec++;
    ts.tv_nsec -= 1000000000;
  }
  pthread_cond_timedwait(&cond->os, &mutex->os, &ts);
#endif
}

void ik_cond_wait(struct ik_cond *cond, struct ik_mutex *mutex, uint64_t deadline_ms) {
  if (deadline_ms == UINT64_MAX)
    pthread_cond_wait(&cond->os, &mutex->os);
  else
    wait_until(cond, mutex, deadline_ms);
}
