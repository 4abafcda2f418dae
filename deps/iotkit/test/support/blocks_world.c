/*
 * blocks_world.c - see blocks_world.h. Each test makes and frees its own.
 */
#include "support/blocks_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "port/port.h"
#include "support/cm.h"
#include "support/http_server.h"
#include "support/tcp_peer.h"

#define STEPS_MAX 100000

/* ---- life ---- */

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct world *world = ctx;
  (void)client;
  world->event_thread = ik_thread_self();
  if (event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED && event->error == 0) world->subscribed++;
}

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct world *world = ctx;
  uint64_t offset;
  (void)ota;
  if (world->job_count == COUNT(world->jobs)) fail_msg("too many upgrades");
  world->jobs[world->job_count++] = job;
  if (world->fetch_in_callback)
    world->in_callback = iotkit_job_fetch(job, world->image, IMAGE_MAX, 60000, &offset);
}

struct world *bw_make(uint64_t size, const struct iotkit_fetch_options *fetch, size_t max_packet) {
  struct world *world = calloc(1, sizeof(*world));
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_non_null(world);
  world->image = calloc(1, IMAGE_MAX);
  assert_non_null(world->image);
  world->broker = mini_broker_start();
  world->platform.size = size;
  world->platform.ctx = world;
  block_platform_start(&world->platform, world->broker);
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(world->broker),
                                              .client_id = "c",
                                              .reconnect_min_ms = 1,
                                              .reconnect_max_ms = 10,
                                              .max_packet = max_packet,
                                              .on_event = on_event,
                                              .ctx = world};
  struct iotkit_ota_options ota_options = {
      .product_key = "pk", .device_name = "dn", .on_upgrade = on_upgrade, .ctx = world};
  if (fetch != NULL) ota_options.fetch = *fetch;
  assert_int_equal(iotkit_mqtt_new(&options, &world->client, detail), 0);
  assert_int_equal(iotkit_ota_new(world->client, &ota_options, &world->ota, detail), 0);
  assert_int_equal(iotkit_mqtt_start(world->client), 0);
  return world;
}

static void *step(void *arg) {
  struct world *world = arg;
  while (!atomic_load(&world->stop))
    iotkit_mqtt_yield(world->client, 60000);
  return NULL;
}

void bw_stop_stepping(struct world *world) {
  if (!world->has_stepper) return;
  atomic_store(&world->stop, true);
  iotkit_mqtt_interrupt(world->client);
  pthread_join(world->stepper, NULL);
  world->has_stepper = false;
}

void bw_free(struct world *world) {
  bw_stop_stepping(world);
  for (unsigned i = 0; i < world->job_count; i++)
    iotkit_job_unref(world->jobs[i]);
  iotkit_ota_free(world->ota);
  iotkit_mqtt_free(world->client);
  mini_broker_stop(world->broker);
  block_platform_free(&world->platform);
  free(world->image);
  free(world);
}

void bw_announce(struct world *world, unsigned id, const char *module) {
  char digest[65];
  char json[1024];
  if (id % 2 == 0) {
    block_platform_md5(&world->platform, digest);
  } else {
    block_platform_sha256(&world->platform, digest);
  }
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":%u,\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"2.0.0\",\"dProtocol\":\"mqtt\",\"streamId\":%d,\"streamFileId\":%d,"
           "\"sign\":\"%s\",\"signMethod\":\"%s\",\"module\":\"%s\"}}",
           id, (unsigned)world->platform.size, BLOCK_STREAM_ID, BLOCK_FILE_ID, digest,
           id % 2 == 0 ? "Md5" : "Sha256", module);
  for (int i = 0; world->subscribed < 3; i++) {
    if (i == STEPS_MAX) fail_msg("not subscribed");
    iotkit_mqtt_yield(world->client, 5000);
  }
  assert_true(mini_broker_publish(world->broker, UPGRADE_TOPIC, json, 1, false));
}

void bw_await_jobs(struct world *world, unsigned count) {
  for (int i = 0; world->job_count < count; i++) {
    if (i == STEPS_MAX) fail_msg("no upgrade came");
    iotkit_mqtt_yield(world->client, 5000);
  }
}

iotkit_job_t *bw_announced(struct world *world) {
  bw_announce(world, 1, "");
  bw_await_jobs(world, 1);
  return world->jobs[0];
}

void bw_step_elsewhere(struct world *world) {
  assert_int_equal(pthread_create(&world->stepper, NULL, step, world), 0);
  world->has_stepper = true;
}

/* ---- fetching ---- */

struct iotkit_fetch_options bw_hasty(void) {
  return (struct iotkit_fetch_options){.response_timeout_ms = 100,
                                       .idle_timeout_ms = 100,
                                       .max_retries = UINT32_MAX,
                                       .max_tries = UINT32_MAX,
                                       .retry_min_ms = 1,
                                       .retry_max_ms = 5};
}

int bw_fetch_all(struct world *world, iotkit_job_t *job, size_t chunk) {
  uint64_t at = iotkit_job_received(job);
  while (iotkit_job_get_state(job) == IOTKIT_JOB_READY ||
         iotkit_job_get_state(job) == IOTKIT_JOB_FETCHING) {
    uint64_t offset = 0;
    uint8_t *buf = malloc(chunk);
    assert_non_null(buf);
    int64_t n = iotkit_job_fetch(job, buf, chunk, TEST_LIMIT_MS, &offset);
    if (n > 0) {
      assert_true(offset == at && (uint64_t)n <= IMAGE_MAX - at);
      memcpy(world->image + at, buf, (size_t)n);
      at += (uint64_t)n;
      assert_true(iotkit_job_received(job) == at);
    }
    free(buf);
    if (n < 0) return (int)n;
  }
  return iotkit_job_error(job, NULL);
}

void bw_assert_image(const struct world *world, uint64_t from) {
  for (uint64_t i = from; i < world->platform.size; i++) {
    if (world->image[i] != http_image_byte(i)) fail_msg("byte %u is wrong", (unsigned)i);
  }
}

enum block_fault bw_swallow(void *ctx, const struct block_request *request) {
  struct world *world = ctx;
  (void)request;
  atomic_fetch_add(&world->stalled, 1);
  return BLOCK_LOST;
}

void *bw_fetch_slowly(void *arg) {
  struct world *world = arg;
  return (void *)(intptr_t)bw_fetch_all(world, world->jobs[0], 3000);
}

int bw_join(pthread_t thread) {
  void *result;
  assert_int_equal(pthread_join(thread, &result), 0);
  return (int)(intptr_t)result;
}
