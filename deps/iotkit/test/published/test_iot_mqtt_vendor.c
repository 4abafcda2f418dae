/*
 * IOT_MQTT_* where programs written for the vendor's SDK meet another answer: offline, odd
 * arguments and parameters, packets in pieces and packets that are none. docs/differences.md has a
 * row for each.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iot_export.h"
#include "iotkit_core.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/iot_notes.h"
#include "support/mini_broker.h"
#include "support/tcp_peer.h"

/* ---- a broker that accepts CONNECT; then the test speaks for it ---- */

struct raw {
  int listener;
  uint16_t port;
  int fd;
  uint8_t connect[128]; /* the client's */
  iotkit_thread_t *thread;
  struct iot_notes notes;
};

static void serve_connect(void *arg) {
  struct raw *raw = arg;
  raw->fd = peer_accept(raw->listener);
  if (raw->fd >= 0 && recv(raw->fd, raw->connect, sizeof(raw->connect), 0) > 0)
    (void)peer_write(raw->fd, "\x20\x02\x00\x00", 4);
}

static void *raw_connect(struct raw *raw, const char *client_id) {
  *raw = (struct raw){.fd = -1};
  raw->listener = peer_listen(4, &raw->port);
  assert_true(raw->listener >= 0);
  assert_int_equal(iotkit_thread_start(&raw->thread, "broker", 0, serve_connect, raw), 0);
  iotx_mqtt_param_t param = iot_notes_params(raw->port, &raw->notes);
  param.client_id = client_id;
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  iotkit_thread_join(raw->thread);
  return handle;
}

/* The broker goes first, so that Destroy waits for nobody. */
static void raw_end(struct raw *raw, void *handle) {
  close(raw->fd);
  close(raw->listener);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
}

/* ---- packets ---- */

static void a_packet_may_come_in_pieces(void **state) {
  (void)state;
  static const uint8_t packet[] = {0x30, 7, 0, 2, '/', 'a', 'x', 'y', 'z'};
  struct raw raw;
  void *handle = raw_connect(&raw, "c");
  for (size_t i = 0; i < sizeof(packet); i++) {
    assert_int_equal(raw.notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 0);
    assert_true(peer_write(raw.fd, &packet[i], 1));
    assert_int_equal(IOT_MQTT_Yield(handle, 1), 0); /* ends before the packet does */
    assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 1);
  }
  iot_notes_yield(handle, &raw.notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 1);
  raw_end(&raw, handle);
}

static void a_malformed_packet_ends_the_connection(void **state) {
  (void)state;
  static const struct {
    uint8_t bytes[12];
    size_t len;
  } rows[] = {
      {{0xf0, 0}, 2},                                   /* a type that is reserved */
      {{0x36, 7, 0, 2, '/', 'a', 0, 1, 'x'}, 9},        /* PUBLISH of QoS 3 */
      {{0x30, 3, 0, 5, 'a'}, 5},                        /* a topic that is longer than its packet */
      {{0x30, 5, 0, 2, '/', 0, 'x'}, 7},                /* NUL in a topic */
      {{0x30, 5, 0, 2, '/', 0xff, 'x'}, 7},             /* a topic that is no UTF-8 */
      {{0x30, 5, 0, 2, '/', '#', 'x'}, 7},              /* a topic with a wildcard */
      {{0x32, 6, 0, 2, '/', 'a', 0, 0}, 8},             /* a packet id of 0 */
      {{0x40, 1, 0}, 3},                                /* PUBACK of one byte */
      {{0x20, 2, 0, 0}, 4},                             /* a second CONNACK */
      {{0xd0, 1, 0}, 3},                                /* PINGRESP with a body */
      {{0x82, 6, 0, 1, 0, 1, 'a', 0}, 8},               /* SUBSCRIBE, which is a client's */
      {{0x30, 0xff, 0xff, 0xff, 0xff, 1, 'x', 'x'}, 8}, /* a length of five bytes */
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct raw raw;
    void *handle = raw_connect(&raw, "c");
    assert_true(peer_write(raw.fd, rows[i].bytes, rows[i].len));
    iot_notes_yield(handle, &raw.notes.count[IOTX_MQTT_EVENT_DISCONNECT], 1);
    assert_int_equal(IOT_MQTT_CheckStateNormal(handle), 0);
    raw_end(&raw, handle);
  }
}

/* ---- parameters ---- */

static void an_empty_client_id_needs_a_clean_session(void **state) {
  (void)state;
  struct raw raw;
  void *handle = raw_connect(&raw, "");
  assert_memory_equal(raw.connect + 12, "\x00\x00", 2); /* sent as it is: the broker gives one */
  iotx_mqtt_param_t param = iot_notes_params(raw.port, &raw.notes);
  param.client_id = "";
  param.clean_session = 0;
  assert_null(IOT_MQTT_Construct(&param));
  param.client_id = NULL;
  assert_null(IOT_MQTT_Construct(&param));
  raw_end(&raw, handle);
}

static void buffers_of_0_are_the_default(void **state) {
  (void)state;
  static char body[60000]; /* more than any buffer of a program; the broker takes 64 KiB */
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  param.write_buf_size = param.read_buf_size = 0;
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/t", 0, body, sizeof(body)), 0);
  iotx_mqtt_topic_info_t large = {.payload = body, .payload_len = 257 * 1024};
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &large), MQTT_PUBLISH_PACKET_ERROR);
  assert_true(mini_broker_publish_bytes(broker, "/a", body, sizeof(body)));
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_PUBLISH_RECEIVED], 1);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

/* ---- return codes ---- */

static void odd_topics(void **state) {
  (void)state;
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  iotx_mqtt_topic_info_t message = {.payload = "", .payload_len = 0};
  void *handle = IOT_MQTT_Construct(&param);
  assert_non_null(handle);
  assert_int_equal(IOT_MQTT_Publish(handle, "", &message), MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Subscribe(handle, "", IOTX_MQTT_QOS0, iot_notes_message, &notes),
                   MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(
      IOT_MQTT_Subscribe_Sync(handle, "", IOTX_MQTT_QOS0, iot_notes_message, &notes, 1),
      MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Unsubscribe(handle, ""), MQTT_TOPIC_FORMAT_ERROR);
  assert_int_equal(IOT_MQTT_Publish(handle, "/", &message), 0);
  const int id = IOT_MQTT_Subscribe_Sync(handle, "/", IOTX_MQTT_QOS0, iot_notes_message, &notes,
                                         TEST_LIMIT_MS);
  assert_true(id > 0);
  assert_int_equal(notes.last_id, id);
  assert_true(mini_broker_publish(broker, "/", "x", 0, false));
  iot_notes_yield(handle, &notes.messages, 1);
  assert_true(IOT_MQTT_Unsubscribe(handle, "/") > 0);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

static void subscribe_sync_says_what_came(void **state) {
  (void)state;
  static const uint8_t refusal[] = {0x90, 3, 0, 1, 0x80};
  struct raw raw;
  void *handle = raw_connect(&raw, "c");
  assert_true(peer_write(raw.fd, refusal, sizeof(refusal))); /* lies there when it is asked */
  assert_int_equal(IOT_MQTT_Subscribe_Sync(handle, "/a", IOTX_MQTT_QOS0, iot_notes_message,
                                           &raw.notes, TEST_LIMIT_MS),
                   FAIL_RETURN);
  assert_int_equal(raw.notes.count[IOTX_MQTT_EVENT_SUBCRIBE_NACK], 1);
  assert_int_equal(/* no answer */
                   IOT_MQTT_Subscribe_Sync(handle, "/b", IOTX_MQTT_QOS0, iot_notes_message,
                                           &raw.notes, 10),
                   FAIL_RETURN);
  assert_int_equal(
      IOT_MQTT_Subscribe_Sync(handle, "/c", IOTX_MQTT_QOS0, iot_notes_message, &raw.notes, -1),
      FAIL_RETURN);
  raw_end(&raw, handle);
}

/* What is asked for offline waits for the next connection where it can. */
static void offline(void **state) {
  (void)state;
  char x[] = "x", payload[256];
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  iotx_mqtt_topic_info_t message = {.qos = 1, .payload = x, .payload_len = 1};
  void *handle = IOT_MQTT_Construct(&param);
  void *ota = IOT_OTA_Init("pk", "dn", handle);
  assert_non_null(ota);
  assert_true(IOT_MQTT_Subscribe_Sync(handle, "/gone", IOTX_MQTT_QOS1, iot_notes_message, &notes,
                                      TEST_LIMIT_MS) > 0);
  mini_broker_drop(broker);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_DISCONNECT], 1);
  assert_int_equal(IOT_MQTT_Publish(handle, "/t", &message), MQTT_STATE_ERROR);
  assert_int_equal(IOT_MQTT_Publish_Simple(handle, "/t", 0, x, 1), FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Subscribe(handle, "/new", IOTX_MQTT_QOS1, iot_notes_message, &notes),
                   0);
  assert_int_equal(
      IOT_MQTT_Subscribe_Sync(handle, "/new", IOTX_MQTT_QOS1, iot_notes_message, &notes, 10),
      FAIL_RETURN);
  assert_int_equal(IOT_MQTT_Unsubscribe(handle, "/gone"), 0);
  assert_int_equal(IOT_OTA_ReportVersion(ota, "1.0.0"), 0);
  assert_int_equal(iotx_req_image(ota, "1.0.0"), 0);
  assert_int_equal(IOT_OTA_GetLastError(ota), 0);
  assert_int_equal(IOT_OTA_ReportProgress(ota, (IOT_OTA_Progress_t)1, ""), IOT_OTAE_OSC_FAILED);
  assert_int_equal(iotx_ota_get_config(ota, "product", "file", ""), -1);
  assert_int_equal(IOT_OTA_GetLastError(ota), IOT_OTAE_OSC_FAILED);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_RECONNECT], 1);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_PUBLISH_SUCCESS], 2);
  assert_true(
      mini_broker_wait(broker, "/ota/device/inform/pk/dn", 0, payload, sizeof(payload), NULL));
  assert_true(
      mini_broker_wait(broker, "/ota/device/request/pk/dn", 0, payload, sizeof(payload), NULL));
  assert_int_equal(IOT_OTA_Deinit(ota), 0);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

/* ---- what Init subscribes ---- */

static void init_subscribes_five_topics(void **state) {
  (void)state;
  static const struct {
    const char *topic;
    unsigned qos;
  } rows[] = {{"/ota/device/request/pk/dn", 1},
              {"/ota/device/upgrade/pk/dn", 1},
              {"/sys/pk/dn/thing/ota/firmware/get_reply", 1},
              {"/sys/pk/dn/thing/config/get_reply", 0},
              {"/sys/pk/dn/thing/config/push", 0}};
  struct iot_notes notes = {0};
  struct mini_broker *broker = mini_broker_start();
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), &notes);
  void *handle = IOT_MQTT_Construct(&param);
  void *ota = IOT_OTA_Init("pk", "dn", handle);
  assert_non_null(ota);
  iot_notes_yield(handle, &notes.count[IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS], COUNT(rows));
  for (size_t i = 0; i < COUNT(rows); i++) {
    unsigned qos = 9;
    assert_true(mini_broker_subscribed(broker, rows[i].topic, &qos));
    assert_int_equal(qos, rows[i].qos);
  }
  assert_int_equal(IOT_OTA_Deinit(ota), 0);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_packet_may_come_in_pieces),
      cmocka_unit_test(a_malformed_packet_ends_the_connection),
      cmocka_unit_test(an_empty_client_id_needs_a_clean_session),
      cmocka_unit_test(buffers_of_0_are_the_default),
      cmocka_unit_test(odd_topics),
      cmocka_unit_test(subscribe_sync_says_what_came),
      cmocka_unit_test(offline),
      cmocka_unit_test(init_subscribes_five_topics),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
