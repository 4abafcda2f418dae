/*
 * sign_vendor.h - the published SDK's sign-in: always "{pk}.{dn}", a fixed timestamp in 2050, and
 * fields that say what the SDK can. For the published IOT_SetupConnInfo.
 */
#ifndef IK_ALINK_SIGN_VENDOR_H
#define IK_ALINK_SIGN_VENDOR_H

#include "iotkit_ota.h"

#define IK_SIGN_VENDOR_TIMESTAMP UINT64_C(2524608000000)
#define IK_SIGN_PARTNER_ID_MAX 64

struct ik_sign_vendor_options {
  const char *product_key;        /* 1-20 characters */
  const char *device_name;        /* 1-32 characters */
  const char *device_secret;      /* 1-64 characters */
  enum iotkit_sign_method method; /* with IOTKIT_SIGN_HMACSHA1 every byte is the published SDK's */
  bool tls;                       /* securemode 2, else 3 */
  const char *partner_id;         /* "pid", ≤ 64 characters; NULL or "": left out */
  const char *module_id;          /* "mid", likewise */
};

struct ik_sign_vendor {
  char client_id[384];
  char username[64];
  char password[65]; /* lower-case hex */
};

/*
 * Errors: IK_EINVALID_ARGUMENT, IK_ETOO_LONG, with `detail` (may be NULL) naming the field; on
 * error `out` is empty.
 */
int ik_sign_vendor(const struct ik_sign_vendor_options *options, struct ik_sign_vendor *out,
                   char *detail);

#endif
