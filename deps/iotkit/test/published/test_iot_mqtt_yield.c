/*
 * IOT_MQTT_Yield beside an upgrade: only the one that stands between two FetchYields of its thread is
 * cut short. A Yield that must wait has no time-out worth the name, and what ends it is a message
 * that comes when it waits: one that does not wait returns without it.
 */
#include <limits.h>
#include <string.h>

#include "support/cm.h"

#include "client/client.h"
#include "iot_export.h"
#include "iotkit_iot.h"
#include "port/port.h"
#include "published/iot_mqtt.h"
#include "support/iot_notes.h"
#include "support/ota_world.h"
#include "support/tcp_peer.h"

static void listen_for(struct world *world, struct iot_notes *notes) {
  assert_true(IOT_MQTT_Subscribe_Sync(world->mqtt, "/a", IOTX_MQTT_QOS0, iot_notes_message, notes,
                                      TEST_LIMIT_MS) > 0);
}

/* Not before the client's thread is about to sleep. */
static void say_when_it_waits(void *arg) {
  struct world *world = arg;
  iotkit_mqtt_t *client = ik_iot_mqtt_client(world->mqtt);
  bool waits = false;
  while (!waits) {
    ik_mutex_lock(client->mutex);
    waits = client->driver && client->waker_armed;
    ik_mutex_unlock(client->mutex);
  }
  assert_true(mini_broker_publish(world->broker, "/a", "x", 0, false));
}

static void assert_waits(struct world *world, struct iot_notes *notes) {
  iotkit_thread_t *thread;
  const unsigned before = notes->messages;
  assert_int_equal(iotkit_thread_start(&thread, "speaker", 0, say_when_it_waits, world), 0);
  assert_int_equal(IOT_MQTT_Yield(world->mqtt, INT_MAX), 0);
  assert_int_equal(notes->messages, before + 1);
  iotkit_thread_join(thread);
}

static void assert_is_cut_short(struct world *world, struct iot_notes *notes) {
  const unsigned before = notes->messages;
  assert_int_equal(IOT_MQTT_Yield(world->mqtt, INT_MAX), 0);
  assert_int_equal(notes->messages, before);
}

static void waits_while_nobody_fetches(void **state) {
  struct world *world = *state;
  struct iot_notes notes = {0};
  listen_for(world, &notes);
  world_push_md5(world, "2.0.0", "/f");
  world_await_fetching(world);
  for (int i = 0; i < 10; i++)
    assert_waits(world, &notes);
}

static void is_cut_short_between_two_fetches(void **state) {
  struct world *world = *state;
  struct iot_notes notes = {0};
  char buf[100];
  listen_for(world, &notes);
  world_push_md5(world, "2.0.0", "/f");
  world_await_fetching(world);
  for (int i = 0; i < 10; i++) {
    assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), sizeof(buf));
    assert_is_cut_short(world, &notes);
  }
  assert_waits(world, &notes); /* the program has left the loop */
  while (!IOT_OTA_IsFetchFinish(world->ota))
    assert_true(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30) > 0);
  assert_waits(world, &notes);
}

static void fetch_some(void *arg) {
  struct world *world = arg;
  char buf[100];
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), sizeof(buf));
}

/* A thread of its own fetches: the one that yields waits. */
static void waits_while_another_thread_fetches(void **state) {
  struct world *world = *state;
  struct iot_notes notes = {0};
  iotkit_thread_t *thread;
  listen_for(world, &notes);
  world_push_md5(world, "2.0.0", "/f");
  world_await_fetching(world);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(iotkit_thread_start(&thread, "fetcher", 0, fetch_some, world), 0);
    iotkit_thread_join(thread);
    assert_waits(world, &notes);
  }
}

static void fetch_for_the_world(void *arg) {
  iotkit_iot_act_for(arg);
  fetch_some(arg);
}

/* As iotkit-ota/sdk does: JavaScript is one caller, though each handle has a thread of its own. */
static void is_cut_short_for_the_same_caller(void **state) {
  struct world *world = *state;
  struct iot_notes notes = {0};
  iotkit_thread_t *thread;
  listen_for(world, &notes);
  world_push_md5(world, "2.0.0", "/f");
  world_await_fetching(world);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(iotkit_thread_start(&thread, "fetcher", 0, fetch_for_the_world, world), 0);
    iotkit_thread_join(thread);
    assert_waits(world, &notes); /* this thread is another caller */
    iotkit_iot_act_for(world);
    assert_is_cut_short(world, &notes);
    iotkit_iot_act_for(NULL);
  }
}

/* A fetch that brings nothing: to yield without waiting would be to spin. */
static void waits_when_nothing_comes(void **state) {
  struct world *world = *state;
  struct iot_notes notes = {0};
  char buf[SIZE / 20];
  listen_for(world, &notes);
  world_push_md5(world, "2.0.0", "/stall");
  world_await_fetching(world);
  uint32_t fetched = 0;
  while (fetched < SIZE / 2) {
    const int n = IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30);
    assert_true(n > 0);
    fetched += (uint32_t)n;
  }
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 0), 0);
  assert_waits(world, &notes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(waits_while_nobody_fetches),         TEST(is_cut_short_between_two_fetches),
      TEST(waits_while_another_thread_fetches), TEST(is_cut_short_for_the_same_caller),
      TEST(waits_when_nothing_comes),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
