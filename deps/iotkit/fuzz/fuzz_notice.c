/*
 * Notices: what is accepted keeps every promise of the struct, and a copy equals it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/url.h"
#include "ota/notice.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(const struct iotkit_upgrade *upgrade) {
  const char *const texts[] = {upgrade->id,  upgrade->module,      upgrade->version,
                               upgrade->url, upgrade->digest_sign, upgrade->ext_data};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    CHECK(texts[i] != NULL && ik_utf8_valid((const uint8_t *)texts[i], strlen(texts[i])));
  }
  CHECK(upgrade->module[0] == '\0' || ik_ota_name_valid(ik_str(upgrade->module)));
}

static void check_upgrade(const struct iotkit_upgrade *upgrade) {
  struct ik_url url;
  CHECK(ik_ota_name_valid(ik_str(upgrade->version)));
  CHECK(upgrade->size > 0 && upgrade->size <= IK_IMAGE_MAX);
  CHECK(upgrade->digest_method == IOTKIT_DIGEST_MD5 ||
        upgrade->digest_method == IOTKIT_DIGEST_SHA256);
  CHECK(ik_url_parse(ik_str(upgrade->url), &url, NULL) == 0);
  ik_url_free(&url);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ik_notice notice;
  struct ik_notice copy;
  char detail[IOTKIT_DETAIL_MAX] = "";
  char *text = malloc(size + 1);
  CHECK(text != NULL);
  memcpy(text, data, size);
  int rc = ik_notice_parse((struct ik_str){text, size}, &notice, detail);
  free(text); /* nothing in the notice may point into it */
  check_texts(&notice.upgrade);
  CHECK(rc <= 0);
  CHECK(memchr(detail, '\0', sizeof(detail)) != NULL);
  CHECK(ik_utf8_valid((const uint8_t *)detail, strlen(detail)));
  if (rc == 0 && !notice.nothing) check_upgrade(&notice.upgrade);
  CHECK(ik_notice_copy(&notice, &copy) == 0);
  CHECK(ik_notice_equal(&notice, &copy) && copy.nothing == notice.nothing);
  ik_notice_free(&copy);
  ik_notice_free(&notice);
  return 0;
}
