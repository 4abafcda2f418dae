/*
 * topology.c - composes and reads the messages about sub-devices. No state; what is derived from a
 * secret on the stack is wiped, and buffers wipe what they give back.
 */
#include "alink/topology.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alink/fields.h"
#include "alink/sign.h"
#include "base/limits.h"
#include "base/wipe.h"

#define CONTENT_MAX 512
#define SECRET_MAX 256 /* of a registration: more than any that was seen */
#define MESSAGE_MAX 256

/* ---- actions ---- */

/* How the sub-devices stand in "params". */
enum shape { NOTHING, ONE, LIST, DEVICE_LIST, PROXIEDS };

static const struct action {
  const char *head;
  const char *tail;
  const char *method;     /* NULL: the message has neither method nor version */
  const char *sign_field; /* how the sign method is spelt; NULL: nothing is signed */
  size_t max;
  enum shape shape;
} actions[IK_TOPO_ACTIONS] = {
    [IK_TOPO_ADD] = {"/sys", "/thing/topo/add", "thing.topo.add", "signmethod", IK_REGISTER_MAX,
                     LIST},
    [IK_TOPO_DELETE] = {"/sys", "/thing/topo/delete", "thing.topo.delete", NULL, IK_REGISTER_MAX,
                        LIST},
    [IK_TOPO_GET] = {"/sys", "/thing/topo/get", "thing.topo.get", NULL, 0, NOTHING},
    [IK_TOPO_FOUND] = {"/sys", "/thing/list/found", "thing.list.found", NULL, IK_REGISTER_MAX,
                       LIST},
    [IK_TOPO_REGISTER] = {"/sys", "/thing/sub/register", "thing.sub.register", NULL,
                          IK_REGISTER_MAX, LIST},
    [IK_TOPO_PROVISION] = {"/sys", "/thing/proxy/provisioning/product_register",
                           "thing.proxy.provisioning.product_register", "signMethod",
                           IK_REGISTER_MAX, PROXIEDS},
    [IK_TOPO_LOGIN] = {"/ext/session", "/combine/login", NULL, "signMethod", 1, ONE},
    [IK_TOPO_LOGIN_BATCH] = {"/ext/session", "/combine/batch_login", NULL, "signMethod",
                             IK_LOGINS_MAX, DEVICE_LIST},
    [IK_TOPO_LOGOUT] = {"/ext/session", "/combine/logout", NULL, NULL, 1, ONE},
    [IK_TOPO_LOGOUT_BATCH] = {"/ext/session", "/combine/batch_logout", NULL, NULL, IK_LOGINS_MAX,
                              LIST},
};

static const struct {
  const char *head;
  const char *tail;
  const char *ack; /* NULL: nothing is answered */
} pushes[IK_TOPO_PUSHES] = {
    [IK_TOPO_NOTIFY] = {"/sys", "/thing/topo/add/notify", "/thing/topo/add/notify_reply"},
    [IK_TOPO_CHANGE] = {"/sys", "/thing/topo/change", NULL},
    [IK_TOPO_ERROR] = {"/ext/error", "", NULL},
    [IK_TOPO_PERMIT] = {"/sys", "/thing/gateway/permit", "/thing/gateway/permit_reply"},
    [IK_TOPO_DISABLE] = {"/sys", "/thing/disable", "/thing/disable_reply"},
    [IK_TOPO_ENABLE] = {"/sys", "/thing/enable", "/thing/enable_reply"},
    [IK_TOPO_REMOVE] = {"/sys", "/thing/delete", "/thing/delete_reply"},
};

int ik_topo_topic(enum ik_topo_action action, const char *product_key, const char *device_name,
                  char out[IK_OTA_TOPIC_MAX]) {
  return ik_ota_make_topic(actions[action].head, product_key, device_name, actions[action].tail,
                           out);
}

int ik_topo_reply_topic(enum ik_topo_action action, const char *product_key,
                        const char *device_name, char out[IK_OTA_TOPIC_MAX]) {
  char tail[64];
  snprintf(tail, sizeof(tail), "%s_reply", actions[action].tail);
  return ik_ota_make_topic(actions[action].head, product_key, device_name, tail, out);
}

int ik_topo_push_topic(enum ik_topo_push push, const char *product_key, const char *device_name,
                       char out[IK_OTA_TOPIC_MAX]) {
  return ik_ota_make_topic(pushes[push].head, product_key, device_name, pushes[push].tail, out);
}

int ik_topo_ack_topic(enum ik_topo_push push, const char *product_key, const char *device_name,
                      char out[IK_OTA_TOPIC_MAX]) {
  if (pushes[push].ack == NULL) return IK_EINVALID_ARGUMENT;
  return ik_ota_make_topic(pushes[push].head, product_key, device_name, pushes[push].ack, out);
}

bool ik_topo_push_names(enum ik_topo_push push, struct ik_str topic, struct ik_str *product_key,
                        struct ik_str *device_name) {
  return ik_ota_topic_names(pushes[push].head, pushes[push].tail, topic, product_key, device_name);
}

size_t ik_topo_max(enum ik_topo_action action) {
  return actions[action].max;
}

int ik_topo_check(enum ik_topo_action action, const struct ik_topo_device *device, char *detail) {
  const struct ik_sign_field fields[] = {
      {"product_key", device->product_key, IK_PRODUCT_KEY_MAX, IK_SIGN_NAME, false},
      {"device_name", device->device_name, IK_DEVICE_NAME_MAX, IK_SIGN_NAME, false},
      {action == IK_TOPO_PROVISION ? "product_secret" : "device_secret", device->device_secret,
       IK_DEVICE_SECRET_MAX, IK_SIGN_SECRET, false},
      {"client_id", device->client_id, IK_SUBDEVICE_CLIENT_ID_MAX, IK_SIGN_SECRET,
       device->client_id == NULL},
  };
  const bool is_signed = actions[action].sign_field != NULL;
  int rc = ik_sign_check(fields, is_signed ? sizeof(fields) / sizeof(fields[0]) : 2, detail);
  if (rc < 0 || !is_signed) return rc;
  const struct ik_str id = ik_str(device->client_id);
  if (!ik_utf8_valid((const uint8_t *)id.ptr, id.len))
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "client_id is not UTF-8");
  if (ik_sign_method_name(device->method) == NULL)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "method %d is not known", (int)device->method);
  return 0;
}

/* ---- writing ---- */

static const char *method_name(enum iotkit_sign_method method) {
  if (method == IOTKIT_SIGN_HMACMD5) return "hmacMd5";
  return method == IOTKIT_SIGN_HMACSHA1 ? "hmacSha1" : "hmacSha256";
}

static int add_member(struct ik_buf *out, const char *key, const char *value) {
  int rc = ik_buf_append_str(out, ",");
  return rc == 0 ? ik_json_write_member(out, key, ik_str(value)) : rc;
}

/* The members that prove who the sub-device is. */
static int write_proof(struct ik_buf *out, const struct ik_topo_device *device,
                       const char *sign_field, uint64_t timestamp_ms) {
  char own_id[IK_PRODUCT_KEY_MAX + IK_DEVICE_NAME_MAX + 2];
  char stamp[24];
  char sign[65];
  struct ik_buf content;
  const char *client_id = device->client_id;
  if (client_id == NULL) {
    snprintf(own_id, sizeof(own_id), "%s.%s", device->product_key, device->device_name);
    client_id = own_id;
  }
  snprintf(stamp, sizeof(stamp), "%" PRIu64, timestamp_ms);
  ik_buf_init(&content, CONTENT_MAX);
  int rc =
      ik_sign_content(client_id, device->device_name, device->product_key, timestamp_ms, &content);
  if (rc == 0) rc = ik_sign_mac(device->method, device->device_secret, &content, sign);
  ik_buf_free(&content);
  if (rc == 0) rc = add_member(out, "clientId", client_id);
  if (rc == 0) rc = add_member(out, "timestamp", stamp);
  if (rc == 0) rc = add_member(out, sign_field, method_name(device->method));
  if (rc == 0) rc = add_member(out, "sign", sign);
  ik_wipe(sign, sizeof(sign));
  return rc;
}

/* The same, where the secret is the product's: signed is what a registration of its own would sign. */
static int write_product_proof(struct ik_buf *out, const struct ik_topo_device *device,
                               const char *sign_field) {
  char random[12];
  char sign[65];
  struct ik_buf content;
  snprintf(random, sizeof(random), "%" PRIu32, device->random);
  ik_buf_init(&content, CONTENT_MAX);
  int rc = ik_buf_printf(&content, "deviceName%sproductKey%srandom%s", device->device_name,
                         device->product_key, random);
  if (rc == 0) rc = ik_sign_mac(device->method, device->device_secret, &content, sign);
  ik_buf_free(&content);
  if (rc == 0) rc = add_member(out, "random", random);
  if (rc == 0) rc = add_member(out, sign_field, method_name(device->method));
  if (rc == 0) rc = add_member(out, "sign", sign);
  ik_wipe(sign, sizeof(sign));
  return rc;
}

static int write_device(struct ik_buf *out, const struct action *action, bool is_login,
                        const struct ik_topo_device *device, uint64_t timestamp_ms) {
  int rc = ik_buf_append_str(out, "{");
  if (rc == 0) rc = ik_json_write_member(out, "productKey", ik_str(device->product_key));
  if (rc == 0) rc = add_member(out, "deviceName", device->device_name);
  if (rc == 0 && action->shape == PROXIEDS)
    rc = write_product_proof(out, device, action->sign_field);
  else if (rc == 0 && action->sign_field != NULL)
    rc = write_proof(out, device, action->sign_field, timestamp_ms);
  if (rc == 0 && is_login)
    rc = add_member(out, "cleanSession", device->keep_session ? "false" : "true");
  return rc == 0 ? ik_buf_append_str(out, "}") : rc;
}

int ik_topo_write(struct ik_buf *out, uint32_t id, enum ik_topo_action which,
                  const struct ik_topo_device *devices, size_t count, uint64_t timestamp_ms) {
  static const char *const begins[] = {"{}", "", "[", "{\"deviceList\":[", "{\"proxieds\":["};
  static const char *const ends[] = {"", "", "]", "]}", "]}"};
  const struct action *action = &actions[which];
  const bool is_login = which == IK_TOPO_LOGIN || which == IK_TOPO_LOGIN_BATCH;
  if (count > action->max || (count == 0) != (action->max == 0)) return IK_EINVALID_ARGUMENT;
  int rc = ik_buf_printf(out, "{\"id\":\"%" PRIu32 "\",", id);
  if (rc == 0 && action->method != NULL) rc = ik_buf_append_str(out, "\"version\":\"1.0\",");
  if (rc == 0) rc = ik_buf_printf(out, "\"params\":%s", begins[action->shape]);
  for (size_t i = 0; rc == 0 && i < count; i++) {
    if (i > 0) rc = ik_buf_append_str(out, ",");
    if (rc == 0) rc = write_device(out, action, is_login, &devices[i], timestamp_ms);
  }
  if (rc == 0) rc = ik_buf_append_str(out, ends[action->shape]);
  if (rc == 0 && action->method != NULL) rc = add_member(out, "method", action->method);
  return rc == 0 ? ik_buf_append_str(out, "}") : rc;
}

int ik_topo_write_ack(struct ik_buf *out, const char *id) {
  int rc = ik_buf_append_str(out, "{");
  if (rc == 0) rc = ik_json_write_member(out, "id", ik_str(id));
  return rc == 0 ? ik_buf_append_str(out, ",\"code\":200,\"data\":{}}") : rc;
}

/* ---- reading ---- */

/* Wiped: it may be a secret. */
static void free_text(const char *text) {
  ik_str_free((char *)(uintptr_t)text);
}

static void free_entries(struct ik_topo_message *message) {
  for (size_t i = 0; i < message->count; i++) {
    struct iotkit_subdevice_name *entry = &message->entries[i];
    free_text(entry->product_key);
    free_text(entry->device_name);
    free_text(entry->device_secret);
    free_text(entry->iot_id);
  }
  free(message->entries);
  message->entries = NULL;
  message->count = 0;
}

static int read_entry(const struct ik_fields *in, struct iotkit_subdevice_name *out) {
  int rc = ik_fields_text(in, "productKey", IK_PRODUCT_KEY_MAX, true, &out->product_key);
  if (rc == 0) rc = ik_fields_text(in, "deviceName", IK_DEVICE_NAME_MAX, true, &out->device_name);
  if (rc == 0) rc = ik_fields_text(in, "deviceSecret", SECRET_MAX, false, &out->device_secret);
  return rc == 0 ? ik_fields_text(in, "iotId", SECRET_MAX, false, &out->iot_id) : rc;
}

/* `list`: an array of sub-devices, or a single one. */
static int read_entries(const struct ik_fields *in, const char *name,
                        const struct ik_json_node *list, struct ik_topo_message *out) {
  const bool many = list->type == IK_JSON_ARRAY;
  const size_t count = many ? list->count : 1;
  const struct ik_json_node *node = many ? ik_json_first(in->json, list) : list;
  int rc = 0;
  if (count > IK_SUBDEVICES_MAX)
    return ik_refuse(in->detail, IK_ETOO_LONG, "%s: has more than %d entries", name,
                     IK_SUBDEVICES_MAX);
  out->entries = calloc(count > 0 ? count : 1, sizeof(*out->entries));
  if (out->entries == NULL) return IK_ENO_MEMORY;
  for (; rc == 0 && out->count < count; node = ik_json_next(in->json, node)) {
    const struct ik_fields entry = {in->json, node, in->detail};
    if (node->type != IK_JSON_OBJECT)
      return ik_fields_refuse(in, name, "has an entry that is not an object");
    rc = read_entry(&entry, &out->entries[out->count++]);
  }
  return rc;
}

/* A member that may be a list, a single sub-device, an object around a list, or nothing. */
static int read_list(const struct ik_fields *root, const char *name, bool needed,
                     struct ik_topo_message *out) {
  static const char *const inner[] = {"deviceList", "subList", "failedList", "successes",
                                      "proxieds"};
  const struct ik_json_node *node = ik_fields_get(root, name);
  const struct ik_fields in = {root->json, node, root->detail};
  if (node != NULL && node->type == IK_JSON_OBJECT && ik_fields_get(&in, "productKey") == NULL) {
    const struct ik_json_node *list = NULL;
    for (size_t i = 0; list == NULL && i < sizeof(inner) / sizeof(inner[0]); i++)
      list = ik_fields_get(&in, inner[i]);
    node = list;
  }
  const bool is_list =
      node != NULL && (node->type == IK_JSON_ARRAY || node->type == IK_JSON_OBJECT);
  if (is_list) return read_entries(root, name, node, out);
  return needed ? ik_fields_refuse(root, name, "has no list of sub-devices") : 0;
}

/* The beginning that may be shown: for a log and for the program. */
static int read_words(const struct ik_fields *in, struct ik_topo_message *out) {
  const struct ik_json_node *node = ik_fields_get(in, "message");
  char *text = NULL;
  size_t len = 0;
  if (node == NULL) node = ik_fields_get(in, "msg"); /* as some replies spell it */
  if (node == NULL || node->type != IK_JSON_STRING) return 0;
  int rc = ik_json_string(node, MESSAGE_MAX, &text, &len);
  if (rc == IK_ENO_MEMORY) return rc;
  if (rc == 0) out->message = text; /* else it is too long or has a NUL: nothing is lost */
  return 0;
}

static int read_code(const struct ik_fields *in, struct ik_topo_message *out) {
  const struct ik_json_node *node = ik_fields_get(in, "code");
  uint64_t code;
  if (node == NULL) return ik_fields_refuse(in, "code", "is missing");
  if (!ik_json_u64(node, &code) || code > UINT32_MAX)
    return ik_fields_refuse(in, "code", "is not a whole number");
  out->code = (uint32_t)code;
  return 0;
}

static int read_change(const struct ik_fields *root, struct ik_topo_message *out) {
  const struct ik_json_node *params = ik_fields_get(root, "params");
  const struct ik_fields in = {root->json, params, root->detail};
  uint64_t status;
  if (params == NULL || params->type != IK_JSON_OBJECT)
    return ik_fields_refuse(root, "params", "is not an object");
  const struct ik_json_node *node = ik_fields_get(&in, "status");
  if (node == NULL) return ik_fields_refuse(root, "status", "is missing");
  const bool known =
      ik_json_u64(node, &status) && (status <= IK_TOPO_ENABLED || status == IK_TOPO_DISABLED);
  if (!known) return ik_fields_refuse(root, "status", "is not known");
  out->change = (enum ik_topo_change)status;
  return read_list(&in, "subList", true, out);
}

/* A number, or its digits. What cannot be read of it is not said. */
static uint32_t read_seconds(const struct ik_fields *in) {
  static const char *const names[] = {"timeout", "time"};
  uint64_t seconds = 0;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    const struct ik_json_node *node = ik_fields_get(in, names[i]);
    if (node != NULL && ik_json_u64(node, &seconds)) break;
    seconds = 0;
  }
  return seconds > UINT32_MAX ? UINT32_MAX : (uint32_t)seconds;
}

static int read_permit(const struct ik_fields *root, struct ik_topo_message *out) {
  const struct ik_json_node *params = ik_fields_get(root, "params");
  const struct ik_fields in = {root->json, params, root->detail};
  const char *product_key = NULL;
  if (params == NULL || params->type != IK_JSON_OBJECT)
    return ik_fields_refuse(root, "params", "is not an object");
  const int rc = ik_fields_text(&in, "productKey", IK_PRODUCT_KEY_MAX, false, &product_key);
  out->product_key = (char *)(uintptr_t)product_key;
  out->timeout_s = read_seconds(&in);
  return rc;
}

static int read_root(const struct ik_fields *root, int kind, struct ik_topo_message *out) {
  const char *id = NULL;
  int rc = ik_fields_id(root, &id);
  out->id = (char *)(uintptr_t)id;
  if (rc != 0) return rc;
  if (kind == IK_TOPO_CHANGE) return read_change(root, out);
  if (kind == IK_TOPO_PERMIT) return read_permit(root, out);
  if (kind == IK_TOPO_NOTIFY) return read_list(root, "params", true, out);
  if (kind >= IK_TOPO_DISABLE && kind < IK_TOPO_PUSHES) return 0; /* the topic says the rest */
  rc = read_words(root, out);
  if (rc == 0) rc = read_code(root, out);
  if (rc != 0) return rc;
  rc = read_list(root, "data", kind == IK_TOPO_ERROR, out);
  /* What a failure carries is not documented: what cannot be read of it names nobody. */
  if (kind == IK_TOPO_PUSHES && out->code != IK_TOPO_SUCCESS && rc == IK_ENOTICE_FIELD) {
    ik_detail(root->detail, "%s", "");
    free_entries(out);
    rc = 0;
  }
  return rc;
}

static int absent_texts(struct ik_topo_message *out) {
  if (out->id == NULL) out->id = ik_str_dup(ik_str(""));
  if (out->message == NULL) out->message = ik_str_dup(ik_str(""));
  if (out->product_key == NULL) out->product_key = ik_str_dup(ik_str(""));
  const bool whole = out->id != NULL && out->message != NULL && out->product_key != NULL;
  return whole ? 0 : IK_ENO_MEMORY;
}

/* `kind`: an ik_topo_push, or IK_TOPO_PUSHES for a reply. */
static int read_message(int kind, struct ik_str text, struct ik_topo_message *out, char *detail) {
  struct ik_json json;
  *out = (struct ik_topo_message){0};
  if (text.len > IK_NOTICE_MAX)
    return ik_refuse(detail, IK_ETOO_LONG, "the message is longer than %zu bytes", IK_NOTICE_MAX);
  int rc = ik_fields_parse(text, &json, detail);
  if (rc != 0) return rc;
  const struct ik_fields root = {&json, ik_json_root(&json), detail};
  if (root.object->type == IK_JSON_OBJECT)
    rc = read_root(&root, kind, out);
  else
    rc = ik_fields_refuse(&root, "message", "is not an object");
  ik_json_free(&json);
  if (rc == 0) rc = absent_texts(out);
  return rc;
}

int ik_topo_read_reply(struct ik_str text, struct ik_topo_message *out, char *detail) {
  return read_message(IK_TOPO_PUSHES, text, out, detail);
}

int ik_topo_read_push(enum ik_topo_push push, struct ik_str text, struct ik_topo_message *out,
                      char *detail) {
  return read_message((int)push, text, out, detail);
}

void ik_topo_message_free(struct ik_topo_message *message) {
  free_entries(message);
  free(message->product_key);
  free(message->message);
  free(message->id);
  *message = (struct ik_topo_message){0};
}

/* ---- codes ---- */

int ik_topo_error(uint32_t code) {
  static const struct {
    uint32_t code;
    int error;
  } table[] = {
      {IK_TOPO_SUCCESS, 0},
      {401, IK_ESUBDEVICE_SIGN},
      {IK_TOPO_CODE_KICKED, IK_ESUBDEVICE_KICKED},
      {428, IK_ESUBDEVICE_LIMIT},
      {429, IK_EGATEWAY_THROTTLED},
      {500, IK_EGATEWAY_THROTTLED},
      {IK_TOPO_CODE_DELETED, IK_ESUBDEVICE_UNKNOWN},
      {IK_TOPO_CODE_DISABLED, IK_ESUBDEVICE_DISABLED},
      {6100, IK_ESUBDEVICE_UNKNOWN},
      {6204, IK_ESUBDEVICE_DISABLED},
      {6287, IK_ESUBDEVICE_SIGN},
      {6400, IK_ESUBDEVICE_LIMIT},
      {6401, IK_ESUBDEVICE_NOT_OURS},
      {6619, IK_ESUBDEVICE_BOUND},
  };
  for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
    if (table[i].code == code) return table[i].error;
  }
  return IK_EGATEWAY_REFUSED;
}
