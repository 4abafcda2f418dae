/*
 * Images in MQTT blocks: every way to fail, to be interrupted and to lose what the fetch needs.
 */
#include <string.h>

#include "support/blocks_world.h"
#include "support/cm.h"
#include "support/http_server.h"
#include "support/tcp_peer.h"

static enum block_fault refuse(void *ctx, const struct block_request *request) {
  (void)ctx;
  return request->offset >= 16384 ? BLOCK_REFUSED : BLOCK_WELL;
}

static void fails_when_the_platform_is_silent_or_refuses(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct iotkit_fetch_options fetch = bw_hasty();
  fetch.max_retries = 2;
  struct world *world = bw_make(60000, &fetch, 0);
  world->platform.script = bw_swallow;
  iotkit_job_t *job = bw_announced(world);
  assert_int_equal(bw_fetch_all(world, job, 4096), IK_EIDLE_TIMEOUT);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FAILED);
  assert_int_equal(iotkit_job_received(job), 0);
  iotkit_mqtt_yield(world->client, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
  bw_free(world);
  fetch.response_timeout_ms = fetch.idle_timeout_ms = TEST_LIMIT_MS;
  world = bw_make(60000, &fetch, 0);
  world->platform.script = refuse;
  job = bw_announced(world);
  assert_int_equal(bw_fetch_all(world, job, 4096), IK_EBLOCK);
  assert_int_equal(iotkit_job_error(job, detail), IK_EBLOCK);
  assert_non_null(strstr(detail, "block at 16384: the platform answered with code 400 refused"));
  assert_int_equal(iotkit_job_received(job), 16384); /* what came is handed out first */
  bw_free(world);
}

static void keeps_to_its_time(void **state) {
  (void)state;
  uint8_t buf[100];
  struct iotkit_fetch_options fetch = {.total_timeout_ms = 50};
  struct world *world = bw_make(60000, NULL, 0);
  world->platform.script = bw_swallow;
  iotkit_job_t *job = bw_announced(world);
  assert_true(iotkit_job_fetch(job, buf, sizeof(buf), 0, NULL) == 0); /* does not wait */
  assert_true(iotkit_job_fetch(job, buf, sizeof(buf), 1, NULL) == 0);
  bw_free(world);
  world = bw_make(60000, &fetch, 0);
  world->platform.script = bw_swallow;
  job = bw_announced(world);
  assert_int_equal(bw_fetch_all(world, job, 100), IK_ETIMEOUT);
  bw_free(world);
}

/* ---- ends ---- */

static void fetch_on_a_thread_of_its_own(struct world *world, void *(*fetch)(void *),
                                         pthread_t *thread) {
  world->platform.script = bw_swallow;
  bw_announced(world);
  bw_step_elsewhere(world);
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
  struct world *world = bw_make(60000, NULL, 0);
  fetch_on_a_thread_of_its_own(world, fetch_job, &thread);
  iotkit_job_interrupt(world->jobs[0]);
  assert_int_equal(bw_join(thread), IK_EINTERRUPTED);
  assert_int_equal(iotkit_job_get_state(world->jobs[0]), IOTKIT_JOB_FETCHING);
  assert_int_equal(pthread_create(&thread, NULL, fetch_job, world), 0);
  iotkit_job_abort(world->jobs[0]);
  assert_int_equal(bw_join(thread), IK_EABORTED);
  bw_free(world);
}

static void unsubscribes_when_aborted_between_fetches(void **state) {
  (void)state;
  struct world *world = bw_make(60000, NULL, 0);
  iotkit_job_t *job = bw_announced(world);
  assert_true(iotkit_job_fetch(job, world->image, 1000, TEST_LIMIT_MS, NULL) == 1000);
  iotkit_job_abort(job);
  iotkit_mqtt_yield(world->client, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
  assert_true(iotkit_job_fetch(job, world->image, 1000, 0, NULL) == IK_EABORTED);
  bw_free(world);
}

static void ends_with_its_channel(void **state) {
  (void)state;
  pthread_t thread;
  char detail[IOTKIT_DETAIL_MAX];
  struct world *world = bw_make(60000, NULL, 0);
  fetch_on_a_thread_of_its_own(world, fetch_job, &thread);
  assert_int_equal(iotkit_ota_free(world->ota), 0);
  world->ota = NULL;
  bw_stop_stepping(world);
  assert_int_equal(iotkit_mqtt_free(world->client), 0); /* nothing uses it any more */
  world->client = NULL;
  assert_int_equal(bw_join(thread), IK_ECLOSED);
  assert_int_equal(iotkit_job_error(world->jobs[0], detail), IK_ECLOSED);
  assert_non_null(strstr(detail, "channel"));
  bw_free(world);
}

/* Not all that is asked for at once: what came before the channel went would be handed out. */
static enum block_fault lose_all_but_the_first(void *ctx, const struct block_request *request) {
  (void)ctx;
  return request->index > 0 ? BLOCK_LOST : BLOCK_WELL;
}

static void ends_with_its_channel_between_fetches(void **state) {
  (void)state;
  struct world *world = bw_make(60000, NULL, 0);
  world->platform.script = lose_all_but_the_first;
  iotkit_job_t *job = bw_announced(world);
  assert_true(iotkit_job_fetch(job, world->image, 1000, TEST_LIMIT_MS, NULL) == 1000);
  iotkit_ota_free(world->ota);
  world->ota = NULL;
  assert_int_equal(bw_fetch_all(world, job, 100000), IK_ECLOSED);
  iotkit_job_t *again;
  assert_int_equal(iotkit_job_dup(job, &again), 0);
  assert_true(iotkit_job_fetch(again, world->image, 1000, TEST_LIMIT_MS, NULL) == IK_ECLOSED);
  iotkit_job_unref(again);
  bw_free(world);
}

/* The program frees the channel in a callback that runs because the fetch steps the client. */
static void free_channel(void *ctx, iotkit_mqtt_t *client,
                         const struct iotkit_mqtt_message *message) {
  struct world *world = ctx;
  (void)client;
  (void)message;
  assert_int_equal(iotkit_ota_free(world->ota), 0);
  world->ota = NULL;
}

static enum block_fault lose_and_free_channel(void *ctx, const struct block_request *request) {
  struct world *world = ctx;
  if (request->index == 1) mini_broker_publish(world->broker, "free", "", 0, false);
  return BLOCK_LOST;
}

static void ends_with_its_channel_inside_the_fetch(void **state) {
  (void)state;
  struct world *world = bw_make(60000, NULL, 0);
  iotkit_job_t *job = bw_announced(world);
  world->platform.script = lose_and_free_channel;
  assert_true(iotkit_mqtt_subscribe(world->client, "free", 0, free_channel, world) >= 0);
  assert_int_equal(bw_fetch_all(world, job, 1000), IK_ECLOSED);
  assert_null(world->ota);
  bw_free(world);
}

static void ends_with_its_client(void **state) {
  (void)state;
  struct world *world = bw_make(60000, NULL, 0);
  iotkit_job_t *job = bw_announced(world);
  world->platform.script = bw_swallow;
  assert_true(iotkit_job_fetch(job, world->image, 1000, 1, NULL) == 0);
  iotkit_mqtt_stop(world->client);
  assert_int_equal(bw_fetch_all(world, job, 1000), IK_ECLOSED);
  bw_free(world);
}

static void pauses(void **state) {
  (void)state;
  pthread_t thread;
  struct iotkit_fetch_options fetch = bw_hasty();
  fetch.max_retries = 1;
  fetch.response_timeout_ms = fetch.idle_timeout_ms = TEST_LIMIT_MS;
  struct world *world = bw_make(60000, &fetch, 0);
  iotkit_job_t *job = bw_announced(world);
  iotkit_job_pause(job, true);
  assert_true(iotkit_job_fetch(job, world->image, 1000, 20, NULL) == 0);
  assert_int_equal(atomic_load(&world->platform.requests), 0);
  bw_step_elsewhere(world);
  assert_int_equal(pthread_create(&thread, NULL, bw_fetch_slowly, world), 0);
  iotkit_job_pause(job, false);
  assert_int_equal(bw_join(thread), 0);
  bw_assert_image(world, 0);
  assert_int_equal(iotkit_job_check(job), 0);
  bw_free(world);
}

static void does_not_wait_inside_a_callback(void **state) {
  (void)state;
  struct world *world = bw_make(60000, NULL, 0);
  world->fetch_in_callback = true;
  iotkit_job_t *job = bw_announced(world);
  assert_int_equal(world->in_callback, IK_EIN_CALLBACK);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHING);
  assert_int_equal(bw_fetch_all(world, job, 10000), 0);
  bw_assert_image(world, 0);
  bw_free(world);
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
      cmocka_unit_test(fails_when_the_platform_is_silent_or_refuses),
      cmocka_unit_test(keeps_to_its_time),
      cmocka_unit_test(is_interrupted_and_aborted),
      cmocka_unit_test(unsubscribes_when_aborted_between_fetches),
      cmocka_unit_test(ends_with_its_channel),
      cmocka_unit_test(ends_with_its_channel_between_fetches),
      cmocka_unit_test(ends_with_its_channel_inside_the_fetch),
      cmocka_unit_test(ends_with_its_client),
      cmocka_unit_test(pauses),
      cmocka_unit_test(does_not_wait_inside_a_callback),
      cmocka_unit_test(needs_a_channel),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
