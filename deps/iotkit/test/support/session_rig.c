/*
 * session_rig.c - the rig belongs to the test, which frees it.
 */
#include "support/session_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t session_piece;

int sr_whole(void **state) {
  (void)state;
  session_piece = 0;
  return 0;
}

int sr_bytewise(void **state) {
  (void)state;
  session_piece = 1;
  return 0;
}

void sr_fn(void) {}
void sr_fn2(void) {}

struct session_rig *sr_new(const struct ik_mqtt_session_options *given) {
  struct session_rig *rig = calloc(1, sizeof(*rig));
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

struct session_rig *sr_clean(void) {
  return sr_new(
      &(struct ik_mqtt_session_options){.connect = {.clean_session = true, .keep_alive_s = 100}});
}

struct session_rig *sr_persistent(void) {
  return sr_new(&(struct ik_mqtt_session_options){.connect = {.keep_alive_s = 100}});
}

void sr_free(struct session_rig *rig) {
  ik_mqtt_session_deinit(&rig->session);
  free(rig);
}

void sr_note(struct session_rig *rig, const struct ik_mqtt_event *h) {
  const size_t len = strlen(rig->reported);
  char *at = rig->reported + len;
  const size_t room = sizeof(rig->reported) - len;
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
int sr_broker(struct session_rig *rig, const uint8_t *data, size_t len) {
  while (len) {
    const size_t n = session_piece && session_piece < len ? session_piece : len;
    uint8_t *copy = malloc(n);
    assert_non_null(copy);
    memcpy(copy, data, n);
    const uint8_t *at = copy;
    size_t left = n;
    int rc;
    struct ik_mqtt_event event;
    while ((rc = ik_mqtt_session_receive(&rig->session, &at, &left, &event, rig->detail)) > 0) {
      sr_note(rig, &event);
      if (event.type == IK_MQTT_MESSAGE || event.type == IK_MQTT_TOO_LARGE)
        if (!rig->hold) assert_int_equal(ik_mqtt_session_answer(&rig->session, &event), 0);
    }
    free(copy);
    if (rc < 0) return rc;
    data += n;
    len -= n;
  }
  return 0;
}

void sr_assert_reported(struct session_rig *rig, const char *want) {
  assert_string_equal(rig->reported, want);
  rig->reported[0] = '\0';
}

/* All that the session has to say, in the order of saying, as if it were written at once. */
struct ik_buf sr_sent(struct session_rig *rig) {
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

void sr_assert_sent(struct session_rig *rig, const uint8_t *want, size_t len) {
  struct ik_buf all = sr_sent(rig);
  if (ik_buf_size(&all) != len || memcmp(ik_buf_ptr(&all), want, len) != 0) {
    for (size_t i = 0; i < ik_buf_size(&all); i++)
      print_error("%02x ", ik_buf_ptr(&all)[i]);
    fail_msg("is what was sent; %zu bytes, wanted %zu", ik_buf_size(&all), len);
  }
  ik_buf_free(&all);
}

void sr_assert_silent(struct session_rig *rig) {
  assert_false(ik_mqtt_session_has_output(&rig->session));
}

void sr_swallow(struct session_rig *rig) {
  struct ik_buf all = sr_sent(rig);
  ik_buf_free(&all);
}

int sr_tick(struct session_rig *rig) {
  struct ik_mqtt_event event;
  int rc;
  while ((rc = ik_mqtt_session_tick(&rig->session, rig->now, &event, rig->detail)) > 0)
    sr_note(rig, &event);
  return rc;
}

void sr_go_up(struct session_rig *rig) {
  assert_int_equal(ik_mqtt_session_open(&rig->session, rig->now), 0);
  sr_swallow(rig);
  assert_int_equal(sr_broker(rig, CONNACK), 0);
  sr_assert_reported(rig, "up ");
}

int sr_publish(struct session_rig *rig, const char *topic, const char *payload, uint8_t qos) {
  const struct ik_mqtt_publish message = {.topic = ik_str(topic),
                                          .payload = (const uint8_t *)payload,
                                          .payload_len = strlen(payload),
                                          .qos = qos};
  return ik_mqtt_session_publish(&rig->session, &message);
}

int sr_subscribe(struct session_rig *rig, const char *filter, uint8_t qos) {
  return ik_mqtt_session_subscribe(&rig->session, ik_str(filter), qos, sr_fn, NULL);
}

int sr_unsubscribe(struct session_rig *rig, const char *filter) {
  struct ik_mqtt_handler *removed;
  const int rc = ik_mqtt_session_unsubscribe(&rig->session, ik_str(filter), sr_fn, NULL, &removed);
  ik_mqtt_handler_unref(removed);
  return rc;
}
