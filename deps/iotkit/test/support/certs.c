#if defined(IK_OPENSSL_LINKED)

#include "certs.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                                         \
  do {                                                                                             \
    if (!(condition)) abort();                                                                     \
  } while (0)

struct test_ca {
  EVP_PKEY *key;
  X509 *cert;
  char *pem;
  long serial;
};

static EVP_PKEY *new_key(void) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, NULL);
  REQUIRE(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1);
  REQUIRE(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(ctx, NID_X9_62_prime256v1) == 1);
  REQUIRE(EVP_PKEY_keygen(ctx, &key) == 1);
  EVP_PKEY_CTX_free(ctx);
  return key;
}

static char *take_text(BIO *bio) {
  char *data;
  long len = BIO_get_mem_data(bio, &data);
  char *text = malloc((size_t)len + 1);
  REQUIRE(text != NULL);
  memcpy(text, data, (size_t)len);
  text[len] = '\0';
  BIO_free(bio);
  return text;
}

static char *cert_text(X509 *cert) {
  BIO *bio = BIO_new(BIO_s_mem());
  REQUIRE(bio != NULL && PEM_write_bio_X509(bio, cert) == 1);
  return take_text(bio);
}

static char *key_text(EVP_PKEY *key, const char *passphrase) {
  BIO *bio = BIO_new(BIO_s_mem());
  char *secret = passphrase == NULL ? NULL : strdup(passphrase);
  REQUIRE(bio != NULL);
  REQUIRE(PEM_write_bio_PKCS8PrivateKey(bio, key, passphrase == NULL ? NULL : EVP_aes_256_cbc(),
                                        secret, secret == NULL ? 0 : (int)strlen(secret), NULL,
                                        NULL) == 1);
  free(secret);
  return take_text(bio);
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value) {
  X509V3_CTX ctx;
  X509V3_set_ctx_nodb(&ctx);
  X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
  REQUIRE(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

static X509 *new_cert(const char *name, long serial, EVP_PKEY *key, long from_s, long until_s) {
  X509 *cert = X509_new();
  REQUIRE(cert != NULL && X509_set_version(cert, 2) == 1);
  REQUIRE(ASN1_INTEGER_set(X509_get_serialNumber(cert), serial) == 1);
  REQUIRE(X509_gmtime_adj(X509_getm_notBefore(cert), from_s) != NULL);
  REQUIRE(X509_gmtime_adj(X509_getm_notAfter(cert), until_s) != NULL);
  REQUIRE(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                     (const unsigned char *)name, -1, -1, 0) == 1);
  REQUIRE(X509_set_pubkey(cert, key) == 1);
  return cert;
}

struct test_ca *test_ca_new(const char *name) {
  struct test_ca *ca = calloc(1, sizeof *ca);
  REQUIRE(ca != NULL);
  ca->key = new_key();
  ca->serial = 1;
  ca->cert = new_cert(name, ca->serial, ca->key, -3600, 86400);
  REQUIRE(X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert)) == 1);
  add_extension(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(ca->cert, ca->cert, NID_subject_key_identifier, "hash");
  REQUIRE(X509_sign(ca->cert, ca->key, EVP_sha256()) > 0);
  ca->pem = cert_text(ca->cert);
  return ca;
}

void test_ca_free(struct test_ca *ca) {
  X509_free(ca->cert);
  EVP_PKEY_free(ca->key);
  free(ca->pem);
  free(ca);
}

const char *test_ca_pem(const struct test_ca *ca) {
  return ca->pem;
}

/* Takes the key over. alt: NULL for none. */
static struct test_cert issue(struct test_ca *ca, const char *cn, const char *alt, EVP_PKEY *key,
                              long from_s, long until_s) {
  X509 *cert = new_cert(cn, ++ca->serial, key, from_s, until_s);
  REQUIRE(X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1);
  add_extension(cert, ca->cert, NID_basic_constraints, "CA:FALSE");
  if (alt != NULL) add_extension(cert, ca->cert, NID_subject_alt_name, alt);
  REQUIRE(X509_sign(cert, ca->key, EVP_sha256()) > 0);
  struct test_cert result = {.cert = cert_text(cert), .key = key_text(key, NULL)};
  X509_free(cert);
  EVP_PKEY_free(key);
  return result;
}

struct test_cert test_ca_issue(struct test_ca *ca, const char *alt, long from_s, long until_s) {
  return issue(ca, "leaf", alt, new_key(), from_s, until_s);
}

static EVP_PKEY *new_rsa_key(int bits) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
  REQUIRE(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1);
  REQUIRE(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1);
  REQUIRE(EVP_PKEY_keygen(ctx, &key) == 1);
  EVP_PKEY_CTX_free(ctx);
  return key;
}

/* One of each size for the whole program: under valgrind it takes a minute to make. Owned by this
 * function; valid for as long as the program runs. */
static EVP_PKEY *rsa_key(int bits) {
  static EVP_PKEY *weak, *strong;
  EVP_PKEY **key = bits == 1024 ? &weak : &strong;
  REQUIRE(bits == 1024 || bits == 2048);
  if (*key == NULL) *key = new_rsa_key(bits);
  return *key;
}

struct test_cert test_ca_issue_rsa(struct test_ca *ca, const char *alt, int bits) {
  EVP_PKEY *key = rsa_key(bits);
  REQUIRE(EVP_PKEY_up_ref(key) == 1);
  return issue(ca, "leaf", alt, key, -3600, 86400);
}

struct test_cert test_ca_issue_ed25519(struct test_ca *ca, const char *alt) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);
  REQUIRE(ctx != NULL && EVP_PKEY_keygen_init(ctx) == 1 && EVP_PKEY_keygen(ctx, &key) == 1);
  EVP_PKEY_CTX_free(ctx);
  return issue(ca, "leaf", alt, key, -3600, 86400);
}

struct test_cert test_ca_issue_cn(struct test_ca *ca, const char *cn) {
  return issue(ca, cn, NULL, new_key(), -3600, 86400);
}

char *test_ca_revoke(struct test_ca *ca, const struct test_cert *cert) {
  BIO *pem = BIO_new_mem_buf(cert->cert, -1);
  X509 *revoked = PEM_read_bio_X509(pem, NULL, NULL, NULL);
  X509_CRL *crl = X509_CRL_new();
  X509_REVOKED *entry = X509_REVOKED_new();
  ASN1_TIME *from = X509_gmtime_adj(NULL, -3600);
  ASN1_TIME *until = X509_gmtime_adj(NULL, 86400);
  BIO *bio = BIO_new(BIO_s_mem());
  REQUIRE(revoked != NULL && crl != NULL && entry != NULL && bio != NULL);
  REQUIRE(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked)) == 1);
  REQUIRE(X509_REVOKED_set_revocationDate(entry, from) == 1);
  REQUIRE(X509_CRL_set_version(crl, 1) == 1);
  REQUIRE(X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert)) == 1);
  REQUIRE(X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, until) == 1);
  REQUIRE(X509_CRL_add0_revoked(crl, entry) == 1);
  REQUIRE(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
  REQUIRE(PEM_write_bio_X509_CRL(bio, crl) == 1);
  ASN1_TIME_free(until);
  ASN1_TIME_free(from);
  X509_CRL_free(crl);
  X509_free(revoked);
  BIO_free(pem);
  return take_text(bio);
}

void test_cert_free(struct test_cert *cert) {
  free(cert->cert);
  free(cert->key);
}

char *test_key_encrypt(const char *key_pem, const char *passphrase) {
  BIO *bio = BIO_new_mem_buf(key_pem, -1);
  REQUIRE(bio != NULL);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  REQUIRE(key != NULL);
  char *text = key_text(key, passphrase);
  EVP_PKEY_free(key);
  BIO_free(bio);
  return text;
}

#else
typedef int test_certs_unused;
#endif
