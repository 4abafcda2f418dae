/*
 * A channel over an MQTT client of the program's own: notices, downloads over HTTP and in MQTT blocks,
 * reports, renewal, lost connections, the end; with one thread, and with one that feeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cm.h"
#include "support/over_world.h"

/* ---- one thread ---- */

static void does_an_update_over_http(void **state) {
  struct world *world = *state;
  /* Before there is a connection: the client keeps it, and says under which id. */
  assert_true(iotkit_ota_report_version(world->ota, "1.0.0", NULL) > 0);
  assert_int_equal(iotkit_ota_report_progress(world->ota, 1, NULL, NULL), IK_ENOT_CONNECTED);
  ow_push_url(world, "/f");
  ow_until(world, &world->jobs, 1);
  ow_assert_published(world, INFORM_TOPIC, "\"1.0.0\"", 1);
  assert_int_equal(ow_fetch_all(world, UINT32_MAX), 0);
  assert_int_equal(iotkit_ota_report_progress(world->ota, 100, "done", NULL), 0);
  ow_assert_published(world, PROGRESS_TOPIC, "\"100\"", 0);
}

static void subscribes_its_topics_and_gives_them_back(void **state) {
  struct world *world = *state;
  unsigned qos = 9;
  ow_await_subscribed(world, GET_REPLY_TOPIC);
  ow_await_subscribed(world, UPGRADE_TOPIC);
  ow_await_subscribed(world, REQUEST_TOPIC);
  assert_true(mini_broker_subscribed(world->broker, UPGRADE_TOPIC, &qos));
  assert_int_equal(qos, 1);
  ow_end_channel(world);
  assert_true(mini_broker_wait_unsubscribed(world->broker, UPGRADE_TOPIC));
  assert_true(mini_broker_wait_unsubscribed(world->broker, REQUEST_TOPIC));
  assert_true(mini_broker_wait_unsubscribed(world->broker, GET_REPLY_TOPIC));
  iotkit_mqtt_free(world->client); /* its events have no channel to go to */
  world->client = NULL;
}

static void leaves_the_messages_of_others(void **state) {
  struct world *world = *state;
  assert_true(iotkit_mqtt_subscribe(world->client, FOREIGN_TOPIC, 0, NULL, NULL) >= 0);
  ow_await_subscribed(world, FOREIGN_TOPIC);
  assert_true(mini_broker_publish(world->broker, FOREIGN_TOPIC, "x", 0, false));
  ow_until(world, &world->foreign, 1);
  ow_await_subscribed(world, UPGRADE_TOPIC);
  assert_true(mini_broker_publish(world->broker, UPGRADE_TOPIC, "no notice", 1, false));
  ow_until(world, &world->refused, 1);
  assert_int_equal(world->jobs, 0);
  ow_assert_published(world, PROGRESS_TOPIC, "ERR_NOTICE_JSON", 0);
}

static void does_an_update_in_blocks(void **state) {
  struct world *world = *state;
  ow_push_blocks(world);
  ow_until(world, &world->jobs, 1);
  assert_int_equal(ow_fetch_all(world, UINT32_MAX), 0);
  assert_int_equal(atomic_load(&world->platform.wrong), 0);
}

static void drives_its_client_between_two_fetches(void **state) {
  struct world *world = *state; /* without a step */
  ow_push_blocks(world);
  ow_until(world, &world->jobs, 1);
  assert_int_equal(ow_fetch_all(world, 0), 0);
}

static enum block_fault drop_once(void *ctx, const struct block_request *request) {
  (void)ctx;
  return request->index == 1 ? BLOCK_DROP : BLOCK_WELL;
}

static void goes_on_after_a_lost_connection(void **state) {
  struct world *world = *state;
  world->platform.script = drop_once;
  ow_push_blocks(world);
  ow_until(world, &world->jobs, 1);
  assert_int_equal(ow_fetch_all(world, UINT32_MAX), 0);
  assert_int_equal(world->connects, 2);
  ow_await_subscribed(world, UPGRADE_TOPIC);
}

static int setup_renewal(void **state) {
  struct world *world = ow_make(true);
  *state = world;
  ow_answer_requests(world);
  return iotkit_mqtt_start(world->client);
}

static int setup_renewal_elsewhere(void **state) {
  struct world *world = ow_make(false);
  *state = world;
  ow_answer_requests(world);
  return iotkit_mqtt_start(world->client);
}

static void gets_another_url(void **state) {
  struct world *world = *state;
  ow_push_url(world, "/old");
  ow_until(world, &world->jobs, 1);
  assert_int_equal(ow_fetch_all(world, UINT32_MAX), 0);
  assert_int_equal(world->jobs, 1);
}

static void refuses_to_fetch_blocks_inside_a_callback(void **state) {
  struct world *world = *state;
  world->fetches_inside = true;
  ow_push_blocks(world);
  ow_until(world, &world->jobs, 1);
  assert_int_equal(world->fetched_inside, IK_EIN_CALLBACK);
  assert_int_equal(ow_fetch_all(world, UINT32_MAX), 0);
}

/* ---- a thread that feeds ---- */

static void does_an_update_while_another_thread_feeds(void **state) {
  struct world *world = *state; /* without a step */
  ow_push_blocks(world);
  ow_until(world, &world->jobs, 1);
  ow_drive_elsewhere(world);
  assert_int_equal(ow_fetch_all(world, UINT32_MAX), 0);
}

static void gets_another_url_from_another_thread(void **state) {
  struct world *world = *state; /* without a step */
  ow_push_url(world, "/old");
  ow_until(world, &world->jobs, 1);
  ow_drive_elsewhere(world);
  assert_int_equal(ow_fetch_all(world, UINT32_MAX), 0);
}

static enum block_fault swallow(void *ctx, const struct block_request *request) {
  (void)ctx;
  (void)request;
  return BLOCK_LOST;
}

static void *fetch_elsewhere(void *arg) {
  struct world *world = arg;
  return (void *)(intptr_t)ow_fetch_all(world, UINT32_MAX);
}

/* The channel goes while a thread fetches its blocks. */
static void ends_a_fetch_with_the_channel(void **state) {
  struct world *world = *state; /* without a step */
  pthread_t fetcher;
  char payload[512];
  void *result;
  world->platform.script = swallow;
  ow_push_blocks(world);
  ow_until(world, &world->jobs, 1);
  ow_drive_elsewhere(world);
  assert_int_equal(pthread_create(&fetcher, NULL, fetch_elsewhere, world), 0);
  assert_true(mini_broker_wait(world->broker, BLOCK_TOPIC, 0, payload, sizeof(payload), NULL));
  ow_stop_driving(world);
  assert_int_equal(iotkit_ota_free(world->ota), 0);
  world->ota = NULL;
  pthread_join(fetcher, &result);
  assert_int_equal((int)(intptr_t)result, IK_ECLOSED);
  iotkit_mqtt_free(world->client);
  world->client = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, ow_setup, ow_teardown)
#define WITHOUT_STEP(name) cmocka_unit_test_setup_teardown(name, ow_setup_without_step, ow_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(does_an_update_over_http),
      TEST(subscribes_its_topics_and_gives_them_back),
      TEST(leaves_the_messages_of_others),
      TEST(does_an_update_in_blocks),
      WITHOUT_STEP(drives_its_client_between_two_fetches),
      TEST(goes_on_after_a_lost_connection),
      cmocka_unit_test_setup_teardown(gets_another_url, setup_renewal, ow_teardown),
      TEST(refuses_to_fetch_blocks_inside_a_callback),
      WITHOUT_STEP(does_an_update_while_another_thread_feeds),
      cmocka_unit_test_setup_teardown(gets_another_url_from_another_thread, setup_renewal_elsewhere,
                                      ow_teardown),
      WITHOUT_STEP(ends_a_fetch_with_the_channel),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
