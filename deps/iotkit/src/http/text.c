/* Tested by deps/iotkit/test/http/test_head.c. */
/*
 * text.c - character classes and lists; nothing is owned here.
 */
#include "http/text.h"

#include <string.h>

bool ik_http_is_token_char(uint8_t c) {
  if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')) return true;
  return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool ik_http_is_token(struct ik_str s) {
  for (size_t i = 0; i < s.len; i++) {
    if (!ik_http_is_token_char((uint8_t)s.ptr[i])) return false;
  }
  return s.len > 0;
}

bool ik_http_is_text(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    uint8_t c = (uint8_t)text[i];
    if ((c < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}

struct ik_str ik_http_next_item(struct ik_str *rest) {
  struct ik_str item = *rest;
  const char *comma = item.len > 0 ? memchr(item.ptr, ',', item.len) : NULL;
  if (comma == NULL) {
    *rest = (struct ik_str){NULL, 0};
    return ik_str_trim(item);
  }
  item.len = (size_t)(comma - item.ptr);
  *rest = (struct ik_str){comma + 1, rest->len - item.len - 1};
  return ik_str_trim(item);
}
