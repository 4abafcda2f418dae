/*
 * IOT_OTA_*: images in MQTT blocks through the documented loop, on one thread or two; and upgrades
 * of several files, which are refused.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/block_platform.h"
#include "support/cm.h"
#include "support/ota_world.h"

static struct block_platform platform;
static char sha256[65];
static char md5[65];

static int setup(void **state) {
  int rc = world_setup(state);
  struct world *world = *state;
  platform = (struct block_platform){.size = SIZE};
  block_platform_start(&platform, world->broker);
  block_platform_sha256(&platform, sha256);
  block_platform_md5(&platform, md5);
  return rc;
}

static int teardown(void **state) {
  int rc = world_teardown(state);
  block_platform_free(&platform);
  return rc;
}

static void push_blocks(struct world *world, const char *method, const char *digest) {
  char data[512];
  snprintf(data, sizeof(data),
           "\"size\":%u,\"version\":\"2.0.0\",\"dProtocol\":\"mqtt\",\"streamId\":%d,"
           "\"streamFileId\":%d,\"signMethod\":\"%s\",\"sign\":\"%s\"",
           SIZE, BLOCK_STREAM_ID, BLOCK_FILE_ID, method, digest);
  world_push_data(world, data);
}

static void fetches_in_the_documented_loop(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char payload[512];
  push_blocks(world, "SHA256", sha256);
  world_await_fetching(world);
  assert_int_equal(world_get_u32(world, IOT_OTAG_FILE_SIZE), SIZE);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_FETCHED_SIZE), SIZE);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), 0);
  assert_true(mini_broker_wait(world->broker, PROGRESS_TOPIC, 0, payload, sizeof(payload), NULL));
  assert_non_null(strstr(payload, "\"step\":\"0\""));
  assert_int_equal(atomic_load(&platform.wrong), 0);
  assert_true(atomic_load(&platform.bytes) == SIZE);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
}

static void needs_no_yield_between(void **state) {
  struct world *world = *state;
  static char image[SIZE];
  push_blocks(world, "Md5", md5);
  world_await_fetching(world);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, image, sizeof(image), 30), SIZE);
  world_assert_image((const uint8_t *)image);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 1);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
}

static void fetches_beside_a_yielding_thread(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  push_blocks(world, "SHA256", sha256);
  world_await_fetching(world);
  world_start_yielding(world);
  world_fetch_all(world, image, 3000);
  world_stop_yielding(world);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
}

static void fits_into_a_small_read_buffer(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  IOT_MQTT_Destroy(&world->mqtt);
  iotx_mqtt_param_t param = {.host = "127.0.0.1",
                             .port = mini_broker_port(world->broker),
                             .client_id = "c",
                             .username = "u",
                             .password = "p",
                             .clean_session = 1,
                             .read_buf_size = 1024,
                             .write_buf_size = 1024};
  world->mqtt = IOT_MQTT_Construct(&param);
  assert_non_null(world->mqtt);
  world->ota = IOT_OTA_Init("pk", "dn", world->mqtt);
  assert_non_null(world->ota);
  push_blocks(world, "SHA256", sha256);
  world_await_fetching(world);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  assert_int_equal(atomic_load(&platform.wrong), 0);
  assert_true(atomic_load(&platform.bytes) == SIZE);
}

static void reset_fetched_size_starts_over(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char buf[5000];
  push_blocks(world, "SHA256", sha256);
  world_await_fetching(world);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), sizeof(buf));
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, buf, 4), 0);
  assert_int_equal(world_get_u32(world, IOT_OTAG_FETCHED_SIZE), 0);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
}

static enum block_fault be_busy(void *ctx, const struct block_request *request) {
  (void)ctx;
  (void)request;
  return BLOCK_BUSY;
}

static void deinit_ends_a_fetch(void **state) {
  struct world *world = *state;
  char buf[100];
  platform.script = be_busy;
  push_blocks(world, "SHA256", sha256);
  world_await_fetching(world);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 0), 0);
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  world->ota = NULL;
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
}

/* What the program does in a callback that runs because FetchYield steps the client. */
static struct {
  void *ota;
  int deinit;
  int fetch;
  unsigned calls;
} inside;

static void on_message(void *pcontext, void *pclient, iotx_mqtt_event_msg_pt msg) {
  char buf[10];
  (void)pcontext;
  (void)pclient;
  (void)msg;
  inside.calls++;
  inside.deinit = IOT_OTA_Deinit(inside.ota);
  inside.fetch = IOT_OTA_FetchYield(inside.ota, buf, sizeof(buf), 1);
}

static enum block_fault distract(void *ctx, const struct block_request *request) {
  struct world *world = ctx;
  if (request->index == 0) mini_broker_publish(world->broker, "/pk/dn/user/get", "x", 0, false);
  return BLOCK_WELL;
}

static void survives_callbacks_inside_fetch_yield(void **state) {
  struct world *world = *state;
  static char image[SIZE];
  inside.ota = world->ota;
  inside.calls = 0;
  platform.script = distract;
  platform.ctx = world;
  assert_true(
      IOT_MQTT_Subscribe(world->mqtt, "/pk/dn/user/get", IOTX_MQTT_QOS0, on_message, NULL) >= 0);
  push_blocks(world, "SHA256", sha256);
  world_await_fetching(world);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, image, sizeof(image), 30), SIZE);
  assert_int_equal(inside.calls, 1);
  assert_int_equal(inside.deinit, IOT_OTAE_INVALID_STATE);
  assert_int_equal(inside.fetch, IOT_OTAE_INVALID_STATE);
  world_assert_image((const uint8_t *)image);
}

static void refuses_several_files(void **state) {
  struct world *world = *state;
  char payload[512];
  world_push_data(world,
                  "\"version\":\"2.0.0\",\"signMethod\":\"MD5\",\"files\":[{\"fileName\":\"a\","
                  "\"fileSize\":1,\"fileUrl\":\"http://127.0.0.1/a?secret\","
                  "\"fileMd5\":\"0123456789abcdef0123456789abcdef\"}]");
  world_await_error(world);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_GENERAL);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait(world->broker, PROGRESS_TOPIC, 0, payload, sizeof(payload), NULL));
  assert_non_null(strstr(payload, "\"step\":\"-1\""));
  assert_non_null(strstr(payload, "ERR_UNSUPPORTED: files: "));
  assert_null(strstr(payload, "secret"));
}

#define BLOCK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      BLOCK_TEST(fetches_in_the_documented_loop),        BLOCK_TEST(needs_no_yield_between),
      BLOCK_TEST(fetches_beside_a_yielding_thread),      BLOCK_TEST(fits_into_a_small_read_buffer),
      BLOCK_TEST(reset_fetched_size_starts_over),        BLOCK_TEST(deinit_ends_a_fetch),
      BLOCK_TEST(survives_callbacks_inside_fetch_yield), BLOCK_TEST(refuses_several_files),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
