/* The clocks. */
#include "port/port.h"
#include "support/cmocka_all.h"

static void clocks_run(void **state) {
  (void)state;
  uint64_t before = ik_port_now_ms();
  assert_true(before > 0);
  ik_port_sleep_ms(3);
  assert_true(ik_port_now_ms() >= before + 2); /* both ends are rounded down */
  assert_true(ik_port_time_ms() > 1600000000000u);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(clocks_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
