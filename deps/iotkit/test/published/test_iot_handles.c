/*
 * NULL as a handle of IOT_MQTT_*: the only client of the process, while exactly one is open; and
 * threads that say NULL while another constructs and destroys.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "iot_export.h"
#include "iotkit_iot.h"
#include "support/cm.h"
#include "support/iot_notes.h"
#include "support/mini_broker.h"
#include "support/tcp_peer.h"

#define ROUNDS 20

static void ignore(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  (void)ctx;
  (void)client;
  (void)msg;
}

static void assert_means_nobody(void) {
  char x[] = "x";
  iotx_mqtt_topic_info_t message = {.payload = x, .payload_len = 1};
  assert_int_equal(IOT_MQTT_Yield(NULL, 0), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Yield(NULL, -1), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_CheckStateNormal(NULL), 0);
  assert_int_equal(IOT_MQTT_Subscribe(NULL, "/t", IOTX_MQTT_QOS1, ignore, NULL), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Subscribe_Sync(NULL, "/t", IOTX_MQTT_QOS1, ignore, NULL, 1),
                   NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Unsubscribe(NULL, "/t"), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Publish(NULL, "/t", &message), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Publish_Simple(NULL, "/t", 0, x, 1), FAIL_RETURN);
}

static void assert_means_the_one(struct mini_broker *broker, struct iot_notes *notes) {
  char x[] = "x", payload[8];
  iotx_mqtt_topic_info_t message = {.payload = x, .payload_len = 1};
  assert_int_equal(IOT_MQTT_CheckStateNormal(NULL), 1);
  assert_true(IOT_MQTT_Subscribe(NULL, "/null", IOTX_MQTT_QOS1, iot_notes_message, notes) > 0);
  assert_true(IOT_MQTT_Subscribe_Sync(NULL, "/sync", IOTX_MQTT_QOS1, iot_notes_message, notes,
                                      TEST_LIMIT_MS) > 0);
  assert_true(mini_broker_subscribed(broker, "/null", NULL));
  const unsigned before = notes->messages;
  assert_true(mini_broker_publish(broker, "/null", "hello", 1, false));
  iot_notes_yield(NULL, &notes->messages, before + 1);
  assert_int_equal(IOT_MQTT_Publish(NULL, "/up", &message), 0);
  assert_true(IOT_MQTT_Publish_Simple(NULL, "/up", 1, x, 1) > 0);
  assert_int_equal(IOT_MQTT_Yield(NULL, 0), 0);
  assert_true(mini_broker_wait(broker, "/up", 1, payload, sizeof(payload), NULL));
  assert_true(IOT_MQTT_Unsubscribe(NULL, "/null") > 0);
  iot_notes_yield(NULL, &notes->count[IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS], 1);
  assert_int_equal(IOT_MQTT_Yield(NULL, -1), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Publish(NULL, "/up", NULL), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Publish(NULL, "up", &message), MQTT_TOPIC_FORMAT_ERROR);
}

static void null_means_the_only_client(void **state) {
  (void)state;
  void *none = NULL;
  struct iot_notes notes = {0}, others = {0};
  struct mini_broker *broker = mini_broker_start(), *second = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  iotx_mqtt_param_t other_param = iot_notes_params(mini_broker_port(second), &others);
  assert_means_nobody();
  void *handle = IOT_MQTT_Construct(&param);
  assert_means_the_one(broker, &notes);
  assert_ptr_equal(notes.handle, handle); /* callbacks get the handle itself */
  assert_int_equal(IOT_MQTT_Destroy(&none), NULL_VALUE_ERROR);
  assert_null(IOT_OTA_Init("pk", "dn", NULL));
  void *other = IOT_MQTT_Construct(&other_param);
  assert_non_null(other);
  assert_means_nobody();
  assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  assert_means_the_one(second, &others); /* the later one is the only one now */
  assert_int_equal(IOT_MQTT_Destroy(&other), 0);
  assert_means_nobody();
  mini_broker_stop(broker);
  mini_broker_stop(second);
}

/* A destroyed client is not the only one, although an OTA handle keeps it. */
static void a_destroyed_client_does_not_count(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *gone = IOT_MQTT_Construct(&param);
  void *ota = IOT_OTA_Init("pk", "dn", gone);
  assert_non_null(ota);
  assert_int_equal(IOT_MQTT_Destroy(&gone), 0);
  assert_means_nobody();
  void *handle = IOT_MQTT_Construct(&param);
  assert_means_the_one(broker, &notes);
  assert_int_equal(IOT_OTA_Deinit(ota), 0);
  assert_int_equal(IOT_MQTT_CheckStateNormal(NULL), 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

static void one_that_was_not_made_does_not_count(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  iotx_mqtt_param_t param = iot_notes_params(peer_free_port(4), &notes);
  assert_null(IOT_MQTT_Construct(&param));
  assert_means_nobody();
}

static void call_null(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  struct iot_notes *notes = ctx;
  char x[] = "x";
  (void)client;
  (void)msg;
  assert_int_equal(IOT_MQTT_Yield(NULL, 10), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Subscribe_Sync(NULL, "/s", IOTX_MQTT_QOS0, ignore, NULL, 10),
                   FAIL_RETURN);
  assert_int_equal(IOT_MQTT_CheckStateNormal(NULL), 1);
  assert_int_equal(IOT_MQTT_Publish_Simple(NULL, "/up", 0, x, 1), 0);
  assert_true(IOT_MQTT_Unsubscribe(NULL, "/in") > 0);
  notes->messages++;
}

static void null_inside_a_callback(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_true(
      IOT_MQTT_Subscribe_Sync(NULL, "/in", IOTX_MQTT_QOS0, call_null, &notes, TEST_LIMIT_MS) > 0);
  assert_true(mini_broker_publish(broker, "/in", "x", 0, false));
  iot_notes_yield(NULL, &notes.messages, 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

/* ---- threads ---- */

static atomic_bool stop;

static void *say_null(void *arg) {
  char x[] = "x";
  (void)arg;
  while (!atomic_load(&stop)) {
    (void)IOT_MQTT_Publish_Simple(NULL, "/up", 0, x, 1);
    (void)IOT_MQTT_Subscribe(NULL, "/t", IOTX_MQTT_QOS0, ignore, NULL);
    (void)IOT_MQTT_CheckStateNormal(NULL);
    const int rc = IOT_MQTT_Yield(NULL, 1);
    assert_true(rc == 0 || rc == NULL_VALUE_ERROR);
    (void)IOT_MQTT_Unsubscribe(NULL, "/t");
    sched_yield(); /* or nobody else gets on under valgrind, which runs one thread at a time */
  }
  return NULL;
}

/* While one is constructed by one thread, another may be in use by all: two brokers. */
static void *come_and_go(void *arg) {
  iotx_mqtt_param_t param = {.host = "127.0.0.1",
                             .port = *(uint16_t *)arg,
                             .client_id = "c",
                             .clean_session = 1,
                             .request_timeout_ms = 5000};
  for (int i = 0; i < ROUNDS; i++) {
    void *handle = IOT_MQTT_Construct(&param);
    assert_non_null(handle);
    void *ota = IOT_OTA_Init("pk", "dn", handle);
    assert_non_null(ota);
    (void)IOT_MQTT_Yield(NULL, 1);
    if (i % 2) assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
    assert_int_equal(IOT_OTA_Deinit(ota), 0);
    if (handle) assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  }
  return NULL;
}

static void threads_say_null_while_clients_come_and_go(void **state) {
  (void)state;
  struct mini_broker *brokers[] = {mini_broker_start(), mini_broker_start()};
  uint16_t ports[] = {mini_broker_port(brokers[0]), mini_broker_port(brokers[1])};
  pthread_t users[2], makers[2];
  atomic_store(&stop, false);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pthread_create(&users[i], NULL, say_null, NULL), 0);
    assert_int_equal(pthread_create(&makers[i], NULL, come_and_go, &ports[i]), 0);
  }
  for (int i = 0; i < 2; i++)
    pthread_join(makers[i], NULL);
  atomic_store(&stop, true);
  for (int i = 0; i < 2; i++)
    pthread_join(users[i], NULL);
  assert_means_nobody();
  for (int i = 0; i < 2; i++)
    mini_broker_stop(brokers[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(null_means_the_only_client),
      cmocka_unit_test(a_destroyed_client_does_not_count),
      cmocka_unit_test(one_that_was_not_made_does_not_count),
      cmocka_unit_test(null_inside_a_callback),
      cmocka_unit_test(threads_say_null_while_clients_come_and_go),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
