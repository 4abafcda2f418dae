/*
 * test_mqtt_client.c - the client over a stream in memory and a fake clock: states, back-off, callbacks, threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/mqtt_client.h"
#include "iotkit_mqtt.h"
#include "support/fake_stream.h"

#define T0 1000000u

struct rig {
  struct fake_wire wire;
  iotkit_mqtt_t *client;
  uint64_t now;
  char told[2048];
  char detail[IOTKIT_DETAIL_MAX]; /* of the last change of state */
  unsigned messages;
  unsigned wakes;
  void (*on_message)(struct rig *rig, const struct iotkit_mqtt_message *message);
  void (*on_told)(struct rig *rig, const struct iotkit_mqtt_event *event);
};

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  static const char *const states[] = {"idle", "connecting", "connected", "waiting", "closed"};
  struct rig *rig = ctx;
  const size_t len = strlen(rig->told);
  char *at = rig->told + len;
  const size_t room = sizeof(rig->told) - len;
  assert_ptr_equal(client, rig->client);
  assert_non_null(event->detail);
  switch (event->type) {
  case IOTKIT_MQTT_EVENT_STATE:
    assert_int_equal(event->state, iotkit_mqtt_get_state(client));
    snprintf(rig->detail, sizeof(rig->detail), "%s", event->detail);
    snprintf(at, room, event->error ? "%s%d " : "%s ", states[event->state], event->error);
    break;
  case IOTKIT_MQTT_EVENT_SUBSCRIBED:
    snprintf(at, room, "subscribed:%u:%d ", event->packet_id, event->error);
    break;
  case IOTKIT_MQTT_EVENT_UNSUBSCRIBED:
    snprintf(at, room, "unsubscribed:%u ", event->packet_id);
    break;
  case IOTKIT_MQTT_EVENT_PUBLISHED:
    snprintf(at, room, "published:%u:%d ", event->packet_id, event->error);
    break;
  case IOTKIT_MQTT_EVENT_MESSAGE:
    snprintf(at, room, "message:%.*s ", (int)event->message->topic_len, event->message->topic);
    break;
  case IOTKIT_MQTT_EVENT_SKIPPED:
    snprintf(at, room, "skipped:%d ", event->error);
    break;
  }
  if (rig->on_told) rig->on_told(rig, event);
}

static void handler(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {
  struct rig *rig = ctx;
  assert_ptr_equal(client, rig->client);
  rig->messages++;
  if (rig->on_message) rig->on_message(rig, message);
}

static void other_handler(void *ctx, iotkit_mqtt_t *client,
                          const struct iotkit_mqtt_message *message) {
  struct rig *rig = ctx;
  (void)client;
  (void)message;
  rig->messages += 100;
}

static struct rig *rig_new(const struct iotkit_mqtt_options *given) {
  struct rig *rig = calloc(1, sizeof(*rig));
  assert_non_null(rig);
  struct iotkit_mqtt_options options = given ? *given : (struct iotkit_mqtt_options){0};
  fake_wire_init(&rig->wire);
  options.host = "broker";
  options.port = 1883;
  options.client_id = "c";
  options.on_event = on_event;
  options.ctx = rig;
  assert_int_equal(ik_mqtt_new_over(&options, fake_dial, &rig->wire, &rig->client, NULL), 0);
  rig->now = T0;
  return rig;
}

static void rig_free(struct rig *rig) {
  assert_int_equal(iotkit_mqtt_free(rig->client), 0);
  assert_int_equal(
      rig->wire.dials - (rig->wire.dial_error ? rig->wire.dials : 0) >= rig->wire.closes, 1);
  assert_false(rig->wire.connected);
  fake_wire_free(&rig->wire);
  free(rig);
}

static int step(struct rig *rig) {
  return iotkit_mqtt_step(rig->client, rig->now);
}

/* Steps as long as the client says that more is to be done at once. */
static void settle(struct rig *rig) {
  do {
    (void)step(rig);
  } while (iotkit_mqtt_deadline(rig->client) == 0);
}

static void assert_told(struct rig *rig, const char *want) {
  assert_string_equal(rig->told, want);
  rig->told[0] = '\0';
}

static void say(struct rig *rig, const char *bytes, size_t len) {
  fake_say(&rig->wire, bytes, len);
}
#define SAY(rig, literal) say(rig, literal, sizeof(literal) - 1)

static void assert_written(struct rig *rig, const char *want, size_t len) {
  assert_int_equal(ik_buf_size(&rig->wire.from_client), len);
  assert_memory_equal(ik_buf_ptr(&rig->wire.from_client), want, len);
  fake_forget(&rig->wire);
}
#define ASSERT_WRITTEN(rig, literal) assert_written(rig, literal, sizeof(literal) - 1)

static void go_up(struct rig *rig) {
  if (iotkit_mqtt_get_state(rig->client) == IOTKIT_MQTT_IDLE)
    assert_int_equal(iotkit_mqtt_start(rig->client), 0);
  settle(rig);
  SAY(rig, "\x20\x02\x00\x00");
  settle(rig);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CONNECTED);
  fake_forget(&rig->wire);
  rig->told[0] = '\0';
}

/* ---- options ---- */

static void options_are_checked(void **state) {
  (void)state;
  const struct iotkit_mqtt_options good = {.host = "h", .port = 1, .client_id = "c"};
  struct iotkit_mqtt_options bad;
  iotkit_mqtt_t *client = NULL;
  char detail[IOTKIT_DETAIL_MAX];
  char host[300];
  memset(host, 'h', sizeof(host) - 1);
  host[sizeof(host) - 1] = '\0';
  char *text = malloc(70000);
  assert_non_null(text);
  memset(text, 'x', 69999);
  text[69999] = '\0';
#define REFUSED(field, value, error, name)                                                         \
  bad = good;                                                                                      \
  bad.field = value;                                                                               \
  assert_int_equal(iotkit_mqtt_new(&bad, &client, detail), error);                                 \
  assert_string_equal(detail, name);                                                               \
  assert_null(client)
  REFUSED(host, NULL, IK_EINVALID_ARGUMENT, "host");
  REFUSED(host, "", IK_EINVALID_ARGUMENT, "host");
  REFUSED(host, host, IK_ETOO_LONG, "host");
  REFUSED(port, 0, IK_EINVALID_ARGUMENT, "port");
  REFUSED(client_id, NULL, IK_EINVALID_ARGUMENT, "client_id");
  REFUSED(client_id, "\xff", IK_EINVALID_ARGUMENT, "client_id");
  REFUSED(client_id, text, IK_ETOO_LONG, "client_id");
  REFUSED(username, text, IK_ETOO_LONG, "username");
  REFUSED(username, "\xff", IK_EINVALID_ARGUMENT, "username");
  REFUSED(password, "p", IK_EINVALID_ARGUMENT, "password");
  REFUSED(max_packet, 17u << 20, IK_EINVALID_ARGUMENT, "max_packet");
  REFUSED(max_packet, 10, IK_EINVALID_ARGUMENT, "max_packet");
  REFUSED(reconnect_min_ms, 70000, IK_EINVALID_ARGUMENT, "reconnect_min_ms");
#undef REFUSED
  assert_int_equal(iotkit_mqtt_new(NULL, &client, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_new(&good, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_mqtt_new(&good, &client, NULL), 0);
  assert_int_equal(iotkit_mqtt_get_state(client), IOTKIT_MQTT_IDLE);
  assert_int_equal(iotkit_mqtt_fd(client), -1);
  assert_int_equal(iotkit_mqtt_free(client), 0);
  assert_int_equal(iotkit_mqtt_free(NULL), 0);
  free(text);
}

/* ---- states ---- */

static void connects(void **state) {
  (void)state;
  struct rig *rig =
      rig_new(&(struct iotkit_mqtt_options){.username = "u", .password = "p", .keep_alive_s = 60});
  assert_true(iotkit_mqtt_deadline(rig->client) == UINT64_MAX);
  assert_int_equal(step(rig), 0);
  assert_told(rig, "");
  assert_int_equal(iotkit_mqtt_start(rig->client), 0);
  assert_int_equal(iotkit_mqtt_start(rig->client), IK_EINVALID_STATE);
  assert_true(iotkit_mqtt_deadline(rig->client) == 0);
  rig->wire.open_error = IK_EAGAIN;
  settle(rig);
  assert_told(rig, "connecting ");
  assert_true(iotkit_mqtt_deadline(rig->client) == T0 + 30000);
  rig->wire.open_error = 0;
  settle(rig);
  ASSERT_WRITTEN(rig, "\x10\x13\x00\x04MQTT\x04\xc2\x00\x3c\x00\x01"
                      "c\x00\x01u\x00\x01p");
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  SAY(rig, "\x20\x02\x00\x00");
  settle(rig);
  assert_told(rig, "connected ");
  assert_true(iotkit_mqtt_deadline(rig->client) == T0 + 57000);
  rig_free(rig);
}

static void does_not_wait_for_ever(void **state) {
  (void)state;
  for (int opened = 0; opened < 2; opened++) {
    struct rig *rig = rig_new(&(struct iotkit_mqtt_options){.connect_timeout_ms = 5000});
    rig->wire.open_error = opened ? 0 : IK_EAGAIN;
    iotkit_mqtt_start(rig->client);
    settle(rig);
    rig->now = T0 + 4999;
    settle(rig);
    assert_told(rig, "connecting ");
    rig->now = iotkit_mqtt_deadline(rig->client);
    assert_int_equal(rig->now, T0 + 5000);
    settle(rig);
    assert_told(rig, "waiting-1106 ");
    rig_free(rig);
  }
}

/* Drops one after another: the waits grow, stay within their bounds, and begin anew after a stable connection. */
static void backs_off(void **state) {
  (void)state;
  struct rig *rig =
      rig_new(&(struct iotkit_mqtt_options){.reconnect_min_ms = 1000, .reconnect_max_ms = 16000});
  rig->wire.dial_error = IK_ECONNECT;
  iotkit_mqtt_start(rig->client);
  uint64_t ceiling = 1000;
  for (int i = 0; i < 10; i++) {
    settle(rig);
    assert_told(rig, "connecting waiting-1102 ");
    const uint64_t wait = iotkit_mqtt_deadline(rig->client) - rig->now;
    ceiling = ceiling * 2 > 16000 ? 16000 : ceiling * 2;
    assert_true(wait >= 500 && wait <= ceiling);
    rig->now += wait - 1;
    assert_int_equal(step(rig), 0);
    assert_told(rig, "");
    rig->now++;
  }
  rig->wire.dial_error = 0;
  go_up(rig);
  rig->now += 10000;
  rig->wire.read_error = 0;
  settle(rig);
  assert_told(rig, "waiting-1104 ");
  assert_true(iotkit_mqtt_deadline(rig->client) - rig->now <= 2000);
  rig->wire.read_error = IK_EAGAIN;
  rig_free(rig);
}

/* What will not be cured by waiting is tried at the long end of the back-off. */
static void a_refusal_is_not_hammered_at(void **state) {
  (void)state;
  struct rig *rig = rig_new(&(struct iotkit_mqtt_options){.reconnect_max_ms = 60000});
  iotkit_mqtt_start(rig->client);
  settle(rig);
  SAY(rig, "\x20\x02\x00\x04");
  settle(rig);
  assert_told(rig, "connecting waiting-1306 ");
  assert_true(iotkit_mqtt_deadline(rig->client) - rig->now >= 30000);
  assert_true(iotkit_mqtt_deadline(rig->client) - rig->now <= 60000);
  rig_free(rig);
}

static void no_reconnect_closes(void **state) {
  (void)state;
  struct rig *rig = rig_new(&(struct iotkit_mqtt_options){.no_reconnect = true});
  go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), 1);
  SAY(rig, "\xf0\x00");
  settle(rig);
  assert_told(rig, "published:1:-1004 closed-1301 ");
  assert_true(rig->detail[0]);
  assert_int_equal(step(rig), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "t", 1, handler, rig), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_start(rig->client), IK_EINVALID_STATE);
  assert_true(iotkit_mqtt_deadline(rig->client) == UINT64_MAX);
  rig_free(rig);
}

static void stops_orderly(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(iotkit_mqtt_stop(rig->client), 0);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), IK_ECLOSED);
  assert_true(iotkit_mqtt_deadline(rig->client) == 0);
  assert_int_equal(step(rig), IK_ECLOSED);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx\xe0\x00");
  assert_told(rig, "closed ");
  rig_free(rig);
}

static void stops_in_two_seconds_at_most(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  rig->wire.write_room = 0;
  iotkit_mqtt_stop(rig->client);
  settle(rig);
  assert_told(rig, "");
  assert_int_equal(iotkit_mqtt_deadline(rig->client), T0 + 2000);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ | IOTKIT_WRITE);
  rig->now = T0 + 2000;
  assert_int_equal(step(rig), IK_ECLOSED);
  assert_told(rig, "closed ");
  rig_free(rig);
}

static void stops_from_every_state(void **state) {
  (void)state;
  for (int at = 0; at < 4; at++) {
    struct rig *rig = rig_new(NULL);
    if (at == 1) rig->wire.open_error = IK_EAGAIN;
    if (at == 3) rig->wire.dial_error = IK_ERESOLVE;
    if (at > 0) iotkit_mqtt_start(rig->client);
    settle(rig);
    iotkit_mqtt_stop(rig->client);
    assert_int_equal(step(rig), IK_ECLOSED);
    assert_non_null(strstr(rig->told, "closed "));
    rig_free(rig);
  }
}

static void frees_at_any_time(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a/#", 1, handler, rig);
  iotkit_mqtt_publish(rig->client, "t", "x", 1, 1, false);
  SAY(rig, "\x30\x20\x00"); /* half a packet */
  settle(rig);
  rig_free(rig);
}

/* ---- messages and handlers ---- */

static void messages_reach_their_handlers(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a/+", 1, handler, rig), 1);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "a/b", 1, other_handler, rig), 2);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "own", 1, NULL, NULL), 3);
  assert_int_equal(iotkit_mqtt_subscribe(rig->client, "x", 2, handler, rig), IK_EUNSUPPORTED);
  settle(rig);
  fake_forget(&rig->wire);
  SAY(rig, "\x32\x07\x00\x03"
           "a/b\x00\x09\x30\x05\x00\x03"
           "a/c\x30\x05\x00\x03own\x30\x04\x00\x02"
           "zz");
  settle(rig);
  assert_int_equal(rig->messages, 102);
  assert_told(rig, "message:own message:zz ");
  ASSERT_WRITTEN(rig, "\x40\x02\x00\x09");
  rig_free(rig);
}

static void unsubscribe_self(struct rig *rig, const struct iotkit_mqtt_message *message) {
  (void)message;
  assert_true(iotkit_mqtt_unsubscribe(rig->client, "a", handler, rig) > 0);
  assert_int_equal(iotkit_mqtt_unsubscribe(rig->client, "+", other_handler, rig) > 0, 1);
}

/* A handler may remove itself and others that the same message was meant for: those are not called any more. */
static void unsubscribing_in_a_handler(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a", 0, handler, rig);
  iotkit_mqtt_subscribe(rig->client, "+", 0, other_handler, rig);
  settle(rig);
  rig->on_message = unsubscribe_self;
  SAY(rig, "\x30\x03\x00\x01"
           "a\x30\x03\x00\x01"
           "a");
  settle(rig);
  assert_int_equal(rig->messages, 1);
  assert_told(rig, "message:a ");
  rig_free(rig);
}

static void try_the_forbidden(struct rig *rig, const struct iotkit_mqtt_message *message) {
  (void)message;
  assert_int_equal(iotkit_mqtt_step(rig->client, rig->now), IK_EIN_CALLBACK);
  assert_int_equal(iotkit_mqtt_yield(rig->client, 10), IK_EIN_CALLBACK);
  assert_int_equal(iotkit_mqtt_free(rig->client), IK_EIN_CALLBACK);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_true(iotkit_mqtt_subscribe(rig->client, "b", 0, handler, rig) > 0);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CONNECTED);
  (void)iotkit_mqtt_deadline(rig->client);
  (void)iotkit_mqtt_fd(rig->client);
  iotkit_mqtt_set_waker(rig->client, NULL, NULL);
  assert_int_equal(iotkit_mqtt_stop(rig->client), 0);
}

static void everything_else_in_a_callback(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  rig->on_message = try_the_forbidden;
  iotkit_mqtt_subscribe(rig->client, "a", 0, handler, rig);
  settle(rig);
  fake_forget(&rig->wire);
  SAY(rig, "\x30\x03\x00\x01"
           "a");
  settle(rig);
  assert_int_equal(rig->messages, 1);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CLOSED);
  const size_t len = ik_buf_size(&rig->wire.from_client);
  assert_memory_equal(ik_buf_ptr(&rig->wire.from_client) + len - 2, "\xe0\x00", 2);
  rig_free(rig);
}

static void stop_when_told(struct rig *rig, const struct iotkit_mqtt_event *event) {
  if (event->type == IOTKIT_MQTT_EVENT_STATE && event->state != IOTKIT_MQTT_CLOSED)
    iotkit_mqtt_stop(rig->client);
}

static void stopping_in_an_event(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  rig->on_told = stop_when_told;
  iotkit_mqtt_start(rig->client);
  settle(rig);
  settle(rig);
  assert_told(rig, "connecting closed ");
  rig_free(rig);
}

/* ---- work per step ---- */

static void a_step_has_its_share(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a", 0, handler, rig);
  settle(rig);
  for (int i = 0; i < 100; i++)
    SAY(rig, "\x30\x03\x00\x01"
             "a");
  assert_int_equal(step(rig), 0);
  assert_int_equal(rig->messages, 32);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  settle(rig);
  assert_int_equal(rig->messages, 100);
  rig_free(rig);
}

static void pause_now(struct rig *rig, const struct iotkit_mqtt_message *message) {
  (void)message;
  ik_mqtt_set_paused(rig->client, true, rig->now);
}

/* A pause takes effect behind the message in whose handler it was asked for, though more has been read already. */
static void pausing(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  iotkit_mqtt_subscribe(rig->client, "a", 0, handler, rig);
  settle(rig);
  rig->on_message = pause_now;
  SAY(rig, "\x30\x03\x00\x01"
           "a\x30\x03\x00\x01"
           "a\x30\x03\x00\x01");
  settle(rig);
  assert_int_equal(rig->messages, 1);
  assert_int_equal(iotkit_mqtt_interest(rig->client), 0);
  SAY(rig, "a");
  settle(rig);
  assert_int_equal(rig->messages, 1);
  fake_forget(&rig->wire);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false),
                   0); /* sending goes on */
  settle(rig);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx");
  rig->on_message = NULL;
  ik_mqtt_set_paused(rig->client, false, rig->now);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  settle(rig);
  assert_int_equal(rig->messages, 3);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  rig_free(rig);
}

static void partial_writes(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  rig->wire.write_room = 3;
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "y", 1, 1, false), 1);
  settle(rig);
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ | IOTKIT_WRITE);
  while (ik_buf_size(&rig->wire.from_client) < 14) {
    rig->wire.write_room = 1;
    settle(rig);
  }
  assert_int_equal(iotkit_mqtt_interest(rig->client), IOTKIT_READ);
  ASSERT_WRITTEN(rig, "\x30\x04\x00\x01tx\x32\x06\x00\x01t\x00\x01y");
  rig_free(rig);
}

static void too_large_messages_are_told(void **state) {
  (void)state;
  struct rig *rig = rig_new(&(struct iotkit_mqtt_options){.max_packet = 200});
  go_up(rig);
  char bytes[303] = "\x32\xac\x02\x00\x01t\x00\x05";
  say(rig, bytes, sizeof(bytes));
  settle(rig);
  assert_told(rig, "skipped:-1302 ");
  ASSERT_WRITTEN(rig, "\x40\x02\x00\x05");
  rig_free(rig);
}

static void idle_clients_are_small(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  settle(rig);
  assert_null(rig->client->sending.data);
  assert_null(rig->client->input.data);
  assert_null(rig->client->session.out.data);
  assert_null(rig->client->session.reader.partial.data);
  assert_true(sizeof(*rig->client) <= 3072);
  rig_free(rig);
}

/* ---- waking ---- */

static void count_wake(void *ctx) {
  struct rig *rig = ctx;
  rig->wakes++;
  (void)iotkit_mqtt_deadline(rig->client); /* no lock is held: this would never return */
}

static void wakes_only_a_sleeper(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  go_up(rig);
  iotkit_mqtt_set_waker(rig->client, count_wake, rig);
  settle(rig); /* ends with a question for the deadline: the caller may sleep now */
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  settle(rig);
  assert_int_equal(step(rig), 0); /* the caller has not asked: it is awake */
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  assert_int_equal(iotkit_mqtt_deadline(rig->client), 0);
  iotkit_mqtt_set_waker(rig->client, NULL, NULL);
  assert_int_equal(iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(rig->wakes, 1);
  rig_free(rig);
}

/* ---- threads ---- */

struct pair {
  struct rig *rig;
  struct ik_mutex *mutex;
  struct ik_cond *cond;
  bool inside;   /* a handler runs */
  bool released; /* it may end */
  bool ended;
  int step_rc;
};

static void await_flag(struct pair *pair, const bool *flag) {
  ik_mutex_lock(pair->mutex);
  while (!*flag)
    ik_cond_wait(pair->cond, pair->mutex, UINT64_MAX);
  ik_mutex_unlock(pair->mutex);
}

static void set_flag(struct pair *pair, bool *flag) {
  ik_mutex_lock(pair->mutex);
  *flag = true;
  ik_cond_broadcast(pair->cond);
  ik_mutex_unlock(pair->mutex);
}

static void slow_handler(void *ctx, iotkit_mqtt_t *client,
                         const struct iotkit_mqtt_message *message) {
  struct pair *pair = ctx;
  (void)client;
  (void)message;
  set_flag(pair, &pair->inside);
  await_flag(pair, &pair->released);
  set_flag(pair, &pair->ended);
}

static void run_step(void *arg) {
  struct pair *pair = arg;
  pair->step_rc = iotkit_mqtt_step(pair->rig->client, T0);
}

static void release(void *arg) {
  struct pair *pair = arg;
  set_flag(pair, &pair->released);
}

/* Another thread steps and is inside a handler: stepping and freeing are refused, unsubscribing waits for its end. */
static void unsubscribe_waits_for_a_running_handler(void **state) {
  (void)state;
  struct pair pair = {.rig = rig_new(NULL), .mutex = ik_mutex_new(), .cond = ik_cond_new()};
  iotkit_thread_t *stepper, *releaser;
  go_up(pair.rig);
  iotkit_mqtt_subscribe(pair.rig->client, "a", 0, slow_handler, &pair);
  settle(pair.rig);
  SAY(pair.rig, "\x30\x03\x00\x01"
                "a");
  assert_int_equal(iotkit_thread_start(&stepper, "stepper", 0, run_step, &pair), 0);
  await_flag(&pair, &pair.inside);
  assert_int_equal(iotkit_mqtt_step(pair.rig->client, T0), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_yield(pair.rig->client, 0), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_free(pair.rig->client), IK_EBUSY);
  assert_int_equal(iotkit_mqtt_publish(pair.rig->client, "t", "x", 1, 0, false), 0);
  assert_int_equal(iotkit_thread_start(&releaser, "releaser", 0, release, &pair), 0);
  assert_true(iotkit_mqtt_unsubscribe(pair.rig->client, "a", slow_handler, &pair) > 0);
  assert_true(pair.ended);
  iotkit_thread_join(releaser);
  iotkit_thread_join(stepper);
  assert_int_equal(pair.step_rc, 0);
  ik_cond_free(pair.cond);
  ik_mutex_free(pair.mutex);
  rig_free(pair.rig);
}

#define PUBLISHERS 3
#define EACH 2000

static void publish_many(void *arg) {
  struct rig *rig = arg;
  for (int i = 0; i < EACH;) {
    const int rc = iotkit_mqtt_publish(rig->client, "t", "x", 1, 0, false);
    if (rc == 0)
      i++;
    else
      assert_int_equal(rc, IK_EQUEUE_FULL);
    if (i % 100 == 0) {
      assert_true(iotkit_mqtt_subscribe(rig->client, "s", 0, other_handler, arg) >= IK_EQUEUE_FULL);
      assert_true(iotkit_mqtt_unsubscribe(rig->client, "s", other_handler, arg) >= IK_EQUEUE_FULL);
    }
  }
}

/* Under TSan this is the proof; without it, that nothing is lost or torn. */
static void threads_publish_while_one_steps(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  iotkit_thread_t *threads[PUBLISHERS];
  size_t published = 0;
  go_up(rig);
  for (int i = 0; i < PUBLISHERS; i++)
    assert_int_equal(iotkit_thread_start(&threads[i], "publisher", 0, publish_many, rig), 0);
  while (published < PUBLISHERS * EACH) {
    assert_int_equal(step(rig), 0);
    const uint8_t *at = ik_buf_ptr(&rig->wire.from_client);
    for (size_t left = ik_buf_size(&rig->wire.from_client); left;
         left -= 2u + at[1], at += 2 + at[1]) {
      if (at[0] == 0x30)
        published++;
      else
        assert_true(at[0] == 0x82 || at[0] == 0xa2);
    }
    fake_forget(&rig->wire);
  }
  for (int i = 0; i < PUBLISHERS; i++)
    iotkit_thread_join(threads[i]);
  assert_int_equal(published, PUBLISHERS * EACH);
  rig_free(rig);
}

/* ---- blocking face ---- */

static void interrupt(void *arg) {
  iotkit_mqtt_interrupt(arg);
}

static void yield_can_be_interrupted(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  iotkit_thread_t *thread;
  iotkit_mqtt_interrupt(rig->client);
  assert_int_equal(iotkit_mqtt_yield(rig->client, 0), IK_EINTERRUPTED); /* the next one */
  assert_int_equal(iotkit_mqtt_yield(rig->client, 0), 0);
  assert_int_equal(iotkit_thread_start(&thread, "interrupter", 0, interrupt, rig->client), 0);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), IK_EINTERRUPTED);
  iotkit_thread_join(thread);
  rig_free(rig);
}

static void start_it(void *arg) {
  assert_int_equal(iotkit_mqtt_start(arg), 0);
}

/* A request of another thread ends the waiting; something handled ends the yield. */
static void yield_wakes_for_other_threads(void **state) {
  (void)state;
  struct rig *rig = rig_new(NULL);
  iotkit_thread_t *thread;
  rig->wire.dial_error = IK_ERESOLVE;
  assert_int_equal(iotkit_thread_start(&thread, "starter", 0, start_it, rig->client), 0);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), 0);
  assert_told(rig, "connecting waiting-1101 ");
  iotkit_thread_join(thread);
  iotkit_mqtt_stop(rig->client);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), IK_ECLOSED);
  assert_int_equal(iotkit_mqtt_yield(rig->client, UINT32_MAX), IK_ECLOSED);
  rig_free(rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(options_are_checked),
      cmocka_unit_test(connects),
      cmocka_unit_test(does_not_wait_for_ever),
      cmocka_unit_test(backs_off),
      cmocka_unit_test(a_refusal_is_not_hammered_at),
      cmocka_unit_test(no_reconnect_closes),
      cmocka_unit_test(stops_orderly),
      cmocka_unit_test(stops_in_two_seconds_at_most),
      cmocka_unit_test(stops_from_every_state),
      cmocka_unit_test(frees_at_any_time),
      cmocka_unit_test(messages_reach_their_handlers),
      cmocka_unit_test(unsubscribing_in_a_handler),
      cmocka_unit_test(everything_else_in_a_callback),
      cmocka_unit_test(stopping_in_an_event),
      cmocka_unit_test(a_step_has_its_share),
      cmocka_unit_test(pausing),
      cmocka_unit_test(partial_writes),
      cmocka_unit_test(too_large_messages_are_told),
      cmocka_unit_test(idle_clients_are_small),
      cmocka_unit_test(wakes_only_a_sleeper),
      cmocka_unit_test(unsubscribe_waits_for_a_running_handler),
      cmocka_unit_test(threads_publish_while_one_steps),
      cmocka_unit_test(yield_can_be_interrupted),
      cmocka_unit_test(yield_wakes_for_other_threads),
  };
  iotkit_log_set(IOTKIT_LOG_NONE, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
