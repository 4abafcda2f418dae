/*
 * A client's key in a token: SoftHSM signs the handshakes by PKCS#11, with an EC and an RSA key that it
 * gives to nobody. Exit code 77: there is no SoftHSM on this machine, or no OpenSSL linked to make the
 * certificates with.
 */
#if !defined(IK_OPENSSL_LINKED)

int main(void) {
  return 77;
}

#else

#define OPENSSL_SUPPRESS_DEPRECATED 1 /* what 1.1.1 and 3.x share to take a key apart */
#include <dlfcn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/cmocka_all.h"

#include "support/drive.h"
#include "support/tls_client.h"

#define SKIPPED 77
#define NUMBER_MAX 512

typedef unsigned long word;

/* Of PKCS#11 2.40, as far as it is used here. */
struct attribute {
  word type;
  const void *value;
  word len;
};
struct mechanism {
  word type;
  void *parameter;
  word len;
};
enum { ATTR_CLASS = 0, ATTR_TOKEN = 1, ATTR_SENSITIVE = 0x103, ATTR_KEY_TYPE = 0x100 };
enum { ATTR_VALUE = 0x11, ATTR_SIGN = 0x108, ATTR_MODULUS = 0x120, ATTR_EC_PARAMS = 0x180 };
enum { PRIVATE_KEY = 3, KEY_RSA = 0, KEY_EC = 3, USER_SO = 0, USER = 1, READ_WRITE = 6 };
enum { RSA_PKCS = 1, RSA_X_509 = 3, ECDSA_RAW = 0x1041 };

static const char *const libraries[] = {
    "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/libsofthsm2.so", "/usr/lib/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"};

/* The token, its session, and the key that signs. */
static struct {
  char dir[64];
  word session;
  word key;
  word (*open_session)(word slot, word flags, void *ctx, void *notify, word *session);
  word (*login)(word session, word user, const char *pin, word len);
  word (*create)(word session, const struct attribute *attributes, word count, word *object);
  word (*sign_init)(word session, const struct mechanism *mechanism, word key);
  word (*sign)(word session, const uint8_t *data, word len, uint8_t *out, word *out_len);
  word (*finalize)(void *reserved);
} token;

static void *library;

/* An object pointer becomes a function pointer: POSIX allows it, ISO C knows no cast for it. */
static void load(const char *name, void *pointer) {
  void *found = dlsym(library, name);
  if (found == NULL) fail_msg("%s", name);
  memcpy(pointer, &found, sizeof found);
}

static void write_config(void) {
  char path[128];
  snprintf(token.dir, sizeof token.dir, "/tmp/iotkit-token-XXXXXX");
  assert_non_null(mkdtemp(token.dir));
  snprintf(path, sizeof path, "%s/tokens", token.dir);
  assert_int_equal(mkdir(path, 0700), 0);
  snprintf(path, sizeof path, "%s/softhsm2.conf", token.dir);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "directories.tokendir = %s/tokens\nobjectstore.backend = file\n", token.dir);
  assert_int_equal(fclose(file), 0);
  assert_int_equal(setenv("SOFTHSM2_CONF", path, 1), 0);
}

/* A token is made in the first slot, which then has another number. */
static word make_token(void) {
  word (*list)(unsigned char with_token, word *slots, word *count);
  word (*init)(word slot, const char *pin, word len, const char *label);
  load("C_GetSlotList", &list);
  load("C_InitToken", &init);
  word slots[8];
  word count = 8;
  assert_int_equal(list(0, slots, &count), 0);
  assert_true(count > 0);
  assert_int_equal(init(slots[0], "0000", 4, "iotkit                          "), 0);
  count = 8;
  assert_int_equal(list(1, slots, &count), 0);
  assert_true(count > 0);
  return slots[0];
}

static int open_token(void **state) {
  word (*initialize)(void *arguments);
  word (*init_pin)(word session, const char *pin, word len);
  word (*logout)(word session);
  tls_make_certs(state);
  write_config();
  load("C_Initialize", &initialize);
  load("C_InitPIN", &init_pin);
  load("C_Logout", &logout);
  load("C_OpenSession", &token.open_session);
  load("C_Login", &token.login);
  load("C_CreateObject", &token.create);
  load("C_SignInit", &token.sign_init);
  load("C_Sign", &token.sign);
  load("C_Finalize", &token.finalize);
  assert_int_equal(initialize(NULL), 0);
  const word slot = make_token();
  assert_int_equal(token.open_session(slot, READ_WRITE, NULL, NULL, &token.session), 0);
  assert_int_equal(token.login(token.session, USER_SO, "0000", 4), 0);
  assert_int_equal(init_pin(token.session, "1111", 4), 0);
  assert_int_equal(logout(token.session), 0);
  assert_int_equal(token.login(token.session, USER, "1111", 4), 0);
  return 0;
}

static int close_token(void **state) {
  char command[96];
  token.finalize(NULL);
  snprintf(command, sizeof command, "rm -rf %s", token.dir);
  if (system(command) != 0) print_error("%s is left\n", token.dir); /* NOLINT(cert-env33-c) */
  return tls_free_certs(state);
}

/* ---- keys ---- */

struct number {
  uint8_t bytes[NUMBER_MAX];
  word len;
};

static struct number number_of(const BIGNUM *value, int len) {
  struct number number = {.len = (word)(len > 0 ? len : BN_num_bytes(value))};
  assert_true(number.len <= NUMBER_MAX);
  assert_int_equal(BN_bn2binpad(value, number.bytes, (int)number.len), (int)number.len);
  return number;
}

static void import(word type, const struct attribute *parts, size_t count) {
  static const word private_key = PRIVATE_KEY;
  static const unsigned char yes = 1, no = 0;
  struct attribute all[16] = {{ATTR_CLASS, &private_key, sizeof private_key},
                              {ATTR_KEY_TYPE, &type, sizeof type},
                              {ATTR_TOKEN, &no, 1},
                              {ATTR_SENSITIVE, &yes, 1},
                              {ATTR_SIGN, &yes, 1}};
  memcpy(&all[5], parts, count * sizeof *parts);
  assert_int_equal(token.create(token.session, all, (word)(5 + count), &token.key), 0);
}

static void import_rsa(const RSA *rsa) {
  const BIGNUM *n, *e, *d, *p, *q, *dp, *dq, *qi;
  struct number parts[8];
  struct attribute attributes[8];
  RSA_get0_key(rsa, &n, &e, &d);
  RSA_get0_factors(rsa, &p, &q);
  RSA_get0_crt_params(rsa, &dp, &dq, &qi);
  const BIGNUM *const values[] = {n, e, d, p, q, dp, dq, qi};
  for (size_t i = 0; i < 8; i++) {
    parts[i] = number_of(values[i], 0);
    /* The modulus, the two exponents, and so on: numbered in this order, but for one. */
    const word type = i == 0 ? ATTR_MODULUS : ATTR_MODULUS + 1 + (word)i;
    attributes[i] = (struct attribute){type, parts[i].bytes, parts[i].len};
  }
  import(KEY_RSA, attributes, 8);
}

static void import_ec(const EC_KEY *ec) {
  static const uint8_t prime256v1[] = {6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
  const struct number value = number_of(EC_KEY_get0_private_key(ec), 32);
  const struct attribute attributes[] = {{ATTR_EC_PARAMS, prime256v1, sizeof prime256v1},
                                         {ATTR_VALUE, value.bytes, value.len}};
  import(KEY_EC, attributes, 2);
}

static void import_key(const struct test_cert *cert) {
  BIO *bio = BIO_new_mem_buf(cert->key, -1);
  EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
  BIO_free(bio);
  assert_non_null(key);
  if (EVP_PKEY_base_id(key) == EVP_PKEY_RSA)
    import_rsa(EVP_PKEY_get0_RSA(key));
  else
    import_ec(EVP_PKEY_get0_EC_KEY(key));
  EVP_PKEY_free(key);
}

/* ---- signing ---- */

/* r and s one after the other, as the token gives them, into a SEQUENCE. */
static size_t to_der(const uint8_t *raw, size_t len, uint8_t *out) {
  ECDSA_SIG *signature = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(raw, (int)len / 2, NULL);
  BIGNUM *s = BN_bin2bn(raw + len / 2, (int)len / 2, NULL);
  ECDSA_SIG_set0(signature, r, s);
  const int der = i2d_ECDSA_SIG(signature, &out);
  ECDSA_SIG_free(signature);
  return (size_t)der;
}

/* A DigestInfo of SHA-256 around the digest. */
static word wrap(const struct iotkit_tls_to_sign *what, uint8_t out[64]) {
  static const uint8_t head[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  memcpy(out, head, sizeof head);
  memcpy(out + sizeof head, what->data, what->len);
  return sizeof head + what->len;
}

static int sign(void *ctx, const struct iotkit_tls_to_sign *what, uint8_t *signature,
                size_t *signature_len) {
  static const word mechanisms[] = {[IOTKIT_TLS_SIGN_ECDSA] = ECDSA_RAW,
                                    [IOTKIT_TLS_SIGN_RSA_PKCS1] = RSA_PKCS,
                                    [IOTKIT_TLS_SIGN_RSA_RAW] = RSA_X_509};
  const struct mechanism mechanism = {mechanisms[what->scheme], NULL, 0};
  uint8_t wrapped[64];
  uint8_t raw[NUMBER_MAX];
  word raw_len = sizeof raw;
  const bool is_pkcs1 = what->scheme == IOTKIT_TLS_SIGN_RSA_PKCS1;
  if (is_pkcs1 && what->digest_bits != 256) return -1;
  const word len = is_pkcs1 ? wrap(what, wrapped) : (word)what->len;
  (*(unsigned *)ctx)++;
  if (token.sign_init(token.session, &mechanism, token.key) != 0) return -2;
  if (token.sign(token.session, is_pkcs1 ? wrapped : what->data, len, raw, &raw_len) != 0)
    return -3;
  if (what->scheme == IOTKIT_TLS_SIGN_ECDSA) {
    *signature_len = to_der(raw, raw_len, signature);
    return 0;
  }
  memcpy(signature, raw, raw_len);
  *signature_len = raw_len;
  return 0;
}

static void check(const struct test_cert *cert, int version, const char *algorithms) {
  char buf[2];
  unsigned calls = 0;
  const struct iotkit_tls_options options = {
      .ca = test_ca_pem(tls_ca), .cert = cert->cert, .sign = sign, .sign_ctx = &calls};
  struct tls_server_options serves = tls_serve(TLS_SERVER_ECHO, 0);
  serves.client_ca = test_ca_pem(tls_other_ca);
  serves.max_version = version;
  serves.client_sign_algorithms = algorithms;
  struct tls_server *server = tls_server_start(&serves);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_context(&options));
  assert_int_equal(drive_write_all(transport, "hi", 2, NULL), 0);
  assert_int_equal(drive_read_all(transport, buf, 2, NULL), 0);
  transport->ops->close(transport);
  assert_int_equal(tls_server_stop(server).client_certs, 1);
  assert_int_equal(calls, 1);
}

static void a_token_signs_with_an_ec_key(void **state) {
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  (void)state;
  import_key(&cert);
  check(&cert, TLS1_3_VERSION, NULL);
  check(&cert, TLS1_2_VERSION, NULL);
  test_cert_free(&cert);
}

static void a_token_signs_with_an_rsa_key(void **state) {
  struct test_cert cert = test_ca_issue_rsa(tls_other_ca, "DNS:device", 2048);
  (void)state;
  import_key(&cert);
  check(&cert, TLS1_3_VERSION, NULL);
  check(&cert, TLS1_2_VERSION, "RSA-PSS+SHA256");
  check(&cert, TLS1_2_VERSION, "RSA+SHA256");
  test_cert_free(&cert);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_token_signs_with_an_ec_key),
      cmocka_unit_test(a_token_signs_with_an_rsa_key),
  };
  for (size_t i = 0; library == NULL && i < sizeof libraries / sizeof libraries[0]; i++)
    library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return SKIPPED;
  return cmocka_run_group_tests(tests, open_token, close_token);
}

#endif
