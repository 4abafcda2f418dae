/* The table of src/port/openssl says what OpenSSL's own headers say: compiling this file is most of
 * the test. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#define OPENSSL_SUPPRESS_DEPRECATED 1 /* what 1.1.1 and 3.x share of keys that call back */
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "iotkit_core.h"
#include "port/openssl/openssl.h"

/* A prototype that differs from the header's does not compile. */
#define REDECLARE(result, name, parameters) extern result name parameters;
IK_LIBCRYPTO_MAP(REDECLARE)
IK_LIBSSL_MAP(REDECLARE)
IK_SIGNER_MAP(REDECLARE)

#define SAME(name, value) _Static_assert((long)(value) == (long)(name), #name);
IK_OPENSSL_CONSTANTS(SAME)

static void table_holds_the_linked_functions(void **state) {
  (void)state;
  const struct ik_openssl *o = ik_openssl();
  assert_non_null(o);
  assert_true(o->SSL_read == SSL_read);
  assert_true(o->EVP_DigestUpdate == EVP_DigestUpdate);
  assert_true(o->has_signer);
  assert_string_equal(iotkit_tls_source(), "linked");
}

static void error_codes_are_taken_apart(void **state) {
  (void)state;
  const struct ik_openssl *o = ik_openssl();
  ERR_clear_error();
  BIO *bio = BIO_new_mem_buf("no pem", -1);
  assert_null(PEM_read_bio_X509(bio, NULL, NULL, NULL));
  unsigned long error = ERR_peek_last_error();
  assert_int_equal(ik_openssl_error_lib(o, error), ERR_GET_LIB(error));
  assert_int_equal(ik_openssl_error_reason(o, error), ERR_GET_REASON(error));
  assert_string_equal(ik_openssl_error_text(o, error), "no start line");
  BIO_free(bio);
  ERR_clear_error();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(table_holds_the_linked_functions),
      cmocka_unit_test(error_codes_are_taken_apart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include <string.h>

#include "iotkit_core.h"

static void source_is_named(void **state) {
  (void)state;
  const char *source = iotkit_tls_source();
  assert_true(source == NULL || strcmp(source, "linked") != 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(source_is_named)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
