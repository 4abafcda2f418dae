/*
 * Out of memory at every place: each scenario runs with its first allocation failing, then its
 * second, and so on, until it passes. Each failed run must say IK_ENO_MEMORY and leave no block
 * behind. For that the sources under test are compiled into this file, with its allocator.
 */
#include "support/oom.h"

#include "alink/announcement.c"
#include "alink/config.c"
#include "alink/fields.c"
#include "alink/files.c"
#include "alink/messages.c"
#include "alink/notice.c"
#include "alink/sign.c"
#include "alink/sign_vendor.c"
#include "base/buf.c"
#include "base/codec.c"
#include "base/json.c"
#include "base/json_text.c"
#include "base/spki.c"
#include "base/str.c"
#include "base/url.c"
#include "base/wipe.c"
#include "core/keys.c"
#include "port/openssl/pubkey.c"

/* Behind them, because its macros have names of theirs. */
#include "support/oom_torture.h"
#include "support/signatures.h"

static int append_a_lot(void) {
  struct ik_buf buf;
  uint8_t piece[300] = {0};
  int rc = 0;
  ik_buf_init(&buf, 1 << 20);
  for (int i = 0; rc == 0 && i < 100; i++) {
    size_t before = ik_buf_size(&buf);
    rc = ik_buf_append(&buf, piece, sizeof piece);
    if (rc < 0 && ik_buf_size(&buf) != before) rc = -1;
    if (rc == 0) rc = ik_buf_printf(&buf, "%d", i);
  }
  ik_buf_free(&buf);
  return rc;
}

static int read_json(void) {
  static const char text[] =
      "{\"a\":[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9],"
      "\"b\":\"\\u0041text\"}";
  struct ik_json json;
  char *string = NULL;
  int rc = ik_json_parse(IK_STR(text), &json, NULL);
  if (rc == 0) {
    rc = ik_json_string(ik_json_get(&json, ik_json_root(&json), "b"), 100, &string, NULL);
    free(string);
  } else if (json.nodes) {
    rc = -1;
  }
  ik_json_free(&json);
  return rc;
}

static int write_json(void) {
  struct ik_buf buf;
  int rc;
  ik_buf_init(&buf, 4096);
  rc = ik_json_write_member(&buf, "key", IK_STR("a text that is longer than\nthe first block"));
  if (rc == 0) rc = ik_base64_encode((const uint8_t *)"some bytes", 10, &buf);
  ik_buf_free(&buf);
  return rc;
}

static int parse_url(void) {
  struct ik_url url, target;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = ik_url_parse(IK_STR("https://[::1]:8443/a b?c"), &url, detail);
  if (rc == 0) rc = ik_url_resolve(&url, IK_STR("../d"), &target, detail);
  if (rc == 0) ik_url_free(&target);
  if (rc < 0 && !strstr(detail, "memory")) rc = -1;
  ik_url_free(&url);
  return rc;
}

static int read_keys(void) {
  iotkit_keys_t *keys = NULL;
  int rc = iotkit_keys_new(KEY_RSA_2048 KEY_P256 CERTIFICATE_P256, 0, &keys, NULL);
  if (rc < 0) return keys != NULL ? -1 : rc;
  iotkit_keys_unref(keys);
  return rc;
}

static int sign_in(void) {
  const struct iotkit_sign_options device = {
      .product_key = "pk", .device_name = "dn", .device_secret = "ds", .timestamp = 1};
  const struct ik_sign_vendor_options vendor = {
      .product_key = "pk", .device_name = "dn", .device_secret = "ds"};
  struct iotkit_sign_in sign;
  struct ik_sign_vendor vendor_sign;
  int rc = iotkit_sign(&device, &sign, NULL);
  if (rc < 0) return sign.client_id[0] || sign.username[0] ? -1 : rc; /* nothing half made */
  rc = ik_sign_vendor(&vendor, &vendor_sign, NULL);
  return rc < 0 && vendor_sign.client_id[0] ? -1 : rc;
}

static int parse_config(void) {
  static const char text[] =
      "{\"id\":\"1\",\"code\":200,\"data\":{\"configId\":\"c\",\"configSize\":5,\"sign\":"
      "\"0123456789abcdef0123456789abcdef\",\"signMethod\":\"Md5\",\"url\":\"https:\\/\\/h/c\","
      "\"getType\":\"file\"}}";
  struct ik_announcement notice;
  struct ik_announcement copy;
  int rc = ik_config_parse(IK_STR(text), IK_CONFIG_REPLY, &notice, NULL);
  if (rc == 0) {
    rc = ik_announcement_copy(&notice, &copy);
    if (rc != 0 && copy.config != NULL) rc = -1; /* nothing half made */
    ik_announcement_free(&copy);
  }
  ik_announcement_free(&notice);
  return rc;
}

static int parse_files(void) {
#define MD5 "\"fileMd5\":\"0123456789abcdef0123456789abcdef\""
  static const char text[] =
      "{\"message\":\"success\",\"data\":{\"version\":\"2\",\"files\":["
      "{\"fileSize\":1,\"fileName\":\"a\",\"fileUrl\":\"https://h/a\"," MD5 "},"
      "{\"fileSize\":2,\"fileName\":\"b\",\"fileUrl\":\"https://h/b\"," MD5 "}]}}";
#undef MD5
  struct ik_announcement notice;
  struct ik_announcement copy;
  struct ik_announcement file;
  int rc = ik_notice_parse(IK_STR(text), &notice, NULL);
  if (rc == 0) {
    rc = ik_announcement_copy(&notice, &copy);
    if (rc != 0 && (copy.files.items != NULL || copy.upgrade.files != NULL)) rc = -1;
    ik_announcement_free(&copy);
  }
  if (rc == 0) {
    rc = ik_announcement_file(&notice, 1, &file);
    if (rc != 0 && file.upgrade.size != 0) rc = -1;
    ik_announcement_free(&file);
  }
  ik_announcement_free(&notice);
  return rc;
}

static void buffers(void **state) {
  (void)state;
  assert_in_range(torture(append_a_lot), 5, 20);
}

static void json(void **state) {
  (void)state;
  assert_int_equal(torture(read_json), 3); /* 32 nodes, 64 nodes, the string */
  assert_int_equal(torture(write_json), 1);
}

static void urls(void **state) {
  (void)state;
  /* Twice buffer, authority, target; once the composed text. */
  assert_int_equal(torture(parse_url), 7);
}

static void configurations(void **state) {
  (void)state;
  assert_in_range(torture(parse_config), 15, 30);
}

static void several_files(void **state) {
  (void)state;
  assert_in_range(torture(parse_files), 20, 40);
}

static void public_keys(void **state) {
  (void)state;
  if (iotkit_tls_source() == NULL) skip();
  assert_int_equal(torture(read_keys), 4); /* the set and its keys; OpenSSL has its own allocator */
}

static void sign_ins(void **state) {
  (void)state;
  assert_int_equal(torture(sign_in), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(buffers),        cmocka_unit_test(json),
      cmocka_unit_test(urls),           cmocka_unit_test(sign_ins),
      cmocka_unit_test(configurations), cmocka_unit_test(several_files),
      cmocka_unit_test(public_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
