/*
 * clock.c - monotonic and wall-clock time. The only state is which clock was chosen, once.
 *
 * The monotonic clock goes on while the machine is suspended, where the system has such a clock:
 * after hours of sleep a connection that the broker has long given up must not look seconds old.
 * Waits (poll, epoll, condition variables) run on CLOCK_MONOTONIC, which stands meanwhile. They are
 * given durations and no points in time, so the two never mix: a wait that spans a suspend ends
 * late, by its own length at most, and then finds what is due.
 */
#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "port/port.h"

static uint64_t read_clock_ms(clockid_t id) {
  struct timespec now;
  if (clock_gettime(id, &now) != 0) return 0;
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#if defined(CLOCK_BOOTTIME)
/* Old kernels and some sandboxes do not have it. To change over later would make a jump. */
static clockid_t monotonic_clock(void) {
  enum { UNDECIDED, BOOTTIME, MONOTONIC };
  static atomic_int choice = UNDECIDED;
  struct timespec now;
  int chosen = atomic_load_explicit(&choice, memory_order_relaxed);
  if (chosen == UNDECIDED) {
    chosen = clock_gettime(CLOCK_BOOTTIME, &now) == 0 ? BOOTTIME : MONOTONIC;
    atomic_store_explicit(&choice, chosen, memory_order_relaxed);
  }
  return chosen == BOOTTIME ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
}
#else
static clockid_t monotonic_clock(void) {
  return CLOCK_MONOTONIC; /* of macOS, for one, goes on by itself */
}
#endif

uint64_t ik_port_now_ms(void) {
  /* 0 means "now" wherever a deadline is kept, so the clock of a machine that has just started must
   * not show 0. */
  return read_clock_ms(monotonic_clock()) + 1;
}

uint64_t ik_port_time_ms(void) {
  return read_clock_ms(CLOCK_REALTIME);
}

void ik_port_sleep_ms(uint32_t ms) {
  struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}
