/*
 * Clients, a loop and channels used by several threads side by side, as iotkit_mqtt.h, iotkit_loop.h
 * and iotkit_ota.h allow it: one client in a loop with a channel over it, one that some thread
 * yields, and those that threads make and free for themselves. The broker drops them now and then.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iotkit_config.h"
#include "iotkit_loop.h"
#include "iotkit_time.h"
#include "support/cm.h"
#include "support/mini_broker.h"
#include "support/threads.h"

#define CALLERS 4
#define CALLS 150
#define UPGRADE "/ota/device/upgrade/pk/dn"
#define CONFIG_PUSH "/sys/pk/dn/thing/config/push"
#define CONFIG                                                                                     \
  "{\"id\":\"7\",\"params\":{\"configId\":\"c\",\"configSize\":5,\"signMethod\":\"Md5\","          \
  "\"sign\":\"0123456789abcdef0123456789abcdef\",\"url\":\"http://127.0.0.1/f\"}}"

struct world {
  struct mini_broker *brokers[2];
  iotkit_loop_t *loop;
  iotkit_mqtt_t *looped;
  iotkit_mqtt_t *yielded;
  iotkit_ota_t *ota;       /* over `looped` */
  iotkit_config_t *config; /* of `ota` */
  iotkit_time_t *time;     /* likewise */
  pthread_t runner;
  atomic_bool over;
  atomic_uint heard; /* callbacks of all kinds */
  atomic_uint notices;
};

static struct world *world_of(const struct caller *caller) {
  return caller->world;
}

/* ---- what is called back ---- */

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct world *world = ctx;
  atomic_fetch_add(&world->heard, 1);
  if (event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED)
    (void)iotkit_mqtt_publish(client, "t/event", "e", 1, 0, false);
}

static void on_message(void *ctx, iotkit_mqtt_t *client,
                       const struct iotkit_mqtt_message *message) {
  atomic_uint *heard = ctx;
  (void)client;
  (void)message;
  atomic_fetch_add(heard, 1);
}

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct world *world = ctx;
  atomic_fetch_add(&world->heard, 1);
  (void)iotkit_ota_report_progress(ota, 0, "", iotkit_job_upgrade(job)->module);
  iotkit_job_unref(job);
}

static void on_nothing(void *ctx, iotkit_ota_t *ota, const char *request_id) {
  struct world *world = ctx;
  (void)ota;
  (void)request_id;
  atomic_fetch_add(&world->heard, 1);
}

static void on_config(void *ctx, iotkit_config_t *config, iotkit_job_t *job) {
  struct world *world = ctx;
  const char *id = iotkit_job_upgrade(job)->id;
  atomic_fetch_add(&world->heard, 1);
  (void)iotkit_config_answer(config, id, iotkit_job_config(job)->pushed ? 200 : 460, "");
  iotkit_job_unref(job);
}

static void on_time(void *ctx, iotkit_time_t *time, const struct iotkit_time_reading *reading,
                    const char *request_id) {
  struct world *world = ctx;
  (void)time;
  (void)reading;
  (void)request_id;
  atomic_fetch_add(&world->heard, 1);
}

/* What a broker's thread does with a request for the time. */
static void tell_time(void *ctx, struct mini_broker *broker, const char *payload) {
  char answer[256];
  (void)ctx;
  const char *sent = payload + strlen("{\"deviceSendTime\":\"");
  const int digits = (int)strspn(sent, "0123456789");
  snprintf(answer, sizeof(answer),
           "{\"deviceSendTime\":%.*s,\"serverRecvTime\":5,\"serverSendTime\":5}", digits, sent);
  (void)mini_broker_publish(broker, "/ext/ntp/pk/dn/response", answer, 0, false);
}

static void wake(void *ctx) {
  struct world *world = ctx;
  atomic_fetch_add(&world->heard, 1);
}

/* ---- the client in the loop ---- */

static void publish(struct caller *caller) {
  struct world *world = world_of(caller);
  (void)iotkit_mqtt_publish(world->looped, "t/a", "x", 1, 1, false);
  (void)iotkit_mqtt_publish(world->looped, "t/a", "x", 1, 0, false);
}

/* After the return its handler never runs again: it may be gone. */
static void subscribe_for_a_while(struct caller *caller) {
  struct world *world = world_of(caller);
  iotkit_mqtt_t *client = rng_below(&caller->rng, 2) ? world->looped : world->yielded;
  atomic_uint *heard = malloc(sizeof(*heard));
  assert_non_null(heard);
  atomic_init(heard, 0);
  int rc = iotkit_mqtt_subscribe(client, "t/+", 1, on_message, heard);
  if (rc >= 0) {
    (void)mini_broker_publish(world->brokers[client == world->yielded], "t/b", "y", 0, false);
    sched_yield();
    (void)iotkit_mqtt_unsubscribe(client, "t/+", on_message, heard);
  }
  free(heard);
}

static void ask(struct caller *caller) {
  struct world *world = world_of(caller);
  (void)iotkit_mqtt_get_state(world->looped);
  (void)iotkit_mqtt_fd(world->looped);
  (void)iotkit_mqtt_interest(world->looped);
  (void)iotkit_mqtt_deadline(world->looped);
}

static void pause_and_go_on(void *arg) {
  struct world *world = arg;
  iotkit_loop_pause(world->loop, world->looped, true);
  iotkit_loop_pause(world->loop, world->looped, false);
}

static void leave_and_come_back(void *arg) {
  struct world *world = arg;
  iotkit_loop_remove(world->loop, world->looped);
  assert_int_equal(iotkit_loop_add(world->loop, world->looped), 0);
}

static void post(struct caller *caller) {
  struct world *world = world_of(caller);
  void (*work)(void *) = rng_below(&caller->rng, 4) ? pause_and_go_on : leave_and_come_back;
  assert_int_equal(iotkit_loop_post(world->loop, work, world), 0);
}

static void stop_loop(struct caller *caller) {
  iotkit_loop_stop(world_of(caller)->loop); /* its thread runs it again */
}

/* Numbers of descriptors that the loop's client has closed come back at once. */
static void use_descriptors(struct caller *caller) {
  int fds[2];
  (void)caller;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0) return;
  close(fds[0]);
  close(fds[1]);
}

/* ---- the channel ---- */

static void report(struct caller *caller) {
  char id[16];
  iotkit_ota_t *ota = world_of(caller)->ota;
  (void)iotkit_ota_report_version(ota, "1.0.0", NULL);
  (void)iotkit_ota_report_progress(ota, 5, "five", "m");
  (void)iotkit_ota_request(ota, NULL, id);
}

static void notify(struct caller *caller) {
  struct world *world = world_of(caller);
  char json[512];
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":%u,\"message\":\"success\",\"data\":{\"size\":3,"
           "\"version\":\"2\",\"url\":\"http://h.example/f\",\"signMethod\":\"Md5\","
           "\"sign\":\"900150983cd24fb0d6963f7d28e17f72\"}}",
           atomic_fetch_add(&world->notices, 1));
  (void)mini_broker_publish(world->brokers[0], UPGRADE, json, 1, false);
}

static void open_channel(struct caller *caller) {
  struct world *world = world_of(caller);
  const struct iotkit_ota_options options = {
      .product_key = "pk", .device_name = "dn", .on_upgrade = on_upgrade, .ctx = world};
  iotkit_ota_t *ota;
  if (iotkit_ota_new(world->looped, &options, &ota, NULL) != 0) return;
  (void)iotkit_ota_report_progress(ota, 1, NULL, NULL);
  assert_int_equal(iotkit_ota_free(ota), 0);
}

static void sign_in(struct caller *caller) {
  const struct iotkit_sign_options options = {
      .product_key = "pk", .device_name = "dn", .device_secret = "ds"};
  struct iotkit_sign_in signed_in;
  (void)caller;
  assert_int_equal(iotkit_sign(&options, &signed_in, NULL), 0);
}

/* ---- the client that threads step in turns ---- */

static void drive(struct caller *caller) {
  iotkit_mqtt_t *client = world_of(caller)->yielded;
  if (rng_below(&caller->rng, 2))
    (void)iotkit_mqtt_yield(client, (uint32_t)rng_below(&caller->rng, 3));
  else
    (void)iotkit_mqtt_step(client, iotkit_now_ms());
}

static void interrupt(struct caller *caller) {
  iotkit_mqtt_interrupt(world_of(caller)->yielded);
}

static void send_message(struct caller *caller) {
  iotkit_mqtt_t *client = world_of(caller)->yielded;
  (void)iotkit_mqtt_publish(client, "t/c", "z", 1, (uint8_t)rng_below(&caller->rng, 2), false);
}

static void set_waker(struct caller *caller) {
  struct world *world = world_of(caller);
  iotkit_mqtt_set_waker(world->yielded, wake, world);
  (void)iotkit_mqtt_deadline(world->yielded);
  iotkit_mqtt_set_waker(world->yielded, NULL, NULL);
}

static void configure(struct caller *caller) {
  struct world *world = world_of(caller);
  const struct iotkit_config_options options = {.on_config = on_config, .ctx = world};
  iotkit_config_t *config;
  char id[16];
  assert_int_equal(iotkit_config_new(world->ota, &options, &config, NULL), 0);
  (void)iotkit_config_request(config, id);
  assert_int_equal(iotkit_config_free(config), 0);
  (void)iotkit_config_request(world->config, NULL);
  (void)iotkit_config_answer(world->config, "1", 200, NULL);
  (void)mini_broker_publish(world->brokers[0], CONFIG_PUSH, CONFIG, 0, false);
}

static void tell_the_time(struct caller *caller) {
  struct world *world = world_of(caller);
  const struct iotkit_time_options options = {.on_time = on_time, .ctx = world};
  struct iotkit_time_reading reading;
  iotkit_time_t *time;
  assert_int_equal(iotkit_time_new(world->ota, &options, &time, NULL), 0);
  (void)iotkit_time_request(time, NULL);
  assert_int_equal(iotkit_time_free(time), 0);
  (void)iotkit_time_request(world->time, NULL);
  (void)iotkit_time_measure(world->time, 2, 2, &reading);
}

/* ---- the rest ---- */

static void live_shortly(struct caller *caller) {
  struct world *world = world_of(caller);
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(world->brokers[1]),
                                              .client_id = "short",
                                              .on_event = on_event,
                                              .ctx = world};
  iotkit_mqtt_t *client;
  iotkit_loop_t *loop;
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  assert_int_equal(iotkit_loop_new(&loop), 0);
  assert_int_equal(iotkit_loop_add(loop, client), 0);
  assert_int_equal(iotkit_mqtt_stop(client), 0);
  assert_int_equal(iotkit_mqtt_step(client, iotkit_now_ms()), IK_ECLOSED);
  iotkit_loop_free(loop);
  assert_int_equal(iotkit_mqtt_free(client), 0);
}

static void break_connections(struct caller *caller) {
  struct world *world = world_of(caller);
  struct mini_broker *broker = world->brokers[rng_below(&caller->rng, 2)];
  if (rng_below(&caller->rng, 4) != 0) return;
  if (rng_below(&caller->rng, 2))
    mini_broker_drop(broker);
  else
    mini_broker_reset(broker);
}

/* ---- all of it ---- */

static void *run_loop(void *arg) {
  struct world *world = arg;
  while (!atomic_load(&world->over))
    assert_int_equal(iotkit_loop_run(world->loop), 0);
  return NULL;
}

static iotkit_mqtt_t *start_client(struct world *world, unsigned broker) {
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(world->brokers[broker]),
                                              .client_id = "c",
                                              .reconnect_min_ms = 1,
                                              .reconnect_max_ms = 2,
                                              .on_event = on_event,
                                              .ctx = world};
  iotkit_mqtt_t *client;
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  assert_int_equal(iotkit_mqtt_start(client), 0);
  return client;
}

static void begin(struct world *world) {
  const struct iotkit_ota_options options = {.product_key = "pk",
                                             .device_name = "dn",
                                             .on_upgrade = on_upgrade,
                                             .on_nothing = on_nothing,
                                             .ctx = world};
  const struct iotkit_config_options config = {.on_config = on_config, .ctx = world};
  const struct iotkit_time_options time = {.on_time = on_time, .ctx = world};
  for (unsigned i = 0; i < 2; i++)
    world->brokers[i] = mini_broker_start();
  mini_broker_answer(world->brokers[0], "/ext/ntp/pk/dn/request", tell_time, NULL);
  assert_int_equal(iotkit_loop_new(&world->loop), 0);
  world->looped = start_client(world, 0);
  world->yielded = start_client(world, 1);
  assert_int_equal(iotkit_ota_new(world->looped, &options, &world->ota, NULL), 0);
  assert_int_equal(iotkit_config_new(world->ota, &config, &world->config, NULL), 0);
  assert_int_equal(iotkit_time_new(world->ota, &time, &world->time, NULL), 0);
  assert_int_equal(iotkit_loop_add(world->loop, world->looped), 0);
  assert_int_equal(pthread_create(&world->runner, NULL, run_loop, world), 0);
}

static void end(struct world *world) {
  assert_int_equal(iotkit_time_free(world->time), 0);
  assert_int_equal(iotkit_config_free(world->config), 0);
  assert_int_equal(iotkit_ota_free(world->ota), 0);
  atomic_store(&world->over, true);
  iotkit_loop_stop(world->loop);
  pthread_join(world->runner, NULL);
  iotkit_loop_remove(world->loop, world->looped);
  iotkit_loop_free(world->loop);
  assert_int_equal(iotkit_mqtt_free(world->looped), 0);
  assert_int_equal(iotkit_mqtt_free(world->yielded), 0);
  for (unsigned i = 0; i < 2; i++)
    mini_broker_stop(world->brokers[i]);
}

static void every_call_beside_every_other(void **state) {
  static const threads_call table[] = {
      publish,           subscribe_for_a_while, ask,       post,
      stop_loop,         use_descriptors,       report,    notify,
      sign_in,           open_channel,          drive,     drive,
      interrupt,         send_message,          set_waker, live_shortly,
      break_connections, use_descriptors,       configure, tell_the_time,
  };
  struct world world = {0};
  (void)state;
  begin(&world);
  threads_run(__func__, &world, table, COUNT(table), CALLERS, CALLS, NULL);
  end(&world);
  assert_true(atomic_load(&world.heard) > 0);
}

/* ---- the end of a loop ---- */

struct last {
  iotkit_loop_t *loop;
  pthread_t runner;
};

static void *run_once(void *arg) {
  struct last *last = arg;
  assert_int_equal(iotkit_loop_run(last->loop), 0);
  return NULL;
}

static void stop_it(void *arg) {
  iotkit_loop_stop(arg);
}

/* The thread that posts may be in that call still: what it posted has run, and the loop may go. */
static void *post_the_last(void *arg) {
  const struct last *last = arg;
  assert_int_equal(iotkit_loop_post(last->loop, stop_it, last->loop), 0);
  return NULL;
}

static void a_loop_is_freed_as_soon_as_the_last_work_has_run(void **state) {
  (void)state;
  for (unsigned i = 0; i < 200; i++) {
    struct last last;
    pthread_t poster;
    assert_int_equal(iotkit_loop_new(&last.loop), 0);
    assert_int_equal(pthread_create(&last.runner, NULL, run_once, &last), 0);
    assert_int_equal(pthread_create(&poster, NULL, post_the_last, &last), 0);
    pthread_join(last.runner, NULL);
    iotkit_loop_free(last.loop);
    pthread_join(poster, NULL);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_call_beside_every_other),
      cmocka_unit_test(a_loop_is_freed_as_soon_as_the_last_work_has_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
