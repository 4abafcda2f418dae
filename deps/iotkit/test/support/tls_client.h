/*
 * tls_client.h - what the tests of TLS share: certificates, contexts that trust them, and opening a
 * stream to a server.
 *
 * Failures are cmocka's: call these on the test's own thread.
 */
#ifndef TEST_TLS_CLIENT_H
#define TEST_TLS_CLIENT_H

#include "certs.h"
#include "net/transport.h"
#include "tls_server.h"

#define TLS_DAY 86400L

extern struct test_ca *tls_ca, *tls_other_ca;
extern struct test_cert tls_cert; /* of tls_ca, for localhost, *.device.example and 127.0.0.1 */

/* Of the group: cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs). */
int tls_make_certs(void **state);
int tls_free_certs(void **state);

/* Options of a server that shows tls_cert. */
struct tls_server_options tls_serve(enum tls_server_mode mode, size_t bytes);
iotkit_tls_t *tls_context(const struct iotkit_tls_options *options);
iotkit_tls_t *tls_trusting(const struct test_ca *trusted, const char *cert_name);
/* What opening ends with; *out is the caller's to close in either case. */
int tls_open_to(const char *host, uint16_t port, iotkit_tls_t *tls, struct ik_transport **out,
                char *detail);
/* Opens and gives the context back: the connection must live on its own reference. */
struct ik_transport *tls_open_ok(uint16_t port, iotkit_tls_t *tls);

#endif
