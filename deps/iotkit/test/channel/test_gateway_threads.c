/*
 * A gateway used by several threads side by side, as iotkit_gateway.h allows it: one in a loop, with
 * channels that come and go, and those that threads make and free for themselves. The broker answers
 * logins, and drops the connection now and then.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "iotkit_gateway.h"
#include "iotkit_loop.h"
#include "support/cm.h"
#include "support/gateway_rig.h"
#include "support/mini_broker.h"
#include "support/threads.h"

#define CALLERS 4
#define CALLS 150
#define TOPOLOGY "/sys/gpk/gdn/thing/"
#define SESSION "/ext/session/gpk/gdn/combine/"

struct world {
  struct mini_broker *broker;
  iotkit_loop_t *loop;
  iotkit_mqtt_t *client;
  iotkit_gateway_t *gateway;
  pthread_t runner;
  atomic_uint heard; /* callbacks of all kinds */
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  bool last_heard; /* an event of the device that logs in last; with the mutex */
};

static const char *const names[CALLERS] = {"d0", "d1", "d2", "d3"};

static struct world *world_of(struct caller *caller) {
  return caller->world;
}

static struct iotkit_subdevice device_of(const struct caller *caller) {
  return (struct iotkit_subdevice){
      .product_key = "pk", .device_name = names[caller->number], .device_secret = "secret"};
}

/* ---- the platform ---- */

static void reply(struct mini_broker *broker, const char *topic, const char *payload) {
  char text[128];
  const unsigned id = gr_id(payload);
  snprintf(text, sizeof(text), "{\"id\":\"%u\",\"code\":%u,\"message\":\"\",\"data\":{}}", id,
           id % 8 == 0 ? 6401 : 200);
  (void)mini_broker_publish(broker, topic, text, 0, false);
}

/* `ctx`: where the reply goes. */
static void answer(void *ctx, struct mini_broker *broker, const char *payload) {
  reply(broker, ctx, payload);
}

static void answer_all(struct mini_broker *broker) {
  static const char *const topics[] = {
      SESSION "login",         SESSION "batch_login",
      SESSION "logout",        SESSION "batch_logout",
      TOPOLOGY "topo/add",     TOPOLOGY "topo/delete",
      TOPOLOGY "topo/get",     TOPOLOGY "list/found",
      TOPOLOGY "sub/register", TOPOLOGY "proxy/provisioning/product_register"};
  static char replies[COUNT(topics)][96];
  for (size_t i = 0; i < COUNT(topics); i++) {
    snprintf(replies[i], sizeof(replies[i]), "%s_reply", topics[i]);
    mini_broker_answer(broker, topics[i], answer, replies[i]);
  }
}

/* ---- callbacks ---- */

static void on_event(void *ctx, iotkit_gateway_t *gateway,
                     const struct iotkit_gateway_event *event) {
  struct world *world = ctx;
  (void)iotkit_gateway_is_logged_in(gateway, event->product_key, event->device_name);
  atomic_fetch_add(&world->heard, 1);
  if (strcmp(event->device_name, "last") != 0) return;
  pthread_mutex_lock(&world->mutex);
  world->last_heard = true;
  pthread_cond_signal(&world->cond);
  pthread_mutex_unlock(&world->mutex);
}

static void on_answer(void *ctx, iotkit_gateway_t *gateway,
                      const struct iotkit_gateway_answer *answer) {
  struct world *world = ctx;
  (void)gateway;
  (void)answer;
  atomic_fetch_add(&world->heard, 1);
}

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct world *world = ctx;
  (void)ota;
  iotkit_job_unref(job);
  atomic_fetch_add(&world->heard, 1);
}

/* ---- calls ---- */

static void ask(struct caller *caller) {
  struct world *world = world_of(caller);
  const struct iotkit_subdevice device = device_of(caller);
  (void)iotkit_gateway_add(world->gateway, &device, 1, on_answer, world, NULL);
  (void)iotkit_gateway_delete(world->gateway, &device, 1, on_answer, world, NULL);
  (void)iotkit_gateway_found(world->gateway, &device, 1, on_answer, world, NULL);
  (void)iotkit_gateway_register(world->gateway, &device, 1, on_answer, world, NULL);
  (void)iotkit_gateway_provision(world->gateway, "secret", &device, 1, on_answer, world, NULL);
  (void)iotkit_gateway_get(world->gateway, on_answer, world);
}

static void log_in(struct caller *caller) {
  const struct iotkit_subdevice device = device_of(caller);
  assert_int_equal(iotkit_gateway_login(world_of(caller)->gateway, &device, 1, NULL), 0);
}

static void log_out(struct caller *caller) {
  const struct iotkit_subdevice device = device_of(caller);
  assert_int_equal(iotkit_gateway_logout(world_of(caller)->gateway, &device, 1), 0);
}

/* Each caller has a channel of its own sub-device now and then. */
static void open_or_free_channel(struct caller *caller) {
  struct world *world = world_of(caller);
  iotkit_ota_t *ota = caller->own;
  const struct iotkit_ota_options options = {.product_key = "pk",
                                             .device_name = names[caller->number],
                                             .on_upgrade = on_upgrade,
                                             .ctx = world};
  if (ota != NULL) assert_int_equal(iotkit_ota_free(ota), 0);
  caller->own = NULL;
  if (ota != NULL) return;
  if (iotkit_gateway_ota_new(world->gateway, &options, &ota, NULL) == 0) caller->own = ota;
}

static void report(struct caller *caller) {
  iotkit_ota_t *ota = caller->own;
  if (ota == NULL) return;
  (void)iotkit_ota_report_version(ota, "1.0.0", NULL);
  (void)iotkit_ota_report_progress(ota, 5, NULL, NULL);
  (void)iotkit_ota_request(ota, NULL, NULL);
}

static void on_message(void *ctx, iotkit_mqtt_t *client,
                       const struct iotkit_mqtt_message *message) {
  struct world *world = ctx;
  (void)client;
  (void)message;
  atomic_fetch_add(&world->heard, 1);
}

/* A program's subscription for its sub-device. */
static void listen_shortly(struct caller *caller) {
  struct world *world = world_of(caller);
  char topic[64];
  snprintf(topic, sizeof(topic), "/pk/%s/user/get", names[caller->number]);
  assert_int_equal(iotkit_mqtt_listen(world->client, topic, on_message, world), 0);
  (void)iotkit_mqtt_ask(world->client, topic, 1);
  (void)mini_broker_publish(world->broker, topic, "x", 0, false);
  assert_true(iotkit_mqtt_unsubscribe(world->client, topic, on_message, world) >= 0);
  (void)iotkit_mqtt_forget(world->client, topic);
}

static void push(struct caller *caller) {
  static const char *const errors[] = {"427", "520", "522"};
  struct world *world = world_of(caller);
  char topic[64];
  char json[256];
  snprintf(json, sizeof(json),
           "{\"id\":1,\"code\":%s,\"data\":{\"productKey\":\"pk\",\"deviceName\":\"%s\"}}",
           errors[rng_below(&caller->rng, COUNT(errors))], names[caller->number]);
  (void)mini_broker_publish(world->broker, "/ext/error/gpk/gdn", json, 0, false);
  snprintf(topic, sizeof(topic), "/ota/device/upgrade/pk/%s", names[caller->number]);
  (void)mini_broker_publish(
      world->broker, topic,
      "{\"code\":\"1000\",\"id\":1,\"message\":\"success\",\"data\":{\"size\":3,\"version\":\"2\","
      "\"url\":\"http://h.example/f\",\"signMethod\":\"Md5\",\"sign\":"
      "\"900150983cd24fb0d6963f7d28e17f72\"}}",
      0, false);
}

static void break_connection(struct caller *caller) {
  if (rng_below(&caller->rng, 8) == 0) mini_broker_drop(world_of(caller)->broker);
}

static const struct iotkit_gateway_options gateway_options = {.product_key = "gpk",
                                                              .device_name = "gdn"};

static void live_shortly(struct caller *caller) {
  struct world *world = world_of(caller);
  const struct iotkit_mqtt_options options = {
      .host = "127.0.0.1", .port = mini_broker_port(world->broker), .client_id = "short"};
  iotkit_mqtt_t *client;
  iotkit_gateway_t *gateway;
  const struct iotkit_subdevice device = device_of(caller);
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  assert_int_equal(iotkit_gateway_new(client, &gateway_options, &gateway, NULL), 0);
  assert_int_equal(iotkit_gateway_login(gateway, &device, 1, NULL), 0);
  assert_int_equal(iotkit_mqtt_step(client, iotkit_now_ms()), 0);
  assert_int_equal(iotkit_gateway_free(gateway), 0);
  assert_int_equal(iotkit_mqtt_free(client), 0);
}

static void leave(struct caller *caller) {
  assert_int_equal(iotkit_ota_free(caller->own), 0);
}

/* ---- all of it ---- */

static void *run_loop(void *arg) {
  struct world *world = arg;
  assert_int_equal(iotkit_loop_run(world->loop), 0);
  return NULL;
}

static void begin(struct world *world) {
  struct iotkit_gateway_options options = gateway_options;
  world->broker = mini_broker_start();
  answer_all(world->broker);
  const struct iotkit_mqtt_options client_options = {.host = "127.0.0.1",
                                                     .port = mini_broker_port(world->broker),
                                                     .client_id = "c",
                                                     .reconnect_min_ms = 1,
                                                     .reconnect_max_ms = 2};
  options.on_event = on_event;
  options.ctx = world;
  assert_int_equal(iotkit_mqtt_new(&client_options, &world->client, NULL), 0);
  assert_int_equal(iotkit_gateway_new(world->client, &options, &world->gateway, NULL), 0);
  assert_int_equal(iotkit_mqtt_start(world->client), 0);
  assert_int_equal(iotkit_loop_new(&world->loop), 0);
  assert_int_equal(iotkit_loop_add(world->loop, world->client), 0);
  assert_int_equal(pthread_create(&world->runner, NULL, run_loop, world), 0);
  assert_true(mini_broker_wait_subscribed(world->broker, "/ext/error/gpk/gdn"));
}

/* When nobody breaks the connection any more, whoever is to be logged in hears of it. */
static void await_last(struct world *world) {
  const struct iotkit_subdevice last = {
      .product_key = "pk", .device_name = "last", .device_secret = "secret"};
  assert_int_equal(iotkit_gateway_login(world->gateway, &last, 1, NULL), 0);
  pthread_mutex_lock(&world->mutex);
  while (!world->last_heard)
    pthread_cond_wait(&world->cond, &world->mutex);
  pthread_mutex_unlock(&world->mutex);
}

/* The gateway goes while the loop runs. */
static void end(struct world *world) {
  assert_int_equal(iotkit_gateway_free(world->gateway), 0);
  iotkit_loop_stop(world->loop);
  pthread_join(world->runner, NULL);
  iotkit_loop_remove(world->loop, world->client);
  iotkit_loop_free(world->loop);
  assert_int_equal(iotkit_mqtt_free(world->client), 0);
  mini_broker_stop(world->broker);
}

static void every_call_beside_every_other(void **state) {
  static const threads_call table[] = {
      ask,           log_in, log_in,           log_out,
      report,        push,   break_connection, open_or_free_channel,
      report,        push,   live_shortly,     open_or_free_channel,
      listen_shortly};
  struct world world = {.mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
  (void)state;
  begin(&world);
  threads_run(__func__, &world, table, COUNT(table), CALLERS, CALLS, leave);
  await_last(&world);
  end(&world);
  assert_true(atomic_load(&world.heard) > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_call_beside_every_other),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
