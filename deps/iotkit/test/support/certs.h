/*
 * certs.h - certificate authorities and certificates made at run time (EC P-256), with OpenSSL
 * directly.
 */
#ifndef TEST_CERTS_H
#define TEST_CERTS_H

struct test_ca;

struct test_ca *test_ca_new(const char *name);
void test_ca_free(struct test_ca *ca);
/* PEM, the CA's until it is freed. */
const char *test_ca_pem(const struct test_ca *ca);

struct test_cert {
  char *cert; /* PEM; owned */
  char *key;  /* PEM; owned */
};

/* alt: the subjectAltName as OpenSSL writes it, "DNS:localhost,IP:127.0.0.1". Valid from and until,
 * in seconds from now. */
struct test_cert test_ca_issue(struct test_ca *ca, const char *alt, long from_s, long until_s);
/* With an RSA key of 1024 or 2048 bits, the same for each certificate. */
struct test_cert test_ca_issue_rsa(struct test_ca *ca, const char *alt, int bits);
/* With a key of Ed25519. */
struct test_cert test_ca_issue_ed25519(struct test_ca *ca, const char *alt);
/* With a name in its CN alone. */
struct test_cert test_ca_issue_cn(struct test_ca *ca, const char *cn);
/* The CA's list of what it has revoked, with this certificate alone; PEM, free() it. */
char *test_ca_revoke(struct test_ca *ca, const struct test_cert *cert);
void test_cert_free(struct test_cert *cert);
/* The key encrypted with a passphrase; PEM, free() it. */
char *test_key_encrypt(const char *key_pem, const char *passphrase);

#endif
