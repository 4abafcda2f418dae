/*
 * Public keys and signatures: which keys are taken, and that a signature fits only the key, the
 * message and the bytes it was made of.
 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "iotkit_core.h"
#include "iotkit_verify.h"
#include "support/cm.h"
#include "support/signatures.h"

#define BLOCK(name, text) "-----BEGIN " name "-----\n" text "-----END " name "-----\n"

struct bytes {
  uint8_t data[1024];
  size_t len;
};

static struct bytes from_base64(const char *text) {
  struct bytes out;
  ptrdiff_t len = ik_base64_decode(ik_str(text), out.data, sizeof(out.data));
  assert_true(len > 0);
  out.len = (size_t)len;
  return out;
}

static struct bytes from_hex(const char *text) {
  struct bytes out = {.len = strlen(text) / 2};
  assert_true(ik_hex_decode(ik_str(text), out.data, out.len));
  return out;
}

static iotkit_keys_t *keys_of(const char *pem) {
  iotkit_keys_t *keys = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_keys_new(pem, 0, &keys, detail);
  if (rc != 0) fail_msg("%s: %s", iotkit_error_name(rc), detail);
  return keys;
}

static int check(const char *pem, const struct bytes *message, const struct bytes *signature) {
  iotkit_keys_t *keys = keys_of(pem);
  int rc = iotkit_verify(keys, message->data, message->len, signature->data, signature->len, NULL);
  iotkit_keys_unref(keys);
  return rc;
}

/* ---- keys ---- */

static void takes_one_and_several_keys(void **state) {
  (void)state;
  static const char *const taken[] = {
      KEY_RSA_2048,
      KEY_RSA_4096,
      KEY_P256,
      KEY_ED25519,
      CERTIFICATE_P256,
      "the old key:\n" KEY_RSA_2048 "\nand the new one:\n" CERTIFICATE_P256 KEY_ED25519 "the end",
  };
  for (size_t i = 0; i < COUNT(taken); i++)
    iotkit_keys_unref(keys_of(taken[i]));
  iotkit_keys_t *keys = NULL;
  /* With a length nothing after it is read. */
  assert_int_equal(iotkit_keys_new(KEY_P256 "x-----BEGIN", sizeof(KEY_P256) - 1, &keys, NULL), 0);
  assert_ptr_equal(iotkit_keys_ref(keys), keys);
  iotkit_keys_unref(keys);
  iotkit_keys_unref(keys);
  iotkit_keys_unref(NULL);
  assert_null(iotkit_keys_ref(NULL));
}

static void refuses_other_keys_by_name(void **state) {
  (void)state;
  static const struct {
    const char *pem;
    const char *said;
  } rows[] = {
      {"", "no key in PEM format"},
      {"hello", "no key in PEM format"},
      {KEY_RSA_1024, "key 1: is RSA of 1024 bits"},
      {KEY_P384, "key 1: is ECDSA on P-384"},
      {KEY_ED448, "key 1: is Ed448"},
      {KEY_RSA_PSS, "key 1: is RSA-PSS"},
      {KEY_RSA_PKCS1, "key 1: is neither a PUBLIC KEY nor a CERTIFICATE"},
      {KEY_P256 KEY_RSA_1024, "key 2: is RSA of 1024 bits"},
      {BLOCK("PRIVATE KEY", "MAECAQ==\n"), "key 1: is a private key"},
      {BLOCK("EC PRIVATE KEY", "MAECAQ==\n"), "key 1: is a private key"},
      {BLOCK("PUBLIC KEY", "MAECAQ==\n"), "key 1: is damaged"},
      {BLOCK("CERTIFICATE", "MAECAQ==\n"), "key 1: is damaged"},
      {BLOCK("PUBLIC KEY", ""), "key 1"},
      {BLOCK("PUBLIC KEY", "%%%%\n"), "key 1"},
      {"-----BEGIN PUBLIC KEY-----\nMAECAQ==\n", "key 1"},
      {"-----BEGIN PUBLIC KEY-----\nMAECAQ==\n-----END CERTIFICATE-----\n", "key 1"},
      {KEY_P256 "-----BEGIN PUBLIC KEY----\nMAECAQ==\n-----END PUBLIC KEY-----\n", "damaged"},
      {KEY_P256 "----BEGIN PUBLIC KEY-----\nMAECAQ==\n-----END PUBLIC KEY-----\n", "damaged"},
      /* the first byte of the point is none of a point, a point beside the curve */
      {BLOCK("PUBLIC KEY", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAFAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n"),
       "key 1"},
      {BLOCK("PUBLIC KEY", "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
                           "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ==\n"),
       "key 1"},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    iotkit_keys_t *keys = (iotkit_keys_t *)(uintptr_t)1;
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = iotkit_keys_new(rows[i].pem, 0, &keys, detail);
    if (rc != IK_EPUBLIC_KEY || strstr(detail, rows[i].said) == NULL)
      fail_msg("row %zu: %d, \"%s\" without \"%s\"", i, rc, detail, rows[i].said);
    assert_null(keys);
  }
}

static char *repeated(const char *pem, size_t count) {
  size_t len = strlen(pem);
  char *text = malloc(count * len + 1);
  assert_non_null(text);
  for (size_t i = 0; i < count; i++)
    memcpy(text + i * len, pem, len);
  text[count * len] = '\0';
  return text;
}

static void takes_at_most_sixteen(void **state) {
  (void)state;
  iotkit_keys_t *keys = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  char *pem = repeated(KEY_P256, IOTKIT_KEYS_MAX);
  iotkit_keys_unref(keys_of(pem));
  free(pem);
  pem = repeated(KEY_P256, IOTKIT_KEYS_MAX + 1);
  assert_int_equal(iotkit_keys_new(pem, 0, &keys, detail), IK_EPUBLIC_KEY);
  assert_string_equal(detail, "the text holds more than 16 keys");
  free(pem);
}

/* A key with any one byte changed is refused or another key; nothing is read beyond its end. */
static void survives_damage_at_every_place(void **state) {
  (void)state;
  static const char *const pems[] = {KEY_RSA_2048, CERTIFICATE_P256};
  static const char changes[] = {'\0', '-', '\n', 'A', '/', '\x80'};
  const struct bytes message = from_hex(IMAGE_SHA256);
  const struct bytes signature = from_base64(SIGNED_SHA256_ED25519);
  for (size_t p = 0; p < COUNT(pems); p++) {
    size_t len = strlen(pems[p]);
    for (size_t i = 0; i < len * sizeof(changes); i++) {
      iotkit_keys_t *keys = NULL;
      char *pem = malloc(len);
      assert_non_null(pem);
      memcpy(pem, pems[p], len);
      pem[i / sizeof(changes)] = changes[i % sizeof(changes)];
      if (iotkit_keys_new(pem, len, &keys, NULL) == 0) {
        assert_int_equal(
            iotkit_verify(keys, message.data, message.len, signature.data, signature.len, NULL),
            IK_ESIGNATURE);
      }
      iotkit_keys_unref(keys);
      free(pem);
    }
    for (size_t cut = 1; cut < len - 1; cut++) {
      iotkit_keys_t *keys = NULL;
      char *pem = malloc(cut);
      assert_non_null(pem);
      memcpy(pem, pems[p], cut);
      if (iotkit_keys_new(pem, cut, &keys, NULL) != IK_EPUBLIC_KEY)
        fail_msg("a key of which %zu bytes are there was taken", cut);
      free(pem);
    }
  }
}

/* ---- signatures ---- */

static const struct {
  const char *name;
  const char *pem;
  const char *sha256;
  const char *md5;
  const char *image;
  bool can_digest; /* verify with the SHA-256 value alone */
} signers[] = {
    {"RSA-2048", KEY_RSA_2048, SIGNED_SHA256_RSA_2048, SIGNED_MD5_RSA_2048, SIGNED_IMAGE_RSA_2048,
     true},
    {"RSA-4096", KEY_RSA_4096, SIGNED_SHA256_RSA_4096, SIGNED_MD5_RSA_4096, SIGNED_IMAGE_RSA_4096,
     true},
    {"P-256", KEY_P256, SIGNED_SHA256_P256, SIGNED_MD5_P256, SIGNED_IMAGE_P256, true},
    {"P-256 of a certificate", CERTIFICATE_P256, SIGNED_SHA256_P256, SIGNED_MD5_P256,
     SIGNED_IMAGE_P256, true},
    {"Ed25519", KEY_ED25519, SIGNED_SHA256_ED25519, SIGNED_MD5_ED25519, SIGNED_IMAGE_ED25519,
     false},
};

static void verifies_what_was_signed(void **state) {
  (void)state;
  const struct bytes sha256 = from_hex(IMAGE_SHA256);
  const struct bytes md5 = from_hex(IMAGE_MD5);
  const struct bytes image = {IMAGE, sizeof(IMAGE) - 1};
  for (size_t i = 0; i < COUNT(signers); i++) {
    const struct bytes over_sha256 = from_base64(signers[i].sha256);
    const struct bytes over_md5 = from_base64(signers[i].md5);
    const struct bytes over_image = from_base64(signers[i].image);
    print_message("%s\n", signers[i].name);
    assert_int_equal(check(signers[i].pem, &sha256, &over_sha256), 0);
    assert_int_equal(check(signers[i].pem, &md5, &over_md5), 0);
    assert_int_equal(check(signers[i].pem, &image, &over_image), 0);
    assert_int_equal(check(signers[i].pem, &image, &over_sha256), IK_ESIGNATURE);
    assert_int_equal(check(signers[i].pem, &sha256, &over_md5), IK_ESIGNATURE);
    assert_int_equal(check(signers[i].pem, &md5, &over_image), IK_ESIGNATURE);
  }
}

static void verifies_an_image_by_its_digest(void **state) {
  (void)state;
  struct bytes sha256 = from_hex(IMAGE_SHA256);
  for (size_t i = 0; i < COUNT(signers); i++) {
    iotkit_keys_t *keys = keys_of(signers[i].pem);
    const struct bytes signature = from_base64(signers[i].image);
    const struct bytes other = from_base64(signers[i].sha256);
    int expected = signers[i].can_digest ? 0 : IK_ESIGNATURE;
    print_message("%s\n", signers[i].name);
    assert_int_equal(iotkit_verify_sha256(keys, sha256.data, signature.data, signature.len, NULL),
                     expected);
    assert_int_equal(iotkit_verify_sha256(keys, sha256.data, other.data, other.len, NULL),
                     IK_ESIGNATURE);
    sha256.data[31] ^= 1;
    assert_int_equal(iotkit_verify_sha256(keys, sha256.data, signature.data, signature.len, NULL),
                     IK_ESIGNATURE);
    sha256.data[31] ^= 1;
    iotkit_keys_unref(keys);
  }
}

/* Each byte counts, of the signature and of the message, and their lengths do. */
static void refuses_any_change(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(signers); i++) {
    struct bytes message = from_hex(IMAGE_SHA256);
    struct bytes signature = from_base64(signers[i].sha256);
    print_message("%s\n", signers[i].name);
    for (size_t at = 0; at < signature.len; at += 1 + signature.len / 32) {
      signature.data[at] ^= 0x10;
      assert_int_equal(check(signers[i].pem, &message, &signature), IK_ESIGNATURE);
      signature.data[at] ^= 0x10;
    }
    for (size_t at = 0; at < message.len; at += 5) {
      message.data[at] ^= 0x80;
      assert_int_equal(check(signers[i].pem, &message, &signature), IK_ESIGNATURE);
      message.data[at] ^= 0x80;
    }
    static const size_t lengths[] = {0, 1, 31};
    for (size_t l = 0; l < COUNT(lengths); l++) {
      struct bytes cut = signature;
      cut.len = lengths[l];
      assert_int_equal(check(signers[i].pem, &message, &cut), IK_ESIGNATURE);
    }
    signature.len--;
    assert_int_equal(check(signers[i].pem, &message, &signature), IK_ESIGNATURE);
    signature.data[signature.len + 1] = 0;
    signature.len += 2;
    assert_int_equal(check(signers[i].pem, &message, &signature), IK_ESIGNATURE);
    signature.len--;
    message.len--;
    assert_int_equal(check(signers[i].pem, &message, &signature), IK_ESIGNATURE);
    message.len++;
    assert_int_equal(check(signers[i].pem, &message, &signature), 0);
  }
}

static void any_key_of_the_set_may_have_signed(void **state) {
  (void)state;
  const struct bytes message = from_hex(IMAGE_SHA256);
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_keys_t *all = keys_of(KEY_RSA_4096 KEY_ED25519 CERTIFICATE_P256 KEY_RSA_2048);
  iotkit_keys_t *others = keys_of(KEY_RSA_4096 KEY_ED25519);
  iotkit_keys_t *one = keys_of(KEY_ED25519);
  for (size_t i = 0; i < COUNT(signers); i++) {
    const struct bytes signature = from_base64(signers[i].sha256);
    assert_int_equal(
        iotkit_verify(all, message.data, message.len, signature.data, signature.len, detail), 0);
  }
  const struct bytes signature = from_base64(SIGNED_SHA256_P256);
  assert_int_equal(
      iotkit_verify(others, message.data, message.len, signature.data, signature.len, detail),
      IK_ESIGNATURE);
  assert_string_equal(detail, "none of the 2 public keys made the signature");
  assert_int_equal(
      iotkit_verify(one, message.data, message.len, signature.data, signature.len, detail),
      IK_ESIGNATURE);
  assert_string_equal(detail, "the public key did not make the signature");
  iotkit_keys_unref(one);
  iotkit_keys_unref(others);
  iotkit_keys_unref(all);
}

static void refuses_bad_arguments(void **state) {
  (void)state;
  iotkit_keys_t *keys = keys_of(KEY_P256);
  iotkit_keys_t *none = NULL;
  uint8_t long_signature[1025] = {0};
  assert_int_equal(iotkit_keys_new(NULL, 0, &none, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_keys_new(KEY_P256, 0, NULL, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_verify(NULL, "x", 1, "x", 1, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_verify(keys, NULL, 1, "x", 1, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_verify(keys, "x", 1, NULL, 1, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_verify(keys, NULL, 0, "x", 1, NULL), IK_ESIGNATURE);
  assert_int_equal(iotkit_verify(keys, "x", 1, long_signature, sizeof(long_signature), NULL),
                   IK_ESIGNATURE);
  assert_int_equal(iotkit_verify_sha256(keys, NULL, "x", 1, NULL), IK_EINVALID_ARGUMENT);
  assert_int_equal(iotkit_verify_sha256(NULL, long_signature, "x", 1, NULL), IK_EINVALID_ARGUMENT);
  iotkit_keys_unref(keys);
}

/* ---- threads ---- */

struct run {
  iotkit_keys_t *keys; /* a reference of the thread's own */
  iotkit_thread_t *thread;
  int failed;
};

static void verify_often(void *arg) {
  struct run *run = arg;
  const struct bytes message = from_hex(IMAGE_SHA256);
  for (int i = 0; i < 20 * (int)COUNT(signers); i++) {
    const struct bytes signature = from_base64(signers[(size_t)i % COUNT(signers)].sha256);
    if (iotkit_verify(run->keys, message.data, message.len, signature.data, signature.len, NULL) !=
        0)
      run->failed++;
  }
  iotkit_keys_unref(run->keys);
}

static void threads_share_a_set(void **state) {
  (void)state;
  struct run runs[4] = {{0}};
  iotkit_keys_t *keys = keys_of(KEY_RSA_4096 KEY_ED25519 CERTIFICATE_P256 KEY_RSA_2048);
  for (size_t i = 0; i < COUNT(runs); i++) {
    runs[i].keys = iotkit_keys_ref(keys);
    assert_int_equal(iotkit_thread_start(&runs[i].thread, "verify", 0, verify_often, &runs[i]), 0);
  }
  iotkit_keys_unref(keys);
  for (size_t i = 0; i < COUNT(runs); i++) {
    iotkit_thread_join(runs[i].thread);
    assert_int_equal(runs[i].failed, 0);
  }
}

static void says_that_openssl_is_missing(void **state) {
  (void)state;
  iotkit_keys_t *keys = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(iotkit_keys_new(KEY_P256, 0, &keys, detail), IK_ETLS_UNAVAILABLE);
  assert_non_null(strstr(detail, "OpenSSL"));
  assert_null(keys);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_one_and_several_keys),
      cmocka_unit_test(refuses_other_keys_by_name),
      cmocka_unit_test(takes_at_most_sixteen),
      cmocka_unit_test(survives_damage_at_every_place),
      cmocka_unit_test(verifies_what_was_signed),
      cmocka_unit_test(verifies_an_image_by_its_digest),
      cmocka_unit_test(refuses_any_change),
      cmocka_unit_test(any_key_of_the_set_may_have_signed),
      cmocka_unit_test(refuses_bad_arguments),
      cmocka_unit_test(threads_share_a_set),
  };
  const struct CMUnitTest without[] = {cmocka_unit_test(says_that_openssl_is_missing)};
  return iotkit_tls_source() != NULL ? cmocka_run_group_tests(tests, NULL, NULL)
                                     : cmocka_run_group_tests(without, NULL, NULL);
}
