/*
 * The platform's time over a real MQTT client and a broker on loopback that has a clock of its own:
 * single exchanges, the best of several, answers that are lost, late or wrong.
 */
#include "iotkit_time.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/port.h"
#include "support/cm.h"
#include "support/mini_broker.h"

#define REQUEST_TOPIC "/ext/ntp/pk/dn/request"
#define RESPONSE_TOPIC "/ext/ntp/pk/dn/response"
#define SUBSCRIPTIONS 4 /* three of the OTA channel, one of this one */
#define STEPS_MAX 10000
#define PLAN_MAX 32
#define WAITING_MAX 16
#define FUTURE_MS UINT64_C(4102444800000) /* 2100, by the broker's clock */
#define SLOW_MS 1000                      /* a loaded machine is not as slow */

enum answering { RIGHT, SILENT, SLOW, WRONG };

struct device {
  struct mini_broker *broker;
  iotkit_mqtt_t *client;
  iotkit_ota_t *ota;
  iotkit_time_t *time;
  unsigned subscribed;
  unsigned times;
  unsigned refusals;
  struct iotkit_time_reading reading; /* the last one */
  char request_id[IOTKIT_TIME_ID_MAX];
  char detail[IOTKIT_DETAIL_MAX];
  int error;
  /* of the test and the broker's thread */
  atomic_int plan[PLAN_MAX]; /* enum answering */
  atomic_uint asked;
};

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct device *device = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED && event->error == 0) device->subscribed++;
}

static void on_time(void *ctx, iotkit_time_t *time, const struct iotkit_time_reading *reading,
                    const char *request_id) {
  struct device *device = ctx;
  struct iotkit_time_reading unused;
  assert_int_equal(iotkit_time_free(time), IK_EIN_CALLBACK);
  assert_int_equal(iotkit_time_measure(time, 1, 1000, &unused), IK_EIN_CALLBACK);
  device->reading = *reading;
  snprintf(device->request_id, sizeof(device->request_id), "%s", request_id);
  device->times++;
}

static void on_refused(void *ctx, iotkit_time_t *time, int error, const char *detail,
                       const char *request_id) {
  struct device *device = ctx;
  (void)time;
  device->error = error;
  snprintf(device->detail, sizeof(device->detail), "%s", detail);
  snprintf(device->request_id, sizeof(device->request_id), "%s", request_id);
  device->refusals++;
}

/* The broker's clock: what it answers to the request that it got. */
static void tell_time(void *ctx, struct mini_broker *broker, const char *payload) {
  struct device *device = ctx;
  char answer[256];
  const int how = device->plan[atomic_fetch_add(&device->asked, 1) % PLAN_MAX];
  const char *sent = payload + strlen("{\"deviceSendTime\":\"");
  const int digits = (int)strspn(sent, "0123456789");
  if (digits == 0 || how == SILENT) return;
  if (how == SLOW) {
    const uint64_t until_ms = iotkit_now_ms() + SLOW_MS;
    while (iotkit_now_ms() < until_ms)
      ik_port_sleep_ms(1); /* as a network that takes its time */
  }
  snprintf(answer, sizeof(answer),
           "{\"deviceSendTime\":\"%.*s\",\"serverRecvTime\":%" PRIu64 ",\"serverSendTime\":%" PRIu64
           "}",
           digits, sent, FUTURE_MS + (how == WRONG), FUTURE_MS);
  (void)mini_broker_publish(broker, RESPONSE_TOPIC, answer, 0, false);
}

/* Yields until *what is `count`; each yield ends with the next packet. */
static void await(struct device *device, const unsigned *what, unsigned count) {
  for (int i = 0; *what < count; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    iotkit_mqtt_yield(device->client, 5000);
  }
  assert_int_equal(*what, count);
}

static int setup(void **state) {
  struct device *device = calloc(1, sizeof(*device));
  assert_non_null(device);
  device->broker = mini_broker_start();
  mini_broker_answer(device->broker, REQUEST_TOPIC, tell_time, device);
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(device->broker),
                                              .client_id = "c",
                                              .on_event = on_event,
                                              .ctx = device};
  const struct iotkit_ota_options ota = {.product_key = "pk", .device_name = "dn"};
  const struct iotkit_time_options time = {
      .on_time = on_time, .on_refused = on_refused, .ctx = device};
  assert_int_equal(iotkit_mqtt_new(&options, &device->client, NULL), 0);
  assert_int_equal(iotkit_ota_new(device->client, &ota, &device->ota, NULL), 0);
  assert_int_equal(iotkit_time_new(device->ota, &time, &device->time, NULL), 0);
  assert_int_equal(iotkit_mqtt_start(device->client), 0);
  await(device, &device->subscribed, SUBSCRIPTIONS);
  *state = device;
  return 0;
}

static int teardown(void **state) {
  struct device *device = *state;
  assert_int_equal(iotkit_time_free(device->time), 0);
  assert_int_equal(iotkit_ota_free(device->ota), 0);
  assert_int_equal(iotkit_mqtt_free(device->client), 0);
  mini_broker_stop(device->broker);
  free(device);
  return 0;
}

static void assert_future(const struct iotkit_time_reading *reading) {
  assert_true(reading->time_ms >= FUTURE_MS);
  assert_true(reading->time_ms - FUTURE_MS <= reading->uncertainty_ms);
  assert_true(reading->at_ms <= iotkit_now_ms());
  assert_true(reading->uncertainty_ms > 0);
  assert_true(reading->offset_ms > 0);
}

static void one_exchange_gives_a_reading(void **state) {
  struct device *device = *state;
  char id[IOTKIT_TIME_ID_MAX];
  assert_int_equal(iotkit_time_request(device->time, id), 0);
  await(device, &device->times, 1);
  assert_string_equal(device->request_id, id);
  assert_future(&device->reading);
  assert_int_equal(iotkit_time_request(device->time, NULL), 0);
  await(device, &device->times, 2);
  assert_string_not_equal(device->request_id, id);
  assert_int_equal(device->refusals, 0);
}

/* The same program has no other thread: the measurement itself drives the client. */
static void the_best_of_several_is_the_fastest(void **state) {
  struct device *device = *state;
  struct iotkit_time_reading reading;
  device->plan[0] = SLOW;
  device->plan[2] = SLOW;
  assert_int_equal(iotkit_time_measure(device->time, 3, 60000, &reading), 0);
  assert_future(&reading);
  assert_true(reading.uncertainty_ms < SLOW_MS / 2);
  assert_int_equal(device->asked, 3);
  assert_int_equal(device->times, 0);
}

static void a_lost_answer_costs_its_share_of_the_time(void **state) {
  struct device *device = *state;
  struct iotkit_time_reading reading;
  device->plan[0] = SILENT;
  device->plan[1] = WRONG;
  assert_int_equal(iotkit_time_measure(device->time, 3, 3000, &reading), 0);
  assert_future(&reading);
  assert_int_equal(device->asked, 3);
}

static void without_any_answer_it_says_why(void **state) {
  struct device *device = *state;
  struct iotkit_time_reading reading = {.time_ms = 7};
  device->plan[0] = device->plan[1] = SILENT;
  assert_int_equal(iotkit_time_measure(device->time, 2, 20, &reading), IK_ETIMEOUT);
  device->plan[2] = WRONG;
  assert_int_equal(iotkit_time_measure(device->time, 1, 60000, &reading), IK_ENOTICE_FIELD);
  assert_int_equal(device->asked, 3); /* only now has the broker heard them all */
  assert_true(reading.time_ms == 7);
  assert_int_equal(device->refusals, 0);
}

static void a_wrong_answer_is_refused_for_its_request(void **state) {
  struct device *device = *state;
  char id[IOTKIT_TIME_ID_MAX];
  device->plan[0] = WRONG;
  assert_int_equal(iotkit_time_request(device->time, id), 0);
  await(device, &device->refusals, 1);
  assert_string_equal(device->request_id, id);
  assert_int_equal(device->error, IK_ENOTICE_FIELD);
  assert_string_equal(device->detail, "serverSendTime: is before serverRecvTime");
  assert_true(mini_broker_publish(device->broker, RESPONSE_TOPIC, "{", 0, false));
  await(device, &device->refusals, 2);
  assert_string_equal(device->request_id, "");
  assert_int_equal(device->times, 0);
}

static void what_nobody_asked_is_not_handed_on(void **state) {
  struct device *device = *state;
  static const char answer[] =
      "{\"deviceSendTime\":\"1\",\"serverRecvTime\":5,\"serverSendTime\":5}";
  char id[IOTKIT_TIME_ID_MAX];
  char again[256];
  assert_true(mini_broker_publish(device->broker, RESPONSE_TOPIC, answer, 0, false));
  assert_int_equal(iotkit_time_request(device->time, id), 0);
  await(device, &device->times, 1);
  snprintf(again, sizeof(again),
           "{\"deviceSendTime\":\"%s\",\"serverRecvTime\":5,\"serverSendTime\":5}", id);
  assert_true(mini_broker_publish(device->broker, RESPONSE_TOPIC, again, 0, false));
  assert_int_equal(iotkit_time_request(device->time, NULL), 0);
  await(device, &device->times, 2);
  assert_int_equal(device->refusals, 0);
}

static void of_many_requests_the_oldest_is_given_up(void **state) {
  struct device *device = *state;
  char first[IOTKIT_TIME_ID_MAX];
  char answer[256];
  for (unsigned i = 0; i < WAITING_MAX; i++)
    device->plan[i] = SILENT;
  assert_int_equal(iotkit_time_request(device->time, first), 0);
  for (unsigned i = 1; i < WAITING_MAX; i++)
    assert_int_equal(iotkit_time_request(device->time, NULL), 0);
  assert_int_equal(iotkit_time_request(device->time, NULL), 0);
  await(device, &device->times, 1);
  snprintf(answer, sizeof(answer),
           "{\"deviceSendTime\":\"%s\",\"serverRecvTime\":5,\"serverSendTime\":5}", first);
  assert_true(mini_broker_publish(device->broker, RESPONSE_TOPIC, answer, 0, false));
  assert_int_equal(iotkit_time_request(device->time, NULL), 0);
  await(device, &device->times, 2);
}

static void without_a_connection_there_is_no_time(void **state) {
  (void)state;
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1", .port = 1, .client_id = "c"};
  const struct iotkit_ota_options ota_options = {.product_key = "pk", .device_name = "dn"};
  const struct iotkit_time_options time_options = {0};
  struct iotkit_time_reading reading;
  iotkit_mqtt_t *client;
  iotkit_ota_t *ota;
  iotkit_time_t *time;
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  assert_int_equal(iotkit_ota_new(client, &ota_options, &ota, NULL), 0);
  assert_int_equal(iotkit_time_new(ota, &time_options, &time, NULL), 0);
  assert_int_equal(iotkit_time_request(time, NULL), IK_ENOT_CONNECTED);
  assert_int_equal(iotkit_time_measure(time, 3, 60000, &reading), IK_ENOT_CONNECTED);
  assert_int_equal(iotkit_time_free(time), 0);
  assert_int_equal(iotkit_ota_free(ota), 0);
  assert_int_equal(iotkit_mqtt_free(client), 0);
}

static void what_is_missing_is_refused(void **state) {
  struct device *device = *state;
  const struct iotkit_time_options options = {0};
  struct iotkit_time_reading reading;
  iotkit_time_t *time = device->time;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(iotkit_time_new(NULL, &options, &time, detail), IK_EINVALID_ARGUMENT);
  assert_null(time);
  assert_string_equal(detail, "channel, options and out are needed");
  assert_int_equal(iotkit_time_new(device->ota, NULL, &time, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_time_new(device->ota, &options, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_time_request(NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_time_measure(NULL, 1, 1, &reading), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_time_measure(device->time, 0, 1, &reading), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_time_measure(device->time, 17, 1, &reading), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_time_measure(device->time, 1, 1, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_time_free(NULL), 0);
}

#define WITH_DEVICE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_DEVICE(one_exchange_gives_a_reading),
      WITH_DEVICE(the_best_of_several_is_the_fastest),
      WITH_DEVICE(a_lost_answer_costs_its_share_of_the_time),
      WITH_DEVICE(without_any_answer_it_says_why),
      WITH_DEVICE(a_wrong_answer_is_refused_for_its_request),
      WITH_DEVICE(what_nobody_asked_is_not_handed_on),
      WITH_DEVICE(of_many_requests_the_oldest_is_given_up),
      cmocka_unit_test(without_a_connection_there_is_no_time),
      WITH_DEVICE(what_is_missing_is_refused),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
