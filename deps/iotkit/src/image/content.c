/*
 * content.c - reads a file and compares its digest. No state.
 */
#include "image/content.h"

#include <stdlib.h>

#include "base/codec.h"
#include "base/limits.h"

#define READ_BYTES IK_MIB

/* The next bytes before `size`, at most READ_BYTES; how many, or an error. */
static int64_t read_some(struct ik_osfile *os, uint64_t base, uint64_t at, uint64_t size,
                         uint8_t *block, char *detail) {
  size_t len = size - at < READ_BYTES ? (size_t)(size - at) : READ_BYTES;
  int64_t n = ik_osfile_read(os, base + at, block, len, detail);
  if (n < 0 || n == (int64_t)len) return n;
  return ik_refuse(detail, IK_EFILE, "it ends before its size");
}

static int digest_of(struct ik_osfile *os, uint64_t base, uint64_t size, struct ik_digest *state,
                     uint8_t *block, char *detail) {
  for (uint64_t at = 0; at < size;) {
    int64_t n = read_some(os, base, at, size, block, detail);
    int rc = n < 0 ? (int)n : ik_digest_update(state, block, (size_t)n);
    if (rc != 0) return rc;
    at += (uint64_t)n;
  }
  return 0;
}

int ik_content_copy(struct ik_osfile *to, struct ik_osfile *from, uint64_t size, char *detail) {
  uint8_t *block = malloc(READ_BYTES);
  int rc = block ? 0 : IK_ENO_MEMORY;
  for (uint64_t at = 0; rc == 0 && at < size;) {
    int64_t n = read_some(from, 0, at, size, block, detail);
    rc = n < 0 ? (int)n : ik_osfile_write(to, at, block, (size_t)n, detail);
    at += n < 0 ? 0 : (uint64_t)n;
  }
  free(block);
  return rc;
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
