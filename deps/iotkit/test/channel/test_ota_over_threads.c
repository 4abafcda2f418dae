/*
 * A channel over a transport used by several threads side by side, as iotkit_over.h allows it: all
 * feed, connect, disconnect, report, ask, and fetch blocks of what was announced; each makes and frees
 * channels of its own. The transport answers some requests on the spot, from inside its function.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "iotkit_over.h"
#include "support/cm.h"
#include "support/threads.h"

#define CALLERS 4
#define CALLS 300
#define UPGRADE "/ota/device/upgrade/pk/dn"
#define GET_REPLY "/sys/pk/dn/thing/ota/firmware/get_reply"
#define BLOCK_REPLY "/sys/pk/dn/thing/file/download_reply"

struct world {
  iotkit_ota_t *ota;
  atomic_uint published, subscribed, stepped, heard, notices;
  pthread_mutex_t mutex;
  iotkit_job_t *job; /* with the mutex: the last one announced */
};

static struct world *world_of(const struct caller *caller) {
  return caller->world;
}

static int feed(iotkit_ota_t *ota, const char *topic, const char *payload) {
  return iotkit_ota_feed(ota, topic, strlen(topic), payload, strlen(payload), false);
}

/* ---- the transport ---- */

static int publish(void *ctx, const char *topic, const void *payload, size_t len, uint8_t qos) {
  struct world *world = ctx;
  (void)payload;
  (void)len;
  const unsigned count = atomic_fetch_add(&world->published, 1);
  if (count % 7 == 0) return IK_ENOT_CONNECTED;
  if (count % 11 == 0) return IK_EQUEUE_FULL;
  if (world->ota != NULL && strstr(topic, "firmware/get") != NULL)
    (void)feed(world->ota, GET_REPLY, "{\"code\":200,\"id\":\"1\",\"data\":{}}");
  return qos > 0 ? 1 : 0;
}

static int subscribe(void *ctx, const char *topic, uint8_t qos) {
  struct world *world = ctx;
  (void)topic;
  (void)qos;
  return atomic_fetch_add(&world->subscribed, 1) % 13 == 0 ? IK_ENOT_CONNECTED : 0;
}

static int unsubscribe(void *ctx, const char *topic) {
  (void)topic;
  atomic_fetch_sub(&((struct world *)ctx)->subscribed, 1);
  return 0;
}

static int step(void *ctx, uint32_t timeout_ms) {
  (void)timeout_ms;
  atomic_fetch_add(&((struct world *)ctx)->stepped, 1);
  return 0;
}

/* ---- what is called back ---- */

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct world *world = ctx;
  atomic_fetch_add(&world->heard, 1);
  (void)iotkit_ota_report_progress(ota, 0, "", NULL);
  pthread_mutex_lock(&world->mutex);
  iotkit_job_t *before = world->job;
  world->job = job;
  pthread_mutex_unlock(&world->mutex);
  iotkit_job_unref(before);
}

static void on_nothing(void *ctx, iotkit_ota_t *ota, const char *request_id) {
  (void)ota;
  (void)request_id;
  atomic_fetch_add(&((struct world *)ctx)->heard, 1);
}

static iotkit_ota_t *make(struct world *world, bool steps) {
  const struct iotkit_transport transport = {.publish = publish,
                                             .subscribe = subscribe,
                                             .unsubscribe = unsubscribe,
                                             .step = steps ? step : NULL,
                                             .ctx = world};
  const struct iotkit_ota_options options = {.product_key = "pk",
                                             .device_name = "dn",
                                             .on_upgrade = on_upgrade,
                                             .on_nothing = on_nothing,
                                             .ctx = world};
  iotkit_ota_t *ota;
  assert_int_equal(iotkit_ota_new_over(&transport, &options, &ota, NULL), 0);
  return ota;
}

/* ---- calls ---- */

static void announce(struct caller *caller) {
  struct world *world = world_of(caller);
  char notice[512];
  snprintf(notice, sizeof(notice),
           "{\"code\":\"1000\",\"id\":%u,\"data\":{\"size\":2000,\"version\":\"2\","
           "\"dProtocol\":\"mqtt\",\"streamId\":1,\"streamFileId\":1,"
           "\"sign\":\"0123456789abcdef0123456789abcdef\",\"signMethod\":\"Md5\"}}",
           atomic_fetch_add(&world->notices, 1));
  assert_int_equal(feed(world->ota, UPGRADE, notice), 1);
}

static void feed_others(struct caller *caller) {
  struct world *world = world_of(caller);
  assert_int_equal(feed(world->ota, "/pk/dn/user/get", "{}"), 0);
  assert_true(feed(world->ota, BLOCK_REPLY, "{}") >= 0);
  assert_int_equal(feed(world->ota, UPGRADE, "{"), 1);
}

static void connect(struct caller *caller) {
  assert_true(iotkit_ota_connected(world_of(caller)->ota) <= 0);
}

static void disconnect(struct caller *caller) {
  assert_int_equal(iotkit_ota_disconnected(world_of(caller)->ota), 0);
}

static void report(struct caller *caller) {
  struct world *world = world_of(caller);
  (void)iotkit_ota_report_version(world->ota, "1.0.0", "mcu");
  (void)iotkit_ota_report_progress(world->ota, 50, NULL, NULL);
  (void)iotkit_ota_request(world->ota, NULL, NULL);
}

static void fetch(struct caller *caller) {
  struct world *world = world_of(caller);
  uint8_t bytes[100];
  uint64_t offset;
  iotkit_job_t *job = NULL;
  pthread_mutex_lock(&world->mutex);
  if (world->job != NULL) assert_int_equal(iotkit_job_dup(world->job, &job), 0);
  pthread_mutex_unlock(&world->mutex);
  if (job == NULL) return;
  assert_true(iotkit_job_fetch(job, bytes, sizeof(bytes), 0, &offset) <= 0);
  (void)iotkit_job_fetch(job, bytes, sizeof(bytes), 1, &offset);
  iotkit_job_unref(job);
}

static void own_channel(struct caller *caller) {
  struct world own = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  iotkit_ota_t *ota = make(&own, rng_below(&caller->rng, 2));
  (void)iotkit_ota_connected(ota);
  (void)iotkit_ota_report_version(ota, "1", NULL);
  assert_int_equal(feed(ota, UPGRADE, "{"), 1);
  assert_int_equal(iotkit_ota_free(ota), 0);
  pthread_mutex_destroy(&own.mutex);
}

static void run_side_by_side(bool steps) {
  static const threads_call table[] = {announce, feed_others, connect, disconnect,
                                       report,   fetch,       fetch,   own_channel};
  struct world world = {.mutex = PTHREAD_MUTEX_INITIALIZER};
  world.ota = make(&world, steps);
  threads_run("ota_over", &world, table, COUNT(table), CALLERS, CALLS, NULL);
  assert_true(atomic_load(&world.heard) > 0);
  assert_int_equal(iotkit_ota_free(world.ota), 0);
  iotkit_job_unref(world.job);
  pthread_mutex_destroy(&world.mutex);
}

static void feeding_threads(void **state) {
  (void)state;
  run_side_by_side(false);
}

static void stepping_threads(void **state) {
  (void)state;
  run_side_by_side(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(feeding_threads),
      cmocka_unit_test(stepping_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
