/*
 * Sub-devices' secrets are in nothing that is freed: kept for the next login, replaced, wiped at the
 * logout and at the end, and registered.
 */
#include <stdint.h>

#if defined(__linux__)
#include "support/freed.h"
#endif

#include "iotkit_gateway.h"
#include "support/cm.h"
#include "support/gateway_rig.h"

#if defined(__linux__)

#define SECRET "0123456789" FREED_MARK "abcdef"

static bool registered;

static void on_registered(void *ctx, iotkit_gateway_t *gateway,
                          const struct iotkit_gateway_answer *answer) {
  (void)ctx;
  (void)gateway;
  assert_int_equal(answer->count, 1);
  registered = strcmp(answer->devices[0].device_secret, SECRET) == 0;
}

static void secrets_are_wiped(void **state) {
  const struct iotkit_subdevice devices[] = {
      {.product_key = "pk", .device_name = "a", .device_secret = SECRET, .client_id = "id"},
      {.product_key = "pk", .device_name = "b", .device_secret = "another" SECRET}};
  struct gateway_rig *rig = gr_new(NULL);
  (void)state;
  gr_connect(rig);
  assert_int_equal(iotkit_gateway_add(rig->gateway, devices, 2, NULL, NULL, NULL), 0);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(iotkit_gateway_login(rig->gateway, devices, 2, NULL), 0);
    gr_pass(rig, 1000);
    gr_drop(rig);
    gr_connect(rig);
  }
  assert_int_equal(iotkit_gateway_logout(rig->gateway, devices, 1), 0);
  gr_pass(rig, 1000);
  rig->data = "[{\"productKey\":\"pk\",\"deviceName\":\"a\",\"deviceSecret\":\"" SECRET "\"}]";
  assert_int_equal(iotkit_gateway_register(rig->gateway, devices, 1, on_registered, NULL, NULL), 0);
  gr_run(rig);
  assert_true(registered);
  gr_free(rig);
  assert_true(atomic_load(&freed_blocks) > 0);
  if (atomic_load(&freed_secrets) > 0)
    fail_msg("%u blocks still had a secret, as \"%s\"", atomic_load(&freed_secrets), freed_sample);
}

#endif

int main(void) {
#if defined(__linux__)
  const struct CMUnitTest tests[] = {cmocka_unit_test(secrets_are_wiped)};
  return cmocka_run_group_tests(tests, NULL, NULL);
#else
  return 0;
#endif
}
