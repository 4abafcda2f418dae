/*
 * over_world.c - see over_world.h. Each test makes and frees its own.
 */
#include "support/over_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cm.h"

#define STEPS_MAX 100000

/* ---- the program's client, and the channel's way to it ---- */

static bool fails(struct world *world) {
  if (world->faults == 0) return false;
  world->faults--;
  return true;
}

static int publish(void *ctx, const char *topic, const void *payload, size_t len, uint8_t qos) {
  struct world *world = ctx;
  if (fails(world)) return world->fault;
  return iotkit_mqtt_publish(world->client, topic, payload, len, qos, false);
}

static int subscribe(void *ctx, const char *topic, uint8_t qos) {
  struct world *world = ctx;
  if (fails(world)) return world->fault;
  return iotkit_mqtt_subscribe(world->client, topic, qos, NULL, NULL);
}

static int unsubscribe(void *ctx, const char *topic) {
  struct world *world = ctx;
  return iotkit_mqtt_unsubscribe(world->client, topic, NULL, NULL);
}

static int step(void *ctx, uint32_t timeout_ms) {
  struct world *world = ctx;
  if (fails(world)) return world->fault;
  return iotkit_mqtt_yield(world->client, timeout_ms);
}

static void on_message(struct world *world, const struct iotkit_mqtt_message *message) {
  const int rc = iotkit_ota_feed(world->ota, message->topic, message->topic_len, message->payload,
                                 message->payload_len, message->dup);
  assert_true(rc == 0 || rc == 1);
  if (rc == 0) world->foreign++;
}

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct world *world = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_MESSAGE) on_message(world, event->message);
  if (event->type != IOTKIT_MQTT_EVENT_STATE) return;
  if (event->state == IOTKIT_MQTT_CONNECTED) {
    world->connects++;
    (void)iotkit_ota_connected(world->ota);
  } else {
    assert_int_equal(iotkit_ota_disconnected(world->ota), 0);
  }
}

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct world *world = ctx;
  uint64_t offset;
  assert_int_equal(iotkit_ota_free(ota), IK_EIN_CALLBACK);
  if (world->fetches_inside)
    world->fetched_inside = iotkit_job_fetch(job, world->image, SIZE, UINT32_MAX, &offset);
  iotkit_job_unref(world->job);
  world->job = job;
  world->jobs++;
}

static void on_refused(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                       const char *request_id) {
  struct world *world = ctx;
  (void)ota;
  (void)error;
  (void)detail;
  (void)request_id;
  world->refused++;
}

static void on_nothing(void *ctx, iotkit_ota_t *ota, const char *request_id) {
  struct world *world = ctx;
  (void)ota;
  (void)request_id;
  world->nothings++;
}

/* ---- life ---- */

static bool serve(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  if (strncmp(request->head, "GET /old", 8) == 0)
    return http_send(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
  return http_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", SIZE) &&
         http_send_image(fd, 0, SIZE);
}

struct world *ow_make(bool steps) {
  struct world *world = calloc(1, sizeof(*world));
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_non_null(world);
  world->broker = mini_broker_start();
  world->server = http_server_start(serve, world);
  world->platform.size = SIZE;
  block_platform_start(&world->platform, world->broker);
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(world->broker),
                                              .client_id = "c",
                                              .reconnect_min_ms = 1,
                                              .reconnect_max_ms = 10,
                                              .on_event = on_event,
                                              .ctx = world};
  const struct iotkit_transport transport = {.publish = publish,
                                             .subscribe = subscribe,
                                             .unsubscribe = unsubscribe,
                                             .step = steps ? step : NULL,
                                             .ctx = world};
  const struct iotkit_ota_options ota_options = {
      .product_key = "pk",
      .device_name = "dn",
      .fetch = {.response_timeout_ms = 100, .retry_min_ms = 1, .retry_max_ms = 5},
      .on_upgrade = on_upgrade,
      .on_refused = on_refused,
      .on_nothing = on_nothing,
      .ctx = world};
  assert_int_equal(iotkit_mqtt_new(&options, &world->client, detail), 0);
  assert_int_equal(iotkit_ota_new_over(&transport, &ota_options, &world->ota, detail), 0);
  return world;
}

int ow_setup(void **state) {
  struct world *world = ow_make(true);
  *state = world;
  return iotkit_mqtt_start(world->client);
}

int ow_setup_without_step(void **state) {
  struct world *world = ow_make(false);
  *state = world;
  return iotkit_mqtt_start(world->client);
}

static void *drive(void *arg) {
  struct world *world = arg;
  while (!atomic_load(&world->stop))
    iotkit_mqtt_yield(world->client, 60000);
  return NULL;
}

void ow_drive_elsewhere(struct world *world) {
  assert_int_equal(pthread_create(&world->driver, NULL, drive, world), 0);
  world->driven = true;
}

void ow_stop_driving(struct world *world) {
  if (!world->driven) return;
  atomic_store(&world->stop, true);
  iotkit_mqtt_interrupt(world->client);
  pthread_join(world->driver, NULL);
  world->driven = false;
}

int ow_teardown(void **state) {
  struct world *world = *state;
  ow_stop_driving(world);
  iotkit_job_unref(world->job);
  iotkit_ota_free(world->ota);
  iotkit_mqtt_free(world->client);
  mini_broker_stop(world->broker);
  http_server_stop(world->server);
  block_platform_free(&world->platform);
  free(world);
  return 0;
}

/* ---- what the platform does ---- */

void ow_await_subscribed(struct world *world, const char *topic) {
  for (int i = 0; !mini_broker_subscribed(world->broker, topic, NULL); i++) {
    if (i == STEPS_MAX) fail_msg("not subscribed");
    iotkit_mqtt_yield(world->client, 5000);
  }
}

static void push(struct world *world, const char *topic, const char *id, const char *where) {
  char digest[65];
  char json[1024];
  block_platform_sha256(&world->platform, digest);
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":\"%s\",\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"2.0.0\",%s,\"sign\":\"%s\",\"signMethod\":\"Sha256\"}}",
           id, SIZE, where, digest);
  ow_await_subscribed(world, topic);
  assert_true(mini_broker_publish(world->broker, topic, json, 1, false));
}

void ow_push_url(struct world *world, const char *path) {
  char where[128];
  snprintf(where, sizeof(where), "\"url\":\"http://127.0.0.1:%u%s\"",
           http_server_port(world->server), path);
  push(world, UPGRADE_TOPIC, "1", where);
}

void ow_push_blocks(struct world *world) {
  char where[128];
  snprintf(where, sizeof(where), "\"dProtocol\":\"mqtt\",\"streamId\":%d,\"streamFileId\":%d",
           BLOCK_STREAM_ID, BLOCK_FILE_ID);
  push(world, UPGRADE_TOPIC, "1", where);
}

void ow_until(struct world *world, const unsigned *what, unsigned count) {
  for (int i = 0; *what < count; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    iotkit_mqtt_yield(world->client, 5000);
  }
}

int ow_fetch_all(struct world *world, uint32_t timeout_ms) {
  iotkit_job_t *job = world->job;
  size_t at = 0;
  while (iotkit_job_get_state(job) < IOTKIT_JOB_FETCHED) {
    uint64_t offset;
    const int64_t n = iotkit_job_fetch(job, world->image + at, SIZE - at, timeout_ms, &offset);
    if (n < 0) return (int)n;
    at += (size_t)n;
    if (timeout_ms == 0) iotkit_mqtt_yield(world->client, 10);
  }
  assert_int_equal(at, SIZE);
  for (size_t i = 0; i < SIZE; i++)
    assert_int_equal(world->image[i], http_image_byte(i));
  return iotkit_job_check(job);
}

void ow_assert_published(struct world *world, const char *topic, const char *part, unsigned qos) {
  char payload[512];
  unsigned had = 9;
  iotkit_mqtt_yield(world->client, 0);
  assert_true(mini_broker_wait(world->broker, topic, 0, payload, sizeof(payload), &had));
  assert_non_null(strstr(payload, part));
  assert_int_equal(had, qos);
}

/* ---- requests ---- */

static void answer_get(void *ctx, struct mini_broker *broker, const char *payload) {
  struct world *world = ctx;
  char id[16] = "";
  char json[1024];
  char digest[65];
  const char *at = strstr(payload, "\"id\":\"");
  assert_non_null(at);
  snprintf(id, sizeof(id), "%.*s", (int)strcspn(at + 6, "\""), at + 6);
  block_platform_sha256(&world->platform, digest);
  snprintf(json, sizeof(json),
           "{\"code\":200,\"id\":\"%s\",\"data\":{\"size\":%u,\"version\":\"2.0.0\","
           "\"url\":\"http://127.0.0.1:%u/f\",\"sign\":\"%s\",\"signMethod\":\"Sha256\"}}",
           id, SIZE, http_server_port(world->server), digest);
  mini_broker_publish(broker, GET_REPLY_TOPIC, json, 0, false);
}

void ow_answer_requests(struct world *world) {
  mini_broker_answer(world->broker, GET_TOPIC, answer_get, world);
}

void ow_end_channel(struct world *world) {
  assert_int_equal(iotkit_ota_free(world->ota), 0);
  world->ota = NULL;
  iotkit_mqtt_yield(world->client, 0);
}
