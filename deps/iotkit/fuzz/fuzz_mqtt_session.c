/*
 * The session against a broker that says anything: whatever the split of its bytes, the session
 * tells the same, says the same and ends the same; its identifiers always match what is under way,
 * and what it queues stays within its bound.
 *
 * Input: options, the seed of the split, then the broker's bytes; byte 0xff 0xff in them drops the
 * stream and opens it again.
 */
#include <stdlib.h>
#include <string.h>

#include "iotkit_errors.h"
#include "mqtt/session.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

#define RECORD_MAX ((size_t)1 << 24)
#define TICK_MS 7001 /* per reconnect, so that pings and time-outs come into play */

struct run {
  struct ik_mqtt_session session;
  struct ik_buf reported;
  struct ik_buf sent;
  struct ik_mqtt_handler *removed;
  uint64_t now_ms;
  uint32_t seed; /* 0: no split */
};

static void fn(void) {}

static void put(struct ik_buf *record, const void *data, size_t len) {
  CHECK(ik_buf_append(record, data, len) == 0);
}

static void put_u32(struct ik_buf *record, uint32_t value) {
  put(record, &value, sizeof(value));
}

static void check(const struct run *run) {
  const struct ik_mqtt_session *session = &run->session;
  CHECK(session->ids.count ==
        session->flights.count + session->pending.count + session->waiting.count);
  CHECK(ik_mqtt_requests_count_awaited(&session->pending) <= IK_MQTT_REQUEST_WINDOW);
  CHECK(ik_buf_size(&session->out) <= session->max_out);
  CHECK(session->flights.unsent || session->flights.unsent_bytes == 0);
}

static void write_out(struct run *run) {
  struct ik_buf bytes;
  ik_buf_init(&bytes, 1);
  while (ik_mqtt_session_take(&run->session, &bytes, run->now_ms)) {
    put(&run->sent, ik_buf_ptr(&bytes), ik_buf_size(&bytes));
    CHECK(ik_mqtt_session_sent(&run->session, ik_buf_size(&bytes), run->now_ms) == 0);
    ik_buf_clear(&bytes);
  }
  ik_buf_free(&bytes);
}

static void note(struct run *run, const struct ik_mqtt_event *event) {
  put_u32(&run->reported, (uint32_t)event->type);
  put_u32(&run->reported, event->packet_id);
  put_u32(&run->reported, (uint32_t)event->error);
  put_u32(&run->reported, (uint32_t)event->size);
  if (event->type == IK_MQTT_MESSAGE) {
    struct ik_mqtt_matches matches;
    CHECK(ik_mqtt_subs_match(&run->session.subs, event->message.topic, &matches) == 0);
    put_u32(&run->reported, (uint32_t)matches.count);
    ik_mqtt_matches_free(&matches);
    put(&run->reported, event->message.payload, event->message.payload_len);
  }
  if (event->type == IK_MQTT_MESSAGE || event->type == IK_MQTT_TOO_LARGE)
    CHECK(ik_mqtt_session_answer(&run->session, event) == 0);
}

/* What an application does with each connection. */
static void act(struct run *run) {
  struct ik_mqtt_publish publish = {
      .topic = ik_str("t/1"), .payload = (const uint8_t *)"hello", .payload_len = 5, .qos = 1};
  put_u32(&run->reported, (uint32_t)ik_mqtt_session_publish(&run->session, &publish));
  publish.qos = 2;
  put_u32(&run->reported, (uint32_t)ik_mqtt_session_publish(&run->session, &publish));
  put_u32(&run->reported,
          (uint32_t)ik_mqtt_session_subscribe(&run->session, ik_str("a/+"), 1, fn, NULL));
  put_u32(&run->reported,
          (uint32_t)ik_mqtt_session_subscribe(&run->session, ik_str("t"), 0, fn, NULL));
  if (run->now_ms % 2) return;
  put_u32(&run->reported, (uint32_t)ik_mqtt_session_unsubscribe(&run->session, ik_str("a/+"), fn,
                                                                NULL, &run->removed));
  ik_mqtt_handler_unref(run->removed);
}

static void reopen(struct run *run) {
  struct ik_mqtt_event event;
  char detail[IOTKIT_DETAIL_MAX];
  ik_mqtt_session_drop(&run->session);
  run->now_ms += TICK_MS;
  CHECK(ik_mqtt_session_open(&run->session, run->now_ms) == 0);
  act(run);
  while (ik_mqtt_session_tick(&run->session, run->now_ms, &event, detail) > 0)
    note(run, &event);
}

static int feed(struct run *run, const uint8_t *data, size_t len) {
  struct ik_mqtt_event event;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc;
  while ((rc = ik_mqtt_session_receive(&run->session, &data, &len, &event, detail)) > 0) {
    note(run, &event);
    check(run);
    write_out(run);
  }
  CHECK(rc < 0 || len == 0);
  write_out(run);
  check(run);
  return rc;
}

static size_t piece(struct run *run, size_t len) {
  if (!run->seed) return len;
  run->seed = run->seed * 1103515245u + 12345u;
  const size_t n = 1 + (run->seed >> 16) % 16;
  return n < len ? n : len;
}

/* One stream's bytes, up to the mark. */
static void connection(struct run *run, const uint8_t *data, size_t len) {
  int rc = 0;
  reopen(run);
  while (len && rc == 0) {
    const size_t n = piece(run, len);
    uint8_t *copy = malloc(n);
    CHECK(copy);
    memcpy(copy, data, n);
    rc = feed(run, copy, n);
    free(copy);
    data += n;
    len -= n;
  }
  put_u32(&run->reported, (uint32_t)rc);
}

static void play(struct run *run, uint8_t options, const uint8_t *data, size_t len) {
  const struct ik_mqtt_session_options settings = {
      .connect = {.client_id = ik_str("c"), .clean_session = (options & 1) != 0, .keep_alive_s = 5},
      .request_timeout_ms = 3000,
      .max_packet = 128 + (options >> 1),
      .max_queue = 300,
      .max_in_flight = 6};
  run->now_ms = 1;
  ik_buf_init(&run->reported, RECORD_MAX);
  ik_buf_init(&run->sent, RECORD_MAX);
  CHECK(ik_mqtt_session_init(&run->session, &settings) == 0);
  while (len) {
    size_t n = 0;
    while (n < len && !(n + 1 < len && data[n] == 0xff && data[n + 1] == 0xff))
      n++;
    connection(run, data, n);
    n = n < len ? n + 2 : len;
    data += n;
    len -= n;
  }
  ik_mqtt_session_deinit(&run->session);
}

static void same(struct ik_buf *a, struct ik_buf *b) {
  CHECK(ik_buf_size(a) == ik_buf_size(b));
  CHECK(memcmp(ik_buf_ptr(a), ik_buf_ptr(b), ik_buf_size(a)) == 0);
  ik_buf_free(a);
  ik_buf_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
  struct run whole = {.seed = 0};
  if (len < 2 || len > 4096) return 0;
  struct run split = {.seed = data[1] + 1u};
  play(&whole, data[0], data + 2, len - 2);
  play(&split, data[0], data + 2, len - 2);
  same(&whole.reported, &split.reported);
  same(&whole.sent, &split.sent);
  return 0;
}
