/*
 * Digests of the port: published vectors, and the same answers as the SDK's own code for any way of
 * splitting.
 */
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

static void check_digest(enum iotkit_digest_method method, const char *data, const char *expected) {
  uint8_t out[IOTKIT_DIGEST_MAX];
  struct ik_digest *digest;
  assert_int_equal(ik_digest_new(method, &digest), 0);
  assert_int_equal(ik_digest_update(digest, data, strlen(data)), 0);
  assert_string_equal(hex(out, ik_digest_value(digest, out)), expected);
  ik_digest_free(digest);
}

static void digests_match_published_vectors(void **state) {
  (void)state;
  check_digest(IOTKIT_DIGEST_MD5, "", "d41d8cd98f00b204e9800998ecf8427e");
  check_digest(IOTKIT_DIGEST_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72");
  check_digest(IOTKIT_DIGEST_MD5,
               "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
               "57edf4a22be3c955ac49da2e2107b67a");
  check_digest(IOTKIT_DIGEST_SHA256, "",
               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  check_digest(IOTKIT_DIGEST_SHA256, "abc",
               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  check_digest(IOTKIT_DIGEST_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void values_may_be_asked_for_on_the_way(void **state) {
  (void)state;
  static uint8_t data[3000];
  for (size_t i = 0; i < sizeof data; i++)
    data[i] = (uint8_t)(i * 7 + i / 256);
  for (int method = IOTKIT_DIGEST_MD5; method <= IOTKIT_DIGEST_SHA256; method++) {
    struct ik_digest *digest;
    struct ik_soft_digest soft;
    assert_int_equal(ik_digest_new((enum iotkit_digest_method)method, &digest), 0);
    ik_soft_digest_init(&soft, method == IOTKIT_DIGEST_MD5 ? IK_SOFT_MD5 : IK_SOFT_SHA256);
    for (size_t at = 0, len = 0; at + len <= sizeof data; at += len, len = (len + 1) % 131) {
      uint8_t out[IOTKIT_DIGEST_MAX], expected[IK_SOFT_MAX];
      ik_digest_update(digest, data + at, len);
      ik_soft_digest_update(&soft, data + at, len);
      struct ik_soft_digest copy = soft;
      size_t expected_len = ik_soft_digest_final(&copy, expected);
      assert_int_equal(ik_digest_value(digest, out), expected_len);
      assert_memory_equal(out, expected, expected_len);
    }
    ik_digest_free(digest);
  }
}

static void reset_starts_over(void **state) {
  (void)state;
  uint8_t out[IOTKIT_DIGEST_MAX];
  struct ik_digest *digest;
  assert_int_equal(ik_digest_new(IOTKIT_DIGEST_SHA256, &digest), 0);
  ik_digest_update(digest, "something else", 14);
  assert_int_equal(ik_digest_reset(digest), 0);
  ik_digest_update(digest, "abc", 3);
  assert_string_equal(hex(out, ik_digest_value(digest, out)),
                      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  ik_digest_free(digest);
}

static void unknown_methods_are_refused(void **state) {
  (void)state;
  struct ik_digest *digest;
  assert_int_equal(ik_digest_new(IOTKIT_DIGEST_NONE, &digest), IK_EDIGEST_METHOD);
  assert_null(digest);
  ik_digest_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(digests_match_published_vectors),
      cmocka_unit_test(values_may_be_asked_for_on_the_way),
      cmocka_unit_test(reset_starts_over),
      cmocka_unit_test(unknown_methods_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
