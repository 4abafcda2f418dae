/* The monotonic clock counts time that the machine was suspended, and waits agree with it. This file
 * stands between the SDK and the system's clocks. */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "iotkit_core.h"
#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/cmocka_all.h"

#if defined(CLOCK_BOOTTIME)

#define HOUR_MS 3600000u

/* How long the machine has been suspended. */
static atomic_uint suspended_ms;

int clock_gettime(clockid_t id, struct timespec *now);

int clock_gettime(clockid_t id, struct timespec *now) {
  clockid_t real = id == CLOCK_BOOTTIME ? CLOCK_MONOTONIC : id;
  if (syscall(SYS_clock_gettime, real, now) != 0) return -1;
  if (id == CLOCK_BOOTTIME) now->tv_sec += (time_t)(atomic_load(&suspended_ms) / 1000);
  return 0;
}

static uint64_t monotonic_ms(void) {
  struct timespec now;
  assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void suspended_time_counts(void **state) {
  (void)state;
  uint64_t before = ik_port_now_ms();
  atomic_fetch_add(&suspended_ms, HOUR_MS);
  assert_true(ik_port_now_ms() >= before + HOUR_MS);
  const uint64_t monotonic = monotonic_ms();
  assert_true(ik_port_now_ms() >= monotonic + HOUR_MS);
  assert_true(iotkit_now_ms() >= before + HOUR_MS);
}

/* A wait is as long as its deadline is away, though the clock of waits is an hour behind. */
static void waits_are_as_long_as_they_were_asked_for(void **state) {
  (void)state;
  struct ik_mutex *mutex = ik_mutex_new();
  struct ik_cond *cond = ik_cond_new();
  atomic_fetch_add(&suspended_ms, HOUR_MS);
  uint64_t deadline_ms = ik_port_now_ms() + 50;
  ik_mutex_lock(mutex);
  while (ik_port_now_ms() < deadline_ms)
    ik_cond_wait(cond, mutex, deadline_ms);
  ik_cond_wait(cond, mutex, deadline_ms); /* over: it returns */
  ik_mutex_unlock(mutex);
  ik_cond_free(cond);
  ik_mutex_free(mutex);
}

static iotkit_thread_t *start_waiter(void (*run)(void *), void *arg) {
  iotkit_thread_t *thread = NULL;
  assert_int_equal(iotkit_thread_start(&thread, "waiter", 0, run, arg), 0);
  return thread;
}

static void wait_a_moment(void *arg) {
  struct ik_wake *wake = arg;
  struct ik_pollfd fd = {.fd = ik_wake_fd(wake), .interest = IOTKIT_READ};
  uint64_t deadline_ms = ik_port_now_ms() + 200;
  while (ik_port_now_ms() < deadline_ms)
    ik_port_poll(&fd, 1, 50);
}

/* A wait that spans a suspend ends, and what was due meanwhile is found to be. */
static void a_wait_that_spans_a_suspend_ends(void **state) {
  (void)state;
  struct ik_wake *wake = NULL;
  assert_int_equal(ik_wake_new(&wake), 0);
  iotkit_thread_t *thread = start_waiter(wait_a_moment, wake);
  atomic_fetch_add(&suspended_ms, HOUR_MS);
  iotkit_thread_join(thread);
  ik_wake_free(wake);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(suspended_time_counts),
      cmocka_unit_test(waits_are_as_long_as_they_were_asked_for),
      cmocka_unit_test(a_wait_that_spans_a_suspend_ends),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
  print_message("this system has one monotonic clock\n");
  return 0;
}

#endif
