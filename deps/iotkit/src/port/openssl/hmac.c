/*
 * hmac.c - HMAC in one call: OpenSSL's, and the SDK's own where there is none or it refuses. No
 * state.
 */
#include <limits.h>

#include "port/openssl/openssl.h"
#include "port/port.h"
#include "port/soft/soft_digest.h"

static int openssl_hmac(const struct ik_openssl *o, enum ik_hmac_method method, const void *key,
                        size_t key_len, const void *data, size_t len, uint8_t out[IK_HMAC_MAX]) {
  const EVP_MD *type = method == IK_HMAC_MD5    ? o->EVP_md5()
                       : method == IK_HMAC_SHA1 ? o->EVP_sha1()
                                                : o->EVP_sha256();
  unsigned int out_len = 0;
  if (key_len > INT_MAX) return IK_ECRYPTO;
  o->ERR_set_mark();
  const unsigned char *done = o->HMAC(type, key, (int)key_len, data, len, out, &out_len);
  o->ERR_pop_to_mark();
  return done == NULL ? IK_ECRYPTO : (int)out_len;
}

int ik_hmac(enum ik_hmac_method method, const void *key, size_t key_len, const void *data,
            size_t len, uint8_t out[IK_HMAC_MAX]) {
  static const enum ik_soft_method soft[] = {IK_SOFT_MD5, IK_SOFT_SHA1, IK_SOFT_SHA256};
  const struct ik_openssl *o = ik_openssl();
  /* A null pointer means "the key of the last time" to OpenSSL. */
  if (key == NULL || key_len == 0) {
    key = "";
    key_len = 0;
  }
  if (data == NULL) {
    data = "";
    len = 0;
  }
  int n = o == NULL ? IK_ECRYPTO : openssl_hmac(o, method, key, key_len, data, len, out);
  if (n > 0) return n;
  return (int)ik_soft_hmac(soft[method], key, key_len, data, len, out);
}
