/* TLS: whom it trusts, who it says it is, and what it says when not. Against a server of the test's
 * own on OpenSSL. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#define OPENSSL_SUPPRESS_DEPRECATED                                                                \
  1 /* ERR_put_error is the one way to make an error in 1.1.1 and 3.x alike */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "iotkit_mqtt.h"
#include "support/drive.h"
#include "support/tcp_peer.h"
#include "support/tls_client.h"

/* Expects opening to fail with `error` and a text that contains `text`. */
static void expect_refusal(const struct tls_server_options *options, const char *host,
                           iotkit_tls_t *tls, int error, const char *text) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  struct tls_server *server = tls_server_start(options);
  int rc = tls_open_to(host, tls_server_port(server), tls, &transport, detail);
  if (rc != error || strstr(detail, text) == NULL) print_error("%d: %s\n", rc, detail);
  assert_int_equal(rc, error);
  assert_non_null(strstr(detail, text));
  assert_int_equal(transport->ops->open(transport, ik_port_now_ms(), NULL), error);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  tls_server_stop(server);
}

/* ---- who is talked to ---- */

static void echo_and_orderly_end(void **state) {
  (void)state;
  char buf[5];
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_trusting(tls_ca, NULL));
  assert_int_equal(drive_write_all(transport, "hello", 5, NULL), 0);
  assert_int_equal(drive_read_all(transport, buf, 5, NULL), 0);
  assert_memory_equal(buf, "hello", 5);
  assert_int_equal(transport->ops->deadline(transport), UINT64_MAX);
  transport->ops->close(transport);
  struct tls_server_counts counts = tls_server_stop(server);
  assert_int_equal(counts.handshakes, 1);
  assert_int_equal(counts.peer_closed, 1);
  assert_string_equal(counts.server_name, ""); /* an address is no name: no SNI (RFC 6066) */
}

static void check_name(const char *host, const char *cert_name, const char *expected_sni) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport;
  iotkit_tls_t *tls = tls_trusting(tls_ca, cert_name);
  int rc = tls_open_to(host, tls_server_port(server), tls, &transport, detail);
  if (rc != 0) print_error("%s\n", detail);
  assert_int_equal(rc, 0);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  assert_string_equal(tls_server_stop(server).server_name, expected_sni);
}

static void names_are_sent_and_verified(void **state) {
  (void)state;
  check_name("localhost", NULL, "localhost");
  check_name("127.0.0.1", "pk1.device.example", "pk1.device.example");
  check_name("127.0.0.1", "localhost.",
             "localhost"); /* the dot of the root is not part of the name */
}

static iotkit_tls_t *deferred(const char *ca) {
  const struct iotkit_tls_options options = {.ca = ca, .deferred = true};
  iotkit_tls_t *tls = NULL;
  assert_int_equal(iotkit_tls_new(&options, &tls, NULL), 0);
  return tls;
}

static void a_deferred_context_reads_whom_to_trust_when_it_is_needed(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  iotkit_tls_t *tls = deferred("no certificate");
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  for (int i = 0; i < 2; i++) {
    int rc = tls_open_to("127.0.0.1", tls_server_port(server), tls, &transport, detail);
    assert_int_equal(rc, IK_ETLS_CA);
    assert_non_null(strstr(detail, "no certificate in PEM format"));
    transport->ops->close(transport);
  }
  char *pem = strdup(test_ca_pem(tls_ca));
  assert_non_null(pem);
  assert_int_equal(iotkit_tls_set_ca(tls, pem, strlen(pem)), 0);
  memset(pem, 'x', strlen(pem)); /* it was copied */
  for (int i = 0; i < 2; i++) {
    assert_int_equal(tls_open_to("127.0.0.1", tls_server_port(server), tls, &transport, detail), 0);
    transport->ops->close(transport);
  }
  assert_int_equal(iotkit_tls_set_ca(tls, "late", 0), IK_EINVALID_STATE);
  assert_int_equal(iotkit_tls_set_ca(NULL, "x", 0), IK_EINVALID_ARGUMENT);
  free(pem);
  iotkit_tls_unref(tls);
  tls_server_stop(server);
  expect_refusal(&options, "127.0.0.1", deferred(NULL), IK_ETLS_CERTIFICATE, "127.0.0.1: ");
}

static void an_unknown_ca_is_refused(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_other_ca, NULL), IK_ETLS_CERTIFICATE,
                 "127.0.0.1: ");
  /* What would help. */
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_other_ca, NULL), IK_ETLS_CERTIFICATE,
                 "tls.ca or fetch.ca (ca)");
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_other_ca, "::1"), IK_ETLS_CERTIFICATE,
                 "[::1]: ");
}

static void another_name_is_refused(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_ca, "elsewhere.example"), IK_ETLS_HOSTNAME,
                 "elsewhere.example");
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_ca, "elsewhere.example"), IK_ETLS_HOSTNAME,
                 "tls.servername (cert_name)");
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_ca, "a.b.device.example"),
                 IK_ETLS_HOSTNAME, "a.b.device.example");
}

static void another_address_is_refused(void **state) {
  (void)state;
  struct test_cert cert =
      test_ca_issue(tls_ca, "DNS:localhost,DNS:127.0.0.1,IP:127.0.0.2", -TLS_DAY, TLS_DAY);
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.cert = cert.cert;
  options.key = cert.key;
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_ca, NULL), IK_ETLS_HOSTNAME, "127.0.0.1");
  test_cert_free(&cert);
}

static void check_dates(long from_s, long until_s, int error) {
  struct test_cert cert = test_ca_issue(tls_ca, "IP:127.0.0.1", from_s, until_s);
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.cert = cert.cert;
  options.key = cert.key;
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_ca, NULL), error,
                 "this device's clock says 20");
  test_cert_free(&cert);
}

static void expired_and_future_certificates_are_refused(void **state) {
  (void)state;
  check_dates(-2 * TLS_DAY, -TLS_DAY, IK_ETLS_EXPIRED);
  check_dates(TLS_DAY, 2 * TLS_DAY, IK_ETLS_NOT_YET_VALID);
}

/* A context whose clock is `from_now_s` from this machine's. */
static iotkit_tls_t *by_another_clock(long from_now_s) {
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  const int64_t time_ms = (int64_t)ik_port_time_ms() + from_now_s * 1000;
  assert_int_equal(iotkit_tls_set_time(tls, (uint64_t)time_ms, iotkit_now_ms()), 0);
  return tls;
}

/* Certificates of any time within that of the CA, each held against the clock that was set. */
static void a_clock_that_was_set_judges(void **state) {
  static const struct {
    long from_s;
    long until_s;
    long clock_s;
    int error; /* 0: taken */
  } rows[] = {
      {-3000, -1000, -2000, 0},
      {40000, 80000, 60000, 0},
      {-TLS_DAY, 40000, 60000, IK_ETLS_EXPIRED},
      {-1800, TLS_DAY, -2700, IK_ETLS_NOT_YET_VALID},
  };
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct test_cert cert = test_ca_issue(tls_ca, "IP:127.0.0.1", rows[i].from_s, rows[i].until_s);
    struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
    options.cert = cert.cert;
    options.key = cert.key;
    iotkit_tls_t *tls = by_another_clock(rows[i].clock_s);
    if (rows[i].error != 0) {
      expect_refusal(&options, "127.0.0.1", tls, rows[i].error,
                     "the clock that was set for it says ");
    } else {
      struct tls_server *server = tls_server_start(&options);
      struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls);
      transport->ops->close(transport);
      tls_server_stop(server);
    }
    test_cert_free(&cert);
  }
}

/* A session that was resumed would not be verified again. */
static void what_the_clock_before_let_pass_is_judged_again(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  char buf[5];
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  const uint16_t port = tls_server_port(server);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  struct ik_transport *transport;
  assert_int_equal(tls_open_to("127.0.0.1", port, tls, &transport, detail), 0);
  assert_int_equal(drive_write_all(transport, "hello", 5, NULL), 0);
  assert_int_equal(drive_read_all(transport, buf, 5, NULL), 0); /* tickets come with it */
  transport->ops->close(transport);
  const uint64_t later_ms = ik_port_time_ms() + UINT64_C(100000) * (uint64_t)TLS_DAY;
  assert_int_equal(iotkit_tls_set_time(tls, later_ms, iotkit_now_ms()), 0);
  assert_int_equal(tls_open_to("127.0.0.1", port, tls, &transport, detail), IK_ETLS_EXPIRED);
  transport->ops->close(transport);
  assert_int_equal(iotkit_tls_set_time(tls, 0, 0), 0);
  assert_int_equal(tls_open_to("127.0.0.1", port, tls, &transport, detail), 0);
  transport->ops->close(transport);
  assert_int_equal(iotkit_tls_set_time(NULL, 1, 1), IK_EINVALID_ARGUMENT);
  iotkit_tls_unref(tls);
  tls_server_stop(server);
}

static void the_systems_store_does_not_know_our_ca(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  expect_refusal(&options, "127.0.0.1", tls_context(NULL), IK_ETLS_CERTIFICATE, "certificate");
}

static void tls_1_1_is_refused(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.max_version = TLS1_1_VERSION;
  expect_refusal(&options, "127.0.0.1", tls_trusting(tls_ca, NULL), IK_ETLS, "127.0.0.1");
}

static void a_server_without_tls_is_an_error(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint16_t port;
  int listener = peer_listen(4, &port);
  struct ik_transport *transport;
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  struct ik_dial how = {.host = "127.0.0.1", .port = port, .tls = tls, .timeout_ms = TEST_LIMIT_MS};
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, detail), 0);
  assert_int_equal(transport->ops->open(transport, ik_port_now_ms(), detail), IK_EAGAIN);
  int peer = peer_accept(listener);
  assert_true(peer_write(peer, "SSH-2.0-nothing of the kind\r\n", 29));
  assert_int_equal(drive_open(transport, detail), IK_ETLS);
  transport->ops->close(transport);
  close(peer);
  close(listener);
  iotkit_tls_unref(tls);
}

static void a_server_that_goes_during_the_handshake(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint16_t port;
  int listener = peer_listen(4, &port);
  struct ik_transport *transport;
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  struct ik_dial how = {.host = "127.0.0.1", .port = port, .tls = tls, .timeout_ms = TEST_LIMIT_MS};
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, detail), 0);
  assert_int_equal(transport->ops->open(transport, ik_port_now_ms(), detail), IK_EAGAIN);
  char byte;
  int peer = peer_accept(listener);
  assert_true(peer_read(peer, &byte, 1));
  shutdown(peer, SHUT_WR);
  assert_int_equal(drive_open(transport, detail), IK_ECONNECTION_CLOSED);
  assert_non_null(strstr(detail, "during the handshake"));
  transport->ops->close(transport);
  close(peer);
  close(listener);
  iotkit_tls_unref(tls);
}

static void a_silent_handshake_times_out(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct tls_server_options options = tls_serve(TLS_SERVER_MUTE, 0);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport;
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  uint64_t start = ik_port_now_ms();
  struct ik_dial how = {
      .host = "127.0.0.1", .port = tls_server_port(server), .tls = tls, .timeout_ms = 9000};
  assert_int_equal(ik_net_dial(NULL, &how, start, &transport, detail), 0);
  int rc;
  do {
    rc =
        transport->ops->open(transport, start, detail); /* until it waits for the server's answer */
    assert_int_equal(rc, IK_EAGAIN);
  } while (transport->ops->interest(transport, 0) == IOTKIT_WRITE && drive_wait(transport, 0));
  assert_int_equal(transport->ops->interest(transport, 0), IOTKIT_READ);
  assert_int_equal(transport->ops->deadline(transport), start + 9000);
  assert_int_equal(transport->ops->open(transport, start + 9000, detail), IK_ECONNECT_TIMEOUT);
  assert_non_null(strstr(detail, "handshake"));
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  tls_server_stop(server);
}

/* ---- who we are ---- */

static void client_certificates_are_shown(void **state) {
  (void)state;
  char buf[2];
  struct test_cert client = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  char *encrypted = test_key_encrypt(client.key, "open sesame");
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.client_ca = test_ca_pem(tls_other_ca);
  struct tls_server *server = tls_server_start(&options);
  struct iotkit_tls_options plain = {
      .ca = test_ca_pem(tls_ca), .cert = client.cert, .key = client.key};
  struct iotkit_tls_options locked = {.ca = test_ca_pem(tls_ca),
                                      .cert = client.cert,
                                      .key = encrypted,
                                      .passphrase = "open sesame"};
  const struct iotkit_tls_options *const both[] = {&plain, &locked};
  for (size_t i = 0; i < 2; i++) {
    struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_context(both[i]));
    assert_int_equal(drive_write_all(transport, "hi", 2, NULL), 0);
    assert_int_equal(drive_read_all(transport, buf, 2, NULL), 0);
    transport->ops->close(transport);
  }
  assert_int_equal(tls_server_stop(server).client_certs, 2);
  free(encrypted);
  test_cert_free(&client);
}

/* A server that knows tls_other_ca, and refuses what its list says. */
static void expect_refused_client(const struct test_cert *client, const char *crl, int max_version,
                                  int error, const char *text) {
  char byte, detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.client_ca = test_ca_pem(tls_other_ca);
  options.client_crl = crl;
  options.max_version = max_version;
  struct tls_server *server = tls_server_start(&options);
  struct iotkit_tls_options own = {.ca = test_ca_pem(tls_ca)};
  if (client != NULL) {
    own.cert = client->cert;
    own.key = client->key;
  }
  iotkit_tls_t *tls = tls_context(&own);
  int rc = tls_open_to("127.0.0.1", tls_server_port(server), tls, &transport, detail);
  /* TLS 1.3 lets a client know only after the client's side of the handshake is done. */
  assert_int_equal(rc == 0, max_version == 0);
  if (rc == 0) rc = (int)drive_read(transport, &byte, 1, detail);
  if (rc != error || strstr(detail, text) == NULL) print_error("%d: %s\n", rc, detail);
  assert_int_equal(rc, error);
  assert_non_null(strstr(detail, text));
  assert_true(transport->ops->read(transport, &byte, 1, NULL) < 0);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  tls_server_stop(server);
}

static void a_missing_client_certificate_is_told(void **state) {
  (void)state;
  expect_refused_client(NULL, NULL, 0, IK_ETLS_CLIENT_CERTIFICATE, "certificate required");
}

static void refused_client_certificates_have_codes(void **state) {
  static const int versions[] = {0, TLS1_2_VERSION};
  struct test_cert wrong = test_ca_issue(tls_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct test_cert expired = test_ca_issue(tls_other_ca, "DNS:device", -2 * TLS_DAY, -TLS_DAY);
  struct test_cert revoked = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  char *crl = test_ca_revoke(tls_other_ca, &revoked);
  (void)state;
  for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
    const int version = versions[i];
    expect_refused_client(&wrong, NULL, version, IK_ETLS_CLIENT_CERTIFICATE, "unknown ca");
    expect_refused_client(&expired, NULL, version, IK_ETLS_CLIENT_EXPIRED, "expired");
    expect_refused_client(&revoked, crl, version, IK_ETLS_CLIENT_REVOKED, "revoked");
  }
  free(crl);
  test_cert_free(&revoked);
  test_cert_free(&expired);
  test_cert_free(&wrong);
}

static void expect_bad(const struct iotkit_tls_options *options, int error, const char *text) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = (iotkit_tls_t *)detail;
  int rc = iotkit_tls_new(options, &tls, detail);
  if (rc != error || strstr(detail, text) == NULL) print_error("%d: %s\n", rc, detail);
  assert_int_equal(rc, error);
  assert_non_null(strstr(detail, text));
  assert_null(tls);
}

static void bad_options_are_refused_with_a_reason(void **state) {
  (void)state;
  struct test_cert one = test_ca_issue(tls_ca, "DNS:one", -TLS_DAY, TLS_DAY),
                   two = test_ca_issue(tls_ca, "DNS:two", -TLS_DAY, TLS_DAY);
  char *encrypted = test_key_encrypt(one.key, "right");
  char broken[8192];
  snprintf(broken, sizeof broken,
           "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", test_ca_pem(tls_ca));
  expect_bad(&(struct iotkit_tls_options){.ca = ""}, IK_ETLS_CA, "no certificate");
  expect_bad(&(struct iotkit_tls_options){.ca = "not a certificate"}, IK_ETLS_CA, "no certificate");
  expect_bad(&(struct iotkit_tls_options){.ca = broken}, IK_ETLS_CA, "CA certificate 2: ");
  expect_bad(&(struct iotkit_tls_options){.cert = one.cert}, IK_ETLS_IDENTITY, "without a key");
  expect_bad(&(struct iotkit_tls_options){.key = one.key}, IK_ETLS_IDENTITY,
             "without a certificate");
  expect_bad(&(struct iotkit_tls_options){.cert = one.cert, .key = two.key}, IK_ETLS_IDENTITY,
             "mismatch");
  expect_bad(&(struct iotkit_tls_options){.cert = "x", .key = one.key}, IK_ETLS_IDENTITY,
             "client certificate");
  expect_bad(&(struct iotkit_tls_options){.cert = one.cert, .key = "x"}, IK_ETLS_IDENTITY,
             "client key");
  /* Without its passphrase, or with a wrong one; and no terminal is asked. */
  expect_bad(&(struct iotkit_tls_options){.cert = one.cert, .key = encrypted}, IK_ETLS_IDENTITY,
             "client key");
  expect_bad(
      &(struct iotkit_tls_options){.cert = one.cert, .key = encrypted, .passphrase = "wrong"},
      IK_ETLS_IDENTITY, "client key");
  expect_bad(&(struct iotkit_tls_options){.cert_name = ""}, IK_EINVALID_ARGUMENT, "");
  assert_int_equal(iotkit_tls_new(NULL, NULL, NULL), IK_EINVALID_ARGUMENT);
  free(encrypted);
  test_cert_free(&one);
  test_cert_free(&two);
}

static void a_length_ends_what_has_no_nul(void **state) {
  (void)state;
  char pem[8192];
  size_t len = strlen(test_ca_pem(tls_ca));
  snprintf(pem, sizeof pem, "%s-----BEGIN CERTIFICATE-----\nrubbish", test_ca_pem(tls_ca));
  struct iotkit_tls_options options = {.ca = pem, .ca_len = len};
  iotkit_tls_unref(tls_context(&options));
}

static void the_callers_error_queue_is_left_alone(void **state) {
  (void)state;
  iotkit_tls_t *tls;
  ERR_clear_error();

  ERR_put_error(ERR_LIB_USER, 0, 7, __FILE__, __LINE__); /* of somebody else on this thread */
  unsigned long theirs = ERR_peek_last_error();
  assert_int_equal(iotkit_tls_new(&(struct iotkit_tls_options){.ca = "x"}, &tls, NULL), IK_ETLS_CA);
  assert_int_equal(ERR_peek_last_error(), theirs);
  iotkit_tls_unref(tls_trusting(tls_ca, NULL));
  assert_int_equal(ERR_peek_last_error(), theirs);
  ERR_clear_error();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(echo_and_orderly_end),
      cmocka_unit_test(names_are_sent_and_verified),
      cmocka_unit_test(a_deferred_context_reads_whom_to_trust_when_it_is_needed),
      cmocka_unit_test(an_unknown_ca_is_refused),
      cmocka_unit_test(another_name_is_refused),
      cmocka_unit_test(another_address_is_refused),
      cmocka_unit_test(expired_and_future_certificates_are_refused),
      cmocka_unit_test(a_clock_that_was_set_judges),
      cmocka_unit_test(what_the_clock_before_let_pass_is_judged_again),
      cmocka_unit_test(the_systems_store_does_not_know_our_ca),
      cmocka_unit_test(tls_1_1_is_refused),
      cmocka_unit_test(a_server_without_tls_is_an_error),
      cmocka_unit_test(a_server_that_goes_during_the_handshake),
      cmocka_unit_test(a_silent_handshake_times_out),
      cmocka_unit_test(client_certificates_are_shown),
      cmocka_unit_test(a_missing_client_certificate_is_told),
      cmocka_unit_test(refused_client_certificates_have_codes),
      cmocka_unit_test(bad_options_are_refused_with_a_reason),
      cmocka_unit_test(a_length_ends_what_has_no_nul),
      cmocka_unit_test(the_callers_error_queue_is_left_alone),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
