/*
 * sized.c - reads structs that say their size. No state.
 */
#include "base/sized.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "iotkit_errors.h"

#define SIZE_MAX_SANE 4096 /* above this it is something else than a size */

static bool all_zero(const uint8_t *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (bytes[i] != 0) return false;
  }
  return true;
}

int ik_sized_read(void *out, size_t known, size_t first, const void *given, char *detail) {
  size_t size;
  memcpy(&size, given, sizeof(size));
  if (size == 0) size = first;
  if (size <= sizeof(size) || size > SIZE_MAX_SANE) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "struct_size: %zu is no size of the struct",
                     size);
  }
  const size_t common = size < known ? size : known;
  if (!all_zero((const uint8_t *)given + common, size - common)) {
    return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                     "struct_size: of %zu bytes this library knows %zu, and the others are not 0",
                     size, known);
  }
  memset(out, 0, known);
  memcpy(out, given, common);
  memcpy(out, &known, sizeof(known));
  return 0;
}

int ik_sized_check_embedded(size_t size, size_t known, const char *member, char *detail) {
  if (size == 0 || size == known) return 0;
  return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s.struct_size: is %zu, not %zu", member, size,
                   known);
}

int ik_sized_check_reserved(const void *reserved, size_t len, char *detail) {
  if (all_zero(reserved, len)) return 0;
  return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                   "reserved: is not 0: the program is made for a later library");
}
