/*
 * test_iot_mqtt.c - the published MQTT and connecting functions, over loopback sockets: layout,
 * return values, events, and where they are meant to differ from the published SDK.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/cm.h"

#include "api/iot_mqtt.h"
#include "api/mqtt_client.h"
#include "iot_export.h"
#include "iot_import.h"
#include "port/port.h"
#include "support/mini_broker.h"
#include "support/tcp_peer.h"

/* ---- a broker that answers CONNECT with given bytes, and then listens ---- */

struct scripted {
  int listener;
  uint16_t port;
  const uint8_t *answer;
  size_t answer_len;
  uint8_t heard[512]; /* the client's bytes */
  size_t heard_len;
  iotkit_thread_t *thread;
};

static void serve_script(void *arg) {
  struct scripted *broker = arg;
  const int fd = peer_accept(broker->listener);
  ssize_t n;
  if (fd < 0) return;
  n = recv(fd, broker->heard, sizeof(broker->heard), 0);
  if (n > 0) {
    broker->heard_len = (size_t)n;
    if (broker->answer_len) (void)peer_write(fd, broker->answer, broker->answer_len);
  }
  while (n > 0) {
    n = recv(fd, broker->heard + broker->heard_len, sizeof(broker->heard) - broker->heard_len, 0);
    if (n > 0) broker->heard_len += (size_t)n;
  }
  close(fd);
}

static void script_start(struct scripted *broker, const uint8_t *answer, size_t len) {
  *broker = (struct scripted){.answer = answer, .answer_len = len};
  broker->listener = peer_listen(4, &broker->port);
  assert_true(broker->listener >= 0);
  assert_int_equal(iotkit_thread_start(&broker->thread, "broker", 0, serve_script, broker), 0);
}

static void script_stop(struct scripted *broker) {
  (void)shutdown(broker->listener, SHUT_RDWR);
  iotkit_thread_join(broker->thread);
  close(broker->listener);
}

/* ---- a client that notes what it is told ---- */

struct notes {
  unsigned count[IOTX_MQTT_EVENT_BUFFER_OVERFLOW + 1];
  uintptr_t last_id;
  void *handle;
  char topic[64];
  char payload[64];
  unsigned messages;
};

static void on_event(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  struct notes *notes = ctx;
  notes->handle = client;
  notes->count[msg->event_type]++;
  switch (msg->event_type) {
  case IOTX_MQTT_EVENT_DISCONNECT:
  case IOTX_MQTT_EVENT_RECONNECT:
  case IOTX_MQTT_EVENT_BUFFER_OVERFLOW:
    assert_true(strlen(msg->msg) > 0);
    break;
  case IOTX_MQTT_EVENT_PUBLISH_RECEIVED:
    break;
  default:
    notes->last_id = (uintptr_t)msg->msg;
  }
}

static void on_message(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  struct notes *notes = ctx;
  const iotx_mqtt_topic_info_t *info = msg->msg;
  assert_int_equal(msg->event_type, IOTX_MQTT_EVENT_PUBLISH_RECEIVED);
  snprintf(notes->topic, sizeof(notes->topic), "%.*s", info->topic_len, info->ptopic);
  snprintf(notes->payload, sizeof(notes->payload), "%.*s", (int)info->payload_len, info->payload);
  notes->handle = client;
  notes->messages++;
}

static iotx_mqtt_param_t params(uint16_t port, struct notes *notes) {
  return (iotx_mqtt_param_t){.port = port,
                             .host = "127.0.0.1",
                             .client_id = "c",
                             .username = "u",
                             .password = "p",
                             .clean_session = 1,
                             .request_timeout_ms = 2000,
                             .keepalive_interval_ms = 60000,
                             .write_buf_size = 1024,
                             .read_buf_size = 1024,
                             .handle_event = {on_event, notes}};
}

static void yield_until(void *handle, const unsigned *counter, unsigned want) {
  const uint64_t end_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  while (*counter < want && ik_port_now_ms() < end_ms)
    assert_int_equal(IOT_MQTT_Yield(handle, 1000), 0);
  assert_int_equal(*counter, want);
}

/* ---- Construct ---- */

static const uint8_t accepted[] = {0x20, 2, 0, 0};

static void says_what_was_configured(void **state) {
  (void)state;
  static const struct {
    uint32_t interval_ms;
    uint8_t clean, flags;
    uint16_t field;
  } rows[] = {{60000, 1, 0xc2, 60},
              {300000, 0, 0xc0, 300},
              {0, 2, 0xc0, 60},
              {1000, 1, 0xc2, 30},
              {5000000, 1, 0xc2, 1200}};
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct scripted broker;
    struct notes notes = {0};
    script_start(&broker, accepted, sizeof(accepted));
    iotx_mqtt_param_t param = params(broker.port, &notes);
    param.keepalive_interval_ms = rows[i].interval_ms;
    param.clean_session = rows[i].clean;
    void *handle = IOT_MQTT_Construct(&param);
    assert_non_null(handle);
    assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 1);
    assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
    assert_null(handle);
    script_stop(&broker);
    assert_int_equal(broker.heard[9], rows[i].flags);
    assert_int_equal(broker.heard[10] << 8 | broker.heard[11], rows[i].field);
    assert_int_equal(broker.heard_len,
                     21 + 2); /* CONNECT, DISCONNECT, and nothing of its own accord */
    assert_memory_equal(broker.heard + 21, "\xe0\x00", 2);
  }
}

static void construct_fails(void **state) {
  (void)state;
  struct notes notes = {0};
  for (unsigned code = 1; code <= 6; code++) {
    const uint8_t refusal[] = {0x20, 2, 0, (uint8_t)(code < 6 ? code : 255)};
    struct scripted broker;
    script_start(&broker, refusal, sizeof(refusal));
    iotx_mqtt_param_t param = params(broker.port, &notes);
    assert_null(IOT_MQTT_Construct(&param));
    script_stop(&broker);
  }
  struct scripted silent;
  script_start(&silent, NULL, 0);
  iotx_mqtt_param_t param = params(silent.port, &notes);
  param.request_timeout_ms = 500;
  assert_null(IOT_MQTT_Construct(&param));
  script_stop(&silent);
  param = params(peer_free_port(), &notes);
  assert_null(IOT_MQTT_Construct(&param));
  param.host = NULL;
  assert_null(IOT_MQTT_Construct(&param));
  param = params(0, &notes);
  assert_null(IOT_MQTT_Construct(&param));
  param = params(1883, &notes);
  param.pub_key = "this is no certificate";
  assert_null(IOT_MQTT_Construct(&param));
  for (size_t i = 0; i < COUNT(notes.count); i++)
    assert_int_equal(notes.count[i], 0);
}

/* ---- return values ---- */

static void return_values(void **state) {
  (void)state;
  struct notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = params(mini_broker_port(broker), &notes);
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
  assert_int_equal(IOT_MQTT_Subscribe(handle, "/a/#/b", IOTX_MQTT_QOS1, on_message, &notes),
                   MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Subscribe(handle, "#", IOTX_MQTT_QOS1, on_message, &notes),
                   MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Subscribe(handle, "/a", IOTX_MQTT_QOS1, NULL, &notes),
                   NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Subscribe(handle, NULL, IOTX_MQTT_QOS1, on_message, &notes),
                   NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Unsubscribe(handle, "/never"), 0);
  assert_int_equal(IOT_MQTT_Unsubscribe(handle, "never"), MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Yield(handle, -1), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Yield(handle, 0), 0);
  assert_int_equal(IOT_MQTT_Yield(NULL, 0), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_CheckStateNormal(NULL), 0);
  assert_int_equal(IOT_MQTT_Publish_Simple(NULL, "/t", 0, big, 1), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Unsubscribe(NULL, "/t"), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Destroy(NULL), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Destroy(&none), NULL_VALUE_ERROR);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  assert_int_equal(IOT_MQTT_Destroy(&handle), NULL_VALUE_ERROR);
  mini_broker_stop(broker);
}

/* A broker that never acknowledges: twenty may be on their way. */
static void twenty_may_be_unacknowledged(void **state) {
  (void)state;
  struct scripted broker;
  struct notes notes = {0};
  char x[] = "x";
  script_start(&broker, accepted, sizeof(accepted));
  iotx_mqtt_param_t param = params(broker.port, &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  iotx_mqtt_topic_info_t message = {.qos = 1, .payload = x, .payload_len = 1};
  for (int i = 1; i <= 20; i++)
    assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), i);
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_PUSH_TO_LIST_ERROR);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  script_stop(&broker);
}

/* ---- messages and events ---- */

static void messages_and_events(void **state) {
  (void)state;
  unsigned qos;
  struct notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  const int id = IOT_MQTT_Subscribe(handle, "/a/+", IOTX_MQTT_QOS1, on_message, &notes);
  assert_true(id > 0);
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 1);
  assert_int_equal(notes.last_id, id);
  assert_true(mini_broker_publish(broker, "/a/b", "hello", 1, false));
  yield_until(handle, &notes.messages, 1);
  assert_string_equal(notes.topic, "/a/b");
  assert_string_equal(notes.payload, "hello");
  assert_ptr_equal(notes.handle, handle);
  assert_int_equal(notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 0);
  assert_true(mini_broker_publish(broker, "/other", "x", 0, false));
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 1);
  char big[1100];
  memset(big, 'x', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  assert_true(mini_broker_publish(broker, "/a/b", big, 1, false));
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_BUFFER_OVERFLOW], 1);
  assert_int_equal(notes.messages, 1);
  assert_true(IOT_MQTT_Unsubscribe(handle, "/a/+") > 0);
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS], 1);
  assert_int_equal(
      IOT_MQTT_Subscribe_Sync(handle, "/sync", IOTX_MQTT_QOS1, on_message, &notes, TEST_LIMIT_MS),
      id + 2);
  assert_true(mini_broker_subscribed(broker, "/sync", &qos));
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

static void reconnects_and_subscribes_again(void **state) {
  (void)state;
  struct notes notes = {0};
  unsigned qos = 9;
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_true(IOT_MQTT_Subscribe(handle, "/a", IOTX_MQTT_QOS1, on_message, &notes) > 0);
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 1);
  mini_broker_drop(broker);
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_DISCONNECT], 1);
  assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 0);
  iotx_mqtt_topic_info_t message = {.qos = 1, .payload = "x", .payload_len = 1};
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_STATE_ERROR);
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_RECONNECT], 1);
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 2);
  assert_true(mini_broker_subscribed(broker, "/a", &qos));
  assert_int_equal(qos, 1);
  assert_true(mini_broker_publish(broker, "/a", "again", 0, false));
  yield_until(handle, &notes.messages, 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

static void call_everything(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  struct notes *notes = ctx;
  void *copy = client;
  char x[] = "x";
  (void)msg;
  assert_int_equal(IOT_MQTT_Yield(client, 10), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Destroy(&copy), FAIL_RETURN);
  assert_ptr_equal(copy, client);
  assert_int_equal(IOT_MQTT_Subscribe_Sync(client, "/s", IOTX_MQTT_QOS0, on_message, ctx, 10),
                   FAIL_RETURN);
  assert_int_equal(IOT_MQTT_CheckStateNormal(client), 1);
  assert_int_equal(IOT_MQTT_Publish_Simple(client, "/t", 0, x, 1), 0);
  assert_true(IOT_MQTT_Subscribe(client, "/b", IOTX_MQTT_QOS0, on_message, ctx) > 0);
  assert_true(IOT_MQTT_Unsubscribe(client, "/a") > 0); /* the function that is running */
  notes->messages++;
}

static void everything_in_a_callback(void **state) {
  (void)state;
  struct notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_true(IOT_MQTT_Subscribe(handle, "/a", IOTX_MQTT_QOS1, call_everything, &notes) > 0);
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 1);
  assert_true(mini_broker_publish(broker, "/a", "x", 1, false));
  yield_until(handle, &notes.messages, 1);
  yield_until(handle, &notes.count[IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS], 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

static void two_clients_at_once(void **state) {
  (void)state;
  struct notes notes[2] = {{{0}, 0, NULL, "", "", 0}, {{0}, 0, NULL, "", "", 0}};
  struct mini_broker *brokers[2];
  void *handles[2];
  for (int i = 0; i < 2; i++) {
    brokers[i] = mini_broker_start();
    iotx_mqtt_param_t param = params(mini_broker_port(brokers[i]), &notes[i]);
    handles[i] = IOT_MQTT_Construct(&param);
    assert_non_null(handles[i]);
    assert_true(IOT_MQTT_Subscribe_Sync(handles[i], "/a", IOTX_MQTT_QOS1, on_message, &notes[i],
                                        TEST_LIMIT_MS) > 0);
  }
  assert_ptr_not_equal(handles[0], handles[1]);
  assert_true(mini_broker_publish(brokers[1], "/a", "two", 0, false));
  yield_until(handles[1], &notes[1].messages, 1);
  assert_int_equal(IOT_MQTT_Yield(handles[0], 0), 0);
  assert_int_equal(notes[0].messages, 0);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(IOT_MQTT_Destroy(&handles[i]), 0);
    mini_broker_stop(brokers[i]);
  }
}

/* With no time-out worth the name, so that waiting for it would end the test. */
static void yield_does_not_wait_its_time_out(void **state) {
  (void)state;
  struct notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_true(mini_broker_publish(broker, "/a", "x", 0, false));
  assert_int_equal(IOT_MQTT_Yield(handle, INT_MAX), 0);
  assert_int_equal(notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 1);
  ik_mqtt_fetching(ik_iot_mqtt_client(handle), 1);
  for (int i = 0; i < 1000; i++)
    assert_int_equal(IOT_MQTT_Yield(handle, INT_MAX), 0);
  ik_mqtt_fetching(ik_iot_mqtt_client(handle), -1);
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
  struct notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = params(mini_broker_port(broker), &notes);
  struct yielder yielder = {.handle = IOT_MQTT_Construct(&param), .mutex = ik_mutex_new()};
  iotkit_thread_t *thread;
  char filter[16], x[] = "x";
  assert_non_null(yielder.handle);
  assert_int_equal(iotkit_thread_start(&thread, "yielder", 0, yield_on, &yielder), 0);
  for (int i = 0; i < 20; i++) {
    snprintf(filter, sizeof(filter), "/f/%d", i);
    assert_true(IOT_MQTT_Subscribe_Sync(yielder.handle, filter, IOTX_MQTT_QOS1, on_message, &notes,
                                        TEST_LIMIT_MS) > 0);
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

static void set_number(int option, int value, int want) {
  assert_int_equal(IOT_Ioctl(option, &value), want);
}

static void set_text(int option, const char *value) {
  char copy[64];
  snprintf(copy, sizeof(copy), "%s", value);
  assert_int_equal(IOT_Ioctl(option, copy), 0);
}

/* Construct without parameters: the identity of the HAL, the host of IOT_Ioctl. */
static void construct_from_the_hal(void **state) {
  (void)state;
  char pk[] = "pk", dn[] = "dn", ds[] = "secret", empty[] = "";
  struct mini_broker *broker = mini_broker_start();
  assert_null(IOT_MQTT_Construct(NULL));
  HAL_SetProductKey(pk);
  HAL_SetDeviceName(dn);
  HAL_SetDeviceSecret(ds);
  set_number(IOTX_IOCTL_SET_MQTT_TLS, 0, 0);
  set_text(IOTX_IOCTL_SET_ENDPOINT, "127.0.0.1");
  set_number(IOTX_IOCTL_SET_MQTT_PORT, mini_broker_port(broker), 0);
  void *handle = IOT_MQTT_Construct(NULL);
  assert_non_null(handle);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  set_text(IOTX_IOCTL_SET_ENDPOINT, "");
  HAL_SetDeviceSecret(empty);
  mini_broker_stop(broker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(says_what_was_configured),
      cmocka_unit_test(construct_fails),
      cmocka_unit_test(return_values),
      cmocka_unit_test(twenty_may_be_unacknowledged),
      cmocka_unit_test(messages_and_events),
      cmocka_unit_test(reconnects_and_subscribes_again),
      cmocka_unit_test(everything_in_a_callback),
      cmocka_unit_test(two_clients_at_once),
      cmocka_unit_test(yield_does_not_wait_its_time_out),
      cmocka_unit_test(two_threads_share_a_handle),
      cmocka_unit_test(construct_from_the_hal),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
