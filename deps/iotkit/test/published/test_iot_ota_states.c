/*
 * IOT_OTA_*: what every call answers in every state, with right and wrong arguments.
 * test_iot_ota_ioctl.c has IOT_OTA_Ioctl.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/cm.h"
#include "support/ota_world.h"

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
  world_bring_to(world, situation);
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
  assert_int_equal(buf[99], 0x55); /* no byte after those that it returns */
  if (want->fetch < 0) {
    assert_int_equal(IOT_OTA_GetLastError(world->ota), IOT_OTAE_INVALID_STATE);
  }
  assert_int_equal(IOT_OTA_ReportVersion(world->ota, "1.0.0"), 0);
  assert_int_equal(IOT_OTA_ReportProgress(world->ota, (IOT_OTA_Progress_t)10, "x"), 0);
  assert_int_equal(iotx_req_image(world->ota, "1.0.0"), want->request_image);
}

#define BY_STATE(name, situation)                                                                  \
  static void answers_##name(void **state) {                                                       \
    answers_by_state(*state, situation);                                                           \
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

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(answers_inited),     TEST(answers_pushed),      TEST(answers_mid),
      TEST(answers_fetched_ok), TEST(answers_fetched_bad), TEST(answers_after_error),
      TEST(checks_reports),     TEST(escapes_reports),     cmocka_unit_test(answers_to_null),
      TEST(init_checks_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
