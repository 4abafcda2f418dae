/*
 * The loop: posted work, and clients of a broker on loopback.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/cm.h"

#include "client/client.h"
#include "iotkit_loop.h"
#include "port/port.h"
#include "support/fake_stream.h"
#include "support/mini_broker.h"
#include "support/tcp_peer.h"

/* ---- posted work ---- */

struct order {
  iotkit_loop_t *loop;
  char text[32];
  int count;
};

static void put_a(void *arg) {
  struct order *order = arg;
  order->text[order->count++] = 'a';
}

static void put_b_and_post(void *arg) {
  struct order *order = arg;
  order->text[order->count++] = 'b';
  assert_int_equal(iotkit_loop_post(order->loop, put_a, order), 0);
}

static void stop_loop(void *arg) {
  struct order *order = arg;
  order->text[order->count++] = 's';
  iotkit_loop_stop(order->loop);
}

static void posted_work_runs_in_order(void **state) {
  (void)state;
  struct order order = {0};
  assert_int_equal(iotkit_loop_new(&order.loop), 0);
  iotkit_loop_post(order.loop, put_b_and_post, &order);
  iotkit_loop_post(order.loop, put_a, &order);
  iotkit_loop_post(order.loop, stop_loop, &order);
  assert_int_equal(iotkit_loop_run(order.loop), 0);
  assert_string_equal(order.text, "bas");
  iotkit_loop_post(order.loop, stop_loop, &order); /* it can be run again */
  assert_int_equal(iotkit_loop_run(order.loop), 0);
  assert_string_equal(order.text, "basas");
  iotkit_loop_post(order.loop, put_b_and_post,
                   &order); /* what has not run is run by free, and what that posts */
  iotkit_loop_free(order.loop);
  assert_string_equal(order.text, "basasba");
  iotkit_loop_free(NULL);
  assert_int_equal(iotkit_loop_post(NULL, put_a, NULL), IK_EINVALID_ARGUMENT);
}

static void refuses_work_that_is_none(void **state) {
  (void)state;
  iotkit_loop_t *loop;
  assert_int_equal(iotkit_loop_new(&loop), 0);
  assert_int_equal(iotkit_loop_post(NULL, stop_loop, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_loop_post(loop, NULL, NULL), IK_EINVALID_ARGUMENT);
  iotkit_loop_free(loop);
}

static void run_loop(void *arg) {
  assert_int_equal(iotkit_loop_run(arg), 0);
}

static void stops_while_it_sleeps(void **state) {
  (void)state;
  iotkit_loop_t *loop;
  iotkit_thread_t *thread;
  assert_int_equal(iotkit_loop_new(&loop), 0);
  assert_int_equal(iotkit_thread_start(&thread, "loop", 0, run_loop, loop), 0);
  iotkit_loop_stop(loop);
  iotkit_thread_join(thread);
  iotkit_loop_free(loop);
}

/* ---- clients ---- */

struct rig {
  struct mini_broker *broker;
  iotkit_loop_t *loop;
  iotkit_thread_t *thread;
  iotkit_mqtt_t *client;
  struct ik_mutex *mutex;
  struct ik_cond *cond;
  bool connected;
  bool closed;
  bool paused;
  unsigned messages;
};

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct rig *rig = ctx;
  ik_mutex_lock(rig->mutex);
  if (event->type == IOTKIT_MQTT_EVENT_STATE) {
    rig->connected = event->state == IOTKIT_MQTT_CONNECTED;
    rig->closed = event->state == IOTKIT_MQTT_CLOSED;
  } else if (event->type == IOTKIT_MQTT_EVENT_MESSAGE)
    rig->messages++;
  ik_cond_broadcast(rig->cond);
  ik_mutex_unlock(rig->mutex);
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->state == IOTKIT_MQTT_CLOSED)
    iotkit_loop_remove(rig->loop, client); /* allowed in a callback */
}

static void await_bool(struct rig *rig, const bool *flag) {
  const uint64_t end_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  ik_mutex_lock(rig->mutex);
  while (!*flag && ik_port_now_ms() < end_ms)
    ik_cond_wait(rig->cond, rig->mutex, end_ms);
  const bool set = *flag;
  ik_mutex_unlock(rig->mutex);
  assert_true(set);
}

static void await_messages(struct rig *rig, unsigned count) {
  const uint64_t end_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  ik_mutex_lock(rig->mutex);
  while (rig->messages < count && ik_port_now_ms() < end_ms)
    ik_cond_wait(rig->cond, rig->mutex, end_ms);
  assert_int_equal(rig->messages, count);
  ik_mutex_unlock(rig->mutex);
}

static void add_and_start(void *arg) {
  struct rig *rig = arg;
  assert_int_equal(iotkit_loop_add(rig->loop, rig->client), 0);
  assert_int_equal(iotkit_loop_add(rig->loop, rig->client), IK_EINVALID_STATE);
  assert_int_equal(iotkit_mqtt_start(rig->client), 0);
}

static struct rig *rig_new(void) {
  struct rig *rig = calloc(1, sizeof(*rig));
  assert_non_null(rig);
  rig->mutex = ik_mutex_new();
  rig->cond = ik_cond_new();
  rig->broker = mini_broker_start();
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = mini_broker_port(rig->broker),
                                              .client_id = "c",
                                              .reconnect_min_ms = 1,
                                              .reconnect_max_ms = 2,
                                              .on_event = on_event,
                                              .ctx = rig};
  assert_int_equal(iotkit_mqtt_new(&options, &rig->client, NULL), 0);
  assert_int_equal(iotkit_loop_new(&rig->loop), 0);
  assert_int_equal(iotkit_thread_start(&rig->thread, "loop", 0, run_loop, rig->loop), 0);
  assert_int_equal(iotkit_loop_post(rig->loop, add_and_start, rig), 0);
  await_bool(rig, &rig->connected);
  return rig;
}

static void rig_free(struct rig *rig) {
  iotkit_mqtt_stop(rig->client);
  await_bool(rig, &rig->closed);
  iotkit_loop_stop(rig->loop);
  iotkit_thread_join(rig->thread);
  iotkit_loop_free(rig->loop);
  assert_int_equal(iotkit_mqtt_free(rig->client), 0);
  mini_broker_stop(rig->broker);
  ik_cond_free(rig->cond);
  ik_mutex_free(rig->mutex);
  free(rig);
}

static void drives_a_client(void **state) {
  (void)state;
  struct rig *rig = rig_new();
  char payload[16];
  unsigned qos;
  for (unsigned i = 0; i < 20; i++) { /* each of these wakes the loop */
    assert_true(iotkit_mqtt_publish(rig->client, "up", "x", 1, 1, false) > 0);
    assert_true(mini_broker_wait(rig->broker, "up", i, payload, sizeof(payload), &qos));
  }
  for (int i = 0; i < 20; i++)
    assert_true(mini_broker_publish(rig->broker, "down", "y", 1, false));
  await_messages(rig, 20);
  rig_free(rig);
}

static void reconnects(void **state) {
  (void)state;
  struct rig *rig = rig_new();
  char payload[16];
  unsigned qos;
  for (unsigned i = 0; i < 5; i++) {
    mini_broker_drop(rig->broker);
    assert_true(iotkit_mqtt_publish(rig->client, "up", "x", 1, 1, false) >
                0); /* waits for the connection, if need be */
    assert_true(mini_broker_wait(rig->broker, "up", i, payload, sizeof(payload), &qos));
  }
  await_bool(rig, &rig->connected);
  rig_free(rig);
}

struct held {
  struct rig *rig;
  int fd;
};

static void hold_descriptor(void *arg) {
  struct held *held = arg;
  held->fd = dup(iotkit_mqtt_fd(held->rig->client));
  iotkit_mqtt_stop(held->rig->client);
}

static void look_round(void *arg) {
  struct rig *rig = arg;
  ik_mutex_lock(rig->mutex);
  rig->messages++;
  ik_cond_broadcast(rig->cond);
  ik_mutex_unlock(rig->mutex);
}

/*
 * A process that was just forked holds the descriptors until it executes its program: meanwhile the
 * kernel reports the end of a connection whose client has closed it and is gone. (ASan would see a
 * node that is used after it was freed.)
 */
static void a_closed_descriptor_may_be_reported(void **state) {
  (void)state;
  struct rig *rig = rig_new();
  struct held held = {rig, -1};
  assert_int_equal(iotkit_loop_post(rig->loop, hold_descriptor, &held), 0);
  await_bool(rig, &rig->closed);
  for (unsigned i = 1; i <= 20; i++) {
    assert_int_equal(iotkit_loop_post(rig->loop, look_round, rig), 0);
    await_messages(rig, i);
  }
  assert_true(held.fd >= 0);
  close(held.fd);
  rig_free(rig);
}

static void pause_client(void *arg) {
  struct rig *rig = arg;
  iotkit_loop_pause(rig->loop, rig->client, true);
  ik_mutex_lock(rig->mutex);
  rig->paused = true;
  ik_cond_broadcast(rig->cond);
  ik_mutex_unlock(rig->mutex);
}

static void unpause_client(void *arg) {
  struct rig *rig = arg;
  iotkit_loop_pause(rig->loop, rig->client, false);
}

/*
 * While paused nothing is read, though the client goes on sending; then all comes that was sent
 * meanwhile.
 */
static void pausing_stops_the_reading(void **state) {
  (void)state;
  struct rig *rig = rig_new();
  char payload[16];
  unsigned qos;
  assert_int_equal(iotkit_loop_post(rig->loop, pause_client, rig), 0);
  await_bool(rig, &rig->paused);
  for (int i = 0; i < 10; i++)
    assert_true(mini_broker_publish(rig->broker, "down", "y", 0, false));
  for (unsigned i = 0; i < 10;
       i++) { /* ten rounds through the loop, in which the messages could have been read */
    assert_int_equal(iotkit_mqtt_publish(rig->client, "up", "x", 1, 0, false), 0);
    assert_true(mini_broker_wait(rig->broker, "up", i, payload, sizeof(payload), &qos));
  }
  ik_mutex_lock(rig->mutex);
  assert_int_equal(rig->messages, 0);
  ik_mutex_unlock(rig->mutex);
  assert_int_equal(iotkit_loop_post(rig->loop, unpause_client, rig), 0);
  await_messages(rig, 10);
  rig_free(rig);
}

/*
 * Many clients whose deadlines differ: each is stepped when it is due, and none more often than it
 * asked for.
 */
#define CLIENTS 1000

struct crowd {
  iotkit_loop_t *loop;
  unsigned waiting;
};

static void count_waiting(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct crowd *crowd = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->state == IOTKIT_MQTT_WAITING &&
      ++crowd->waiting == 3 * CLIENTS)
    iotkit_loop_stop(crowd->loop);
}

static void many_clients(void **state) {
  (void)state;
  struct crowd crowd = {0};
  static iotkit_mqtt_t *clients[CLIENTS];
  char id[16];
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = peer_free_port(4),
                                              .client_id = id,
                                              .reconnect_min_ms = 10,
                                              .reconnect_max_ms = 20,
                                              .on_event = count_waiting,
                                              .ctx = &crowd};
  assert_int_equal(iotkit_loop_new(&crowd.loop), 0);
  for (size_t i = 0; i < CLIENTS; i++) {
    snprintf(id, sizeof(id), "c%zu", i);
    assert_int_equal(iotkit_mqtt_new(&options, &clients[i], NULL), 0);
    assert_int_equal(iotkit_mqtt_start(clients[i]), 0);
    assert_int_equal(iotkit_loop_add(crowd.loop, clients[i]), 0);
  }
  assert_int_equal(iotkit_loop_run(crowd.loop), 0);
  assert_true(crowd.waiting >= 3 * CLIENTS);
  for (size_t i = 0; i < CLIENTS; i += 2)
    iotkit_loop_remove(crowd.loop, clients[i]);
  iotkit_loop_free(crowd.loop); /* lets go of the others */
  for (size_t i = 0; i < CLIENTS; i++)
    assert_int_equal(iotkit_mqtt_free(clients[i]), 0);
}

/* ---- fairness ---- */

struct flood {
  iotkit_loop_t *loop;
  struct fake_wire busy_wire, slow_wire;
  unsigned waits;
};

static void refill(struct flood *flood) {
  static const uint8_t message[] = {0x30, 3, 0, 1, 'm'};
  while (ik_buf_size(&flood->busy_wire.to_client) < 1000)
    fake_say(&flood->busy_wire, message, sizeof(message));
}

static void on_flood(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_MESSAGE) refill(ctx);
}

static void on_slow(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct flood *flood = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->state == IOTKIT_MQTT_WAITING &&
      ++flood->waits == 3)
    iotkit_loop_stop(flood->loop);
}

static int dial_busy(void *ctx, const struct ik_dial *dial, uint64_t now_ms,
                     struct ik_transport **out, char *detail) {
  static const uint8_t connack[] = {0x20, 2, 0, 0};
  struct flood *flood = ctx;
  const int rc = fake_dial(&flood->busy_wire, dial, now_ms, out, detail);
  fake_say(&flood->busy_wire, connack, sizeof(connack));
  refill(flood);
  return rc;
}

/*
 * One client always has more to read; the timers of the other are served all the same, or this test
 * never ends.
 */
static void a_busy_client_does_not_starve_the_others(void **state) {
  (void)state;
  struct flood flood = {0};
  iotkit_mqtt_t *busy, *slow;
  fake_wire_init(&flood.busy_wire);
  fake_wire_init(&flood.slow_wire);
  flood.slow_wire.dial_error = IK_ECONNECT;
  struct iotkit_mqtt_options options = {.host = "h",
                                        .port = 1,
                                        .client_id = "c",
                                        .reconnect_min_ms = 10,
                                        .reconnect_max_ms = 20,
                                        .ctx = &flood};
  options.on_event = on_flood;
  assert_int_equal(ik_mqtt_new_over(&options, dial_busy, &flood, &busy, NULL), 0);
  options.on_event = on_slow;
  options.client_id = "d";
  assert_int_equal(ik_mqtt_new_over(&options, fake_dial, &flood.slow_wire, &slow, NULL), 0);
  assert_int_equal(iotkit_loop_new(&flood.loop), 0);
  iotkit_mqtt_start(busy);
  iotkit_mqtt_start(slow);
  assert_int_equal(iotkit_loop_add(flood.loop, busy), 0);
  assert_int_equal(iotkit_loop_add(flood.loop, slow), 0);
  assert_int_equal(iotkit_loop_run(flood.loop), 0);
  assert_int_equal(flood.waits, 3);
  iotkit_loop_free(flood.loop);
  assert_int_equal(iotkit_mqtt_free(busy), 0);
  assert_int_equal(iotkit_mqtt_free(slow), 0);
  fake_wire_free(&flood.busy_wire);
  fake_wire_free(&flood.slow_wire);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(posted_work_runs_in_order),
      cmocka_unit_test(refuses_work_that_is_none),
      cmocka_unit_test(stops_while_it_sleeps),
      cmocka_unit_test(drives_a_client),
      cmocka_unit_test(reconnects),
      cmocka_unit_test(a_closed_descriptor_may_be_reported),
      cmocka_unit_test(pausing_stops_the_reading),
      cmocka_unit_test(many_clients),
      cmocka_unit_test(a_busy_client_does_not_starve_the_others),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
