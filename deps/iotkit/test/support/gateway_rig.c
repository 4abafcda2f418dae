/*
 * gateway_rig.c - reads the client's packets, keeps notes, answers. The test frees the rig.
 */
#include "support/gateway_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mqtt/packet.h"

#define PACKET_MAX ((size_t)1 << 20)
#define ROUNDS_MAX 10000

struct gateway_rig *gr_current;

static void note(char *log, size_t cap, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void note(char *log, size_t cap, const char *format, ...) {
  const size_t len = strlen(log);
  va_list args;
  va_start(args, format);
  vsnprintf(log + len, cap - len, format, args);
  va_end(args);
}
#define NOTE(log, ...) note((log), sizeof(log), __VA_ARGS__)

/* ---- the gateway's callbacks ---- */

static void on_event(void *ctx, iotkit_gateway_t *gateway,
                     const struct iotkit_gateway_event *event) {
  static const char *const names[] = {"?",       "in",       "refused", "out",
                                      "kicked",  "disabled", "enabled", "deleted",
                                      "created", "wanted",   "permit"};
  struct gateway_rig *rig = ctx;
  assert_ptr_equal(gateway, rig->gateway);
  NOTE(rig->heard, "%s:%s", names[event->type], event->device_name);
  if (event->code != 0) NOTE(rig->heard, ":%d:%u:%s", event->error, event->code, event->message);
  if (event->type == IOTKIT_GATEWAY_PERMIT)
    NOTE(rig->heard, "%s:%u", event->product_key, event->timeout_s);
  NOTE(rig->heard, " ");
  if (rig->on_event != NULL) rig->on_event(rig, event);
}

void gr_on_answer(void *ctx, iotkit_gateway_t *gateway,
                  const struct iotkit_gateway_answer *answer) {
  struct gateway_rig *rig = gr_current;
  (void)gateway;
  NOTE(rig->heard, "%s:%d:%u", (const char *)ctx, answer->error, answer->code);
  for (size_t i = 0; i < answer->count; i++)
    NOTE(rig->heard, ":%s/%s%s%s", answer->devices[i].product_key, answer->devices[i].device_name,
         answer->devices[i].device_secret != NULL ? "/" : "",
         answer->devices[i].device_secret != NULL ? answer->devices[i].device_secret : "");
  NOTE(rig->heard, " ");
}

/* ---- the platform ---- */

static void say_packet(struct gateway_rig *rig, struct ik_buf *packet) {
  fake_say(&rig->client->wire, ik_buf_ptr(packet), ik_buf_size(packet));
  ik_buf_free(packet);
}

void gr_push(struct gateway_rig *rig, const char *topic, const char *payload) {
  struct ik_buf packet;
  const struct ik_mqtt_publish publish = {
      .topic = ik_str(topic), .payload = (const uint8_t *)payload, .payload_len = strlen(payload)};
  ik_buf_init(&packet, PACKET_MAX);
  assert_int_equal(ik_mqtt_write_publish(&packet, &publish), 0);
  say_packet(rig, &packet);
  gr_run(rig);
}

unsigned gr_id(const char *payload) {
  static const char head[] = "{\"id\":\"";
  uint64_t id = 0;
  bool stopped;
  assert_memory_equal(payload, head, sizeof(head) - 1);
  struct ik_str rest = ik_str(payload + sizeof(head) - 1);
  assert_true(ik_str_u64(ik_str_take(&rest, '"', &stopped), &id));
  return (unsigned)id;
}

static void reply(struct gateway_rig *rig, unsigned code, const char *data) {
  char topic[300];
  char payload[2048];
  const unsigned id = gr_id(rig->payload);
  snprintf(topic, sizeof(topic), "%s_reply", rig->topic);
  snprintf(payload, sizeof(payload), "{\"id\":\"%u\",\"code\":%u,\"message\":\"%s\",\"data\":%s}",
           id, code, code == 200 ? "success" : "no", data);
  struct ik_buf packet;
  const struct ik_mqtt_publish publish = {
      .topic = ik_str(topic), .payload = (const uint8_t *)payload, .payload_len = strlen(payload)};
  ik_buf_init(&packet, PACKET_MAX);
  assert_int_equal(ik_mqtt_write_publish(&packet, &publish), 0);
  say_packet(rig, &packet);
}

/* Notes each deviceName of the payload; how many there are. */
static size_t note_names(struct gateway_rig *rig, bool login) {
  static const char mark[] = "\"deviceName\":\"";
  size_t count = 0;
  const char *at = rig->payload;
  while ((at = strstr(at, mark)) != NULL) {
    at += sizeof(mark) - 1;
    if (++count <= 4) NOTE(rig->said, ":%.*s", (int)strcspn(at, "\""), at);
    if (login && rig->logins < GR_LOGINS_MAX) rig->login_ms[rig->logins++] = rig->client->now;
  }
  if (count > 4) NOTE(rig->said, ":…%zu", count);
  return count;
}

static void take_publish(struct gateway_rig *rig) {
  const char *tail = strrchr(rig->topic, '/') + 1;
  const bool session = strncmp(rig->topic, "/ext/session/", 13) == 0;
  const bool login = session && strstr(tail, "login") != NULL;
  rig->messages++;
  if (strncmp(rig->topic, "/ota/", 5) == 0) {
    NOTE(rig->said, "%s ", rig->topic + 12);
    return;
  }
  NOTE(rig->said, "%s", tail);
  const size_t count = note_names(rig, login);
  NOTE(rig->said, " ");
  if (strstr(tail, "_reply") != NULL || rig->code == 0) return;
  const bool spared = rig->culprit != NULL && strstr(rig->payload, rig->culprit) == NULL;
  if (session && (rig->code == 200 || spared || count < rig->bad))
    reply(rig, 200, "{}");
  else
    reply(rig, rig->code, rig->data);
}

/* One packet of the client. */
static void take_packet(struct gateway_rig *rig, uint8_t first, const uint8_t *body, size_t len) {
  const unsigned type = first >> 4;
  struct ik_buf out;
  ik_buf_init(&out, PACKET_MAX);
  if (type == IK_MQTT_CONNECT) {
    ik_buf_append(&out, "\x20\x02\x00\x00", 4);
  } else if (type == IK_MQTT_SUBSCRIBE) {
    const size_t topic_len = (size_t)body[2] << 8 | body[3];
    NOTE(rig->filters, "%.*s ", (int)topic_len, (const char *)body + 4);
    const uint8_t suback[] = {0x90, 3, body[0], body[1], 0};
    ik_buf_append(&out, suback, sizeof(suback));
  } else if (type == IK_MQTT_UNSUBSCRIBE) {
    const size_t topic_len = (size_t)body[2] << 8 | body[3];
    NOTE(rig->filters, "-%.*s ", (int)topic_len, (const char *)body + 4);
    const uint8_t unsuback[] = {0xb0, 2, body[0], body[1]};
    ik_buf_append(&out, unsuback, sizeof(unsuback));
  } else if (type == IK_MQTT_PUBLISH) {
    const size_t topic_len = (size_t)body[0] << 8 | body[1];
    size_t at = 2 + topic_len;
    if (first & 6) {
      const uint8_t puback[] = {0x40, 2, body[at], body[at + 1]};
      ik_buf_append(&out, puback, sizeof(puback));
      rig->qos1++;
      at += 2;
    }
    assert_true(topic_len < sizeof(rig->topic) && len - at < sizeof(rig->payload));
    snprintf(rig->topic, sizeof(rig->topic), "%.*s", (int)topic_len, (const char *)body + 2);
    memcpy(rig->payload, body + at, len - at);
    rig->payload[len - at] = '\0';
    take_publish(rig);
  }
  say_packet(rig, &out);
}

static bool play(struct gateway_rig *rig) {
  struct ik_buf *from = &rig->client->wire.from_client;
  bool any = false;
  for (;;) {
    const uint8_t *data = ik_buf_ptr(from);
    const size_t have = ik_buf_size(from);
    size_t len = 0;
    size_t head = 1;
    unsigned shift = 0;
    do {
      if (head >= have) return any;
      len |= (size_t)(data[head] & 127) << shift;
      shift += 7;
    } while (data[head++] & 128);
    if (have < head + len) return any;
    take_packet(rig, data[0], data + head, len);
    ik_buf_consume(from, head + len);
    any = true;
  }
}

/* ---- driving ---- */

void gr_run(struct gateway_rig *rig) {
  int rounds = 0;
  do {
    cr_settle(rig->client);
    assert_true(++rounds < ROUNDS_MAX);
  } while (play(rig) || ik_buf_size(&rig->client->wire.to_client) > 0);
}

void gr_pass(struct gateway_rig *rig, uint64_t ms) {
  const uint64_t end_ms = rig->client->now + ms;
  for (int rounds = 0; rig->client->now < end_ms; rounds++) {
    const uint64_t due_ms = iotkit_mqtt_deadline(rig->client->client);
    assert_true(rounds < ROUNDS_MAX);
    if (due_ms > rig->client->now) rig->client->now = due_ms < end_ms ? due_ms : end_ms;
    gr_run(rig);
  }
}

void gr_connect(struct gateway_rig *rig) {
  if (iotkit_mqtt_get_state(rig->client->client) == IOTKIT_MQTT_IDLE)
    assert_int_equal(iotkit_mqtt_start(rig->client->client), 0);
  for (int i = 0; iotkit_mqtt_get_state(rig->client->client) != IOTKIT_MQTT_CONNECTED; i++) {
    assert_true(i < ROUNDS_MAX);
    const uint64_t due_ms = iotkit_mqtt_deadline(rig->client->client);
    if (due_ms != UINT64_MAX && due_ms > rig->client->now) rig->client->now = due_ms;
    rig->client->wire.read_error = IK_EAGAIN;
    gr_run(rig);
  }
  gr_run(rig);
}

void gr_drop(struct gateway_rig *rig) {
  rig->client->wire.read_error = IK_ECONNECTION_RESET;
  cr_settle(rig->client);
  assert_int_equal(iotkit_mqtt_get_state(rig->client->client), IOTKIT_MQTT_WAITING);
  ik_buf_clear(&rig->client->wire.from_client);
}

void gr_assert_said(struct gateway_rig *rig, const char *want) {
  assert_string_equal(rig->said, want);
  rig->said[0] = '\0';
}

void gr_assert_heard(struct gateway_rig *rig, const char *want) {
  assert_string_equal(rig->heard, want);
  rig->heard[0] = '\0';
}

struct gateway_rig *gr_new(const struct iotkit_gateway_options *given) {
  struct gateway_rig *rig = calloc(1, sizeof(*rig));
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_non_null(rig);
  struct iotkit_gateway_options options =
      given != NULL ? *given : (struct iotkit_gateway_options){0};
  options.product_key = "gpk";
  options.device_name = "gdn";
  options.on_event = on_event;
  options.ctx = rig;
  rig->client = cr_new(NULL);
  rig->client->wire.read_error = IK_EAGAIN;
  rig->code = 200;
  rig->data = "{}";
  gr_current = rig;
  if (iotkit_gateway_new(rig->client->client, &options, &rig->gateway, detail) != 0)
    fail_msg("%s", detail);
  return rig;
}

void gr_free(struct gateway_rig *rig) {
  assert_int_equal(iotkit_gateway_free(rig->gateway), 0);
  cr_free(rig->client);
  free(rig);
}
