/*
 * fake_port.c - what stands in the place of clock.c, random.c and poll.c.
 */
#include "fuzz/support/fake_port.h"

#include <string.h>

#include "fuzz/support/input.h"
#include "port/port.h"

uint64_t __wrap_ik_port_now_ms(void);
uint64_t __wrap_ik_port_time_ms(void);
uint32_t __wrap_ik_port_random_u32(void);
int __wrap_ik_port_poll(struct ik_pollfd *fds, size_t count, uint32_t timeout_ms);
int __real_ik_port_poll(struct ik_pollfd *fds, size_t count, uint32_t timeout_ms);

static uint64_t now;
static uint32_t chance;

void fake_port_begin(uint64_t now_ms) {
  now = now_ms;
  chance = 1;
}

uint64_t fake_port_now_ms(void) {
  return now;
}

void fake_port_pass(uint64_t ms) {
  now += ms;
}

uint64_t __wrap_ik_port_now_ms(void) {
  return now;
}

uint64_t __wrap_ik_port_time_ms(void) {
  return UINT64_C(1700000000000) + now;
}

uint32_t __wrap_ik_port_random_u32(void) {
  chance = chance * 1664525u + 1013904223u;
  return chance;
}

/* Nothing ever becomes ready by waiting, but for what is ready: the wait takes all of its time. */
int __wrap_ik_port_poll(struct ik_pollfd *fds, size_t count, uint32_t timeout_ms) {
  const int ready = __real_ik_port_poll(fds, count, 0);
  if (ready != 0) return ready;
  CHECK(timeout_ms != UINT32_MAX); /* nobody could end it */
  now += timeout_ms;
  return 0;
}
