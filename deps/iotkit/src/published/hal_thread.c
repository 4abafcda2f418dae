/* Tested by deps/iotkit/test/published/test_hal.c. */
/*
 * hal_thread.c - HAL_Thread*. A thread's record has two owners, the thread and the handle; the last
 * one to let go frees it. The thread itself is detached, so that a handle may be given back in any
 * way, or from the thread itself.
 */
#include "published/hal.h"

#include "port/port.h"

struct thread {
  void *(*run)(void *arg);
  void *arg;
  struct ik_mutex *mutex; /* guards what follows */
  struct ik_cond *ended_cond;
  uintptr_t self; /* 0 until it runs */
  bool ended;
  int owners;
};

static void free_thread(struct thread *thread) {
  if (thread->mutex) ik_mutex_free(thread->mutex);
  if (thread->ended_cond) ik_cond_free(thread->ended_cond);
  free(thread);
}

/* With the mutex held, which it gives back. */
static void let_go(struct thread *thread) {
  bool last = --thread->owners == 0;
  ik_mutex_unlock(thread->mutex);
  if (last) free_thread(thread);
}

static void thread_main(void *arg) {
  struct thread *thread = arg;
  ik_mutex_lock(thread->mutex);
  thread->self = ik_thread_self();
  ik_mutex_unlock(thread->mutex);
  thread->run(thread->arg);
  ik_mutex_lock(thread->mutex);
  thread->ended = true;
  ik_cond_broadcast(thread->ended_cond);
  let_go(thread);
}

static struct thread *new_thread(void *(*run)(void *), void *arg) {
  struct thread *thread = calloc(1, sizeof *thread);
  if (!thread) return NULL;
  thread->run = run;
  thread->arg = arg;
  thread->owners = 2;
  thread->mutex = ik_mutex_new();
  thread->ended_cond = ik_cond_new();
  if (thread->mutex && thread->ended_cond) return thread;
  free_thread(thread);
  return NULL;
}

static void detach(struct thread *thread) {
  ik_mutex_lock(thread->mutex);
  let_go(thread);
}

HAL_WEAK int HAL_ThreadCreate(void **thread_handle, void *(*work_routine)(void *), void *arg,
                              hal_os_thread_param_t *params, int *stack_used) {
  const char *name = params && params->name ? params->name : "iotkit-hal";
  size_t stack_bytes = params ? params->stack_size : 0;
  struct thread *thread;

  if (!thread_handle || !work_routine) return -1;
  *thread_handle = NULL;
  if (stack_used) *stack_used = 0;
  thread = new_thread(work_routine, arg);
  if (!thread) return -1;
  if (ik_thread_detached(name, stack_bytes, thread_main, thread) < 0) {
    free_thread(thread);
    return -1;
  }
  if (params && params->detach_state) {
    detach(thread);
  } else {
    *thread_handle = thread;
  }
  return 0;
}

HAL_WEAK void HAL_ThreadDetach(void *thread_handle) {
  if (thread_handle) detach(thread_handle);
}

HAL_WEAK void HAL_ThreadDelete(void *thread_handle) {
  struct thread *thread = thread_handle;
  if (!thread) return;
  ik_mutex_lock(thread->mutex);
  while (!thread->ended && thread->self != ik_thread_self()) {
    ik_cond_wait(thread->ended_cond, thread->mutex, UINT64_MAX);
  }
  let_go(thread);
}
