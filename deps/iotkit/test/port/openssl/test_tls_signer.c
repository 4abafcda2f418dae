/* A client's key that a callback signs with: keys of the test's own, in every handshake that there is. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "support/drive.h"
#include "support/tls_client.h"

#define THREADS 4

/* The hardware: a key, and what it does wrong. */
struct token {
  EVP_PKEY *key;
  int fails_with; /* returned instead of a signature */
  bool is_wrong;  /* one bit of each signature is */
  size_t claims;  /* bytes it says to have written; 0: as many as it has */
  atomic_uint calls;
  atomic_uint schemes; /* bits 1 << scheme */
  atomic_uint digest_bits;
};

static EVP_PKEY *key_of(const struct test_cert *cert) {
  BIO *bio = BIO_new_mem_buf(cert->key, -1);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  BIO_free(bio);
  return key;
}

static const EVP_MD *digest_of(const struct iotkit_tls_to_sign *what) {
  if (what->digest_bits == 512) return EVP_sha512();
  return what->digest_bits == 384 ? EVP_sha384() : EVP_sha256();
}

static int sign_with(EVP_PKEY_CTX *ctx, const struct iotkit_tls_to_sign *what, uint8_t *signature,
                     size_t *len) {
  bool ready = EVP_PKEY_sign_init(ctx) == 1;
  if (what->scheme == IOTKIT_TLS_SIGN_RSA_RAW)
    ready = ready && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1;
  if (what->scheme == IOTKIT_TLS_SIGN_RSA_PKCS1)
    ready = ready && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
            EVP_PKEY_CTX_set_signature_md(ctx, digest_of(what)) == 1;
  return ready && EVP_PKEY_sign(ctx, signature, len, what->data, what->len) == 1 ? 0 : -99;
}

static int sign(void *arg, const struct iotkit_tls_to_sign *what, uint8_t *signature, size_t *len) {
  struct token *token = arg;
  atomic_fetch_add(&token->calls, 1);
  atomic_fetch_or(&token->schemes, 1u << what->scheme);
  atomic_store(&token->digest_bits, what->digest_bits);
  if (token->fails_with != 0) return token->fails_with;
  EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(token->key, NULL);
  const int rc = sign_with(ctx, what, signature, len);
  EVP_PKEY_CTX_free(ctx);
  if (token->is_wrong) signature[*len / 2] ^= 1;
  if (token->claims != 0) *len = token->claims;
  return rc;
}

static struct iotkit_tls_options options_with(const struct test_cert *cert, struct token *token) {
  return (struct iotkit_tls_options){
      .ca = test_ca_pem(tls_ca), .cert = cert->cert, .sign = sign, .sign_ctx = token};
}

static struct tls_server *serve(int version, const char *sign_algorithms) {
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.client_ca = test_ca_pem(tls_other_ca);
  options.max_version = version;
  options.client_sign_algorithms = sign_algorithms;
  return tls_server_start(&options);
}

static void echo(struct ik_transport *transport) {
  char buf[2];
  assert_int_equal(drive_write_all(transport, "hi", 2, NULL), 0);
  assert_int_equal(drive_read_all(transport, buf, 2, NULL), 0);
  assert_memory_equal(buf, "hi", 2);
}

/* ---- every handshake ---- */

static void check_signs(const struct test_cert *cert, int version, const char *algorithms,
                        enum iotkit_tls_sign_scheme scheme, unsigned digest_bits) {
  struct token token = {.key = key_of(cert)};
  const struct iotkit_tls_options options = options_with(cert, &token);
  struct tls_server *server = serve(version, algorithms);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_context(&options));
  echo(transport);
  transport->ops->close(transport);
  assert_int_equal(tls_server_stop(server).client_certs, 1);
  assert_int_equal(atomic_load(&token.calls), 1);
  assert_int_equal(atomic_load(&token.schemes), 1u << scheme);
  assert_int_equal(atomic_load(&token.digest_bits), digest_bits);
  EVP_PKEY_free(token.key);
}

static void a_callback_signs_every_handshake(void **state) {
  struct test_cert ec = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct test_cert rsa = test_ca_issue_rsa(tls_other_ca, "DNS:device", 2048);
  (void)state;
  check_signs(&ec, TLS1_3_VERSION, NULL, IOTKIT_TLS_SIGN_ECDSA, 256);
  check_signs(&ec, TLS1_2_VERSION, NULL, IOTKIT_TLS_SIGN_ECDSA, 256);
  check_signs(&ec, TLS1_2_VERSION, "ECDSA+SHA512", IOTKIT_TLS_SIGN_ECDSA, 512);
  check_signs(&rsa, TLS1_3_VERSION, NULL, IOTKIT_TLS_SIGN_RSA_RAW, 0);
  check_signs(&rsa, TLS1_2_VERSION, "RSA-PSS+SHA384", IOTKIT_TLS_SIGN_RSA_RAW, 0);
  check_signs(&rsa, TLS1_2_VERSION, "RSA+SHA256", IOTKIT_TLS_SIGN_RSA_PKCS1, 256);
  check_signs(&rsa, TLS1_2_VERSION, "RSA+SHA384", IOTKIT_TLS_SIGN_RSA_PKCS1, 384);
  test_cert_free(&rsa);
  test_cert_free(&ec);
}

/* ---- what goes wrong ---- */

static void check_fails(const struct test_cert *cert, struct token *token, int version,
                        const char *algorithms, int error, const char *text) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  const struct iotkit_tls_options options = options_with(cert, token);
  iotkit_tls_t *tls = tls_context(&options);
  struct tls_server *server = serve(version, algorithms);
  const int rc = tls_open_to("127.0.0.1", tls_server_port(server), tls, &transport, detail);
  if (rc != error || strstr(detail, text) == NULL) print_error("%d: %s\n", rc, detail);
  assert_int_equal(rc, error);
  assert_non_null(strstr(detail, text));
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  assert_int_equal(tls_server_stop(server).client_certs, 0);
}

static const struct {
  bool is_rsa;
  int version;
  const char *algorithms;
} ways[] = {
    {false, TLS1_3_VERSION, NULL},
    {false, TLS1_2_VERSION, NULL},
    {true, TLS1_3_VERSION, NULL},
    {true, TLS1_2_VERSION, "RSA+SHA256"},
};
#define WAYS (sizeof ways / sizeof ways[0])

static void what_a_callback_does_wrong_has_a_code(void **state) {
  struct test_cert certs[] = {test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY),
                              test_ca_issue_rsa(tls_other_ca, "DNS:device", 2048)};
  (void)state;
  for (size_t i = 0; i < WAYS; i++) {
    const struct test_cert *cert = &certs[ways[i].is_rsa];
    struct token fails = {.fails_with = -7};
    struct token is_wrong = {.key = key_of(cert), .is_wrong = true};
    struct token claims = {.key = key_of(cert), .claims = 100000};
    check_fails(cert, &fails, ways[i].version, ways[i].algorithms, IK_ETLS_SIGNING, "returned -7");
    check_fails(cert, &is_wrong, ways[i].version, ways[i].algorithms, IK_ETLS_IDENTITY,
                "is no signature by the key");
    check_fails(cert, &claims, ways[i].version, ways[i].algorithms, IK_ETLS_IDENTITY,
                "is no signature by the key");
    EVP_PKEY_free(is_wrong.key);
    EVP_PKEY_free(claims.key);
  }
  test_cert_free(&certs[1]);
  test_cert_free(&certs[0]);
}

/* A token that was not there and is plugged in: the same context goes on. */
static void a_later_connection_may_succeed(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct token token = {.key = key_of(&cert), .fails_with = 1};
  const struct iotkit_tls_options options = options_with(&cert, &token);
  iotkit_tls_t *tls = tls_context(&options);
  struct tls_server *server = serve(0, NULL);
  (void)state;
  assert_int_equal(tls_open_to("127.0.0.1", tls_server_port(server), tls, &transport, detail),
                   IK_ETLS_SIGNING);
  assert_true(iotkit_error_retryable(IK_ETLS_SIGNING));
  transport->ops->close(transport);
  token.fails_with = 0;
  echo(transport = tls_open_ok(tls_server_port(server), tls));
  transport->ops->close(transport);
  tls_server_stop(server);
  EVP_PKEY_free(token.key);
  test_cert_free(&cert);
}

static void expect_bad(const struct iotkit_tls_options *options, const char *text) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = NULL;
  assert_int_equal(iotkit_tls_new(options, &tls, detail), IK_ETLS_IDENTITY);
  assert_non_null(strstr(detail, text));
  assert_null(tls);
}

static void bad_options_are_refused(void **state) {
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct test_cert edwards = test_ca_issue_ed25519(tls_other_ca, "DNS:device");
  struct token token = {0};
  (void)state;
  struct iotkit_tls_options options = options_with(&cert, &token);
  options.key = cert.key;
  expect_bad(&options, "besides a callback");
  options = options_with(&cert, &token);
  options.cert = NULL;
  expect_bad(&options, "without a certificate");
  options = options_with(&edwards, &token);
  expect_bad(&options, "RSA and EC keys only");
  test_cert_free(&edwards);
  test_cert_free(&cert);
}

/* ---- threads ---- */

struct worker {
  pthread_t thread;
  iotkit_tls_t *tls;
  uint16_t port;
  int rc;
};

static void *connect_once(void *arg) {
  struct worker *worker = arg;
  struct ik_transport *transport;
  worker->rc = tls_open_to("127.0.0.1", worker->port, worker->tls, &transport, NULL);
  transport->ops->close(transport);
  return NULL;
}

static void connections_of_several_threads_sign_with_one_context(void **state) {
  struct test_cert certs[] = {test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY),
                              test_ca_issue_rsa(tls_other_ca, "DNS:device", 2048)};
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct worker workers[THREADS];
    struct tls_server *servers[THREADS];
    struct token token = {.key = key_of(&certs[i])};
    const struct iotkit_tls_options options = options_with(&certs[i], &token);
    iotkit_tls_t *tls = tls_context(&options);
    for (size_t j = 0; j < THREADS; j++) {
      servers[j] = serve(TLS1_2_VERSION, NULL);
      workers[j] = (struct worker){.tls = tls, .port = tls_server_port(servers[j])};
      assert_int_equal(pthread_create(&workers[j].thread, NULL, connect_once, &workers[j]), 0);
    }
    for (size_t j = 0; j < THREADS; j++) {
      pthread_join(workers[j].thread, NULL);
      assert_int_equal(workers[j].rc, 0);
      tls_server_stop(servers[j]);
    }
    assert_int_equal(atomic_load(&token.calls), THREADS);
    iotkit_tls_unref(tls);
    EVP_PKEY_free(token.key);
    test_cert_free(&certs[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_callback_signs_every_handshake),
      cmocka_unit_test(what_a_callback_does_wrong_has_a_code),
      cmocka_unit_test(a_later_connection_may_succeed),
      cmocka_unit_test(bad_options_are_refused),
      cmocka_unit_test(connections_of_several_threads_sign_with_one_context),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  return 0;
}

#endif
