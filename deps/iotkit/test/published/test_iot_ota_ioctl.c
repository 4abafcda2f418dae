/*
 * IOT_OTA_Ioctl: what each command answers in every state, with every length and alignment.
 */
#include <stdio.h>
#include <string.h>

#include "support/cm.h"
#include "support/ota_world.h"

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
  world_bring_to(world, situation);
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
  checks_lengths(world, IOT_OTAG_COTA_CONFIG_SIZE, true);
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
    answers_ioctl(*state, situation);                                                              \
  }

BY_STATE(inited, INITED)
BY_STATE(pushed, PUSHED)
BY_STATE(mid, MID)
BY_STATE(fetched_ok, FETCHED_OK)
BY_STATE(fetched_bad, FETCHED_BAD)
BY_STATE(after_error, AFTER_ERROR)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(answers_inited),     TEST(answers_pushed),      TEST(answers_mid),
      TEST(answers_fetched_ok), TEST(answers_fetched_bad), TEST(answers_after_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
