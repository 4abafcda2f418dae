/* Where libc has no getrandom (glibc before 2.25), the device gives the bytes. The source is compiled
 * in here with a name that nobody has. */
#if defined(__linux__)
#define getrandom ik_test_absent_getrandom
#endif
#include "../../../src/port/posix/random.c" /* NOLINT(bugprone-suspicious-include) */
#include "support/cmocka_all.h"

static void the_device_gives_the_bytes(void **state) {
  (void)state;
  uint8_t a[32] = {0}, b[32] = {0};
#if defined(__linux__)
  assert_int_equal(from_system_call(a, sizeof a), 0);
  assert_int_equal(from_device(a, sizeof a), sizeof a);
#endif
  ik_port_random(a, sizeof a);
  ik_port_random(b, sizeof b);
  assert_memory_not_equal(a, b, sizeof a);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_device_gives_the_bytes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
