/* Random bytes. */
#include "port/port.h"
#include "support/cmocka_all.h"

static void random_bytes_differ(void **state) {
  (void)state;
  uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};
  ik_port_random(a, sizeof a);
  ik_port_random(b, sizeof b);
  assert_memory_not_equal(a, b, sizeof a);
  assert_memory_not_equal(a, zero, sizeof a);
  uint32_t any = 0;
  for (int i = 0; i < 8; i++)
    any |= ik_port_random_u32();
  assert_true(any != 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_bytes_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
