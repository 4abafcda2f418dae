/*
 * sign.c - sign-in strings, and iotkit_sign. No state; the secret is only read, and what is derived
 * from it on the stack is wiped.
 */
#include "alink/sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/sized.h"
#include "port/port.h"

#define CONTENT_MAX 256

/* ---- checking ---- */

static bool allowed(char c, enum ik_sign_charset charset) {
  if (charset == IK_SIGN_SECRET) return true;
  if (charset == IK_SIGN_ID) return c > 0x20 && c < 0x7f && c != '|' && c != ',';
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return c != '\0' && strchr("-_.:@", c) != NULL;
}

/* Never puts a value into `detail`. */
static int check_field(const struct ik_sign_field *field, char *detail) {
  struct ik_str text = ik_str(field->value);
  if (text.len == 0) {
    if (field->optional) return 0;
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s is missing or empty", field->name);
  }
  if (text.len > field->max) {
    return ik_refuse(detail, IK_ETOO_LONG, "%s has %zu characters, the limit is %zu", field->name,
                     text.len, field->max);
  }
  for (size_t i = 0; i < text.len; i++) {
    if (allowed(text.ptr[i], field->charset)) continue;
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "%s has a character that is not allowed, at %zu",
                     field->name, i);
  }
  return 0;
}

int ik_sign_check(const struct ik_sign_field *fields, size_t count, char *detail) {
  for (size_t i = 0; i < count; i++) {
    int rc = check_field(&fields[i], detail);
    if (rc < 0) return rc;
  }
  return 0;
}

const char *ik_sign_method_name(enum iotkit_sign_method method) {
  switch (method) {
  case IOTKIT_SIGN_HMACSHA256:
    return "hmacsha256";
  case IOTKIT_SIGN_HMACSHA1:
    return "hmacsha1";
  case IOTKIT_SIGN_HMACMD5:
    return "hmacmd5";
  }
  return NULL;
}

int ik_sign_check_method(enum iotkit_sign_method method, char *detail) {
  if (ik_sign_method_name(method)) return 0;
  return ik_refuse(detail, IK_EINVALID_ARGUMENT, "method %d is not known", (int)method);
}

int ik_sign_printed(int printed, size_t cap) {
  if (printed < 0) return IK_EINTERNAL;
  return (size_t)printed < cap ? 0 : IK_ETOO_LONG;
}

int ik_sign_identify(struct ik_sign_identity *identity, const struct ik_sign_field *fields,
                     size_t count, char *detail) {
  const struct ik_sign_field own[] = {
      {"product_key", identity->product_key, IK_PRODUCT_KEY_MAX, IK_SIGN_NAME, false},
      {"device_name", identity->device_name, IK_DEVICE_NAME_MAX, IK_SIGN_NAME, false},
      {"device_secret", identity->device_secret, IK_DEVICE_SECRET_MAX, IK_SIGN_SECRET, false},
  };
  int rc = ik_sign_check(own, sizeof own / sizeof own[0], detail);
  if (rc == 0) rc = ik_sign_check(fields, count, detail);
  if (rc == 0) rc = ik_sign_check_method(identity->method, detail);
  if (rc < 0) return rc;
  return ik_sign_printed(snprintf(identity->base_id, sizeof identity->base_id, "%s.%s",
                                  identity->product_key, identity->device_name),
                         sizeof identity->base_id);
}

/* ---- user name and password ---- */

static enum ik_hmac_method hmac_of(enum iotkit_sign_method method) {
  if (method == IOTKIT_SIGN_HMACMD5) return IK_HMAC_MD5;
  return method == IOTKIT_SIGN_HMACSHA1 ? IK_HMAC_SHA1 : IK_HMAC_SHA256;
}

int ik_sign_content(const char *client_id, const char *device_name, const char *product_key,
                    uint64_t timestamp, struct ik_buf *out) {
  int rc =
      ik_buf_printf(out, "clientId%sdeviceName%sproductKey%s", client_id, device_name, product_key);
  if (rc == 0 && timestamp) rc = ik_buf_printf(out, "timestamp%" PRIu64, timestamp);
  return rc;
}

int ik_sign_username(const char *device_name, const char *product_key, char username[64]) {
  return ik_sign_printed(snprintf(username, 64, "%s&%s", device_name, product_key), 64);
}

int ik_sign_mac(enum iotkit_sign_method method, const char *secret, const struct ik_buf *content,
                char out[65]) {
  uint8_t mac[IK_HMAC_MAX];
  int len = ik_hmac(hmac_of(method), secret, strlen(secret), ik_buf_ptr(content),
                    ik_buf_size(content), mac);
  if (len > 0) ik_hex_encode(mac, (size_t)len, out);
  ik_wipe(mac, sizeof mac);
  return len > 0 ? 0 : len;
}

int ik_sign_credentials(const struct ik_sign_identity *identity, const char *client_id,
                        uint64_t timestamp, char username[64], char password[65]) {
  struct ik_buf content;
  int rc = ik_sign_username(identity->device_name, identity->product_key, username);
  if (rc < 0) return rc;
  ik_buf_init(&content, CONTENT_MAX);
  rc =
      ik_sign_content(client_id, identity->device_name, identity->product_key, timestamp, &content);
  if (rc == 0) rc = ik_sign_mac(identity->method, identity->device_secret, &content, password);
  ik_buf_free(&content);
  return rc;
}

/* ---- a device's sign-in ---- */

/* ",ext=…", or "" */
static int write_ext(const struct iotkit_sign_options *options, char ext[16]) {
  ext[0] = '\0';
  if (options->ext == 0) return 0;
  return ik_sign_printed(snprintf(ext, 16, ",ext=%u", options->ext), 16);
}

static int write_client_id(const struct iotkit_sign_options *options, const char *base,
                           struct iotkit_sign_in *out) {
  char stamp[40] = "";
  char ext[16];
  if (options->timestamp) {
    int rc = ik_sign_printed(
        snprintf(stamp, sizeof stamp, ",timestamp=%" PRIu64, options->timestamp), sizeof stamp);
    if (rc < 0) return rc;
  }
  int rc = write_ext(options, ext);
  if (rc < 0) return rc;
  return ik_sign_printed(snprintf(out->client_id, sizeof out->client_id,
                                  "%s|securemode=%d,signmethod=%s%s%s|", base, options->tls ? 2 : 3,
                                  ik_sign_method_name(options->method), stamp, ext),
                         sizeof out->client_id);
}

static int sign_by_secret(const struct iotkit_sign_options *options, struct iotkit_sign_in *out,
                          char *detail) {
  const struct ik_sign_field client_id_field = {
      "client_id", options->client_id, IK_CLIENT_ID_BASE_MAX, IK_SIGN_ID, !options->client_id};
  struct ik_sign_identity identity = {.product_key = options->product_key,
                                      .device_name = options->device_name,
                                      .device_secret = options->device_secret,
                                      .method = options->method};
  int rc = ik_sign_identify(&identity, &client_id_field, 1, detail);
  if (rc < 0) return rc;
  const char *client_id = options->client_id ? options->client_id : identity.base_id;
  rc = write_client_id(options, client_id, out);
  if (rc < 0) return rc;
  return ik_sign_credentials(&identity, client_id, options->timestamp, out->username,
                             out->password);
}

/* ---- a device's sign-in without a secret ---- */

static int check_secretless(const struct iotkit_sign_options *options, const char *what,
                            char *detail) {
  if (options->device_secret)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "device_secret does not go with %s", what);
  if (!options->tls)
    return ik_refuse(detail, IK_ETLS_REQUIRED, "tls: %s is for TLS connections", what);
  return ik_sign_check_method(options->method, detail);
}

static int sign_by_token(const struct iotkit_sign_options *options, struct iotkit_sign_in *out,
                         char *detail) {
  const struct ik_sign_field fields[] = {
      {"product_key", options->product_key, IK_PRODUCT_KEY_MAX, IK_SIGN_NAME, false},
      {"device_name", options->device_name, IK_DEVICE_NAME_MAX, IK_SIGN_NAME, false},
      {"client_id", options->client_id, IOTKIT_REGISTERED_ID_MAX, IK_SIGN_ID, false},
      {"device_token", options->device_token, IOTKIT_DEVICE_TOKEN_MAX, IK_SIGN_SECRET, false},
  };
  char ext[16];
  if (options->x509)
    return ik_refuse(detail, IK_EINVALID_ARGUMENT, "x509 does not go with device_token");
  int rc = check_secretless(options, "device_token", detail);
  if (rc == 0) rc = ik_sign_check(fields, sizeof fields / sizeof fields[0], detail);
  if (rc == 0) rc = write_ext(options, ext);
  if (rc < 0) return rc;
  rc = ik_sign_printed(snprintf(out->client_id, sizeof out->client_id,
                                "%s|authType=connwl,securemode=-2%s|", options->client_id, ext),
                       sizeof out->client_id);
  if (rc == 0) rc = ik_sign_username(options->device_name, options->product_key, out->username);
  if (rc == 0)
    rc = ik_sign_printed(snprintf(out->password, sizeof out->password, "%s", options->device_token),
                         sizeof out->password);
  return rc;
}

static int sign_by_certificate(const struct iotkit_sign_options *options,
                               struct iotkit_sign_in *out, char *detail) {
  const bool named = ik_str(options->product_key).len || ik_str(options->device_name).len;
  const struct ik_sign_field fields[] = {
      {"product_key", options->product_key, IK_PRODUCT_KEY_MAX, IK_SIGN_NAME, !named},
      {"device_name", options->device_name, IK_DEVICE_NAME_MAX, IK_SIGN_NAME, !named},
      {"client_id", options->client_id, IK_CLIENT_ID_BASE_MAX, IK_SIGN_ID, !options->client_id},
  };
  char base[IK_PRODUCT_KEY_MAX + IK_DEVICE_NAME_MAX + 2];
  int rc = check_secretless(options, "x509", detail);
  if (rc == 0) rc = ik_sign_check(fields, sizeof fields / sizeof fields[0], detail);
  if (rc < 0) return rc;
  const char *product_key = ik_str(options->product_key).ptr;
  const char *device_name = ik_str(options->device_name).ptr;
  rc = ik_sign_printed(snprintf(base, sizeof base, "%s.%s", product_key, device_name), sizeof base);
  if (rc == 0) rc = write_client_id(options, options->client_id ? options->client_id : base, out);
  if (rc == 0) rc = ik_sign_username(device_name, product_key, out->username);
  return rc;
}

int iotkit_sign(const struct iotkit_sign_options *given, struct iotkit_sign_in *out, char *detail) {
  struct iotkit_sign_options options;
  if (!given || !out) return IK_EINVALID_ARGUMENT;
  *out = (struct iotkit_sign_in){0};
  int rc = IK_SIZED_READ(&options, given, detail);
  if (rc < 0) return rc;
  if (options.device_token)
    rc = sign_by_token(&options, out, detail);
  else if (options.x509)
    rc = sign_by_certificate(&options, out, detail);
  else
    rc = sign_by_secret(&options, out, detail);
  if (rc < 0) ik_wipe(out, sizeof *out);
  return rc;
}
