/*
 * Images in MQTT blocks over a real client and a broker on loopback: stepped by the fetching thread
 * itself or by another one, with every fault of the platform, and every way to end it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iotkit_ota.h"
#include "port/port.h"
#include "support/block_platform.h"
#include "support/cm.h"
#include "support/http_server.h"
#include "support/rng.h"
#include "support/tcp_peer.h"

#define UPGRADE_TOPIC "/ota/device/upgrade/pk/dn"
#define IMAGE_MAX (400 * 1024)
#define STEPS_MAX 100000

struct world {
  struct mini_broker *broker;
  struct block_platform platform;
  iotkit_mqtt_t *client;
  iotkit_ota_t *ota;
  iotkit_job_t *jobs[2];
  unsigned job_count;
  unsigned subscribed;
  uintptr_t event_thread; /* the last event's */
  uint8_t *image;         /* what was fetched */
  pthread_t stepper;
  bool has_stepper;
  atomic_bool stop;
  struct rng rng;
  atomic_uint stalled; /* how many requests the script has swallowed */
  int64_t in_callback;
  bool fetch_in_callback;
};

/* ---- the world ---- */

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

static struct world *make_world(uint64_t size, const struct iotkit_fetch_options *fetch,
                                size_t max_packet) {
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

static void stop_stepping(struct world *world) {
  if (!world->has_stepper) return;
  atomic_store(&world->stop, true);
  iotkit_mqtt_interrupt(world->client);
  pthread_join(world->stepper, NULL);
  world->has_stepper = false;
}

static void free_world(struct world *world) {
  stop_stepping(world);
  for (unsigned i = 0; i < world->job_count; i++)
    iotkit_job_unref(world->jobs[i]);
  iotkit_ota_free(world->ota);
  iotkit_mqtt_free(world->client);
  mini_broker_stop(world->broker);
  block_platform_free(&world->platform);
  free(world->image);
  free(world);
}

static void announce(struct world *world, unsigned id, const char *module) {
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

static void await_jobs(struct world *world, unsigned count) {
  for (int i = 0; world->job_count < count; i++) {
    if (i == STEPS_MAX) fail_msg("no upgrade came");
    iotkit_mqtt_yield(world->client, 5000);
  }
}

static iotkit_job_t *announced(struct world *world) {
  announce(world, 1, "");
  await_jobs(world, 1);
  return world->jobs[0];
}

/* From here on another thread steps. */
static void step_elsewhere(struct world *world) {
  assert_int_equal(pthread_create(&world->stepper, NULL, step, world), 0);
  world->has_stepper = true;
}

/* ---- fetching ---- */

static struct iotkit_fetch_options hasty(void) {
  return (struct iotkit_fetch_options){.response_timeout_ms = 100,
                                       .idle_timeout_ms = 100,
                                       .max_retries = UINT32_MAX,
                                       .max_tries = UINT32_MAX,
                                       .retry_min_ms = 1,
                                       .retry_max_ms = 5};
}

/* Returns the error that ended it, 0: all is there. */
static int fetch_all(struct world *world, iotkit_job_t *job, size_t chunk) {
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

static void assert_image(const struct world *world, uint64_t from) {
  for (uint64_t i = from; i < world->platform.size; i++) {
    if (world->image[i] != http_image_byte(i)) fail_msg("byte %u is wrong", (unsigned)i);
  }
}

static void fetches_on_the_thread_that_steps(void **state) {
  (void)state;
  struct world *world = make_world(300001, NULL, 0);
  unsigned qos = 9;
  iotkit_job_t *job = announced(world);
  assert_int_equal(iotkit_job_upgrade(job)->protocol, IOTKIT_PROTOCOL_MQTT);
  assert_false(mini_broker_subscribed(world->broker, BLOCK_REPLY_TOPIC, NULL));
  assert_true(iotkit_job_fetch(job, world->image, 1000, TEST_LIMIT_MS, NULL) == 1000);
  assert_true(mini_broker_subscribed(world->broker, BLOCK_REPLY_TOPIC, &qos));
  assert_int_equal(qos, 0);
  assert_int_equal(fetch_all(world, job, 5000), 0);
  assert_image(world, 0);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHED);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(atomic_load(&world->platform.wrong), 0);
  assert_true(atomic_load(&world->platform.bytes) == 300001); /* none twice */
  iotkit_mqtt_yield(world->client, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
  free_world(world);
}

static void fetches_while_another_thread_steps(void **state) {
  (void)state;
  struct world *world = make_world(300001, NULL, 0);
  iotkit_job_t *job = announced(world);
  step_elsewhere(world);
  assert_int_equal(fetch_all(world, job, 100000), 0);
  assert_image(world, 0);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(atomic_load(&world->platform.wrong), 0);
  assert_true(atomic_load(&world->platform.bytes) == 300001);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
  free_world(world);
}

static void *fetch_slowly(void *arg) {
  struct world *world = arg;
  return (void *)(intptr_t)fetch_all(world, world->jobs[0], 3000);
}

static int join(pthread_t thread) {
  void *result;
  assert_int_equal(pthread_join(thread, &result), 0);
  return (int)(intptr_t)result;
}

/* The thread that has yielded so far waits for the one that fetches. */
static void steps_where_nobody_yields(void **state) {
  (void)state;
  pthread_t thread;
  struct world *world = make_world(200000, NULL, 0);
  announced(world);
  assert_int_equal(pthread_create(&thread, NULL, fetch_slowly, world), 0);
  assert_int_equal(join(thread), 0);
  assert_image(world, 0);
  assert_true(atomic_load(&world->platform.bytes) == 200000);
  free_world(world);
}

static void takes_turns_with_who_yields(void **state) {
  (void)state;
  pthread_t thread;
  struct world *world = make_world(200000, NULL, 0);
  iotkit_job_t *job = announced(world);
  assert_int_equal(pthread_create(&thread, NULL, fetch_slowly, world), 0);
  while (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED)
    assert_int_equal(iotkit_mqtt_yield(world->client, 2), 0);
  assert_int_equal(join(thread), 0);
  assert_image(world, 0);
  assert_true(atomic_load(&world->platform.bytes) == 200000);
  free_world(world);
}

static enum block_fault drop_first(void *ctx, const struct block_request *request) {
  (void)ctx;
  return request->index == 0 ? BLOCK_DROP : BLOCK_WELL;
}

static void leaves_stepping_to_who_steps(void **state) {
  (void)state;
  pthread_t thread;
  const struct iotkit_fetch_options fetch = hasty();
  struct world *world = make_world(200000, &fetch, 0);
  world->platform.script = drop_first;
  iotkit_job_t *job = announced(world);
  assert_int_equal(iotkit_mqtt_step(world->client, ik_port_now_ms()), 0);
  assert_int_equal(pthread_create(&thread, NULL, fetch_slowly, world), 0);
  while (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED) {
    struct ik_pollfd fd = {iotkit_mqtt_fd(world->client), iotkit_mqtt_interest(world->client), 0};
    ik_port_poll(&fd, 1, 2);
    assert_int_equal(iotkit_mqtt_step(world->client, ik_port_now_ms()), 0);
    assert_true(world->event_thread == ik_thread_self());
  }
  assert_int_equal(join(thread), 0);
  assert_image(world, 0);
  free_world(world);
}

static void verifies_md5_too(void **state) {
  (void)state;
  struct world *world = make_world(1, NULL, 0);
  announce(world, 2, "");
  await_jobs(world, 1);
  assert_int_equal(fetch_all(world, world->jobs[0], 100), 0);
  assert_int_equal(iotkit_job_check(world->jobs[0]), 0);
  free_world(world);
}

static enum block_fault some_fault(void *ctx, const struct block_request *request) {
  static const enum block_fault faults[] = {BLOCK_LOST,  BLOCK_TWICE,   BLOCK_SPOILT, BLOCK_LATE,
                                            BLOCK_LATE,  BLOCK_REFUSED, BLOCK_BUSY,   BLOCK_DROP,
                                            BLOCK_TWICE, BLOCK_SPOILT};
  struct world *world = ctx;
  (void)request;
  size_t which = rng_below(&world->rng, 3 * COUNT(faults));
  return which < COUNT(faults) ? faults[which] : BLOCK_WELL;
}

static void survives_what_networks_and_platforms_do(void **state) {
  (void)state;
  const struct iotkit_fetch_options fetch = hasty();
  for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
    struct world *world = make_world(200000, &fetch, 0);
    world->rng = rng_start("survives_what_networks_and_platforms_do");
    iotkit_job_t *job = announced(world);
    world->platform.script = some_fault;
    if (elsewhere) step_elsewhere(world);
    assert_int_equal(fetch_all(world, job, 7000), 0);
    assert_image(world, 0);
    assert_int_equal(iotkit_job_check(job), 0);
    assert_int_equal(atomic_load(&world->platform.wrong), 0);
    free_world(world);
  }
}

static void goes_on_where_another_fetch_ended(void **state) {
  (void)state;
  struct world *world = make_world(100000, NULL, 0);
  iotkit_job_t *job = announced(world);
  for (uint64_t i = 0; i < 70000; i++)
    world->image[i] = http_image_byte(i);
  assert_int_equal(iotkit_job_digest(job, 0, world->image, 70000), 0);
  assert_int_equal(iotkit_job_resume(job, 70000), 0);
  assert_int_equal(fetch_all(world, job, 9000), 0);
  assert_image(world, 0);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_true(atomic_load(&world->platform.bytes) == 30000);
  free_world(world);
}

static void fits_into_the_clients_packets(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct world *world = make_world(20000, NULL, 1024);
  assert_int_equal(fetch_all(world, announced(world), 4096), 0);
  assert_image(world, 0);
  assert_int_equal(atomic_load(&world->platform.wrong), 0);
  assert_true(atomic_load(&world->platform.bytes) == 20000);
  free_world(world);
  world = make_world(20000, NULL, 600);
  iotkit_job_t *job = announced(world);
  assert_int_equal(fetch_all(world, job, 4096), IK_EMQTT_PACKET_TOO_LARGE);
  assert_int_equal(iotkit_job_error(job, detail), IK_EMQTT_PACKET_TOO_LARGE);
  assert_non_null(strstr(detail, "no room for a block"));
  free_world(world);
}

static void takes_what_the_platform_gives_at_once(void **state) {
  (void)state;
  struct iotkit_fetch_options fetch = hasty();
  fetch.max_retries = 5;
  fetch.response_timeout_ms = fetch.idle_timeout_ms = TEST_LIMIT_MS;
  struct world *world = make_world(60000, &fetch, 0);
  world->platform.largest = 3000;
  assert_int_equal(fetch_all(world, announced(world), 4096), 0);
  assert_image(world, 0);
  free_world(world);
}

static enum block_fault swallow(void *ctx, const struct block_request *request) {
  struct world *world = ctx;
  (void)request;
  atomic_fetch_add(&world->stalled, 1);
  return BLOCK_LOST;
}

static enum block_fault refuse(void *ctx, const struct block_request *request) {
  (void)ctx;
  return request->offset >= 16384 ? BLOCK_REFUSED : BLOCK_WELL;
}

static void fails_when_the_platform_is_silent_or_refuses(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct iotkit_fetch_options fetch = hasty();
  fetch.max_retries = 2;
  struct world *world = make_world(60000, &fetch, 0);
  world->platform.script = swallow;
  iotkit_job_t *job = announced(world);
  assert_int_equal(fetch_all(world, job, 4096), IK_EIDLE_TIMEOUT);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FAILED);
  assert_int_equal(iotkit_job_received(job), 0);
  iotkit_mqtt_yield(world->client, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
  free_world(world);
  fetch.response_timeout_ms = fetch.idle_timeout_ms = TEST_LIMIT_MS;
  world = make_world(60000, &fetch, 0);
  world->platform.script = refuse;
  job = announced(world);
  assert_int_equal(fetch_all(world, job, 4096), IK_EBLOCK);
  assert_int_equal(iotkit_job_error(job, detail), IK_EBLOCK);
  assert_non_null(strstr(detail, "block at 16384: the platform answered with code 400 refused"));
  assert_int_equal(iotkit_job_received(job), 16384); /* what came is handed out first */
  free_world(world);
}

static void keeps_to_its_time(void **state) {
  (void)state;
  uint8_t buf[100];
  struct iotkit_fetch_options fetch = {.total_timeout_ms = 50};
  struct world *world = make_world(60000, &fetch, 0);
  world->platform.script = swallow;
  iotkit_job_t *job = announced(world);
  assert_true(iotkit_job_fetch(job, buf, sizeof(buf), 0, NULL) == 0); /* does not wait */
  assert_true(iotkit_job_fetch(job, buf, sizeof(buf), 1, NULL) == 0);
  assert_int_equal(fetch_all(world, job, 100), IK_ETIMEOUT);
  free_world(world);
}

/* ---- ends ---- */

static void fetch_on_a_thread_of_its_own(struct world *world, void *(*fetch)(void *),
                                         pthread_t *thread) {
  world->platform.script = swallow;
  announced(world);
  step_elsewhere(world);
  assert_int_equal(pthread_create(thread, NULL, fetch, world), 0);
  while (atomic_load(&world->stalled) < 2) {
    char payload[256];
    assert_true(mini_broker_wait(world->broker, BLOCK_TOPIC, 1, payload, sizeof(payload), NULL));
  }
}

static void *fetch_job(void *arg) {
  struct world *world = arg;
  int64_t n = iotkit_job_fetch(world->jobs[0], world->image, IMAGE_MAX, UINT32_MAX, NULL);
  return (void *)(intptr_t)n;
}

static void is_interrupted_and_aborted(void **state) {
  (void)state;
  pthread_t thread;
  struct world *world = make_world(60000, NULL, 0);
  fetch_on_a_thread_of_its_own(world, fetch_job, &thread);
  iotkit_job_interrupt(world->jobs[0]);
  assert_int_equal(join(thread), IK_EINTERRUPTED);
  assert_int_equal(iotkit_job_get_state(world->jobs[0]), IOTKIT_JOB_FETCHING);
  assert_int_equal(pthread_create(&thread, NULL, fetch_job, world), 0);
  iotkit_job_abort(world->jobs[0]);
  assert_int_equal(join(thread), IK_EABORTED);
  free_world(world);
}

static void gives_up_the_topic_when_aborted_between_fetches(void **state) {
  (void)state;
  struct world *world = make_world(60000, NULL, 0);
  iotkit_job_t *job = announced(world);
  assert_true(iotkit_job_fetch(job, world->image, 1000, TEST_LIMIT_MS, NULL) == 1000);
  iotkit_job_abort(job);
  iotkit_mqtt_yield(world->client, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
  assert_true(iotkit_job_fetch(job, world->image, 1000, 0, NULL) == IK_EABORTED);
  free_world(world);
}

static void ends_with_its_channel(void **state) {
  (void)state;
  pthread_t thread;
  char detail[IOTKIT_DETAIL_MAX];
  struct world *world = make_world(60000, NULL, 0);
  fetch_on_a_thread_of_its_own(world, fetch_job, &thread);
  assert_int_equal(iotkit_ota_free(world->ota), 0);
  world->ota = NULL;
  stop_stepping(world);
  assert_int_equal(iotkit_mqtt_free(world->client), 0); /* nothing uses it any more */
  world->client = NULL;
  assert_int_equal(join(thread), IK_ECLOSED);
  assert_int_equal(iotkit_job_error(world->jobs[0], detail), IK_ECLOSED);
  assert_non_null(strstr(detail, "channel"));
  free_world(world);
}

static void ends_with_its_channel_between_fetches(void **state) {
  (void)state;
  struct world *world = make_world(60000, NULL, 0);
  iotkit_job_t *job = announced(world);
  assert_true(iotkit_job_fetch(job, world->image, 1000, TEST_LIMIT_MS, NULL) == 1000);
  iotkit_ota_free(world->ota);
  world->ota = NULL;
  assert_int_equal(fetch_all(world, job, 100000), IK_ECLOSED);
  iotkit_job_t *again;
  assert_int_equal(iotkit_job_dup(job, &again), 0);
  assert_true(iotkit_job_fetch(again, world->image, 1000, TEST_LIMIT_MS, NULL) == IK_ECLOSED);
  iotkit_job_unref(again);
  free_world(world);
}

static void ends_with_its_client(void **state) {
  (void)state;
  struct world *world = make_world(60000, NULL, 0);
  iotkit_job_t *job = announced(world);
  world->platform.script = swallow;
  assert_true(iotkit_job_fetch(job, world->image, 1000, 1, NULL) == 0);
  iotkit_mqtt_stop(world->client);
  assert_int_equal(fetch_all(world, job, 1000), IK_ECLOSED);
  free_world(world);
}

static void pauses(void **state) {
  (void)state;
  pthread_t thread;
  struct iotkit_fetch_options fetch = hasty();
  fetch.max_retries = 1;
  fetch.response_timeout_ms = fetch.idle_timeout_ms = TEST_LIMIT_MS;
  struct world *world = make_world(60000, &fetch, 0);
  iotkit_job_t *job = announced(world);
  iotkit_job_pause(job, true);
  assert_true(iotkit_job_fetch(job, world->image, 1000, 20, NULL) == 0);
  assert_int_equal(atomic_load(&world->platform.requests), 0);
  step_elsewhere(world);
  assert_int_equal(pthread_create(&thread, NULL, fetch_slowly, world), 0);
  iotkit_job_pause(job, false);
  assert_int_equal(join(thread), 0);
  assert_image(world, 0);
  assert_int_equal(iotkit_job_check(job), 0);
  free_world(world);
}

static void does_not_wait_inside_a_callback(void **state) {
  (void)state;
  struct world *world = make_world(60000, NULL, 0);
  world->fetch_in_callback = true;
  iotkit_job_t *job = announced(world);
  assert_int_equal(world->in_callback, IK_EIN_CALLBACK);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHING);
  assert_int_equal(fetch_all(world, job, 10000), 0);
  assert_image(world, 0);
  free_world(world);
}

static void fetches_two_at_a_time(void **state) {
  (void)state;
  static uint8_t images[2][100000];
  struct world *world = make_world(100000, NULL, 0);
  size_t at[2] = {0, 0};
  announce(world, 1, "a");
  announce(world, 2, "b");
  await_jobs(world, 2);
  for (unsigned i = 0; at[0] + at[1] < 200000; i ^= 1) {
    size_t room = sizeof(images[i]) - at[i];
    if (room == 0) continue;
    int64_t n = iotkit_job_fetch(world->jobs[i], images[i] + at[i], room < 9000 ? room : 9000,
                                 TEST_LIMIT_MS, NULL);
    assert_true(n > 0);
    at[i] += (size_t)n;
  }
  assert_int_equal(iotkit_job_check(world->jobs[0]), 0);
  assert_int_equal(iotkit_job_check(world->jobs[1]), 0);
  free_world(world);
}

static void keeps_to_a_speed_limit(void **state) {
  (void)state;
  iotkit_limiter_t *limiter;
  assert_int_equal(iotkit_limiter_new(128 * 1024, &limiter), 0);
  struct iotkit_fetch_options fetch = {.limiters = {limiter}};
  struct world *world = make_world(64 * 1024, &fetch, 0);
  iotkit_job_t *job = announced(world);
  uint64_t begun_ms = ik_port_now_ms();
  assert_int_equal(fetch_all(world, job, 10000), 0);
  /* What one moment may take, 16 KiB, does not wait. */
  assert_true(ik_port_now_ms() - begun_ms >= 300);
  assert_image(world, 0);
  free_world(world);
  iotkit_limiter_unref(limiter);
}

static void needs_a_channel(void **state) {
  (void)state;
  static const char notice[] =
      "{\"code\":\"1000\",\"id\":1,\"message\":\"success\",\"data\":{\"size\":5,\"version\":\"2\","
      "\"dProtocol\":\"mqtt\",\"streamId\":1,\"streamFileId\":1,"
      "\"md5\":\"0123456789abcdef0123456789abcdef\"}}";
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint8_t buf[5];
  iotkit_job_t *job;
  assert_int_equal(iotkit_job_parse(notice, sizeof(notice) - 1, NULL, &job, detail), 0);
  assert_true(iotkit_job_fetch(job, buf, sizeof(buf), 0, NULL) == IK_ECLOSED);
  assert_int_equal(iotkit_job_error(job, detail), IK_ECLOSED);
  assert_non_null(strstr(detail, "comes on the channel"));
  iotkit_job_unref(job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fetches_on_the_thread_that_steps),
      cmocka_unit_test(fetches_while_another_thread_steps),
      cmocka_unit_test(steps_where_nobody_yields),
      cmocka_unit_test(takes_turns_with_who_yields),
      cmocka_unit_test(leaves_stepping_to_who_steps),
      cmocka_unit_test(verifies_md5_too),
      cmocka_unit_test(survives_what_networks_and_platforms_do),
      cmocka_unit_test(goes_on_where_another_fetch_ended),
      cmocka_unit_test(fits_into_the_clients_packets),
      cmocka_unit_test(takes_what_the_platform_gives_at_once),
      cmocka_unit_test(fails_when_the_platform_is_silent_or_refuses),
      cmocka_unit_test(keeps_to_its_time),
      cmocka_unit_test(is_interrupted_and_aborted),
      cmocka_unit_test(gives_up_the_topic_when_aborted_between_fetches),
      cmocka_unit_test(ends_with_its_channel),
      cmocka_unit_test(ends_with_its_channel_between_fetches),
      cmocka_unit_test(ends_with_its_client),
      cmocka_unit_test(pauses),
      cmocka_unit_test(does_not_wait_inside_a_callback),
      cmocka_unit_test(fetches_two_at_a_time),
      cmocka_unit_test(keeps_to_a_speed_limit),
      cmocka_unit_test(needs_a_channel),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
