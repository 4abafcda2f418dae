/*
 * notice.c - reads notices. A notice owns its texts, each allocated apart; "" stands for an absent
 * one and is not freed.
 */
#include "ota/notice.h"

#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "iotkit_errors.h"
#include "ota/config.h"
#include "ota/fields.h"

#define MD5_LEN 16
#define SHA256_LEN 32

/* What is being read, handed from step to step. */
struct reading {
  struct ik_fields fields; /* of data */
  struct iotkit_upgrade *upgrade;
};

static int refused(const struct reading *in, const char *field, const char *why) {
  return ik_fields_refuse(&in->fields, field, why);
}

/* A member of data. */
static const struct ik_json_node *member(const struct reading *in, const char *key) {
  return ik_fields_get(&in->fields, key);
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

static int read_module(const struct reading *in) {
  int rc = ik_fields_text(&in->fields, "module", IK_MODULE_MAX, false, &in->upgrade->module);
  struct ik_str module = ik_str(in->upgrade->module);
  if (rc != 0 || module.len == 0 || ik_ota_name_valid(module)) return rc;
  ik_fields_free_text(in->upgrade->module);
  in->upgrade->module = ik_fields_absent;
  return refused(in, "module", "has characters other than letters, digits, '.', '-' and '_'");
}

/*
 * The code: "1000" on push, 200 on get_reply, as number or string; and "success" where there is a
 * message.
 */
static int check_code(const struct reading *in) {
  char memory[IK_FIELDS_PLAIN_MAX + 1];
  const struct ik_fields root = {in->fields.json, ik_json_root(in->fields.json), NULL};
  const struct ik_json_node *code = ik_fields_get(&root, "code");
  const struct ik_json_node *message = ik_fields_get(&root, "message");
  struct ik_str said = {"", 0};
  uint64_t number = 0;
  if (message != NULL && message->type != IK_JSON_STRING) {
    return refused(in, "message", "is not a string");
  }
  if (message != NULL) said = message->text;
  struct ik_str printed = ik_fields_shown(said);
  if (code != NULL && (!ik_json_u64(code, &number) || (number != 1000 && number != 200))) {
    struct ik_str text = ik_fields_shown(code->text);
    ik_detail(in->fields.detail, "the platform answered with code %.*s %.*s", (int)text.len,
              text.ptr, (int)printed.len, printed.ptr);
    return IK_ENOTICE_CODE;
  }
  if (said.len == 0 && code != NULL) return 0;
  if (message != NULL && ik_str_eq_nocase(ik_fields_plain(message, memory), IK_STR("success")))
    return 0;
  ik_detail(in->fields.detail, "message: is \"%.*s\", not \"success\"", (int)printed.len,
            printed.ptr);
  return IK_ENOTICE_CODE;
}

/* What the SDK cannot fetch yet is refused by name and not half understood. */
static int check_supported(const struct reading *in) {
  char memory[IK_FIELDS_PLAIN_MAX + 1];
  const struct ik_json_node *protocol = member(in, "dProtocol");
  if (member(in, "files") != NULL) {
    ik_detail(in->fields.detail, "files: upgrades of several files are not supported");
    return IK_EUNSUPPORTED;
  }
  if (protocol == NULL) return 0;
  if (protocol->type != IK_JSON_STRING) return refused(in, "dProtocol", "is not a string");
  struct ik_str text = ik_fields_plain(protocol, memory);
  if (ik_str_eq_nocase(text, IK_STR("https")) || ik_str_eq_nocase(text, IK_STR("http"))) return 0;
  text = ik_fields_shown(text);
  ik_detail(in->fields.detail, "dProtocol: download over %.*s is not supported", (int)text.len,
            text.ptr);
  return IK_EUNSUPPORTED;
}

static int read_version(const struct reading *in) {
  int rc = ik_fields_text(&in->fields, "version", IK_VERSION_MAX, true, &in->upgrade->version);
  if (rc != 0) return rc;
  if (ik_ota_name_valid(ik_str(in->upgrade->version))) return 0;
  return refused(in, "version", "has characters other than letters, digits, '.', '-' and '_'");
}

/* With MD5 the digest stands in md5, in sign, or in both. */
static int read_digest(const struct reading *in) {
  struct iotkit_upgrade *upgrade = in->upgrade;
  uint8_t md5[MD5_LEN];
  bool has_sign;
  bool has_md5;
  upgrade->digest_method = IOTKIT_DIGEST_MD5; /* what notices without the field mean */
  int rc = ik_fields_method(&in->fields, &upgrade->digest_method);
  if (rc != 0) return rc;
  bool is_md5 = upgrade->digest_method == IOTKIT_DIGEST_MD5;
  rc =
      ik_fields_hex(&in->fields, "sign", upgrade->digest, is_md5 ? MD5_LEN : SHA256_LEN, &has_sign);
  if (rc != 0) return rc;
  if (!is_md5) return has_sign ? 0 : refused(in, "sign", "is missing");
  rc = ik_fields_hex(&in->fields, "md5", md5, sizeof(md5), &has_md5);
  if (rc != 0) return rc;
  if (!has_sign && !has_md5) return refused(in, "md5", "is missing");
  if (has_sign && has_md5 && memcmp(md5, upgrade->digest, sizeof(md5)) != 0) {
    return refused(in, "md5", "differs from sign");
  }
  if (has_md5) memcpy(upgrade->digest, md5, sizeof(md5));
  return 0;
}

static int read_is_diff(const struct reading *in) {
  const struct ik_json_node *node = member(in, "isDiff");
  uint64_t number;
  if (node == NULL) return 0;
  if (node->type == IK_JSON_BOOL) {
    in->upgrade->is_diff = node->text.ptr[0] == 't';
    return 0;
  }
  if (!ik_json_u64(node, &number) || number > 1) return refused(in, "isDiff", "is neither 0 nor 1");
  in->upgrade->is_diff = number == 1;
  return 0;
}

static int read_extras(const struct reading *in) {
  const struct ik_json_node *node = member(in, "extData");
  int rc = read_is_diff(in);
  if (rc == 0)
    rc = ik_fields_text(&in->fields, "digestsign", IK_DIGEST_SIGN_MAX, false,
                        &in->upgrade->digest_sign);
  if (rc != 0) return rc;
  struct ik_str sign = ik_str(in->upgrade->digest_sign);
  uint8_t raw[IK_DIGEST_SIGN_MAX];
  if (ik_base64_decode(sign, raw, sizeof(raw)) < 0)
    return refused(in, "digestsign", "is not base64");
  if (node == NULL) return 0;
  if (node->type != IK_JSON_OBJECT) return refused(in, "extData", "is not an object");
  char *text = ik_str_dup(node->text);
  if (text == NULL) return IK_ENO_MEMORY;
  in->upgrade->ext_data = text;
  return 0;
}

static int read_data(struct reading *in, struct ik_notice *out) {
  const struct ik_json_node *data = in->fields.object;
  int rc = read_module(in);
  if (rc == 0) rc = check_code(in);
  if (rc != 0) return rc;
  if (data == NULL || (data->type == IK_JSON_OBJECT && data->count == 0)) {
    out->nothing = true;
    return 0;
  }
  if (data->type != IK_JSON_OBJECT) return refused(in, "data", "is not an object");
  rc = check_supported(in);
  if (rc == 0) rc = read_version(in);
  if (rc == 0) rc = ik_fields_size(&in->fields, "size", IK_IMAGE_MAX, &in->upgrade->size);
  if (rc == 0) rc = ik_fields_url(&in->fields, &in->upgrade->url);
  if (rc == 0) rc = read_digest(in);
  if (rc == 0) rc = read_extras(in);
  return rc;
}

void ik_notice_init(struct ik_notice *notice) {
  memset(notice, 0, sizeof(*notice));
  struct iotkit_upgrade *upgrade = &notice->upgrade;
  upgrade->id = upgrade->module = upgrade->version = upgrade->url = ik_fields_absent;
  upgrade->digest_sign = upgrade->ext_data = ik_fields_absent;
}

int ik_notice_parse(struct ik_str text, struct ik_notice *out, char *detail) {
  struct ik_json json;
  ik_notice_init(out);
  if (text.len > IK_NOTICE_MAX) {
    ik_detail(detail, "the notice is longer than %zu bytes", IK_NOTICE_MAX);
    return IK_ETOO_LONG;
  }
  int rc = ik_json_parse(text, &json, detail);
  if (rc != 0) return rc;
  struct ik_fields root = {&json, ik_json_root(&json), detail};
  if (root.object->type != IK_JSON_OBJECT) {
    rc = ik_fields_refuse(&root, "notice", "is not an object");
  } else {
    struct reading in = {{&json, ik_fields_get(&root, "data"), detail}, &out->upgrade};
    rc = ik_fields_id(&root, &out->upgrade.id);
    if (rc == 0) rc = read_data(&in, out);
  }
  ik_json_free(&json);
  return rc;
}

int ik_notice_copy(const struct ik_notice *notice, struct ik_notice *out) {
  const struct iotkit_upgrade *from = &notice->upgrade;
  struct iotkit_upgrade *to = &out->upgrade;
  ik_notice_init(out);
  out->nothing = notice->nothing;
  to->size = from->size;
  to->digest_method = from->digest_method;
  to->is_diff = from->is_diff;
  memcpy(to->digest, from->digest, sizeof(to->digest));
  if (notice->config != NULL) {
    out->config = ik_config_copy(notice->config);
    if (out->config == NULL) return IK_ENO_MEMORY;
  }
  if (ik_fields_copy_text(from->id, &to->id) && ik_fields_copy_text(from->module, &to->module) &&
      ik_fields_copy_text(from->version, &to->version) &&
      ik_fields_copy_text(from->url, &to->url) &&
      ik_fields_copy_text(from->digest_sign, &to->digest_sign) &&
      ik_fields_copy_text(from->ext_data, &to->ext_data)) {
    return 0;
  }
  ik_notice_free(out);
  return IK_ENO_MEMORY;
}

void ik_notice_free(struct ik_notice *notice) {
  struct iotkit_upgrade *upgrade = &notice->upgrade;
  ik_fields_free_text(upgrade->id);
  ik_fields_free_text(upgrade->module);
  ik_fields_free_text(upgrade->version);
  ik_fields_free_text(upgrade->url);
  ik_fields_free_text(upgrade->digest_sign);
  ik_fields_free_text(upgrade->ext_data);
  ik_config_free(notice->config);
  ik_notice_init(notice);
}

bool ik_notice_equal(const struct ik_notice *a, const struct ik_notice *b) {
  const struct iotkit_upgrade *x = &a->upgrade;
  const struct iotkit_upgrade *y = &b->upgrade;
  return strcmp(x->id, y->id) == 0 && strcmp(x->module, y->module) == 0 &&
         strcmp(x->version, y->version) == 0 && x->size == y->size &&
         x->digest_method == y->digest_method &&
         memcmp(x->digest, y->digest, sizeof(x->digest)) == 0;
}
