/*
 * Public keys: DER and PEM of any bytes are read without going astray, what is read lies within
 * what was given, and a key that is taken is of a kind that is promised.
 */
#include <stdlib.h>
#include <string.h>

#include "base/spki.h"
#include "iotkit_verify.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_der(const uint8_t *data, size_t size) {
  struct ik_spki spki;
  if (ik_spki_read(data, size, &spki)) {
    CHECK(spki.der == data && spki.len == size && spki.name != NULL);
    CHECK((spki.kind == IK_KEY_RSA) == (strcmp(spki.name, "RSA") == 0));
    CHECK(spki.kind == IK_KEY_RSA || spki.bits == 0);
  }
  if (ik_spki_of_certificate(data, size, &spki)) {
    CHECK(spki.der > data && spki.len < size);
    CHECK((size_t)(spki.der - data) + spki.len <= size);
  }
}

static void check_pem(const char *text, size_t size) {
  static const uint8_t digest[32];
  iotkit_keys_t *keys = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_keys_new(text, size, &keys, detail);
  CHECK((rc == 0) == (keys != NULL));
  if (rc == 0) {
    CHECK(iotkit_verify(keys, digest, sizeof(digest), digest, sizeof(digest), NULL) != 0);
    CHECK(iotkit_verify_sha256(keys, digest, digest, sizeof(digest), NULL) != 0);
  } else {
    CHECK(detail[0] != '\0' && memchr(detail, '\0', sizeof(detail)) != NULL);
  }
  iotkit_keys_unref(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0; /* a text without a length ends with NUL */
  check_der(data, size);
  char *text = malloc(size);
  CHECK(text != NULL);
  memcpy(text, data, size);
  check_pem(text, size);
  free(text);
  return 0;
}
