/*
 * The channel over a real MQTT client and a broker on loopback: subscriptions, reports, notices,
 * refusals, repetitions, the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iotkit_ota.h"
#include "support/cm.h"
#include "support/mini_broker.h"

#define UPGRADE_TOPIC "/ota/device/upgrade/pk/dn"
#define REQUEST_TOPIC "/ota/device/request/pk/dn"
#define INFORM_TOPIC "/ota/device/inform/pk/dn"
#define PROGRESS_TOPIC "/ota/device/progress/pk/dn"
#define GET_TOPIC "/sys/pk/dn/thing/ota/firmware/get"
#define GET_REPLY_TOPIC "/sys/pk/dn/thing/ota/firmware/get_reply"
#define MD5 "0123456789abcdef0123456789abcdef"
#define DATA(version)                                                                              \
  "{\"size\":5,\"version\":\"" version "\",\"url\":\"http://127.0.0.1/f\",\"md5\":\"" MD5 "\"}"
#define NOTICE(id, version)                                                                        \
  "{\"code\":\"1000\",\"id\":" id ",\"message\":\"success\",\"data\":" DATA(version) "}"
#define STEPS_MAX 10000

struct world {
  struct mini_broker *broker;
  iotkit_mqtt_t *client;
  iotkit_ota_t *ota;
  unsigned upgrades;
  unsigned refusals;
  unsigned nothings;
  unsigned subscribed;
  int error;
  bool keep; /* the jobs, in `job` */
  iotkit_job_t *job;
  char version[65];
  char module[65];
  char detail[IOTKIT_DETAIL_MAX];
  char request_id[16];
  int free_rc;
};

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct world *world = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED && event->error == 0) world->subscribed++;
}

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct world *world = ctx;
  world->upgrades++;
  snprintf(world->version, sizeof(world->version), "%s", iotkit_job_upgrade(job)->version);
  snprintf(world->module, sizeof(world->module), "%s", iotkit_job_upgrade(job)->module);
  world->free_rc = iotkit_ota_free(ota); /* is refused here */
  if (!world->keep) {
    iotkit_job_unref(job);
    return;
  }
  iotkit_job_unref(world->job);
  world->job = job;
}

static void on_refused(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                       const char *request_id) {
  (void)request_id;
  struct world *world = ctx;
  (void)ota;
  world->refusals++;
  world->error = error;
  snprintf(world->detail, sizeof(world->detail), "%s", detail);
}

static void on_nothing(void *ctx, iotkit_ota_t *ota, const char *request_id) {
  struct world *world = ctx;
  (void)ota;
  world->nothings++;
  snprintf(world->request_id, sizeof(world->request_id), "%s", request_id);
}

/* Yields until *what is `count`; each yield ends with the next packet. */
static void until(struct world *world, const unsigned *what, unsigned count) {
  for (int i = 0; *what < count; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    iotkit_mqtt_yield(world->client, 5000);
  }
  assert_int_equal(*what, count);
}

static void flush(struct world *world) {
  iotkit_mqtt_yield(world->client, 0);
}

static int setup(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_non_null(world);
  world->broker = mini_broker_start();
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(world->broker),
                                              .client_id = "c",
                                              .reconnect_min_ms = 1,
                                              .on_event = on_event,
                                              .ctx = world};
  const struct iotkit_ota_options ota_options = {.product_key = "pk",
                                                 .device_name = "dn",
                                                 .on_upgrade = on_upgrade,
                                                 .on_refused = on_refused,
                                                 .on_nothing = on_nothing,
                                                 .ctx = world};
  assert_int_equal(iotkit_mqtt_new(&options, &world->client, detail), 0);
  assert_int_equal(iotkit_ota_new(world->client, &ota_options, &world->ota, detail), 0);
  assert_int_equal(iotkit_mqtt_start(world->client), 0);
  until(world, &world->subscribed, 3);
  *state = world;
  return 0;
}

static int teardown(void **state) {
  struct world *world = *state;
  iotkit_job_unref(world->job);
  iotkit_ota_free(world->ota);
  iotkit_mqtt_free(world->client);
  mini_broker_stop(world->broker);
  free(world);
  return 0;
}

static void push(struct world *world, const char *topic, const char *payload) {
  assert_true(mini_broker_publish(world->broker, topic, payload, 1, false));
}

static void subscribes_its_topics(void **state) {
  struct world *world = *state;
  unsigned qos = 9;
  assert_true(mini_broker_subscribed(world->broker, UPGRADE_TOPIC, &qos));
  assert_int_equal(qos, 1);
  assert_true(mini_broker_subscribed(world->broker, REQUEST_TOPIC, &qos));
  assert_int_equal(qos, 1);
  assert_true(mini_broker_subscribed(world->broker, GET_REPLY_TOPIC, NULL));
}

static void makes_a_job_of_a_notice(void **state) {
  struct world *world = *state;
  push(world, UPGRADE_TOPIC, NOTICE("1", "2.0.0"));
  until(world, &world->upgrades, 1);
  assert_string_equal(world->version, "2.0.0");
  assert_int_equal(world->free_rc, IK_EIN_CALLBACK);
  push(world, REQUEST_TOPIC, NOTICE("2", "2.0.1"));
  until(world, &world->upgrades, 2);
  assert_string_equal(world->version, "2.0.1");
}

static void offers_a_notice_once(void **state) {
  struct world *world = *state;
  world->keep = true;
  push(world, UPGRADE_TOPIC, NOTICE("1", "2.0.0"));
  until(world, &world->upgrades, 1);
  /* Again while its job is in use, then another one: only that is new. */
  push(world, UPGRADE_TOPIC, NOTICE("1", "2.0.0"));
  push(world, UPGRADE_TOPIC, NOTICE("2", "2.0.1"));
  until(world, &world->upgrades, 2);
  assert_string_equal(world->version, "2.0.1");
  /*
   * The first is not in use any more: pushed again it is a new try, but not where the broker
   * repeats itself.
   */
  assert_true(mini_broker_publish(world->broker, UPGRADE_TOPIC, NOTICE("1", "2.0.0"), 1, true));
  push(world, UPGRADE_TOPIC, NOTICE("1", "2.0.0"));
  until(world, &world->upgrades, 3);
  assert_string_equal(world->version, "2.0.0");
}

static void refuses_bad_notices_and_reports_them(void **state) {
  struct world *world = *state;
  char payload[1024];
  unsigned qos = 9;
  push(world, UPGRADE_TOPIC,
       "{\"code\":\"1000\",\"message\":\"success\",\"data\":{\"version\":\"2\","
       "\"module\":\"MCU\",\"size\":0,\"url\":\"http://h/f?secret=1\"}}");
  until(world, &world->refusals, 1);
  assert_int_equal(world->error, IK_ENOTICE_FIELD);
  assert_non_null(strstr(world->detail, "size"));
  flush(world);
  assert_true(mini_broker_wait(world->broker, PROGRESS_TOPIC, 0, payload, sizeof(payload), &qos));
  assert_int_equal(qos, 0);
  assert_non_null(strstr(payload, "\"step\":\"-1\""));
  assert_non_null(strstr(payload, "ERR_NOTICE_FIELD: size"));
  assert_non_null(strstr(payload, "\"module\":\"MCU\""));
  assert_null(strstr(payload, "secret"));
  push(world, UPGRADE_TOPIC, "{");
  until(world, &world->refusals, 2);
  assert_int_equal(world->error, IK_ENOTICE_JSON);
  push(world, UPGRADE_TOPIC, "{\"code\":\"1000\",\"message\":\"success\",\"data\":{}}");
  until(world, &world->refusals, 3);
  assert_int_equal(world->error, IK_ENOTICE_FIELD);
  assert_int_equal(world->upgrades, 0);
}

static void takes_no_echo_of_its_request_for_a_notice(void **state) {
  struct world *world = *state;
  push(world, REQUEST_TOPIC, "{\"id\":\"1\",\"params\":{\"version\":\"1.0.0\"}}");
  push(world, UPGRADE_TOPIC, NOTICE("1", "2.0.0"));
  until(world, &world->upgrades, 1);
  assert_int_equal(world->refusals, 0);
}

static void asks_and_is_answered(void **state) {
  struct world *world = *state;
  char id[16];
  char payload[512];
  char reply[512];
  unsigned qos = 9;
  assert_int_equal(iotkit_ota_request(world->ota, "MCU", id), 0);
  flush(world);
  assert_true(mini_broker_wait(world->broker, GET_TOPIC, 0, payload, sizeof(payload), &qos));
  assert_int_equal(qos, 0);
  snprintf(reply, sizeof(reply),
           "{\"id\":\"%s\",\"version\":\"1.0\",\"params\":{\"module\":\"MCU\"},"
           "\"method\":\"thing.ota.firmware.get\"}",
           id);
  assert_string_equal(payload, reply);
  snprintf(reply, sizeof(reply), "{\"id\":\"%s\",\"code\":200,\"data\":{}}", id);
  push(world, GET_REPLY_TOPIC, reply);
  until(world, &world->nothings, 1);
  assert_string_equal(world->request_id, id);
  push(world, GET_REPLY_TOPIC, "{\"id\":\"5\",\"code\":200,\"data\":" DATA("3.0.0") "}");
  until(world, &world->upgrades, 1);
  assert_string_equal(world->version, "3.0.0");
  push(world, GET_REPLY_TOPIC, "{\"id\":\"6\",\"code\":460,\"message\":\"bad\",\"data\":{}}");
  until(world, &world->refusals, 1);
  assert_int_equal(world->error, IK_ENOTICE_CODE);
  /*
   * An answer to us is not an upgrade that failed: the version report is the next thing the broker
   * sees.
   */
  assert_true(iotkit_ota_report_version(world->ota, "1.0.0", NULL) > 0);
  flush(world);
  assert_true(mini_broker_wait(world->broker, INFORM_TOPIC, 0, payload, sizeof(payload), &qos));
  assert_int_equal(mini_broker_count(world->broker, PROGRESS_TOPIC), 0);
}

static void reports(void **state) {
  struct world *world = *state;
  char first[512];
  char second[512];
  unsigned qos = 9;
  assert_true(iotkit_ota_report_version(world->ota, "1.0.0", NULL) > 0);
  assert_true(iotkit_ota_report_version(world->ota, "1.0.0", "MCU") > 0);
  assert_int_equal(iotkit_ota_report_progress(world->ota, -3, "a \"quote\"\n", NULL), 0);
  flush(world);
  assert_true(mini_broker_wait(world->broker, INFORM_TOPIC, 0, first, sizeof(first), &qos));
  assert_int_equal(qos, 1);
  assert_non_null(strstr(first, "\",\"params\":{\"version\":\"1.0.0\"}}"));
  assert_true(mini_broker_wait(world->broker, INFORM_TOPIC, 1, second, sizeof(second), &qos));
  assert_non_null(strstr(second, "\"params\":{\"version\":\"1.0.0\",\"module\":\"MCU\"}}"));
  assert_true(strtoul(second + 7, NULL, 10) == (strtoul(first + 7, NULL, 10) + 1) % 4294967296u);
  assert_true(mini_broker_wait(world->broker, PROGRESS_TOPIC, 0, first, sizeof(first), &qos));
  assert_non_null(strstr(first, "{\"step\":\"-3\",\"desc\":\"a \\\"quote\\\"\\n\"}}"));
}

static void refuses_bad_reports(void **state) {
  struct world *world = *state;
  static char desc[1026];
  char version[66];
  memset(desc, 'x', sizeof(desc) - 1);
  memset(version, '1', sizeof(version));
  version[65] = '\0';
  assert_int_equal(iotkit_ota_report_version(NULL, "1", NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_report_version(world->ota, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_report_version(world->ota, "", NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_report_version(world->ota, "1 0", NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_report_version(world->ota, version, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_report_version(world->ota, "1", "a/b"), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_report_progress(world->ota, -5, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_report_progress(world->ota, 101, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_report_progress(world->ota, 1, desc, NULL), IK_ETOO_LONG);
  assert_int_equal(iotkit_ota_report_progress(world->ota, 1, "\xff", NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_request(world->ota, "a b", NULL), IK_EINVALID_ARGUMENT);
  desc[1024] = '\0';
  assert_int_equal(iotkit_ota_report_progress(world->ota, 1, desc, NULL), 0);
}

static void outlives_a_drop(void **state) {
  struct world *world = *state;
  mini_broker_drop(world->broker);
  until(world, &world->subscribed, 6);
  push(world, UPGRADE_TOPIC, NOTICE("9", "2.0.9"));
  until(world, &world->upgrades, 1);
}

static void jobs_outlive_the_channel(void **state) {
  struct world *world = *state;
  world->keep = true;
  push(world, UPGRADE_TOPIC, NOTICE("1", "2.0.0"));
  until(world, &world->upgrades, 1);
  assert_int_equal(iotkit_ota_free(world->ota), 0);
  world->ota = NULL;
  flush(world);
  assert_true(mini_broker_wait_unsubscribed(world->broker, UPGRADE_TOPIC));
  assert_true(mini_broker_wait_unsubscribed(world->broker, REQUEST_TOPIC));
  assert_true(mini_broker_wait_unsubscribed(world->broker, GET_REPLY_TOPIC));
  assert_string_equal(iotkit_job_upgrade(world->job)->version, "2.0.0");
  /* What comes now finds nobody. */
  push(world, UPGRADE_TOPIC, NOTICE("2", "2.0.1"));
  iotkit_mqtt_yield(world->client, 100);
  assert_int_equal(world->upgrades, 1);
}

static void refuses_bad_options(void **state) {
  struct world *world = *state;
  static char name[200];
  iotkit_ota_t *ota = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  memset(name, 'x', sizeof(name) - 1);
  struct iotkit_ota_options options = {.product_key = "pk", .device_name = "dn"};
  assert_int_equal(iotkit_ota_new(NULL, &options, &ota, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_ota_new(world->client, NULL, &ota, detail), IK_EINVALID_ARGUMENT);
  options.device_name = "d/n";
  assert_int_equal(iotkit_ota_new(world->client, &options, &ota, detail), IK_EINVALID_ARGUMENT);
  options.device_name = name;
  assert_int_equal(iotkit_ota_new(world->client, &options, &ota, detail), IK_ETOO_LONG);
  assert_null(ota);
  assert_int_equal(iotkit_ota_free(NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(subscribes_its_topics),
      TEST(makes_a_job_of_a_notice),
      TEST(offers_a_notice_once),
      TEST(refuses_bad_notices_and_reports_them),
      TEST(takes_no_echo_of_its_request_for_a_notice),
      TEST(asks_and_is_answered),
      TEST(reports),
      TEST(refuses_bad_reports),
      TEST(outlives_a_drop),
      TEST(jobs_outlive_the_channel),
      TEST(refuses_bad_options),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
