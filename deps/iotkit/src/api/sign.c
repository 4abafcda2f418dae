/*
 * sign.c - the public face of src/ota/sign.h. Nothing is kept.
 */
#include "../ota/sign.h"

int iotkit_sign(const struct iotkit_sign_options *options, struct iotkit_sign_in *out,
                char *detail) {
  return ik_sign_device(options, out, detail);
}
