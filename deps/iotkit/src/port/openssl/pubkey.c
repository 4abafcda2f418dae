/* Tested by deps/iotkit/test/core/test_keys.c. */
/*
 * pubkey.c - public keys and the signatures made with theirs.
 *
 * A key never changes after it was read, so that any number of threads may verify with it; each
 * verification has a context of its own.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/codec.h"
#include "base/limits.h"
#include "base/spki.h"
#include "port/openssl/openssl.h"
#include "port/port.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192 /* its signatures are the longest that are taken */

struct ik_pubkey {
  const struct ik_openssl *openssl;
  EVP_PKEY *pkey;
  enum ik_key_kind kind;
};

/* ---- reading ---- */

/* Says what is wrong with the block; `index` counts from 0. */
static int refuse_key(char *detail, size_t index, const char *why) {
  return ik_refuse(detail, IK_EPUBLIC_KEY, "key %zu: %s", index + 1, why);
}

static int check_kind(const struct ik_spki *spki, size_t index, char *detail) {
  if (spki->kind == IK_KEY_OTHER) {
    return ik_refuse(detail, IK_EPUBLIC_KEY, "key %zu: is %s, not RSA, ECDSA on P-256 or Ed25519",
                     index + 1, spki->name);
  }
  if (spki->kind != IK_KEY_RSA) return 0;
  if (spki->bits >= RSA_BITS_MIN && spki->bits <= RSA_BITS_MAX) return 0;
  return ik_refuse(detail, IK_EPUBLIC_KEY, "key %zu: is RSA of %u bits, not %d to %d", index + 1,
                   spki->bits, RSA_BITS_MIN, RSA_BITS_MAX);
}

static int make_key(const struct ik_openssl *o, const struct ik_spki *spki, size_t index,
                    struct ik_pubkey **out, char *detail) {
  const unsigned char *der = spki->der;
  struct ik_pubkey *key = calloc(1, sizeof(*key));
  if (key == NULL) return IK_ENO_MEMORY;
  key->openssl = o;
  key->kind = spki->kind;
  key->pkey = o->d2i_PUBKEY(NULL, &der, (long)spki->len);
  if (key->pkey == NULL) {
    ik_pubkey_free(key);
    return refuse_key(detail, index, ik_openssl_error_text(o, o->ERR_peek_last_error()));
  }
  *out = key;
  return 0;
}

/* Of any kind: "PRIVATE KEY", "EC PRIVATE KEY" … */
static bool is_private(const char *name) {
  static const char end[] = "PRIVATE KEY";
  size_t len = strlen(name);
  return len >= sizeof(end) - 1 && strcmp(name + len - (sizeof(end) - 1), end) == 0;
}

/* One block of PEM, decoded. */
static int read_block(const struct ik_openssl *o, const char *name, const uint8_t *der, size_t len,
                      size_t index, struct ik_pubkey **out, char *detail) {
  struct ik_spki spki;
  bool ok;
  if (strcmp(name, "PUBLIC KEY") == 0) {
    ok = ik_spki_read(der, len, &spki);
  } else if (strcmp(name, "CERTIFICATE") == 0) {
    ok = ik_spki_of_certificate(der, len, &spki);
  } else if (is_private(name)) {
    return refuse_key(detail, index, "is a private key: give the public one");
  } else {
    return refuse_key(detail, index, "is neither a PUBLIC KEY nor a CERTIFICATE block");
  }
  if (!ok) return refuse_key(detail, index, "is damaged");
  int rc = check_kind(&spki, index, detail);
  return rc == 0 ? make_key(o, &spki, index, out, detail) : rc;
}

static size_t occurrences(struct ik_str text, struct ik_str mark) {
  size_t found = 0;
  for (size_t i = 0; i + mark.len <= text.len; i++)
    if (memcmp(text.ptr + i, mark.ptr, mark.len) == 0) found++;
  return found;
}

/* The next block, or 0 with *count as it was: there is none. */
static int read_next(const struct ik_openssl *o, BIO *bio, struct ik_pubkey **out, size_t cap,
                     size_t *count, char *detail) {
  char *name = NULL;
  char *header = NULL;
  unsigned char *der = NULL;
  long len = 0;
  int rc;
  if (o->PEM_read_bio(bio, &name, &header, &der, &len) != 1) {
    unsigned long error = o->ERR_peek_last_error();
    bool at_end = ik_openssl_error_lib(o, error) == IK_ERR_LIB_PEM &&
                  ik_openssl_error_reason(o, error) == IK_PEM_R_NO_START_LINE;
    return at_end ? 0 : refuse_key(detail, *count, ik_openssl_error_text(o, error));
  }
  if (*count == cap) {
    ik_detail(detail, "the text holds more than %zu keys", cap);
    rc = IK_EPUBLIC_KEY;
  } else {
    rc = read_block(o, name, der, (size_t)len, *count, &out[*count], detail);
  }
  if (rc == 0) ++*count;
  if (len > 0) ik_wipe(der, (size_t)len); /* it may have been a private key */
  o->CRYPTO_free(name, "", 0);            /* what the macro OPENSSL_free stands for */
  o->CRYPTO_free(header, "", 0);
  o->CRYPTO_free(der, "", 0);
  return rc;
}

/*
 * What OpenSSL does not recognise as a block is a comment to it; a key whose first or last line is
 * damaged must not be one.
 */
static int check_count(struct ik_str pem, size_t read, char *detail) {
  size_t begins = occurrences(pem, IK_STR("-----BEGIN "));
  size_t ends = occurrences(pem, IK_STR("-----END "));
  if (read == 0 && begins == 0 && ends == 0) {
    return ik_refuse(detail, IK_EPUBLIC_KEY, "the text holds no key in PEM format");
  }
  if (begins == read && ends == read) return 0;
  return ik_refuse(detail, IK_EPUBLIC_KEY, "a line that begins or ends a key is damaged");
}

static int read_all(const struct ik_openssl *o, struct ik_str pem, struct ik_pubkey **out,
                    size_t cap, char *detail) {
  size_t before;
  size_t read = 0;
  BIO *bio = o->BIO_new_mem_buf(pem.ptr, (int)pem.len);
  if (bio == NULL) return IK_ENO_MEMORY;
  int rc;
  do {
    before = read;
    rc = read_next(o, bio, out, cap, &read, detail);
  } while (rc == 0 && read > before);
  o->BIO_free(bio);
  if (rc == 0) rc = check_count(pem, read, detail);
  if (rc == 0) return (int)read;
  while (read > 0)
    ik_pubkey_free(out[--read]);
  return rc;
}

int ik_pubkeys_read(struct ik_str pem, struct ik_pubkey **out, size_t cap, char *detail) {
  char reason[IOTKIT_DETAIL_MAX] = "";
  const struct ik_openssl *o;
  int rc = ik_openssl_need(&o, reason);
  ik_detail(detail, "%s", "");
  if (rc != 0) return ik_refuse(detail, rc, "public keys need OpenSSL: %.220s", reason);
  if (pem.len > IK_PEM_MAX) {
    return ik_refuse(detail, IK_EPUBLIC_KEY, "the public keys are longer than %zu bytes",
                     IK_PEM_MAX);
  }
  /* The calling thread may be the runtime's own: its error queue is left as it was. */
  o->ERR_set_mark();
  rc = read_all(o, pem, out, cap, detail);
  o->ERR_pop_to_mark();
  return rc;
}

void ik_pubkey_free(struct ik_pubkey *key) {
  if (key == NULL) return;
  if (key->pkey != NULL) key->openssl->EVP_PKEY_free(key->pkey);
  free(key);
}

/* ---- verifying ---- */

static int verify_message(const struct ik_pubkey *key, const void *message, size_t len,
                          const void *signature, size_t signature_len) {
  const struct ik_openssl *o = key->openssl;
  const EVP_MD *type = key->kind == IK_KEY_ED25519 ? NULL : o->EVP_sha256();
  EVP_MD_CTX *ctx = o->EVP_MD_CTX_new();
  if (ctx == NULL) return IK_ENO_MEMORY;
  int rc = IK_ECRYPTO;
  if (o->EVP_DigestVerifyInit(ctx, NULL, type, NULL, key->pkey) == 1)
    rc = o->EVP_DigestVerify(ctx, signature, signature_len, message, len) == 1;
  o->EVP_MD_CTX_free(ctx);
  return rc;
}

int ik_pubkey_verify(const struct ik_pubkey *key, const void *message, size_t len,
                     const void *signature, size_t signature_len) {
  key->openssl->ERR_set_mark();
  int rc = verify_message(key, len > 0 ? message : "", len, signature, signature_len);
  key->openssl->ERR_pop_to_mark();
  return rc;
}

static int verify_digest(const struct ik_pubkey *key, const uint8_t digest[32],
                         const void *signature, size_t signature_len) {
  const struct ik_openssl *o = key->openssl;
  EVP_PKEY_CTX *ctx = o->EVP_PKEY_CTX_new(key->pkey, NULL);
  if (ctx == NULL) return IK_ENO_MEMORY;
  int rc = IK_ECRYPTO;
  /*
   * By name: the functions that set it are macros in 1.1.1. PKCS #1 v1.5 is what RSA begins with.
   */
  if (o->EVP_PKEY_verify_init(ctx) == 1 && o->EVP_PKEY_CTX_ctrl_str(ctx, "digest", "SHA256") == 1)
    rc = o->EVP_PKEY_verify(ctx, signature, signature_len, digest, 32) == 1;
  o->EVP_PKEY_CTX_free(ctx);
  return rc;
}

int ik_pubkey_verify_sha256(const struct ik_pubkey *key, const uint8_t digest[32],
                            const void *signature, size_t signature_len) {
  if (key->kind == IK_KEY_ED25519) return 0; /* it signs messages alone */
  key->openssl->ERR_set_mark();
  int rc = verify_digest(key, digest, signature, signature_len);
  key->openssl->ERR_pop_to_mark();
  return rc;
}
