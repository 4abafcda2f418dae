/*
 * test_mqtt_session.c - the session on a fake clock and pushed bytes: what it says is compared byte for byte, what it tells
 * as text. Every script runs with its input whole and cut into single bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iotkit_errors.h"
#include "mqtt/session.h"

#define BYTES(...) ((const uint8_t[]){__VA_ARGS__}), sizeof((const uint8_t[]){__VA_ARGS__})
#define CONNACK BYTES(0x20, 2, 0, 0)
#define CONNACK_PRESENT BYTES(0x20, 2, 1, 0)
#define T0 1000000u

static size_t piece; /* bytes handed in at a time, 0: all */

struct rig {
  struct ik_mqtt_session session;
  uint64_t now;
  char told[1024]; /* what receive() and tick() told since the last look */
  char detail[IOTKIT_DETAIL_MAX];
  bool hold; /* messages are not answered */
};

static void fn(void) {}
static void fn2(void) {}

static struct rig *rig_new(const struct ik_mqtt_session_options *given) {
  struct rig *rig = calloc(1, sizeof(*rig));
  assert_non_null(rig);
  struct ik_mqtt_session_options options = *given;
  if (!options.connect.client_id.ptr) options.connect.client_id = ik_str("c");
  if (!options.request_timeout_ms) options.request_timeout_ms = 10000;
  if (!options.max_packet) options.max_packet = 1000;
  if (!options.max_queue) options.max_queue = 2000;
  if (!options.max_in_flight) options.max_in_flight = 5;
  assert_int_equal(ik_mqtt_session_init(&rig->session, &options), 0);
  rig->now = T0;
  return rig;
}

static struct rig *clean(void) {
  return rig_new(
      &(struct ik_mqtt_session_options){.connect = {.clean_session = true, .keep_alive_s = 100}});
}

static struct rig *persistent(void) {
  return rig_new(&(struct ik_mqtt_session_options){.connect = {.keep_alive_s = 100}});
}

static void rig_free(struct rig *rig) {
  ik_mqtt_session_deinit(&rig->session);
  free(rig);
}

static void note(struct rig *rig, const struct ik_mqtt_happening *h) {
  const size_t len = strlen(rig->told);
  char *at = rig->told + len;
  const size_t room = sizeof(rig->told) - len;
  switch (h->type) {
  case IK_MQTT_ACCEPTED:
    snprintf(at, room, "up%s ", h->session_present ? "+" : "");
    break;
  case IK_MQTT_MESSAGE:
    snprintf(at, room, "msg%u:%u:%.*s=%.*s ", h->qos, h->packet_id, (int)h->message.topic.len,
             h->message.topic.ptr, (int)h->message.payload_len, (const char *)h->message.payload);
    break;
  case IK_MQTT_TOO_LARGE:
    snprintf(at, room, "large%u:%u:%zu ", h->qos, h->packet_id, h->size);
    break;
  case IK_MQTT_PUBLISHED:
    snprintf(at, room, "puback:%u:%d ", h->packet_id, h->error);
    break;
  case IK_MQTT_SUBSCRIBED:
    snprintf(at, room, "suback:%u:%u:%d ", h->packet_id, h->qos, h->error);
    break;
  case IK_MQTT_UNSUBSCRIBED:
    snprintf(at, room, "unsuback:%u:%d ", h->packet_id, h->error);
    break;
  case IK_MQTT_STRAY:
    snprintf(at, room, "stray:%u ", h->packet_id);
    break;
  }
}

/* The broker says this. Returns what receive() ended with. */
static int broker(struct rig *rig, const uint8_t *data, size_t len) {
  while (len) {
    const size_t n = piece && piece < len ? piece : len;
    uint8_t *copy = malloc(n);
    assert_non_null(copy);
    memcpy(copy, data, n);
    const uint8_t *at = copy;
    size_t left = n;
    int rc;
    struct ik_mqtt_happening happening;
    while ((rc = ik_mqtt_session_receive(&rig->session, &at, &left, rig->now, &happening,
                                         rig->detail)) > 0) {
      note(rig, &happening);
      if (happening.type == IK_MQTT_MESSAGE || happening.type == IK_MQTT_TOO_LARGE)
        if (!rig->hold) assert_int_equal(ik_mqtt_session_answer(&rig->session, &happening), 0);
    }
    free(copy);
    if (rc < 0) return rc;
    data += n;
    len -= n;
  }
  return 0;
}

static void assert_told(struct rig *rig, const char *want) {
  assert_string_equal(rig->told, want);
  rig->told[0] = '\0';
}

/* All that the session has to say, in the order of saying, as if it were written at once. */
static struct ik_buf said(struct rig *rig) {
  struct ik_buf all, part;
  ik_buf_init(&all, 1 << 20);
  ik_buf_init(&part, 1 << 20);
  while (ik_mqtt_session_take(&rig->session, &part, rig->now)) {
    assert_int_equal(ik_buf_append(&all, ik_buf_ptr(&part), ik_buf_size(&part)), 0);
    assert_int_equal(ik_mqtt_session_sent(&rig->session, ik_buf_size(&part), rig->now), 0);
    ik_buf_clear(&part);
  }
  ik_buf_free(&part);
  return all;
}

static void assert_said(struct rig *rig, const uint8_t *want, size_t len) {
  struct ik_buf all = said(rig);
  if (ik_buf_size(&all) != len || memcmp(ik_buf_ptr(&all), want, len) != 0) {
    for (size_t i = 0; i < ik_buf_size(&all); i++)
      print_error("%02x ", ik_buf_ptr(&all)[i]);
    fail_msg("is what was said; %zu bytes, wanted %zu", ik_buf_size(&all), len);
  }
  ik_buf_free(&all);
}

static void assert_silent(struct rig *rig) {
  assert_false(ik_mqtt_session_has_output(&rig->session));
}

static void swallow(struct rig *rig) {
  struct ik_buf all = said(rig);
  ik_buf_free(&all);
}

static int tick(struct rig *rig) {
  struct ik_mqtt_happening happening;
  int rc;
  while ((rc = ik_mqtt_session_tick(&rig->session, rig->now, &happening, rig->detail)) > 0)
    note(rig, &happening);
  return rc;
}

static void go_up(struct rig *rig) {
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  swallow(rig);
  assert_int_equal(broker(rig, CONNACK), 0);
  assert_told(rig, "up ");
}

static int publish(struct rig *rig, const char *topic, const char *payload, uint8_t qos) {
  const struct ik_mqtt_publish message = {.topic = ik_str(topic),
                                          .payload = (const uint8_t *)payload,
                                          .payload_len = strlen(payload),
                                          .qos = qos};
  return ik_mqtt_session_publish(&rig->session, &message);
}

static int subscribe(struct rig *rig, const char *filter, uint8_t qos) {
  return ik_mqtt_session_subscribe(&rig->session, ik_str(filter), qos, fn, NULL);
}

static int unsubscribe(struct rig *rig, const char *filter) {
  struct ik_mqtt_handler *removed;
  const int rc = ik_mqtt_session_unsubscribe(&rig->session, ik_str(filter), fn, NULL, &removed);
  ik_mqtt_handler_unref(removed);
  return rc;
}

/* ---- connecting ---- */

static void says_connect_and_comes_up(void **state) {
  (void)state;
  struct rig *rig = clean();
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  assert_said(rig, BYTES(0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 100, 0, 1, 'c'));
  assert_int_equal(broker(rig, CONNACK), 0);
  assert_told(rig, "up ");
  assert_silent(rig);
  rig_free(rig);
}

static void refusals_have_errors(void **state) {
  (void)state;
  static const struct {
    uint8_t code;
    int error;
  } rows[] = {{1, IK_EMQTT_VERSION},     {2, IK_EMQTT_CLIENT_ID},      {3, IK_EMQTT_UNAVAILABLE},
              {4, IK_EMQTT_CREDENTIALS}, {5, IK_EMQTT_NOT_AUTHORIZED}, {6, IK_EMQTT_REFUSED},
              {255, IK_EMQTT_REFUSED}};
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct rig *rig = clean();
    assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
    assert_int_equal(broker(rig, BYTES(0x20, 2, 0, rows[i].code)), rows[i].error);
    assert_told(rig, "");
    rig_free(rig);
  }
}

static void out_of_place_ends_the_connection(void **state) {
  (void)state;
  static const struct {
    bool up;
    uint8_t bytes[8];
    size_t len;
  } rows[] = {
      {false, {0x30, 3, 0, 1, 't'}, 5},
      {false, {0xd0, 0}, 2},
      {false, {0x40, 2, 0, 1}, 4},
      {false, {0x20, 2, 1, 0}, 4},
      {true, {0x20, 2, 0, 0}, 4},
      {true, {0x90, 4, 0, 1, 0, 0}, 6},
      {true, {0x36, 5, 0, 1, 't', 0, 1}, 7},
      {true, {0xe0, 0}, 2},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    struct rig *rig = clean();
    assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
    if (rows[i].up) assert_int_equal(broker(rig, CONNACK), 0);
    assert_int_equal(broker(rig, rows[i].bytes, rows[i].len), IK_EMQTT_PROTOCOL);
    assert_true(rig->detail[0]);
    rig_free(rig);
  }
}

/* ---- publishing ---- */

static void publishes(void **state) {
  (void)state;
  struct rig *rig = clean();
  assert_int_equal(publish(rig, "t", "x", 0), IK_ENOT_CONNECTED);
  go_up(rig);
  assert_int_equal(publish(rig, "t", "x", 0), 0);
  assert_int_equal(publish(rig, "t", "y", 1), 1);
  assert_int_equal(publish(rig, "t", "z", 0), 0);
  assert_said(
      rig, BYTES(0x30, 4, 0, 1, 't', 'x', 0x32, 6, 0, 1, 't', 0, 1, 'y', 0x30, 4, 0, 1, 't', 'z'));
  assert_int_equal(broker(rig, BYTES(0x40, 2, 0, 1, 0x40, 2, 0, 1, 0x50, 2, 0, 1, 0x70, 2, 0, 1)),
                   0);
  assert_told(rig, "puback:1:0 stray:1 stray:1 stray:1 ");
  rig_free(rig);
}

static void publish_refuses(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  char big[1100];
  memset(big, 'a', sizeof(big) - 1);
  big[sizeof(big) - 1] = '\0';
  assert_int_equal(publish(rig, "t", "x", 2), IK_EUNSUPPORTED);
  assert_int_equal(publish(rig, "t", "x", 3), IK_EINVALID_ARGUMENT);
  assert_int_equal(publish(rig, "t/#", "x", 0), IK_EMQTT_TOPIC);
  assert_int_equal(publish(rig, "", "x", 1), IK_EMQTT_TOPIC);
  assert_int_equal(publish(rig, "t", big, 1), IK_EMQTT_PACKET_TOO_LARGE);
  big[900] = '\0';
  assert_int_equal(publish(rig, "t", big, 0), 0);
  assert_int_equal(publish(rig, "t", big, 1), 1);
  assert_int_equal(publish(rig, "t", big, 0), IK_EQUEUE_FULL);
  assert_int_equal(publish(rig, "t", big, 1), IK_EQUEUE_FULL);
  swallow(rig);
  for (int i = 2; i <= 5; i++)
    assert_int_equal(publish(rig, "t", "x", 1), i);
  assert_int_equal(publish(rig, "t", "x", 1), IK_EQUEUE_FULL); /* five in flight */
  assert_int_equal(broker(rig, BYTES(0x40, 2, 0, 3)), 0);
  assert_int_equal(publish(rig, "t", "x", 1), 6);
  rig_free(rig);
}

/* Acknowledgements go out though the queue of publishes is full. */
static void a_full_queue_does_not_keep_acknowledgements(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  while (publish(rig, "t", "0123456789", 0) == 0)
    continue;
  for (int i = 0; i < 100; i++)
    assert_int_equal(broker(rig, BYTES(0x32, 5, 0, 1, 'm', 0, 9)), 0);
  struct ik_buf all = said(rig);
  static const uint8_t puback[] = {0x40, 2, 0, 9};
  assert_true(ik_buf_size(&all) > 400);
  assert_memory_equal(ik_buf_ptr(&all) + ik_buf_size(&all) - 4, puback, 4);
  ik_buf_free(&all);
  rig_free(rig);
}

/* A broker that sends and never reads: the session says when to stop reading, and stays within its bound. */
static void unread_acknowledgements_stop_the_reading(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  int packets = 0;
  while (ik_mqtt_session_can_receive(&rig->session)) {
    assert_int_equal(broker(rig, BYTES(0x32, 5, 0, 1, 'm', 0, 9)), 0);
    rig->told[0] = '\0';
    assert_true(++packets < 100000);
  }
  const uint8_t more[] = {0x32, 5, 0, 1, 'm', 0, 9};
  const uint8_t *at = more;
  size_t len = sizeof(more);
  struct ik_mqtt_happening happening;
  assert_int_equal(
      ik_mqtt_session_receive(&rig->session, &at, &len, rig->now, &happening, rig->detail), 0);
  assert_int_equal(len, sizeof(more)); /* nothing was taken, nothing is lost */
  swallow(rig);
  assert_true(ik_mqtt_session_can_receive(&rig->session));
  rig_free(rig);
}

static void in_flight_is_sent_again(void **state) {
  (void)state;
  struct rig *rig = clean();
  assert_int_equal(publish(rig, "t", "0", 1), 1); /* before there is a connection */
  go_up(rig);
  assert_int_equal(publish(rig, "t", "1", 1), 2);
  assert_int_equal(publish(rig, "t", "2", 1), 3);
  assert_said(rig, BYTES(0x32, 6, 0, 1, 't', 0, 1, '0', 0x32, 6, 0, 1, 't', 0, 2, '1', 0x32, 6, 0,
                         1, 't', 0, 3, '2'));
  assert_int_equal(broker(rig, BYTES(0x40, 2, 0, 2)), 0);
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(publish(rig, "t", "3", 1), 4);
  assert_told(rig, "puback:2:0 ");
  go_up(rig);
  assert_said(rig, BYTES(0x3a, 6, 0, 1, 't', 0, 1, '0', 0x3a, 6, 0, 1, 't', 0, 3, '2', 0x32, 6, 0,
                         1, 't', 0, 4, '3'));
  assert_int_equal(broker(rig, BYTES(0x40, 2, 0, 1, 0x40, 2, 0, 3, 0x40, 2, 0, 4)), 0);
  assert_told(rig, "puback:1:0 puback:3:0 puback:4:0 ");
  ik_mqtt_session_drop(&rig->session);
  go_up(rig);
  assert_silent(rig);
  rig_free(rig);
}

/* No resending by time on a live connection: TCP does that. */
static void in_flight_waits_while_connected(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  publish(rig, "t", "1", 1);
  swallow(rig);
  rig->now += 60000;
  assert_int_equal(tick(rig), 0);
  assert_silent(rig);
  rig_free(rig);
}

/* More than the queue takes is waiting after a drop: it goes out in portions, in order, and nothing twice. */
static void a_backlog_goes_out_in_portions(void **state) {
  (void)state;
  struct rig *rig = rig_new(&(struct ik_mqtt_session_options){.connect = {.clean_session = true},
                                                              .max_in_flight = 100,
                                                              .max_queue = 2000,
                                                              .max_packet = 2000});
  char text[601];
  memset(text, 'b', 600);
  text[600] = '\0';
  go_up(rig);
  for (int i = 0; i < 30; i++) {
    assert_int_equal(publish(rig, "t", text, 1), i + 1);
    swallow(rig);
  }
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(publish(rig, "t", text, 1), IK_EQUEUE_FULL);
  go_up(rig);
  assert_true(ik_buf_size(&rig->session.out) <= 2000);
  struct ik_buf all = said(rig);
  assert_int_equal(ik_buf_size(&all), 30 * 608);
  for (size_t i = 0; i < 30; i++) {
    assert_int_equal(ik_buf_ptr(&all)[i * 608], 0x3a);
    assert_int_equal(ik_buf_ptr(&all)[i * 608 + 7], i + 1);
  }
  ik_buf_free(&all);
  rig_free(rig);
}

static void identifiers_in_use_are_skipped(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  assert_int_equal(publish(rig, "t", "x", 1), 1);
  assert_int_equal(subscribe(rig, "a", 0), 2);
  rig->session.ids.last = 65534;
  assert_int_equal(publish(rig, "t", "x", 1), 65535);
  assert_int_equal(publish(rig, "t", "x", 1), 3);
  rig_free(rig);
}

/* ---- messages ---- */

static void messages_are_answered_when_handled(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  assert_int_equal(broker(rig, BYTES(0x30, 4, 0, 1, 'm', 'a')), 0);
  assert_silent(rig);
  assert_int_equal(broker(rig, BYTES(0x32, 6, 0, 1, 'm', 0, 7, 'b')), 0);
  assert_said(rig, BYTES(0x40, 2, 0, 7));
  rig->hold = true;
  assert_int_equal(broker(rig, BYTES(0x32, 6, 0, 1, 'm', 0, 8, 'c')), 0);
  assert_silent(rig);
  assert_told(rig, "msg0:0:m=a msg1:7:m=b msg1:8:m=c ");
  rig_free(rig);
}

static void qos2_comes_once(void **state) {
  (void)state;
  struct rig *rig = persistent();
  go_up(rig);
  assert_int_equal(broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'a')), 0);
  assert_int_equal(broker(rig, BYTES(0x3c, 6, 0, 1, 'm', 0, 7, 'a')), 0); /* again, before PUBREL */
  assert_said(rig, BYTES(0x50, 2, 0, 7, 0x50, 2, 0, 7));
  assert_told(rig, "msg2:7:m=a ");
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  swallow(rig);
  assert_int_equal(broker(rig, CONNACK_PRESENT), 0);
  assert_int_equal(broker(rig, BYTES(0x3c, 6, 0, 1, 'm', 0, 7, 'a', 0x62, 2, 0, 7, 0x62, 2, 0, 7)),
                   0);
  assert_said(rig, BYTES(0x50, 2, 0, 7, 0x70, 2, 0, 7, 0x70, 2, 0, 7));
  assert_told(rig, "up+ ");
  assert_int_equal(broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'b')),
                   0); /* the identifier is free again */
  assert_told(rig, "msg2:7:m=b ");
  ik_mqtt_session_drop(&rig->session);
  go_up(rig); /* a new session: what was half received is forgotten */
  assert_int_equal(broker(rig, BYTES(0x34, 6, 0, 1, 'm', 0, 7, 'c')), 0);
  assert_told(rig, "msg2:7:m=c ");
  rig_free(rig);
}

static void qos2_is_capped(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  for (unsigned id = 1; id <= 1024; id++) {
    assert_int_equal(broker(rig, BYTES(0x34, 5, 0, 1, 'm', (uint8_t)(id >> 8), (uint8_t)id)), 0);
    rig->told[0] = '\0';
    swallow(rig);
  }
  assert_int_equal(broker(rig, BYTES(0x34, 5, 0, 1, 'm', 0x7f, 1)), IK_EMQTT_PROTOCOL);
  rig_free(rig);
}

static void too_large_is_skipped_and_acknowledged(void **state) {
  (void)state;
  struct rig *rig = rig_new(
      &(struct ik_mqtt_session_options){.connect = {.clean_session = true}, .max_packet = 128});
  go_up(rig);
  uint8_t bytes[203] = {0x32, 0xc8, 1, 0, 1, 'm', 0, 7};
  assert_int_equal(broker(rig, bytes, sizeof(bytes)), 0);
  assert_int_equal(broker(rig, BYTES(0x30, 4, 0, 1, 'm', 'a')), 0);
  assert_told(rig, "large1:7:203 msg0:0:m=a ");
  assert_said(rig, BYTES(0x40, 2, 0, 7));
  rig_free(rig);
}

/* ---- subscribing ---- */

static void subscribes_and_unsubscribes(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  assert_int_equal(subscribe(rig, "a/#", 1), 1);
  assert_said(rig, BYTES(0x82, 8, 0, 1, 0, 3, 'a', '/', '#', 1));
  assert_int_equal(broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  assert_told(rig, "suback:1:1:0 ");
  assert_int_equal(unsubscribe(rig, "a/#"), 2);
  assert_said(rig, BYTES(0xa2, 7, 0, 2, 0, 3, 'a', '/', '#'));
  assert_int_equal(broker(rig, BYTES(0xb0, 2, 0, 2, 0xb0, 2, 0, 2, 0x90, 3, 0, 1, 0)), 0);
  assert_told(rig, "unsuback:2:0 stray:2 stray:1 ");
  assert_int_equal(unsubscribe(rig, "a/#"), 0);
  assert_int_equal(unsubscribe(rig, "a#"), IK_EMQTT_TOPIC);
  assert_int_equal(subscribe(rig, "a#", 1), IK_EMQTT_TOPIC);
  assert_int_equal(subscribe(rig, "a", 3), IK_EINVALID_ARGUMENT);
  assert_silent(rig);
  rig_free(rig);
}

static void a_refused_subscription_is_told_and_tried_again(void **state) {
  (void)state;
  struct rig *rig = persistent();
  go_up(rig);
  assert_int_equal(subscribe(rig, "a/b", 1), 1);
  swallow(rig);
  assert_int_equal(broker(rig, BYTES(0x90, 3, 0, 1, 0x80)), 0);
  assert_told(rig, "suback:1:0:-1309 ");
  assert_string_equal(rig->detail, "a/b");
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  swallow(rig);
  assert_int_equal(broker(rig, CONNACK_PRESENT), 0);
  assert_said(rig, BYTES(0x82, 8, 0, 2, 0, 3, 'a', '/', 'b', 1));
  rig_free(rig);
}

static void subscriptions_are_restored(void **state) {
  (void)state;
  struct rig *rig = clean();
  assert_int_equal(subscribe(rig, "a", 1), 0);
  go_up(rig);
  assert_said(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  assert_int_equal(broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  assert_int_equal(subscribe(rig, "b", 0),
                   2); /* not answered before the drop: keeps its identifier */
  swallow(rig);
  ik_mqtt_session_drop(&rig->session);
  rig->told[0] = '\0';
  go_up(rig);
  assert_said(rig, BYTES(0x82, 6, 0, 2, 0, 1, 'b', 0, 0x82, 6, 0, 3, 0, 1, 'a', 1));
  rig_free(rig);
}

static void a_present_session_keeps_its_subscriptions(void **state) {
  (void)state;
  struct rig *rig = persistent();
  go_up(rig);
  assert_int_equal(subscribe(rig, "a", 1), 1);
  assert_int_equal(subscribe(rig, "b", 1), 2);
  swallow(rig);
  assert_int_equal(broker(rig, BYTES(0x90, 3, 0, 1, 1, 0x90, 3, 0, 2, 1)), 0);
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(unsubscribe(rig, "b"), 0); /* the broker still holds it: it must be told */
  rig->told[0] = '\0';
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  swallow(rig);
  assert_int_equal(broker(rig, CONNACK_PRESENT), 0);
  assert_told(rig, "up+ ");
  assert_said(rig, BYTES(0xa2, 5, 0, 3, 0, 1, 'b'));
  ik_mqtt_session_drop(&rig->session);
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  swallow(rig);
  assert_int_equal(broker(rig, CONNACK), 0); /* lost after all */
  assert_said(rig, BYTES(0xa2, 5, 0, 3, 0, 1, 'b', 0x82, 6, 0, 4, 0, 1, 'a', 1));
  rig_free(rig);
}

static void unsubscribing_unsent_says_nothing(void **state) {
  (void)state;
  struct rig *rig = clean();
  assert_int_equal(subscribe(rig, "a", 1), 0);
  assert_int_equal(unsubscribe(rig, "a"), 0);
  go_up(rig);
  assert_silent(rig);
  assert_int_equal(subscribe(rig, "a", 1), 2);
  assert_int_equal(unsubscribe(rig, "a"),
                   3); /* SUBSCRIBE is out: UNSUBSCRIBE follows it, and a new one that */
  assert_int_equal(subscribe(rig, "a", 0), 4);
  assert_said(rig, BYTES(0x82, 6, 0, 2, 0, 1, 'a', 1, 0xa2, 5, 0, 3, 0, 1, 'a', 0x82, 6, 0, 4, 0, 1,
                         'a', 0));
  assert_int_equal(broker(rig, BYTES(0x90, 3, 0, 2, 1, 0xb0, 2, 0, 3, 0x90, 3, 0, 4, 0)), 0);
  assert_told(rig, "suback:2:1:0 unsuback:3:0 suback:4:0:0 ");
  rig_free(rig);
}

static void a_second_handler_subscribes_with_the_higher_qos(void **state) {
  (void)state;
  struct rig *rig = clean();
  struct ik_mqtt_handler *removed;
  go_up(rig);
  assert_int_equal(subscribe(rig, "a", 1), 1);
  assert_int_equal(ik_mqtt_session_subscribe(&rig->session, ik_str("a"), 0, fn2, NULL), 2);
  assert_said(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1, 0x82, 6, 0, 2, 0, 1, 'a', 1));
  assert_int_equal(unsubscribe(rig, "a"), 0); /* the other one is still there */
  assert_silent(rig);
  assert_int_equal(ik_mqtt_session_unsubscribe(&rig->session, ik_str("a"), fn2, NULL, &removed), 3);
  ik_mqtt_handler_unref(removed);
  rig_free(rig);
}

/* Many subscriptions go out as many as may be unanswered at a time, and all of them in the end. */
static void subscriptions_have_a_window(void **state) {
  (void)state;
  struct rig *rig = rig_new(
      &(struct ik_mqtt_session_options){.connect = {.clean_session = true}, .max_queue = 100000});
  char filter[16];
  for (int i = 0; i < 300; i++) {
    snprintf(filter, sizeof(filter), "f/%d", i);
    assert_int_equal(subscribe(rig, filter, 1), 0);
  }
  go_up(rig);
  unsigned answered = 0;
  while (rig->session.pending.count) {
    swallow(rig);
    assert_true(rig->session.pending.count <= IK_MQTT_REQUEST_WINDOW);
    const uint16_t id = rig->session.pending.first->packet_id;
    assert_int_equal(broker(rig, BYTES(0x90, 3, (uint8_t)(id >> 8), (uint8_t)id, 1)), 0);
    rig->told[0] = '\0';
    answered++;
  }
  assert_int_equal(answered, 300);
  assert_int_equal(rig->session.ids.count, 0);
  rig_free(rig);
}

static void an_unanswered_request_is_sent_again_once(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  assert_int_equal(subscribe(rig, "a", 1), 1);
  swallow(rig);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 10000);
  rig->now = T0 + 9999;
  assert_int_equal(tick(rig), 0);
  assert_told(rig, "");
  rig->now = T0 + 10000;
  assert_int_equal(tick(rig), 0);
  assert_told(rig, "suback:1:0:-1009 ");
  assert_said(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  rig->now = T0 + 20000;
  assert_int_equal(tick(rig), IK_ETIMEOUT);
  ik_mqtt_session_drop(&rig->session);
  go_up(rig);
  assert_said(rig, BYTES(0x82, 6, 0, 1, 0, 1, 'a', 1));
  assert_int_equal(broker(rig, BYTES(0x90, 3, 0, 1, 1)), 0);
  assert_told(rig, "suback:1:1:0 ");
  rig_free(rig);
}

/* ---- time ---- */

static void pings_when_idle(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 95000);
  rig->now = T0 + 50000;
  assert_int_equal(publish(rig, "t", "x", 0), 0);
  swallow(rig);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 145000); /* what was sent counts */
  rig->now = T0 + 100000;
  assert_int_equal(broker(rig, BYTES(0x30, 3, 0, 1, 'm')), 0); /* what was received does not */
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 145000);
  rig->now = T0 + 145000;
  assert_int_equal(tick(rig), 0);
  assert_int_equal(tick(rig), 0);
  assert_said(rig, BYTES(0xc0, 0));
  assert_int_equal(broker(rig, BYTES(0xd0, 0)), 0);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), T0 + 240000);
  rig_free(rig);
}

static void a_silent_broker_is_given_up(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  rig->now = T0 + 95000;
  assert_int_equal(tick(rig), 0);
  swallow(rig);
  rig->now += 6000;
  assert_int_equal(broker(rig, BYTES(0x30, 3, 0, 1, 'm')),
                   0); /* a sign of life, though no answer */
  rig->now += 9999;
  assert_int_equal(tick(rig), 0);
  rig->now += 1;
  assert_int_equal(tick(rig), IK_EMQTT_KEEP_ALIVE);
  rig_free(rig);
}

static void a_paused_session_misses_no_answer(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  assert_int_equal(subscribe(rig, "a", 1), 1);
  swallow(rig);
  ik_mqtt_session_pause(&rig->session, true, rig->now);
  for (int i = 1; i <= 3; i++) {
    rig->now = ik_mqtt_session_deadline(&rig->session);
    assert_int_equal(rig->now, T0 + 95000u * (unsigned)i);
    assert_int_equal(tick(rig), 0);
    assert_said(rig, BYTES(0xc0, 0));
  }
  ik_mqtt_session_pause(&rig->session, false, rig->now);
  assert_int_equal(tick(rig), 0);
  assert_int_equal(ik_mqtt_session_deadline(&rig->session), rig->now + 10000);
  rig_free(rig);
}

static void without_keep_alive_nothing_is_due(void **state) {
  (void)state;
  struct rig *rig = rig_new(&(struct ik_mqtt_session_options){.connect = {.clean_session = true}});
  assert_true(ik_mqtt_session_deadline(&rig->session) == UINT64_MAX);
  go_up(rig);
  assert_true(ik_mqtt_session_deadline(&rig->session) == UINT64_MAX);
  rig->now += 1u << 30;
  assert_int_equal(tick(rig), 0);
  assert_silent(rig);
  rig_free(rig);
}

/* ---- ends ---- */

static void leaves_with_disconnect_behind_all(void **state) {
  (void)state;
  struct rig *rig = clean();
  go_up(rig);
  assert_int_equal(publish(rig, "t", "x", 1), 1);
  ik_mqtt_session_leave(&rig->session);
  assert_false(ik_mqtt_session_finished(&rig->session));
  assert_int_equal(publish(rig, "t", "x", 0), IK_ENOT_CONNECTED);
  assert_said(rig, BYTES(0x32, 6, 0, 1, 't', 0, 1, 'x', 0xe0, 0));
  assert_true(ik_mqtt_session_finished(&rig->session));
  rig_free(rig);
}

static void gives_up_each_once(void **state) {
  (void)state;
  struct rig *rig = clean();
  struct ik_mqtt_happening happening;
  go_up(rig);
  publish(rig, "t", "x", 1);
  subscribe(rig, "a", 0);
  subscribe(rig, "b", 0);
  swallow(rig);
  ik_mqtt_session_drop(&rig->session);
  while (ik_mqtt_session_give_up(&rig->session, &happening))
    note(rig, &happening);
  assert_told(rig, "puback:1:-1004 suback:2:0:-1004 suback:3:0:-1004 ");
  assert_int_equal(rig->session.ids.count, 0);
  rig_free(rig);
}

static int whole(void **state) {
  (void)state;
  piece = 0;
  return 0;
}

static int bytewise(void **state) {
  (void)state;
  piece = 1;
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(says_connect_and_comes_up),
      cmocka_unit_test(refusals_have_errors),
      cmocka_unit_test(out_of_place_ends_the_connection),
      cmocka_unit_test(publishes),
      cmocka_unit_test(publish_refuses),
      cmocka_unit_test(a_full_queue_does_not_keep_acknowledgements),
      cmocka_unit_test(unread_acknowledgements_stop_the_reading),
      cmocka_unit_test(in_flight_is_sent_again),
      cmocka_unit_test(in_flight_waits_while_connected),
      cmocka_unit_test(a_backlog_goes_out_in_portions),
      cmocka_unit_test(identifiers_in_use_are_skipped),
      cmocka_unit_test(messages_are_answered_when_handled),
      cmocka_unit_test(qos2_comes_once),
      cmocka_unit_test(qos2_is_capped),
      cmocka_unit_test(too_large_is_skipped_and_acknowledged),
      cmocka_unit_test(subscribes_and_unsubscribes),
      cmocka_unit_test(a_refused_subscription_is_told_and_tried_again),
      cmocka_unit_test(subscriptions_are_restored),
      cmocka_unit_test(a_present_session_keeps_its_subscriptions),
      cmocka_unit_test(unsubscribing_unsent_says_nothing),
      cmocka_unit_test(a_second_handler_subscribes_with_the_higher_qos),
      cmocka_unit_test(subscriptions_have_a_window),
      cmocka_unit_test(an_unanswered_request_is_sent_again_once),
      cmocka_unit_test(pings_when_idle),
      cmocka_unit_test(a_silent_broker_is_given_up),
      cmocka_unit_test(a_paused_session_misses_no_answer),
      cmocka_unit_test(without_keep_alive_nothing_is_due),
      cmocka_unit_test(leaves_with_disconnect_behind_all),
      cmocka_unit_test(gives_up_each_once),
  };
  const int failed = cmocka_run_group_tests_name("whole", tests, whole, NULL);
  return failed + cmocka_run_group_tests_name("bytewise", tests, bytewise, NULL);
}
