/* How strong a peer must be, in a program whose own policy is as lax as can be; and what is
 * accepted. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/drive.h"
#include "support/tls_client.h"

static int open_with(struct tls_server_options *options, const struct test_cert *cert,
                     char *detail) {
  struct ik_transport *transport;
  options->cert = cert->cert;
  options->key = cert->key;
  struct tls_server *server = tls_server_start(options);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  int rc = tls_open_to("localhost", tls_server_port(server), tls, &transport, detail);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  tls_server_stop(server);
  return rc;
}

/* The program's policy is what this test says it is: else the rest would show nothing. */
static void the_programs_policy_is_lax(void **state) {
  (void)state;
  SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
  assert_int_equal(SSL_CTX_get_security_level(ctx), 0);
  SSL_CTX_free(ctx);
}

static void rsa_of_1024_bits_is_refused(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct test_cert weak = test_ca_issue_rsa(tls_ca, "DNS:localhost", 1024);
  struct test_cert good = test_ca_issue_rsa(tls_ca, "DNS:localhost", 2048);
  for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
    struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
    options.max_version = version;
    assert_int_equal(open_with(&options, &weak, detail), IK_ETLS_CERTIFICATE);
    assert_non_null(strstr(detail, "too weak"));
    assert_int_equal(open_with(&options, &good, detail), 0);
  }
  test_cert_free(&weak);
  test_cert_free(&good);
}

static void dhe_of_1024_bits_is_refused(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct test_cert cert = test_ca_issue_rsa(tls_ca, "DNS:localhost", 2048);
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.max_version = TLS1_2_VERSION;
  options.weak_dh = true;
  assert_int_equal(open_with(&options, &cert, detail), IK_ETLS);
  assert_non_null(strstr(detail, "too small"));
  test_cert_free(&cert);
}

static void a_weak_identity_of_ours_is_refused(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = NULL;
  struct test_cert weak = test_ca_issue_rsa(tls_ca, "DNS:device", 1024);
  const struct iotkit_tls_options options = {.cert = weak.cert, .key = weak.key};
  assert_int_equal(iotkit_tls_new(&options, &tls, detail), IK_ETLS_IDENTITY);
  assert_non_null(strstr(detail, "too small"));
  test_cert_free(&weak);
}

/* As curl and Node.js do; SECURITY.md says so. */
static void a_name_in_the_cn_alone_is_accepted(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct test_cert named = test_ca_issue_cn(tls_ca, "localhost");
  struct test_cert other = test_ca_issue_cn(tls_ca, "elsewhere.example");
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  assert_int_equal(open_with(&options, &named, detail), 0);
  assert_int_equal(open_with(&options, &other, detail), IK_ETLS_HOSTNAME);
  test_cert_free(&named);
  test_cert_free(&other);
}

/* OpenSSL reads the file once, at its first use. */
static int relax_the_program(void **state) {
  char path[] = "/tmp/iotkit-openssl-XXXXXX";
  int fd = mkstemp(path);
  static const char config[] = "openssl_conf = all\n[all]\nssl_conf = modules\n[modules]\n"
                               "system_default = lax\n[lax]\nCipherString = ALL:@SECLEVEL=0\n";
  if (fd < 0 || write(fd, config, sizeof config - 1) < 0) return -1;
  close(fd);
  setenv("OPENSSL_CONF", path, 1);
  SSL_CTX_free(SSL_CTX_new(TLS_client_method()));
  unlink(path);
  return tls_make_certs(state);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_programs_policy_is_lax),
      cmocka_unit_test(rsa_of_1024_bits_is_refused),
      cmocka_unit_test(dhe_of_1024_bits_is_refused),
      cmocka_unit_test(a_weak_identity_of_ours_is_refused),
      cmocka_unit_test(a_name_in_the_cn_alone_is_accepted),
  };
  return cmocka_run_group_tests(tests, relax_the_program, tls_free_certs);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
