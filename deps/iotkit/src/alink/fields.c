/* Tested by deps/iotkit/test/alink/test_notice.c. */
/*
 * fields.c - reads fields. Texts are allocated apart and belong to the caller.
 */
#include "alink/fields.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "base/url.h"
#include "iotkit_errors.h"

#define ID_MAX 64
#define MD5_LEN 16
#define SHA256_LEN 32
#define PRINTABLE_MAX 64

const char ik_fields_absent[] = "";

void ik_fields_free_text(const char *text) {
  if (text != ik_fields_absent) ik_str_free((char *)(uintptr_t)text);
}

bool ik_fields_copy_text(const char *from, const char **to) {
  *to = ik_fields_absent;
  if (from[0] == '\0') return true;
  char *copy = ik_str_dup(ik_str(from));
  if (copy == NULL) return false;
  *to = copy;
  return true;
}

int ik_fields_refuse(const struct ik_fields *in, const char *field, const char *why) {
  return ik_refuse(in->detail, IK_ENOTICE_FIELD, "%s: %s", field, why);
}

static bool is_padding(char c) {
  return c == '\0' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int ik_fields_parse(struct ik_str text, struct ik_json *out, char *detail) {
  static const char mark[] = "\xef\xbb\xbf";
  const size_t mark_len = sizeof(mark) - 1;
  while (text.len > 0 && is_padding(text.ptr[text.len - 1]))
    text.len--;
  if (text.len >= mark_len && memcmp(text.ptr, mark, mark_len) == 0) {
    text = (struct ik_str){text.ptr + mark_len, text.len - mark_len};
  }
  return ik_json_parse(text, out, detail);
}

static bool is_empty(const struct ik_json_node *node) {
  return node->type == IK_JSON_NULL || (node->type == IK_JSON_STRING && node->text.len == 0) ||
         (node->type == IK_JSON_ARRAY && node->count == 0);
}

const struct ik_json_node *ik_fields_get(const struct ik_fields *in, const char *key) {
  const struct ik_json_node *node = ik_json_get(in->json, in->object, key);
  return node != NULL && !is_empty(node) ? node : NULL;
}

struct ik_str ik_fields_decoded(const struct ik_json_node *node,
                                char out[IK_FIELDS_DECODED_MAX + 1]) {
  char *text;
  size_t len;
  struct ik_str empty = {"", 0};
  if (memchr(node->text.ptr, '\\', node->text.len) == NULL) return node->text;
  if (ik_json_string(node, IK_FIELDS_DECODED_MAX, &text, &len) != 0) return empty;
  memcpy(out, text, len + 1);
  free(text);
  return (struct ik_str){out, len};
}

struct ik_str ik_fields_printable(struct ik_str text) {
  size_t len = 0;
  while (len < text.len && len < PRINTABLE_MAX && text.ptr[len] >= 0x20 && text.ptr[len] < 0x7f)
    len++;
  return (struct ik_str){text.ptr, len};
}

int ik_fields_text(const struct ik_fields *in, const char *key, size_t max, bool needed,
                   const char **out) {
  const struct ik_json_node *node = ik_fields_get(in, key);
  char *text = NULL;
  size_t len = 0;
  if (node == NULL) return needed ? ik_fields_refuse(in, key, "is missing") : 0;
  if (node->type != IK_JSON_STRING) return ik_fields_refuse(in, key, "is not a string");
  int rc = ik_json_string(node, max, &text, &len);
  if (rc == IK_ETOO_LONG) ik_detail(in->detail, "%s: is longer than %zu bytes", key, max);
  if (rc == IK_ENOTICE_FIELD) return ik_fields_refuse(in, key, "contains a NUL");
  if (rc != 0) return rc;
  *out = text;
  return 0;
}

int ik_fields_raw(const struct ik_fields *in, const char *key, const char **out) {
  const struct ik_json_node *node = ik_fields_get(in, key);
  char *text = NULL;
  if (node == NULL) return 0;
  int rc = ik_json_string(node, SIZE_MAX, &text, NULL);
  if (rc == IK_ENO_MEMORY) return rc;
  if (rc != 0) text = ik_str_dup(node->text); /* no string, or one with a NUL */
  if (text == NULL) return IK_ENO_MEMORY;
  *out = text;
  return 0;
}

/* A whole number as requests write it, however it was written. */
static char *number_text(const struct ik_json_node *node) {
  char digits[ID_MAX];
  uint64_t number;
  if (!ik_json_u64(node, &number)) return ik_str_dup(node->text);
  snprintf(digits, sizeof(digits), "%" PRIu64, number);
  return ik_str_dup(ik_str(digits));
}

int ik_fields_id(const struct ik_fields *in, const char **out) {
  const struct ik_json_node *node = ik_fields_get(in, "id");
  if (node == NULL) return 0;
  if (node->type != IK_JSON_STRING && node->type != IK_JSON_NUMBER) {
    return ik_fields_refuse(in, "id", "is neither a number nor a string");
  }
  char *text = NULL;
  if (node->text.len > ID_MAX) return ik_fields_refuse(in, "id", "is too long");
  if (node->type == IK_JSON_NUMBER) {
    text = number_text(node);
    if (text == NULL) return IK_ENO_MEMORY;
  } else {
    size_t len;
    int rc = ik_json_string(node, ID_MAX, &text, &len);
    if (rc != 0) return rc == IK_ENOTICE_FIELD ? ik_fields_refuse(in, "id", "contains a NUL") : rc;
  }
  *out = text;
  return 0;
}

int ik_fields_size(const struct ik_fields *in, const char *key, uint64_t max, uint64_t *out) {
  const struct ik_json_node *node = ik_fields_get(in, key);
  if (node == NULL) return ik_fields_refuse(in, key, "is missing");
  if (!ik_json_u64(node, out)) return ik_fields_refuse(in, key, "is not a whole number");
  if (*out == 0) return ik_fields_refuse(in, key, "is 0");
  if (*out > max) return ik_fields_refuse(in, key, "is out of range");
  return 0;
}

int ik_fields_url(const struct ik_fields *in, const char *key, const char **out) {
  struct ik_url url;
  char why[IOTKIT_DETAIL_MAX] = "";
  int rc = ik_fields_text(in, key, IK_URL_MAX, true, out);
  if (rc != 0) return rc;
  rc = ik_url_parse(ik_str(*out), &url, why);
  if (rc != 0) {
    ik_detail(in->detail, "%s: %s", key, why);
    return rc;
  }
  ik_url_free(&url);
  return 0;
}

/* Equal but for case and for what separates letters from digits: "SHA-256" is "sha256". */
static bool names_method(struct ik_str text, const char *method) {
  size_t at = 0;
  size_t len = strlen(method);
  for (size_t i = 0; i < text.len; i++) {
    if (text.ptr[i] == '-' || text.ptr[i] == '_') continue;
    const struct ik_str wanted = {method + at, 1};
    if (at == len || !ik_str_eq_nocase((struct ik_str){text.ptr + i, 1}, wanted)) return false;
    at++;
  }
  return at == len;
}

int ik_fields_method(const struct ik_fields *in, enum iotkit_digest_method *out) {
  char memory[IK_FIELDS_DECODED_MAX + 1];
  const struct ik_json_node *node = ik_fields_get(in, "signMethod");
  if (node == NULL) return 0;
  if (node->type != IK_JSON_STRING) return ik_fields_refuse(in, "signMethod", "is not a string");
  struct ik_str text = ik_fields_decoded(node, memory);
  if (names_method(text, "md5")) {
    *out = IOTKIT_DIGEST_MD5;
    return 0;
  }
  if (names_method(text, "sha256")) {
    *out = IOTKIT_DIGEST_SHA256;
    return 0;
  }
  text = ik_fields_printable(node->text);
  return ik_refuse(in->detail, IK_EDIGEST_METHOD, "signMethod: %.*s is not known", (int)text.len,
                   text.ptr);
}

int ik_fields_hex(const struct ik_fields *in, const char *key, uint8_t *out, size_t len,
                  bool *found) {
  char memory[IK_FIELDS_DECODED_MAX + 1];
  const struct ik_json_node *node = ik_fields_get(in, key);
  *found = node != NULL;
  if (!*found) return 0;
  if (node->type == IK_JSON_STRING && ik_hex_decode(ik_fields_decoded(node, memory), out, len)) {
    return 0;
  }
  return ik_refuse(in->detail, IK_ENOTICE_FIELD, "%s: is not %zu hexadecimal digits", key, 2 * len);
}

int ik_fields_digest(const struct ik_fields *in, enum iotkit_digest_method method,
                     const char *sign_key, const char *md5_key, uint8_t out[IOTKIT_DIGEST_MAX]) {
  uint8_t md5[MD5_LEN];
  bool has_sign;
  bool has_md5;
  bool is_md5 = method == IOTKIT_DIGEST_MD5;
  int rc = ik_fields_hex(in, sign_key, out, is_md5 ? MD5_LEN : SHA256_LEN, &has_sign);
  if (rc != 0) return rc;
  if (!is_md5) return has_sign ? 0 : ik_fields_refuse(in, sign_key, "is missing");
  rc = ik_fields_hex(in, md5_key, md5, sizeof(md5), &has_md5);
  if (rc != 0) return rc;
  if (!has_sign && !has_md5) return ik_fields_refuse(in, md5_key, "is missing");
  if (has_sign && has_md5 && memcmp(md5, out, sizeof(md5)) != 0) {
    return ik_refuse(in->detail, IK_ENOTICE_FIELD, "%s: differs from %s", md5_key, sign_key);
  }
  if (has_md5) memcpy(out, md5, sizeof(md5));
  return 0;
}
