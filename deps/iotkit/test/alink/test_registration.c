/*
 * What a device says to register, with passwords that `openssl dgst -hmac` made, and what it makes
 * of the answers.
 */
#include <stdlib.h>
#include <string.h>

#include "alink/registration.h"
#include "base/limits.h"
#include "support/cm.h"

#define PK20 "pppppppppppppppppppp"
#define DN32 "dddddddddddddddddddddddddddddddd"
#define C64 "0123456789012345678901234567890123456789012345678901234567890123"
#define C256 C64 C64 C64 C64

static void assert_zero(const void *data, size_t len) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < len; i++)
    assert_int_equal(bytes[i], 0);
}

static const struct iotkit_register_options plain = {
    .product_key = "pk", .product_secret = "secret", .device_name = "device"};

/* ---- what is said ---- */

static void every_method(void **state) {
  static const struct {
    enum iotkit_sign_method method;
    const char *client_id, *password;
  } rows[] = {
      {IOTKIT_SIGN_HMACSHA256,
       "pk.device|securemode=2,authType=register,random=789,"
       "signmethod=hmacsha256|",
       "e94b75b9a9225166a9f4c6876ecdb25b73c0e655d9e0111e45c5fc9ad023a010"},
      {IOTKIT_SIGN_HMACSHA1,
       "pk.device|securemode=2,authType=register,random=789,"
       "signmethod=hmacsha1|",
       "61aa27517044653e59104972ef4d875972108683"},
      {IOTKIT_SIGN_HMACMD5,
       "pk.device|securemode=2,authType=register,random=789,"
       "signmethod=hmacmd5|",
       "265c61bb9475e3bdff4c98b5b4b281b9"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_register_options options = plain;
    struct iotkit_sign_in sign;
    options.method = rows[i].method;
    assert_int_equal(ik_register_sign(&options, 789, &sign, NULL), 0);
    assert_string_equal(sign.client_id, rows[i].client_id);
    assert_string_equal(sign.username, "device&pk");
    assert_string_equal(sign.password, rows[i].password);
  }
}

static void unknown_to_the_platform(void **state) {
  struct iotkit_register_options options = {.kind = IOTKIT_REGISTER_UNKNOWN,
                                            .product_key = "pk",
                                            .product_secret = "ps",
                                            .device_name = "dn",
                                            .client_id = "base"};
  struct iotkit_sign_in sign;
  (void)state;
  assert_int_equal(ik_register_sign(&options, UINT32_MAX, &sign, NULL), 0);
  assert_string_equal(sign.client_id, "base|securemode=-2,authType=regnwl,random=4294967295,"
                                      "signmethod=hmacsha256|");
  assert_string_equal(sign.username, "dn&pk");
  assert_string_equal(sign.password,
                      "27f660dc84b95546fdbad0536fc9466fb38447bb7fabb3488a1ec37abe8df63a");
  options.instance_id = "iot-06z00abc";
  assert_int_equal(ik_register_sign(&options, 1, &sign, NULL), 0);
  assert_string_equal(sign.client_id, "base|securemode=-2,authType=regnwl,random=1,"
                                      "signmethod=hmacsha256,instanceId=iot-06z00abc|");
}

static void by_certificate(void **state) {
  struct iotkit_register_options options = {.kind = IOTKIT_REGISTER_X509};
  struct iotkit_sign_in sign;
  (void)state;
  assert_int_equal(ik_register_sign(&options, 1, &sign, NULL), 0);
  assert_string_equal(sign.client_id, ".|securemode=2,signmethod=hmacsha256|");
  assert_string_equal(sign.username, "&");
  assert_string_equal(sign.password, "");
}

static void longest_values_fit(void **state) {
  struct iotkit_register_options options = {.kind = IOTKIT_REGISTER_UNKNOWN,
                                            .product_key = PK20,
                                            .product_secret = C64,
                                            .device_name = DN32,
                                            .client_id = C64,
                                            .instance_id = C64};
  struct iotkit_sign_in sign;
  (void)state;
  assert_int_equal(ik_register_sign(&options, UINT32_MAX, &sign, NULL), 0);
  assert_string_equal(sign.client_id, C64 "|securemode=-2,authType=regnwl,random=4294967295,"
                                          "signmethod=hmacsha256,instanceId=" C64 "|");
  assert_string_equal(sign.username, DN32 "&" PK20);
}

static void refusals(void **state) {
#define OPTIONS(...)                                                                               \
  { .product_key = "pk", .product_secret = "TELL", .device_name = "dn", __VA_ARGS__ }
  static const struct {
    struct iotkit_register_options options;
    int rc;
    const char *field;
  } rows[] = {
      {{.product_secret = "TELL", .device_name = "dn"}, IK_EINVALID_ARGUMENT, "product_key"},
      {{.product_key = "pk", .device_name = "dn"}, IK_EINVALID_ARGUMENT, "product_secret"},
      {{.product_key = "pk", .product_secret = "TELL"}, IK_EINVALID_ARGUMENT, "device_name"},
      {{.product_key = "p&k", .product_secret = "TELL", .device_name = "dn"},
       IK_EINVALID_ARGUMENT,
       "product_key"},
      {{.product_key = "pk", .product_secret = "TELL" C64, .device_name = "dn"},
       IK_ETOO_LONG,
       "product_secret"},
      {OPTIONS(.client_id = ""), IK_EINVALID_ARGUMENT, "client_id"},
      {OPTIONS(.client_id = "a|b"), IK_EINVALID_ARGUMENT, "client_id"},
      {OPTIONS(.client_id = C64 "x"), IK_ETOO_LONG, "client_id"},
      {OPTIONS(.instance_id = "i"), IK_EINVALID_ARGUMENT, "instance_id"},
      {OPTIONS(.kind = IOTKIT_REGISTER_UNKNOWN, .instance_id = ""), IK_EINVALID_ARGUMENT,
       "instance_id"},
      {OPTIONS(.kind = IOTKIT_REGISTER_UNKNOWN, .instance_id = "i,j"), IK_EINVALID_ARGUMENT,
       "instance_id"},
      {OPTIONS(.method = (enum iotkit_sign_method)3), IK_EINVALID_ARGUMENT, "method"},
      {OPTIONS(.kind = (enum iotkit_register_kind)3), IK_EINVALID_ARGUMENT, "kind"},
      {OPTIONS(.kind = IOTKIT_REGISTER_X509), IK_EINVALID_ARGUMENT, "product_key"},
      {{.kind = IOTKIT_REGISTER_X509, .product_secret = "TELL"},
       IK_EINVALID_ARGUMENT,
       "product_secret"},
      {{.kind = IOTKIT_REGISTER_X509, .device_name = "dn"}, IK_EINVALID_ARGUMENT, "device_name"},
      {{.kind = IOTKIT_REGISTER_X509, .instance_id = "i"}, IK_EINVALID_ARGUMENT, "instance_id"},
  };
#undef OPTIONS
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_sign_in sign;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = ik_register_sign(&rows[i].options, 1, &sign, detail);
    if (rc != rows[i].rc || !strstr(detail, rows[i].field) || strstr(detail, "TELL"))
      fail_msg("row %zu: %d, %s", i, rc, detail);
    assert_zero(&sign, sizeof sign);
    assert_int_equal(ik_register_sign(&rows[i].options, 1, &sign, NULL), rc);
  }
}

/* ---- what is answered ---- */

/* The reader gets a copy of its own length: a sanitizer sees what it reads beyond it. */
static int read_text(const char *text, struct iotkit_credentials *out,
                     enum iotkit_register_kind *kind, char *detail) {
  size_t len = strlen(text);
  char *copy = malloc(len + 1);
  assert_non_null(copy);
  memcpy(copy, text, len);
  int rc = ik_register_read((struct ik_str){copy, len}, out, kind, detail);
  free(copy);
  return rc;
}

static void fields_decide(void **state) {
  static const struct {
    const char *text;
    enum iotkit_register_kind kind;
    struct iotkit_credentials want;
  } rows[] = {
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"ds\"}",
       IOTKIT_REGISTER_KNOWN,
       {"pk", "dn", "ds", "", ""}},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"clientId\":\"ci\",\"deviceToken\":\"dt|,\"}",
       IOTKIT_REGISTER_UNKNOWN,
       {"pk", "dn", "", "ci", "dt|,"}},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\"}",
       IOTKIT_REGISTER_X509,
       {"pk", "dn", "", "", ""}},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"ds\",\"clientId\":\"ci\"}",
       IOTKIT_REGISTER_KNOWN,
       {"pk", "dn", "ds", "", ""}},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"\",\"deviceToken\":null}",
       IOTKIT_REGISTER_X509,
       {"pk", "dn", "", "", ""}},
      {"{\"code\":200,\"message\":\"success\",\"data\":{\"productKey\":\"pk\",\"deviceName\":"
       "\"dn\",\"deviceSecret\":\"\\u0064s\"}}",
       IOTKIT_REGISTER_KNOWN,
       {"pk", "dn", "ds", "", ""}},
      {"\xef\xbb\xbf{ \"unknown\":[1,{}], \"deviceName\":\"dn\",\"productKey\":\"pk\" }\n",
       IOTKIT_REGISTER_X509,
       {"pk", "dn", "", "", ""}},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_credentials got;
    enum iotkit_register_kind kind;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = read_text(rows[i].text, &got, &kind, detail);
    if (rc != 0) fail_msg("row %zu: %d, %s", i, rc, detail);
    assert_int_equal(kind, rows[i].kind);
    assert_memory_equal(&got, &rows[i].want, sizeof got);
  }
}

static void invalid_answers(void **state) {
  static const struct {
    const char *text;
    int rc;
    const char *says;
  } rows[] = {
      {"", IK_EREGISTER_ANSWER, "not JSON"},
      {"{\"productKey\":\"pk\"", IK_EREGISTER_ANSWER, "not JSON"},
      {"[]", IK_EREGISTER_ANSWER, "object"},
      {"{}", IK_EREGISTER_ANSWER, "productKey"},
      {"{\"productKey\":\"pk\",\"deviceSecret\":\"TELL\"}", IK_EREGISTER_ANSWER, "deviceName"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceToken\":\"TELL\"}",
       IK_EREGISTER_ANSWER, "clientId"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"clientId\":\"ci\"}", IK_EREGISTER_ANSWER,
       "deviceToken"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":7}", IK_EREGISTER_ANSWER,
       "deviceSecret"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"TELL\\u0000\"}",
       IK_EREGISTER_ANSWER, "deviceSecret"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"TELL" C64 "\"}",
       IK_EREGISTER_ANSWER, "deviceSecret is longer than 64"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"clientId\":\"ci\",\"deviceToken\":\"T" C256
       "\"}",
       IK_EREGISTER_ANSWER, "deviceToken is longer than 256"},
      {"{\"productKey\":\"p/k\",\"deviceName\":\"dn\",\"deviceSecret\":\"TELL\"}",
       IK_EREGISTER_ANSWER, "productKey"},
      {"{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"clientId\":\"c|i\",\"deviceToken\":"
       "\"TELL\"}",
       IK_EREGISTER_ANSWER, "clientId"},
      {"{\"code\":\"x\"}", IK_EREGISTER_ANSWER, "code"},
      {"{\"code\":6289,\"message\":\"device is already activated\"}", IK_EREGISTER_ACTIVATED,
       "code 6289: device is already activated"},
      {"{\"code\":\"6288\"}", IK_EREGISTER_REFUSED, "code 6288"},
      {"{\"code\":6600,\"message\":\"sign\\ncheck\"}", IK_EREGISTER_REFUSED, "code 6600: sign"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct iotkit_credentials got;
    enum iotkit_register_kind kind;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = read_text(rows[i].text, &got, &kind, detail);
    if (rc != rows[i].rc || !strstr(detail, rows[i].says) || strstr(detail, "TELL"))
      fail_msg("row %zu: %d, %s", i, rc, detail);
    assert_zero(&got, sizeof got);
    assert_int_equal(read_text(rows[i].text, &got, &kind, NULL), rc);
  }
}

static void too_large(void **state) {
  enum iotkit_register_kind kind;
  struct iotkit_credentials got;
  char text[IK_REGISTER_ANSWER_MAX + 1];
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  memset(text, ' ', sizeof text);
  assert_int_equal(ik_register_read((struct ik_str){text, sizeof text}, &got, &kind, detail),
                   IK_EREGISTER_ANSWER);
  assert_non_null(strstr(detail, "4097 bytes"));
}

static void topics(void **state) {
  (void)state;
  assert_true(ik_register_is_answer(IK_STR("/ext/register")));
  assert_true(ik_register_is_answer(IK_STR("/ext/regnwl")));
  assert_true(ik_register_is_answer(IK_STR("/ext/auth/identity/response")));
  assert_false(ik_register_is_answer(IK_STR("/ext/register/")));
  assert_false(ik_register_is_answer(IK_STR("")));
}

static void identity_of_a_message(void **state) {
  struct iotkit_credentials got;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  assert_int_equal(
      iotkit_identity_read("{\"productKey\":\"pk\",\"deviceName\":\"dn\"}x", 37, &got, detail), 0);
  assert_string_equal(got.product_key, "pk");
  assert_string_equal(got.device_name, "dn");
  assert_int_equal(iotkit_identity_read(NULL, 0, &got, detail), IK_EREGISTER_ANSWER);
  assert_int_equal(iotkit_identity_read(NULL, 1, &got, detail), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_identity_read("{}", 2, NULL, detail), IK_EINVALID_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_method),    cmocka_unit_test(unknown_to_the_platform),
      cmocka_unit_test(by_certificate),  cmocka_unit_test(longest_values_fit),
      cmocka_unit_test(refusals),        cmocka_unit_test(fields_decide),
      cmocka_unit_test(invalid_answers), cmocka_unit_test(too_large),
      cmocka_unit_test(topics),          cmocka_unit_test(identity_of_a_message),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
