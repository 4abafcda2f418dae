/*
 * sign.h - the strings a device signs in with (document 73742): what iotkit_sign and the published
 * SDK's sign-in (sign_vendor.h) have in common. Pure but for the HMAC.
 */
#ifndef IK_ALINK_SIGN_H
#define IK_ALINK_SIGN_H

#include "base/buf.h"
#include "base/limits.h"
#include "iotkit_ota.h"

/* Which characters a text may have. */
enum ik_sign_charset {
  IK_SIGN_NAME,  /* product keys and device names, which also stand in topics and in "{dn}&{pk}" */
  IK_SIGN_ID,    /* printable, but for the '|' that ends it and the ',' between fields */
  IK_SIGN_SECRET /* any: it is never sent */
};

/* A text to be checked before anything is made of it. */
struct ik_sign_field {
  const char *name;  /* for the detail */
  const char *value; /* NULL counts as "" */
  size_t max;        /* characters */
  enum ik_sign_charset charset;
  bool optional;
};

/* Whose sign-in it is. The texts are the caller's. */
struct ik_sign_identity {
  const char *product_key;
  const char *device_name;
  const char *device_secret;
  enum iotkit_sign_method method;
  char base_id[IK_PRODUCT_KEY_MAX + IK_DEVICE_NAME_MAX + 2]; /* "{pk}.{dn}", by ik_sign_identify */
};

/*
 * Checks the identity's texts, then the `count` fields that one kind of sign-in has beyond them,
 * then the method; writes base_id. IK_EINVALID_ARGUMENT, IK_ETOO_LONG: `detail` (may be NULL) names
 * the field, never a value.
 */
int ik_sign_identify(struct ik_sign_identity *identity, const struct ik_sign_field *fields,
                     size_t count, char *detail);
/* "hmacsha256" and the like; NULL: there is no such method. */
const char *ik_sign_method_name(enum iotkit_sign_method method);
/* Checks fields alone, or a method; errors as ik_sign_identify. */
int ik_sign_check(const struct ik_sign_field *fields, size_t count, char *detail);
int ik_sign_check_method(enum iotkit_sign_method method, char *detail);
/* "{device_name}&{product_key}" */
int ik_sign_username(const char *device_name, const char *product_key, char username[64]);
/*
 * User name and password; `client_id` is the part of the client id that is signed, timestamp 0:
 * none. Errors of the HMAC; IK_ENO_MEMORY.
 */
int ik_sign_credentials(const struct ik_sign_identity *identity, const char *client_id,
                        uint64_t timestamp, char username[64], char password[65]);
/* What is signed: the keys in the order of the alphabet, each followed by its value. */
int ik_sign_content(const char *client_id, const char *device_name, const char *product_key,
                    uint64_t timestamp, struct ik_buf *out);
/* The HMAC of the content in lower-case hex, ending with NUL. Errors of the HMAC. */
int ik_sign_mac(enum iotkit_sign_method method, const char *secret, const struct ik_buf *content,
                char out[65]);
/* snprintf's result as an error code: nothing that was truncated is ever sent. */
int ik_sign_printed(int printed, size_t cap);

#endif
