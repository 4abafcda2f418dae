/*
 * registration.c - sign-in strings of registrations, and the reader of their answers. No state; what
 * is derived from secrets is wiped.
 */
#include "alink/registration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "alink/fields.h"
#include "alink/sign.h"
#include "base/wipe.h"

#define CONTENT_MAX 256
#define CODE_OK 200
#define CODE_ACTIVATED 6289

/* ---- what is said ---- */

static int check_x509(const struct iotkit_register_options *options, char *detail) {
  const struct {
    const char *name, *value;
  } unfit[] = {{"product_key", options->product_key},
               {"product_secret", options->product_secret},
               {"device_name", options->device_name},
               {"instance_id", options->instance_id}};
  for (size_t i = 0; i < sizeof unfit / sizeof unfit[0]; i++) {
    if (unfit[i].value)
      return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s does not go with IOTKIT_REGISTER_X509",
                       unfit[i].name);
  }
  return 0;
}

static int sign_x509(const struct iotkit_register_options *options, struct iotkit_sign_in *out,
                     char *detail) {
  const struct iotkit_sign_options sign = {
      .client_id = options->client_id, .method = options->method, .tls = true, .x509 = true};
  int rc = check_x509(options, detail);
  return rc < 0 ? rc : iotkit_sign(&sign, out, detail);
}

static int check_secret(const struct iotkit_register_options *options, char *detail) {
  const struct ik_sign_field fields[] = {
      {"product_key", options->product_key, IK_PRODUCT_KEY_MAX, IK_SIGN_NAME, false},
      {"device_name", options->device_name, IK_DEVICE_NAME_MAX, IK_SIGN_NAME, false},
      {"product_secret", options->product_secret, IK_PRODUCT_SECRET_MAX, IK_SIGN_SECRET, false},
      {"client_id", options->client_id, IK_CLIENT_ID_BASE_MAX, IK_SIGN_ID, !options->client_id},
      {"instance_id", options->instance_id, IK_INSTANCE_ID_MAX, IK_SIGN_NAME,
       !options->instance_id},
  };
  if (options->instance_id && options->kind != IOTKIT_REGISTER_UNKNOWN)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT,
                     "instance_id goes with IOTKIT_REGISTER_UNKNOWN alone");
  int rc = ik_sign_check(fields, sizeof fields / sizeof fields[0], detail);
  return rc < 0 ? rc : ik_sign_check_method(options->method, detail);
}

static int write_client_id(const struct iotkit_register_options *options, uint32_t random,
                           struct iotkit_sign_in *out) {
  const bool known = options->kind == IOTKIT_REGISTER_KNOWN;
  const char *instance_id = ik_str(options->instance_id).ptr;
  char base[IK_CLIENT_ID_BASE_MAX + 1];
  int rc =
      ik_sign_printed(options->client_id ? snprintf(base, sizeof base, "%s", options->client_id)
                                         : snprintf(base, sizeof base, "%s.%s",
                                                    options->product_key, options->device_name),
                      sizeof base);
  if (rc < 0) return rc;
  return ik_sign_printed(snprintf(out->client_id, sizeof out->client_id,
                                  "%s|securemode=%d,authType=%s,random=%" PRIu32
                                  ",signmethod=%s%s%s|",
                                  base, known ? 2 : -2, known ? "register" : "regnwl", random,
                                  ik_sign_method_name(options->method),
                                  *instance_id ? ",instanceId=" : "", instance_id),
                         sizeof out->client_id);
}

static int write_password(const struct iotkit_register_options *options, uint32_t random,
                          struct iotkit_sign_in *out) {
  struct ik_buf content;
  ik_buf_init(&content, CONTENT_MAX);
  int rc = ik_buf_printf(&content, "deviceName%sproductKey%srandom%" PRIu32, options->device_name,
                         options->product_key, random);
  if (rc == 0) rc = ik_sign_mac(options->method, options->product_secret, &content, out->password);
  ik_buf_free(&content);
  return rc;
}

static int sign_secret(const struct iotkit_register_options *options, uint32_t random,
                       struct iotkit_sign_in *out, char *detail) {
  int rc = check_secret(options, detail);
  if (rc == 0) rc = write_client_id(options, random, out);
  if (rc == 0) rc = ik_sign_username(options->device_name, options->product_key, out->username);
  if (rc == 0) rc = write_password(options, random, out);
  return rc;
}

int ik_register_sign(const struct iotkit_register_options *options, uint32_t random,
                     struct iotkit_sign_in *out, char *detail) {
  int rc;
  *out = (struct iotkit_sign_in){0};
  switch (options->kind) {
  case IOTKIT_REGISTER_KNOWN:
  case IOTKIT_REGISTER_UNKNOWN:
    rc = sign_secret(options, random, out, detail);
    break;
  case IOTKIT_REGISTER_X509:
    rc = sign_x509(options, out, detail);
    break;
  default:
    rc = ik_refuse(detail, IK_EINVALID_ARGUMENT, "kind %d is not known", (int)options->kind);
  }
  if (rc < 0) ik_wipe(out, sizeof *out);
  return rc;
}

/* ---- what is answered ---- */

bool ik_register_is_answer(struct ik_str topic) {
  return ik_str_eq(topic, IK_STR(IK_REGISTER_TOPIC)) ||
         ik_str_eq(topic, IK_STR(IK_REGISTER_UNKNOWN_TOPIC)) ||
         ik_str_eq(topic, IK_STR(IOTKIT_IDENTITY_TOPIC));
}

/* A member as text into an array; absent ones stay "". */
static int copy_text(const struct ik_fields *in, const char *key, size_t max,
                     enum ik_sign_charset charset, char *out) {
  const struct ik_json_node *node = ik_fields_get(in, key);
  char *text = NULL;
  size_t len = 0;
  if (node == NULL) return 0;
  int rc = ik_json_string(node, max, &text, &len);
  if (rc == IK_ENO_MEMORY) return rc;
  if (rc == IK_ETOO_LONG)
    return ik_refuse(in->detail, IK_EREGISTER_ANSWER, "%s is longer than %zu characters", key, max);
  if (rc != 0) return ik_refuse(in->detail, IK_EREGISTER_ANSWER, "%s is not a text", key);
  const struct ik_sign_field field = {key, text, max, charset, false};
  rc = ik_sign_check(&field, 1, in->detail) == 0 ? 0 : IK_EREGISTER_ANSWER;
  if (rc == 0) memcpy(out, text, len + 1);
  ik_str_free(text);
  return rc;
}

static int read_credentials(const struct ik_fields *in, struct iotkit_credentials *out) {
  int rc = copy_text(in, "productKey", IK_PRODUCT_KEY_MAX, IK_SIGN_NAME, out->product_key);
  if (rc == 0) rc = copy_text(in, "deviceName", IK_DEVICE_NAME_MAX, IK_SIGN_NAME, out->device_name);
  if (rc == 0)
    rc = copy_text(in, "deviceSecret", IK_DEVICE_SECRET_MAX, IK_SIGN_SECRET, out->device_secret);
  if (rc == 0) rc = copy_text(in, "clientId", IOTKIT_REGISTERED_ID_MAX, IK_SIGN_ID, out->client_id);
  if (rc == 0)
    rc = copy_text(in, "deviceToken", IOTKIT_DEVICE_TOKEN_MAX, IK_SIGN_SECRET, out->device_token);
  return rc;
}

/* What the fields are; those of another kind are emptied. */
static int decide(const struct ik_fields *in, struct iotkit_credentials *out,
                  enum iotkit_register_kind *kind) {
  const char *missing = out->product_key[0] == '\0'   ? "productKey"
                        : out->device_name[0] == '\0' ? "deviceName"
                                                      : NULL;
  const bool by_secret = out->device_secret[0] != '\0';
  const bool by_token = !by_secret && (out->client_id[0] != '\0' || out->device_token[0] != '\0');
  if (by_token && out->client_id[0] == '\0') missing = "clientId";
  if (by_token && out->device_token[0] == '\0') missing = "deviceToken";
  if (missing) return ik_refuse(in->detail, IK_EREGISTER_ANSWER, "%s is missing", missing);
  if (!by_token) {
    ik_wipe(out->client_id, sizeof out->client_id);
    ik_wipe(out->device_token, sizeof out->device_token);
  }
  *kind = by_secret  ? IOTKIT_REGISTER_KNOWN
          : by_token ? IOTKIT_REGISTER_UNKNOWN
                     : IOTKIT_REGISTER_X509;
  return 0;
}

/* "code" and "message", if it is a refusal. */
static int read_code(const struct ik_fields *in) {
  const struct ik_json_node *node = ik_fields_get(in, "code");
  const struct ik_json_node *said = ik_fields_get(in, "message");
  uint64_t code;
  if (node == NULL) return 0;
  if (!ik_json_u64(node, &code))
    return ik_refuse(in->detail, IK_EREGISTER_ANSWER, "code is not a whole number");
  if (code == CODE_OK) return 0;
  const struct ik_str message = said != NULL && said->type == IK_JSON_STRING
                                    ? ik_fields_printable(said->text)
                                    : (struct ik_str){"", 0};
  return ik_refuse(in->detail,
                   code == CODE_ACTIVATED ? IK_EREGISTER_ACTIVATED : IK_EREGISTER_REFUSED,
                   "the platform answered with code %" PRIu64 "%s%.*s", code,
                   message.len > 0 ? ": " : "", (int)message.len, message.ptr);
}

static int read_answer(const struct ik_json *json, struct iotkit_credentials *out,
                       enum iotkit_register_kind *kind, char *detail) {
  const struct ik_fields root = {json, ik_json_root(json), detail};
  if (root.object->type != IK_JSON_OBJECT)
    return ik_refuse(detail, IK_EREGISTER_ANSWER, "the answer is not an object");
  int rc = read_code(&root);
  const struct ik_json_node *data = ik_fields_get(&root, "data");
  struct ik_fields fields = root;
  if (data != NULL && data->type == IK_JSON_OBJECT) fields.object = data;
  if (rc == 0) rc = read_credentials(&fields, out);
  return rc < 0 ? rc : decide(&fields, out, kind);
}

int ik_register_read(struct ik_str payload, struct iotkit_credentials *out,
                     enum iotkit_register_kind *kind, char *detail) {
  struct ik_json json;
  char why[IOTKIT_DETAIL_MAX] = "";
  *out = (struct iotkit_credentials){0};
  if (payload.len > IK_REGISTER_ANSWER_MAX)
    return ik_refuse(detail, IK_EREGISTER_ANSWER, "the answer has %zu bytes", payload.len);
  int rc = ik_fields_parse(payload, &json, why);
  if (rc == IK_ENO_MEMORY) return rc;
  if (rc < 0) return ik_refuse(detail, IK_EREGISTER_ANSWER, "the answer is not JSON: %s", why);
  rc = read_answer(&json, out, kind, detail);
  ik_json_free(&json);
  if (rc < 0) ik_wipe(out, sizeof *out);
  return rc;
}

int iotkit_identity_read(const void *payload, size_t len, struct iotkit_credentials *out,
                         char *detail) {
  enum iotkit_register_kind kind;
  if (!out) return IK_EINVALID_ARGUMENT;
  *out = (struct iotkit_credentials){0};
  if (!payload && len) return ik_refuse(detail, IK_EINVALID_ARGUMENT, "payload");
  return ik_register_read((struct ik_str){payload ? payload : "", len}, out, &kind, detail);
}
