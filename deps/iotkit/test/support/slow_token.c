#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "support/slow_token.h"

void token_init(struct token *token, const struct test_cert *cert) {
  BIO *bio = BIO_new_mem_buf(cert->key, -1);
  token->key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  BIO_free(bio);
  pthread_mutex_init(&token->lock, NULL);
  pthread_cond_init(&token->changed, NULL);
}

void token_deinit(struct token *token) {
  EVP_PKEY_free(token->key);
  pthread_cond_destroy(&token->changed);
  pthread_mutex_destroy(&token->lock);
}

int token_begin(void *arg, const struct iotkit_tls_to_sign *what,
                iotkit_tls_signature_t *signature) {
  struct token *token = arg;
  pthread_mutex_lock(&token->lock);
  token->begun++;
  token->begun_on = pthread_self();
  token->what = *what;
  if (what->len > sizeof token->data || what->message_len > sizeof token->message) abort();
  memcpy(token->data, what->data, what->len);
  if (what->message != NULL) memcpy(token->message, what->message, what->message_len);
  if (token->begins_with == 0) token->asked = signature;
  pthread_cond_broadcast(&token->changed);
  pthread_mutex_unlock(&token->lock);
  return token->begins_with;
}

static void cancel(void *arg, iotkit_tls_signature_t *signature) {
  struct token *token = arg;
  pthread_mutex_lock(&token->lock);
  if (token->asked == signature) token->cancelled++;
  pthread_mutex_unlock(&token->lock);
}

void token_end(void *arg) {
  struct token *token = arg;
  token->ended++;
}

iotkit_tls_signature_t *token_take(struct token *token) {
  pthread_mutex_lock(&token->lock);
  while (token->asked == NULL)
    pthread_cond_wait(&token->changed, &token->lock);
  iotkit_tls_signature_t *signature = token->asked;
  token->asked = NULL;
  pthread_mutex_unlock(&token->lock);
  return signature;
}

static const EVP_MD *sha2(unsigned bits) {
  if (bits == 512) return EVP_sha512();
  return bits == 384 ? EVP_sha384() : EVP_sha256();
}

void token_sign_message(struct token *token, uint8_t *out, size_t *len) {
  EVP_PKEY_CTX *ctx = NULL;
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  assert_non_null(token->what.message);
  assert_int_equal(
      EVP_DigestSignInit(digest, &ctx, sha2(token->what.message_bits), NULL, token->key), 1);
  if (token->what.scheme == IOTKIT_TLS_SIGN_RSA_RAW) {
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST), 1);
  }
  assert_int_equal(EVP_DigestSign(digest, out, len, token->message, token->what.message_len), 1);
  EVP_MD_CTX_free(digest);
}

void token_sign_data(struct token *token, uint8_t *out, size_t *len) {
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(token->key, NULL);
  assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
  if (token->what.scheme == IOTKIT_TLS_SIGN_RSA_RAW)
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
  if (token->what.scheme == IOTKIT_TLS_SIGN_RSA_PKCS1)
    assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, sha2(token->what.digest_bits)), 1);
  assert_int_equal(EVP_PKEY_sign(ctx, out, len, token->data, token->what.len), 1);
  EVP_PKEY_CTX_free(ctx);
}

/* As PKCS#11 gives it: P-256. */
static void to_pair(uint8_t *signature, size_t *len) {
  const unsigned char *at = signature;
  ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &at, (long)*len);
  assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(both), signature, 32), 32);
  assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(both), signature + 32, 32), 32);
  ECDSA_SIG_free(both);
  *len = 64;
}

void *token_answer(void *arg) {
  struct token *token = arg;
  uint8_t out[TOKEN_ROOM] = {0};
  size_t len = sizeof out;
  iotkit_tls_signature_t *signature = token_take(token);
  if (token->reason != NULL) {
    iotkit_tls_signature_fail(signature, token->reason);
    return NULL;
  }
  if (token->is_by_message)
    token_sign_message(token, out, &len);
  else
    token_sign_data(token, out, &len);
  if (token->is_pair) to_pair(out, &len);
  if (token->is_wrong) out[len / 2] ^= 1;
  iotkit_tls_signature_give(signature, out, token->claims != 0 ? token->claims : len);
  return NULL;
}

iotkit_tls_t *token_context(const struct test_cert *cert, struct token *token) {
  const struct iotkit_tls_options options = {.ca = test_ca_pem(tls_ca),
                                             .cert = cert->cert,
                                             .sign_begin = token_begin,
                                             .sign_cancel = cancel,
                                             .sign_free = token_end,
                                             .sign_ctx = token};
  return tls_context(&options);
}

struct tls_server *token_serve(int version, const char *algorithms, const char *groups) {
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.client_ca = test_ca_pem(tls_other_ca);
  options.max_version = version;
  options.client_sign_algorithms = algorithms;
  options.groups = groups;
  return tls_server_start(&options);
}

#endif
