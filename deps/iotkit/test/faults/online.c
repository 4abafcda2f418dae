/*
 * online.c - devices that keep trying, for at most TRIES_MAX errors and LIMIT_MS in all.
 */
#include "faults/online.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "iot_export.h"
#include "iotkit_loop.h"
#include "iotkit_mqtt.h"
#include "iotkit_over.h"
#include "port/port.h"
#include "support/job_run.h"
#include "support/mini_broker.h"

#define LIMIT_MS 10000
#define TRIES_MAX 20
#define ASK "ask"
#define ANSWERS "answers/+"
#define UPGRADE_TOPIC "/ota/device/upgrade/pk/dn"

static struct http_server *server;
static struct mini_broker *broker;
static char notice[1024];
static uint8_t got[JOB_SIZE];

/* ---- servers ---- */

void online_begin(void) {
  struct ik_digest *digest;
  uint8_t value[IOTKIT_DIGEST_MAX];
  char hex[65];
  for (unsigned i = 0; i < JOB_SIZE; i++)
    got[i] = http_image_byte(i);
  if (ik_digest_new(IOTKIT_DIGEST_SHA256, &digest) != 0) abort();
  ik_digest_update(digest, got, sizeof got);
  ik_digest_value(digest, value);
  ik_digest_free(digest);
  ik_hex_encode(value, 32, hex);
  server = http_server_start(job_serve_well, NULL);
  snprintf(notice, sizeof notice,
           "{\"code\":\"1000\",\"id\":1,\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"2.0.0\",\"url\":\"http://localhost:%u/f\",\"signMethod\":\"SHA256\","
           "\"sign\":\"%s\"}}",
           JOB_SIZE, http_server_port(server), hex);
}

void online_end(void) {
  http_server_stop(server);
}

static void answer(void *ctx, struct mini_broker *of, const char *payload) {
  (void)ctx;
  mini_broker_publish(of, "answers/1", payload, 1, false);
}

void online_prepare_broker(void) {
  broker = mini_broker_start();
  mini_broker_answer(broker, ASK, answer, NULL);
  memset(got, 0, sizeof got);
}

void online_prepare_fetch(void) {
  memset(got, 0, sizeof got);
}

void online_tidy(void) {
  if (broker != NULL) mini_broker_stop(broker);
  broker = NULL;
}

/* The platform tells whoever listens that there is an upgrade. False: nobody does. */
static bool push_notice(void) {
  bool was_watched = inject_watch(false);
  bool pushed = mini_broker_subscribed(broker, UPGRADE_TOPIC, NULL) &&
                mini_broker_publish(broker, UPGRADE_TOPIC, notice, 1, false);
  inject_watch(was_watched);
  return pushed;
}

static bool is_late(uint64_t began_ms) {
  return ik_port_now_ms() - began_ms > LIMIT_MS;
}

static bool is_image(void) {
  for (unsigned i = 0; i < JOB_SIZE; i++)
    if (got[i] != http_image_byte(i)) return false;
  return true;
}

/* ---- a fetch ---- */

static int fetch_all(iotkit_job_t *job, char *detail) {
  uint64_t began_ms = ik_port_now_ms(), next = 0;
  unsigned errors = 0;
  while (iotkit_job_get_state(job) != IOTKIT_JOB_FETCHED) {
    uint64_t offset = 0;
    int64_t n = iotkit_job_fetch(job, got + next, JOB_SIZE - next, 5000, &offset);
    if (n < 0) {
      int error = iotkit_job_error(job, detail);
      if (error != 0) return error;
      ik_detail(detail, "%s", iotkit_strerror((int)n));
      if (++errors > TRIES_MAX) return (int)n; /* the job goes on, if the device does */
      n = 0;
    }
    if (n == 0 && is_late(began_ms)) return IK_ETIMEOUT;
    if (n > 0) next = offset + (uint64_t)n;
  }
  int rc = iotkit_job_check(job);
  return rc == 0 && !is_image() ? IK_EINTERNAL : rc;
}

int online_fetch(char *detail) {
  const struct iotkit_fetch_options options = {
      .retry_min_ms = 1, .retry_max_ms = 1, .max_retries = 3, .proxy = "", .headers = "A: b\r\n"};
  iotkit_job_t *job;
  int rc = iotkit_job_parse(notice, strlen(notice), &options, &job, detail);
  if (rc == 0) rc = fetch_all(job, detail);
  iotkit_job_unref(job);
  return rc;
}

/* ---- a client ---- */

struct device {
  iotkit_mqtt_t *client;
  iotkit_loop_t *loop; /* NULL: it is yielded */
  bool connected, asked, answered, acknowledged;
  int error; /* of the last change of state */
  unsigned errors;
};

static void take_answer(void *ctx, iotkit_mqtt_t *client,
                        const struct iotkit_mqtt_message *message) {
  struct device *device = ctx;
  (void)client;
  device->answered = message->payload_len == 2 && memcmp(message->payload, "hi", 2) == 0;
}

/* Asks on each connection, and again where that was not taken. */
static int ask(struct device *device) {
  if (!device->connected || device->asked) return 0;
  int rc = iotkit_mqtt_publish(device->client, ASK, "hi", 2, 1, false);
  device->asked = rc > 0;
  return rc;
}

static bool is_done(const struct device *device) {
  return device->answered && device->acknowledged;
}

/* On the loop: what could not be asked is asked once more. */
static void ask_on_loop(void *arg) {
  struct device *device = arg;
  int rc = ask(device);
  if (rc >= 0) return;
  device->error = rc;
  if (++device->errors > TRIES_MAX || iotkit_loop_post(device->loop, ask_on_loop, device) < 0)
    iotkit_loop_stop(device->loop);
}

static void take_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct device *device = ctx;
  (void)client;
  if (event->type == IOTKIT_MQTT_EVENT_PUBLISHED) device->acknowledged = event->error == 0;
  if (event->type == IOTKIT_MQTT_EVENT_STATE) {
    device->connected = event->state == IOTKIT_MQTT_CONNECTED;
    device->asked = device->asked && device->connected;
    if (event->error != 0) device->error = event->error;
    if (event->error != 0) device->errors++;
  }
  if (device->loop == NULL) return;
  ask_on_loop(device);
  bool ended = event->type == IOTKIT_MQTT_EVENT_STATE && event->state == IOTKIT_MQTT_CLOSED;
  if (is_done(device) || ended || device->errors > TRIES_MAX) iotkit_loop_stop(device->loop);
}

static void take_answer_on_loop(void *ctx, iotkit_mqtt_t *client,
                                const struct iotkit_mqtt_message *message) {
  struct device *device = ctx;
  take_answer(ctx, client, message);
  if (is_done(device)) iotkit_loop_stop(device->loop);
}

static int start_client(struct device *device, iotkit_mqtt_message_fn handler, char *detail) {
  const struct iotkit_mqtt_options options = {.host = "localhost",
                                              .port = mini_broker_port(broker),
                                              .client_id = "c",
                                              .username = "u",
                                              .password = "p",
                                              .reconnect_min_ms = 1,
                                              .reconnect_max_ms = 1,
                                              .on_event = take_event,
                                              .ctx = device};
  int rc = iotkit_mqtt_new(&options, &device->client, detail);
  if (rc == 0) rc = iotkit_mqtt_start(device->client);
  if (rc == 0) rc = iotkit_mqtt_subscribe(device->client, ANSWERS, 1, handler, device);
  return rc < 0 ? rc : 0;
}

/* An error of one step passes, as a rule: a device tries again. */
static int yield_until_done(struct device *device, char *detail) {
  uint64_t began_ms = ik_port_now_ms();
  while (!is_done(device)) {
    int rc = iotkit_mqtt_yield(device->client, 100);
    if (rc >= 0) rc = ask(device);
    if (rc < 0) device->error = rc;
    if (rc < 0) device->errors++;
    if (rc == IK_ECLOSED || device->errors > TRIES_MAX) return device->error;
    if (is_late(began_ms)) {
      ik_detail(detail, "too late; %s", iotkit_error_name(device->error));
      return IK_ETIMEOUT;
    }
  }
  return 0;
}

/* Tells the broker that it goes. */
static void stop_client(const struct device *device) {
  if (iotkit_mqtt_stop(device->client) != 0) return;
  for (unsigned i = 0; i < TRIES_MAX; i++) {
    if (iotkit_mqtt_get_state(device->client) == IOTKIT_MQTT_CLOSED) break;
    (void)iotkit_mqtt_yield(device->client, 1000);
  }
}

int online_client(char *detail) {
  struct device device = {0};
  int rc = start_client(&device, take_answer, detail);
  if (rc == 0) rc = yield_until_done(&device, detail);
  if (rc == 0) stop_client(&device);
  int freed = iotkit_mqtt_free(device.client);
  return rc == 0 ? freed : rc;
}

static void start_on_loop(void *arg) {
  struct device *device = arg;
  int rc = iotkit_loop_add(device->loop, device->client);
  if (rc == 0) return;
  device->error = rc;
  iotkit_loop_stop(device->loop);
}

int online_loop(char *detail) {
  struct device device = {0};
  int rc = 0;
  do {
    rc = iotkit_loop_new(&device.loop);
  } while (rc < 0 && ++device.errors <= TRIES_MAX);
  if (rc == 0) rc = start_client(&device, take_answer_on_loop, detail);
  if (rc == 0) rc = iotkit_loop_post(device.loop, start_on_loop, &device);
  if (rc == 0) rc = iotkit_loop_run(device.loop);
  if (rc == 0 && !is_done(&device)) rc = device.error != 0 ? device.error : IK_EINTERNAL;
  iotkit_loop_free(device.loop);
  iotkit_mqtt_free(device.client);
  return rc;
}

/* ---- a channel ---- */

struct channel {
  struct device device;
  iotkit_ota_t *ota;
  iotkit_job_t *job;
  bool introduced, pushed;
};

static void take_upgrade(void *ctx, iotkit_ota_t *ota, iotkit_job_t *job) {
  struct channel *channel = ctx;
  (void)ota;
  iotkit_job_unref(channel->job);
  channel->job = job;
}

/* A notice that was refused for want of memory is asked for again. */
static void take_refusal(void *ctx, iotkit_ota_t *ota, int error, const char *detail,
                         const char *request_id) {
  struct channel *channel = ctx;
  (void)ota, (void)detail, (void)request_id;
  channel->device.error = error;
  channel->device.errors++;
  channel->pushed = false;
}

/* On each connection the device says what it has, and the platform what there is. */
static int introduce(struct channel *channel) {
  int rc = 0;
  if (!channel->device.connected) channel->introduced = channel->pushed = false;
  if (channel->device.connected && !channel->introduced) {
    rc = iotkit_ota_report_version(channel->ota, "1.0.0", "mcu");
    if (rc >= 0) rc = iotkit_ota_request(channel->ota, NULL, NULL);
    channel->introduced = rc >= 0;
  }
  if (!channel->pushed) channel->pushed = push_notice();
  return rc;
}

static int await_upgrade(struct channel *channel) {
  struct device *device = &channel->device;
  uint64_t began_ms = ik_port_now_ms();
  while (channel->job == NULL) {
    unsigned errors = device->errors;
    int rc = iotkit_mqtt_yield(device->client, 50);
    if (rc < 0 || device->errors != errors) channel->introduced = channel->pushed = false;
    if (rc >= 0) rc = introduce(channel);
    if (rc < 0) device->error = rc;
    if (rc < 0) device->errors++;
    if (device->errors > TRIES_MAX) return device->error;
    if (is_late(began_ms)) return IK_ETIMEOUT;
  }
  return 0;
}

static int open_channel(struct channel *channel, char *detail) {
  const struct iotkit_ota_options options = {
      .product_key = "pk",
      .device_name = "dn",
      .fetch = {.retry_min_ms = 1, .retry_max_ms = 1, .max_retries = 3, .proxy = ""},
      .on_upgrade = take_upgrade,
      .on_refused = take_refusal,
      .ctx = channel};
  int rc = start_client(&channel->device, take_answer, detail);
  if (rc == 0) rc = iotkit_ota_new(channel->device.client, &options, &channel->ota, detail);
  return rc;
}

int online_channel(char *detail) {
  struct channel channel = {0};
  int rc = open_channel(&channel, detail);
  if (rc == 0) rc = await_upgrade(&channel);
  if (rc == 0) rc = fetch_all(channel.job, detail);
  if (rc == 0) (void)iotkit_ota_report_progress(channel.ota, 100, "done", NULL);
  (void)iotkit_ota_free(channel.ota);
  iotkit_job_unref(channel.job);
  (void)iotkit_mqtt_free(channel.device.client);
  return rc;
}

/* ---- a channel over functions of the program's ---- */

static int over_publish(void *ctx, const char *topic, const void *payload, size_t len,
                        uint8_t qos) {
  const struct channel *channel = ctx;
  (void)topic, (void)payload, (void)len, (void)qos;
  return channel->device.connected ? 1 : IK_ENOT_CONNECTED;
}

static int over_subscribe(void *ctx, const char *topic, uint8_t qos) {
  (void)ctx, (void)topic, (void)qos;
  return 0;
}

static int over_unsubscribe(void *ctx, const char *topic) {
  return over_subscribe(ctx, topic, 0);
}

/* Feeds until the upgrade is there; what was refused for want of memory is pushed again. */
static int feed_upgrade(struct channel *channel) {
  for (unsigned i = 0; channel->job == NULL; i++) {
    int rc = iotkit_ota_feed(channel->ota, UPGRADE_TOPIC, strlen(UPGRADE_TOPIC), notice,
                             strlen(notice), false);
    if (rc != 1) return rc < 0 ? rc : IK_EINTERNAL;
    if (channel->job == NULL && i == TRIES_MAX) return channel->device.error;
  }
  return 0;
}

int online_over(char *detail) {
  struct channel channel = {0};
  const struct iotkit_transport transport = {.publish = over_publish,
                                             .subscribe = over_subscribe,
                                             .unsubscribe = over_unsubscribe,
                                             .ctx = &channel};
  const struct iotkit_ota_options options = {
      .product_key = "pk",
      .device_name = "dn",
      .fetch = {.retry_min_ms = 1, .retry_max_ms = 1, .max_retries = 3, .proxy = ""},
      .on_upgrade = take_upgrade,
      .on_refused = take_refusal,
      .ctx = &channel};
  int rc = iotkit_ota_new_over(&transport, &options, &channel.ota, detail);
  if (rc == 0) rc = iotkit_ota_report_version(channel.ota, "1.0.0", NULL); /* is kept */
  channel.device.connected = true;
  if (rc >= 0) rc = iotkit_ota_connected(channel.ota);
  if (rc == 0) rc = feed_upgrade(&channel);
  if (rc == 0) rc = fetch_all(channel.job, detail);
  (void)iotkit_ota_free(channel.ota);
  iotkit_job_unref(channel.job);
  return rc;
}

/* ---- the published API ---- */

static void fetch_published(void *ota) {
  uint32_t at = 0;
  uint64_t began_ms = ik_port_now_ms();
  while (!IOT_OTA_IsFetchFinish(ota) && !is_late(began_ms)) {
    int n = IOT_OTA_FetchYield(ota, (char *)got + at, JOB_SIZE - at, 5);
    if (n < 0) break;
    at += (uint32_t)n;
  }
}

static int upgrade_published(void *mqtt, void *ota) {
  uint64_t began_ms = ik_port_now_ms();
  uint32_t firmware_fits = 0;
  int error = 0;
  bool pushed = false;
  (void)IOT_OTA_ReportVersion(ota, "1.0.0");
  while (!IOT_OTA_IsFetching(ota)) {
    if (is_late(began_ms)) return IK_ETIMEOUT;
    IOT_MQTT_Yield(mqtt, 20);
    if (IOT_OTA_GetLastError(ota) != error) pushed = false; /* it was refused for want of memory */
    error = IOT_OTA_GetLastError(ota);
    if (!pushed) pushed = push_notice();
  }
  fetch_published(ota);
  if (IOT_OTA_Ioctl(ota, IOT_OTAG_CHECK_FIRMWARE, &firmware_fits, 4) != 0) return IK_EINTERNAL;
  (void)IOT_OTA_ReportProgress(ota, IOT_OTAP_FETCH_PERCENTAGE_MAX, "done");
  return firmware_fits == 1 && is_image() ? 0 : IK_EINTERNAL;
}

int online_published(char *detail) {
  iotx_mqtt_param_t param = {.host = "127.0.0.1",
                             .port = mini_broker_port(broker),
                             .client_id = "c",
                             .username = "u",
                             .password = "p",
                             .clean_session = 1};
  (void)detail;
  void *mqtt = IOT_MQTT_Construct(&param);
  void *ota = mqtt != NULL ? IOT_OTA_Init("pk", "dn", mqtt) : NULL;
  int rc = ota != NULL ? upgrade_published(mqtt, ota) : IK_EINTERNAL;
  if (ota != NULL) (void)IOT_OTA_Deinit(ota);
  if (mqtt != NULL) IOT_MQTT_Destroy(&mqtt);
  return rc;
}

void online_check_again(int (*run)(char *detail)) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  online_tidy();
  if (run != online_fetch) online_prepare_broker();
  int rc = run(detail);
  if (rc != 0) trial_wrong("the next run: %s: %s", iotkit_error_name(rc), detail);
  online_tidy();
}
