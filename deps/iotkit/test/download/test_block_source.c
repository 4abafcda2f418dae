/*
 * Images in MQTT blocks over a real client and a broker on loopback: whoever steps the client, and
 * with every fault of the platform. test_job_blocks_ends.c has how a fetch ends.
 */
#include <string.h>

#include "port/port.h"
#include "support/blocks_world.h"
#include "support/cm.h"
#include "support/http_server.h"
#include "support/tcp_peer.h"

static void fetches_on_the_thread_that_steps(void **state) {
  (void)state;
  struct world *world = bw_make(300001, NULL, 0);
  unsigned qos = 9;
  iotkit_job_t *job = bw_announced(world);
  assert_int_equal(iotkit_job_upgrade(job)->protocol, IOTKIT_PROTOCOL_MQTT);
  assert_false(mini_broker_subscribed(world->broker, BLOCK_REPLY_TOPIC, NULL));
  assert_true(iotkit_job_fetch(job, world->image, 1000, TEST_LIMIT_MS, NULL) == 1000);
  assert_true(mini_broker_subscribed(world->broker, BLOCK_REPLY_TOPIC, &qos));
  assert_int_equal(qos, 0);
  assert_int_equal(bw_fetch_all(world, job, 5000), 0);
  bw_assert_image(world, 0);
  assert_int_equal(iotkit_job_get_state(job), IOTKIT_JOB_FETCHED);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(atomic_load(&world->platform.wrong), 0);
  assert_true(atomic_load(&world->platform.bytes) == 300001); /* none twice */
  iotkit_mqtt_yield(world->client, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
  bw_free(world);
}

static void fetches_while_another_thread_steps(void **state) {
  (void)state;
  struct world *world = bw_make(300001, NULL, 0);
  iotkit_job_t *job = bw_announced(world);
  bw_step_elsewhere(world);
  assert_int_equal(bw_fetch_all(world, job, 100000), 0);
  bw_assert_image(world, 0);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(atomic_load(&world->platform.wrong), 0);
  assert_true(atomic_load(&world->platform.bytes) == 300001);
  assert_true(mini_broker_wait_unsubscribed(world->broker, BLOCK_REPLY_TOPIC));
  bw_free(world);
}

/* The thread that has yielded so far waits for the one that fetches. */
static void steps_where_nobody_yields(void **state) {
  (void)state;
  pthread_t thread;
  struct world *world = bw_make(200000, NULL, 0);
  bw_announced(world);
  assert_int_equal(pthread_create(&thread, NULL, bw_fetch_slowly, world), 0);
  assert_int_equal(bw_join(thread), 0);
  bw_assert_image(world, 0);
  assert_true(atomic_load(&world->platform.bytes) == 200000);
  bw_free(world);
}

static void takes_turns_with_who_yields(void **state) {
  (void)state;
  pthread_t thread;
  struct world *world = bw_make(200000, NULL, 0);
  iotkit_job_t *job = bw_announced(world);
  assert_int_equal(pthread_create(&thread, NULL, bw_fetch_slowly, world), 0);
  while (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED)
    assert_int_equal(iotkit_mqtt_yield(world->client, 2), 0);
  assert_int_equal(bw_join(thread), 0);
  bw_assert_image(world, 0);
  assert_true(atomic_load(&world->platform.bytes) == 200000);
  bw_free(world);
}

static enum block_fault drop_first(void *ctx, const struct block_request *request) {
  (void)ctx;
  return request->index == 0 ? BLOCK_DROP : BLOCK_WELL;
}

static void leaves_stepping_to_who_steps(void **state) {
  (void)state;
  pthread_t thread;
  const struct iotkit_fetch_options fetch = bw_hasty();
  struct world *world = bw_make(200000, &fetch, 0);
  world->platform.script = drop_first;
  iotkit_job_t *job = bw_announced(world);
  assert_int_equal(iotkit_mqtt_step(world->client, ik_port_now_ms()), 0);
  assert_int_equal(pthread_create(&thread, NULL, bw_fetch_slowly, world), 0);
  while (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED) {
    struct ik_pollfd fd = {iotkit_mqtt_fd(world->client), iotkit_mqtt_interest(world->client), 0};
    ik_port_poll(&fd, 1, 2);
    assert_int_equal(iotkit_mqtt_step(world->client, ik_port_now_ms()), 0);
    assert_true(world->event_thread == ik_thread_self());
  }
  assert_int_equal(bw_join(thread), 0);
  bw_assert_image(world, 0);
  bw_free(world);
}

static void verifies_md5_too(void **state) {
  (void)state;
  struct world *world = bw_make(1, NULL, 0);
  bw_announce(world, 2, "");
  bw_await_jobs(world, 1);
  assert_int_equal(bw_fetch_all(world, world->jobs[0], 100), 0);
  assert_int_equal(iotkit_job_check(world->jobs[0]), 0);
  bw_free(world);
}

#define SLOWED_MAX 4

static enum block_fault some_fault(void *ctx, const struct block_request *request) {
  static const enum block_fault faults[] = {BLOCK_LOST,  BLOCK_TWICE,   BLOCK_SPOILT, BLOCK_LATE,
                                            BLOCK_LATE,  BLOCK_REFUSED, BLOCK_BUSY,   BLOCK_DROP,
                                            BLOCK_TWICE, BLOCK_SPOILT};
  struct world *world = ctx;
  (void)request;
  size_t which = rng_below(&world->rng, 3 * COUNT(faults));
  const enum block_fault fault = which < COUNT(faults) ? faults[which] : BLOCK_WELL;
  /* Each of them makes blocks smaller, or requests rarer, for a long time: more would take minutes. */
  const bool slows = fault == BLOCK_REFUSED || fault == BLOCK_BUSY;
  return slows && world->slowed++ >= SLOWED_MAX ? BLOCK_TWICE : fault;
}

static void survives_what_networks_and_platforms_do(void **state) {
  (void)state;
  const struct iotkit_fetch_options fetch = bw_hasty();
  for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
    struct world *world = bw_make(200000, &fetch, 0);
    world->rng = rng_start("survives_what_networks_and_platforms_do");
    iotkit_job_t *job = bw_announced(world);
    world->platform.script = some_fault;
    if (elsewhere) bw_step_elsewhere(world);
    assert_int_equal(bw_fetch_all(world, job, 7000), 0);
    bw_assert_image(world, 0);
    assert_int_equal(iotkit_job_check(job), 0);
    assert_int_equal(atomic_load(&world->platform.wrong), 0);
    bw_free(world);
  }
}

/* Answers only what comes 100 ms after the request before it, well or not. */
static enum block_fault wants_distance(void *ctx, const struct block_request *request) {
  static uint64_t last_ms;
  (void)ctx;
  uint64_t now_ms = ik_port_now_ms();
  bool answers = request->index == 0 || now_ms - last_ms >= 100;
  last_ms = now_ms;
  return answers ? BLOCK_WELL : BLOCK_LOST;
}

/* The time-out of a reply is short here, so that the burst that has none costs little. */
static void comes_from_a_platform_that_wants_distance(void **state) {
  (void)state;
  const struct iotkit_fetch_options fetch = {
      .response_timeout_ms = 200, .idle_timeout_ms = 200, .retry_min_ms = 1, .retry_max_ms = 100};
  struct world *world = bw_make(300000, &fetch, 0);
  iotkit_job_t *job = bw_announced(world);
  world->platform.script = wants_distance;
  assert_int_equal(bw_fetch_all(world, job, 7000), 0);
  bw_assert_image(world, 0);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_int_equal(atomic_load(&world->platform.wrong), 0);
  bw_free(world);
}

static void goes_on_where_another_fetch_ended(void **state) {
  (void)state;
  struct world *world = bw_make(100000, NULL, 0);
  iotkit_job_t *job = bw_announced(world);
  for (uint64_t i = 0; i < 70000; i++)
    world->image[i] = http_image_byte(i);
  assert_int_equal(iotkit_job_digest(job, 0, world->image, 70000), 0);
  assert_int_equal(iotkit_job_resume(job, 70000), 0);
  assert_int_equal(bw_fetch_all(world, job, 9000), 0);
  bw_assert_image(world, 0);
  assert_int_equal(iotkit_job_check(job), 0);
  assert_true(atomic_load(&world->platform.bytes) == 30000);
  bw_free(world);
}

static void fits_into_the_clients_packets(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX];
  struct world *world = bw_make(20000, NULL, 1024);
  assert_int_equal(bw_fetch_all(world, bw_announced(world), 4096), 0);
  bw_assert_image(world, 0);
  assert_int_equal(atomic_load(&world->platform.wrong), 0);
  assert_true(atomic_load(&world->platform.bytes) == 20000);
  bw_free(world);
  world = bw_make(20000, NULL, 600);
  iotkit_job_t *job = bw_announced(world);
  assert_int_equal(bw_fetch_all(world, job, 4096), IK_EMQTT_PACKET_TOO_LARGE);
  assert_int_equal(iotkit_job_error(job, detail), IK_EMQTT_PACKET_TOO_LARGE);
  assert_non_null(strstr(detail, "no room for a block"));
  bw_free(world);
}

static void takes_what_the_platform_gives_at_once(void **state) {
  (void)state;
  struct iotkit_fetch_options fetch = bw_hasty();
  fetch.max_retries = 5;
  fetch.response_timeout_ms = fetch.idle_timeout_ms = TEST_LIMIT_MS;
  struct world *world = bw_make(60000, &fetch, 0);
  world->platform.largest = 3000;
  assert_int_equal(bw_fetch_all(world, bw_announced(world), 4096), 0);
  bw_assert_image(world, 0);
  bw_free(world);
}

static void fetches_two_at_a_time(void **state) {
  (void)state;
  static uint8_t images[2][100000];
  struct world *world = bw_make(100000, NULL, 0);
  size_t at[2] = {0, 0};
  bw_announce(world, 1, "a");
  bw_announce(world, 2, "b");
  bw_await_jobs(world, 2);
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
  bw_free(world);
}

static void keeps_to_a_speed_limit(void **state) {
  (void)state;
  iotkit_limiter_t *limiter;
  assert_int_equal(iotkit_limiter_new(128 * 1024, &limiter), 0);
  struct iotkit_fetch_options fetch = {.limiters = {limiter}};
  struct world *world = bw_make(64 * 1024, &fetch, 0);
  iotkit_job_t *job = bw_announced(world);
  uint64_t begun_ms = ik_port_now_ms();
  assert_int_equal(bw_fetch_all(world, job, 10000), 0);
  /* What one moment may take, 16 KiB, does not wait. */
  assert_true(ik_port_now_ms() - begun_ms >= 300);
  bw_assert_image(world, 0);
  bw_free(world);
  iotkit_limiter_unref(limiter);
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
      cmocka_unit_test(comes_from_a_platform_that_wants_distance),
      cmocka_unit_test(goes_on_where_another_fetch_ended),
      cmocka_unit_test(fits_into_the_clients_packets),
      cmocka_unit_test(takes_what_the_platform_gives_at_once),
      cmocka_unit_test(fetches_two_at_a_time),
      cmocka_unit_test(keeps_to_a_speed_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
