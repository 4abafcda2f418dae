/*
 * IOT_OTA_*: the documented sequence over a broker and a server on loopback, and what every call
 * answers in every state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "iot_export.h"
#include "port/port.h"
#include "support/cm.h"
#include "support/http_server.h"
#include "support/mini_broker.h"

#define SIZE 20000u
#define UPGRADE_TOPIC "/ota/device/upgrade/pk/dn"
#define INFORM_TOPIC "/ota/device/inform/pk/dn"
#define PROGRESS_TOPIC "/ota/device/progress/pk/dn"
#define REQUEST_TOPIC "/ota/device/request/pk/dn"
#define STEPS_MAX 10000

struct world {
  struct mini_broker *broker;
  struct http_server *server;
  void *mqtt;
  void *ota;
  unsigned notices;
  char md5[33];
  char sha256[65];
};

static bool serve(void *ctx, int fd, const struct http_request *request) {
  (void)ctx;
  if (strncmp(request->head, "GET /gone", 9) == 0) {
    return http_send(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  }
  if (strncmp(request->head, "GET /cut", 8) == 0 && !request->has_range) {
    http_send(fd, "HTTP/1.1 200 OK\r\nETag: \"a\"\r\nContent-Length: %u\r\n\r\n", SIZE);
    http_send_image(fd, 0, 7777);
    return false;
  }
  unsigned from = (unsigned)request->from;
  http_send(fd, "HTTP/1.1 %s\r\nContent-Range: bytes %u-%u/%u\r\nContent-Length: %u\r\n\r\n",
            request->has_range ? "206 x" : "200 x", from, SIZE - 1, SIZE, SIZE - from);
  return http_send_image(fd, from, SIZE - from);
}

static void digest_text(enum iotkit_digest_method method, char *hex) {
  struct ik_digest *digest;
  uint8_t value[IOTKIT_DIGEST_MAX];
  assert_int_equal(ik_digest_new(method, &digest), 0);
  for (unsigned i = 0; i < SIZE; i++) {
    uint8_t byte = http_image_byte(i);
    ik_digest_update(digest, &byte, 1);
  }
  int len = ik_digest_value(digest, value);
  assert_true(len > 0);
  ik_hex_encode(value, (size_t)len, hex);
  ik_digest_free(digest);
}

static int setup(void **state) {
  struct world *world = calloc(1, sizeof(*world));
  assert_non_null(world);
  digest_text(IOTKIT_DIGEST_MD5, world->md5);
  digest_text(IOTKIT_DIGEST_SHA256, world->sha256);
  world->broker = mini_broker_start();
  world->server = http_server_start(serve, world);
  iotx_mqtt_param_t param = {.host = "127.0.0.1",
                             .port = mini_broker_port(world->broker),
                             .client_id = "c",
                             .username = "u",
                             .password = "p",
                             .clean_session = 1};
  world->mqtt = IOT_MQTT_Construct(&param);
  assert_non_null(world->mqtt);
  world->ota = IOT_OTA_Init("pk", "dn", world->mqtt);
  assert_non_null(world->ota);
  *state = world;
  return 0;
}

static int teardown(void **state) {
  struct world *world = *state;
  if (world->ota != NULL) assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
  IOT_MQTT_Destroy(&world->mqtt);
  http_server_stop(world->server);
  mini_broker_stop(world->broker);
  free(world);
  return 0;
}

/* ---- steps ---- */

/* Until the broker has the subscription: the client sends it when it is yielded. */
static void await_subscription(struct world *world) {
  for (int i = 0; !mini_broker_subscribed(world->broker, UPGRADE_TOPIC, NULL); i++) {
    if (i == STEPS_MAX) fail_msg("not subscribed");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
}

static void push(struct world *world, const char *version, const char *path, const char *fields) {
  char json[1024];
  await_subscription(world);
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":%u,\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"%s\",\"url\":\"http://127.0.0.1:%u%s\",%s}}",
           ++world->notices, SIZE, version, http_server_port(world->server), path, fields);
  assert_true(mini_broker_publish(world->broker, UPGRADE_TOPIC, json, 1, false));
}

static void push_md5(struct world *world, const char *version, const char *path) {
  char fields[128];
  snprintf(fields, sizeof(fields), "\"md5\":\"%s\"", world->md5);
  push(world, version, path, fields);
}

static void push_wrong_md5(struct world *world) {
  push(world, "2.0.0", "/f", "\"md5\":\"00000000000000000000000000000000\"");
}

static void await_fetching(struct world *world) {
  for (int i = 0; !IOT_OTA_IsFetching(world->ota); i++) {
    if (i == STEPS_MAX) fail_msg("no upgrade came");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
}

/* The documented loop. Returns what the last FetchYield did. */
static int fetch_all(struct world *world, uint8_t *image, uint32_t chunk) {
  uint32_t at = 0;
  int n;
  do {
    char *buf = malloc(chunk);
    assert_non_null(buf);
    n = IOT_OTA_FetchYield(world->ota, buf, chunk, 30);
    if (n > 0) {
      assert_true(at + (uint32_t)n <= SIZE);
      memcpy(image + at, buf, (uint32_t)n);
      at += (uint32_t)n;
    }
    free(buf);
    IOT_MQTT_Yield(world->mqtt, 100);
  } while (!IOT_OTA_IsFetchFinish(world->ota));
  return n;
}

static uint32_t get_u32(struct world *world, IOT_OTA_CmdType_t type) {
  uint32_t value = 0xAAAAAAAA;
  assert_int_equal(IOT_OTA_Ioctl(world->ota, type, &value, 4), 0);
  return value;
}

static void assert_image(const uint8_t *image) {
  for (unsigned i = 0; i < SIZE; i++)
    assert_int_equal(image[i], http_image_byte(i));
}

/* ---- the documented sequence ---- */

static void follows_the_documented_sequence(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  static const uint32_t chunks[] = {1, 3, 5000, 65536};
  char payload[512];
  char text[OTA_VERSION_LEN_MAX];
  unsigned qos = 9;
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, "1.0.0"), 0);
  for (size_t i = 0; i < COUNT(chunks); i++) {
    char version[16];
    snprintf(version, sizeof(version), "2.0.%zu", i);
    push_md5(world, version, i == 1 ? "/cut" : "/f");
    await_fetching(world);
    assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 0);
    assert_int_equal(get_u32(world, IOT_OTAG_FETCHED_SIZE), 0);
    assert_int_equal(get_u32(world, IOT_OTAG_OTA_TYPE), IOT_OTAT_FOTA);
    memset(image, 0, sizeof(image));
    fetch_all(world, image, chunks[i]);
    assert_image(image);
    assert_int_equal(get_u32(world, IOT_OTAG_FETCHED_SIZE), SIZE);
    assert_int_equal(get_u32(world, IOT_OTAG_FILE_SIZE), SIZE);
    assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MD5SUM, text, 33), 0);
    assert_string_equal(text, world->md5);
    assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_VERSION, text, sizeof(text)), 0);
    assert_string_equal(text, version);
    assert_int_equal(get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
    assert_int_equal(get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
    assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
    /* The report of the first bytes. */
    assert_true(mini_broker_wait(world->broker, PROGRESS_TOPIC, (unsigned)i, payload,
                                 sizeof(payload), &qos));
    assert_non_null(strstr(payload, "\"step\":\"0\""));
    assert_int_equal(qos, 0);
  }
  assert_int_equal(IOT_OTA_GetLastError(world->ota), 0);
  assert_true(mini_broker_wait(world->broker, INFORM_TOPIC, 0, payload, sizeof(payload), &qos));
  assert_non_null(strstr(payload, "{\"version\":\"1.0.0\"}"));
  assert_int_equal(qos, 1);
}

static void verifies_sha256_too(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char fields[256];
  char text[33] = "x";
  for (char *c = world->sha256; *c != '\0'; c++) {
    if (*c >= 'a') *c = (char)(*c - 'a' + 'A');
  }
  snprintf(fields, sizeof(fields), "\"signMethod\":\"Sha256\",\"module\":\"MCU\",\"sign\":\"%s\"",
           world->sha256);
  push(world, "2.0.0", "/f", fields);
  await_fetching(world);
  fetch_all(world, image, 4096);
  assert_int_equal(get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MODULE, text, sizeof(text)), 0);
  assert_string_equal(text, "MCU");
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_MD5SUM, text, sizeof(text)), -1);
  assert_string_equal(text, "");
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_GENERAL);
}

/* ---- what each state answers ---- */

enum situation { INITED, PUSHED, MID, FETCHED_OK, FETCHED_BAD, AFTER_ERROR, SITUATIONS };

static void bring_to(struct world *world, enum situation situation) {
  static uint8_t image[SIZE];
  char buf[5000];
  await_subscription(world);
  if (situation == INITED) return;
  if (situation == FETCHED_BAD) {
    push_wrong_md5(world);
  } else {
    push_md5(world, "2.0.0", situation == AFTER_ERROR ? "/gone" : "/f");
  }
  await_fetching(world);
  if (situation == MID) {
    assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), sizeof(buf));
  } else if (situation == AFTER_ERROR) {
    assert_int_equal(fetch_all(world, image, sizeof(buf)), -1);
  } else if (situation != PUSHED) {
    fetch_all(world, image, sizeof(buf));
  }
}

struct answers {
  int is_fetching;
  int is_finished;
  int last_error;
  int fetch; /* of 99 bytes */
  int request_image;
  uint32_t fetched;
  int check; /* CHECK_FIRMWARE: the value, or -1 */
};

static const struct answers answers[SITUATIONS] = {
    [INITED] = {0, 0, 0, IOT_OTAE_INVALID_STATE, 0, 0, IOT_OTAE_INVALID_STATE},
    [PUSHED] = {1, 0, 0, 99, -1, 0, -1},
    [MID] = {1, 0, 0, 99, -1, 5000, -1},
    [FETCHED_OK] = {0, 1, 0, IOT_OTAE_INVALID_STATE, 0, SIZE, 1},
    [FETCHED_BAD] = {0, 1, 0, IOT_OTAE_INVALID_STATE, 0, SIZE, 0},
    [AFTER_ERROR] = {0, 1, IOT_OTAE_FETCH_FAILED, IOT_OTAE_INVALID_STATE, 0, 0, 0},
};

static void answers_by_state(struct world *world, enum situation situation) {
  const struct answers *want = &answers[situation];
  char buf[200];
  uint32_t value = 7;
  bring_to(world, situation);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), want->is_fetching);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), want->is_finished);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), want->last_error);
  int rc = IOT_OTA_Ioctl(world->ota, IOT_OTAG_FETCHED_SIZE, &value, 4);
  assert_int_equal(rc, situation == INITED ? IOT_OTAE_INVALID_STATE : 0);
  if (rc == 0) assert_int_equal(value, want->fetched);
  rc = IOT_OTA_Ioctl(world->ota, IOT_OTAG_CHECK_FIRMWARE, &value, 4);
  assert_int_equal(rc == 0 ? (int)value : rc, want->check);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, NULL, 99, 1), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, 0, 1), IOT_OTAE_INVALID_PARAM);
  memset(buf, 0x55, sizeof(buf));
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, 99, 30), want->fetch);
  assert_int_equal(buf[99], 0x55); /* nothing behind what it returns */
  if (want->fetch < 0) {
    assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_INVALID_STATE);
  }
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, "1.0.0"), 0);
  assert_int_equal(IOT_OTA_ReportProgress(world->ota, (IOT_OTA_Progress_t)10, "x"), 0);
  assert_int_equal(iotx_req_image(world->ota, "1.0.0"), want->request_image);
}

/* FILE_SIZE, OTA_TYPE …: every length and alignment. */
static void checks_lengths(struct world *world, IOT_OTA_CmdType_t type, bool takes_8) {
  _Alignas(8) char buf[32];
  int error = IOT_OTAE_INVALID_PARAM;
  for (size_t len = 1; len < 16; len++) {
    bool valid = len == 4 || (takes_8 && len == 8);
    memset(buf, 0x55, sizeof(buf));
    assert_int_equal(IOT_OTA_Ioctl(world->ota, type, buf, len), valid ? 0 : -1);
    assert_int_equal(buf[len], 0x55);
    if (!valid) assert_int_equal(IOT_OTA_GetLastError(world->ota), error);
  }
  for (size_t shift = 1; shift < 4; shift++) {
    assert_int_equal(IOT_OTA_Ioctl(world->ota, type, buf + shift, 4), -1);
  }
  assert_int_equal(IOT_OTA_Ioctl(world->ota, type, buf, 0), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, type, NULL, 4), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_Ioctl(NULL, type, buf, 4), IOT_OTAE_INVALID_PARAM);
}

static void checks_texts(struct world *world, IOT_OTA_CmdType_t type, const char *text) {
  static const size_t lengths[] = {1, 5, 6, 32, 33, 64, 128};
  char buf[200];
  for (size_t i = 0; i < COUNT(lengths); i++) {
    char want[200] = "";
    memset(buf, 0x55, sizeof(buf));
    snprintf(want, lengths[i], "%s", text);
    assert_int_equal(IOT_OTA_Ioctl(world->ota, type, buf, lengths[i]), 0);
    assert_memory_equal(buf, want, lengths[i]);
    assert_int_equal(buf[lengths[i]], 0x55);
  }
}

static void answers_ioctl(struct world *world, enum situation situation) {
  static const int none[] = {-1,
                             16,
                             99,
                             IOT_OTAG_COTA_CONFIG_ID,
                             IOT_OTAG_COTA_URL,
                             IOT_OTAG_COTA_SIGN,
                             IOT_OTAG_COTA_SIGN_METHOD,
                             IOT_OTAG_COTA_GETTYPE};
  char buf[8] = {0};
  bool inited = situation == INITED;
  bring_to(world, situation);
  for (size_t i = 0; i < COUNT(none); i++) {
    assert_int_equal(IOT_OTA_Ioctl(world->ota, (IOT_OTA_CmdType_t)none[i], buf, sizeof(buf)),
                     inited ? IOT_OTAE_INVALID_STATE : -1);
    assert_int_equal(IOT_OTA_GetLastError(world->ota),
                     inited ? IOT_OTAE_INVALID_STATE : IOT_OTAE_INVALID_PARAM);
  }
  if (inited) return;
  checks_lengths(world, IOT_OTAG_FETCHED_SIZE, true);
  checks_lengths(world, IOT_OTAG_FILE_SIZE, true);
  checks_lengths(world, IOT_OTAG_OTA_TYPE, false);
  checks_lengths(world, IOT_OTAG_COTA_CONFIG_SIZE, false);
  if (situation >= FETCHED_OK) checks_lengths(world, IOT_OTAG_CHECK_FIRMWARE, false);
  checks_texts(world, IOT_OTAG_VERSION, "2.0.0");
  checks_texts(world, IOT_OTAG_MODULE, "");
  if (situation != FETCHED_BAD) checks_texts(world, IOT_OTAG_MD5SUM, world->md5);
  _Alignas(4) char number[4];
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_CHECK_CONFIG, number, 4), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_INVALID_STATE);
  uint64_t wide = 7;
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_FILE_SIZE, &wide, 8), 0);
  assert_true(wide == SIZE);
}

#define BY_STATE(name, situation)                                                                  \
  static void answers_##name(void **state) {                                                       \
    answers_by_state(*state, situation);                                                           \
  }                                                                                                \
  static void answers_ioctl_##name(void **state) {                                                 \
    answers_ioctl(*state, situation);                                                              \
  }

BY_STATE(inited, INITED)
BY_STATE(pushed, PUSHED)
BY_STATE(mid, MID)
BY_STATE(fetched_ok, FETCHED_OK)
BY_STATE(fetched_bad, FETCHED_BAD)
BY_STATE(after_error, AFTER_ERROR)

/* ---- reports ---- */

static void checks_reports(void **state) {
  struct world *world = *state;
  static char text[1026];
  memset(text, 'v', sizeof(text) - 1);
  assert_int_equal(IOT_OTA_ReportVersion(NULL, "1"), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, NULL), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, ""), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_INVALID_PARAM);
  text[65] = '\0';
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, text), -1);
  text[64] = '\0';
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, text), 0);
  assert_int_equal(iotx_req_image(world->ota, text), 0);
  assert_int_equal(iotx_req_image(NULL, text), IOT_OTAE_INVALID_PARAM);
  text[64] = text[65] = 'v';
  static const int steps[] = {INT32_MIN, -5, -4, 0, 50, 100, 101, INT32_MAX};
  for (size_t i = 0; i < COUNT(steps); i++) {
    int want = steps[i] >= -4 && steps[i] <= 100 ? 0 : -1;
    assert_int_equal(IOT_OTA_ReportProgress(world->ota, (IOT_OTA_Progress_t)steps[i], NULL), want);
  }
  assert_int_equal(IOT_OTA_ReportProgress(NULL, IOT_OTAP_BURN_FAILED, ""), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_ReportProgress(world->ota, IOT_OTAP_BURN_FAILED, text),
                   IOT_OTAE_STR_TOO_LONG);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_STR_TOO_LONG);
  text[1024] = '\0';
  assert_int_equal(IOT_OTA_ReportProgress(world->ota, IOT_OTAP_BURN_FAILED, text), 0);
  assert_int_equal(iotx_ota_get_config(world->ota, "product", "file", ""), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_GENERAL);
}

static void escapes_reports(void **state) {
  struct world *world = *state;
  char payload[512];
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, "a\"b\\c\n"), 0);
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, "\xff"), -1);
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_INVALID_PARAM);
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait(world->broker, INFORM_TOPIC, 0, payload, sizeof(payload), NULL));
  assert_non_null(strstr(payload, "{\"version\":\"a\\\"b\\\\c\\n\"}"));
}

static void answers_to_null(void **state) {
  char buf[4];
  (void)state;
  assert_int_equal(IOT_OTA_IsFetching(NULL), 0);
  assert_int_equal(IOT_OTA_IsFetchFinish(NULL), 0);
  assert_int_equal(IOT_OTA_FetchYield(NULL, buf, 4, 1), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_GetLastError(NULL), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_Deinit(NULL), IOT_OTAE_INVALID_PARAM);
  assert_int_equal(IOT_OTA_SetOnPushedCallback(NULL, NULL), IOT_OTAE_INVALID_PARAM);
  assert_null(IOT_OTA_Init("pk", "dn", NULL));
}

static void init_checks_names(void **state) {
  struct world *world = *state;
  assert_null(IOT_OTA_Init(NULL, "dn", world->mqtt));
  assert_null(IOT_OTA_Init("pk", NULL, world->mqtt));
  assert_null(IOT_OTA_Init("", "dn", world->mqtt));
  assert_null(IOT_OTA_Init("a+b", "dn", world->mqtt));
}

/* ---- several notices, several handles ---- */

static void a_refused_notice_sets_the_last_error(void **state) {
  struct world *world = *state;
  char payload[512];
  push(world, "2 0", "/f", "\"md5\":\"x\"");
  for (int i = 0; IOT_OTA_GetLastError(world->ota) == 0; i++) {
    if (i == STEPS_MAX) fail_msg("nothing came");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
  assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_GENERAL);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait(world->broker, PROGRESS_TOPIC, 0, payload, sizeof(payload), NULL));
  assert_non_null(strstr(payload, "\"step\":\"-1\""));
}

static unsigned pushed;
static int deinit_in_callback;

static int on_pushed(void *context) {
  pushed++;
  deinit_in_callback = IOT_OTA_Deinit(context);
  return 0;
}

/* Until the callback was called `count` times. */
static void await_pushed(struct world *world, unsigned count) {
  for (int i = 0; pushed < count; i++) {
    if (i == STEPS_MAX) fail_msg("no notice came");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
}

static void assert_version(struct world *world, const char *version) {
  char text[OTA_VERSION_LEN_MAX];
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_VERSION, text, sizeof(text)), 0);
  assert_string_equal(text, version);
}

static void the_newest_notice_waits_its_turn(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char buf[100];
  pushed = 0;
  assert_int_equal(IOT_OTA_SetOnPushedCallback(world->ota, on_pushed), 0);
  push_md5(world, "2.0.0", "/f");
  await_pushed(world, 1);
  assert_int_equal(deinit_in_callback, IOT_OTAE_INVALID_STATE);
  /* Nothing of it was fetched: the newer one replaces it. */
  push_md5(world, "2.0.1", "/f");
  await_pushed(world, 2);
  assert_version(world, "2.0.1");
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), sizeof(buf));
  /* Under way: the newer ones wait, the newest wins. */
  push_md5(world, "2.0.2", "/f");
  push_md5(world, "2.0.3", "/f");
  await_pushed(world, 4);
  assert_version(world, "2.0.1");
  memcpy(image, buf, sizeof(buf));
  while (!IOT_OTA_IsFetchFinish(world->ota)) {
    uint32_t at = get_u32(world, IOT_OTAG_FETCHED_SIZE);
    assert_true(IOT_OTA_FetchYield(world->ota, (char *)image + at, SIZE - at, 30) > 0);
  }
  assert_image(image);
  assert_version(world, "2.0.1");
  assert_int_equal(get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
  assert_version(world, "2.0.3");
  fetch_all(world, image, 5000);
  assert_image(image);
  assert_int_equal(get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
}

/*
 * A program that asks nothing but IsFetching hears 0 once, so that it closes its file, before the
 * next one begins.
 */
static void an_end_is_seen_before_the_next_begins(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  char buf[100];
  pushed = 0;
  assert_int_equal(IOT_OTA_SetOnPushedCallback(world->ota, on_pushed), 0);
  push_md5(world, "2.0.0", "/gone");
  push_md5(world, "2.0.1", "/f");
  await_pushed(world, 2);
  push_md5(world, "2.0.2", "/gone");
  await_pushed(world, 3);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), -1);
  push_md5(world, "2.0.3", "/f");
  await_pushed(world, 4);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 1);
  assert_int_equal(IOT_OTA_FetchYield(world->ota, buf, sizeof(buf), 30), IOT_OTAE_INVALID_STATE);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 1);
  fetch_all(world, image, 5000);
  assert_image(image);
}

static void begins_again_when_told_to(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  bring_to(world, MID);
  char none[1];
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, none, 1), 0);
  assert_int_equal(get_u32(world, IOT_OTAG_FETCHED_SIZE), 0);
  fetch_all(world, image, 5000);
  assert_image(image);
  assert_int_equal(get_u32(world, IOT_OTAG_CHECK_FIRMWARE), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_FETCHED_SIZE, none, 1), 0);
  assert_int_equal(get_u32(world, IOT_OTAG_FETCHED_SIZE), 0);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 1);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_STATE, none, 1), 0);
  assert_int_equal(IOT_OTA_IsFetchFinish(world->ota), 0);
  assert_int_equal(IOT_OTA_Ioctl(world->ota, IOT_OTAG_RESET_STATE, none, 1),
                   IOT_OTAE_INVALID_STATE);
}

static void two_handles_share_a_client(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  void *sub = IOT_OTA_Init("pk", "sub", world->mqtt);
  char json[512];
  assert_non_null(sub);
  snprintf(json, sizeof(json),
           "{\"code\":\"1000\",\"id\":77,\"message\":\"success\",\"data\":{\"size\":%u,"
           "\"version\":\"3.0.0\",\"url\":\"http://127.0.0.1:%u/f\",\"md5\":\"%s\"}}",
           SIZE, http_server_port(world->server), world->md5);
  for (int i = 0; !mini_broker_subscribed(world->broker, "/ota/device/upgrade/pk/sub", NULL); i++) {
    if (i == STEPS_MAX) fail_msg("not subscribed");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
  assert_true(mini_broker_publish(world->broker, "/ota/device/upgrade/pk/sub", json, 1, false));
  for (int i = 0; !IOT_OTA_IsFetching(sub); i++) {
    if (i == STEPS_MAX) fail_msg("no upgrade came");
    IOT_MQTT_Yield(world->mqtt, 100);
  }
  assert_int_equal(IOT_OTA_IsFetching(world->ota), 0);
  push_md5(world, "2.0.0", "/f");
  await_fetching(world);
  void *device = world->ota;
  fetch_all(world, image, 5000);
  assert_image(image);
  world->ota = sub;
  fetch_all(world, image, 777);
  assert_image(image);
  assert_version(world, "3.0.0");
  world->ota = device;
  assert_version(world, "2.0.0");
  assert_int_equal(IOT_OTA_Deinit(sub), 0);
  IOT_MQTT_Yield(world->mqtt, 0);
  assert_true(mini_broker_wait_unsubscribed(world->broker, "/ota/device/upgrade/pk/sub"));
  assert_true(mini_broker_subscribed(world->broker, UPGRADE_TOPIC, NULL));
}

/* Deinit, Init and a push: what crashed where the old handle was still called. */
static void is_closed_and_opened_again(void **state) {
  struct world *world = *state;
  static uint8_t image[SIZE];
  for (int i = 0; i < 4; i++) {
    bring_to(world, i % 2 == 0 ? MID : PUSHED);
    assert_int_equal(IOT_OTA_Deinit(world->ota), 0);
    world->ota = IOT_OTA_Init("pk", "dn", world->mqtt);
    assert_non_null(world->ota);
  }
  IOT_MQTT_Yield(world->mqtt, 0);
  push_md5(world, "2.0.9", "/f");
  await_fetching(world);
  fetch_all(world, image, 5000);
  assert_image(image);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(follows_the_documented_sequence),
      TEST(verifies_sha256_too),
      TEST(answers_inited),
      TEST(answers_pushed),
      TEST(answers_mid),
      TEST(answers_fetched_ok),
      TEST(answers_fetched_bad),
      TEST(answers_after_error),
      TEST(answers_ioctl_inited),
      TEST(answers_ioctl_pushed),
      TEST(answers_ioctl_mid),
      TEST(answers_ioctl_fetched_ok),
      TEST(answers_ioctl_fetched_bad),
      TEST(answers_ioctl_after_error),
      TEST(checks_reports),
      TEST(escapes_reports),
      cmocka_unit_test(answers_to_null),
      TEST(init_checks_names),
      TEST(a_refused_notice_sets_the_last_error),
      TEST(the_newest_notice_waits_its_turn),
      TEST(an_end_is_seen_before_the_next_begins),
      TEST(begins_again_when_told_to),
      TEST(two_handles_share_a_client),
      TEST(is_closed_and_opened_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
