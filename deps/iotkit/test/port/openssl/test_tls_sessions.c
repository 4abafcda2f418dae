/*
 * Sessions that are kept for later connections: whose they are, how many, how long, how often.
 * test_stream_tls.c has them over real connections.
 */
#include "port/openssl/tls_sessions.h"

#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "support/certs.h"

#define NOW 1000000

static const struct ik_tls_validity valid = {NOW - 10, NOW + 10};
static SSL_CTX *ctx;
static struct ik_tls_sessions *sessions;

static int setup(void **state) {
  (void)state;
  ctx = SSL_CTX_new(TLS_client_method());
  assert_non_null(ctx);
  return ik_tls_sessions_new(ik_openssl(), &sessions);
}

static int teardown(void **state) {
  (void)state;
  ik_tls_sessions_free(sessions);
  SSL_CTX_free(ctx);
  return 0;
}

/* Keeps one with that number as its id. */
static void keep(const char *key, int version, unsigned char number) {
  SSL_SESSION *session = SSL_SESSION_new();
  assert_int_equal(SSL_SESSION_set_protocol_version(session, version), 1);
  assert_int_equal(SSL_SESSION_set1_id(session, &number, 1), 1);
  ik_tls_sessions_keep(sessions, key, session, &valid);
  SSL_SESSION_free(session);
}

/* The number of the session that a connection at that time is given; -1: none. */
static int use_at(const char *key, time_t now) {
  struct ik_tls_validity validity = {0, 0};
  unsigned int len;
  int number = -1;
  SSL *ssl = SSL_new(ctx);
  assert_non_null(ssl);
  if (ik_tls_sessions_use(sessions, key, now, ssl, &validity)) {
    number = *SSL_SESSION_get_id(SSL_get_session(ssl), &len);
    assert_int_equal(validity.from, valid.from);
    assert_int_equal(validity.until, valid.until);
  }
  SSL_free(ssl); /* without a close_notify: what is kept may be resumed all the same */
  return number;
}

static int use(const char *key) {
  return use_at(key, NOW);
}

static void of_tls_1_2_serve_again_and_again(void **state) {
  (void)state;
  keep("a", TLS1_2_VERSION, 1);
  assert_int_equal(use("a"), 1);
  assert_int_equal(use("a"), 1);
  keep("a", TLS1_2_VERSION, 2);
  assert_int_equal(use("a"), 2);
  assert_int_equal(use("b"), -1);
}

static void of_tls_1_3_serve_once(void **state) {
  (void)state;
  for (unsigned char i = 1; i <= IK_TLS_SESSIONS_OF_KEY + 2; i++)
    keep("a", TLS1_3_VERSION, i);
  for (int i = IK_TLS_SESSIONS_OF_KEY + 2; i > 2; i--)
    assert_int_equal(use("a"), i);
  assert_int_equal(use("a"), -1);
}

static void are_few(void **state) {
  (void)state;
  char key[8];
  for (unsigned char i = 0; i < IK_TLS_SESSIONS_MAX + 3; i++) {
    snprintf(key, sizeof key, "%u", i);
    keep(key, TLS1_2_VERSION, i);
  }
  for (int i = 0; i < IK_TLS_SESSIONS_MAX + 3; i++) {
    snprintf(key, sizeof key, "%d", i);
    assert_int_equal(use(key), i < 3 ? -1 : i);
  }
}

/* A certificate that has expired since, or is not yet valid by a clock that was turned back. */
static void go_with_their_certificates(void **state) {
  (void)state;
  static const struct {
    time_t now;
    int used;
  } rows[] = {{NOW - 11, -1}, {NOW - 10, 1}, {NOW + 10, 1}, {NOW + 11, -1}};
  for (size_t i = 0; i < TEST_COUNT(rows); i++) {
    keep("a", TLS1_2_VERSION, 1);
    assert_int_equal(use_at("a", rows[i].now), rows[i].used);
    assert_int_equal(use("a"), rows[i].used); /* gone for good */
    ik_tls_sessions_drop(sessions, "a");
  }
}

static void are_dropped_by_key_or_all(void **state) {
  (void)state;
  keep("a", TLS1_3_VERSION, 1);
  keep("b", TLS1_3_VERSION, 2);
  keep("a", TLS1_3_VERSION, 3);
  ik_tls_sessions_drop(sessions, "a");
  assert_int_equal(use("a"), -1);
  assert_int_equal(use("b"), 2);
  keep("b", TLS1_2_VERSION, 4);
  ik_tls_sessions_drop(sessions, NULL);
  assert_int_equal(use("b"), -1);
}

static void without_an_id_or_a_ticket_are_not_kept(void **state) {
  (void)state;
  SSL_SESSION *session = SSL_SESSION_new();
  assert_int_equal(SSL_SESSION_set_protocol_version(session, TLS1_2_VERSION), 1);
  ik_tls_sessions_keep(sessions, "a", session, &valid);
  SSL_SESSION_free(session);
  assert_int_equal(use("a"), -1);
}

/* ---- validity ---- */

static void shake(SSL *client, SSL *server) {
  for (int i = 0; i < 10 && (!SSL_is_init_finished(client) || !SSL_is_init_finished(server)); i++) {
    SSL_do_handshake(client);
    SSL_do_handshake(server);
  }
  assert_true(SSL_is_init_finished(client) && SSL_is_init_finished(server));
}

static SSL_CTX *server_with(const struct test_cert *cert) {
  SSL_CTX *server = SSL_CTX_new(TLS_server_method());
  BIO *bio = BIO_new_mem_buf(cert->cert, -1);
  X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  BIO_free(bio);
  bio = BIO_new_mem_buf(cert->key, -1);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  BIO_free(bio);
  assert_int_equal(SSL_CTX_use_certificate(server, x509), 1);
  assert_int_equal(SSL_CTX_use_PrivateKey(server, key), 1);
  X509_free(x509);
  EVP_PKEY_free(key);
  return server;
}

static void trust(const struct test_ca *ca) {
  BIO *bio = BIO_new_mem_buf(test_ca_pem(ca), -1);
  X509 *x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x509);
  X509_free(x509);
  BIO_free(bio);
  SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
}

static void the_shortest_time_of_a_chain_counts(void **state) {
  (void)state;
  struct ik_tls_validity validity;
  struct test_ca *ca = test_ca_new("test");
  struct test_cert cert = test_ca_issue(ca, "IP:127.0.0.1", -60, 100);
  SSL_CTX *server_ctx = server_with(&cert);
  trust(ca);
  SSL *client = SSL_new(ctx), *server = SSL_new(server_ctx);
  BIO *ends[2];
  assert_int_equal(BIO_new_bio_pair(&ends[0], 0, &ends[1], 0), 1);
  SSL_set_bio(client, ends[0], ends[0]);
  SSL_set_bio(server, ends[1], ends[1]);
  SSL_set_connect_state(client);
  SSL_set_accept_state(server);
  const time_t before = time(NULL);
  assert_false(ik_tls_validity_of(ik_openssl(), client, &validity)); /* nothing was verified */
  shake(client, server);
  assert_true(ik_tls_validity_of(ik_openssl(), client, &validity));
  const time_t after = time(NULL);
  /* The certificate was made a little before. */
  assert_true(validity.until <= after + 100 && validity.until > before);
  assert_true(validity.from <= after - 60 + 1);
  SSL_free(client);
  SSL_free(server);
  SSL_CTX_free(server_ctx);
  test_cert_free(&cert);
  test_ca_free(ca);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(of_tls_1_2_serve_again_and_again),
      TEST(of_tls_1_3_serve_once),
      TEST(are_few),
      TEST(go_with_their_certificates),
      TEST(are_dropped_by_key_or_all),
      TEST(without_an_id_or_a_ticket_are_not_kept),
      TEST(the_shortest_time_of_a_chain_counts),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
  print_message("this test needs OpenSSL linked\n");
  return 0;
}

#endif
