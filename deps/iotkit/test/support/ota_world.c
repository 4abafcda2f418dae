/*
 * ota_world.c - made by setup, ended by teardown, one for each test.
 */
#include "support/ota_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "port/port.h"
#include "support/cm.h"

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  bool stalled;
} stall = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

static void report_stall(void) {
  pthread_mutex_lock(&stall.mutex);
  stall.stalled = true;
  pthread_cond_broadcast(&stall.cond);
  pthread_mutex_unlock(&stall.mutex);
}

void world_await_stall(void) {
  pthread_mutex_lock(&stall.mutex);
  while (!stall.stalled)
    pthread_cond_wait(&stall.cond, &stall.mutex);
  stall.stalled = false;
  pthread_mutex_unlock(&stall.mutex);
}

static bool serve(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  if (strncmp(request->head, "GET /gone", 9) == 0) {
    return http_send(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  }
  if (strncmp(request->head, "GET /cut", 8) == 0 && !request->has_range) {
    http_send(fd, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: %u\r\n\r\n", SIZE);
    http_send_image(fd, 0, 7777);
    return false;
  }
  if (strncmp(request->head, "GET /stall", 10) == 0) {
    http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE);
    http_send_image(fd, 0, SIZE / 2);
    report_stall();
    http_wait_closed(fd);
    return false;
  }
  unsigned from = (unsigned)request->from;
  http_send(fd, "HTTP/1.1 %s\r\nContent-Range: bytes %u-%u/%u\r\nContent-Length: %u\r\n\r\n",
            request->has_range ? "206 x" : "200 x", from, SIZE - 1, SIZE, SIZE - from);
  return http_send_image(fd, from, SIZE - from);
}

static void digest_text(enum iotkit_digest_method method, char *hex) {
  struct ik_digest *digest;
  uint8_t value[IOTKIT_DIGEST_MAX];
  assert_int_equal(ik_digest_new(method, &digest), 0);
  for (unsigned i = 0; i < SIZE; i++) {
    uint8_t byte = http_image_byte(i);
    ik_digest_update(digest, &byte, 1);
  }
  int len = ik_digest_value(digest, value);
  assert_true(len > 0);
  ik_hex_encode(value, (size_t)len, hex);
  ik_digest_free(digest);
}

int world_setup(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  digest_text(IOTKIT_DIGEST_MD5, world->md5);
  digest_text(IOTKIT_DIGEST_SHA256, world->sha256);
  world->broker = mini_broker_start();
  world->server = http_server_start(serve, world);
  iotx_mqtt_param_t param = {.host = "127.0.0.1",
                             .port = mini_broker_port(world->broker),
                             .client_id = "c",
                             .username = "u",
                             .password = "p",
                             .clean_session = 1,
                             .request_timeout_ms = 5000}; /* the most there is */
  world->mqtt = IOT_MQTT_Construct(&param);
  assert_non_null(world->mqtt);
  world->ota = IOT_OTA_Init("pk", "dn", world->mqtt);
  assert_non_null(world->ota);
  *state = world;
  return 0;
}

int world_teardown(void **state) {
  struct world *world = *state;
  if (world->ota != NULL) assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  IOT_MQTT_Destroy(&world->mqtt);
  http_server_stop(world->server);
  mini_broker_stop(world->broker);
  free(world);
  return 0;
}

void world_init_again(struct world *world) {
  assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  world->ota = IOT_OTA_Init("pk", "dn", world->mqtt);
  assert_non_null(world->ota);
}

/* ---- what is announced ---- */

void world_await_topic(struct world *world, const char *filter) {
  for (int i = 0; !mini_broker_subscribed(world->broker, filter, NULL); i++) {
    if (i == STEPS_MAX) fail_msg("not subscribed");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
}

void world_await_subscription(struct world *world) {
  world_await_topic(world, UPGRADE_TOPIC);
}

void world_push_data(struct world *world, const char *data) {
  char json[1024];
  world_await_subscription(world);
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":%u,\"message\":\"success\",\"data\":{%s}}", ++world->notices,
           data);
  assert_true(mini_broker_publish(world->broker, UPGRADE_TOPIC, json, 1, false));
}

void world_push(struct world *world, const char *version, const char *path, const char *fields) {
  char data[768];
  snprintf(data, sizeof(data),
           "\"size\":%u,\"version\":\"%s\",\"url\":\"http://127.0.0.1:%u%s\",%s", SIZE, version,
           http_server_port(world->server), path, fields);
  world_push_data(world, data);
}

void world_push_md5(struct world *world, const char *version, const char *path) {
  char fields[128];
  snprintf(fields, sizeof(fields), "\"md5\":\"%s\"", world->md5);
  world_push(world, version, path, fields);
}

static void push_wrong_md5(struct world *world) {
  world_push(world, "2.0.0", "/f", "\"md5\":\"00000000000000000000000000000000\"");
}

void world_await_fetching(struct world *world) {
  for (int i = 0; !IOT_OTA_IsFetching(world->ota); i++) {
    if (i == STEPS_MAX) fail_msg("no upgrade came");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
}

void world_await_error(struct world *world) {
  for (int i = 0; IOT_OTA_GetLastError(world->ota) == 0; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
}

static struct {
  unsigned count;
  int deinit;
} pushes; /* the callback gets the handle and nothing else */

static int on_pushed(void *context) {
  pushes.count++;
  pushes.deinit = IOT_OTA_Deinit(context);
  return 0;
}

void world_count_pushes(struct world *world) {
  pushes.count = 0;
  assert_int_equal(IOT_OTA_SetOnPushedCallback(world->ota, on_pushed), 0);
}

void world_await_pushes(struct world *world, unsigned count) {
  for (int i = 0; pushes.count < count; i++) {
    if (i == STEPS_MAX) fail_msg("nothing was announced");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
}

int world_deinit_in_callback(void) {
  return pushes.deinit;
}

/* ---- another thread ---- */

static void *yield_until_stopped(void *arg) {
  struct world *world = arg;
  while (atomic_load(&world->yielding))
    IOT_MQTT_Yield(world->mqtt, 50);
  return NULL;
}

void world_start_yielding(struct world *world) {
  atomic_store(&world->yielding, true);
  assert_int_equal(pthread_create(&world->yielder, NULL, yield_until_stopped, world), 0);
}

void world_stop_yielding(struct world *world) {
  atomic_store(&world->yielding, false);
  pthread_join(world->yielder, NULL);
}

/* ---- fetching ---- */

int world_fetch_all(struct world *world, uint8_t *image, uint32_t chunk) {
  uint32_t at = 0;
  int n;
  do {
    char *buf = malloc(chunk);
    assert_non_null(buf);
    n = IOT_OTA_FetchYield(world->ota, buf, chunk, 30);
    if (n > 0) {
      assert_true(at + (uint32_t)n <= SIZE);
      memcpy(image + at, buf, (uint32_t)n);
      at += (uint32_t)n;
    }
    free(buf);
    IOT_MQTT_Yield(world->mqtt, 100);
  } while (!IOT_OTA_IsFetchFinish(world->ota));
  return n;
}

uint32_t world_get_u32(struct world *world, IOT_OTA_CmdType_t type) {
  uint32_t value = 0xAAAAAAAA;
  assert_int_equal(IOT_OTA_Ioctl(world->ota, type, &value, 4), 0);
  return value;
}

void world_assert_image(const uint8_t *image) {
  for (unsigned i = 0; i < SIZE; i++)
    assert_int_equal(image[i], http_image_byte(i));
}

void world_bring_to(struct world *world, enum situation situation) {
  static uint8_t image[SIZE];
  char buf[5000];
  world_await_subscription(world);
  if (situation == INITED) return;
  if (situation == FETCHED_BAD) {
    push_wrong_md5(world);
  } else {
    world_push_md5(world, "2.0.0", situation == AFTER_ERROR ? "/gone" : "/f");
  }
  world_await_fetching(world);
  if (situation == MID) {
    assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), sizeof(buf));
  } else if (situation == AFTER_ERROR) {
    assert_int_equal(world_fetch_all(world, image, sizeof(buf)), -1);
  } else if (situation != PUSHED) {
    world_fetch_all(world, image, sizeof(buf));
  }
}
