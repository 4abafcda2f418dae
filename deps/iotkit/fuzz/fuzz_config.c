/*
 * Configurations: what is accepted keeps every promise of the struct, a copy equals it, and the
 * answer to it is JSON whatever came. The first byte says whether it is a push or a reply.
 */
#include <stdlib.h>
#include <string.h>

#include "alink/config.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/url.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text) {
  CHECK(text != NULL && ik_utf8_valid((const uint8_t *)text, strlen(text)));
}

static void check_config(const struct ik_announcement *notice, enum ik_config_source source) {
  const struct iotkit_config_info *config = notice->config;
  struct ik_url url;
  CHECK(config != NULL && config->config_id[0] != '\0' && config->sign[0] != '\0');
  CHECK(config->sign_method[0] != '\0' && config->pushed == (source == IK_CONFIG_PUSH));
  check_text(config->config_id);
  check_text(config->sign);
  check_text(config->sign_method);
  check_text(config->get_type);
  CHECK(notice->upgrade.size > 0 && notice->upgrade.size <= IK_CONFIG_MAX);
  CHECK(ik_url_parse(ik_str(notice->upgrade.url), &url, NULL) == 0);
  ik_url_free(&url);
}

static void check_copy(const struct ik_announcement *notice) {
  struct ik_announcement copy;
  CHECK(ik_announcement_copy(notice, &copy) == 0);
  CHECK(ik_announcement_equal(notice, &copy) && (copy.config == NULL) == (notice->config == NULL));
  if (copy.config != NULL) CHECK(strcmp(copy.config->sign, notice->config->sign) == 0);
  ik_announcement_free(&copy);
}

static void check_answer(const char *id, int code, const char *detail) {
  struct ik_buf buf;
  struct ik_json json;
  ik_buf_init(&buf, 4 * IK_KIB);
  CHECK(ik_config_write_push_reply(&buf, id, code, detail) == 0);
  struct ik_str text = {(const char *)ik_buf_ptr(&buf), ik_buf_size(&buf)};
  CHECK(ik_json_parse(text, &json, NULL) == 0);
  ik_json_free(&json);
  ik_buf_free(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ik_announcement notice;
  char detail[IOTKIT_DETAIL_MAX] = "";
  if (size == 0) return 0;
  enum ik_config_source source = data[0] == 'r' ? IK_CONFIG_REPLY : IK_CONFIG_PUSH;
  size--;
  char *text = malloc(size + 1);
  CHECK(text != NULL);
  memcpy(text, data + 1, size);
  int rc = ik_config_parse((struct ik_str){text, size}, source, &notice, detail);
  free(text); /* nothing in the notice may point into it */
  CHECK(rc <= 0 && memchr(detail, '\0', sizeof(detail)) != NULL);
  check_text(detail);
  check_text(notice.upgrade.id);
  if (rc == 0 && !notice.nothing) check_config(&notice, source);
  check_copy(&notice);
  check_answer(notice.upgrade.id, ik_config_code_of(rc), detail);
  ik_announcement_free(&notice);
  return 0;
}
