/*
 * A channel over an MQTT client of the program's own whose functions fail, one after the other; and
 * arguments that are none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cm.h"
#include "support/over_world.h"

/* ---- faults of the transport's functions ---- */

static void asks_again_for_what_could_not_be_sent(void **state) {
  struct world *world = *state;
  ow_push_blocks(world);
  ow_until(world, &world->jobs, 1);
  uint64_t offset;
  /* The subscription goes through; then requests do not. */
  int64_t n = iotkit_job_fetch(world->job, world->image, 1, 0, &offset);
  assert_true(n == 0 || n == 1);
  world->fault = IK_EQUEUE_FULL;
  world->faults = 1;
  while (iotkit_job_get_state(world->job) == IOTKIT_JOB_FETCHING) {
    n = iotkit_job_fetch(world->job, world->image, SIZE, UINT32_MAX, &offset);
    if (n < 0) assert_int_equal(n, IK_EQUEUE_FULL); /* it was a step that failed */
  }
  assert_int_equal(iotkit_job_check(world->job), 0);
  assert_int_equal(world->faults, 0);
}

static void ends_where_blocks_cannot_be_subscribed(void **state) {
  struct world *world = *state;
  ow_push_blocks(world);
  ow_until(world, &world->jobs, 1);
  world->fault = IK_EMQTT_SUBSCRIBE;
  world->faults = 1;
  assert_int_equal(ow_fetch_all(world, UINT32_MAX), IK_EMQTT_SUBSCRIBE);
}

static void returns_what_the_programs_function_did(void **state) {
  struct world *world = *state;
  ow_await_subscribed(world, UPGRADE_TOPIC);
  world->fault = -42;
  world->faults = 3;
  assert_int_equal(iotkit_ota_report_version(world->ota, "1.0.0", NULL), IK_ENETWORK);
  assert_int_equal(iotkit_ota_report_progress(world->ota, 1, NULL, NULL), IK_ENETWORK);
  assert_int_equal(iotkit_ota_request(world->ota, NULL, NULL), IK_ENETWORK);
  world->fault = IK_EMQTT_NOT_AUTHORIZED;
  world->faults = 1;
  assert_int_equal(iotkit_ota_connected(world->ota), IK_EMQTT_NOT_AUTHORIZED);
}

static void keeps_a_version_for_the_next_connection(void **state) {
  struct world *world = *state;
  world->fault = IK_ENOT_CONNECTED;
  world->faults = 1;
  assert_int_equal(iotkit_ota_report_version(world->ota, "1.2.3", "mcu"), 0);
  ow_await_subscribed(world, UPGRADE_TOPIC);
  ow_assert_published(world, INFORM_TOPIC, "\"1.2.3\"", 1);
}

/* ---- arguments ---- */

static int refuse_publish(void *ctx, const char *topic, const void *payload, size_t len,
                          uint8_t qos) {
  (void)ctx;
  (void)topic;
  (void)payload;
  (void)len;
  (void)qos;
  return IK_ENOT_CONNECTED;
}

static int refuse_topic(void *ctx, const char *topic, uint8_t qos) {
  (void)ctx;
  (void)topic;
  (void)qos;
  return IK_ENOT_CONNECTED;
}

static int refuse_last(void *ctx, const char *topic) {
  return refuse_topic(ctx, topic, 0);
}

static void refuses_what_it_cannot_use(void **state) {
  struct iotkit_transport transport = {
      .publish = refuse_publish, .subscribe = refuse_topic, .unsubscribe = refuse_last};
  struct iotkit_ota_options options = {.product_key = "pk", .device_name = "dn"};
  char detail[IOTKIT_DETAIL_MAX];
  iotkit_ota_t *ota;
  (void)state;
  assert_int_equal(iotkit_ota_new_over(NULL, &options, &ota, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "transport"));
  assert_int_equal(iotkit_ota_new_over(&transport, NULL, &ota, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_new_over(&transport, &options, NULL, NULL), IK_EINVALID_ARGUMENT);
  transport.unsubscribe = NULL;
  assert_int_equal(iotkit_ota_new_over(&transport, &options, &ota, detail), IK_EINVALID_ARGUMENT);
  assert_non_null(strstr(detail, "unsubscribe"));
  transport.unsubscribe = refuse_last;
  transport.struct_size = 3;
  assert_int_equal(iotkit_ota_new_over(&transport, &options, &ota, detail), IK_EINVALID_ARGUMENT);
  transport.struct_size = sizeof(transport);
  options.device_name = "a/b";
  assert_int_equal(iotkit_ota_new_over(&transport, &options, &ota, detail), IK_EINVALID_ARGUMENT);
  assert_null(ota);
  options.device_name = "dn";
  assert_int_equal(iotkit_ota_new_over(&transport, &options, &ota, detail), 0);
  assert_int_equal(iotkit_ota_feed(NULL, "a", 1, "x", 1, false), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_feed(ota, NULL, 1, "x", 1, false), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_feed(ota, "a", 1, NULL, 1, false), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_feed(ota, "a", 1, NULL, 0, false), 0);
  assert_int_equal(iotkit_ota_feed(ota, UPGRADE_TOPIC, strlen(UPGRADE_TOPIC), NULL, 0, false), 1);
  assert_int_equal(iotkit_ota_connected(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_disconnected(NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_free(ota), 0);
}

static void a_channel_with_a_client_is_not_fed(void **state) {
  struct world *world = *state;
  const struct iotkit_ota_options options = {.product_key = "pk", .device_name = "dn"};
  iotkit_ota_t *ota;
  assert_int_equal(iotkit_ota_new(world->client, &options, &ota, NULL), 0);
  assert_int_equal(iotkit_ota_feed(ota, "a", 1, "x", 1, false), IK_EUNSUPPORTED);
  assert_int_equal(iotkit_ota_connected(ota), IK_EUNSUPPORTED);
  assert_int_equal(iotkit_ota_disconnected(ota), IK_EUNSUPPORTED);
  assert_int_equal(iotkit_ota_free(ota), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ow_setup, ow_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(asks_again_for_what_could_not_be_sent),  TEST(ends_where_blocks_cannot_be_subscribed),
      TEST(returns_what_the_programs_function_did), TEST(keeps_a_version_for_the_next_connection),
      cmocka_unit_test(refuses_what_it_cannot_use), TEST(a_channel_with_a_client_is_not_fed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
