/*
 * spki.h - what kind of public key a DER text holds: SubjectPublicKeyInfo (RFC 5280), alone or
 * inside a certificate. Only structure and kind; the key itself is OpenSSL's to read.
 */
#ifndef IK_SPKI_H
#define IK_SPKI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ik_key_kind { IK_KEY_OTHER, IK_KEY_RSA, IK_KEY_P256, IK_KEY_ED25519 };

struct ik_spki {
  const uint8_t *der; /* the SubjectPublicKeyInfo inside what was read */
  size_t len;
  enum ik_key_kind kind;
  const char *name; /* of the kind, in words; static */
  unsigned bits;    /* of an RSA key's modulus, else 0 */
};

/* False: not exactly one well-formed SubjectPublicKeyInfo. */
bool ik_spki_read(const uint8_t *der, size_t len, struct ik_spki *out);
/* The key of an X.509 certificate; nothing else of it is looked at. */
bool ik_spki_of_certificate(const uint8_t *der, size_t len, struct ik_spki *out);

#endif
