/*
 * Answers to registrations: what is accepted can be signed in with, whoever sent it; what is refused
 * leaves nothing behind and says why.
 */
#include <stdlib.h>
#include <string.h>

#include "alink/registration.h"
#include "base/limits.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *or_null(const char *text) {
  return text[0] ? text : NULL;
}

/* A sign-in with what was read: as `kind` says. */
static void check_sign_in(const struct iotkit_credentials *got, enum iotkit_register_kind kind) {
  const struct iotkit_sign_options options = {.product_key = got->product_key,
                                              .device_name = got->device_name,
                                              .device_secret = or_null(got->device_secret),
                                              .client_id = or_null(got->client_id),
                                              .tls = true,
                                              .device_token = or_null(got->device_token),
                                              .x509 = kind == IOTKIT_REGISTER_X509};
  struct iotkit_sign_in sign;
  CHECK((kind == IOTKIT_REGISTER_KNOWN) == (got->device_secret[0] != '\0'));
  CHECK((kind == IOTKIT_REGISTER_UNKNOWN) == (got->device_token[0] != '\0'));
  CHECK((kind == IOTKIT_REGISTER_UNKNOWN) == (got->client_id[0] != '\0'));
  CHECK(iotkit_sign(&options, &sign, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct iotkit_credentials empty;
  struct iotkit_credentials got;
  struct iotkit_credentials identity;
  enum iotkit_register_kind kind;
  char detail[IOTKIT_DETAIL_MAX] = "";
  char *text = malloc(size + 1);
  CHECK(text != NULL);
  memcpy(text, data, size);
  int rc = ik_register_read((struct ik_str){text, size}, &got, &kind, detail);
  CHECK(iotkit_identity_read(text, size, &identity, NULL) == rc);
  free(text);
  CHECK(memcmp(&got, &identity, sizeof got) == 0);
  CHECK(memchr(detail, '\0', sizeof(detail)) != NULL);
  CHECK(ik_utf8_valid((const uint8_t *)detail, strlen(detail)));
  if (rc == 0) {
    check_sign_in(&got, kind);
    return 0;
  }
  CHECK(rc == IK_EREGISTER_ANSWER || rc == IK_EREGISTER_REFUSED || rc == IK_EREGISTER_ACTIVATED);
  CHECK(detail[0] != '\0' && memcmp(&got, &empty, sizeof got) == 0);
  return 0;
}
