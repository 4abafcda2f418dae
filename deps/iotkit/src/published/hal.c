/*
 * hal.c - HAL_*: memory, text, time, mutexes and semaphores over libc and the port. Handles belong
 * to the caller, from Create to Destroy.
 */
#include "published/hal.h"

#include "port/port.h"

HAL_WEAK void *HAL_Malloc(uint32_t size) {
  return malloc(size);
}

HAL_WEAK void *HAL_Realloc(void *ptr, uint32_t size) {
  return realloc(ptr, size);
}

HAL_WEAK void *HAL_Calloc(uint32_t nmemb, uint32_t size) {
  return calloc(nmemb, size);
}

HAL_WEAK void HAL_Free(void *ptr) {
  free(ptr);
}

HAL_WEAK void HAL_Printf(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vprintf(fmt, args);
  va_end(args);
  fflush(stdout);
}

static int print(char *str, int len, const char *fmt, va_list args) {
  return vsnprintf(len > 0 ? str : NULL, len > 0 ? (size_t)len : 0, fmt, args);
}

HAL_WEAK int HAL_Vsnprintf(char *str, const int len, const char *fmt, va_list ap) {
  return print(str, len, fmt, ap);
}

HAL_WEAK int HAL_Snprintf(char *str, const int len, const char *fmt, ...) {
  va_list args;
  int printed;
  va_start(args, fmt);
  printed = print(str, len, fmt, args);
  va_end(args);
  return printed;
}

HAL_WEAK void HAL_SleepMs(uint32_t ms) {
  ik_port_sleep_ms(ms);
}

HAL_WEAK uint64_t HAL_UptimeMs(void) {
  return ik_port_now_ms();
}

HAL_WEAK void HAL_Srandom(uint32_t seed) {
  (void)seed;
}

HAL_WEAK uint32_t HAL_Random(uint32_t region) {
  uint32_t reject;
  uint32_t bits;
  if (region == 0) return 0;
  /* 2^32 mod region: draws below it would make the small results likelier. */
  reject = (UINT32_MAX - region + 1) % region;
  do {
    bits = ik_port_random_u32();
  } while (bits < reject);
  return bits % region;
}

HAL_WEAK void *HAL_MutexCreate(void) {
  return ik_mutex_new();
}

HAL_WEAK void HAL_MutexDestroy(void *mutex) {
  if (mutex) ik_mutex_free(mutex);
}

HAL_WEAK void HAL_MutexLock(void *mutex) {
  if (mutex) ik_mutex_lock(mutex);
}

HAL_WEAK void HAL_MutexUnlock(void *mutex) {
  if (mutex) ik_mutex_unlock(mutex);
}

struct semaphore {
  struct ik_mutex *mutex;
  struct ik_cond *posted;
  uint64_t count;
};

static void free_semaphore(struct semaphore *sem) {
  if (sem->mutex) ik_mutex_free(sem->mutex);
  if (sem->posted) ik_cond_free(sem->posted);
  free(sem);
}

HAL_WEAK void *HAL_SemaphoreCreate(void) {
  struct semaphore *sem = calloc(1, sizeof *sem);
  if (!sem) return NULL;
  sem->mutex = ik_mutex_new();
  sem->posted = ik_cond_new();
  if (sem->mutex && sem->posted) return sem;
  free_semaphore(sem);
  return NULL;
}

HAL_WEAK void HAL_SemaphoreDestroy(void *handle) {
  if (handle) free_semaphore(handle);
}

HAL_WEAK void HAL_SemaphorePost(void *handle) {
  struct semaphore *sem = handle;
  if (!sem) return;
  ik_mutex_lock(sem->mutex);
  sem->count++;
  /* Inside the lock: whoever wakes may destroy the semaphore. */
  ik_cond_broadcast(sem->posted);
  ik_mutex_unlock(sem->mutex);
}

HAL_WEAK int HAL_SemaphoreWait(void *handle, uint32_t timeout_ms) {
  struct semaphore *sem = handle;
  bool for_ever = timeout_ms == PLATFORM_WAIT_INFINITE;
  uint64_t deadline;
  bool taken;
  if (!sem) return -1;
  deadline = for_ever ? UINT64_MAX : ik_port_now_ms() + timeout_ms;
  ik_mutex_lock(sem->mutex);
  while (sem->count == 0 && (for_ever || ik_port_now_ms() < deadline)) {
    ik_cond_wait(sem->posted, sem->mutex, deadline);
  }
  taken = sem->count > 0;
  if (taken) sem->count--;
  ik_mutex_unlock(sem->mutex);
  return taken ? 0 : -1;
}
