/*
 * IOT_MQTT_Construct of a device that this process has connected already: NULL at once and a line
 * in the log that names both, instead of two clients that end each other's connection.
 */
#include <stdio.h>
#include <string.h>

#include "iot_export.h"
#include "iotkit_core.h"
#include "iotkit_mqtt.h"
#include "support/cm.h"
#include "support/iot_notes.h"
#include "support/mini_broker.h"

#define LAMP "pk.lamp|securemode=3,_v=sdk-c-2.3.0,timestamp=2524608000000|"
#define LAMP_LATER "agent|securemode=3,timestamp=7|"

static char logged[4096];

static void keep_log(void *ctx, int level, const char *text) {
  (void)ctx;
  const size_t len = strlen(logged);
  snprintf(logged + len, sizeof(logged) - len, "%d %s\n", level, text);
}

static void *construct(struct mini_broker *broker, struct iot_notes *notes, const char *client_id,
                       const char *username) {
  *notes = (struct iot_notes){0};
  iotx_mqtt_param_t param = iot_notes_params(mini_broker_port(broker), notes);
  param.client_id = client_id;
  param.username = username;
  return IOT_MQTT_Construct(&param);
}

static void the_second_is_refused_and_the_first_stays(void **state) {
  (void)state;
  struct iot_notes notes, others;
  struct mini_broker *broker = mini_broker_start();
  void *first = construct(broker, &notes, LAMP, "lamp&pk");
  assert_non_null(first);
  iotkit_log_set(IOTKIT_LOG_ERROR, keep_log, NULL);
  assert_null(construct(broker, &others, LAMP, "lamp&pk"));
  assert_null(construct(broker, &others, LAMP_LATER, "lamp&pk"));
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  assert_non_null(strstr(logged, LAMP));
  assert_non_null(strstr(logged, LAMP_LATER));
  assert_non_null(strstr(logged, "IOT_MQTT_Construct: another client of this process"));
  char x[] = "x";
  assert_int_equal(IOT_MQTT_Publish_Simple(first, "/up", 0, x, 1), 0);
  assert_true(mini_broker_wait(broker, "/up", 0, (char[8]){0}, 8, NULL));
  assert_int_equal(IOT_MQTT_CheckStateNormal(first), 1);
  assert_int_equal(IOT_MQTT_Destroy(&first), 0);
  void *again = construct(broker, &others, LAMP_LATER, "lamp&pk");
  assert_non_null(again);
  assert_int_equal(IOT_MQTT_Destroy(&again), 0);
  mini_broker_stop(broker);
}

/* A client of the extension API counts, too. */
static void both_faces_share_the_identities(void **state) {
  (void)state;
  struct iot_notes notes;
  struct mini_broker *broker = mini_broker_start();
  void *handle = construct(broker, &notes, LAMP, "lamp&pk");
  assert_non_null(handle);
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(broker),
                                              .client_id = LAMP_LATER,
                                              .username = "lamp&pk"};
  iotkit_mqtt_t *client = NULL;
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  assert_int_equal(iotkit_mqtt_start(client), IK_EMQTT_IN_USE);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  assert_int_equal(iotkit_mqtt_start(client), 0);
  assert_null(construct(broker, &notes, LAMP, "lamp&pk"));
  assert_int_equal(iotkit_mqtt_free(client), 0);
  handle = construct(broker, &notes, LAMP, "lamp&pk");
  assert_non_null(handle);
  assert_int_equal(IOT_MQTT_Destroy(&handle), 0);
  mini_broker_stop(broker);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_second_is_refused_and_the_first_stays),
      cmocka_unit_test(both_faces_share_the_identities),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
