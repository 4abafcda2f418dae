/*
 * Notices: what is accepted keeps every promise of the struct, and a copy equals it.
 */
#include <stdlib.h>
#include <string.h>

#include "alink/notice.h"
#include "base/limits.h"
#include "base/url.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(const struct iotkit_upgrade *upgrade) {
  const char *const texts[] = {
      upgrade->id,          upgrade->module,   upgrade->version,       upgrade->url,
      upgrade->digest_sign, upgrade->ext_data, upgrade->statement_sign};
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    CHECK(texts[i] != NULL && ik_utf8_valid((const uint8_t *)texts[i], strlen(texts[i])));
  }
  CHECK(upgrade->module[0] == '\0' || ik_ota_name_valid(ik_str(upgrade->module)));
}

static void check_url(const char *text) {
  struct ik_url url;
  CHECK(ik_url_parse(ik_str(text), &url, NULL) == 0);
  ik_url_free(&url);
}

static void check_digest_method(enum iotkit_digest_method method) {
  CHECK(method == IOTKIT_DIGEST_MD5 || method == IOTKIT_DIGEST_SHA256);
}

/* A job for one file gets that file, and a notice that is asked for again has its URL. */
static void check_file(const struct ik_announcement *notice, size_t index) {
  const struct iotkit_upgrade_file *file = &notice->upgrade.files[index];
  struct ik_announcement one;
  CHECK(file->size > 0 && file->size <= notice->upgrade.size);
  CHECK(ik_file_name_valid(file->name) && strchr(file->name, '/') == NULL);
  for (size_t i = 0; i < index; i++)
    CHECK(strcmp(notice->upgrade.files[i].name, file->name) != 0);
  check_url(file->url);
  check_digest_method(file->digest_method);
  CHECK(ik_announcement_file(notice, index, &one) == 0);
  CHECK(strcmp(one.upgrade.url, file->url) == 0 && ik_announcement_url_of(notice, &one) != NULL);
  ik_announcement_free(&one);
}

static void check_upgrade(const struct ik_announcement *notice) {
  const struct iotkit_upgrade *upgrade = &notice->upgrade;
  struct ik_announcement none;
  CHECK(ik_ota_name_valid(ik_str(upgrade->version)));
  CHECK(upgrade->size > 0 && upgrade->size <= IK_IMAGE_MAX);
  CHECK(upgrade->file_count <= IOTKIT_FILES_MAX);
  CHECK(ik_announcement_file(notice, upgrade->file_count, &none) == IK_EINVALID_ARGUMENT);
  for (size_t i = 0; i < upgrade->file_count; i++)
    check_file(notice, i);
  if (upgrade->file_count > 0) return;
  check_digest_method(upgrade->digest_method);
  if (upgrade->protocol == IOTKIT_PROTOCOL_MQTT) {
    CHECK(upgrade->url[0] == '\0' && upgrade->size <= IK_STREAM_IMAGE_MAX);
  } else {
    check_url(upgrade->url);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ik_announcement notice;
  struct ik_announcement copy;
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
  if (rc == 0 && !notice.nothing) check_upgrade(&notice);
  CHECK(ik_announcement_copy(&notice, &copy) == 0);
  CHECK(ik_announcement_equal(&notice, &copy) && copy.nothing == notice.nothing);
  ik_announcement_free(&copy);
  ik_announcement_free(&notice);
  return 0;
}
