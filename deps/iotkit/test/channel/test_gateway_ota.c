/*
 * The OTA channels of sub-devices, over a gateway on a fake clock: subscribed after each login, reports
 * held back until then, notices to whom they are for, and how a channel ends.
 */
#include <stdio.h>
#include <string.h>

#include "iotkit_config.h"
#include "iotkit_gateway.h"
#include "iotkit_time.h"
#include "support/cm.h"
#include "support/gateway_rig.h"

#define MD5 "0123456789abcdef0123456789abcdef"
#define NOTICE(id)                                                                                 \
  "{\"code\":\"1000\",\"id\":" id ",\"message\":\"success\",\"data\":{\"size\":5,\"version\":"     \
  "\"2.0.0\",\"url\":\"http://127.0.0.1/f\",\"md5\":\"" MD5 "\"}}"
#define CONFIG(id)                                                                                 \
  "{\"id\":\"" id                                                                                  \
  "\",\"version\":\"1.0\",\"params\":{\"configId\":\"c\",\"configSize\":5,\"signMethod\":"         \
  "\"Sha256\",\"sign\":\"" MD5 MD5 "\",\"url\":\"http://127.0.0.1/c\",\"getType\":\"file\"}}"
#define NOTHING(id) "{\"code\":200,\"id\":\"" id "\",\"data\":{}}"
#define UPGRADE "/ota/device/upgrade/pk/a"
#define GET_REPLY "/sys/pk/a/thing/ota/firmware/get_reply"

static const struct iotkit_subdevice two[] = {
    {.product_key = "pk", .device_name = "a", .device_secret = "sa"},
    {.product_key = "pk", .device_name = "b", .device_secret = "sb"},
};

static struct gateway_rig *rig;
static iotkit_ota_t *channels[2];
static unsigned upgrades[2], nothings[2];
static int freed_inside; /* what freeing the channel inside its callback says */

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  unsigned *count = ctx;
  ++*count;
  iotkit_job_unref(job);
  freed_inside = iotkit_ota_free(ota);
  assert_int_equal(iotkit_gateway_free(rig->gateway), IK_EIN_CALLBACK);
}

static void on_nothing(void *ctx, iotkit_ota_t *ota, const char *request_id) {
  unsigned *count = ctx;
  (void)ota;
  (void)request_id;
  nothings[count - upgrades]++;
}

static int open_channel(unsigned which, iotkit_ota_t **out, char *detail) {
  const struct iotkit_ota_options options = {.product_key = "pk",
                                             .device_name = two[which].device_name,
                                             .on_upgrade = on_upgrade,
                                             .on_nothing = on_nothing,
                                             .ctx = &upgrades[which]};
  return iotkit_gateway_ota_new(rig->gateway, &options, out, detail);
}

static void forget(void) {
  rig->said[0] = rig->heard[0] = rig->filters[0] = '\0';
}

static int setup(void **state) {
  (void)state;
  rig = gr_new(NULL);
  memset(upgrades, 0, sizeof(upgrades));
  memset(nothings, 0, sizeof(nothings));
  gr_connect(rig);
  assert_int_equal(iotkit_gateway_login(rig->gateway, two, 2, NULL), 0);
  for (unsigned i = 0; i < 2; i++)
    assert_int_equal(open_channel(i, &channels[i], NULL), 0);
  forget();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (unsigned i = 0; i < 2; i++) {
    assert_int_equal(iotkit_ota_free(channels[i]), 0);
    channels[i] = NULL;
  }
  gr_free(rig);
  return 0;
}

static void come_up(void) {
  gr_run(rig);
  gr_pass(rig, 1000);
}

static void is_subscribed_after_each_login(void **state) {
  (void)state;
  assert_null(strstr(rig->filters, "upgrade"));
  for (int i = 0; i < 3; i++) {
    come_up();
    assert_non_null(strstr(rig->filters, UPGRADE " "));
    assert_non_null(strstr(rig->filters, GET_REPLY " "));
    assert_non_null(strstr(rig->filters, "/ota/device/upgrade/pk/b "));
    gr_drop(rig);
    forget();
    rig->code = 0; /* no login is answered: nothing of a sub-device is asked for */
    gr_connect(rig);
    gr_run(rig);
    assert_non_null(strstr(rig->said, "login"));
    assert_null(strstr(rig->filters, "/pk/"));
    rig->code = 200;
    gr_pass(rig, 12000); /* the login is late, and tried again */
    rig->filters[0] = '\0';
    gr_drop(rig);
    gr_connect(rig);
  }
}

static void holds_versions_back_until_the_login(void **state) {
  (void)state;
  assert_int_equal(iotkit_ota_report_version(channels[0], "1.0.0", NULL), 0);
  assert_int_equal(iotkit_ota_report_version(channels[0], "1.0.1", NULL),
                   0); /* the one that counts */
  assert_int_equal(iotkit_ota_report_version(channels[0], "7", "MCU"), 0);
  assert_int_equal(iotkit_ota_report_version(channels[0], "no version", NULL),
                   IK_EINVALID_ARGUMENT);
  rig->code = 0;
  come_up();
  assert_null(strstr(rig->said, "inform"));
  gr_drop(rig);
  rig->code = 200;
  for (int i = 0; i < 3; i++) {
    forget();
    gr_connect(rig);
    come_up();
    const char *first = strstr(rig->said, "inform/pk/a");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "inform/pk/a")); /* of two modules */
    assert_null(strstr(rig->said, "inform/pk/b"));
    assert_non_null(strstr(rig->payload, "\"version\":\"7\",\"module\":\"MCU\""));
    gr_drop(rig);
  }
}

static void reports_at_once_when_it_is_logged_in(void **state) {
  (void)state;
  come_up();
  forget();
  assert_int_equal(iotkit_ota_report_version(channels[1], "1.0.0", NULL), 0);
  gr_run(rig);
  gr_assert_said(rig, "inform/pk/b ");
  assert_non_null(strstr(rig->payload, "\"version\":\"1.0.0\""));
  assert_int_equal(iotkit_ota_report_progress(channels[1], 50, NULL, NULL), 0);
  gr_run(rig);
  gr_assert_said(rig, "progress/pk/b ");
}

static void sends_nothing_while_it_is_not_logged_in(void **state) {
  (void)state;
  assert_int_equal(iotkit_ota_report_progress(channels[0], 50, NULL, NULL), IK_ENOT_CONNECTED);
  assert_int_equal(iotkit_ota_request(channels[0], NULL, NULL), IK_ENOT_CONNECTED);
  come_up();
  assert_int_equal(iotkit_ota_report_progress(channels[0], 50, NULL, NULL), 0);
  assert_int_equal(iotkit_gateway_logout(rig->gateway, two, 1), 0);
  assert_int_equal(iotkit_ota_report_progress(channels[0], 51, NULL, NULL), IK_ENOT_CONNECTED);
  assert_int_equal(iotkit_ota_report_progress(channels[1], 51, NULL, NULL), 0);
  gr_pass(rig, 100);
  assert_int_equal(iotkit_gateway_login(rig->gateway, two, 1, NULL), 0);
  gr_pass(rig, 100);
  assert_int_equal(iotkit_ota_report_progress(channels[0], 52, NULL, NULL), 0);
}

static void a_notice_goes_to_whom_it_is_for(void **state) {
  (void)state;
  come_up();
  gr_push(rig, UPGRADE, NOTICE("1"));
  assert_int_equal(upgrades[0], 1);
  assert_int_equal(upgrades[1], 0);
  assert_int_equal(freed_inside, IK_EIN_CALLBACK);
  gr_push(rig, "/ota/device/upgrade/pk/b", NOTICE("1"));
  assert_int_equal(upgrades[1], 1);
  gr_push(rig, "/ota/device/upgrade/pk/unknown", NOTICE("1"));
  gr_push(rig, "/ota/device/upgrade/pk/a/b", NOTICE("1"));
  gr_push(rig, GET_REPLY, NOTHING("9"));
  assert_int_equal(nothings[0], 1);
  gr_push(
      rig, UPGRADE,
      "{\"id\":3,\"code\":\"1000\",\"data\":{\"size\":0}}"); /* is refused, which is reported as the sub-device's */
  assert_non_null(strstr(rig->said, "progress/pk/a"));
  assert_int_equal(upgrades[0] + upgrades[1], 2);
}

static void spares_the_rate_of_reports(void **state) {
  static struct iotkit_subdevice many[40];
  static char names[40][16];
  iotkit_ota_t *otas[40];
  (void)state;
  come_up();
  for (unsigned i = 0; i < 40; i++) {
    snprintf(names[i], sizeof(names[i]), "m%u", i);
    many[i] = (struct iotkit_subdevice){
        .product_key = "pk", .device_name = names[i], .device_secret = "s"};
    assert_int_equal(iotkit_gateway_login(rig->gateway, &many[i], 1, NULL), 0);
    const struct iotkit_ota_options options = {.product_key = "pk", .device_name = names[i]};
    assert_int_equal(iotkit_gateway_ota_new(rig->gateway, &options, &otas[i], NULL), 0);
    assert_int_equal(iotkit_ota_report_version(otas[i], "1", NULL), 0);
  }
  gr_pass(rig, 300);
  forget();
  rig->messages = rig->qos1 = 0;
  gr_pass(rig, 1000);
  assert_int_equal(rig->messages, 20);
  assert_int_equal(rig->qos1, 10);
  gr_pass(rig, 2000);
  for (unsigned i = 0; i < 40; i++)
    assert_int_equal(iotkit_ota_free(otas[i]), 0);
  assert_in_range(rig->messages, 32, 40); /* the others before they were counted */
}

static void a_channel_has_a_sub_device_and_ends_first(void **state) {
  iotkit_ota_t *other = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  const struct iotkit_ota_options unknown = {.product_key = "pk", .device_name = "unknown"};
  assert_int_equal(iotkit_gateway_ota_new(rig->gateway, &unknown, &other, detail),
                   IK_EINVALID_STATE);
  assert_non_null(strstr(detail, "no login was asked for"));
  assert_int_equal(open_channel(0, &other, detail), IK_EINVALID_STATE);
  assert_non_null(strstr(detail, "has a channel already"));
  assert_null(other);
  assert_int_equal(iotkit_gateway_ota_new(NULL, &unknown, &other, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_gateway_free(rig->gateway), IK_EINVALID_STATE);
  come_up();
  forget();
  assert_int_equal(iotkit_ota_free(channels[0]), 0);
  gr_run(rig);
  assert_non_null(strstr(rig->filters, "-" UPGRADE " "));
  assert_non_null(strstr(rig->filters, "-" GET_REPLY " "));
  gr_push(rig, UPGRADE, NOTICE("1"));
  assert_int_equal(upgrades[0], 0);
  assert_int_equal(open_channel(0, &channels[0], detail), 0); /* logged in already */
  gr_run(rig);
  gr_push(rig, UPGRADE, NOTICE("2"));
  assert_int_equal(upgrades[0], 1);
}

static void on_pushed(void *ctx, iotkit_config_t *config, iotkit_job_t *job) {
  unsigned *count = ctx;
  (void)config;
  ++*count;
  iotkit_job_unref(job);
}

static void has_its_own_configuration_and_time(void **state) {
  unsigned configs = 0;
  const struct iotkit_config_options options = {
      .on_config = on_pushed, .answer_pushes = true, .ctx = &configs};
  const struct iotkit_time_options time_options = {0};
  iotkit_config_t *config;
  iotkit_time_t *time;
  (void)state;
  assert_int_equal(iotkit_config_new(channels[0], &options, &config, NULL), 0);
  assert_int_equal(iotkit_time_new(channels[0], &time_options, &time, NULL), 0);
  assert_int_equal(iotkit_config_request(config, NULL), IK_ENOT_CONNECTED);
  assert_int_equal(iotkit_time_request(time, NULL), IK_ENOT_CONNECTED);
  rig->code = 0;
  gr_run(rig);
  for (int i = 0; i < 2; i++) {
    forget(); /* what the client asked for before the login, which a platform refuses */
    rig->code = 200;
    gr_pass(rig, 12000);
    assert_non_null(strstr(rig->filters, "/sys/pk/a/thing/config/push "));
    assert_non_null(strstr(rig->filters, "/sys/pk/a/thing/config/get_reply "));
    assert_non_null(strstr(rig->filters, "/ext/ntp/pk/a/response "));
    rig->code = 0; /* requests have no answers here */
    assert_int_equal(iotkit_config_request(config, NULL), 0);
    gr_run(rig);
    assert_string_equal(rig->topic, "/sys/pk/a/thing/config/get");
    assert_int_equal(iotkit_time_request(time, NULL), 0);
    gr_run(rig);
    assert_string_equal(rig->topic, "/ext/ntp/pk/a/request");
    gr_push(rig, "/sys/pk/a/thing/config/push", CONFIG("7"));
    assert_int_equal(configs, (unsigned)i + 1);
    assert_string_equal(rig->topic, "/sys/pk/a/thing/config/push_reply");
    gr_drop(rig);
    forget();
    gr_connect(rig);
    gr_run(rig);
    assert_null(strstr(rig->filters, "/pk/")); /* a platform refuses them before the login */
    assert_int_equal(iotkit_config_request(config, NULL), IK_ENOT_CONNECTED);
  }
  assert_int_equal(iotkit_time_free(time), 0);
  assert_int_equal(iotkit_config_free(config), 0);
  gr_run(rig);
  assert_non_null(strstr(rig->filters, "-/sys/pk/a/thing/config/push "));
  forget();
  rig->code = 200;
  gr_pass(rig, 12000);
  assert_non_null(strstr(rig->filters, UPGRADE " "));
  assert_null(strstr(rig->filters, "config"));
}

/* Its program forgets a sub-device before the channel: what is left of it goes with the channel. */
static void a_channel_outlives_the_logout(void **state) {
  (void)state;
  come_up();
  assert_int_equal(iotkit_gateway_logout(rig->gateway, two, 2), 0);
  gr_pass(rig, 1000);
  assert_int_equal(iotkit_ota_report_version(channels[0], "1", NULL), 0);
  gr_pass(rig, 1000);
  assert_null(strstr(rig->said, "inform"));
  assert_int_equal(iotkit_ota_report_progress(channels[0], 1, NULL, NULL), IK_ENOT_CONNECTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(is_subscribed_after_each_login),
      TEST(holds_versions_back_until_the_login),
      TEST(reports_at_once_when_it_is_logged_in),
      TEST(sends_nothing_while_it_is_not_logged_in),
      TEST(a_notice_goes_to_whom_it_is_for),
      TEST(spares_the_rate_of_reports),
      TEST(a_channel_has_a_sub_device_and_ends_first),
      TEST(has_its_own_configuration_and_time),
      TEST(a_channel_outlives_the_logout),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
