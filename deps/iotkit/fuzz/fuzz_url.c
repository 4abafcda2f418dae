/*
 * URLs: the input is "base\nreference" or one URL. What is accepted is fit for a request line, and
 * parses again to itself.
 */
#include <stdlib.h>
#include <string.h>

#include "base/url.h"
#include "iotkit_errors.h"

#define CHECK(condition)                                                                           \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

static void check_request_text(const char *text) {
  CHECK(text[0] != '\0');
  for (; *text; text++)
    CHECK(*text > 0x20 && *text < 0x7f);
}

static void check_url(const struct ik_url *url) {
  struct ik_buf text;
  struct ik_url again;
  check_request_text(url->host);
  check_request_text(url->authority);
  check_request_text(url->target);
  CHECK(url->target[0] == '/' && !strchr(url->target, '#') && url->port > 0);
  CHECK(strlen(url->host) <= IK_HOST_MAX && !strpbrk(url->authority, "/?#@\\"));
  ik_buf_init(&text, IK_URL_MAX);
  CHECK(ik_buf_printf(&text, "http%s://%s%s", url->https ? "s" : "", url->authority, url->target) ==
        0);
  CHECK(ik_url_parse((struct ik_str){(const char *)ik_buf_ptr(&text), ik_buf_size(&text)}, &again,
                     NULL) == 0);
  CHECK(again.https == url->https && again.port == url->port &&
        again.host_is_ipv6 == url->host_is_ipv6);
  CHECK(strcmp(again.host, url->host) == 0 && strcmp(again.authority, url->authority) == 0);
  CHECK(strcmp(again.target, url->target) == 0);
  ik_url_free(&again);
  ik_buf_free(&text);
}

static void check_result(int rc, struct ik_url *url, const char *detail) {
  if (rc == 0) {
    check_url(url);
  } else {
    CHECK(rc == IK_EURL || rc == IK_EURL_SCHEME || rc == IK_ETOO_LONG);
    CHECK(!url->authority && !url->target && detail[0] && strlen(detail) < IOTKIT_DETAIL_MAX);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const char *text = (const char *)data;
  const char *cut = size ? memchr(text, '\n', size) : NULL;
  struct ik_url base, url;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = ik_url_parse((struct ik_str){text, cut ? (size_t)(cut - text) : size}, &base, detail);
  check_result(rc, &base, detail);
  if (rc == 0 && cut) {
    struct ik_str reference = {cut + 1, size - (size_t)(cut + 1 - text)};
    detail[0] = '\0';
    rc = ik_url_resolve(&base, reference, &url, detail);
    check_result(rc, &url, detail);
    ik_url_free(&url);
  }
  ik_url_free(&base);
  return 0;
}
