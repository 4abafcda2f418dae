/* Waking a thread that waits for descriptors. */
#include <signal.h>

#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

static void signal_it(void *arg) {
  ik_wake_signal(arg);
}

static int readable(const struct ik_wake *wake, uint32_t timeout_ms) {
  struct ik_pollfd fd = {.fd = ik_wake_fd(wake), .interest = IOTKIT_READ};
  return ik_port_poll(&fd, 1, timeout_ms);
}

static void wakes_cross_threads(void **state) {
  (void)state;
  struct ik_wake *wake;
  assert_int_equal(ik_wake_new(&wake), 0);
  assert_int_equal(readable(wake, 0), 0);
  assert_int_equal(ik_thread_detached("signal", 65536, signal_it, wake), 0);
  assert_int_equal(readable(wake, TEST_LIMIT_MS), 1);
  ik_wake_signal(wake);
  ik_wake_signal(wake);
  ik_wake_clear(wake);
  assert_int_equal(readable(wake, 0), 0);
  ik_wake_clear(wake); /* nothing to clear: does not block */
  ik_wake_free(wake);
  ik_wake_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wakes_cross_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
