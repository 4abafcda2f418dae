/* HMACs, against published vectors. */
#include <string.h>

#include "base/codec.h"
#include "port/port.h"
#include "port/soft/soft_digest.h"
#include "support/cmocka_all.h"

static const char *hex(const uint8_t *bytes, int len) {
  static char text[2 * IOTKIT_DIGEST_MAX + 1];
  assert_in_range(len, 1, IOTKIT_DIGEST_MAX);
  ik_hex_encode(bytes, (size_t)len, text);
  return text;
}

static void check_hmac(enum ik_hmac_method method, const char *key, const char *data,
                       const char *expected) {
  uint8_t out[IK_HMAC_MAX];
  assert_string_equal(hex(out, ik_hmac(method, key, strlen(key), data, strlen(data), out)),
                      expected);
}

/* RFC 2202 and 4231, test case 2; and keys of nothing and of more than a block. */
static void hmacs_match_published_vectors(void **state) {
  (void)state;
  const char *text = "what do ya want for nothing?";
  char long_key[132];
  memset(long_key, 0xaa, 131);
  long_key[131] = '\0';
  check_hmac(IK_HMAC_MD5, "Jefe", text, "750c783e6ab0b503eaa86e310a5db738");
  check_hmac(IK_HMAC_SHA1, "Jefe", text, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  check_hmac(IK_HMAC_SHA256, "Jefe", text,
             "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  check_hmac(IK_HMAC_SHA256, "", "",
             "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  check_hmac(IK_HMAC_SHA256, long_key, "Test Using Larger Than Block-Size Key - Hash Key First",
             "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hmacs_match_published_vectors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
