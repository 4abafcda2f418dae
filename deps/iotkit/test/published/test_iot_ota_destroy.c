/*
 * IOT_MQTT_Destroy before IOT_OTA_Deinit, and every other order of the ends of a client and of the
 * OTA handles over it.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "support/block_platform.h"
#include "support/cm.h"
#include "support/ota_world.h"

/* What an OTA handle says when its client is gone: nothing breaks, what needs it fails. */
static void assert_all_calls_return(void *ota) {
  char text[OTA_VERSION_LEN_MAX];
  uint32_t number = 0;
  assert_int_equal(IOT_OTA_ReportVersion(ota, "1.0.0"), -1);
  assert_int_equal(IOT_OTA_GetLastError(ota), IOT_OTAE_OSC_FAILED);
  assert_int_equal(IOT_OTA_ReportProgress(ota, (IOT_OTA_Progress_t)5, "x"), IOT_OTAE_OSC_FAILED);
  (void)iotx_req_image(ota, "1.0.0");
  (void)iotx_ota_get_config(ota, "product", "file", "");
  (void)IOT_OTA_IsFetching(ota);
  (void)IOT_OTA_IsFetchFinish(ota);
  (void)IOT_OTA_Ioctl(ota, IOT_OTAG_VERSION, text, sizeof(text));
  (void)IOT_OTA_Ioctl(ota, IOT_OTAG_FETCHED_SIZE, &number, sizeof(number));
  (void)IOT_OTA_Ioctl(ota, IOT_OTAG_CHECK_FIRMWARE, &number, sizeof(number));
  assert_int_equal(IOT_OTA_SetOnPushedCallback(ota, NULL), 0);
}

static void destroy_first(struct world *world) {
  assert_int_equal(IOT_MQTT_Destroy(&world->mqtt), 0);
  assert_null(world->mqtt);
  assert_all_calls_return(world->ota);
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  world->ota = NULL;
}

#define DESTROYED_WHEN(name, situation)                                                            \
  static void destroyed_when_##name(void **state) {                                                \
    world_bring_to(*state, situation);                                                             \
    destroy_first(*state);                                                                         \
  }

DESTROYED_WHEN(inited, INITED)
DESTROYED_WHEN(pushed, PUSHED)
DESTROYED_WHEN(in_the_middle, MID)
DESTROYED_WHEN(fetched, FETCHED_OK)
DESTROYED_WHEN(fetched_badly, FETCHED_BAD)
DESTROYED_WHEN(failed, AFTER_ERROR)

/* ---- several OTA handles ---- */

enum { CLIENT, FIRST, SECOND, ENDS };

static void end_one(struct world *world, void *second, int which) {
  if (which == CLIENT) assert_int_equal(IOT_MQTT_Destroy(&world->mqtt), 0);
  if (which == FIRST) assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  if (which == SECOND) assert_int_equal(IOT_OTA_Deinit(second), 0);
}

/* Each of the six orders on a world of its own. */
static void two_handles_and_their_client_end_in_any_order(void **state) {
  static const int orders[][ENDS] = {{CLIENT, FIRST, SECOND}, {CLIENT, SECOND, FIRST},
                                     {FIRST, CLIENT, SECOND}, {SECOND, CLIENT, FIRST},
                                     {FIRST, SECOND, CLIENT}, {SECOND, FIRST, CLIENT}};
  for (size_t i = 0; i < COUNT(orders); i++) {
    assert_int_equal(world_setup(state), 0);
    struct world *world = *state;
    void *second = IOT_OTA_Init("pk", "second", world->mqtt);
    assert_non_null(second);
    world_bring_to(world, i % 2 ? MID : PUSHED);
    for (int end = 0; end < ENDS; end++)
      end_one(world, second, orders[i][end]);
    world->ota = NULL;
    world_teardown(state);
  }
}

/* ---- fetching when the client is gone ---- */

static void an_image_over_http_is_fetched_to_its_end(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  uint32_t at = 0;
  world_push_md5(world, "2.0.0", "/cut");
  world_await_fetching(world);
  assert_int_equal(IOT_MQTT_Destroy(&world->mqtt), 0);
  while (!IOT_OTA_IsFetchFinish(world->ota)) {
    const int got = IOT_OTA_FetchYield(world->ota, (char *)image + at, SIZE - at, 30);
    assert_true(got >= 0);
    at += (uint32_t)got;
  }
  world_assert_image(image);
  assert_int_equal(world_get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
}

/* Needs the client for another URL, or for blocks: fails for good, and soon. */
static void what_needs_the_client_fails(void **state) {
  struct world *world = *state;
  char buf[100], data[512];
  snprintf(data, sizeof(data),
           "\"size\":%u,\"version\":\"2.0.0\",\"dProtocol\":\"mqtt\",\"streamId\":1,"
           "\"streamFileId\":1,\"md5\":\"%s\"",
           SIZE, world->md5);
  world_push_data(world, data);
  world_await_fetching(world);
  assert_int_equal(IOT_MQTT_Destroy(&world->mqtt), 0);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_FETCH_FAILED);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 1);
}

struct fetcher {
  void *ota;
  int returned;
};

static void *fetch_once(void *arg) {
  struct fetcher *fetcher = arg;
  static char buf[SIZE];
  fetcher->returned = IOT_OTA_FetchYield(fetcher->ota, buf, sizeof(buf), 60);
  return NULL;
}

/* The other thread is in the middle of FetchYield when the client goes, then when the handle does. */
static void destroyed_while_another_thread_fetches(void **state) {
  struct world *world = *state;
  struct fetcher fetcher = {world->ota, 7};
  pthread_t thread;
  world_push_md5(world, "2.0.0", "/stall");
  world_await_fetching(world);
  assert_int_equal(pthread_create(&thread, NULL, fetch_once, &fetcher), 0);
  world_await_stall();
  assert_int_equal(IOT_MQTT_Destroy(&world->mqtt), 0);
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  world->ota = NULL;
  pthread_join(thread, NULL);
  assert_true(fetcher.returned >= 0);
}

/* The same with blocks, where that thread drives the client while Destroy wants to. */
static void destroyed_while_another_thread_fetches_blocks(void **state) {
  struct world *world = *state;
  struct fetcher fetcher = {world->ota, 7};
  pthread_t thread;
  char data[512];
  snprintf(data, sizeof(data),
           "\"size\":%u,\"version\":\"2.0.0\",\"dProtocol\":\"mqtt\",\"streamId\":1,"
           "\"streamFileId\":1,\"md5\":\"%s\"",
           SIZE, world->md5);
  world_push_data(world, data);
  world_await_fetching(world);
  assert_int_equal(pthread_create(&thread, NULL, fetch_once, &fetcher), 0);
  assert_true(mini_broker_wait(world->broker, BLOCK_TOPIC, 0, data, sizeof(data), NULL));
  assert_int_equal(IOT_MQTT_Destroy(&world->mqtt), 0);
  pthread_join(thread, NULL);
  assert_int_equal(fetcher.returned, -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_FETCH_FAILED);
}

/* Both ends at once, on two threads. */
static void *deinit(void *ota) {
  assert_int_equal(IOT_OTA_Deinit(ota), 0);
  return NULL;
}

static void destroyed_and_deinited_at_once(void **state) {
  for (int i = 0; i < 10; i++) {
    pthread_t thread;
    assert_int_equal(world_setup(state), 0);
    struct world *world = *state;
    world_bring_to(world, i % 2 ? MID : INITED);
    assert_int_equal(pthread_create(&thread, NULL, deinit, world->ota), 0);
    assert_int_equal(IOT_MQTT_Destroy(&world->mqtt), 0);
    pthread_join(thread, NULL);
    world->ota = NULL;
    world_teardown(state);
  }
}

/* What every function says of a handle that is deinited, or was never one. */
static void assert_no_handle(void *ota) {
  char text[OTA_VERSION_LEN_MAX];
  assert_int_equal(IOT_OTA_Deinit(ota), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_ReportVersion(ota, "1.0.0"), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_ReportProgress(ota, (IOT_OTA_Progress_t)5, "x"), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(iotx_req_image(ota, "1.0.0"), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(iotx_ota_get_config(ota, "product", "file", ""), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_IsFetching(ota), 0);
  assert_int_equal(IOT_OTA_IsFetchFinish(ota), 0);
  assert_int_equal(IOT_OTA_FetchYield(ota, text, sizeof(text), 0), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_Ioctl(ota, IOT_OTAG_VERSION, text, sizeof(text)),
                   IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_GetLastError(ota), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_SetOnPushedCallback(ota, NULL), IOT_OTAE_INVALID_PARAM);
}

static void a_handle_that_is_deinited_is_none(void **state) {
  struct world *world = *state;
  char stranger[sizeof(void *)] = "";
  world_bring_to(world, MID);
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  assert_no_handle(world->ota);
  assert_no_handle(stranger);
  assert_no_handle(world->mqtt);
  assert_int_equal(IOT_MQTT_CheckStateNormal(world->mqtt), 1);
  world->ota = NULL;
}

/* Says all it can, until the handle is none. */
static void *call_until_deinited(void *ota) {
  char text[OTA_VERSION_LEN_MAX];
  for (unsigned i = 0; IOT_OTA_SetOnPushedCallback(ota, NULL) == 0; i++) {
    (void)IOT_OTA_FetchYield(ota, text, sizeof(text), 0);
    if (i % 8 == 0) (void)IOT_OTA_ReportProgress(ota, (IOT_OTA_Progress_t)5, "x");
    if (i % 8 == 1) (void)IOT_OTA_ReportVersion(ota, "1.0.0");
    if (i % 8 == 2) (void)iotx_req_image(ota, "1.0.0");
    if (i % 8 == 3) (void)iotx_ota_get_config(ota, "product", "file", "");
    (void)IOT_OTA_IsFetching(ota);
    (void)IOT_OTA_Ioctl(ota, IOT_OTAG_VERSION, text, sizeof(text));
    (void)IOT_OTA_Ioctl(ota, IOT_OTAG_RESET_STATE, text, sizeof(text));
    (void)IOT_OTA_GetLastError(ota);
  }
  return NULL;
}

static void *deinit_if_first(void *ota) {
  const int rc = IOT_OTA_Deinit(ota);
  assert_true(rc == 0 || rc == IOT_OTAE_INVALID_PARAM);
  return rc == 0 ? ota : NULL;
}

static void deinited_twice_beside_every_other_call(void **state) {
  for (int i = 0; i < 6; i++) {
    pthread_t callers[2], other;
    void *first;
    assert_int_equal(world_setup(state), 0);
    struct world *world = *state;
    world_bring_to(world, i % 2 ? PUSHED : INITED);
    for (int k = 0; k < 2; k++)
      assert_int_equal(pthread_create(&callers[k], NULL, call_until_deinited, world->ota), 0);
    (void)IOT_MQTT_Yield(world->mqtt, 0);
    assert_int_equal(pthread_create(&other, NULL, deinit_if_first, world->ota), 0);
    const bool mine = deinit_if_first(world->ota) != NULL;
    pthread_join(other, &first);
    assert_int_equal(mine + (first != NULL), 1);
    for (int k = 0; k < 2; k++)
      pthread_join(callers[k], NULL);
    world->ota = NULL;
    world_teardown(state);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(destroyed_when_inited),
      TEST(destroyed_when_pushed),
      TEST(destroyed_when_in_the_middle),
      TEST(destroyed_when_fetched),
      TEST(destroyed_when_fetched_badly),
      TEST(destroyed_when_failed),
      cmocka_unit_test(two_handles_and_their_client_end_in_any_order),
      TEST(an_image_over_http_is_fetched_to_its_end),
      TEST(what_needs_the_client_fails),
      TEST(destroyed_while_another_thread_fetches),
      TEST(destroyed_while_another_thread_fetches_blocks),
      cmocka_unit_test(destroyed_and_deinited_at_once),
      TEST(a_handle_that_is_deinited_is_none),
      cmocka_unit_test(deinited_twice_beside_every_other_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
