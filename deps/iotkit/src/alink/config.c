/*
 * config.c - reads remote configurations into announcements and composes what a device sends about
 * them. No state.
 */
#include "alink/config.h"

#include <inttypes.h>
#include <string.h>

#include "alink/fields.h"
#include "base/codec.h"
#include "base/limits.h"
#include "iotkit_errors.h"

#define CODE_SUCCESS 200
#define CODE_TOO_MANY 429
#define CODE_PARAMETERS 460 /* the platform's "request parameter error" */
#define CODE_INTERNAL 500
#define CODE_NO_CONFIG 6710 /* none was saved for the product */
#define CODE_DISABLED 6713  /* the product's switch is off */
#define MD5_LEN 16
#define SHA256_LEN 32
#define SIGN_TEXT_MAX 64

/* ---- reading ---- */

/* The error that a code of the platform stands for. */
static int error_of(uint64_t code) {
  switch (code) {
  case CODE_PARAMETERS:
    return IK_EPLATFORM_PARAMETERS;
  case CODE_TOO_MANY:
  case CODE_INTERNAL:
    return IK_EPLATFORM_UNAVAILABLE;
  case CODE_DISABLED:
    return IK_ECONFIG_DISABLED;
  default:
    return IK_ENOTICE_CODE;
  }
}

/* `nothing`: the code says that there is no configuration. */
static int check_answer(const struct ik_fields *root, bool *nothing) {
  const struct ik_json_node *code = ik_fields_get(root, "code");
  const struct ik_json_node *message = ik_fields_get(root, "message");
  struct ik_str words = {"", 0};
  uint64_t number = 0;
  if (code == NULL) return ik_fields_refuse(root, "code", "is missing");
  const bool is_number = ik_json_u64(code, &number);
  *nothing = is_number && number == CODE_NO_CONFIG;
  if (*nothing || (is_number && number == CODE_SUCCESS)) return 0;
  if (message != NULL && message->type == IK_JSON_STRING)
    words = ik_fields_printable(message->text);
  struct ik_str text = ik_fields_printable(code->text);
  return ik_refuse(root->detail, error_of(number), "the platform answered with code %.*s %.*s",
                   (int)text.len, text.ptr, (int)words.len, words.ptr);
}

/* The digest, and how it was written. */
static int read_sign(const struct ik_fields *in, struct ik_announcement *out) {
  struct iotkit_upgrade *upgrade = &out->upgrade;
  bool found;
  int rc = ik_fields_text(in, "signMethod", IK_FIELDS_DECODED_MAX, true, &out->config->sign_method);
  if (rc == 0) rc = ik_fields_method(in, &upgrade->digest_method);
  if (rc != 0) return rc;
  size_t len = upgrade->digest_method == IOTKIT_DIGEST_MD5 ? MD5_LEN : SHA256_LEN;
  rc = ik_fields_hex(in, "sign", upgrade->digest, len, &found);
  return rc == 0 ? ik_fields_text(in, "sign", SIGN_TEXT_MAX, true, &out->config->sign) : rc;
}

static int read_config(const struct ik_fields *in, struct ik_announcement *out) {
  int rc = ik_announcement_add_config(out);
  if (rc != 0) return rc;
  struct iotkit_config_info *config = out->config;
  rc = ik_fields_text(in, "configId", IK_CONFIG_TEXT_MAX, true, &config->config_id);
  if (rc == 0) rc = ik_fields_size(in, "configSize", IK_CONFIG_MAX, &out->upgrade.size);
  if (rc == 0) rc = read_sign(in, out);
  if (rc == 0) rc = ik_fields_url(in, "url", &out->upgrade.url);
  if (rc == 0) rc = ik_fields_text(in, "getType", IK_CONFIG_TEXT_MAX, false, &config->get_type);
  return rc;
}

static int read_message(struct ik_fields *root, enum ik_config_source source,
                        struct ik_announcement *out) {
  const char *name = source == IK_CONFIG_REPLY ? "data" : "params";
  int rc = ik_fields_id(root, &out->upgrade.id);
  if (rc == 0 && source == IK_CONFIG_REPLY) rc = check_answer(root, &out->nothing);
  if (rc != 0 || out->nothing) return rc;
  struct ik_fields in = {root->json, ik_fields_get(root, name), root->detail};
  bool empty = in.object == NULL || (in.object->type == IK_JSON_OBJECT && in.object->count == 0);
  if (empty && source == IK_CONFIG_PUSH) return ik_fields_refuse(root, name, "is missing or empty");
  if (empty) {
    out->nothing = true;
    return 0;
  }
  if (in.object->type != IK_JSON_OBJECT) return ik_fields_refuse(root, name, "is not an object");
  rc = read_config(&in, out);
  if (rc == 0) out->config->pushed = source == IK_CONFIG_PUSH;
  return rc;
}

int ik_config_parse(struct ik_str text, enum ik_config_source source, struct ik_announcement *out,
                    char *detail) {
  struct ik_json json;
  ik_announcement_init(out);
  if (text.len > IK_NOTICE_MAX) {
    return ik_refuse(detail, IK_ETOO_LONG, "the message is longer than %zu bytes", IK_NOTICE_MAX);
  }
  int rc = ik_fields_parse(text, &json, detail);
  if (rc != 0) return rc;
  struct ik_fields root = {&json, ik_json_root(&json), detail};
  if (root.object->type != IK_JSON_OBJECT) {
    rc = ik_fields_refuse(&root, "message", "is not an object");
  } else {
    rc = read_message(&root, source, out);
  }
  ik_json_free(&json);
  return rc;
}

/* ---- writing ---- */

const char *ik_config_topic_tail(enum ik_config_topic which) {
  static const char *const tails[IK_CONFIG_TOPICS] = {
      [IK_CONFIG_TOPIC_GET] = "/thing/config/get",
      [IK_CONFIG_TOPIC_GET_REPLY] = "/thing/config/get_reply",
      [IK_CONFIG_TOPIC_PUSH] = "/thing/config/push",
      [IK_CONFIG_TOPIC_PUSH_REPLY] = "/thing/config/push_reply",
  };
  return tails[which];
}

int ik_config_write_get(struct ik_buf *out, uint32_t id, const char *scope, const char *get_type,
                        const char *attribute_keys) {
  int rc = ik_buf_printf(out, "{\"id\":%" PRIu32 ",\"version\":\"1.0\",\"params\":{", id);
  if (rc == 0) rc = ik_json_write_member(out, "configScope", ik_str(scope));
  if (rc == 0) rc = ik_buf_append_str(out, ",");
  if (rc == 0) rc = ik_json_write_member(out, "getType", ik_str(get_type));
  if (rc == 0 && attribute_keys[0] != '\0') {
    rc = ik_buf_append_str(out, ",");
    if (rc == 0) rc = ik_json_write_member(out, "attributeKeys", ik_str(attribute_keys));
  }
  return rc == 0 ? ik_buf_append_str(out, "},\"method\":\"thing.config.get\"}") : rc;
}

int ik_config_code_of(int error) {
  if (error == 0) return CODE_SUCCESS;
  return error == IK_ENO_MEMORY ? CODE_INTERNAL : CODE_PARAMETERS;
}

int ik_config_write_push_reply(struct ik_buf *out, const char *id, int code, const char *message) {
  int rc = ik_buf_append_str(out, "{");
  if (rc == 0) rc = ik_json_write_member(out, "id", ik_str(id));
  if (rc == 0) rc = ik_buf_printf(out, ",\"code\":%d,", code);
  if (rc == 0 && message[0] != '\0') {
    rc = ik_json_write_member(out, "message", ik_str(message));
    if (rc == 0) rc = ik_buf_append_str(out, ",");
  }
  return rc == 0 ? ik_buf_append_str(out, "\"data\":{}}") : rc;
}
