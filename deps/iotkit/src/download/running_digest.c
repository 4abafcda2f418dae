/*
 * running_digest.c - one digest state, added to in order.
 */
#include "download/running_digest.h"

#include "base/codec.h"

int ik_running_digest_init(struct ik_running_digest *digest, enum iotkit_digest_method method) {
  digest->method = method;
  digest->mutex = ik_mutex_new();
  return digest->mutex != NULL ? 0 : IK_ENO_MEMORY;
}

void ik_running_digest_deinit(struct ik_running_digest *digest) {
  ik_digest_free(digest->state);
  ik_mutex_free(digest->mutex);
}

/* With the mutex held; makes the state if there is none. */
static int restart(struct ik_running_digest *digest) {
  int rc = 0;
  if (digest->state == NULL) {
    rc = ik_digest_new(digest->method, &digest->state);
  } else if (digest->digested > 0) {
    rc = ik_digest_reset(digest->state);
  }
  if (rc == 0) digest->digested = 0;
  return rc;
}

/* With the mutex held. */
static int update(struct ik_running_digest *digest, uint64_t offset, const void *data, size_t len) {
  if (offset != 0 && offset != digest->digested) return IK_EINVALID_ARGUMENT;
  int rc = offset == 0 ? restart(digest) : 0;
  if (rc == 0) rc = ik_digest_update(digest->state, data, len);
  if (rc == 0) digest->digested += len;
  return rc;
}

int ik_running_digest_update(struct ik_running_digest *digest, uint64_t offset, const void *data,
                             size_t len) {
  ik_mutex_lock(digest->mutex);
  int rc = update(digest, offset, data, len);
  ik_mutex_unlock(digest->mutex);
  return rc;
}

int ik_running_digest_value(struct ik_running_digest *digest, uint64_t *offset,
                            uint8_t value[IOTKIT_DIGEST_MAX]) {
  ik_mutex_lock(digest->mutex);
  int rc = digest->state == NULL ? restart(digest) : 0;
  if (rc == 0) rc = ik_digest_value(digest->state, value);
  *offset = digest->digested;
  ik_mutex_unlock(digest->mutex);
  return rc;
}

int ik_running_digest_resume(struct ik_running_digest *digest, uint64_t offset) {
  int rc = 0;
  ik_mutex_lock(digest->mutex);
  if (offset == 0) {
    if (digest->state != NULL) rc = restart(digest);
  } else if (offset != digest->digested) {
    rc = IK_EINVALID_ARGUMENT;
  }
  ik_mutex_unlock(digest->mutex);
  return rc;
}

int ik_running_digest_compare(struct ik_running_digest *digest, uint64_t offset,
                              struct ik_digest *other) {
  uint8_t own[IOTKIT_DIGEST_MAX] = {0};
  uint8_t others[IOTKIT_DIGEST_MAX] = {0};
  ik_mutex_lock(digest->mutex);
  bool is_there = digest->state != NULL && digest->digested == offset;
  int len = is_there ? ik_digest_value(digest->state, own) : IK_EAGAIN;
  ik_mutex_unlock(digest->mutex);
  if (len < 0) return len;
  int length = ik_digest_value(other, others);
  if (length < 0) return length;
  return length == len && ik_equal_ct(own, others, (size_t)len) ? 1 : 0;
}

int ik_running_digest_check(struct ik_running_digest *digest, uint64_t size,
                            const uint8_t *expected) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  int rc = IK_ESIZE_MISMATCH;
  ik_mutex_lock(digest->mutex);
  if (digest->state != NULL && digest->digested == size) {
    int len = ik_digest_value(digest->state, value);
    bool same = len > 0 && ik_equal_ct(value, expected, (size_t)len);
    rc = len < 0 ? len : same ? 0 : IK_EDIGEST_MISMATCH;
  }
  ik_mutex_unlock(digest->mutex);
  return rc;
}
