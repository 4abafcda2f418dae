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

/* ---- version reports ---- */

#define REPORTERS IOTKIT_SUBDEVICES_MAX

static iotkit_ota_t *channels[REPORTERS];

/* All of them report, and are logged in already: how long that takes. */
static uint64_t report_all(struct gateway_rig *rig, char (*names)[24]) {
  for (size_t i = 0; i < REPORTERS; i++) {
    const struct iotkit_ota_options options = {.product_key = "pk", .device_name = names[i]};
    assert_int_equal(iotkit_gateway_ota_new(rig->gateway, &options, &channels[i], NULL), 0);
    assert_int_equal(iotkit_ota_report_version(channels[i], "1.0.0", NULL), 0);
  }
  const uint64_t begin_ms = rig->client->now;
  rig->messages = rig->qos1 = 0;
  while (rig->messages < REPORTERS)
    gr_pass(rig, 50);
  for (size_t i = 0; i < REPORTERS; i++)
    assert_int_equal(iotkit_ota_free(channels[i]), 0);
  return rig->client->now - begin_ms;
}

/* 20 a second, of which 10 with QoS 1; or as many as were asked for. */
static void two_thousand_report_within_their_rate(void **state) {
  static const struct {
    uint32_t per_s;
    uint64_t most_ms;
    unsigned qos1;
  } rows[] = {{0, 100100, REPORTERS / 2}, {200, 10100, REPORTERS}, {1000, 2100, REPORTERS}};
  static struct iotkit_subdevice devices[REPORTERS];
  static char names[REPORTERS][24];
  (void)state;
  fill(devices, names, REPORTERS);
  for (size_t i = 0; i < COUNT(rows); i++) {
    const struct iotkit_gateway_options options = {
        .product_key = "gpk", .device_name = "gdn", .reports_per_s = rows[i].per_s};
    struct gateway_rig *rig = gr_new(&options);
    gr_connect(rig);
    login(rig, devices, REPORTERS);
    gr_pass(rig, 12000);
    const uint64_t took_ms = report_all(rig, names);
    assert_in_range(took_ms, rows[i].most_ms - 200, rows[i].most_ms);
    assert_int_equal(rig->messages, REPORTERS);
    assert_int_equal(rig->qos1, rows[i].qos1);
    gr_free(rig);
  }
}

static void a_rate_that_cannot_be_is_refused(void **state) {
  struct gateway_rig *rig = *state;
  iotkit_gateway_t *gateway;
  char detail[IOTKIT_DETAIL_MAX] = "";
  const struct iotkit_gateway_options options = {
      .product_key = "pk", .device_name = "a", .reports_per_s = 1001};
  assert_int_equal(iotkit_gateway_new(rig->client->client, &options, &gateway, detail),
                   IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "reports_per_s is 1001, not 0 to 1000");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(logs_in_two_thousand_within_the_limits, setup, teardown),
      cmocka_unit_test(two_thousand_report_within_their_rate),
      cmocka_unit_test_setup_teardown(a_rate_that_cannot_be_is_refused, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
