/* Name resolution: works with and without a network, so of names that do not exist only the kind of
 * error is checked. */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

#define MANY 40

static int finish(struct ik_lookup *lookup, struct ik_address *out, size_t cap, char *detail) {
  struct ik_pollfd fd = {.fd = ik_lookup_fd(lookup), .interest = IOTKIT_READ};
  assert_int_equal(ik_port_poll(&fd, 1, TEST_LIMIT_MS), 1);
  return ik_lookup_result(lookup, out, cap, detail);
}

static void literals_need_no_resolver(void **state) {
  (void)state;
  struct ik_address out[2];
  struct ik_lookup *lookup;
  assert_int_equal(ik_lookup_start("::1", 1883, &lookup), 0);
  assert_int_equal(ik_lookup_result(lookup, out, 2, NULL), 1); /* immediately */
  assert_int_equal(out[0].family, 6);
  assert_int_equal(out[0].port, 1883);
  ik_lookup_free(lookup);
}

static void check_loopback(const char *host) {
  struct ik_address out[IK_ADDRESSES_MAX];
  struct ik_lookup *lookup;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(ik_lookup_start(host, 443, &lookup), 0);
  int count = finish(lookup, out, IK_ADDRESSES_MAX, detail);
  assert_in_range(count, 1, IK_ADDRESSES_MAX);
  for (int i = 0; i < count; i++) {
    static const uint8_t one[16] = {[15] = 1};
    assert_int_equal(out[i].port, 443);
    if (out[i].family == 4)
      assert_int_equal(out[i].bytes[0], 127);
    else
      assert_memory_equal(out[i].bytes, one, 16);
  }
  assert_int_equal(ik_lookup_result(lookup, out, 1, detail), 1); /* again, and cut */
  ik_lookup_free(lookup);
}

static void localhost_is_loopback(void **state) {
  (void)state;
  check_loopback("localhost");
  check_loopback("localhost."); /* the root's dot is in no hosts file */
}

static void bad_names_are_an_error_that_names_them(void **state) {
  (void)state;
  struct ik_address out[1];
  struct ik_lookup *lookup;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(ik_lookup_start("no-such-host.invalid", 1, &lookup), 0);
  assert_int_equal(finish(lookup, out, 1, detail), IK_ERESOLVE);
  assert_ptr_equal(strstr(detail, "no-such-host.invalid: "), detail);
  assert_int_equal(ik_lookup_result(lookup, out, 1, NULL), IK_ERESOLVE);
  ik_lookup_free(lookup);
}

static void impossible_names_are_refused_at_once(void **state) {
  (void)state;
  char long_name[IK_HOST_MAX + 2];
  struct ik_lookup *lookup;
  memset(long_name, 'a', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = '\0';
  assert_int_equal(ik_lookup_start("", 1, &lookup), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_lookup_start(NULL, 1, &lookup), IK_EINVALID_ARGUMENT);
  assert_int_equal(ik_lookup_start(long_name, 1, &lookup), IK_ETOO_LONG);
  assert_null(lookup);
}

/* More than there are workers: all are answered, whatever happens to their neighbours. */
static void cancelling_leaves_the_others_alone(void **state) {
  (void)state;
  struct ik_lookup *lookups[MANY];
  struct ik_address out[1];
  for (int i = 0; i < MANY; i++)
    assert_int_equal(ik_lookup_start("localhost", (uint16_t)(1000 + i), &lookups[i]), 0);
  for (int i = 0; i < MANY; i += 2)
    ik_lookup_free(lookups[i]); /* queued, being resolved, or done */
  for (int i = 1; i < MANY; i += 2) {
    assert_int_equal(finish(lookups[i], out, 1, NULL), 1);
    assert_int_equal(out[0].port, 1000 + i);
    ik_lookup_free(lookups[i]);
  }
  ik_lookup_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(literals_need_no_resolver),
      cmocka_unit_test(localhost_is_loopback),
      cmocka_unit_test(bad_names_are_an_error_that_names_them),
      cmocka_unit_test(impossible_names_are_refused_at_once),
      cmocka_unit_test(cancelling_leaves_the_others_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
