/*
 * IOT_OTA_FetchYield and its 0: none while it reconnects, and the patience that lets a program
 * which takes 0 for a failure go through.
 */
#include <pthread.h>
#include <string.h>

#include "iot_export.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/ota_world.h"

static int set_patience(int seconds) {
  return IOT_Ioctl(IOTX_IOCTL_SET_FETCH_PATIENCE, &seconds);
}

static int setup(void **state) {
  assert_int_equal(set_patience(0), 0);
  return world_setup(state);
}

#define PATIENCE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, world_teardown)

static void values(void **state) {
  (void)state;
  static const struct {
    int seconds, returned;
  } rows[] = {{-1, FAIL_RETURN}, {86401, FAIL_RETURN}, {86400, 0}, {1, 0}, {0, 0}};
  for (size_t i = 0; i < COUNT(rows); i++)
    assert_int_equal(set_patience(rows[i].seconds), rows[i].returned);
  assert_int_equal(IOT_Ioctl(IOTX_IOCTL_SET_FETCH_PATIENCE, NULL), FAIL_RETURN);
}

/* The loop that many programs have: 0 ends it. Counts its rounds; -1: it gave up. */
static int strict_loop(struct world *world, uint8_t *image, uint32_t chunk, uint32_t timeout_s) {
  uint32_t at = 0;
  int rounds = 0;
  do {
    const uint32_t len = chunk < SIZE - at ? chunk : SIZE - at;
    const int got = IOT_OTA_FetchYield(world->ota, (char *)image + at, len ? len : 1, timeout_s);
    if (got <= 0) return -1;
    at += (uint32_t)got;
    rounds++;
    (void)IOT_MQTT_Yield(world->mqtt, 10);
  } while (!IOT_OTA_IsFetchFinish(world->ota));
  assert_int_equal(at, SIZE);
  return rounds;
}

static void zero_is_no_failure(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  world_push_md5(world, "2.0.0", "/cut");
  world_await_fetching(world);
  char none[1];
  assert_int_equal(strict_loop(world, image, 5000, 0), -1); /* it was only about to connect again */
  assert_int_equal(IOT_OTA_GetLastError(world->ota), 0);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, none, 1), 0);
  world_fetch_all(world, image, 5000);
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
}

/* Over a connection that is cut, by buffers that do and do not end with the image. */
static void with_patience_no_zero_comes(void **state) {
  struct world *world = *state;
  static const uint32_t chunks[] = {1, 5000, 7777, SIZE, 2 * SIZE};
  static uint8_t image[SIZE];
  assert_int_equal(set_patience(60), 0);
  for (size_t i = 0; i < COUNT(chunks); i++) {
    world_push_md5(world, "2.0.0", "/cut");
    world_await_fetching(world);
    memset(image, 0, sizeof(image));
    assert_true(strict_loop(world, image, chunks[i], i % 2) > 0);
    world_assert_image(image);
    assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
    assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
  }
}

static void patience_ends(void **state) {
  struct world *world = *state;
  static char buf[SIZE];
  world_push_md5(world, "2.0.0", "/stall");
  world_await_fetching(world);
  assert_int_equal(set_patience(60), 0);
  int got = 0;
  while (got < (int)SIZE / 2) { /* what has come is not waited for longer than timeout_s */
    const int more = IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 0);
    assert_true(more > 0);
    got += more;
  }
  world_await_stall();
  assert_int_equal(set_patience(1), 0);
  const uint64_t begun_ms = ik_port_now_ms();
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 0), 0);
  assert_true(ik_port_now_ms() - begun_ms >= 1000);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
}

static void a_failure_is_no_patience(void **state) {
  struct world *world = *state;
  char buf[100];
  assert_int_equal(set_patience(86400), 0);
  world_push_md5(world, "2.0.0", "/gone");
  world_await_fetching(world);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 0), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_FETCH_FAILED);
}

struct fetcher {
  void *ota;
  int returned;
};

static void *fetch_twice(void *arg) {
  struct fetcher *fetcher = arg;
  static char buf[SIZE];
  (void)IOT_OTA_FetchYield(fetcher->ota, buf, SIZE / 2, 60);
  fetcher->returned = IOT_OTA_FetchYield(fetcher->ota, buf, sizeof(buf), 0);
  return NULL;
}

static void reset_ends_patience(void **state) {
  struct world *world = *state;
  struct fetcher fetcher = {world->ota, 7};
  pthread_t thread;
  char none[1];
  assert_int_equal(set_patience(86400), 0);
  world_push_md5(world, "2.0.0", "/stall");
  world_await_fetching(world);
  assert_int_equal(pthread_create(&thread, NULL, fetch_twice, &fetcher), 0);
  while (world_get_u32(world, IOT_OTAG_FETCHED_SIZE) < SIZE / 2)
    ik_port_sleep_ms(1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_STATE, none, 1), 0);
  pthread_join(thread, NULL);
  assert_true(fetcher.returned == 0 || fetcher.returned == IOT_OTAE_INVALID_STATE);
  world_await_stall();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values),
      PATIENCE_TEST(zero_is_no_failure),
      PATIENCE_TEST(with_patience_no_zero_comes),
      PATIENCE_TEST(patience_ends),
      PATIENCE_TEST(a_failure_is_no_patience),
      PATIENCE_TEST(reset_ends_patience),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
