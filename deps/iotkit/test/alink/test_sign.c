/*
 * Sign-in strings: the documented ones.
 */
#include <string.h>

#include "alink/sign.h"
#include "iotkit_ota.h"
#include "support/cm.h"

#define SECRET "0123456789abcdef0123456789abcdef"
#define PK20 "pppppppppppppppppppp"
#define DN32 "dddddddddddddddddddddddddddddddd"
#define C64 "0123456789012345678901234567890123456789012345678901234567890123"

static void assert_zero(const void *data, size_t len) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < len; i++)
    assert_int_equal(bytes[i], 0);
}

/* The worked example of document 73742, its three methods. */
static void as_documented(void **state) {
  static const struct {
    enum iotkit_sign_method method;
    const char *client_id, *password;
  } rows[] = {
      {IOTKIT_SIGN_HMACSHA1, "12345|securemode=3,signmethod=hmacsha1,timestamp=789|",
       "fafd82a3d602b37fb0fa8b7892f24a477f851a14"},
      {IOTKIT_SIGN_HMACSHA256, "12345|securemode=3,signmethod=hmacsha256,timestamp=789|",
       "6074a46a91b1ebb2cc4ea42790ad0e80202c9843859fc292e57c4eb19fad9e57"},
      {IOTKIT_SIGN_HMACMD5, "12345|securemode=3,signmethod=hmacmd5,timestamp=789|",
       "14b198324fe55e1d3c88f2e705e201ee"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_sign_options options = {.product_key = "pk",
                                          .device_name = "device",
                                          .device_secret = "secret",
                                          .client_id = "12345",
                                          .method = rows[i].method,
                                          .timestamp = 789};
    struct iotkit_sign_in sign;
    assert_int_equal(iotkit_sign(&options, &sign, NULL), 0);
    assert_string_equal(sign.client_id, rows[i].client_id);
    assert_string_equal(sign.username, "device&pk");
    assert_string_equal(sign.password, rows[i].password);
  }
}

/* It is part of the client id, and not of what is signed. */
static void with_ext(void **state) {
  struct iotkit_sign_options options = {
      .product_key = "pk", .device_name = "device", .device_secret = "secret", .timestamp = 789};
  struct iotkit_sign_in without;
  struct iotkit_sign_in with;
  (void)state;
  assert_int_equal(iotkit_sign(&options, &without, NULL), 0);
  options.ext = 1;
  assert_int_equal(iotkit_sign(&options, &with, NULL), 0);
  assert_string_equal(with.client_id,
                      "pk.device|securemode=3,signmethod=hmacsha256,timestamp=789,ext=1|");
  assert_string_equal(with.password, without.password);

  options = (struct iotkit_sign_options){.product_key = "pk",
                                         .device_name = "device",
                                         .client_id = "ci",
                                         .device_token = "token",
                                         .tls = true,
                                         .ext = 1};
  assert_int_equal(iotkit_sign(&options, &with, NULL), 0);
  assert_string_equal(with.client_id, "ci|authType=connwl,securemode=-2,ext=1|");
}

static void defaults(void **state) {
  struct iotkit_sign_options options = {
      .product_key = "pk", .device_name = "device", .device_secret = "secret", .tls = true};
  struct iotkit_sign_in sign;
  (void)state;
  assert_int_equal(iotkit_sign(&options, &sign, NULL), 0);
  assert_string_equal(sign.client_id, "pk.device|securemode=2,signmethod=hmacsha256|");
  assert_string_equal(sign.username, "device&pk");
  assert_string_equal(sign.password,
                      "b37eea641fa64792bc814a8dbde9fd0c10382605619b017f96e894993984f154");
}

/* Of a registration without pre-registration: the token is the password as it is. */
static void by_token(void **state) {
  struct iotkit_sign_options options = {.product_key = "pk",
                                        .device_name = "dn",
                                        .client_id = C64 C64,
                                        .tls = true,
                                        .timestamp = 789,
                                        .device_token = C64 C64 C64 C64};
  struct iotkit_sign_in sign;
  (void)state;
  assert_int_equal(iotkit_sign(&options, &sign, NULL), 0);
  assert_string_equal(sign.client_id, C64 C64 "|authType=connwl,securemode=-2|");
  assert_string_equal(sign.username, "dn&pk");
  assert_string_equal(sign.password, C64 C64 C64 C64);
}

static void by_certificate(void **state) {
  struct iotkit_sign_options options = {.tls = true, .timestamp = 789, .x509 = true};
  struct iotkit_sign_in sign;
  (void)state;
  assert_int_equal(iotkit_sign(&options, &sign, NULL), 0);
  assert_string_equal(sign.client_id, ".|securemode=2,signmethod=hmacsha256,timestamp=789|");
  assert_string_equal(sign.username, "&");
  assert_string_equal(sign.password, "");
  options.product_key = "pk";
  options.device_name = "dn";
  assert_int_equal(iotkit_sign(&options, &sign, NULL), 0);
  assert_string_equal(sign.client_id, "pk.dn|securemode=2,signmethod=hmacsha256,timestamp=789|");
  assert_string_equal(sign.username, "dn&pk");
  assert_string_equal(sign.password, "");
}

static void longest_values_fit(void **state) {
  struct iotkit_sign_options options = {.product_key = PK20,
                                        .device_name = DN32,
                                        .device_secret = C64,
                                        .client_id = C64,
                                        .timestamp = UINT64_MAX};
  struct iotkit_sign_in sign;
  (void)state;
  assert_int_equal(iotkit_sign(&options, &sign, NULL), 0);
  assert_string_equal(sign.client_id,
                      C64 "|securemode=3,signmethod=hmacsha256,timestamp=18446744073709551615|");
  assert_string_equal(sign.username, DN32 "&" PK20);
  assert_int_equal(strlen(sign.password), 64);
}

static void refusals(void **state) {
  static const struct {
    struct iotkit_sign_options options;
    int rc;
    const char *field;
  } rows[] = {
      {{0, NULL, "dn", "ds", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "product_key"},
      {{0, "", "dn", "ds", NULL, 0, false, 0, NULL, false, 0}, IK_EINVALID_ARGUMENT, "product_key"},
      {{0, PK20 "p", "dn", "ds", NULL, 0, false, 0, NULL, false, 0}, IK_ETOO_LONG, "product_key"},
      {{0, "p&k", "dn", "ds", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "product_key"},
      {{0, "p/k", "dn", "ds", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "product_key"},
      {{0, "pk", NULL, "ds", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "device_name"},
      {{0, "pk", "", "ds", NULL, 0, false, 0, NULL, false, 0}, IK_EINVALID_ARGUMENT, "device_name"},
      {{0, "pk", DN32 "d", "ds", NULL, 0, false, 0, NULL, false, 0}, IK_ETOO_LONG, "device_name"},
      {{0, "pk", "d+", "ds", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "device_name"},
      {{0, "pk", "d#", "ds", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "device_name"},
      {{0, "pk", "d|x", "ds", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "device_name"},
      {{0, "pk", "d\xc3\xa9", "ds", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "device_name"},
      {{0, "pk", "dn", NULL, NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "device_secret"},
      {{0, "pk", "dn", "", NULL, 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "device_secret"},
      {{0, "pk", "dn", C64 "x", NULL, 0, false, 0, NULL, false, 0}, IK_ETOO_LONG, "device_secret"},
      {{0, "pk", "dn", "ds", "", 0, false, 0, NULL, false, 0}, IK_EINVALID_ARGUMENT, "client_id"},
      {{0, "pk", "dn", "ds", C64 "x", 0, false, 0, NULL, false, 0}, IK_ETOO_LONG, "client_id"},
      {{0, "pk", "dn", "ds", "a|b", 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "client_id"},
      {{0, "pk", "dn", "ds", "a b", 0, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "client_id"},
      {{0, "pk", "dn", "ds", NULL, (enum iotkit_sign_method)3, false, 0, NULL, false, 0},
       IK_EINVALID_ARGUMENT,
       "method"},
      {{0, "pk", "dn", NULL, "ci", 0, false, 0, "dt", false, 0}, IK_ETLS_REQUIRED, "tls"},
      {{0, "pk", "dn", "ds", "ci", 0, true, 0, "dt", false, 0},
       IK_EINVALID_ARGUMENT,
       "device_secret"},
      {{0, "pk", "dn", NULL, NULL, 0, true, 0, "dt", false, 0}, IK_EINVALID_ARGUMENT, "client_id"},
      {{0, "pk", "dn", NULL, "ci", 0, true, 0, "", false, 0}, IK_EINVALID_ARGUMENT, "device_token"},
      {{0, "pk", "dn", NULL, "ci", 0, true, 0, "dt", true, 0}, IK_EINVALID_ARGUMENT, "x509"},
      {{0, "pk", "dn", NULL, C64 C64 "x", 0, true, 0, "dt", false, 0}, IK_ETOO_LONG, "client_id"},
      {{0, "pk", "dn", NULL, "ci", 0, true, 0, C64 C64 C64 C64 "x", false, 0},
       IK_ETOO_LONG,
       "device_token"},
      {{0, NULL, NULL, NULL, NULL, 0, false, 0, NULL, true, 0}, IK_ETLS_REQUIRED, "tls"},
      {{0, NULL, NULL, "ds", NULL, 0, true, 0, NULL, true, 0},
       IK_EINVALID_ARGUMENT,
       "device_secret"},
      {{0, "pk", NULL, NULL, NULL, 0, true, 0, NULL, true, 0}, IK_EINVALID_ARGUMENT, "device_name"},
      {{0, NULL, "dn", NULL, NULL, 0, true, 0, NULL, true, 0}, IK_EINVALID_ARGUMENT, "product_key"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_sign_in sign;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = iotkit_sign(&rows[i].options, &sign, detail);
    if (rc != rows[i].rc || !strstr(detail, rows[i].field))
      fail_msg("row %zu: %d, %s", i, rc, detail);
    assert_zero(&sign, sizeof sign);
    assert_int_equal(iotkit_sign(&rows[i].options, &sign, NULL), rc);
  }
  assert_int_equal(iotkit_sign(NULL, &(struct iotkit_sign_in){{0}, {0}, {0}}, NULL),
                   IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_sign(&rows[0].options, NULL, NULL), IK_EINVALID_ARGUMENT);
}

static void details_keep_the_secret(void **state) {
  struct iotkit_sign_options options = {
      .product_key = "pk", .device_name = "dn", .device_secret = SECRET SECRET "TELL"};
  struct iotkit_sign_in sign;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(iotkit_sign(&options, &sign, detail), IK_ETOO_LONG);
  assert_null(strstr(detail, "TELL"));
  assert_null(strstr(detail, "0123"));
}

static void content_in_order_of_keys(void **state) {
  struct ik_buf content;
  (void)state;
  ik_buf_init(&content, 256);
  assert_int_equal(ik_sign_content("id", "dn", "pk", 0, &content), 0);
  assert_int_equal(ik_buf_append_u8(&content, 0), 0);
  assert_string_equal((const char *)ik_buf_ptr(&content), "clientIdiddeviceNamednproductKeypk");
  ik_buf_clear(&content);
  assert_int_equal(ik_sign_content("id", "dn", "pk", 789, &content), 0);
  assert_int_equal(ik_buf_append_u8(&content, 0), 0);
  assert_string_equal((const char *)ik_buf_ptr(&content),
                      "clientIdiddeviceNamednproductKeypktimestamp789");
  ik_buf_free(&content);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(as_documented),
      cmocka_unit_test(defaults),
      cmocka_unit_test(by_token),
      cmocka_unit_test(by_certificate),
      cmocka_unit_test(with_ext),
      cmocka_unit_test(longest_values_fit),
      cmocka_unit_test(refusals),
      cmocka_unit_test(details_keep_the_secret),
      cmocka_unit_test(content_in_order_of_keys),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
