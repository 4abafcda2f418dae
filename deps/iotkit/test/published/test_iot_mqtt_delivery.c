/*
 * When what a program publishes leaves, over loopback sockets: at once, without a Yield; and that
 * Destroy loses nothing of it.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "support/cm.h"

#include "iot_export.h"
#include "iotkit_mqtt.h"
#include "port/port.h"
#include "published/iot_mqtt.h"
#include "support/iot_notes.h"
#include "support/mini_broker.h"
#include "support/ota_world.h"
#include "support/tcp_peer.h"

/* ---- reports leave at once ---- */

static void everything_leaves_without_a_yield(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  char x[] = "x", payload[8];
  unsigned qos = 9;
  assert_non_null(handle);
  iotx_mqtt_topic_info_t message = {.qos = IOTX_MQTT_QOS1, .payload = "y", .payload_len = 1};
  assert_int_equal(IOT_MQTT_Publish(handle, "/one", &message), 1);
  assert_true(mini_broker_wait(broker, "/one", 0, payload, sizeof(payload), &qos));
  assert_string_equal(payload, "y");
  assert_int_equal(qos, 1);
  assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/two", 0, x, 1), 0);
  assert_true(mini_broker_wait(broker, "/two", 0, payload, sizeof(payload), NULL));
  assert_true(IOT_MQTT_Subscribe(handle, "/s", IOTX_MQTT_QOS1, iot_notes_message, &notes) > 0);
  assert_true(mini_broker_wait_subscribed(broker, "/s"));
  assert_true(IOT_MQTT_Unsubscribe(handle, "/s") > 0);
  assert_true(mini_broker_wait_unsubscribed(broker, "/s"));
  for (size_t i = 0; i < COUNT(notes.count); i++)
    assert_int_equal(notes.count[i], 0); /* events wait for a Yield */
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS], 1);
  assert_int_equal(notes.count[IOTX_MQTT_EVENT_PUBLISH_SUCCESS], 1);
  assert_int_equal(notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

#define MANY 2000

static void two_thousand_in_a_row(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  static char kilobyte[1000];
  char payload[8];
  memset(kilobyte, 'k', sizeof(kilobyte));
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  for (unsigned i = 0; i < MANY; i++) {
    /* The broker keeps up: what is asked is that the queue is not the limit, not the socket. */
    if (i >= 500)
      assert_true(mini_broker_wait(broker, "/t", i - 500, payload, sizeof(payload), NULL));
    assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/t", 0, kilobyte, sizeof(kilobyte)), 0);
  }
  assert_true(mini_broker_wait(broker, "/t", MANY - 1, payload, sizeof(payload), NULL));
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

/* The documented loop without a Yield in it. */
static void progress_is_seen_while_fetching(void **state) {
  struct world *world = *state;
  char buf[SIZE / 4];
  char payload[512];
  unsigned reports = 0;
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, "1.0.0"), 0);
  assert_true(mini_broker_wait(world->broker, INFORM_TOPIC, 0, payload, sizeof(payload), NULL));
  world_push_md5(world, "2.0.0", "/f");
  world_await_fetching(world);
  while (!IOT_OTA_IsFetchFinish(world->ota)) {
    assert_true(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30) > 0);
    reports++;
    assert_int_equal(IOT_OTA_ReportProgress(world->ota, (IOT_OTA_Progress_t)reports, "on the way"),
                     0);
    /* The first one reports the beginning by itself. */
    assert_true(
        mini_broker_wait(world->broker, PROGRESS_TOPIC, reports, payload, sizeof(payload), NULL));
  }
}

/* ---- a dead connection ---- */

/* Waits until the end of the connection has arrived at the client's socket. */
static void await_news(void *handle) {
  struct pollfd fd = {.fd = iotkit_mqtt_fd(ik_iot_mqtt_client(handle)), .events = POLLIN};
  assert_int_equal(poll(&fd, 1, TEST_LIMIT_MS), 1);
}

/* Whether it ended in good order or with a reset: no Yield is needed to learn of it. */
static void a_dead_connection_is_an_error(void **state) {
  (void)state;
  for (int reset = 0; reset < 2; reset++) {
    struct iot_notes notes = {0};
    struct mini_broker *broker = mini_broker_start();
    iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
    void *handle = IOT_MQTT_Construct(&param);
    char x[] = "x";
    assert_non_null(handle);
    if (reset)
      mini_broker_reset(broker);
    else
      mini_broker_drop(broker);
    await_news(handle);
    iotx_mqtt_topic_info_t message = {.payload = x, .payload_len = 1};
    assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 1);
    assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_STATE_ERROR);
    assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 0);
    assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/t", 0, x, 1), FAIL_RETURN);
    assert_int_equal(notes.count[IOTX_MQTT_EVENT_DISCONNECT], 0);
    iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_DISCONNECT], 1);
    iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_RECONNECT], 1);
    assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 1);
    assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
    mini_broker_stop(broker);
  }
}

/* What was published into a dead connection with QoS 1 arrives over the next one. */
static void qos1_survives_a_dead_connection(void **state) {
  struct world *world = *state;
  char payload[512];
  mini_broker_drop(world->broker);
  await_news(world->mqtt);
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, "1.0.0"), 0);
  assert_int_equal(IOT_MQTT_CheckStateNormal(world->mqtt), 0);
  for (int i = 0; i < STEPS_MAX && !mini_broker_count(world->broker, INFORM_TOPIC); i++)
    assert_int_equal(IOT_MQTT_Yield(world->mqtt, 1000), 0);
  assert_true(mini_broker_wait(world->broker, INFORM_TOPIC, 0, payload, sizeof(payload), NULL));
}

/* ---- the end ---- */

#define LAST_WORDS 6
#define RUNS 8

/* With QoS 0 and with QoS 1: a broker that is slow gets all of it, and DISCONNECT. */
static void destroy_loses_nothing(void **state) {
  (void)state;
  struct mini_broker *broker = mini_broker_start();
  for (unsigned run = 0; run < RUNS; run++) {
    struct iot_notes notes = {0};
    iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
    char text[8];
    mini_broker_set_delay(broker, 0);
    void *handle = IOT_MQTT_Construct(&param);
    assert_non_null(handle);
    mini_broker_set_delay(broker, 20);
    for (int i = 0; i < LAST_WORDS; i++) {
      const int len = snprintf(text, sizeof(text), "%d", i);
      assert_true(IOT_MQTT_Publish_Simple(handle, "/last", (int)run % 2, text, len) >= 0);
    }
    if (run > RUNS / 2) assert_true(IOT_MQTT_Unsubscribe(handle, "/nothing") > 0);
    assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
    assert_true(mini_broker_wait_disconnects(broker, run + 1));
    assert_int_equal(mini_broker_count(broker, "/last"), LAST_WORDS * (run + 1));
    assert_int_equal(notes.count[IOTX_MQTT_EVENT_PUBLISH_SUCCESS], run % 2 ? LAST_WORDS : 0);
    assert_int_equal(notes.count[IOTX_MQTT_EVENT_DISCONNECT], 0);
  }
  mini_broker_stop(broker);
}

/* Messages that keep coming would reset the stream if it were just closed. */
static void destroy_under_fire(void **state) {
  (void)state;
  struct mini_broker *broker = mini_broker_start();
  for (unsigned run = 0; run < RUNS; run++) {
    struct iot_notes notes = {0};
    iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
    char x[] = "x";
    void *handle = IOT_MQTT_Construct(&param);
    assert_non_null(handle);
    for (int i = 0; i < LAST_WORDS; i++)
      assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/last", 0, x, 1), 0);
    for (int i = 0; i < 100; i++)
      assert_true(mini_broker_publish(broker, "/fire", "y", 0, false));
    assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
    assert_true(mini_broker_wait_disconnects(broker, run + 1));
    assert_int_equal(mini_broker_count(broker, "/last"), LAST_WORDS * (run + 1));
  }
  mini_broker_stop(broker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_leaves_without_a_yield),
      cmocka_unit_test(two_thousand_in_a_row),
      TEST(progress_is_seen_while_fetching),
      cmocka_unit_test(a_dead_connection_is_an_error),
      TEST(qos1_survives_a_dead_connection),
      cmocka_unit_test(destroy_loses_nothing),
      cmocka_unit_test(destroy_under_fire),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
