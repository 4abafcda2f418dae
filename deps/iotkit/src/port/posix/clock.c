/*
 * clock.c - monotonic and wall-clock time. No state.
 */
#include <errno.h>
#include <time.h>

#include "../port.h"

static uint64_t read_clock_ms(clockid_t id) {
  struct timespec now;
  if (clock_gettime(id, &now) != 0) return 0;
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t ik_port_now_ms(void) {
  /* 0 means "at once" wherever a deadline is kept, so the clock of a machine that just started must
   * not show it. */
  return read_clock_ms(CLOCK_MONOTONIC) + 1;
}

uint64_t ik_port_time_ms(void) {
  return read_clock_ms(CLOCK_REALTIME);
}

void ik_port_sleep_ms(uint32_t ms) {
  struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {}
}
