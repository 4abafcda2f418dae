/*
 * content.c - reads a file and compares its digest. No state.
 */
#include "image/content.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/limits.h"

#define READ_BYTES IK_MIB

static int digest_of(struct ik_osfile *os, uint64_t base, uint64_t size, struct ik_digest *state,
                     uint8_t *block, char *detail) {
  for (uint64_t at = 0; at < size;) {
    size_t len = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;
    int64_t n = ik_osfile_read(os, base + at, block, len, detail);
    if (n < 0) return (int)n;
    if (n != (int64_t)len) return ik_refuse(detail, IK_EFILE, "it ends before its size");
    int rc = ik_digest_update(state, block, len);
    if (rc != 0) return rc;
    at += len;
  }
  return 0;
}

int ik_content_digest(struct ik_osfile *os, uint64_t base, uint64_t size,
                      enum iotkit_digest_method method, uint8_t out[IOTKIT_DIGEST_MAX],
                      char *detail) {
  struct ik_digest *state = NULL;
  uint8_t *block = malloc(READ_BYTES);
  int rc = block ? ik_digest_new(method, &state) : IK_ENO_MEMORY;
  if (rc == 0) rc = digest_of(os, base, size, state, block, detail);
  if (rc == 0) rc = ik_digest_value(state, out);
  ik_digest_free(state);
  free(block);
  return rc;
}

int ik_content_has_digest(struct ik_osfile *os, uint64_t base, uint64_t size,
                          enum iotkit_digest_method method, const uint8_t *digest, char *detail) {
  uint8_t value[IOTKIT_DIGEST_MAX];
  int rc = ik_content_digest(os, base, size, method, value, detail);
  return rc > 0 ? ik_equal_ct(value, digest, (size_t)rc) : rc;
}
