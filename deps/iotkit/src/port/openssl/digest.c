/*
 * digest.c - MD5 and SHA-256: OpenSSL's, and the SDK's own where there is none or it refuses (MD5
 * under FIPS).
 *
 * A digest is one allocation and, with OpenSSL, two of its contexts: the running one and one for
 * values asked for meanwhile.
 */
#include <stdlib.h>

#include "port/openssl/openssl.h"
#include "port/port.h"
#include "port/soft/soft_digest.h"

struct ik_digest {
  const struct ik_openssl *openssl; /* NULL: `soft` is in use */
  enum iotkit_digest_method method;
  EVP_MD_CTX *running;
  EVP_MD_CTX *scratch;
  struct ik_soft_digest soft;
};

static bool start_openssl(struct ik_digest *digest) {
  const struct ik_openssl *o = digest->openssl;
  const EVP_MD *type = digest->method == IOTKIT_DIGEST_MD5 ? o->EVP_md5() : o->EVP_sha256();
  o->ERR_set_mark();
  int ok = o->EVP_DigestInit_ex(digest->running, type, NULL);
  o->ERR_pop_to_mark();
  return ok == 1;
}

static void start_soft(struct ik_digest *digest) {
  ik_soft_digest_init(&digest->soft,
                      digest->method == IOTKIT_DIGEST_MD5 ? IK_SOFT_MD5 : IK_SOFT_SHA256);
}

int ik_digest_reset(struct ik_digest *digest) {
  if (digest->openssl == NULL) {
    start_soft(digest);
    return 0;
  }
  return start_openssl(digest) ? 0 : IK_ECRYPTO;
}

static int open_contexts(struct ik_digest *digest) {
  const struct ik_openssl *o = digest->openssl;
  digest->running = o->EVP_MD_CTX_new();
  digest->scratch = o->EVP_MD_CTX_new();
  return digest->running == NULL || digest->scratch == NULL ? IK_ENO_MEMORY : 0;
}

static void close_contexts(struct ik_digest *digest) {
  const struct ik_openssl *o = digest->openssl;
  o->EVP_MD_CTX_free(digest->running);
  o->EVP_MD_CTX_free(digest->scratch);
  digest->openssl = NULL;
}

int ik_digest_new(enum iotkit_digest_method method, struct ik_digest **out) {
  *out = NULL;
  if (method != IOTKIT_DIGEST_MD5 && method != IOTKIT_DIGEST_SHA256) return IK_EDIGEST_METHOD;
  struct ik_digest *digest = calloc(1, sizeof *digest);
  if (digest == NULL) return IK_ENO_MEMORY;
  digest->method = method;
  digest->openssl = ik_openssl();
  if (digest->openssl != NULL && open_contexts(digest) != 0) {
    ik_digest_free(digest);
    return IK_ENO_MEMORY;
  }
  if (digest->openssl != NULL && !start_openssl(digest)) close_contexts(digest);
  if (digest->openssl == NULL) start_soft(digest);
  *out = digest;
  return 0;
}

void ik_digest_free(struct ik_digest *digest) {
  if (digest == NULL) return;
  if (digest->openssl != NULL) close_contexts(digest);
  free(digest);
}

int ik_digest_update(struct ik_digest *digest, const void *data, size_t len) {
  if (digest->openssl != NULL)
    return digest->openssl->EVP_DigestUpdate(digest->running, data, len) == 1 ? 0 : IK_ECRYPTO;
  ik_soft_digest_update(&digest->soft, data, len);
  return 0;
}

int ik_digest_value(struct ik_digest *digest, uint8_t out[IOTKIT_DIGEST_MAX]) {
  const struct ik_openssl *o = digest->openssl;
  if (o == NULL) {
    struct ik_soft_digest copy = digest->soft;
    return (int)ik_soft_digest_final(&copy, out);
  }
  unsigned int len = 0;
  o->ERR_set_mark();
  int ok = o->EVP_MD_CTX_copy_ex(digest->scratch, digest->running) == 1 &&
           o->EVP_DigestFinal_ex(digest->scratch, out, &len) == 1;
  o->ERR_pop_to_mark();
  return ok ? (int)len : IK_ECRYPTO;
}
