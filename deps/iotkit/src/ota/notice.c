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

static int read_protocol(const struct reading *in) {
  char memory[IK_FIELDS_PLAIN_MAX + 1];
  const struct ik_json_node *protocol = member(in, "dProtocol");
  if (protocol == NULL) return 0;
  if (protocol->type != IK_JSON_STRING) return refused(in, "dProtocol", "is not a string");
  struct ik_str text = ik_fields_plain(protocol, memory);
  if (ik_str_eq_nocase(text, IK_STR("https")) || ik_str_eq_nocase(text, IK_STR("http"))) return 0;
  if (ik_str_eq_nocase(text, IK_STR("mqtt"))) {
    in->upgrade->protocol = IOTKIT_PROTOCOL_MQTT;
    return 0;
  }
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

static int read_stream(const struct reading *in, const char *key, uint64_t *out) {
  const struct ik_json_node *node = member(in, key);
  if (node == NULL) return refused(in, key, "is missing");
  return ik_json_u64(node, out) ? 0 : refused(in, key, "is not a whole number");
}

/* One image: where it comes from, how big it is, its digest. */
static int read_image(const struct reading *in) {
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
  return ik_fields_digest(&in->fields, upgrade->digest_method, "sign", "md5", upgrade->digest);
}

static bool is_given(const struct reading *in, const char *key) {
  const struct ik_json_node *node = member(in, key);
  return node != NULL && (node->type != IK_JSON_STRING || node->text.len > 0);
}

static void show_files(struct ik_notice *notice) {
  notice->upgrade.files = notice->files.items;
  notice->upgrade.file_count = notice->files.count;
}

/* Several files, beside which nothing may stand that names one image. */
static int read_files(const struct reading *in, struct ik_notice *out) {
  static const char *const others[] = {"url", "streamId", "streamFileId"};
  struct iotkit_upgrade *upgrade = in->upgrade;
  if (upgrade->protocol == IOTKIT_PROTOCOL_MQTT) {
    return refused(in, "files", "cannot come over mqtt");
  }
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    if (is_given(in, others[i])) return refused(in, others[i], "stands beside files");
  }
  int rc = ik_files_read(&in->fields, upgrade->digest_method, &out->files);
  show_files(out);
  upgrade->size = out->files.size;
  upgrade->digest_method = IOTKIT_DIGEST_NONE;
  return rc;
}

/* What is to be fetched. */
static int read_content(const struct reading *in, struct ik_notice *out) {
  in->upgrade->digest_method = IOTKIT_DIGEST_MD5; /* what notices without the field mean */
  int rc = read_protocol(in);
  if (rc == 0) rc = ik_fields_method(&in->fields, &in->upgrade->digest_method);
  if (rc != 0) return rc;
  return member(in, "files") != NULL ? read_files(in, out) : read_image(in);
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
  rc = read_version(in);
  if (rc == 0) rc = read_content(in, out);
  if (rc == 0) rc = read_extras(in);
  return rc;
}

/* What a notice has to itself, and so cannot take from another as it is. */
static void clear_owned(struct iotkit_upgrade *upgrade) {
  upgrade->id = upgrade->module = upgrade->version = upgrade->url = ik_fields_absent;
  upgrade->digest_sign = upgrade->ext_data = ik_fields_absent;
  upgrade->files = NULL;
  upgrade->file_count = 0;
}

void ik_notice_init(struct ik_notice *notice) {
  memset(notice, 0, sizeof(*notice));
  clear_owned(&notice->upgrade);
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

static bool copy_texts(const struct iotkit_upgrade *from, struct iotkit_upgrade *to) {
  return ik_fields_copy_text(from->id, &to->id) && ik_fields_copy_text(from->module, &to->module) &&
         ik_fields_copy_text(from->version, &to->version) &&
         ik_fields_copy_text(from->url, &to->url) &&
         ik_fields_copy_text(from->digest_sign, &to->digest_sign) &&
         ik_fields_copy_text(from->ext_data, &to->ext_data);
}

static int copy_owned(const struct ik_notice *notice, struct ik_notice *out) {
  if (!copy_texts(&notice->upgrade, &out->upgrade)) return IK_ENO_MEMORY;
  if (notice->config != NULL) {
    out->config = ik_config_copy(notice->config);
    if (out->config == NULL) return IK_ENO_MEMORY;
  }
  int rc = ik_files_copy(&notice->files, &out->files);
  show_files(out);
  return rc;
}

int ik_notice_copy(const struct ik_notice *notice, struct ik_notice *out) {
  ik_notice_init(out);
  out->nothing = notice->nothing;
  out->upgrade = notice->upgrade;
  clear_owned(&out->upgrade);
  int rc = copy_owned(notice, out);
  if (rc != 0) ik_notice_free(out);
  return rc;
}

/* The file's texts, and those of the upgrade that hold for each of its files. */
static bool copy_file_texts(const struct iotkit_upgrade *from,
                            const struct iotkit_upgrade_file *file, struct iotkit_upgrade *to) {
  return ik_fields_copy_text(from->id, &to->id) && ik_fields_copy_text(from->module, &to->module) &&
         ik_fields_copy_text(from->version, &to->version) &&
         ik_fields_copy_text(file->url, &to->url) &&
         ik_fields_copy_text(from->ext_data, &to->ext_data);
}

int ik_notice_file(const struct ik_notice *notice, size_t index, struct ik_notice *out) {
  ik_notice_init(out);
  if (index >= notice->files.count) return IK_EINVALID_ARGUMENT;
  const struct iotkit_upgrade_file *file = &notice->files.items[index];
  struct iotkit_upgrade *to = &out->upgrade;
  to->size = file->size;
  to->digest_method = file->digest_method;
  memcpy(to->digest, file->digest, sizeof(to->digest));
  to->is_diff = notice->upgrade.is_diff;
  if (copy_file_texts(&notice->upgrade, file, to)) return 0;
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
  ik_files_free(&notice->files);
  ik_notice_init(notice);
}

static bool same_bytes(uint64_t size, enum iotkit_digest_method method, const uint8_t *digest,
                       const struct iotkit_upgrade *image) {
  return size == image->size && method == image->digest_method &&
         memcmp(digest, image->digest, sizeof(image->digest)) == 0;
}

bool ik_notice_same_image(const struct ik_notice *a, const struct ik_notice *b) {
  const struct iotkit_upgrade *x = &a->upgrade;
  return x->protocol == b->upgrade.protocol &&
         same_bytes(x->size, x->digest_method, x->digest, &b->upgrade) &&
         ik_files_equal(&a->files, &b->files);
}

const char *ik_notice_url_of(const struct ik_notice *notice, const struct ik_notice *image) {
  const struct iotkit_upgrade *wanted = &image->upgrade;
  if (image->files.count > 0 || wanted->protocol != IOTKIT_PROTOCOL_HTTP) return NULL;
  if (ik_notice_same_image(notice, image)) return notice->upgrade.url;
  for (size_t i = 0; i < notice->files.count; i++) {
    const struct iotkit_upgrade_file *file = &notice->files.items[i];
    if (same_bytes(file->size, file->digest_method, file->digest, wanted)) return file->url;
  }
  return NULL;
}

bool ik_notice_equal(const struct ik_notice *a, const struct ik_notice *b) {
  const struct iotkit_upgrade *x = &a->upgrade;
  const struct iotkit_upgrade *y = &b->upgrade;
  return strcmp(x->id, y->id) == 0 && strcmp(x->module, y->module) == 0 &&
         strcmp(x->version, y->version) == 0 && ik_notice_same_image(a, b);
}
