/* Where the kernel has no clock that counts suspended time, the ordinary one is used, from the first
 * call to the last. */
#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "port/port.h"
#include "support/cmocka_all.h"

#if defined(CLOCK_BOOTTIME)

static bool is_old = true;

int clock_gettime(clockid_t id, struct timespec *now);

int clock_gettime(clockid_t id, struct timespec *now) {
  if (id != CLOCK_BOOTTIME) return (int)syscall(SYS_clock_gettime, id, now);
  if (is_old) {
    errno = EINVAL;
    return -1;
  }
  *now = (struct timespec){.tv_sec = 1u << 30};
  return 0;
}

static void the_ordinary_clock_is_kept(void **state) {
  (void)state;
  uint64_t before = ik_port_now_ms();
  assert_true(before > 1); /* 1 is what a clock that cannot be read gives */
  is_old = false;
  uint64_t after = ik_port_now_ms();
  assert_true(after >= before && after < (uint64_t)(1u << 30) * 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_ordinary_clock_is_kept)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
  print_message("this system has one monotonic clock\n");
  return 0;
}

#endif
