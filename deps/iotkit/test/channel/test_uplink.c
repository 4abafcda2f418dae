/*
 * The way from a job back to its channel: what becomes of its question for another URL, over a real
 * client, a broker and a firmware server on loopback. test_uplink_offline.c has the ends of jobs and channels.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "download/job.h"
#include "support/cm.h"
#include "support/http_server.h"
#include "support/mini_broker.h"
#include "support/tcp_peer.h"

#define UPGRADE_TOPIC "/ota/device/upgrade/pk/dn"
#define PROGRESS_TOPIC "/ota/device/progress/pk/dn"
#define GET_TOPIC "/sys/pk/dn/thing/ota/firmware/get"
#define GET_REPLY_TOPIC "/sys/pk/dn/thing/ota/firmware/get_reply"
#define SIZE 20000u
#define STEPS_MAX 100000

enum answering { SILENT, SAME_IMAGE, ANOTHER_IMAGE, REFUSED, NOTHING, FOREIGN_ID };

struct world {
  struct mini_broker *broker;
  struct http_server *server;
  iotkit_mqtt_t *client;
  iotkit_ota_t *ota;
  atomic_int answering;
  unsigned subscribed;
  unsigned upgrades, refusals, nothings;
  int error;
  iotkit_job_t *job; /* of the first upgrade */
  uint8_t image[SIZE];
};

/* ---- the world ---- */

/* "/old" is cut in the middle and expired from then on. */
static bool serve(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  unsigned from = (unsigned)request->from;
  if (strncmp(request->head, "GET /old", 8) == 0) {
    if (request->index > 0)
      return http_send(fd, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    http_send(fd, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: %u\r\n\r\n", SIZE);
    http_send_image(fd, 0, SIZE / 2);
    return false;
  }
  http_send(fd, "HTTP/1.1 %s\r\nContent-Range: bytes %u-%u/%u\r\nContent-Length: %u\r\n\r\n",
            request->has_range ? "206 x" : "200 x", from, SIZE - 1, SIZE, SIZE - from);
  return http_send_image(fd, from, SIZE - from);
}

static void compose(const struct world *world, char *json, size_t cap, const char *id,
                    const char *path, const char *md5) {
  snprintf(json, cap,
           "{\"code\":200,\"id\":\"%s\",\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"2.0.0\",\"module\":\"MCU\",\"url\":\"http://127.0.0.1:%u%s\","
           "\"md5\":\"%s\"}}",
           id, SIZE, http_server_port(world->server), path, md5);
}

static const char *image_md5(void) {
  static char hex[33];
  struct ik_digest *digest;
  uint8_t value[IOTKIT_DIGEST_MAX];
  if (hex[0] != '\0') return hex;
  assert_int_equal(ik_digest_new(IOTKIT_DIGEST_MD5, &digest), 0);
  for (unsigned i = 0; i < SIZE; i++) {
    uint8_t byte = http_image_byte(i);
    ik_digest_update(digest, &byte, 1);
  }
  ik_digest_value(digest, value);
  ik_digest_free(digest);
  for (size_t i = 0; i < 16; i++)
    snprintf(hex + 2 * i, 3, "%02x", value[i]);
  return hex;
}

static const char other_md5[] = "0123456789abcdef0123456789abcdef";

/* On the broker's thread. */
static void answer(void *ctx, struct mini_broker *broker, const char *payload) {
  const struct world *world = ctx;
  char json[1024];
  char id[16] = "";
  unsigned long number = strtoul(payload + sizeof("{\"id\":\"") - 1, NULL, 10);
  enum answering how = (enum answering)atomic_load(&world->answering);
  snprintf(id, sizeof(id), "%lu", how == FOREIGN_ID ? number + 5 : number);
  switch (how) {
  case SILENT:
    return;
  case ANOTHER_IMAGE:
    compose(world, json, sizeof(json), id, "/new", other_md5);
    break;
  case REFUSED:
    snprintf(json, sizeof(json), "{\"id\":\"%s\",\"code\":460,\"message\":\"bad\",\"data\":{}}",
             id);
    break;
  case NOTHING:
    snprintf(json, sizeof(json), "{\"id\":\"%s\",\"code\":200,\"data\":{}}", id);
    break;
  default:
    compose(world, json, sizeof(json), id, "/new", image_md5());
  }
  mini_broker_publish(broker, GET_REPLY_TOPIC, json, 1, false);
}

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct world *world = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED && event->error == 0) world->subscribed++;
}

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct world *world = ctx;
  (void)ota;
  if (world->upgrades++ == 0) {
    world->job = job;
  } else {
    iotkit_job_unref(job);
  }
}

static void on_refused(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                       const char *request_id) {
  struct world *world = ctx;
  (void)ota;
  (void)detail;
  (void)request_id;
  world->refusals++;
  world->error = error;
}

static void on_nothing(void *ctx, iotkit_ota_t *ota, const char *request_id) {
  struct world *world = ctx;
  (void)ota;
  (void)request_id;
  world->nothings++;
}

static void until(struct world *world, const unsigned *what, unsigned count) {
  for (int i = 0; *what < count; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    iotkit_mqtt_yield(world->client, 5000);
  }
}

static int setup(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_non_null(world);
  image_md5();
  world->broker = mini_broker_start();
  world->server = http_server_start(serve, world);
  mini_broker_answer(world->broker, GET_TOPIC, answer, world);
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(world->broker),
                                              .client_id = "c",
                                              .reconnect_min_ms = 1,
                                              .on_event = on_event,
                                              .ctx = world};
  const struct iotkit_ota_options ota_options = {
      .product_key = "pk",
      .device_name = "dn",
      .fetch = {.retry_min_ms = 1, .retry_max_ms = 5, .proxy = ""},
      .on_upgrade = on_upgrade,
      .on_refused = on_refused,
      .on_nothing = on_nothing,
      .ctx = world};
  assert_int_equal(iotkit_mqtt_new(&options, &world->client, detail), 0);
  assert_int_equal(iotkit_ota_new(world->client, &ota_options, &world->ota, detail), 0);
  assert_int_equal(iotkit_mqtt_start(world->client), 0);
  until(world, &world->subscribed, 3);
  *state = world;
  return 0;
}

static int teardown(void **state) {
  struct world *world = *state;
  iotkit_job_unref(world->job);
  iotkit_ota_free(world->ota);
  iotkit_mqtt_free(world->client);
  mini_broker_stop(world->broker);
  http_server_stop(world->server);
  free(world);
  return 0;
}

static void push(struct world *world, const char *id, const char *path) {
  char json[1024];
  compose(world, json, sizeof(json), id, path, image_md5());
  assert_true(mini_broker_publish(world->broker, UPGRADE_TOPIC, json, 1, false));
}

static bool unfinished(const iotkit_job_t *job) {
  enum iotkit_job_state state = iotkit_job_get_state(job);
  return state == IOTKIT_JOB_READY || state == IOTKIT_JOB_FETCHING;
}

/* Fetches for a moment, then steps for one. */
static void fetch_some(struct world *world) {
  uint64_t offset;
  uint64_t at = iotkit_job_received(world->job);
  int64_t n = iotkit_job_fetch(world->job, world->image + at, SIZE - at, 5, &offset);
  if (n > 0) assert_true(offset == at);
  iotkit_mqtt_yield(world->client, 5);
}

/* The first half is there, the URL has expired, and the platform was asked. */
static void bring_to_question(struct world *world, enum answering answering) {
  char payload[512];
  atomic_store(&world->answering, answering);
  push(world, "1", "/old");
  until(world, &world->upgrades, 1);
  for (int i = 0; mini_broker_count(world->broker, GET_TOPIC) == 0 && unfinished(world->job); i++) {
    if (i == STEPS_MAX) fail_msg("it did not ask");
    fetch_some(world);
  }
  assert_true(mini_broker_wait(world->broker, GET_TOPIC, 0, payload, sizeof(payload), NULL));
  assert_non_null(strstr(payload, "\"params\":{\"module\":\"MCU\"}"));
  /* A good answer may be there already. */
  if (answering != SAME_IMAGE) assert_true(iotkit_job_received(world->job) == SIZE / 2);
}

static int finish(struct world *world) {
  for (int i = 0; unfinished(world->job); i++) {
    if (i == STEPS_MAX) fail_msg("it does not end");
    fetch_some(world);
  }
  return iotkit_job_error(world->job, NULL);
}

static void assert_failed(struct world *world, const char *why) {
  char detail[IOTKIT_DETAIL_MAX];
  assert_int_equal(finish(world), IK_EURL_EXPIRED);
  iotkit_job_error(world->job, detail);
  assert_non_null(strstr(detail, why));
  assert_true(iotkit_job_received(world->job) == SIZE / 2);
}

/* ---- answers ---- */

static void goes_on_with_the_url_of_the_reply(void **state) {
  struct world *world = *state;
  bring_to_question(world, SAME_IMAGE);
  assert_int_equal(finish(world), 0);
  assert_int_equal(iotkit_job_check(world->job), 0);
  for (unsigned i = 0; i < SIZE; i++)
    assert_int_equal(world->image[i], http_image_byte(i));
  assert_int_equal(world->upgrades, 1); /* the answer is no new upgrade */
  assert_int_equal(mini_broker_count(world->broker, GET_TOPIC), 1);
}

/* Nobody yields: the fetch brings its answer itself. */
static void asks_and_hears_by_itself(void **state) {
  struct world *world = *state;
  atomic_store(&world->answering, SAME_IMAGE);
  push(world, "1", "/old");
  until(world, &world->upgrades, 1);
  while (unfinished(world->job)) {
    uint64_t at = iotkit_job_received(world->job);
    assert_true(iotkit_job_fetch(world->job, world->image + at, SIZE - at, TEST_LIMIT_MS, NULL) >
                0);
  }
  assert_int_equal(iotkit_job_check(world->job), 0);
  assert_int_equal(mini_broker_count(world->broker, GET_TOPIC), 1);
}

static void *fetch_to_the_end(void *arg) {
  struct world *world = arg;
  while (unfinished(world->job)) {
    uint64_t at = iotkit_job_received(world->job);
    iotkit_job_fetch(world->job, world->image + at, SIZE - at, UINT32_MAX, NULL);
  }
  return NULL;
}

/* It is the fetching thread that steps the client when the channel goes. */
static void lets_the_channel_go_while_it_waits(void **state) {
  struct world *world = *state;
  pthread_t thread;
  char payload[512];
  push(world, "1", "/old");
  until(world, &world->upgrades, 1);
  assert_int_equal(pthread_create(&thread, NULL, fetch_to_the_end, world), 0);
  assert_true(mini_broker_wait(world->broker, GET_TOPIC, 0, payload, sizeof(payload), NULL));
  uint64_t begun_ms = ik_port_now_ms();
  iotkit_ota_free(world->ota);
  world->ota = NULL;
  assert_int_equal(iotkit_mqtt_free(world->client), 0);
  world->client = NULL;
  assert_true(ik_port_now_ms() - begun_ms < 5000);
  pthread_join(thread, NULL);
  assert_int_equal(iotkit_job_error(world->job, NULL), IK_EURL_EXPIRED);
}

static void fails_when_the_reply_is_about_another_image(void **state) {
  struct world *world = *state;
  bring_to_question(world, ANOTHER_IMAGE);
  assert_failed(world, "another image");
  until(world, &world->upgrades, 2); /* which is offered */
  assert_int_equal(world->refusals, 0);
}

static void fails_when_the_platform_refuses(void **state) {
  struct world *world = *state;
  bring_to_question(world, REFUSED);
  assert_failed(world, "the platform answered with code 460 bad");
  assert_int_equal(world->refusals, 0);
  assert_int_equal(mini_broker_count(world->broker, PROGRESS_TOPIC), 0);
}

static void fails_when_there_is_nothing_any_more(void **state) {
  struct world *world = *state;
  bring_to_question(world, NOTHING);
  assert_failed(world, "no such upgrade any more");
  assert_int_equal(world->nothings, 0);
}

static void takes_no_answer_to_somebody_else(void **state) {
  struct world *world = *state;
  bring_to_question(world, FOREIGN_ID);
  until(world, &world->upgrades, 2); /* the answer to a question of the program's own */
  assert_true(unfinished(world->job));
  assert_true(iotkit_job_wants_url(world->job));
}

static void goes_on_with_the_url_of_a_push(void **state) {
  struct world *world = *state;
  bring_to_question(world, SILENT);
  push(world, "2", "/new");
  assert_int_equal(finish(world), 0);
  assert_int_equal(iotkit_job_check(world->job), 0);
  assert_int_equal(world->upgrades, 1);
}

static void fails_when_the_channel_goes(void **state) {
  struct world *world = *state;
  bring_to_question(world, SILENT);
  iotkit_ota_free(world->ota);
  world->ota = NULL;
  assert_failed(world, "the channel is closed");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(goes_on_with_the_url_of_the_reply),  TEST(asks_and_hears_by_itself),
      TEST(lets_the_channel_go_while_it_waits), TEST(fails_when_the_reply_is_about_another_image),
      TEST(fails_when_the_platform_refuses),    TEST(fails_when_there_is_nothing_any_more),
      TEST(takes_no_answer_to_somebody_else),   TEST(goes_on_with_the_url_of_a_push),
      TEST(fails_when_the_channel_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
