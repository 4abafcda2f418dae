/*
 * Remote configuration under the published API: asked for, pushed, fetched, verified and answered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iot_import.h"
#include "support/cm.h"
#include "support/ota_world.h"

#define GET_TOPIC "/sys/pk/dn/thing/config/get"
#define GET_REPLY_TOPIC "/sys/pk/dn/thing/config/get_reply"
#define CONFIG_PUSH_TOPIC "/sys/pk/dn/thing/config/push"
#define PUSH_REPLY_TOPIC "/sys/pk/dn/thing/config/push_reply"

static void await_topics(struct world *world) {
  world_await_subscription(world);
  world_await_topic(world, CONFIG_PUSH_TOPIC);
}

/* The members of a configuration. */
static void describe(struct world *world, const char *path, const char *method, const char *sign,
                     char *out, size_t cap) {
  snprintf(out, cap,
           "{\"configId\":\"c-1\",\"configSize\":%u,\"getType\":\"file\",\"signMethod\":\"%s\","
           "\"sign\":\"%s\",\"url\":\"http://127.0.0.1:%u%s\"}",
           SIZE, method, sign, http_server_port(world->server), path);
}

static void push_config(struct world *world, const char *id, const char *path, const char *method,
                        const char *sign) {
  char params[512];
  char json[768];
  await_topics(world);
  describe(world, path, method, sign, params, sizeof(params));
  snprintf(json, sizeof(json), "{\"id\":%s,\"version\":\"1.0\",\"params\":%s}", id, params);
  assert_true(mini_broker_publish(world->broker, CONFIG_PUSH_TOPIC, json, 0, false));
}

static void assert_published(struct world *world, const char *topic, unsigned index,
                             const char *want) {
  char payload[512];
  unsigned qos;
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait(world->broker, topic, index, payload, sizeof(payload), &qos));
  assert_string_equal(payload, want);
  assert_int_equal(qos, 0);
}

static void assert_config_text(struct world *world, IOT_OTA_CmdType_t type, const char *want) {
  char *text = NULL;
  assert_int_equal(IOT_OTA_Ioctl(world->ota, type, &text, sizeof(text)), 0);
  assert_string_equal(text, want);
  /* A text that is there already is not lost. */
  char *before = text;
  assert_int_equal(IOT_OTA_Ioctl(world->ota, type, &text, sizeof(text)), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_INVALID_PARAM);
  assert_ptr_equal(text, before);
  HAL_Free(text);
}

static void assert_refused(struct world *world, IOT_OTA_CmdType_t type, size_t len, int error) {
  _Alignas(8) char buf[128] = {0};
  assert_int_equal(IOT_OTA_Ioctl(world->ota, type, buf, len), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), error);
}

static void subscribes_after_the_topics_of_firmware(void **state) {
  struct world *world = *state;
  unsigned qos = 7;
  await_topics(world);
  assert_true(mini_broker_subscribed(world->broker, GET_REPLY_TOPIC, &qos));
  assert_int_equal(qos, 0);
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  world->ota = NULL;
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, GET_REPLY_TOPIC));
  assert_true(mini_broker_wait_unsubscribed(world->broker, CONFIG_PUSH_TOPIC));
}

static void fetches_what_is_pushed(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char url[64];
  push_config(world, "\"77\"", "/cut", "Sha256", world->sha256);
  world_await_fetching(world);
  assert_published(world, PUSH_REPLY_TOPIC, 0, "{\"id\":\"77\",\"code\":200,\"data\":{}}");
  assert_int_equal(world_get_u32(world, IOT_OTAG_OTA_TYPE), IOT_OTAT_COTA);
  assert_int_equal(world_get_u32(world, IOT_OTAG_COTA_CONFIG_SIZE), SIZE);
  assert_int_equal(world_get_u32(world, IOT_OTAG_FILE_SIZE), SIZE);
  uint64_t wide = 7;
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_COTA_CONFIG_SIZE, &wide, 8), 0);
  assert_true(wide == SIZE);
  snprintf(url, sizeof(url), "http://127.0.0.1:%u/cut", http_server_port(world->server));
  assert_config_text(world, IOT_OTAG_COTA_CONFIG_ID, "c-1");
  assert_config_text(world, IOT_OTAG_COTA_SIGN, world->sha256);
  assert_config_text(world, IOT_OTAG_COTA_SIGN_METHOD, "Sha256");
  assert_config_text(world, IOT_OTAG_COTA_URL, url);
  assert_config_text(world, IOT_OTAG_COTA_GETTYPE, "file");
  assert_refused(world, IOT_OTAG_CHECK_CONFIG, 4, IOT_OTAE_INVALID_STATE);
  assert_refused(world, IOT_OTAG_CHECK_CONFIG, 3, IOT_OTAE_INVALID_PARAM);
  world_fetch_all(world, image, 1000);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_CONFIG), 1);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_CONFIG), 1);
  assert_int_equal(world_get_u32(world, IOT_OTAG_OTA_TYPE), IOT_OTAT_NONE);
  /* Progress is firmware's. */
  assert_int_equal(mini_broker_count(world->broker, PROGRESS_TOPIC), 0);
}

static void distinguishes_firmware_and_configurations(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char version[OTA_VERSION_LEN_MAX];
  push_config(world, "1", "/f", "md5", world->md5);
  world_await_fetching(world);
  world_fetch_all(world, image, 5000);
  assert_refused(world, IOT_OTAG_VERSION, 65, IOT_OTAE_GENERAL);
  assert_refused(world, IOT_OTAG_MODULE, 65, IOT_OTAE_GENERAL);
  assert_refused(world, IOT_OTAG_CHECK_FIRMWARE, 4, IOT_OTAE_INVALID_STATE);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_CONFIG), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MD5SUM, version, 33), 0);
  assert_string_equal(version, world->md5);
  world_push_md5(world, "2.0.0", "/f");
  world_await_fetching(world);
  assert_int_equal(world_get_u32(world, IOT_OTAG_OTA_TYPE), IOT_OTAT_FOTA);
  assert_int_equal(world_get_u32(world, IOT_OTAG_COTA_CONFIG_SIZE), 0);
  world_fetch_all(world, image, 5000);
  assert_refused(world, IOT_OTAG_CHECK_CONFIG, 4, IOT_OTAE_INVALID_STATE);
  assert_refused(world, IOT_OTAG_COTA_URL, 8, IOT_OTAE_INVALID_PARAM);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_VERSION, version, sizeof(version)), 0);
  assert_string_equal(version, "2.0.0");
}

static void a_wrong_digest_is_reported(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  push_config(world, "1", "/f", "MD5", "00000000000000000000000000000000");
  world_await_fetching(world);
  world_fetch_all(world, image, 5000);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_CONFIG), 0);
}

static void asks_for_the_configuration(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char data[512];
  char payload[512];
  char json[768];
  unsigned id = 0;
  await_topics(world);
  assert_int_equal(iotx_ota_get_config(world->ota, "product", "file", ""), 0);
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait(world->broker, GET_TOPIC, 0, payload, sizeof(payload), NULL));
  assert_non_null(strstr(payload, "\"params\":{\"configScope\":\"product\",\"getType\":\"file\"},"
                                  "\"method\":\"thing.config.get\"}"));
  char *end;
  id = (unsigned)strtoul(payload + strlen("{\"id\":"), &end, 10);
  assert_int_equal(*end, ',');
  describe(world, "/f", "SHA256", world->sha256, data, sizeof(data));
  snprintf(json, sizeof(json), "{\"id\":%u,\"code\":200,\"data\":%s}", id, data);
  assert_true(mini_broker_publish(world->broker, GET_REPLY_TOPIC, json, 0, false));
  world_await_fetching(world);
  assert_int_equal(iotx_ota_get_config(world->ota, "product", "file", ""), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_INVALID_STATE);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_CONFIG), 1);
  assert_int_equal(iotx_ota_get_config(world->ota, "product", "file", "a"), 0);
  assert_int_equal(mini_broker_count(world->broker, PUSH_REPLY_TOPIC), 0);
}

static void checks_what_is_asked(void **state) {
  struct world *world = *state;
  static char text[1026];
  memset(text, 'x', sizeof(text) - 1);
  assert_int_equal(iotx_ota_get_config(NULL, "a", "b", "c"), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(iotx_ota_get_config(world->ota, NULL, "b", "c"), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(iotx_ota_get_config(world->ota, "a", NULL, "c"), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(iotx_ota_get_config(world->ota, "a", "b", NULL), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(iotx_ota_get_config(world->ota, "\xff", "b", ""), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(iotx_ota_get_config(world->ota, text, "b", ""), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_STR_TOO_LONG);
  text[1024] = '\0';
  memset(text, 1, 1024); /* six bytes each when escaped */
  assert_int_equal(iotx_ota_get_config(world->ota, text, text, text), 0);
}

static void bad_pushes_are_answered(void **state) {
  struct world *world = *state;
  static const char *const rows[][2] = {
      {"{\"id\":\"5\",\"params\":{}}",
       "{\"id\":\"5\",\"code\":460,\"message\":\"params: is missing or empty\",\"data\":{}}"},
      {"{\"id\":6,\"params\":{\"configId\":7}}",
       "{\"id\":\"6\",\"code\":460,\"message\":\"configId: is not a string\",\"data\":{}}"},
      {"{\"id\":\"a\\\"b\",\"params\":[1]}",
       "{\"id\":\"a\\\"b\",\"code\":460,\"message\":\"params: is not an object\",\"data\":{}}"},
  };
  char payload[512];
  await_topics(world);
  for (unsigned i = 0; i < COUNT(rows); i++) {
    assert_true(mini_broker_publish(world->broker, CONFIG_PUSH_TOPIC, rows[i][0], 0, false));
    while (IOT_OTA_GetLastError(world->ota) == 0 ||
           mini_broker_count(world->broker, PUSH_REPLY_TOPIC) <= i) {
      IOT_MQTT_Yield(world->mqtt, 100);
    }
    assert_published(world, PUSH_REPLY_TOPIC, i, rows[i][1]);
    assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_GENERAL);
  }
  assert_true(mini_broker_publish(world->broker, CONFIG_PUSH_TOPIC, "{", 0, false));
  while (mini_broker_count(world->broker, PUSH_REPLY_TOPIC) <= COUNT(rows))
    IOT_MQTT_Yield(world->mqtt, 100);
  assert_true(mini_broker_wait(world->broker, PUSH_REPLY_TOPIC, COUNT(rows), payload,
                               sizeof(payload), NULL));
  assert_memory_equal(payload, "{\"id\":\"\",\"code\":460,", 20);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
}

static void a_refusal_of_the_platform_is_reported(void **state) {
  struct world *world = *state;
  await_topics(world);
  assert_true(mini_broker_publish(world->broker, GET_REPLY_TOPIC,
                                  "{\"id\":1,\"code\":200,\"data\":{}}", 0, false));
  assert_true(mini_broker_publish(world->broker, GET_REPLY_TOPIC,
                                  "{\"id\":1,\"code\":6713,\"data\":{}}", 0, false));
  world_await_error(world);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_GENERAL);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
}

/* Neither displaces the other; of each kind the newest waits. */
static void firmware_and_configuration_wait_for_each_other(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char version[OTA_VERSION_LEN_MAX];
  world_count_pushes(world);
  world_push_md5(world, "2.0.0", "/f");
  world_await_pushes(world, 1);
  push_config(world, "1", "/gone", "Md5", world->md5);
  world_await_pushes(world, 2);
  assert_int_equal(world_deinit_in_callback(), IOT_OTAE_INVALID_STATE);
  push_config(world, "2", "/f", "Md5", world->md5);
  world_await_pushes(world, 3);
  assert_int_equal(world_get_u32(world, IOT_OTAG_OTA_TYPE), IOT_OTAT_FOTA);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, (char *)image, 100, 30), 100);
  world_push_md5(world, "2.0.1", "/f");
  world_await_pushes(world, 4);
  char none[1];
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, none, 1), 0);
  world_fetch_all(world, image, 5000);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
  assert_int_equal(world_get_u32(world, IOT_OTAG_OTA_TYPE), IOT_OTAT_COTA);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, (char *)image, 100, 30), 100);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, none, 1), 0);
  assert_int_equal(world_get_u32(world, IOT_OTAG_OTA_TYPE), IOT_OTAT_COTA);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_CONFIG), 1);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_VERSION, version, sizeof(version)), 0);
  assert_string_equal(version, "2.0.1");
}

/* Handlers run on the other thread while the handle is used, closed and opened here. */
static void lives_beside_a_thread_that_yields(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  world_start_yielding(world);
  for (int i = 0; i < 10; i++) {
    push_config(world, "1", "/f", "Md5", world->md5);
    iotx_ota_get_config(world->ota, "product", "file", "");
    world_init_again(world);
  }
  push_config(world, "2", "/f", "Md5", world->md5);
  world_await_fetching(world);
  world_fetch_all(world, image, 1000);
  world_stop_yielding(world);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_CONFIG), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(subscribes_after_the_topics_of_firmware),
      TEST(fetches_what_is_pushed),
      TEST(distinguishes_firmware_and_configurations),
      TEST(a_wrong_digest_is_reported),
      TEST(asks_for_the_configuration),
      TEST(checks_what_is_asked),
      TEST(bad_pushes_are_answered),
      TEST(a_refusal_of_the_platform_is_reported),
      TEST(firmware_and_configuration_wait_for_each_other),
      TEST(lives_beside_a_thread_that_yields),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
