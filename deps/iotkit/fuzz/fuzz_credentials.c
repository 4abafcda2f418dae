/*
 * Kept credentials: what is accepted is the same after it was written and read again; what is refused
 * leaves nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "alink/credentials.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_again(const struct iotkit_credentials *got) {
  struct iotkit_credentials again;
  struct ik_buf text;
  ik_buf_init(&text, IK_CREDENTIALS_TEXT_MAX);
  CHECK(ik_credentials_write(got, &text) == 0);
  const struct ik_str written = {(const char *)ik_buf_ptr(&text), ik_buf_size(&text)};
  CHECK(ik_credentials_read(written, &again, NULL) == 0);
  CHECK(memcmp(got, &again, sizeof again) == 0);
  ik_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct iotkit_credentials empty;
  struct iotkit_credentials got;
  char detail[IOTKIT_DETAIL_MAX] = "";
  char *text = malloc(size + 1);
  CHECK(text != NULL);
  memcpy(text, data, size);
  int rc = ik_credentials_read((struct ik_str){text, size}, &got, detail);
  free(text);
  CHECK(memchr(detail, '\0', sizeof(detail)) != NULL);
  CHECK(ik_utf8_valid((const uint8_t *)detail, strlen(detail)));
  if (rc == 0) {
    check_again(&got);
    return 0;
  }
  CHECK(rc == IK_ECREDENTIALS_DAMAGED && detail[0] != '\0');
  CHECK(memcmp(&got, &empty, sizeof got) == 0);
  return 0;
}
