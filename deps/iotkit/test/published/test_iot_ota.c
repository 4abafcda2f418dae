/*
 * IOT_OTA_*: the documented sequence over a broker and a server on loopback, several notices,
 * several handles. test_iot_ota_states.c has the calls one by one.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/port.h"
#include "support/cm.h"
#include "support/ota_world.h"

static void follows_the_documented_sequence(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  static const uint32_t chunks[] = {1, 3, 5000, 65536};
  char payload[512];
  char text[OTA_VERSION_LEN_MAX];
  unsigned qos = 9;
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, "1.0.0"), 0);
  for (size_t i = 0; i < COUNT(chunks); i++) {
    char version[16];
    snprintf(version, sizeof(version), "2.0.%zu", i);
    world_push_md5(world, version, i == 1 ? "/cut" : "/f");
    world_await_fetching(world);
    assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 0);
    assert_int_equal(world_get_u32(world, IOT_OTAG_FETCHED_SIZE), 0);
    assert_int_equal(world_get_u32(world, IOT_OTAG_OTA_TYPE), IOT_OTAT_FOTA);
    memset(image, 0, sizeof(image));
    world_fetch_all(world, image, chunks[i]);
    world_assert_image(image);
    assert_int_equal(world_get_u32(world, IOT_OTAG_FETCHED_SIZE), SIZE);
    assert_int_equal(world_get_u32(world, IOT_OTAG_FILE_SIZE), SIZE);
    assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MD5SUM, text, 33), 0);
    assert_string_equal(text, world->md5);
    assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_VERSION, text, sizeof(text)), 0);
    assert_string_equal(text, version);
    assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
    assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
    assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
    /* The report of the first bytes. */
    assert_true(mini_broker_wait(world->broker, PROGRESS_TOPIC, (unsigned)i, payload,
                                 sizeof(payload), &qos));
    assert_non_null(strstr(payload, "\"step\":\"0\""));
    assert_int_equal(qos, 0);
  }
  assert_int_equal(IOT_OTA_GetLastError(world->ota), 0);
  assert_true(mini_broker_wait(world->broker, INFORM_TOPIC, 0, payload, sizeof(payload), &qos));
  assert_non_null(strstr(payload, "{\"version\":\"1.0.0\"}"));
  assert_int_equal(qos, 1);
}

static void verifies_sha256_too(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char fields[256];
  char text[33] = "x";
  for (char *c = world->sha256; *c != '\0'; c++) {
    if (*c >= 'a') *c = (char)(*c - 'a' + 'A');
  }
  snprintf(fields, sizeof(fields), "\"signMethod\":\"Sha256\",\"module\":\"MCU\",\"sign\":\"%s\"",
           world->sha256);
  world_push(world, "2.0.0", "/f", fields);
  world_await_fetching(world);
  world_fetch_all(world, image, 4096);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MODULE, text, sizeof(text)), 0);
  assert_string_equal(text, "MCU");
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MD5SUM, text, sizeof(text)), -1);
  assert_string_equal(text, "");
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_GENERAL);
}

/* The one that was announced, upper case or not, and not one that was computed. */
static void md5_is_given_beside_sha256(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char fields[256];
  char text[40] = "x";
  snprintf(fields, sizeof(fields), "\"signMethod\":\"SHA256\",\"sign\":\"%s\",\"md5\":\"%032X\"",
           world->sha256, 0xABCDU);
  world_push(world, "2.0.0", "/f", fields);
  world_await_fetching(world);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MD5SUM, text, sizeof(text)), 0);
  assert_string_equal(text, "0000000000000000000000000000abcd");
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, text, 1), 0);
  world_fetch_all(world, image, 4096);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1); /* SHA-256 decides */
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MD5SUM, text, 5), 0);
  assert_string_equal(text, "0000");
  assert_int_equal(IOT_OTA_GetLastError(world->ota), 0);
}

/* ---- several notices, several handles ---- */

static void a_refused_notice_sets_the_last_error(void **state) {
  struct world *world = *state;
  char payload[512];
  world_push(world, "2 0", "/f", "\"md5\":\"x\"");
  world_await_error(world);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_GENERAL);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait(world->broker, PROGRESS_TOPIC, 0, payload, sizeof(payload), NULL));
  assert_non_null(strstr(payload, "\"step\":\"-1\""));
}

static void assert_version(struct world *world, const char *version) {
  char text[OTA_VERSION_LEN_MAX];
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_VERSION, text, sizeof(text)), 0);
  assert_string_equal(text, version);
}

static void the_newest_notice_waits_its_turn(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char buf[100];
  world_count_pushes(world);
  world_push_md5(world, "2.0.0", "/f");
  world_await_pushes(world, 1);
  assert_int_equal(world_deinit_in_callback(), IOT_OTAE_INVALID_STATE);
  /* Nothing of it was fetched: the newer one replaces it. */
  world_push_md5(world, "2.0.1", "/f");
  world_await_pushes(world, 2);
  assert_version(world, "2.0.1");
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), sizeof(buf));
  /* Under way: the newer ones wait, the newest wins. */
  world_push_md5(world, "2.0.2", "/f");
  world_push_md5(world, "2.0.3", "/f");
  world_await_pushes(world, 4);
  assert_version(world, "2.0.1");
  memcpy(image, buf, sizeof(buf));
  while (!IOT_OTA_IsFetchFinish(world->ota)) {
    uint32_t at = world_get_u32(world, IOT_OTAG_FETCHED_SIZE);
    assert_true(IOT_OTA_FetchYield(world->ota, (char *)image + at, SIZE - at, 30) > 0);
  }
  world_assert_image(image);
  assert_version(world, "2.0.1");
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
  assert_version(world, "2.0.3");
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
}

/*
 * A program that asks nothing but IsFetching hears 0 once, so that it closes its file, before the
 * next one begins.
 */
static void an_end_is_seen_before_the_next_begins(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char buf[100];
  world_count_pushes(world);
  world_push_md5(world, "2.0.0", "/gone");
  world_push_md5(world, "2.0.1", "/f");
  world_await_pushes(world, 2);
  world_push_md5(world, "2.0.2", "/gone");
  world_await_pushes(world, 3);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), -1);
  world_push_md5(world, "2.0.3", "/f");
  world_await_pushes(world, 4);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 1);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), IOT_OTAE_INVALID_STATE);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
}

static void reset_fetched_size_starts_over(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  world_bring_to(world, MID);
  char none[1];
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, none, 1), 0);
  assert_int_equal(world_get_u32(world, IOT_OTAG_FETCHED_SIZE), 0);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, none, 1), 0);
  assert_int_equal(world_get_u32(world, IOT_OTAG_FETCHED_SIZE), 0);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_STATE, none, 1), 0);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 0);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_STATE, none, 1),
                   IOT_OTAE_INVALID_STATE);
}

static void two_handles_share_a_client(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  void *sub = IOT_OTA_Init("pk", "sub", world->mqtt);
  char json[512];
  assert_non_null(sub);
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":77,\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"3.0.0\",\"url\":\"http://127.0.0.1:%u/f\",\"md5\":\"%s\"}}",
           SIZE, http_server_port(world->server), world->md5);
  world_await_topic(world, "/ota/device/upgrade/pk/sub");
  assert_true(mini_broker_publish(world->broker, "/ota/device/upgrade/pk/sub", json, 1, false));
  for (int i = 0; !IOT_OTA_IsFetching(sub); i++) {
    if (i == STEPS_MAX) fail_msg("no upgrade came");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
  world_push_md5(world, "2.0.0", "/f");
  world_await_fetching(world);
  void *device = world->ota;
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  world->ota = sub;
  world_fetch_all(world, image, 777);
  world_assert_image(image);
  assert_version(world, "3.0.0");
  world->ota = device;
  assert_version(world, "2.0.0");
  assert_int_equal(IOT_OTA_Deinit(sub), 0);
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, "/ota/device/upgrade/pk/sub"));
  assert_true(mini_broker_subscribed(world->broker, UPGRADE_TOPIC, NULL));
}

/* Deinit, Init and a push: what crashed where the old handle was still called. */
static void is_closed_and_opened_again(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  for (int i = 0; i < 4; i++) {
    world_bring_to(world, i % 2 == 0 ? MID : PUSHED);
    world_init_again(world);
  }
  IOT_MQTT_Yield(world->mqtt, 0);
  world_push_md5(world, "2.0.9", "/f");
  world_await_fetching(world);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
}

struct fetcher {
  void *ota;
  int returned;
};

static void *fetch_once(void *arg) {
  static char buf[SIZE];
  struct fetcher *fetcher = arg;
  fetcher->returned = IOT_OTA_FetchYield(fetcher->ota, buf, sizeof(buf), 3600);
  return NULL;
}

static void deinit_ends_a_fetch_on_another_thread(void **state) {
  struct world *world = *state;
  struct fetcher fetcher = {world->ota, 7};
  pthread_t thread;
  world_push_md5(world, "2.0.0", "/stall");
  world_await_fetching(world);
  assert_int_equal(pthread_create(&thread, NULL, fetch_once, &fetcher), 0);
  world_await_stall();
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  world->ota = NULL;
  pthread_join(thread, NULL);
  assert_int_equal(fetcher.returned, 0);
}

static void a_fetch_of_what_was_reset_gives_nothing(void **state) {
  struct world *world = *state;
  struct fetcher fetcher = {world->ota, 7};
  pthread_t thread;
  char none[1];
  world_push_md5(world, "2.0.0", "/stall");
  world_await_fetching(world);
  assert_int_equal(pthread_create(&thread, NULL, fetch_once, &fetcher), 0);
  world_await_stall();
  assert_int_equal(IOT_OTA_FetchYield(world->ota, none, 1, 0), IOT_OTAE_INVALID_STATE);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, none, 1), 0);
  pthread_join(thread, NULL);
  assert_int_equal(fetcher.returned, 0);
  assert_int_equal(world_get_u32(world, IOT_OTAG_FETCHED_SIZE), 0);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
}

/* Nobody waits for it: that thread has nothing else to do. */
static void waits_in_yield_while_another_thread_fetches(void **state) {
  struct world *world = *state;
  struct fetcher fetcher = {world->ota, 7};
  pthread_t thread;
  world_push_md5(world, "2.0.0", "/stall");
  world_await_fetching(world);
  IOT_MQTT_Yield(world->mqtt, 0); /* what is still to be sent and heard */
  assert_int_equal(pthread_create(&thread, NULL, fetch_once, &fetcher), 0);
  world_await_stall();
  unsigned yields = 0;
  for (uint64_t end_ms = ik_port_now_ms() + 100; ik_port_now_ms() < end_ms; yields++)
    IOT_MQTT_Yield(world->mqtt, 50);
  assert_true(yields < 50);
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  world->ota = NULL;
  pthread_join(thread, NULL);
}

static void fetches_while_another_thread_yields(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  world_push_md5(world, "2.0.0", "/cut");
  world_await_fetching(world);
  world_start_yielding(world);
  world_fetch_all(world, image, 100);
  world_stop_yielding(world);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(follows_the_documented_sequence),
      TEST(verifies_sha256_too),
      TEST(md5_is_given_beside_sha256),
      TEST(a_refused_notice_sets_the_last_error),
      TEST(the_newest_notice_waits_its_turn),
      TEST(an_end_is_seen_before_the_next_begins),
      TEST(reset_fetched_size_starts_over),
      TEST(two_handles_share_a_client),
      TEST(is_closed_and_opened_again),
      TEST(deinit_ends_a_fetch_on_another_thread),
      TEST(a_fetch_of_what_was_reset_gives_nothing),
      TEST(waits_in_yield_while_another_thread_fetches),
      TEST(fetches_while_another_thread_yields),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
