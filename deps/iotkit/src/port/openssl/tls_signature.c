/* Tested by deps/iotkit/test/port/openssl/test_tls_signer_threads.c. */
/*
 * tls_signature.c - a signature on its way from the program to a handshake.
 *
 * Counted: the connection has one reference, the program another from the moment it is asked until it
 * answers. Each member is under `lock`; who frees it has the last reference, and so nobody waits.
 */
#include "port/openssl/tls_signature.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "port/port.h"

struct iotkit_tls_signature {
  struct ik_mutex *lock;
  struct ik_cond *changed;
  unsigned refs;
  bool is_answered;
  bool is_lost; /* what was given could not be kept */
  bool is_cancelled;
  uint8_t *bytes; /* owned; NULL: it failed */
  size_t len;
  char reason[IK_TLS_REASON_MAX + 1];
};

static void destroy(struct iotkit_tls_signature *signature) {
  ik_cond_free(signature->changed);
  ik_mutex_free(signature->lock);
  free(signature->bytes);
  free(signature);
}

iotkit_tls_signature_t *ik_tls_signature_new(void) {
  struct iotkit_tls_signature *signature = calloc(1, sizeof *signature);
  if (signature == NULL) return NULL;
  signature->refs = 1;
  signature->lock = ik_mutex_new();
  signature->changed = ik_cond_new();
  if (signature->lock != NULL && signature->changed != NULL) return signature;
  destroy(signature);
  return NULL;
}

void ik_tls_signature_ref(iotkit_tls_signature_t *signature) {
  ik_mutex_lock(signature->lock);
  signature->refs++;
  ik_mutex_unlock(signature->lock);
}

void ik_tls_signature_unref(iotkit_tls_signature_t *signature) {
  if (signature == NULL) return;
  ik_mutex_lock(signature->lock);
  const bool is_last = --signature->refs == 0;
  ik_mutex_unlock(signature->lock);
  if (is_last) destroy(signature);
}

enum ik_tls_given ik_tls_signature_await(iotkit_tls_signature_t *signature, uint8_t *out,
                                         size_t *len, char reason[IK_TLS_REASON_MAX + 1]) {
  enum ik_tls_given given = IK_TLS_GIVEN;
  ik_mutex_lock(signature->lock);
  while (!signature->is_answered && !signature->is_cancelled)
    ik_cond_wait(signature->changed, signature->lock, UINT64_MAX);
  if (!signature->is_answered) {
    given = IK_TLS_CANCELLED;
  } else if (signature->is_lost) {
    given = IK_TLS_LOST;
  } else if (signature->bytes == NULL) {
    given = IK_TLS_FAILED;
    memcpy(reason, signature->reason, sizeof signature->reason);
  } else {
    *len = signature->len <= *len ? signature->len : 0;
    memcpy(out, signature->bytes, *len);
  }
  ik_mutex_unlock(signature->lock);
  return given;
}

void ik_tls_signature_cancel(iotkit_tls_signature_t *signature) {
  ik_mutex_lock(signature->lock);
  signature->is_cancelled = true;
  ik_cond_broadcast(signature->changed);
  ik_mutex_unlock(signature->lock);
}

/* ---- the program's ---- */

static void answer(struct iotkit_tls_signature *signature, uint8_t *bytes, size_t len, bool is_lost,
                   const char *reason) {
  ik_mutex_lock(signature->lock);
  signature->bytes = bytes;
  signature->len = len;
  signature->is_lost = is_lost;
  if (reason != NULL)
    memcpy(signature->reason, reason, strnlen(reason, sizeof signature->reason - 1));
  signature->is_answered = true;
  ik_cond_broadcast(signature->changed);
  ik_mutex_unlock(signature->lock);
  ik_tls_signature_unref(signature);
}

void iotkit_tls_signature_give(iotkit_tls_signature_t *signature, const void *bytes, size_t len) {
  if (signature == NULL) return;
  if (bytes == NULL) len = 0;
  const size_t kept = len > IK_TLS_SIGNATURE_MAX ? 0 : len;
  uint8_t *copy = malloc(kept + 1);
  if (copy != NULL && kept > 0) memcpy(copy, bytes, kept);
  answer(signature, copy, len, copy == NULL, NULL);
}

void iotkit_tls_signature_fail(iotkit_tls_signature_t *signature, const char *reason) {
  if (signature != NULL) answer(signature, NULL, 0, false, reason);
}
