/*
 * spki.c - walks DER up to the kind of a key. Nothing is copied or owned.
 */
#include "base/spki.h"

#include <string.h>

#define INTEGER 0x02
#define BIT_STRING 0x03
#define SEQUENCE 0x30
#define VERSION 0xa0 /* [0] of a certificate, absent in version 1 */

struct bytes {
  const uint8_t *ptr;
  size_t len;
};

/* The length after a tag, in its one shortest form. */
static bool read_length(struct bytes *in, size_t *len) {
  if (in->len == 0) return false;
  size_t first = *in->ptr++;
  in->len--;
  *len = first;
  if (first < 0x80) return true;
  size_t count = first & 0x7f;
  if (count < 1 || count > sizeof(uint32_t) || count > in->len || in->ptr[0] == 0) return false;
  *len = 0;
  for (; count > 0; count--) {
    *len = *len << 8 | *in->ptr++;
    in->len--;
  }
  return *len >= 0x80;
}

/* Takes the next element off `in`, which must have this tag. */
static bool take(struct bytes *in, uint8_t tag, struct bytes *content) {
  size_t len;
  if (in->len == 0 || in->ptr[0] != tag) return false;
  in->ptr++;
  in->len--;
  if (!read_length(in, &len) || len > in->len) return false;
  *content = (struct bytes){in->ptr, len};
  in->ptr += len;
  in->len -= len;
  return true;
}

/* The one element that is all of `der`. */
static bool whole(struct bytes der, uint8_t tag, struct bytes *content) {
  return take(&der, tag, content) && der.len == 0;
}

/* ---- kinds ---- */

/* AlgorithmIdentifiers without their tag and length. */
#define OID_RSA "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00"
#define OID_RSA_PSS "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a"
#define OID_DSA "\x06\x07\x2a\x86\x48\xce\x38\x04\x01"
#define OID_EC "\x06\x07\x2a\x86\x48\xce\x3d\x02\x01"
#define P256 OID_EC "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
#define P384 OID_EC "\x06\x05\x2b\x81\x04\x00\x22"
#define P521 OID_EC "\x06\x05\x2b\x81\x04\x00\x23"
#define SECP256K1 OID_EC "\x06\x05\x2b\x81\x04\x00\x0a"
#define ED25519 "\x06\x03\x2b\x65\x70"
#define ED448 "\x06\x03\x2b\x65\x71"
#define ROW(id, exact, kind, name)                                                                 \
  { id, sizeof(id) - 1, exact, kind, name }

static const struct {
  const char *id;
  size_t len;
  bool exact; /* else anything may follow: parameters */
  enum ik_key_kind kind;
  const char *name;
} kinds[] = {
    ROW(OID_RSA, true, IK_KEY_RSA, "RSA"),
    ROW(P256, true, IK_KEY_P256, "ECDSA on P-256"),
    ROW(ED25519, true, IK_KEY_ED25519, "Ed25519"),
    ROW(OID_RSA_PSS, false, IK_KEY_OTHER, "RSA-PSS"),
    ROW(OID_DSA, false, IK_KEY_OTHER, "DSA"),
    ROW(P384, true, IK_KEY_OTHER, "ECDSA on P-384"),
    ROW(P521, true, IK_KEY_OTHER, "ECDSA on P-521"),
    ROW(SECP256K1, true, IK_KEY_OTHER, "ECDSA on secp256k1"),
    ROW(OID_EC, false, IK_KEY_OTHER, "ECDSA on another curve than P-256"),
    ROW(ED448, true, IK_KEY_OTHER, "Ed448"),
};

static void name_kind(struct bytes algorithm, struct ik_spki *out) {
  out->kind = IK_KEY_OTHER;
  out->name = "of an unknown kind";
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    if (kinds[i].exact ? algorithm.len != kinds[i].len : algorithm.len < kinds[i].len) continue;
    if (memcmp(algorithm.ptr, kinds[i].id, kinds[i].len) != 0) continue;
    out->kind = kinds[i].kind;
    out->name = kinds[i].name;
    return;
  }
}

/* RSAPublicKey: SEQUENCE of modulus and exponent. */
static bool count_bits(struct bytes key, unsigned *bits) {
  struct bytes numbers;
  struct bytes modulus;
  struct bytes exponent;
  if (!whole(key, SEQUENCE, &numbers) || !take(&numbers, INTEGER, &modulus) ||
      !whole(numbers, INTEGER, &exponent)) {
    return false;
  }
  while (modulus.len > 0 && modulus.ptr[0] == 0) {
    modulus.ptr++;
    modulus.len--;
  }
  if (modulus.len > UINT16_MAX) return false;
  *bits = (unsigned)modulus.len * 8;
  for (unsigned mask = 0x80; modulus.len > 0 && (modulus.ptr[0] & mask) == 0; mask >>= 1)
    --*bits;
  return true;
}

bool ik_spki_read(const uint8_t *der, size_t len, struct ik_spki *out) {
  struct bytes info;
  struct bytes algorithm;
  struct bytes key;
  *out = (struct ik_spki){.der = der, .len = len};
  if (!whole((struct bytes){der, len}, SEQUENCE, &info) || !take(&info, SEQUENCE, &algorithm) ||
      !whole(info, BIT_STRING, &key) || key.len < 2 || key.ptr[0] != 0) {
    return false;
  }
  name_kind(algorithm, out);
  key.ptr++; /* how many bits of the last byte are not used: none */
  key.len--;
  return out->kind != IK_KEY_RSA || count_bits(key, &out->bits);
}

/* Serial number, signature algorithm, issuer, validity, subject: what stands before the key. */
bool ik_spki_of_certificate(const uint8_t *der, size_t len, struct ik_spki *out) {
  static const uint8_t before[] = {INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE};
  struct bytes all;
  struct bytes body;
  struct bytes skipped;
  if (!whole((struct bytes){der, len}, SEQUENCE, &all) || !take(&all, SEQUENCE, &body) ||
      !take(&all, SEQUENCE, &skipped) || !whole(all, BIT_STRING, &skipped)) {
    return false;
  }
  if (body.len > 0 && body.ptr[0] == VERSION && !take(&body, VERSION, &skipped)) return false;
  for (size_t i = 0; i < sizeof(before); i++)
    if (!take(&body, before[i], &skipped)) return false;
  const uint8_t *start = body.ptr;
  if (!take(&body, SEQUENCE, &skipped)) return false;
  return ik_spki_read(start, (size_t)(body.ptr - start), out);
}
