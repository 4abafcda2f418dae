/*
 * A client and a channel against a broker that says anything, with a program that calls them in any
 * order, inside callbacks too: every QoS 1 publish is reported once, every request of a kind that was
 * returned an id ends at most once, what is not allowed in a callback is refused there, no step is
 * asked for again and again with nothing to do, and 2 s after a stop all has ended.
 *
 * Input: options, then steps of the script (see `play`).
 */
#include <stdio.h>
#include <string.h>

#include "client/client.h"
#include "fuzz/support/fake_port.h"
#include "fuzz/support/input.h"
#include "iotkit_ota.h"
#include "support/fake_stream.h"

#define STEPS_MAX 5000 /* in a row that the client may ask for without time passing */
#define PLANS 64
#define END_MS 2000
#define INPUT_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct run {
  struct input in;
  struct fake_wire wire;
  iotkit_mqtt_t *client;
  iotkit_ota_t *ota;
  enum iotkit_mqtt_state state; /* as the last event said */
  bool flying[65536];           /* QoS 1 publishes by id */
  unsigned in_flight;
  uint16_t last_id;
  uint8_t plan[PLANS]; /* what the next callbacks do */
  unsigned planned;
  unsigned depth; /* callbacks that are running */
  bool in_channel;
};

static const char *const filters[] = {"a/b", "a/+", "#", "t", "a/b/c", "$SYS/x", "+", "bad#"};

static void act(struct run *run, unsigned what);

/* ---- callbacks ---- */

static void run_plan(struct run *run) {
  if (run->planned == 0) return;
  run->depth++;
  act(run, run->plan[--run->planned]);
  run->depth--;
}

static void check_state(const struct run *run, enum iotkit_mqtt_state to) {
  static const unsigned follow[] = {
      [IOTKIT_MQTT_IDLE] = 1u << IOTKIT_MQTT_CONNECTING | 1u << IOTKIT_MQTT_CLOSED,
      [IOTKIT_MQTT_CONNECTING] =
          1u << IOTKIT_MQTT_CONNECTED | 1u << IOTKIT_MQTT_WAITING | 1u << IOTKIT_MQTT_CLOSED,
      [IOTKIT_MQTT_CONNECTED] = 1u << IOTKIT_MQTT_WAITING | 1u << IOTKIT_MQTT_CLOSED,
      [IOTKIT_MQTT_WAITING] = 1u << IOTKIT_MQTT_CONNECTING | 1u << IOTKIT_MQTT_CLOSED,
      [IOTKIT_MQTT_CLOSED] = 0};
  CHECK(follow[run->state] >> to & 1);
}

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct run *run = ctx;
  CHECK(client == run->client && event->detail != NULL);
  CHECK(strlen(event->detail) < IOTKIT_DETAIL_MAX);
  if (event->type == IOTKIT_MQTT_EVENT_STATE) {
    check_state(run, event->state);
    run->state = event->state;
    if (event->state == IOTKIT_MQTT_CLOSED) CHECK(run->in_flight == 0);
  }
  if (event->type == IOTKIT_MQTT_EVENT_PUBLISHED) {
    CHECK(run->flying[event->packet_id]);
    run->flying[event->packet_id] = false;
    run->in_flight--;
  }
  if (event->type == IOTKIT_MQTT_EVENT_SUBSCRIBED || event->type == IOTKIT_MQTT_EVENT_UNSUBSCRIBED)
    CHECK(event->packet_id != 0 && !run->flying[event->packet_id]);
  if (event->type == IOTKIT_MQTT_EVENT_MESSAGE) CHECK(event->message->topic_len > 0);
  run_plan(run);
}

static void on_message(void *ctx, iotkit_mqtt_t *client,
                       const struct iotkit_mqtt_message *message) {
  struct run *run = ctx;
  CHECK(client == run->client && message->topic_len > 0);
  run_plan(run);
}

static void on_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct run *run = ctx;
  CHECK(iotkit_job_upgrade(job)->version[0] != '\0');
  CHECK(iotkit_ota_free(ota) == IK_EIN_CALLBACK);
  run->in_channel = true;
  run_plan(run);
  run->in_channel = false;
  iotkit_job_unref(job);
}

static void on_refused(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                       const char *request_id) {
  struct run *run = ctx;
  CHECK(error < 0 && detail != NULL && request_id != NULL);
  CHECK(iotkit_ota_free(ota) == IK_EIN_CALLBACK);
  run->in_channel = true;
  run_plan(run);
  run->in_channel = false;
}

/* ---- what the program does ---- */

static void publish(struct run *run, unsigned how) {
  static const char payload[300] = "payload";
  const uint8_t qos = how & 1;
  const size_t len = how & 2 ? sizeof(payload) : 7;
  const int rc = iotkit_mqtt_publish(run->client, how & 4 ? "t" : "a/b", payload, len, qos, false);
  CHECK(rc <= 0 || qos == 1);
  if (rc <= 0) return;
  CHECK(!run->flying[rc]);
  run->flying[rc] = true;
  run->in_flight++;
  run->last_id = (uint16_t)rc;
}

static void note_id(struct run *run, int rc) {
  if (rc <= 0) return;
  CHECK(!run->flying[rc]);
  run->last_id = (uint16_t)rc;
}

static void open_channel(struct run *run) {
  const struct iotkit_ota_options options = {.product_key = "pk",
                                             .device_name = "dn",
                                             .on_upgrade = on_upgrade,
                                             .on_refused = on_refused,
                                             .ctx = run};
  if (run->ota == NULL) (void)iotkit_ota_new(run->client, &options, &run->ota, NULL);
}

static void close_channel(struct run *run) {
  if (run->ota == NULL || run->in_channel) return;
  CHECK(iotkit_ota_free(run->ota) == 0);
  run->ota = NULL;
}

static void report(struct run *run, unsigned how) {
  char id[16];
  if (run->ota == NULL) return;
  const int rc = iotkit_ota_report_version(run->ota, "1.0.0", how & 1 ? "m" : NULL);
  if (rc > 0) {
    CHECK(!run->flying[rc]);
    run->flying[rc] = true;
    run->in_flight++;
  }
  (void)iotkit_ota_report_progress(run->ota, (int)how, "x", NULL);
  (void)iotkit_ota_request(run->ota, NULL, id);
}

/* What only the driver may do, and not inside a callback. */
static void drive(struct run *run, unsigned how) {
  if (run->depth > 0) {
    CHECK(iotkit_mqtt_step(run->client, fake_port_now_ms()) == IK_EIN_CALLBACK);
    CHECK(iotkit_mqtt_yield(run->client, 0) == IK_EIN_CALLBACK);
    CHECK(iotkit_mqtt_free(run->client) == IK_EIN_CALLBACK);
    return;
  }
  (void)iotkit_mqtt_yield(run->client, how * 100);
}

static void act(struct run *run, unsigned what) {
  const unsigned how = what >> 4;
  const char *filter = filters[how % 8];
  switch (what % 16) {
  case 0:
  case 1:
  case 2:
    publish(run, how);
    break;
  case 3:
  case 4:
    note_id(run, iotkit_mqtt_subscribe(run->client, filter, how & 1, on_message, run));
    break;
  case 5:
    note_id(run, iotkit_mqtt_subscribe(run->client, filter, 0, NULL, NULL));
    break;
  case 6:
  case 7:
    note_id(run, iotkit_mqtt_unsubscribe(run->client, filter, on_message, run));
    break;
  case 8:
    if (how == 0) (void)iotkit_mqtt_stop(run->client);
    break;
  case 9:
    iotkit_mqtt_interrupt(run->client);
    break;
  case 10:
    ik_mqtt_set_paused(run->client, how & 1, fake_port_now_ms());
    break;
  case 11:
    open_channel(run);
    break;
  case 12:
    close_channel(run);
    break;
  case 13:
    report(run, how);
    break;
  case 14:
    drive(run, how);
    break;
  default:
    (void)iotkit_mqtt_start(run->client);
  }
}

/* ---- what the broker says ---- */

static void say_ack(struct run *run, unsigned type, unsigned how) {
  const uint16_t id = how & 1 ? run->last_id : (uint16_t)(how >> 1);
  const uint8_t packet[] = {(uint8_t)type, 2, (uint8_t)(id >> 8), (uint8_t)id, (uint8_t)(how >> 2)};
  uint8_t suback[5];
  memcpy(suback, packet, sizeof(suback));
  suback[1] = 3;
  suback[4] = how & 2 ? 0x80 : how >> 2 & 1;
  if (type == 0x90)
    fake_say(&run->wire, suback, sizeof(suback));
  else
    fake_say(&run->wire, packet, 4);
}

static void say_publish(struct run *run, const char *topic, const char *text, unsigned how) {
  uint8_t packet[600];
  const unsigned qos = how % 3;
  const size_t topic_len = strlen(topic);
  const size_t text_len = strlen(text);
  const size_t len = 2 + topic_len + (qos ? 2 : 0) + text_len;
  size_t at = 0;
  CHECK(len < 512);
  packet[at++] = (uint8_t)(0x30 | qos << 1 | (how & 8) | (how & 16 ? 1 : 0));
  packet[at++] = (uint8_t)(len % 128 | 128);
  packet[at++] = (uint8_t)(len / 128);
  packet[at++] = 0;
  packet[at++] = (uint8_t)topic_len;
  memcpy(packet + at, topic, topic_len);
  at += topic_len;
  if (qos) packet[at++] = 0;
  if (qos) packet[at++] = (uint8_t)(1 + how);
  memcpy(packet + at, text, text_len);
  fake_say(&run->wire, packet, at + text_len);
}

static void say_notice(struct run *run, unsigned how) {
  static const char *const topics[] = {"/ota/device/upgrade/pk/dn",
                                       "/sys/pk/dn/thing/ota/firmware/get_reply",
                                       "/ota/device/request/pk/dn"};
  char json[400];
  snprintf(json, sizeof(json),
           "{\"code\":\"%u\",\"id\":%u,\"message\":\"success\",\"data\":{\"size\":%u,\"version\":"
           "\"2\",\"url\":\"http://h/f\","
           "\"signMethod\":\"Md5\",\"sign\":\"900150983cd24fb0d6963f7d28e17f72\"}}",
           how & 64 ? 400u : 1000u, how, how >> 5);
  say_publish(run, topics[how >> 3 & 3 ? how % 3 : 0], json, how);
}

static void say(struct run *run) {
  static const uint8_t connack[] = {0x20, 2, 0, 0}, present[] = {0x20, 2, 1, 0};
  static const uint8_t pong[] = {0xd0, 0}, pubrel[] = {0x62, 2, 0, 1};
  const unsigned how = next(&run->in);
  uint8_t refused[] = {0x20, 2, 0, (uint8_t)(how >> 4)};
  size_t len;
  const uint8_t *raw;
  switch (how % 16) {
  case 0:
  case 1:
    fake_say(&run->wire, connack, sizeof(connack));
    break;
  case 2:
    fake_say(&run->wire, present, sizeof(present));
    break;
  case 3:
    fake_say(&run->wire, refused, sizeof(refused));
    break;
  case 4:
  case 5:
    say_ack(run, 0x40, how >> 4);
    break;
  case 6:
  case 7:
    say_ack(run, 0x90, how >> 4);
    break;
  case 8:
    say_ack(run, 0xb0, how >> 4);
    break;
  case 9:
    fake_say(&run->wire, pong, sizeof(pong));
    break;
  case 10:
    fake_say(&run->wire, pubrel, sizeof(pubrel));
    break;
  case 11:
  case 12:
    say_publish(run, how & 128 ? "t" : "a/b", "hello", how >> 4);
    break;
  case 13:
    say_notice(run, next(&run->in));
    break;
  default:
    len = how >> 4;
    raw = next_bytes(&run->in, &len);
    fake_say(&run->wire, raw, len);
  }
}

static void harm(struct run *run) {
  static const int errors[] = {IK_ECONNECTION_RESET, IK_ECONNECTION_CLOSED, IK_ENETWORK};
  struct fake_wire *wire = &run->wire;
  const unsigned how = next(&run->in);
  switch (how % 8) {
  case 0:
    wire->read_error = 0; /* the end of the stream */
    break;
  case 1:
    wire->read_error = errors[how / 8 % 3];
    break;
  case 2:
    wire->write_error = errors[how / 8 % 3];
    break;
  case 3:
    wire->write_room = how / 8;
    break;
  case 4:
    wire->dial_error = how & 8 ? IK_ECONNECT : 0;
    break;
  case 5:
    wire->open_error = how & 8 ? IK_EAGAIN : how & 16 ? IK_ECONNECT : 0;
    break;
  case 6:
    wire->read_piece = how / 8;
    break;
  default: /* all is well again */
    wire->read_error = IK_EAGAIN;
    wire->write_error = wire->dial_error = wire->open_error = 0;
    wire->write_room = SIZE_MAX;
  }
}

/* ---- time ---- */

/* Steps until the client has nothing more to do right now. */
static void settle(struct run *run) {
  unsigned steps = 0;
  do {
    CHECK(steps++ < STEPS_MAX);
    (void)iotkit_mqtt_step(run->client, fake_port_now_ms());
  } while (iotkit_mqtt_deadline(run->client) <= fake_port_now_ms() &&
           iotkit_mqtt_get_state(run->client) != IOTKIT_MQTT_CLOSED);
}

static void play(struct run *run) {
  const unsigned what = next(&run->in);
  switch (what % 8) {
  case 0:
    fake_port_pass((uint64_t)(what / 8) * (what / 8) * 60);
    settle(run);
    break;
  case 1:
    (void)iotkit_mqtt_step(run->client, fake_port_now_ms());
    break;
  case 2:
  case 3:
    say(run);
    break;
  case 4:
    harm(run);
    break;
  case 5:
    if (run->planned < PLANS) run->plan[run->planned++] = (uint8_t)next(&run->in);
    break;
  default:
    act(run, next(&run->in));
  }
}

/* However it stands, it ends in 2 s. */
static void end(struct run *run) {
  run->planned = 0;
  close_channel(run);
  ik_mqtt_set_paused(run->client, false, fake_port_now_ms());
  (void)iotkit_mqtt_stop(run->client);
  const uint64_t end_ms = fake_port_now_ms() + END_MS;
  while (iotkit_mqtt_get_state(run->client) != IOTKIT_MQTT_CLOSED) {
    CHECK(fake_port_now_ms() <= end_ms);
    settle(run);
    fake_port_pass(100);
  }
  CHECK(run->state == IOTKIT_MQTT_CLOSED && run->in_flight == 0);
  CHECK(run->client->session.ids.count == 0);
  CHECK(iotkit_mqtt_publish(run->client, "t", "", 0, 1, false) == IK_ECLOSED);
}

static void wake(void *ctx) {
  (void)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  if (len < 1 || len > INPUT_MAX) return 0;
  struct run *run = calloc(1, sizeof(*run));
  CHECK(run != NULL);
  run->in = (struct input){data, len};
  const unsigned how = next(&run->in);
  const struct iotkit_mqtt_options options = {.host = "broker",
                                              .port = 1883,
                                              .client_id = "c",
                                              .persistent_session = (how & 1) != 0,
                                              .keep_alive_s = 30,
                                              .no_reconnect = (how & 2) != 0,
                                              .max_packet = how & 4 ? 400 : 0,
                                              .max_queue = how & 8 ? 500 : 0,
                                              .max_in_flight = how & 16 ? 3 : 0,
                                              .on_event = on_event,
                                              .ctx = run};
  fake_port_begin(1000);
  fake_wire_init(&run->wire);
  CHECK(ik_mqtt_new_over(&options, fake_dial, &run->wire, &run->client, NULL) == 0);
  /* With a waker somebody else steps; without, a call that sends writes at once. */
  if (how & 32) iotkit_mqtt_set_waker(run->client, wake, NULL);
  if (how & 64) (void)iotkit_mqtt_start(run->client);
  while (run->in.left > 0)
    play(run);
  end(run);
  CHECK(iotkit_mqtt_free(run->client) == 0);
  CHECK(!run->wire.connected);
  fake_wire_free(&run->wire);
  free(run);
  return 0;
}
