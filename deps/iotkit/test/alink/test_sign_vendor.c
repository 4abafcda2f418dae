/*
 * Sign-in strings of the published SDK 2.3.0 (its TCP build), byte for byte as they were recorded.
 */
#include <string.h>

#include "alink/sign_vendor.h"
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

/* Recorded: IOT_SetupConnInfo of 2.3.0 with these identities. */
static void as_recorded(void **state) {
  static const struct {
    const char *pk, *dn, *client_id, *username, *password;
  } rows[] = {
      {"a1OracleKey", "oracledev1",
       "a1OracleKey.oracledev1|securemode=3,_v=sdk-c-2.3.0,timestamp=2524608000000,signmethod="
       "hmacsha1,lan=C,gw=0,"
       "ext=0,pid=example.demo.partner-id,mid=example.demo.module-id|",
       "oracledev1&a1OracleKey", "d6c5b59e24de51ad695e93a738aff2c768a89dea"},
      {PK20, DN32,
       PK20 "." DN32
            "|securemode=3,_v=sdk-c-2.3.0,timestamp=2524608000000,signmethod=hmacsha1,lan=C,gw=0,"
            "ext=0,pid=example.demo.partner-id,mid=example.demo.module-id|",
       DN32 "&" PK20, "0721db49b8314cbc960c6b1d90c796c3fa418965"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_sign_vendor_options options = {.product_key = rows[i].pk,
                                             .device_name = rows[i].dn,
                                             .device_secret = SECRET,
                                             .method = IOTKIT_SIGN_HMACSHA1,
                                             .partner_id = "example.demo.partner-id",
                                             .module_id = "example.demo.module-id"};
    struct ik_sign_vendor sign;
    assert_int_equal(ik_sign_vendor(&options, &sign, NULL), 0);
    assert_string_equal(sign.client_id, rows[i].client_id);
    assert_string_equal(sign.username, rows[i].username);
    assert_string_equal(sign.password, rows[i].password);
  }
}

static void variants(void **state) {
  struct ik_sign_vendor_options options = {.product_key = "a1OracleKey",
                                           .device_name = "oracledev1",
                                           .device_secret = SECRET,
                                           .tls = true};
  struct ik_sign_vendor sign;
  char detail[IOTKIT_DETAIL_MAX];
  (void)state;
  assert_int_equal(ik_sign_vendor(&options, &sign, NULL), 0);
  assert_string_equal(sign.client_id,
                      "a1OracleKey.oracledev1|securemode=2,_v=sdk-c-2.3.0,timestamp=2524608000000,"
                      "signmethod=hmacsha256,lan=C,gw=0,ext=0|");
  assert_string_equal(sign.password,
                      "3e9ea7aaee919a2d8b264d6e0e0898be0db03e509b8ed8c67aabf2a2ea96a5d5");
  options.partner_id = "";
  options.module_id = "m";
  assert_int_equal(ik_sign_vendor(&options, &sign, NULL), 0);
  assert_non_null(strstr(sign.client_id, ",ext=0,mid=m|"));
  options =
      (struct ik_sign_vendor_options){PK20, DN32, C64, IOTKIT_SIGN_HMACSHA256, true, C64, C64};
  assert_int_equal(ik_sign_vendor(&options, &sign, NULL), 0);
  assert_non_null(strstr(sign.client_id, ",mid=" C64 "|"));
  options.module_id = C64 "x";
  assert_int_equal(ik_sign_vendor(&options, &sign, detail), IK_ETOO_LONG);
  assert_non_null(strstr(detail, "module_id"));
  assert_zero(&sign, sizeof sign);
  options.module_id = "a,b";
  assert_int_equal(ik_sign_vendor(&options, &sign, detail), IK_EINVALID_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(as_recorded),
      cmocka_unit_test(variants),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
