/*
 * Payloads and topics, byte for byte.
 */
#include <string.h>

#include "alink/messages.h"
#include "iotkit_errors.h"
#include "support/cm.h"

static void assert_text(struct ik_buf *buf, const char *text) {
  assert_int_equal(ik_buf_append_u8(buf, 0), 0);
  assert_string_equal((const char *)ik_buf_ptr(buf), text);
  ik_buf_clear(buf);
}

static void composes_payloads(void **state) {
  (void)state;
  struct ik_buf buf;
  ik_buf_init(&buf, 1024);
  assert_int_equal(ik_ota_write_inform(&buf, 0, "1.0.1", NULL), 0);
  assert_text(&buf, "{\"id\":\"0\",\"params\":{\"version\":\"1.0.1\"}}");
  assert_int_equal(ik_ota_write_inform(&buf, UINT32_MAX, "1.0.1", "MCU"), 0);
  assert_text(&buf,
              "{\"id\":\"4294967295\",\"params\":{\"version\":\"1.0.1\",\"module\":\"MCU\"}}");
  assert_int_equal(ik_ota_write_progress(&buf, 7, -1, "x", "MCU"), 0);
  assert_text(&buf,
              "{\"id\":\"7\",\"params\":{\"step\":\"-1\",\"desc\":\"x\",\"module\":\"MCU\"}}");
  assert_int_equal(ik_ota_write_progress(&buf, 7, 100, NULL, ""), 0);
  assert_text(&buf, "{\"id\":\"7\",\"params\":{\"step\":\"100\",\"desc\":\"\"}}");
  assert_int_equal(ik_ota_write_get(&buf, 9, NULL), 0);
  assert_text(&buf, "{\"id\":\"9\",\"version\":\"1.0\",\"params\":{},"
                    "\"method\":\"thing.ota.firmware.get\"}");
  assert_int_equal(ik_ota_write_get(&buf, 9, "MCU"), 0);
  assert_text(&buf, "{\"id\":\"9\",\"version\":\"1.0\",\"params\":{\"module\":\"MCU\"},"
                    "\"method\":\"thing.ota.firmware.get\"}");
  const struct ik_ota_block block = {1397345, 1, 16777215, 4096};
  assert_int_equal(ik_ota_write_block(&buf, 3, &block), 0);
  assert_text(&buf,
              "{\"id\":\"3\",\"version\":\"1.0\",\"params\":{\"fileInfo\":{\"streamId\":1397345,"
              "\"fileId\":1},\"fileBlock\":{\"size\":4096,\"offset\":16777215}}}");
  ik_buf_free(&buf);
}

static void escapes_texts(void **state) {
  (void)state;
  struct ik_buf buf;
  ik_buf_init(&buf, 1024);
  assert_int_equal(ik_ota_write_progress(&buf, 1, 5, "\"\\\n\x01\xe4\xbd\xa0%d", NULL), 0);
  assert_text(
      &buf,
      "{\"id\":\"1\",\"params\":{\"step\":\"5\",\"desc\":\"\\\"\\\\\\n\\u0001\xe4\xbd\xa0%d\"}}");
  assert_int_equal(ik_ota_write_inform(&buf, 1, "\xc3", NULL), IK_EINVALID_ARGUMENT);
  ik_buf_free(&buf);
  ik_buf_init(&buf, 16);
  assert_int_equal(ik_ota_write_inform(&buf, 1, "1.0.1", NULL), IK_ETOO_LONG);
  ik_buf_free(&buf);
}

static void composes_topics(void **state) {
  (void)state;
  static const char *const topics[] = {
      [IK_OTA_INFORM] = "/ota/device/inform/pk/dn",
      [IK_OTA_PROGRESS] = "/ota/device/progress/pk/dn",
      [IK_OTA_UPGRADE] = "/ota/device/upgrade/pk/dn",
      [IK_OTA_REQUEST] = "/ota/device/request/pk/dn",
      [IK_OTA_FILE] = "/sys/pk/dn/thing/file/download",
      [IK_OTA_FILE_REPLY] = "/sys/pk/dn/thing/file/download_reply",
      [IK_OTA_GET] = "/sys/pk/dn/thing/ota/firmware/get",
      [IK_OTA_GET_REPLY] = "/sys/pk/dn/thing/ota/firmware/get_reply",
  };
  char topic[IK_OTA_TOPIC_MAX];
  for (size_t i = 0; i < COUNT(topics); i++) {
    assert_int_equal(ik_ota_topic((enum ik_ota_topic)i, "pk", "dn", topic), 0);
    assert_string_equal(topic, topics[i]);
  }
}

static void refuses_names_that_are_no_level(void **state) {
  (void)state;
  static const char *const names[] = {"", "a/b", "+", "a#", "\xff"};
  char topic[IK_OTA_TOPIC_MAX];
  char name[IK_OTA_TOPIC_MAX];
  for (size_t i = 0; i < COUNT(names); i++) {
    assert_int_equal(ik_ota_topic(IK_OTA_INFORM, names[i], "dn", topic), IK_EINVALID_ARGUMENT);
    assert_int_equal(ik_ota_topic(IK_OTA_INFORM, "pk", names[i], topic), IK_EINVALID_ARGUMENT);
  }
  /* "/ota/device/inform/" and "/dn" take 22 of 127. */
  memset(name, 'p', sizeof(name));
  name[105] = '\0';
  assert_int_equal(ik_ota_topic(IK_OTA_INFORM, name, "dn", topic), 0);
  name[105] = 'p';
  name[106] = '\0';
  assert_int_equal(ik_ota_topic(IK_OTA_INFORM, name, "dn", topic), IK_ETOO_LONG);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(composes_payloads),
      cmocka_unit_test(escapes_texts),
      cmocka_unit_test(composes_topics),
      cmocka_unit_test(refuses_names_that_are_no_level),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
