/*
 * Remote configuration over a real MQTT client and a broker on loopback: topics, the request,
 * pushes and replies, the end. What is fetched of it: published/test_iot_ota_config.c.
 */
#include "channel/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cm.h"
#include "support/mini_broker.h"

#define GET_TOPIC "/sys/pk/dn/thing/config/get"
#define GET_REPLY_TOPIC "/sys/pk/dn/thing/config/get_reply"
#define CONFIG_PUSH_TOPIC "/sys/pk/dn/thing/config/push"
#define PUSH_REPLY_TOPIC "/sys/pk/dn/thing/config/push_reply"
#define CONFIG                                                                                     \
  "{\"configId\":\"c-1\",\"configSize\":5,\"getType\":\"file\",\"signMethod\":\"Md5\","            \
  "\"sign\":\"0123456789abcdef0123456789abcdef\",\"url\":\"http://127.0.0.1/f\"}"
#define SUBSCRIPTIONS 5 /* three of the OTA channel, two of this one */
#define STEPS_MAX 10000

struct device {
  struct mini_broker *broker;
  iotkit_mqtt_t *client;
  iotkit_ota_t *ota;
  struct ik_config_channel *config;
  unsigned subscribed;
  unsigned unsubscribed;
  unsigned configs;
  unsigned refusals;
  bool in_callback; /* as the channel saw it, in the last callback */
  uint64_t size;
  int error;
  char detail[IOTKIT_DETAIL_MAX];
};

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct device *device = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED && event->error == 0) device->subscribed++;
  if (event->type == IOTKIT_MQTT_EVENT_UNSUBSCRIBED) device->unsubscribed++;
}

static void on_config(void *ctx, iotkit_job_t *job) {
  struct device *device = ctx;
  device->in_callback = ik_config_channel_in_callback(device->config);
  device->size = iotkit_job_upgrade(job)->size;
  device->configs++;
  iotkit_job_unref(job);
}

static void on_refused(void *ctx, int error, const char *detail) {
  struct device *device = ctx;
  device->in_callback = ik_config_channel_in_callback(device->config);
  device->error = error;
  snprintf(device->detail, sizeof(device->detail), "%s", detail);
  device->refusals++;
}

/* Yields until *what is `count`; each yield ends with the next packet. */
static void await(struct device *device, const unsigned *what, unsigned count) {
  for (int i = 0; *what < count; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    iotkit_mqtt_yield(device->client, 5000);
  }
  assert_int_equal(*what, count);
}

static int open_config(struct device *device, const char *product_key, char *detail) {
  const struct ik_config_channel_options options = {.product_key = product_key,
                                                    .device_name = "dn",
                                                    .on_config = on_config,
                                                    .on_refused = on_refused,
                                                    .ctx = device};
  return ik_config_channel_open(device->client, device->ota, &options, &device->config, detail);
}

static int setup(void **state) {
  struct device *device = calloc(1, sizeof(*device));
  assert_non_null(device);
  device->broker = mini_broker_start();
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(device->broker),
                                              .client_id = "c",
                                              .on_event = on_event,
                                              .ctx = device};
  const struct iotkit_ota_options ota_options = {.product_key = "pk", .device_name = "dn"};
  assert_int_equal(iotkit_mqtt_new(&options, &device->client, NULL), 0);
  assert_int_equal(iotkit_ota_new(device->client, &ota_options, &device->ota, NULL), 0);
  assert_int_equal(open_config(device, "pk", NULL), 0);
  assert_int_equal(iotkit_mqtt_start(device->client), 0);
  await(device, &device->subscribed, SUBSCRIPTIONS);
  *state = device;
  return 0;
}

static int teardown(void **state) {
  struct device *device = *state;
  ik_config_channel_close(device->config);
  assert_int_equal(iotkit_ota_free(device->ota), 0);
  assert_int_equal(iotkit_mqtt_free(device->client), 0);
  mini_broker_stop(device->broker);
  free(device);
  return 0;
}

static void publish(struct device *device, const char *topic, const char *payload) {
  assert_true(mini_broker_publish(device->broker, topic, payload, 0, false));
}

static void assert_answered(struct device *device, unsigned index, const char *want) {
  char payload[512];
  iotkit_mqtt_yield(device->client, 0);
  assert_true(
      mini_broker_wait(device->broker, PUSH_REPLY_TOPIC, index, payload, sizeof(payload), NULL));
  assert_string_equal(payload, want);
}

static void subscribes_and_unsubscribes(void **state) {
  struct device *device = *state;
  unsigned qos = 7;
  assert_true(mini_broker_subscribed(device->broker, GET_REPLY_TOPIC, &qos));
  assert_int_equal(qos, 0);
  assert_true(mini_broker_subscribed(device->broker, CONFIG_PUSH_TOPIC, &qos));
  assert_int_equal(qos, 0);
  ik_config_channel_close(device->config);
  device->config = NULL;
  await(device, &device->unsubscribed, 2);
  assert_false(mini_broker_subscribed(device->broker, GET_REPLY_TOPIC, NULL));
  assert_false(mini_broker_subscribed(device->broker, CONFIG_PUSH_TOPIC, NULL));
  assert_false(ik_config_channel_in_callback(NULL));
}

static void names_that_make_no_topic_are_refused(void **state) {
  struct device *device = *state;
  struct ik_config_channel *opened = device->config;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(open_config(device, "p/k", detail), IK_EINVALID_ARGUMENT);
  assert_null(device->config);
  assert_string_equal(detail, "product key and device name make no topic");
  device->config = opened;
}

static void a_push_is_answered_and_becomes_a_job(void **state) {
  struct device *device = *state;
  publish(device, CONFIG_PUSH_TOPIC, "{\"id\":\"7\",\"version\":\"1.0\",\"params\":" CONFIG "}");
  await(device, &device->configs, 1);
  assert_true(device->size == 5);
  assert_true(device->in_callback);
  assert_false(ik_config_channel_in_callback(device->config));
  assert_answered(device, 0, "{\"id\":\"7\",\"code\":200,\"data\":{}}");
  assert_int_equal(device->refusals, 0);
}

static void a_bad_push_is_answered_and_reported(void **state) {
  struct device *device = *state;
  publish(device, CONFIG_PUSH_TOPIC, "{\"id\":\"8\",\"params\":{}}");
  await(device, &device->refusals, 1);
  assert_true(device->in_callback);
  assert_string_equal(device->detail, "params: is missing or empty");
  assert_true(device->error < 0);
  assert_answered(device, 0,
                  "{\"id\":\"8\",\"code\":460,\"message\":\"params: is missing or empty\","
                  "\"data\":{}}");
  assert_int_equal(device->configs, 0);
}

static void replies_are_not_answered(void **state) {
  struct device *device = *state;
  publish(device, GET_REPLY_TOPIC, "{\"id\":1,\"code\":200,\"data\":{}}"); /* there is none */
  publish(device, GET_REPLY_TOPIC, "{\"id\":1,\"code\":6713,\"data\":{}}");
  await(device, &device->refusals, 1);
  assert_int_equal(device->error, IK_ENOTICE_CODE);
  publish(device, GET_REPLY_TOPIC, "{\"id\":1,\"code\":200,\"data\":" CONFIG "}");
  await(device, &device->configs, 1);
  iotkit_mqtt_yield(device->client, 0);
  assert_int_equal(mini_broker_count(device->broker, PUSH_REPLY_TOPIC), 0);
}

static void asks_with_an_id_of_the_channel(void **state) {
  struct device *device = *state;
  char first[512];
  char second[512];
  char want[512];
  assert_int_equal(ik_config_channel_get(device->config, "product", "file", ""), 0);
  assert_int_equal(ik_config_channel_get(device->config, "product", "file", ""), 0);
  iotkit_mqtt_yield(device->client, 0);
  assert_true(mini_broker_wait(device->broker, GET_TOPIC, 0, first, sizeof(first), NULL));
  assert_true(mini_broker_wait(device->broker, GET_TOPIC, 1, second, sizeof(second), NULL));
  assert_non_null(strstr(first, "\"params\":{\"configScope\":\"product\",\"getType\":\"file\"}"));
  const unsigned id = (unsigned)strtoul(first + strlen("{\"id\":"), NULL, 10);
  snprintf(want, sizeof(want), "{\"id\":%u,", id + 1);
  assert_memory_equal(second, want, strlen(want));
  assert_int_equal(ik_config_channel_get(device->config, "\xff", "file", ""), IK_EINVALID_ARGUMENT);
}

#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_DEVICE(subscribes_and_unsubscribes),
      WITH_DEVICE(names_that_make_no_topic_are_refused),
      WITH_DEVICE(a_push_is_answered_and_becomes_a_job),
      WITH_DEVICE(a_bad_push_is_answered_and_reported),
      WITH_DEVICE(replies_are_not_answered),
      WITH_DEVICE(asks_with_an_id_of_the_channel),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
