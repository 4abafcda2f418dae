/*
 * How sub-devices come to a gateway: registered by their product's secret, and invited to join, over a
 * client on a fake clock.
 */
#include <stdio.h>
#include <string.h>

#include "support/cm.h"
#include "support/gateway_rig.h"

static int setup(void **state) {
  struct gateway_rig *rig = gr_new(NULL);
  gr_connect(rig);
  rig->said[0] = '\0';
  *state = rig;
  return 0;
}

static int teardown(void **state) {
  gr_free(*state);
  return 0;
}

static void asks_for_all_of_a_product_at_once(void **state) {
  struct gateway_rig *rig = *state;
  const struct iotkit_subdevice three[] = {{.product_key = "pk", .device_name = "a"},
                                           {.product_key = "pk", .device_name = "b"},
                                           {.product_key = "pk", .device_name = "c"}};
  rig->data = "{\"failures\":[{\"productKey\":\"pk\",\"deviceName\":\"b\"}],\"successes\":["
              "{\"productKey\":\"pk\",\"deviceName\":\"a\",\"deviceSecret\":\"s1\"},"
              "{\"productKey\":\"pk\",\"deviceName\":\"c\",\"deviceSecret\":\"s3\"}]}";
  assert_int_equal(
      iotkit_gateway_provision(rig->gateway, "secret", three, 3, gr_on_answer, "r", NULL), 0);
  gr_run(rig);
  gr_assert_said(rig, "product_register:a:b:c ");
  gr_assert_heard(rig, "r:0:200:pk/a/s1:pk/c/s3 ");
  assert_null(strstr(rig->payload, "secret\""));
}

static void each_proof_has_a_random_of_its_own(void **state) {
  struct gateway_rig *rig = *state;
  char first[sizeof(rig->payload)];
  const struct iotkit_subdevice one = {.product_key = "pk", .device_name = "a"};
  assert_int_equal(iotkit_gateway_provision(rig->gateway, "secret", &one, 1, NULL, NULL, NULL), 0);
  gr_run(rig);
  snprintf(first, sizeof(first), "%s", strstr(rig->payload, "\"random\":"));
  assert_int_equal(iotkit_gateway_provision(rig->gateway, "secret", &one, 1, NULL, NULL, NULL), 0);
  gr_run(rig);
  assert_string_not_equal(strstr(rig->payload, "\"random\":"), first);
}

static void a_products_secret_is_for_its_own_devices(void **state) {
  struct gateway_rig *rig = *state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  const struct iotkit_subdevice two[] = {{.product_key = "pk", .device_name = "a"},
                                         {.product_key = "other", .device_name = "b"}};
  assert_int_equal(
      iotkit_gateway_provision(rig->gateway, "secret", two, 2, gr_on_answer, "r", detail),
      IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "product_key: a product's secret"));
  assert_int_equal(iotkit_gateway_provision(rig->gateway, NULL, two, 1, gr_on_answer, "r", detail),
                   IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "product_secret is missing or empty");
  assert_int_equal(iotkit_gateway_provision(rig->gateway, "s", NULL, 1, gr_on_answer, "r", detail),
                   IK_EINVALID_ARGUMENT);
  gr_assert_said(rig, "");
}

static void lets_the_program_know_who_may_join(void **state) {
  struct gateway_rig *rig = *state;
  gr_push(rig, "/sys/gpk/gdn/thing/gateway/permit",
          "{\"id\":\"5\",\"params\":{\"productKey\":\"pk\",\"timeout\":60}}");
  gr_assert_heard(rig, "permit:pk:60 ");
  gr_assert_said(rig, "permit_reply ");
  gr_push(rig, "/sys/gpk/gdn/thing/gateway/permit", "{\"id\":\"6\",\"params\":7}");
  gr_assert_heard(rig, "");
  gr_assert_said(rig, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(asks_for_all_of_a_product_at_once),
      TEST(each_proof_has_a_random_of_its_own),
      TEST(a_products_secret_is_for_its_own_devices),
      TEST(lets_the_program_know_who_may_join),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
