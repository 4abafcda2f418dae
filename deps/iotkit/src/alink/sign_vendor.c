/*
 * sign_vendor.c - what the published SDK 2.3.0 signs in with, byte for byte. No state.
 */
#include "alink/sign_vendor.h"

#include <inttypes.h>
#include <stdio.h>

#include "alink/sign.h"

#define VENDOR_SDK "sdk-c-2.3.0"

static int write_vendor_client_id(const struct ik_sign_vendor_options *options, const char *base,
                                  struct ik_sign_vendor *out) {
  const char *pid = ik_str(options->partner_id).ptr;
  const char *mid = ik_str(options->module_id).ptr;
  int printed = snprintf(out->client_id, sizeof out->client_id,
                         "%s|securemode=%d,_v=" VENDOR_SDK ",timestamp=%" PRIu64
                         ",signmethod=%s,lan=C,gw=0,ext=0%s%s%s%s|",
                         base, options->tls ? 2 : 3, IK_SIGN_VENDOR_TIMESTAMP,
                         ik_sign_method_name(options->method), *pid ? ",pid=" : "", pid,
                         *mid ? ",mid=" : "", mid);
  return ik_sign_printed(printed, sizeof out->client_id);
}

int ik_sign_vendor(const struct ik_sign_vendor_options *options, struct ik_sign_vendor *out,
                   char *detail) {
  const struct ik_sign_field ids[] = {
      {"partner_id", options->partner_id, IK_SIGN_PARTNER_ID_MAX, IK_SIGN_ID, true},
      {"module_id", options->module_id, IK_SIGN_PARTNER_ID_MAX, IK_SIGN_ID, true},
  };
  struct ik_sign_identity identity = {.product_key = options->product_key,
                                      .device_name = options->device_name,
                                      .device_secret = options->device_secret,
                                      .method = options->method};
  *out = (struct ik_sign_vendor){0};
  int rc = ik_sign_identify(&identity, ids, sizeof ids / sizeof ids[0], detail);
  if (rc < 0) return rc;
  rc = write_vendor_client_id(options, identity.base_id, out);
  if (rc == 0)
    rc = ik_sign_credentials(&identity, identity.base_id, IK_SIGN_VENDOR_TIMESTAMP, out->username,
                             out->password);
  if (rc < 0) *out = (struct ik_sign_vendor){0};
  return rc;
}
