/*
 * IOT_MQTT_Subscribe, _Subscribe_Sync, _Unsubscribe, _Publish and _Publish_Simple: return values,
 * messages, and two threads that share a handle.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "iot_export.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/iot_notes.h"
#include "support/mini_broker.h"
#include "support/tcp_peer.h"

static void return_values(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  void *none = NULL;
  char big[1100] = {0};
  char topic[131];
  assert_non_null(handle);
  memset(topic, 't', sizeof(topic));
  topic[0] = '/';
  topic[129] = '\0';
  iotx_mqtt_topic_info_t message = {.qos = IOTX_MQTT_QOS0, .payload = "x", .payload_len = 1};
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), 0);
  assert_int_equal(IOT_MQTT_Publish(handle, topic, &message), MQTT_TOPIC_FORMAT_ERROR);
  topic[128] = '\0';
  assert_int_equal(IOT_MQTT_Publish(handle, topic, &message), 0);
  static const char *const bad[] = {"", "t", "/t/+", "/t/#", "/\x80", "/\n"};
  for (size_t i = 0; i < COUNT(bad); i++)
    assert_int_equal(IOT_MQTT_Publish(handle, bad[i], &message), MQTT_TOPIC_FORMAT_ERROR);
  message.qos = IOTX_MQTT_QOS1;
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), 1);
  assert_int_equal(message.packet_id, 1);
  message.qos = IOTX_MQTT_QOS2;
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_PUBLISH_QOS_ERROR);
  message.qos = 3;
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_PUBLISH_QOS_ERROR);
  message = (iotx_mqtt_topic_info_t){.payload = big, .payload_len = 1024};
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_PUBLISH_PACKET_ERROR);
  message.payload_len = 1024 - 2 - 3 - 2;
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), 0);
  message.payload = NULL;
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Publish(handle, NULL, &message), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", NULL), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/t", 0, big, 10), 0);
  assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/t", 1, big, 10), 2);
  assert_int_equal(IOT_MQTT_Publish_Simple(handle, "t", 1, big, 10), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/t", 3, big, 10), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/t", 0, big, -1), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Subscribe(handle, "/a/#/b", IOTX_MQTT_QOS1, iot_notes_message, &notes),
                   MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Subscribe(handle, "#", IOTX_MQTT_QOS1, iot_notes_message, &notes),
                   MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Subscribe(handle, "/a", IOTX_MQTT_QOS1, NULL, &notes),
                   NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Subscribe(handle, NULL, IOTX_MQTT_QOS1, iot_notes_message, &notes),
                   NULL_VALUE_ERROR);
  assert_true(IOT_MQTT_Unsubscribe(handle, "/never") > 0);
  assert_int_equal(IOT_MQTT_Unsubscribe(handle, "/a/#/b"), MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Unsubscribe(handle, "never"), MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Yield(handle, -1), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Yield(handle, 0), 0);
  assert_int_equal(IOT_MQTT_Destroy(NULL), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Destroy(&none), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  assert_int_equal(IOT_MQTT_Destroy(&handle), NULL_VALUE_ERROR);
  mini_broker_stop(broker);
}

static void messages_and_events(void **state) {
  (void)state;
  unsigned qos;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  const int id = IOT_MQTT_Subscribe(handle, "/a/+", IOTX_MQTT_QOS1, iot_notes_message, &notes);
  assert_true(id > 0);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 1);
  assert_int_equal(notes.last_id, id);
  assert_true(mini_broker_publish(broker, "/a/b", "hello", 1, false));
  iot_notes_yield(handle, &notes.messages, 1);
  assert_string_equal(notes.topic, "/a/b");
  assert_string_equal(notes.payload, "hello");
  assert_ptr_equal(notes.handle, handle);
  assert_int_equal(notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 0);
  assert_true(mini_broker_publish(broker, "/other", "x", 0, false));
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 1);
  char big[1100];
  memset(big, 'x', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  assert_true(mini_broker_publish(broker, "/a/b", big, 1, false));
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_BUFFER_OVERFLOW], 1);
  assert_int_equal(notes.messages, 1);
  assert_true(IOT_MQTT_Unsubscribe(handle, "/a/+") > 0);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS], 1);
  assert_int_equal(IOT_MQTT_Subscribe_Sync(handle, "/sync", IOTX_MQTT_QOS1, iot_notes_message,
                                           &notes, TEST_LIMIT_MS),
                   id + 2);
  assert_true(mini_broker_subscribed(broker, "/sync", &qos));
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

/* What a process of before has subscribed in a persistent session. */
static void unsubscribes_a_filter_of_before(void **state) {
  (void)state;
  unsigned qos;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  param.clean_session = 0;
  void *before = IOT_MQTT_Construct(&param);
  assert_non_null(before);
  assert_true(IOT_MQTT_Subscribe_Sync(before, "/old/+", IOTX_MQTT_QOS1, iot_notes_message, &notes,
                                      TEST_LIMIT_MS) > 0);
  assert_int_equal(IOT_MQTT_Destroy(&before), 0);
  assert_true(mini_broker_subscribed(broker, "/old/+", &qos));
  void *handle = IOT_MQTT_Construct(&param);
  void *ota = IOT_OTA_Init("pk", "dn", handle);
  assert_non_null(ota);
  const int id = IOT_MQTT_Unsubscribe(handle, "/old/+");
  assert_true(id > 0);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS], 1);
  assert_int_equal(notes.last_id, id);
  assert_true(mini_broker_wait_unsubscribed(broker, "/old/+"));
  /* Upgrades would not be heard of any more. */
  assert_int_equal(IOT_MQTT_Unsubscribe(handle, "/ota/device/upgrade/pk/dn"), 0);
  assert_int_equal(IOT_OTA_Deinit(ota), 0);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

struct yielder {
  void *handle;
  struct ik_mutex *mutex;
  bool stop;
};

static void yield_on(void *arg) {
  struct yielder *yielder = arg;
  for (bool stop = false; !stop;) {
    assert_int_equal(IOT_MQTT_Yield(yielder->handle, 20), 0);
    ik_mutex_lock(yielder->mutex);
    stop = yielder->stop;
    ik_mutex_unlock(yielder->mutex);
  }
}

/* One thread yields; another subscribes and waits, publishes, yields as well. */
static void two_threads_share_a_handle(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  struct yielder yielder = {.handle = IOT_MQTT_Construct(&param), .mutex = ik_mutex_new()};
  iotkit_thread_t *thread;
  char filter[16], x[] = "x";
  assert_non_null(yielder.handle);
  assert_int_equal(iotkit_thread_start(&thread, "yielder", 0, yield_on, &yielder), 0);
  for (int i = 0; i < 20; i++) {
    snprintf(filter, sizeof(filter), "/f/%d", i);
    assert_true(IOT_MQTT_Subscribe_Sync(yielder.handle, filter, IOTX_MQTT_QOS1, iot_notes_message,
                                        &notes, TEST_LIMIT_MS) > 0);
    assert_true(IOT_MQTT_Publish_Simple(yielder.handle, "/t", 0, x, 1) == 0);
    assert_int_equal(IOT_MQTT_Yield(yielder.handle, 1), 0);
  }
  ik_mutex_lock(yielder.mutex);
  yielder.stop = true;
  ik_mutex_unlock(yielder.mutex);
  iotkit_thread_join(thread);
  assert_int_equal(IOT_MQTT_Destroy(&yielder.handle), 0);
  ik_mutex_free(yielder.mutex);
  mini_broker_stop(broker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(return_values),
      cmocka_unit_test(messages_and_events),
      cmocka_unit_test(unsubscribes_a_filter_of_before),
      cmocka_unit_test(two_threads_share_a_handle),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
