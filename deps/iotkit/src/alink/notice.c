/*
 * notice.c - reads upgrade notices into announcements. No state.
 */
#include "alink/notice.h"

#include <string.h>

#include "alink/fields.h"
#include "alink/statement.h"
#include "base/limits.h"
#include "iotkit_errors.h"

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
  char memory[IK_FIELDS_DECODED_MAX + 1];
  const struct ik_fields root = {in->fields.json, ik_json_root(in->fields.json), NULL};
  const struct ik_json_node *code = ik_fields_get(&root, "code");
  const struct ik_json_node *message = ik_fields_get(&root, "message");
  struct ik_str words = {"", 0};
  uint64_t number = 0;
  if (message != NULL && message->type != IK_JSON_STRING) {
    return refused(in, "message", "is not a string");
  }
  if (message != NULL) words = message->text;
  struct ik_str printed = ik_fields_printable(words);
  if (code != NULL && (!ik_json_u64(code, &number) || (number != 1000 && number != 200))) {
    struct ik_str text = ik_fields_printable(code->text);
    return ik_refuse(in->fields.detail, IK_ENOTICE_CODE,
                     "the platform answered with code %.*s %.*s", (int)text.len, text.ptr,
                     (int)printed.len, printed.ptr);
  }
  if (words.len == 0 && code != NULL) return 0;
  if (message != NULL && ik_str_eq_nocase(ik_fields_decoded(message, memory), IK_STR("success")))
    return 0;
  return ik_refuse(in->fields.detail, IK_ENOTICE_CODE, "message: is \"%.*s\", not \"success\"",
                   (int)printed.len, printed.ptr);
}

static int read_protocol(const struct reading *in) {
  char memory[IK_FIELDS_DECODED_MAX + 1];
  const struct ik_json_node *protocol = member(in, "dProtocol");
  if (protocol == NULL) return 0;
  if (protocol->type != IK_JSON_STRING) return refused(in, "dProtocol", "is not a string");
  struct ik_str text = ik_fields_decoded(protocol, memory);
  if (ik_str_eq_nocase(text, IK_STR("https")) || ik_str_eq_nocase(text, IK_STR("http"))) return 0;
  if (ik_str_eq_nocase(text, IK_STR("mqtt"))) {
    in->upgrade->protocol = IOTKIT_PROTOCOL_MQTT;
    return 0;
  }
  text = ik_fields_printable(text);
  return ik_refuse(in->fields.detail, IK_EUNSUPPORTED,
                   "dProtocol: download over %.*s is not supported", (int)text.len, text.ptr);
}

static int read_version(const struct reading *in) {
  int rc = ik_fields_text(&in->fields, "version", IK_VERSION_MAX, true, &in->upgrade->version);
  if (rc != 0) return rc;
  if (ik_ota_name_valid(ik_str(in->upgrade->version))) return 0;
  return refused(in, "version", "has characters other than letters, digits, '.', '-' and '_'");
}

static int read_stream(const struct reading *in, const char *key, uint64_t *out) {
  const struct ik_json_node *node = member(in, key);
  if (node == NULL) return refused(in, key, "is missing");
  return ik_json_u64(node, out) ? 0 : refused(in, key, "is not a whole number");
}

/*
 * The MD5 beside a SHA-256: for programs that ask for it. It decides nothing, so that one which
 * cannot be read is as good as none.
 */
static void read_second_md5(const struct reading *in, struct ik_announcement *out) {
  struct ik_fields quietly = in->fields;
  quietly.detail = NULL;
  if (in->upgrade->digest_method != IOTKIT_DIGEST_SHA256) return;
  int rc = ik_fields_hex(&quietly, "md5", out->md5, sizeof(out->md5), &out->has_md5);
  if (rc != 0) out->has_md5 = false;
}

/* One image: where it comes from, how big it is, its digest. */
static int read_image(const struct reading *in, struct ik_announcement *out) {
  struct iotkit_upgrade *upgrade = in->upgrade;
  bool is_stream = upgrade->protocol == IOTKIT_PROTOCOL_MQTT;
  uint64_t max = is_stream ? IK_STREAM_IMAGE_MAX : IK_IMAGE_MAX;
  int rc = ik_fields_size(&in->fields, "size", max, &upgrade->size);
  if (rc == 0 && is_stream) {
    rc = read_stream(in, "streamId", &upgrade->stream_id);
    if (rc == 0) rc = read_stream(in, "streamFileId", &upgrade->stream_file_id);
  } else if (rc == 0) {
    rc = ik_fields_url(&in->fields, "url", &upgrade->url);
  }
  if (rc != 0) return rc;
  read_second_md5(in, out);
  return ik_fields_digest(&in->fields, upgrade->digest_method, "sign", "md5", upgrade->digest);
}

/* Several files, beside which nothing may stand that names one image. */
static int read_files(const struct reading *in, struct ik_announcement *out) {
  static const char *const others[] = {"url", "streamId", "streamFileId"};
  struct iotkit_upgrade *upgrade = in->upgrade;
  if (upgrade->protocol == IOTKIT_PROTOCOL_MQTT) {
    return refused(in, "files", "cannot come over mqtt");
  }
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    if (member(in, others[i]) != NULL) return refused(in, others[i], "stands beside files");
  }
  int rc = ik_files_read(&in->fields, upgrade->digest_method, &out->files);
  ik_announcement_show_files(out);
  upgrade->size = out->files.size;
  upgrade->digest_method = IOTKIT_DIGEST_NONE;
  return rc;
}

/* What is to be fetched. */
static int read_content(const struct reading *in, struct ik_announcement *out) {
  in->upgrade->digest_method = IOTKIT_DIGEST_MD5; /* what notices without the field mean */
  int rc = read_protocol(in);
  if (rc == 0) rc = ik_fields_method(&in->fields, &in->upgrade->digest_method);
  if (rc != 0) return rc;
  return member(in, "files") != NULL ? read_files(in, out) : read_image(in, out);
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

/*
 * The signature of a statement, which the operator attaches. What cannot be one is kept as a text
 * that verifies with no key, so that it is refused where keys are there and nowhere else.
 */
static int read_statement(const struct reading *in, const struct ik_json_node *ext_data) {
  const struct ik_fields fields = {in->fields.json, ext_data, NULL};
  int rc = ik_fields_text(&fields, IK_STATEMENT_FIELD, IK_STATEMENT_SIGN_MAX, false,
                          &in->upgrade->statement_sign);
  if (rc == 0 || rc == IK_ENO_MEMORY) return rc;
  return ik_fields_copy_text("?", &in->upgrade->statement_sign) ? 0 : IK_ENO_MEMORY;
}

static int read_extras(const struct reading *in) {
  const struct ik_json_node *node = member(in, "extData");
  int rc = read_is_diff(in);
  /* Whatever it is: who has keys verifies it, nobody else needs it. */
  if (rc == 0) rc = ik_fields_raw(&in->fields, "digestsign", &in->upgrade->digest_sign);
  if (rc != 0) return rc;
  if (node == NULL) return 0;
  if (node->type != IK_JSON_OBJECT) return refused(in, "extData", "is not an object");
  char *text = ik_str_dup(node->text);
  if (text == NULL) return IK_ENO_MEMORY;
  in->upgrade->ext_data = text;
  return read_statement(in, node);
}

static int read_data(struct reading *in, struct ik_announcement *out) {
  const struct ik_json_node *data = in->fields.object;
  int rc = read_module(in);
  if (rc == 0) rc = check_code(in);
  if (rc != 0) return rc;
  if (data == NULL || (data->type == IK_JSON_OBJECT && data->count == 0)) {
    out->nothing = true;
    return 0;
  }
  if (data->type != IK_JSON_OBJECT) return refused(in, "data", "is not an object");
  rc = read_version(in);
  if (rc == 0) rc = read_content(in, out);
  if (rc == 0) rc = read_extras(in);
  return rc;
}

int ik_notice_parse(struct ik_str text, struct ik_announcement *out, char *detail) {
  struct ik_json json;
  ik_announcement_init(out);
  if (text.len > IK_NOTICE_MAX) {
    return ik_refuse(detail, IK_ETOO_LONG, "the notice is longer than %zu bytes", IK_NOTICE_MAX);
  }
  int rc = ik_fields_parse(text, &json, detail);
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
