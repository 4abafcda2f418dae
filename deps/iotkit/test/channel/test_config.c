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
  iotkit_config_t *config;
  unsigned subscribed;
  unsigned unsubscribed;
  unsigned configs;
  unsigned refusals;
  unsigned nothings;
  bool in_callback;  /* as the object saw it, in the last callback */
  iotkit_job_t *job; /* the last one */
  int error;
  char request_id[IOTKIT_DETAIL_MAX];
  char detail[IOTKIT_DETAIL_MAX];
};

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct device *device = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED && event->error == 0) device->subscribed++;
  if (event->type == IOTKIT_MQTT_EVENT_UNSUBSCRIBED) device->unsubscribed++;
}

static void on_config(void *ctx, iotkit_config_t *config, iotkit_job_t *job) {
  struct device *device = ctx;
  device->in_callback = ik_config_in_callback(device->config);
  assert_int_equal(iotkit_config_free(config), IK_EIN_CALLBACK);
  iotkit_job_unref(device->job);
  device->job = job;
  device->configs++;
}

static void on_refused(void *ctx, iotkit_config_t *config, int error, const char *detail,
                       const char *request_id) {
  struct device *device = ctx;
  device->in_callback = ik_config_in_callback(config);
  device->error = error;
  snprintf(device->detail, sizeof(device->detail), "%s", detail);
  snprintf(device->request_id, sizeof(device->request_id), "%s", request_id);
  device->refusals++;
}

static void on_nothing(void *ctx, iotkit_config_t *config, const char *request_id) {
  struct device *device = ctx;
  device->in_callback = ik_config_in_callback(config);
  snprintf(device->request_id, sizeof(device->request_id), "%s", request_id);
  device->nothings++;
}

/* Yields until *what is `count`; each yield ends with the next packet. */
static void await(struct device *device, const unsigned *what, unsigned count) {
  for (int i = 0; *what < count; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    iotkit_mqtt_yield(device->client, 5000);
  }
  assert_int_equal(*what, count);
}

static void open_config(struct device *device, bool answer_pushes) {
  const struct iotkit_config_options options = {.answer_pushes = answer_pushes,
                                                .on_config = on_config,
                                                .on_refused = on_refused,
                                                .on_nothing = on_nothing,
                                                .ctx = device};
  assert_int_equal(iotkit_config_new(device->ota, &options, &device->config, NULL), 0);
}

/* The same again, but who answers a push. */
static void reopen_config(struct device *device, bool answer_pushes) {
  assert_int_equal(iotkit_config_free(device->config), 0);
  open_config(device, answer_pushes);
  await(device, &device->subscribed, SUBSCRIPTIONS + 2);
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
  open_config(device, true);
  assert_int_equal(iotkit_mqtt_start(device->client), 0);
  await(device, &device->subscribed, SUBSCRIPTIONS);
  *state = device;
  return 0;
}

static int teardown(void **state) {
  struct device *device = *state;
  iotkit_job_unref(device->job);
  assert_int_equal(iotkit_config_free(device->config), 0);
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
  assert_int_equal(iotkit_config_free(device->config), 0);
  device->config = NULL;
  await(device, &device->unsubscribed, 2);
  assert_false(mini_broker_subscribed(device->broker, GET_REPLY_TOPIC, NULL));
  assert_false(mini_broker_subscribed(device->broker, CONFIG_PUSH_TOPIC, NULL));
  assert_false(ik_config_in_callback(NULL));
}

static void what_is_missing_or_unknown_is_refused(void **state) {
  struct device *device = *state;
  struct {
    struct iotkit_config_options known;
    void *unknown;
  } longer = {.known = {.struct_size = sizeof(longer)}, .unknown = device};
  iotkit_config_t *config = device->config;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(iotkit_config_new(NULL, &longer.known, &config, detail), IK_EINVALID_ARGUMENT);
  assert_null(config);
  assert_string_equal(detail, "channel, options and out are needed");
  assert_int_equal(iotkit_config_new(device->ota, NULL, &config, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_new(device->ota, &longer.known, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_new(device->ota, &longer.known, &config, NULL),
                   IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_request(NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_free(NULL), 0);
}

/* Every callback may be missing. */
static void nobody_need_listen(void **state) {
  struct device *device = *state;
  const struct iotkit_config_options options = {.answer_pushes = true};
  char payload[512];
  assert_int_equal(iotkit_config_free(device->config), 0);
  assert_int_equal(iotkit_config_new(device->ota, &options, &device->config, NULL), 0);
  await(device, &device->subscribed, SUBSCRIPTIONS + 2);
  publish(device, GET_REPLY_TOPIC, "{\"id\":1,\"code\":200,\"data\":{}}");
  publish(device, GET_REPLY_TOPIC, "{\"id\":1,\"code\":460,\"data\":{}}");
  publish(device, CONFIG_PUSH_TOPIC, "{\"id\":\"7\",\"params\":" CONFIG "}");
  for (int i = 0; mini_broker_count(device->broker, PUSH_REPLY_TOPIC) == 0; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    iotkit_mqtt_yield(device->client, 1);
  }
  assert_true(
      mini_broker_wait(device->broker, PUSH_REPLY_TOPIC, 0, payload, sizeof(payload), NULL));
}

static void a_push_is_answered_and_becomes_a_job(void **state) {
  struct device *device = *state;
  publish(device, CONFIG_PUSH_TOPIC, "{\"id\":\"7\",\"version\":\"1.0\",\"params\":" CONFIG "}");
  await(device, &device->configs, 1);
  assert_true(iotkit_job_upgrade(device->job)->size == 5);
  assert_string_equal(iotkit_job_upgrade(device->job)->id, "7");
  assert_string_equal(iotkit_job_config(device->job)->config_id, "c-1");
  assert_true(iotkit_job_config(device->job)->pushed);
  assert_true(device->in_callback);
  assert_false(ik_config_in_callback(device->config));
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

static void the_program_answers_a_push(void **state) {
  struct device *device = *state;
  reopen_config(device, false);
  publish(device, CONFIG_PUSH_TOPIC, "{\"id\":\"7\",\"params\":" CONFIG "}");
  publish(device, CONFIG_PUSH_TOPIC, "{\"id\":\"8\",\"params\":{}}");
  await(device, &device->configs, 1);
  await(device, &device->refusals, 1);
  assert_string_equal(device->request_id, "");
  assert_answered(device, 0,
                  "{\"id\":\"8\",\"code\":460,\"message\":\"params: is missing or empty\","
                  "\"data\":{}}");
  const char *id = iotkit_job_upgrade(device->job)->id;
  assert_int_equal(iotkit_config_answer(device->config, id, 460, "no \"colour\""), 0);
  assert_answered(device, 1,
                  "{\"id\":\"7\",\"code\":460,\"message\":\"no \\\"colour\\\"\",\"data\":{}}");
  assert_int_equal(iotkit_config_answer(device->config, id, IOTKIT_CONFIG_ACCEPTED, NULL), 0);
  assert_answered(device, 2, "{\"id\":\"7\",\"code\":200,\"data\":{}}");
}

static void bad_answers_are_refused(void **state) {
  struct device *device = *state;
  iotkit_config_t *config = device->config;
  char text[IOTKIT_CONFIG_MESSAGE_MAX + 2];
  memset(text, 'a', sizeof(text) - 1);
  text[sizeof(text) - 1] = '\0';
  assert_int_equal(iotkit_config_answer(NULL, "7", 200, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_answer(config, NULL, 200, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_answer(config, "", 200, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_answer(config, "7", 0, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_answer(config, "7", -1, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_answer(config, "7", 200, "\xff"), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_config_answer(config, "7", 200, text), IK_ETOO_LONG);
  assert_int_equal(iotkit_config_answer(config, text, 200, NULL), IK_ETOO_LONG);
  assert_int_equal(iotkit_config_answer(config, "7", 200, text + 1), 0);
  iotkit_mqtt_yield(device->client, 0);
  assert_true(mini_broker_wait(device->broker, PUSH_REPLY_TOPIC, 0, text, sizeof(text), NULL));
  assert_int_equal(mini_broker_count(device->broker, PUSH_REPLY_TOPIC), 1);
}

static void replies_are_not_answered(void **state) {
  struct device *device = *state;
  publish(device, GET_REPLY_TOPIC, "{\"id\":\"17\",\"code\":200,\"data\":{}}");
  await(device, &device->nothings, 1);
  assert_string_equal(device->request_id, "17");
  publish(device, GET_REPLY_TOPIC, "{\"id\":18,\"code\":6710,\"data\":{}}");
  await(device, &device->nothings, 2);
  assert_string_equal(device->request_id, "18");
  assert_true(device->in_callback);
  publish(device, GET_REPLY_TOPIC, "{\"id\":19,\"code\":6713,\"data\":{}}");
  await(device, &device->refusals, 1);
  assert_int_equal(device->error, IK_ECONFIG_DISABLED);
  assert_string_equal(device->request_id, "19");
  publish(device, GET_REPLY_TOPIC, "{\"id\":1,\"code\":200,\"data\":" CONFIG "}");
  await(device, &device->configs, 1);
  assert_false(iotkit_job_config(device->job)->pushed);
  iotkit_mqtt_yield(device->client, 0);
  assert_int_equal(mini_broker_count(device->broker, PUSH_REPLY_TOPIC), 0);
}

static void asks_with_an_id_of_the_channel(void **state) {
  struct device *device = *state;
  char first[512];
  char second[512];
  char want[512];
  char id[16];
  assert_int_equal(iotkit_config_request(device->config, id), 0);
  assert_int_equal(iotkit_config_request(device->config, NULL), 0);
  iotkit_mqtt_yield(device->client, 0);
  assert_true(mini_broker_wait(device->broker, GET_TOPIC, 0, first, sizeof(first), NULL));
  assert_true(mini_broker_wait(device->broker, GET_TOPIC, 1, second, sizeof(second), NULL));
  assert_non_null(strstr(first, "\"params\":{\"configScope\":\"product\",\"getType\":\"file\"}"));
  snprintf(want, sizeof(want), "{\"id\":%s,", id);
  assert_memory_equal(first, want, strlen(want));
  const unsigned number = (unsigned)strtoul(id, NULL, 10);
  snprintf(want, sizeof(want), "{\"id\":%u,", number + 1);
  assert_memory_equal(second, want, strlen(want));
  assert_int_equal(ik_config_ask(device->config, "\xff", "file", "", NULL), IK_EINVALID_ARGUMENT);
}

static void only_configurations_have_one(void **state) {
  (void)state;
  static const char json[] =
      "{\"code\":\"1000\",\"id\":1,\"data\":{\"size\":5,\"version\":\"2\",\"url\":\"http://"
      "127.0.0.1/\","
      "\"sign\":\"0123456789abcdef0123456789abcdef\",\"signMethod\":\"Md5\"}}";
  iotkit_job_t *job;
  assert_int_equal(iotkit_job_parse(json, strlen(json), NULL, &job, NULL), 0);
  assert_null(iotkit_job_config(job));
  assert_null(iotkit_job_config(NULL));
  iotkit_job_unref(job);
}

#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_DEVICE(subscribes_and_unsubscribes),
      WITH_DEVICE(what_is_missing_or_unknown_is_refused),
      WITH_DEVICE(nobody_need_listen),
      WITH_DEVICE(a_push_is_answered_and_becomes_a_job),
      WITH_DEVICE(a_bad_push_is_answered_and_reported),
      WITH_DEVICE(the_program_answers_a_push),
      WITH_DEVICE(bad_answers_are_refused),
      WITH_DEVICE(replies_are_not_answered),
      WITH_DEVICE(asks_with_an_id_of_the_channel),
      cmocka_unit_test(only_configurations_have_one),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
