/*
 * As many sub-devices as a gateway may have: all are logged in, and again, within the platform's limits.
 */
#include <stdio.h>

#include "iotkit_gateway.h"
#include "support/cm.h"
#include "support/gateway_rig.h"

static int setup(void **state) {
  struct gateway_rig *rig = gr_new(NULL);
  gr_connect(rig);
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  gr_free(*state);
  return 0;
}

static void login(struct gateway_rig *rig, const struct iotkit_subdevice *devices, size_t count) {
  assert_int_equal(iotkit_gateway_login(rig->gateway, devices, count, NULL), 0);
  gr_run(rig);
}

static bool is_in(struct gateway_rig *rig, const char *name) {
  return iotkit_gateway_is_logged_in(rig->gateway, "pk", name);
}

static void fill(struct iotkit_subdevice *devices, char (*names)[24], size_t count) {
  for (size_t i = 0; i < count; i++) {
    snprintf(names[i], sizeof(names[i]), "dn%04u", (unsigned)i);
    devices[i] = (struct iotkit_subdevice){
        .product_key = "pk", .device_name = names[i], .device_secret = "secret"};
  }
}

/* 200 logins and 30 messages in any second, 50 logins in a message, and as fast as that allows. */
static void assert_rates(const struct gateway_rig *rig) {
  for (size_t i = 200; i < rig->logins; i++)
    if (rig->login_ms[i] - rig->login_ms[i - 200] < 1000)
      fail_msg("201 logins within %u ms", (unsigned)(rig->login_ms[i] - rig->login_ms[i - 200]));
}

static void logs_in_two_thousand_within_the_limits(void **state) {
  static struct iotkit_subdevice devices[IOTKIT_SUBDEVICES_MAX + 1];
  static char names[IOTKIT_SUBDEVICES_MAX + 1][24];
  struct gateway_rig *rig = *state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  fill(devices, names, COUNT(devices));
  assert_int_equal(iotkit_gateway_login(rig->gateway, devices, COUNT(devices), detail),
                   IK_ESUBDEVICE_LIMIT);
  for (int round = 0; round < 2; round++) {
    rig->logins = 0;
    rig->messages = 0;
    if (round == 0)
      login(rig, devices, IOTKIT_SUBDEVICES_MAX);
    else
      gr_connect(rig);
    gr_pass(rig, 12000);
    assert_int_equal(rig->logins, IOTKIT_SUBDEVICES_MAX);
    assert_int_equal(rig->messages, IOTKIT_SUBDEVICES_MAX / 50);
    assert_rates(rig);
    for (size_t i = 0; i < IOTKIT_SUBDEVICES_MAX; i++)
      assert_true(is_in(rig, names[i]));
    gr_drop(rig);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(logs_in_two_thousand_within_the_limits, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
