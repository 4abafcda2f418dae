/*
 * Kinds of public keys: read from DER that may be cut, damaged or written in other ways than the
 * one that DER allows.
 */
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/spki.h"
#include "support/cm.h"
#include "support/signatures.h"

struct der {
  uint8_t data[1024];
  size_t len;
};

/* What stands between the first and the last line. */
static struct der decode(const char *pem) {
  char base64[1400];
  size_t len = 0;
  struct der out;
  for (const char *line = strchr(pem, '\n') + 1; line[0] != '-'; line = strchr(line, '\n') + 1) {
    size_t line_len = strcspn(line, "\n");
    assert_true(len + line_len <= sizeof(base64));
    memcpy(base64 + len, line, line_len);
    len += line_len;
  }
  ptrdiff_t got = ik_base64_decode((struct ik_str){base64, len}, out.data, sizeof(out.data));
  assert_true(got > 0);
  out.len = (size_t)got;
  return out;
}

static void names_every_kind(void **state) {
  (void)state;
  static const struct {
    const char *pem;
    enum ik_key_kind kind;
    const char *name;
    unsigned bits;
  } rows[] = {
      {KEY_RSA_1024, IK_KEY_RSA, "RSA", 1024},     {KEY_RSA_2048, IK_KEY_RSA, "RSA", 2048},
      {KEY_RSA_4096, IK_KEY_RSA, "RSA", 4096},     {KEY_P256, IK_KEY_P256, "ECDSA on P-256", 0},
      {KEY_ED25519, IK_KEY_ED25519, "Ed25519", 0}, {KEY_P384, IK_KEY_OTHER, "ECDSA on P-384", 0},
      {KEY_ED448, IK_KEY_OTHER, "Ed448", 0},       {KEY_RSA_PSS, IK_KEY_OTHER, "RSA-PSS", 0},
  };
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct der der = decode(rows[i].pem);
    struct ik_spki spki;
    assert_true(ik_spki_read(der.data, der.len, &spki));
    assert_int_equal(spki.kind, rows[i].kind);
    assert_string_equal(spki.name, rows[i].name);
    assert_int_equal(spki.bits, rows[i].bits);
    assert_ptr_equal(spki.der, der.data);
    assert_true(spki.len == der.len);
    assert_false(ik_spki_of_certificate(der.data, der.len, &spki));
  }
}

/* A modulus may have fewer bits than its bytes have room for. */
static void counts_the_bits_of_a_modulus(void **state) {
  (void)state;
  static const struct {
    uint8_t first;
    unsigned bits;
  } rows[] = {{0xff, 2048}, {0x80, 2048}, {0x7f, 2047}, {0x40, 2047}, {0x01, 2041}};
  static const uint8_t before[] = {0x02, 0x82, 0x01, 0x01, 0x00}; /* an INTEGER of 257 bytes */
  struct der der = decode(KEY_RSA_2048);
  size_t at = 0;
  while (memcmp(der.data + at, before, sizeof(before)) != 0)
    at++;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_spki spki;
    der.data[at + sizeof(before)] = rows[i].first;
    assert_true(ik_spki_read(der.data, der.len, &spki));
    assert_int_equal(spki.bits, rows[i].bits);
  }
}

static void finds_the_key_of_a_certificate(void **state) {
  (void)state;
  struct der certificate = decode(CERTIFICATE_P256);
  struct der key = decode(KEY_P256);
  struct ik_spki spki;
  assert_true(ik_spki_of_certificate(certificate.data, certificate.len, &spki));
  assert_int_equal(spki.kind, IK_KEY_P256);
  assert_true(spki.len == key.len);
  assert_memory_equal(spki.der, key.data, key.len);
  assert_false(ik_spki_read(certificate.data, certificate.len, &spki));
}

/* Each cut and each changed byte, in memory of exactly that length. */
static void reads_nothing_beyond_the_end(void **state) {
  (void)state;
  static const char *const pems[] = {KEY_RSA_2048, KEY_P256, CERTIFICATE_P256};
  for (size_t p = 0; p < COUNT(pems); p++) {
    struct der der = decode(pems[p]);
    struct ik_spki spki;
    for (size_t len = 0; len < der.len; len++) {
      uint8_t *cut = malloc(len + 1);
      assert_non_null(cut);
      memcpy(cut, der.data, len);
      assert_false(ik_spki_read(cut, len, &spki));
      assert_false(ik_spki_of_certificate(cut, len, &spki));
      free(cut);
    }
    for (size_t i = 0; i < der.len * 256; i++) {
      uint8_t *changed = malloc(der.len);
      assert_non_null(changed);
      memcpy(changed, der.data, der.len);
      changed[i / 256] = (uint8_t)i;
      ik_spki_read(changed, der.len, &spki);
      ik_spki_of_certificate(changed, der.len, &spki);
      free(changed);
    }
    uint8_t *longer = malloc(der.len + 1);
    assert_non_null(longer);
    memcpy(longer, der.data, der.len);
    longer[der.len] = 0;
    assert_false(ik_spki_read(longer, der.len + 1, &spki));
    assert_false(ik_spki_of_certificate(longer, der.len + 1, &spki));
    free(longer);
  }
}

/* 200 bytes whose length is written in `len` bytes. */
static bool read_long(const char *length, size_t len) {
  uint8_t der[256] = {0x30};
  struct ik_spki spki;
  static const uint8_t algorithm[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x81, 190, 0};
  memcpy(der + 1, length, len);
  memcpy(der + 1 + len, algorithm, sizeof(algorithm));
  return ik_spki_read(der, 1 + len + 200, &spki);
}

#define READ(text) ik_spki_read((const uint8_t *)(text), sizeof(text) - 1, &spki)

static void wants_the_one_form_of_der(void **state) {
  (void)state;
  struct ik_spki spki;
  assert_true(READ("\x30\x0c\x30\x05\x06\x03\x2b\x65\x70\x03\x03\x00\x01\x02"));
  assert_int_equal(spki.kind, IK_KEY_ED25519);
  assert_true(READ("\x30\x0c\x30\x05\x06\x03\x2b\x65\x7f\x03\x03\x00\x01\x02"));
  assert_int_equal(spki.kind, IK_KEY_OTHER);
  assert_string_equal(spki.name, "of an unknown kind");
  /* lengths: longer than needed, with a leading zero, indefinite, of five bytes */
  assert_false(READ("\x30\x81\x0c\x30\x05\x06\x03\x2b\x65\x70\x03\x03\x00\x01\x02"));
  assert_false(READ("\x30\x82\x00\x0c\x30\x05\x06\x03\x2b\x65\x70\x03\x03\x00\x01\x02"));
  assert_true(read_long("\x81\xc8", 2));
  assert_false(read_long("\x82\x00\xc8", 3));
  assert_false(READ("\x30\x80\x30\x05\x06\x03\x2b\x65\x70\x03\x03\x00\x01\x02\x00\x00"));
  assert_false(READ("\x30\x85\x01\x00\x00\x00\x0c\x30\x05\x06\x03\x2b\x65\x70\x03\x03\x00\x01"));
  /* bits that are not used, no key, something after the key */
  assert_false(READ("\x30\x0c\x30\x05\x06\x03\x2b\x65\x70\x03\x03\x01\x01\x02"));
  assert_false(READ("\x30\x0a\x30\x05\x06\x03\x2b\x65\x70\x03\x01\x00"));
  assert_false(READ("\x30\x0e\x30\x05\x06\x03\x2b\x65\x70\x03\x03\x00\x01\x02\x05\x00"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_every_kind),
      cmocka_unit_test(counts_the_bits_of_a_modulus),
      cmocka_unit_test(finds_the_key_of_a_certificate),
      cmocka_unit_test(reads_nothing_beyond_the_end),
      cmocka_unit_test(wants_the_one_form_of_der),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
