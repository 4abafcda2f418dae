/*
 * IOT_MQTT_Construct, _Yield, _Destroy over loopback sockets: options, events, and where they are
 * meant to differ from the published SDK. test_iot_mqtt_topics.c has the other functions.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/cm.h"

#include "client/client.h"
#include "iot_export.h"
#include "iot_import.h"
#include "port/port.h"
#include "published/iot_mqtt.h"
#include "support/iot_notes.h"
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
    struct iot_notes notes = {0};
    script_start(&broker, accepted, sizeof(accepted));
    iotx_mqtt_param_t param = iot_notes_params(broker.port, &notes);
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
  struct iot_notes notes = {0};
  for (unsigned code = 1; code <= 6; code++) {
    const uint8_t refusal[] = {0x20, 2, 0, (uint8_t)(code < 6 ? code : 255)};
    struct scripted broker;
    script_start(&broker, refusal, sizeof(refusal));
    iotx_mqtt_param_t param = iot_notes_params(broker.port, &notes);
    assert_null(IOT_MQTT_Construct(&param));
    script_stop(&broker);
  }
  struct scripted silent;
  script_start(&silent, NULL, 0);
  iotx_mqtt_param_t param = iot_notes_params(silent.port, &notes);
  param.request_timeout_ms = 500;
  assert_null(IOT_MQTT_Construct(&param));
  script_stop(&silent);
  param = iot_notes_params(peer_free_port(4), &notes);
  assert_null(IOT_MQTT_Construct(&param));
  param.host = NULL;
  assert_null(IOT_MQTT_Construct(&param));
  param = iot_notes_params(0, &notes);
  assert_null(IOT_MQTT_Construct(&param));
  param = iot_notes_params(1883, &notes);
  param.pub_key = "this is no certificate";
  assert_null(IOT_MQTT_Construct(&param));
  for (size_t i = 0; i < COUNT(notes.count); i++)
    assert_int_equal(notes.count[i], 0);
}

/* A broker that never acknowledges: twenty may be on their way. */
static void twenty_may_be_unacknowledged(void **state) {
  (void)state;
  struct scripted broker;
  struct iot_notes notes = {0};
  char x[] = "x";
  script_start(&broker, accepted, sizeof(accepted));
  iotx_mqtt_param_t param = iot_notes_params(broker.port, &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  iotx_mqtt_topic_info_t message = {.qos = 1, .payload = x, .payload_len = 1};
  for (int i = 1; i <= 20; i++)
    assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), i);
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_PUSH_TO_LIST_ERROR);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  script_stop(&broker);
}

/* ---- events ---- */

static void reconnects_and_subscribes_again(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  unsigned qos = 9;
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_true(IOT_MQTT_Subscribe(handle, "/a", IOTX_MQTT_QOS1, iot_notes_message, &notes) > 0);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 1);
  mini_broker_drop(broker);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_DISCONNECT], 1);
  assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 0);
  iotx_mqtt_topic_info_t message = {.qos = 1, .payload = "x", .payload_len = 1};
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_STATE_ERROR);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_RECONNECT], 1);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 2);
  assert_true(mini_broker_subscribed(broker, "/a", &qos));
  assert_int_equal(qos, 1);
  assert_true(mini_broker_publish(broker, "/a", "again", 0, false));
  iot_notes_yield(handle, &notes.messages, 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

static void call_everything(void *ctx, void *client, iotx_mqtt_event_msg_pt msg) {
  struct iot_notes *notes = ctx;
  void *copy = client;
  char x[] = "x";
  (void)msg;
  assert_int_equal(IOT_MQTT_Yield(client, 10), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Destroy(&copy), FAIL_RETURN);
  assert_ptr_equal(copy, client);
  assert_int_equal(
      IOT_MQTT_Subscribe_Sync(client, "/s", IOTX_MQTT_QOS0, iot_notes_message, ctx, 10),
      FAIL_RETURN);
  assert_int_equal(IOT_MQTT_CheckStateNormal(client), 1);
  assert_int_equal(IOT_MQTT_Publish_Simple(client, "/t", 0, x, 1), 0);
  assert_true(IOT_MQTT_Subscribe(client, "/b", IOTX_MQTT_QOS0, iot_notes_message, ctx) > 0);
  assert_true(IOT_MQTT_Unsubscribe(client, "/a") > 0); /* the function that is running */
  notes->messages++;
}

static void everything_in_a_callback(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_true(IOT_MQTT_Subscribe(handle, "/a", IOTX_MQTT_QOS1, call_everything, &notes) > 0);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], 1);
  assert_true(mini_broker_publish(broker, "/a", "x", 1, false));
  iot_notes_yield(handle, &notes.messages, 1);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS], 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

static void two_clients_at_once(void **state) {
  (void)state;
  struct iot_notes notes[2] = {{{0}, 0, NULL, "", "", 0}, {{0}, 0, NULL, "", "", 0}};
  struct mini_broker *brokers[2];
  void *handles[2];
  for (int i = 0; i < 2; i++) {
    brokers[i] = mini_broker_start();
    iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(brokers[i]), &notes[i]);
    handles[i] = IOT_MQTT_Construct(&param);
    assert_non_null(handles[i]);
    assert_true(IOT_MQTT_Subscribe_Sync(handles[i], "/a", IOTX_MQTT_QOS1, iot_notes_message,
                                        &notes[i], TEST_LIMIT_MS) > 0);
  }
  assert_ptr_not_equal(handles[0], handles[1]);
  assert_true(mini_broker_publish(brokers[1], "/a", "two", 0, false));
  iot_notes_yield(handles[1], &notes[1].messages, 1);
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
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_true(mini_broker_publish(broker, "/a", "x", 0, false));
  assert_int_equal(IOT_MQTT_Yield(handle, INT_MAX), 0);
  assert_int_equal(notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 1);
  for (int i = 0; i < 1000; i++) {
    ik_iot_mqtt_note_fetch(handle, true);
    assert_int_equal(IOT_MQTT_Yield(handle, INT_MAX), 0);
  }
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
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
      cmocka_unit_test(twenty_may_be_unacknowledged),
      cmocka_unit_test(reconnects_and_subscribes_again),
      cmocka_unit_test(everything_in_a_callback),
      cmocka_unit_test(two_clients_at_once),
      cmocka_unit_test(yield_does_not_wait_its_time_out),
      cmocka_unit_test(construct_from_the_hal),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
