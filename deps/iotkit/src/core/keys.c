/*
 * keys.c - sets of public keys. A set is counted by references and never changes; it owns its keys.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "iotkit_verify.h"
#include "port/port.h"

struct iotkit_keys {
  atomic_uint refs;
  size_t count;
  struct ik_pubkey *keys[IOTKIT_KEYS_MAX];
};

int iotkit_keys_new(const char *pem, size_t len, iotkit_keys_t **out, char *detail) {
  if (pem == NULL || out == NULL) return IK_EINVALID_ARGUMENT;
  *out = NULL;
  if (len == 0) len = strnlen(pem, IK_PEM_MAX + 1);
  iotkit_keys_t *keys = calloc(1, sizeof(*keys));
  if (keys == NULL) return IK_ENO_MEMORY;
  atomic_init(&keys->refs, 1);
  int rc = ik_pubkeys_read((struct ik_str){pem, len}, keys->keys, IOTKIT_KEYS_MAX, detail);
  if (rc < 0) {
    free(keys);
    return rc;
  }
  keys->count = (size_t)rc;
  *out = keys;
  return 0;
}

iotkit_keys_t *iotkit_keys_ref(iotkit_keys_t *keys) {
  if (keys != NULL) atomic_fetch_add_explicit(&keys->refs, 1, memory_order_relaxed);
  return keys;
}

void iotkit_keys_unref(iotkit_keys_t *keys) {
  if (keys == NULL || atomic_fetch_sub_explicit(&keys->refs, 1, memory_order_acq_rel) != 1) return;
  for (size_t i = 0; i < keys->count; i++)
    ik_pubkey_free(keys->keys[i]);
  free(keys);
}

/* A message, or its digest alone. */
struct signed_message {
  const void *message;
  size_t len;
  const uint8_t *sha256; /* NULL: the message is given */
};

static int verify_one(const struct ik_pubkey *key, const struct signed_message *in,
                      const void *signature, size_t signature_len) {
  if (in->sha256 != NULL) return ik_pubkey_verify_sha256(key, in->sha256, signature, signature_len);
  return ik_pubkey_verify(key, in->message, in->len, signature, signature_len);
}

static int verify(const iotkit_keys_t *keys, const struct signed_message *in, const void *signature,
                  size_t signature_len, char *detail) {
  int failed = 0;
  for (size_t i = 0; i < keys->count; i++) {
    int rc = verify_one(keys->keys[i], in, signature, signature_len);
    if (rc == 1) return 0;
    if (rc < 0) failed = rc;
  }
  if (failed != 0) {
    ik_detail(detail, "the signature could not be verified");
    return failed;
  }
  if (keys->count == 1) {
    ik_detail(detail, "the public key did not make the signature");
  } else {
    ik_detail(detail, "none of the %zu public keys made the signature", keys->count);
  }
  return IK_ESIGNATURE;
}

int iotkit_verify(const iotkit_keys_t *keys, const void *message, size_t message_len,
                  const void *signature, size_t signature_len, char *detail) {
  if (keys == NULL || signature == NULL || (message == NULL && message_len > 0))
    return IK_EINVALID_ARGUMENT;
  const struct signed_message in = {message, message_len, NULL};
  return verify(keys, &in, signature, signature_len, detail);
}

int iotkit_verify_sha256(const iotkit_keys_t *keys, const uint8_t digest[32], const void *signature,
                         size_t signature_len, char *detail) {
  if (keys == NULL || digest == NULL || signature == NULL) return IK_EINVALID_ARGUMENT;
  const struct signed_message in = {NULL, 0, digest};
  return verify(keys, &in, signature, signature_len, detail);
}
