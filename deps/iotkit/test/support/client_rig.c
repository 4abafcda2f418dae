/*
 * client_rig.c - the rig owns its client and its wire; the test frees the rig.
 */
#include "support/client_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  static const char *const states[] = {"idle", "connecting", "connected", "waiting", "closed"};
  struct client_rig *rig = ctx;
  const size_t len = strlen(rig->reported);
  char *at = rig->reported + len;
  const size_t room = sizeof(rig->reported) - len;
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
  if (rig->on_report) rig->on_report(rig, event);
}

void cr_handler(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {
  struct client_rig *rig = ctx;
  assert_ptr_equal(client, rig->client);
  rig->messages++;
  if (rig->on_message) rig->on_message(rig, message);
}

void cr_other_handler(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_message *message) {
  struct client_rig *rig = ctx;
  (void)client;
  (void)message;
  rig->messages += 100;
}

/* The test steps the client: nobody else is to drive it, not even for one write. */
static void is_driven(void *ctx) {
  (void)ctx;
}

struct client_rig *cr_new(const struct iotkit_mqtt_options *given) {
  struct client_rig *rig = calloc(1, sizeof(*rig));
  assert_non_null(rig);
  struct iotkit_mqtt_options options = given ? *given : (struct iotkit_mqtt_options){0};
  fake_wire_init(&rig->wire);
  options.host = "broker";
  options.port = 1883;
  if (!options.client_id) options.client_id = "c";
  options.on_event = on_event;
  options.ctx = rig;
  assert_int_equal(ik_mqtt_new_over(&options, fake_dial, &rig->wire, &rig->client, NULL), 0);
  iotkit_mqtt_set_waker(rig->client, is_driven, rig);
  rig->now = T0;
  return rig;
}

void cr_free(struct client_rig *rig) {
  assert_int_equal(iotkit_mqtt_free(rig->client), 0);
  assert_false(rig->wire.connected);
  fake_wire_free(&rig->wire);
  free(rig);
}

int cr_step(struct client_rig *rig) {
  return iotkit_mqtt_step(rig->client, rig->now);
}

/* Steps until the client has nothing more to do right now. */
void cr_settle(struct client_rig *rig) {
  do {
    (void)cr_step(rig);
  } while (iotkit_mqtt_deadline(rig->client) == 0);
}

void cr_assert_reported(struct client_rig *rig, const char *want) {
  assert_string_equal(rig->reported, want);
  rig->reported[0] = '\0';
}

void cr_say(struct client_rig *rig, const char *bytes, size_t len) {
  fake_say(&rig->wire, bytes, len);
}

void cr_assert_written(struct client_rig *rig, const char *want, size_t len) {
  assert_int_equal(ik_buf_size(&rig->wire.from_client), len);
  assert_memory_equal(ik_buf_ptr(&rig->wire.from_client), want, len);
  fake_forget(&rig->wire);
}

void cr_go_up(struct client_rig *rig) {
  if (iotkit_mqtt_get_state(rig->client) == IOTKIT_MQTT_IDLE)
    assert_int_equal(iotkit_mqtt_start(rig->client), 0);
  cr_settle(rig);
  SAY(rig, "\x20\x02\x00\x00");
  cr_settle(rig);
  assert_int_equal(iotkit_mqtt_get_state(rig->client), IOTKIT_MQTT_CONNECTED);
  fake_forget(&rig->wire);
  rig->reported[0] = '\0';
}
