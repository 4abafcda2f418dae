/*
 * sign.c - sign-in strings. No state; the secret is only read, and what is derived from it on the
 * stack is wiped.
 */
#include "sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../base/codec.h"
#include "../base/limits.h"
#include "../port/port.h"

#define CONTENT_MAX 256
#define BASE_ID_SIZE (IK_PRODUCT_KEY_MAX + IK_DEVICE_NAME_MAX + 2)
#define VENDOR_SDK "sdk-c-2.3.0"

enum charset {
  CHARSET_NAME,  /* product keys and device names, which also stand in topics and in "{dn}&{pk}" */
  CHARSET_ID,    /* printable, but for the '|' that ends it and the ',' between fields */
  CHARSET_SECRET /* any: it never leaves this file */
};

struct field {
  const char *name;
  const char *value;
  size_t max;
  enum charset charset;
  bool optional;
};

static bool allowed(char c, enum charset charset) {
  if (charset == CHARSET_SECRET) return true;
  if (charset == CHARSET_ID) return c > 0x20 && c < 0x7f && c != '|' && c != ',';
  if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return true;
  return c != '\0' && strchr("-_.:@", c) != NULL;
}

/* Never puts a value into `detail`. */
static int check_field(const struct field *field, char *detail) {
  struct ik_str text = ik_str(field->value);
  if (text.len == 0) {
    if (field->optional) return 0;
    ik_detail(detail, "%s is missing or empty", field->name);
    return IK_EINVALID_ARGUMENT;
  }
  if (text.len > field->max) {
    ik_detail(detail, "%s has %zu characters, the limit is %zu", field->name, text.len, field->max);
    return IK_ETOO_LONG;
  }
  for (size_t i = 0; i < text.len; i++) {
    if (allowed(text.ptr[i], field->charset)) continue;
    ik_detail(detail, "%s has a character that is not allowed, at %zu", field->name, i);
    return IK_EINVALID_ARGUMENT;
  }
  return 0;
}

static int check_fields(const struct field *fields, size_t count, char *detail) {
  for (size_t i = 0; i < count; i++) {
    int rc = check_field(&fields[i], detail);
    if (rc < 0) return rc;
  }
  return 0;
}

static const char *method_name(enum iotkit_sign_method method) {
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

static int sign_content(enum iotkit_sign_method method, const char *secret,
                        const struct ik_buf *content, char password[65]) {
  uint8_t mac[IK_HMAC_MAX];
  int len = ik_hmac(hmac_of(method), secret, strlen(secret), ik_buf_ptr(content),
                    ik_buf_size(content), mac);
  if (len > 0) ik_hex_encode(mac, (size_t)len, password);
  ik_wipe(mac, sizeof mac);
  return len > 0 ? 0 : len;
}

/* snprintf's result as an error code: nothing that was cut is ever sent. */
static int fits(int printed, size_t cap) {
  if (printed < 0) return IK_EINTERNAL;
  return (size_t)printed < cap ? 0 : IK_ETOO_LONG;
}

/* What both kinds of sign-in have in common. */
struct identity {
  const char *product_key;
  const char *device_name;
  const char *device_secret;
  enum iotkit_sign_method method;
  const char *client_id; /* what is signed of it */
  uint64_t timestamp;
};

static int check_method(enum iotkit_sign_method method, char *detail) {
  if (method_name(method)) return 0;
  ik_detail(detail, "method %d is not known", (int)method);
  return IK_EINVALID_ARGUMENT;
}

static int write_base_id(const char *product_key, const char *device_name, char out[BASE_ID_SIZE]) {
  return fits(snprintf(out, BASE_ID_SIZE, "%s.%s", product_key, device_name), BASE_ID_SIZE);
}

static int write_credentials(const struct identity *who, char username[64], char password[65]) {
  struct ik_buf content;
  int rc = fits(snprintf(username, 64, "%s&%s", who->device_name, who->product_key), 64);
  if (rc < 0) return rc;
  ik_buf_init(&content, CONTENT_MAX);
  rc =
      ik_sign_content(who->client_id, who->device_name, who->product_key, who->timestamp, &content);
  if (rc == 0) rc = sign_content(who->method, who->device_secret, &content, password);
  ik_buf_free(&content);
  return rc;
}

static int write_client_id(const struct iotkit_sign_options *options, const char *base,
                           struct iotkit_sign_in *out) {
  char stamp[40] = "";
  if (options->timestamp) {
    int rc = fits(snprintf(stamp, sizeof stamp, ",timestamp=%" PRIu64, options->timestamp),
                  sizeof stamp);
    if (rc < 0) return rc;
  }
  return fits(snprintf(out->client_id, sizeof out->client_id, "%s|securemode=%d,signmethod=%s%s|",
                       base, options->tls ? 2 : 3, method_name(options->method), stamp),
              sizeof out->client_id);
}

int ik_sign_device(const struct iotkit_sign_options *options, struct iotkit_sign_in *out,
                   char *detail) {
  char own_id[BASE_ID_SIZE];
  struct identity who;
  int rc;

  if (!options || !out) return IK_EINVALID_ARGUMENT;
  *out = (struct iotkit_sign_in){0};
  const struct field fields[] = {
      {"product_key", options->product_key, IK_PRODUCT_KEY_MAX, CHARSET_NAME, false},
      {"device_name", options->device_name, IK_DEVICE_NAME_MAX, CHARSET_NAME, false},
      {"device_secret", options->device_secret, IK_DEVICE_SECRET_MAX, CHARSET_SECRET, false},
      {"client_id", options->client_id, IK_CLIENT_ID_BASE_MAX, CHARSET_ID, !options->client_id},
  };
  rc = check_fields(fields, sizeof fields / sizeof fields[0], detail);
  if (rc == 0) rc = check_method(options->method, detail);
  if (rc == 0) rc = write_base_id(options->product_key, options->device_name, own_id);
  if (rc < 0) return rc;

  who = (struct identity){
      .product_key = options->product_key,
      .device_name = options->device_name,
      .device_secret = options->device_secret,
      .method = options->method,
      .client_id = options->client_id ? options->client_id : own_id,
      .timestamp = options->timestamp,
  };
  rc = write_client_id(options, who.client_id, out);
  if (rc == 0) rc = write_credentials(&who, out->username, out->password);
  if (rc < 0) *out = (struct iotkit_sign_in){0};
  return rc;
}

static int write_vendor_client_id(const struct ik_sign_vendor_options *options, const char *base,
                                  struct ik_sign_vendor *out) {
  const char *pid = ik_str(options->partner_id).ptr;
  const char *mid = ik_str(options->module_id).ptr;
  int printed =
      snprintf(out->client_id, sizeof out->client_id,
               "%s|securemode=%d,_v=" VENDOR_SDK ",timestamp=%" PRIu64
               ",signmethod=%s,lan=C,gw=0,ext=0%s%s%s%s|",
               base, options->tls ? 2 : 3, IK_SIGN_VENDOR_TIMESTAMP, method_name(options->method),
               *pid ? ",pid=" : "", pid, *mid ? ",mid=" : "", mid);
  return fits(printed, sizeof out->client_id);
}

int ik_sign_vendor(const struct ik_sign_vendor_options *options, struct ik_sign_vendor *out,
                   char *detail) {
  const struct field fields[] = {
      {"product_key", options->product_key, IK_PRODUCT_KEY_MAX, CHARSET_NAME, false},
      {"device_name", options->device_name, IK_DEVICE_NAME_MAX, CHARSET_NAME, false},
      {"device_secret", options->device_secret, IK_DEVICE_SECRET_MAX, CHARSET_SECRET, false},
      {"partner_id", options->partner_id, IK_SIGN_PARTNER_ID_MAX, CHARSET_ID, true},
      {"module_id", options->module_id, IK_SIGN_PARTNER_ID_MAX, CHARSET_ID, true},
  };
  char base[BASE_ID_SIZE];
  struct identity who;
  int rc;

  *out = (struct ik_sign_vendor){0};
  rc = check_fields(fields, sizeof fields / sizeof fields[0], detail);
  if (rc == 0) rc = check_method(options->method, detail);
  if (rc == 0) rc = write_base_id(options->product_key, options->device_name, base);
  if (rc < 0) return rc;

  who = (struct identity){
      .product_key = options->product_key,
      .device_name = options->device_name,
      .device_secret = options->device_secret,
      .method = options->method,
      .client_id = base,
      .timestamp = IK_SIGN_VENDOR_TIMESTAMP,
  };
  rc = write_vendor_client_id(options, base, out);
  if (rc == 0) rc = write_credentials(&who, out->username, out->password);
  if (rc < 0) *out = (struct ik_sign_vendor){0};
  return rc;
}
