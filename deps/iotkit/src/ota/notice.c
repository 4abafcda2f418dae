/*
 * notice.c - reads notices. A notice owns its texts, each allocated apart; "" stands for an absent
 * one and is not freed.
 */
#include "ota/notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/url.h"
#include "iotkit_errors.h"

#define ID_MAX 64
#define SHOWN_MAX 64 /* of a foreign text in a detail */
#define PLAIN_MAX 128
#define MD5_LEN 16
#define SHA256_LEN 32

static const char absent[] = "";

static void free_text(const char *text) {
  if (text != NULL && text != absent) free((char *)(uintptr_t)text);
}

/* What is being read, handed from step to step. */
struct reading {
  const struct ik_json *json;
  const struct ik_json_node *data;
  struct iotkit_upgrade *upgrade;
  char *detail;
};

static int refuse(const struct reading *in, const char *field, const char *why) {
  ik_detail(in->detail, "%s: %s", field, why);
  return IK_ENOTICE_FIELD;
}

/* A member, NULL when it is absent or null: the platform writes both. */
static const struct ik_json_node *member(const struct reading *in,
                                         const struct ik_json_node *object, const char *key) {
  const struct ik_json_node *node = ik_json_get(in->json, object, key);
  return node != NULL && node->type != IK_JSON_NULL ? node : NULL;
}

/*
 * A short text with its escapes decoded, for comparing; empty when it is longer than any that means
 * something.
 */
static struct ik_str plain(const struct ik_json_node *node, char out[PLAIN_MAX + 1]) {
  char *text;
  size_t len;
  struct ik_str empty = {"", 0};
  if (memchr(node->text.ptr, '\\', node->text.len) == NULL) return node->text;
  if (ik_json_string(node, PLAIN_MAX, &text, &len) != 0) return empty;
  memcpy(out, text, len + 1);
  free(text);
  return (struct ik_str){out, len};
}

/* A string of data; *out stays as it is when it is absent. */
static int read_text(const struct reading *in, const char *key, size_t max, const char **out) {
  const struct ik_json_node *node = member(in, in->data, key);
  char *text = NULL;
  size_t len = 0;
  if (node == NULL) return 0;
  if (node->type != IK_JSON_STRING) return refuse(in, key, "is not a string");
  int rc = ik_json_string(node, max, &text, &len);
  if (rc == IK_ETOO_LONG) ik_detail(in->detail, "%s: is longer than %zu bytes", key, max);
  if (rc == IK_ENOTICE_FIELD) return refuse(in, key, "contains a NUL");
  if (rc != 0) return rc;
  if (len == 0) {
    free(text);
    return 0;
  }
  *out = text;
  return 0;
}

bool ik_ota_name_valid(struct ik_str name) {
  if (name.len < 1 || name.len > IK_VERSION_MAX) return false;
  for (size_t i = 0; i < name.len; i++) {
    char c = name.ptr[i];
    bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (!alnum && c != '.' && c != '-' && c != '_') return false;
  }
  return true;
}

static int read_id(const struct reading *in) {
  const struct ik_json_node *node = member(in, ik_json_root(in->json), "id");
  if (node == NULL) return 0;
  if (node->type != IK_JSON_STRING && node->type != IK_JSON_NUMBER) {
    return refuse(in, "id", "is neither a number nor a string");
  }
  char *text = NULL;
  if (node->text.len > ID_MAX) return refuse(in, "id", "is too long");
  if (node->type == IK_JSON_NUMBER) {
    text = ik_str_dup(node->text);
    if (text == NULL) return IK_ENO_MEMORY;
  } else {
    size_t len;
    int rc = ik_json_string(node, ID_MAX, &text, &len);
    if (rc != 0) return rc == IK_ENOTICE_FIELD ? refuse(in, "id", "contains a NUL") : rc;
  }
  in->upgrade->id = text;
  return 0;
}

static int read_module(const struct reading *in) {
  int rc = read_text(in, "module", IK_MODULE_MAX, &in->upgrade->module);
  struct ik_str module = ik_str(in->upgrade->module);
  if (rc != 0 || module.len == 0 || ik_ota_name_valid(module)) return rc;
  free_text(in->upgrade->module);
  in->upgrade->module = absent;
  return refuse(in, "module", "has characters other than letters, digits, '.', '-' and '_'");
}

/* Only printable ASCII of what a peer sent goes into a detail. */
static struct ik_str shown(struct ik_str text) {
  size_t len = 0;
  while (len < text.len && len < SHOWN_MAX && text.ptr[len] >= 0x20 && text.ptr[len] < 0x7f)
    len++;
  return (struct ik_str){text.ptr, len};
}

/*
 * The code: "1000" on push, 200 on get_reply, as number or string; and "success" where there is a
 * message.
 */
static int check_code(const struct reading *in) {
  char memory[PLAIN_MAX + 1];
  const struct ik_json_node *root = ik_json_root(in->json);
  const struct ik_json_node *code = member(in, root, "code");
  const struct ik_json_node *message = member(in, root, "message");
  struct ik_str said = {"", 0};
  uint64_t number = 0;
  if (message != NULL && message->type != IK_JSON_STRING) {
    return refuse(in, "message", "is not a string");
  }
  if (message != NULL) said = message->text;
  struct ik_str printed = shown(said);
  if (code != NULL && (!ik_json_u64(code, &number) || (number != 1000 && number != 200))) {
    struct ik_str text = shown(code->text);
    ik_detail(in->detail, "the platform answered with code %.*s %.*s", (int)text.len, text.ptr,
              (int)printed.len, printed.ptr);
    return IK_ENOTICE_CODE;
  }
  if (said.len == 0 && code != NULL) return 0;
  if (message != NULL && ik_str_eq_nocase(plain(message, memory), IK_STR("success"))) return 0;
  ik_detail(in->detail, "message: is \"%.*s\", not \"success\"", (int)printed.len, printed.ptr);
  return IK_ENOTICE_CODE;
}

/* What the SDK cannot fetch yet is refused by name and not half understood. */
static int check_supported(const struct reading *in) {
  char memory[PLAIN_MAX + 1];
  const struct ik_json_node *protocol = member(in, in->data, "dProtocol");
  if (member(in, in->data, "files") != NULL) {
    ik_detail(in->detail, "files: upgrades of several files are not supported");
    return IK_EUNSUPPORTED;
  }
  if (protocol == NULL) return 0;
  if (protocol->type != IK_JSON_STRING) return refuse(in, "dProtocol", "is not a string");
  struct ik_str text = plain(protocol, memory);
  if (ik_str_eq_nocase(text, IK_STR("https")) || ik_str_eq_nocase(text, IK_STR("http"))) return 0;
  text = shown(text);
  ik_detail(in->detail, "dProtocol: download over %.*s is not supported", (int)text.len, text.ptr);
  return IK_EUNSUPPORTED;
}

static int read_version(const struct reading *in) {
  int rc = read_text(in, "version", IK_VERSION_MAX, &in->upgrade->version);
  if (rc != 0) return rc;
  if (in->upgrade->version[0] == '\0') return refuse(in, "version", "is missing");
  if (ik_ota_name_valid(ik_str(in->upgrade->version))) return 0;
  return refuse(in, "version", "has characters other than letters, digits, '.', '-' and '_'");
}

static int read_size(const struct reading *in) {
  const struct ik_json_node *node = member(in, in->data, "size");
  if (node == NULL) return refuse(in, "size", "is missing");
  if (!ik_json_u64(node, &in->upgrade->size)) return refuse(in, "size", "is not a whole number");
  if (in->upgrade->size == 0) return refuse(in, "size", "is 0");
  if (in->upgrade->size > IK_IMAGE_MAX) return refuse(in, "size", "is out of range");
  return 0;
}

static int read_url(const struct reading *in) {
  struct ik_url url;
  char why[IOTKIT_DETAIL_MAX] = "";
  int rc = read_text(in, "url", IK_URL_MAX, &in->upgrade->url);
  if (rc != 0) return rc;
  if (in->upgrade->url[0] == '\0') return refuse(in, "url", "is missing");
  rc = ik_url_parse(ik_str(in->upgrade->url), &url, why);
  if (rc != 0) {
    ik_detail(in->detail, "url: %s", why);
    return rc;
  }
  ik_url_free(&url);
  return 0;
}

static int read_method(const struct reading *in) {
  char memory[PLAIN_MAX + 1];
  const struct ik_json_node *node = member(in, in->data, "signMethod");
  in->upgrade->digest_method = IOTKIT_DIGEST_MD5; /* what notices without the field mean */
  if (node == NULL) return 0;
  if (node->type != IK_JSON_STRING) return refuse(in, "signMethod", "is not a string");
  struct ik_str text = plain(node, memory);
  if (node->text.len == 0 || ik_str_eq_nocase(text, IK_STR("md5"))) return 0;
  if (ik_str_eq_nocase(text, IK_STR("sha256"))) {
    in->upgrade->digest_method = IOTKIT_DIGEST_SHA256;
    return 0;
  }
  text = shown(node->text);
  ik_detail(in->detail, "signMethod: %.*s is not known", (int)text.len, text.ptr);
  return IK_EDIGEST_METHOD;
}

/* Reads hex digits of `len` bytes; *found says whether the field is there. */
static int read_hex(const struct reading *in, const char *key, uint8_t *out, size_t len,
                    bool *found) {
  char memory[PLAIN_MAX + 1];
  const struct ik_json_node *node = member(in, in->data, key);
  *found = node != NULL && (node->type != IK_JSON_STRING || node->text.len > 0);
  if (!*found) return 0;
  if (node->type == IK_JSON_STRING && ik_hex_decode(plain(node, memory), out, len)) return 0;
  ik_detail(in->detail, "%s: is not %zu hexadecimal digits", key, 2 * len);
  return IK_ENOTICE_FIELD;
}

/* With MD5 the digest stands in md5, in sign, or in both. */
static int read_digest(const struct reading *in) {
  struct iotkit_upgrade *upgrade = in->upgrade;
  uint8_t md5[MD5_LEN];
  bool has_sign;
  bool has_md5;
  int rc = read_method(in);
  if (rc != 0) return rc;
  bool is_md5 = upgrade->digest_method == IOTKIT_DIGEST_MD5;
  rc = read_hex(in, "sign", upgrade->digest, is_md5 ? MD5_LEN : SHA256_LEN, &has_sign);
  if (rc != 0) return rc;
  if (!is_md5) return has_sign ? 0 : refuse(in, "sign", "is missing");
  rc = read_hex(in, "md5", md5, sizeof(md5), &has_md5);
  if (rc != 0) return rc;
  if (!has_sign && !has_md5) return refuse(in, "md5", "is missing");
  if (has_sign && has_md5 && memcmp(md5, upgrade->digest, sizeof(md5)) != 0) {
    return refuse(in, "md5", "differs from sign");
  }
  if (has_md5) memcpy(upgrade->digest, md5, sizeof(md5));
  return 0;
}

static int read_is_diff(const struct reading *in) {
  const struct ik_json_node *node = member(in, in->data, "isDiff");
  uint64_t number;
  if (node == NULL) return 0;
  if (node->type == IK_JSON_BOOL) {
    in->upgrade->is_diff = node->text.ptr[0] == 't';
    return 0;
  }
  if (!ik_json_u64(node, &number) || number > 1) return refuse(in, "isDiff", "is neither 0 nor 1");
  in->upgrade->is_diff = number == 1;
  return 0;
}

static int read_extras(const struct reading *in) {
  const struct ik_json_node *node = member(in, in->data, "extData");
  int rc = read_is_diff(in);
  if (rc == 0) rc = read_text(in, "digestsign", IK_DIGEST_SIGN_MAX, &in->upgrade->digest_sign);
  if (rc != 0) return rc;
  struct ik_str sign = ik_str(in->upgrade->digest_sign);
  uint8_t raw[IK_DIGEST_SIGN_MAX];
  if (ik_base64_decode(sign, raw, sizeof(raw)) < 0)
    return refuse(in, "digestsign", "is not base64");
  if (node == NULL) return 0;
  if (node->type != IK_JSON_OBJECT) return refuse(in, "extData", "is not an object");
  char *text = ik_str_dup(node->text);
  if (text == NULL) return IK_ENO_MEMORY;
  in->upgrade->ext_data = text;
  return 0;
}

static int read_data(struct reading *in, struct ik_notice *out) {
  int rc = read_module(in);
  if (rc == 0) rc = check_code(in);
  if (rc != 0) return rc;
  if (in->data == NULL || (in->data->type == IK_JSON_OBJECT && in->data->count == 0)) {
    out->nothing = true;
    return 0;
  }
  if (in->data->type != IK_JSON_OBJECT) return refuse(in, "data", "is not an object");
  rc = check_supported(in);
  if (rc == 0) rc = read_version(in);
  if (rc == 0) rc = read_size(in);
  if (rc == 0) rc = read_url(in);
  if (rc == 0) rc = read_digest(in);
  if (rc == 0) rc = read_extras(in);
  return rc;
}

static void init(struct ik_notice *notice) {
  memset(notice, 0, sizeof(*notice));
  struct iotkit_upgrade *upgrade = &notice->upgrade;
  upgrade->id = upgrade->module = upgrade->version = upgrade->url = absent;
  upgrade->digest_sign = upgrade->ext_data = absent;
}

int ik_notice_parse(struct ik_str text, struct ik_notice *out, char *detail) {
  struct ik_json json;
  init(out);
  if (text.len > IK_NOTICE_MAX) {
    ik_detail(detail, "the notice is longer than %zu bytes", IK_NOTICE_MAX);
    return IK_ETOO_LONG;
  }
  int rc = ik_json_parse(text, &json, detail);
  if (rc != 0) return rc;
  struct reading in = {&json, NULL, &out->upgrade, detail};
  if (ik_json_root(&json)->type != IK_JSON_OBJECT) {
    rc = refuse(&in, "notice", "is not an object");
  } else {
    in.data = member(&in, ik_json_root(&json), "data");
    rc = read_id(&in);
    if (rc == 0) rc = read_data(&in, out);
  }
  ik_json_free(&json);
  return rc;
}

static bool copy_text(const char *from, const char **to) {
  if (from[0] == '\0') return true;
  *to = ik_str_dup(ik_str(from));
  if (*to != NULL) return true;
  *to = absent;
  return false;
}

int ik_notice_copy(const struct ik_notice *notice, struct ik_notice *out) {
  const struct iotkit_upgrade *from = &notice->upgrade;
  struct iotkit_upgrade *to = &out->upgrade;
  init(out);
  out->nothing = notice->nothing;
  to->size = from->size;
  to->digest_method = from->digest_method;
  to->is_diff = from->is_diff;
  memcpy(to->digest, from->digest, sizeof(to->digest));
  if (copy_text(from->id, &to->id) && copy_text(from->module, &to->module) &&
      copy_text(from->version, &to->version) && copy_text(from->url, &to->url) &&
      copy_text(from->digest_sign, &to->digest_sign) && copy_text(from->ext_data, &to->ext_data)) {
    return 0;
  }
  ik_notice_free(out);
  return IK_ENO_MEMORY;
}

void ik_notice_free(struct ik_notice *notice) {
  struct iotkit_upgrade *upgrade = &notice->upgrade;
  free_text(upgrade->id);
  free_text(upgrade->module);
  free_text(upgrade->version);
  free_text(upgrade->url);
  free_text(upgrade->digest_sign);
  free_text(upgrade->ext_data);
  init(notice);
}

bool ik_notice_equal(const struct ik_notice *a, const struct ik_notice *b) {
  const struct iotkit_upgrade *x = &a->upgrade;
  const struct iotkit_upgrade *y = &b->upgrade;
  return strcmp(x->id, y->id) == 0 && strcmp(x->module, y->module) == 0 &&
         strcmp(x->version, y->version) == 0 && x->size == y->size &&
         x->digest_method == y->digest_method &&
         memcmp(x->digest, y->digest, sizeof(x->digest)) == 0;
}
