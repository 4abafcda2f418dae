/* TLS through the stream, against a server of the test's own on OpenSSL; certificates are made as it starts. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#define OPENSSL_SUPPRESS_DEPRECATED                                                                \
  1 /* ERR_put_error is the one way to make an error in 1.1.1 and 3.x alike */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "iotkit_mqtt.h"
#include "net/transport.h"
#include "support/certs.h"
#include "support/drive.h"
#include "support/tcp_peer.h"
#include "support/tls_server.h"

#define DAY 86400L

static struct test_ca *ca, *other_ca;
static struct test_cert localhost_cert;

static int make_certs(void **state) {
  (void)state;
  ca = test_ca_new("test CA");
  other_ca = test_ca_new("another CA");
  localhost_cert = test_ca_issue(ca, "DNS:localhost,DNS:*.device.example,IP:127.0.0.1", -DAY, DAY);
  return 0;
}

static int free_certs(void **state) {
  (void)state;
  test_cert_free(&localhost_cert);
  test_ca_free(other_ca);
  test_ca_free(ca);
  return 0;
}

static struct tls_server_options serve(enum tls_server_mode mode, size_t bytes) {
  return (struct tls_server_options){
      .cert = localhost_cert.cert, .key = localhost_cert.key, .mode = mode, .bytes = bytes};
}

static iotkit_tls_t *new_context(const struct iotkit_tls_options *options) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = NULL;
  int rc = iotkit_tls_new(options, &tls, detail);
  if (rc != 0) print_error("%s\n", detail);
  assert_int_equal(rc, 0);
  return tls;
}

static iotkit_tls_t *trusting(const struct test_ca *trusted, const char *cert_name) {
  struct iotkit_tls_options options = {.ca = test_ca_pem(trusted), .cert_name = cert_name};
  return new_context(&options);
}

static int open_to(const char *host, uint16_t port, iotkit_tls_t *tls, struct ik_transport **out,
                   char *detail) {
  struct ik_dial how = {.host = host, .port = port, .tls = tls, .timeout_ms = TEST_LIMIT_MS};
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), out, detail), 0);
  return drive_open(*out, detail);
}

/* Opens and gives the context back: the connection must live on its own reference. */
static struct ik_transport *open_ok(uint16_t port, iotkit_tls_t *tls) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  int rc = open_to("127.0.0.1", port, tls, &transport, detail);
  if (rc != 0) print_error("%s\n", detail);
  assert_int_equal(rc, 0);
  iotkit_tls_unref(tls);
  return transport;
}

/* Expects opening to fail with `error` and a text that contains `text`. */
static void expect_refusal(const struct tls_server_options *options, const char *host,
                           iotkit_tls_t *tls, int error, const char *text) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  struct tls_server *server = tls_server_start(options);
  int rc = open_to(host, tls_server_port(server), tls, &transport, detail);
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
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = open_ok(tls_server_port(server), trusting(ca, NULL));
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
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport;
  iotkit_tls_t *tls = trusting(ca, cert_name);
  int rc = open_to(host, tls_server_port(server), tls, &transport, detail);
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

static void an_unknown_ca_is_refused(void **state) {
  (void)state;
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  expect_refusal(&options, "127.0.0.1", trusting(other_ca, NULL), IK_ETLS_CERTIFICATE,
                 "certificate of 127.0.0.1");
}

static void another_name_is_refused(void **state) {
  (void)state;
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  expect_refusal(&options, "127.0.0.1", trusting(ca, "elsewhere.example"), IK_ETLS_HOSTNAME,
                 "elsewhere.example");
  expect_refusal(&options, "127.0.0.1", trusting(ca, "a.b.device.example"), IK_ETLS_HOSTNAME,
                 "a.b.device.example");
}

static void another_address_is_refused(void **state) {
  (void)state;
  struct test_cert cert = test_ca_issue(ca, "DNS:localhost,DNS:127.0.0.1,IP:127.0.0.2", -DAY, DAY);
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  options.cert = cert.cert;
  options.key = cert.key;
  expect_refusal(&options, "127.0.0.1", trusting(ca, NULL), IK_ETLS_HOSTNAME, "127.0.0.1");
  test_cert_free(&cert);
}

static void check_dates(long from_s, long until_s) {
  struct test_cert cert = test_ca_issue(ca, "IP:127.0.0.1", from_s, until_s);
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  options.cert = cert.cert;
  options.key = cert.key;
  expect_refusal(&options, "127.0.0.1", trusting(ca, NULL), IK_ETLS_EXPIRED, "certificate");
  test_cert_free(&cert);
}

static void expired_and_future_certificates_are_refused(void **state) {
  (void)state;
  check_dates(-2 * DAY, -DAY);
  check_dates(DAY, 2 * DAY);
}

static void the_systems_store_does_not_know_our_ca(void **state) {
  (void)state;
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  expect_refusal(&options, "127.0.0.1", new_context(NULL), IK_ETLS_CERTIFICATE, "certificate");
}

static void tls_1_1_is_refused(void **state) {
  (void)state;
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  options.max_version = TLS1_1_VERSION;
  expect_refusal(&options, "127.0.0.1", trusting(ca, NULL), IK_ETLS, "127.0.0.1");
}

static void a_server_without_tls_is_an_error(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint16_t port;
  int listener = peer_listen(4, &port);
  struct ik_transport *transport;
  iotkit_tls_t *tls = trusting(ca, NULL);
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
  iotkit_tls_t *tls = trusting(ca, NULL);
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
  struct tls_server_options options = serve(TLS_SERVER_MUTE, 0);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport;
  iotkit_tls_t *tls = trusting(ca, NULL);
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
  struct test_cert client = test_ca_issue(other_ca, "DNS:device", -DAY, DAY);
  char *encrypted = test_key_encrypt(client.key, "open sesame");
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  options.client_ca = test_ca_pem(other_ca);
  struct tls_server *server = tls_server_start(&options);
  struct iotkit_tls_options plain = {.ca = test_ca_pem(ca), .cert = client.cert, .key = client.key};
  struct iotkit_tls_options locked = {
      .ca = test_ca_pem(ca), .cert = client.cert, .key = encrypted, .passphrase = "open sesame"};
  const struct iotkit_tls_options *const both[] = {&plain, &locked};
  for (size_t i = 0; i < 2; i++) {
    struct ik_transport *transport = open_ok(tls_server_port(server), new_context(both[i]));
    assert_int_equal(drive_write_all(transport, "hi", 2, NULL), 0);
    assert_int_equal(drive_read_all(transport, buf, 2, NULL), 0);
    transport->ops->close(transport);
  }
  assert_int_equal(tls_server_stop(server).client_certs, 2);
  free(encrypted);
  test_cert_free(&client);
}

/* TLS 1.3 tells a client that it was refused only after the client's side of the handshake is done. */
static void a_missing_client_certificate_is_told(void **state) {
  (void)state;
  char byte, detail[IOTKIT_DETAIL_MAX] = "";
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  options.client_ca = test_ca_pem(other_ca);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = open_ok(tls_server_port(server), trusting(ca, NULL));
  assert_int_equal(drive_read(transport, &byte, 1, detail), IK_ETLS);
  assert_non_null(strstr(detail, "certificate required"));
  assert_int_equal(transport->ops->read(transport, &byte, 1, NULL), IK_ETLS);
  transport->ops->close(transport);
  tls_server_stop(server);
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
  struct test_cert one = test_ca_issue(ca, "DNS:one", -DAY, DAY),
                   two = test_ca_issue(ca, "DNS:two", -DAY, DAY);
  char *encrypted = test_key_encrypt(one.key, "right");
  char broken[8192];
  snprintf(broken, sizeof broken,
           "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", test_ca_pem(ca));
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
  size_t len = strlen(test_ca_pem(ca));
  snprintf(pem, sizeof pem, "%s-----BEGIN CERTIFICATE-----\nrubbish", test_ca_pem(ca));
  struct iotkit_tls_options options = {.ca = pem, .ca_len = len};
  iotkit_tls_unref(new_context(&options));
}

static void the_callers_error_queue_is_left_alone(void **state) {
  (void)state;
  iotkit_tls_t *tls;
  ERR_clear_error();

  ERR_put_error(ERR_LIB_USER, 0, 7, __FILE__, __LINE__); /* of somebody else on this thread */
  unsigned long theirs = ERR_peek_last_error();
  assert_int_equal(iotkit_tls_new(&(struct iotkit_tls_options){.ca = "x"}, &tls, NULL), IK_ETLS_CA);
  assert_int_equal(ERR_peek_last_error(), theirs);
  iotkit_tls_unref(trusting(ca, NULL));
  assert_int_equal(ERR_peek_last_error(), theirs);
  ERR_clear_error();
}

/* ---- bytes ---- */

static void check_receive(struct ik_transport *transport, size_t total, size_t chunk) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint8_t *buf = malloc(chunk);
  size_t done = 0;
  assert_non_null(buf);
  while (done < total) {
    ptrdiff_t n = drive_read(transport, buf, chunk, detail);
    if (n <= 0) print_error("after %zu: %td %s\n", done, n, detail);
    assert_true(n > 0);
    for (ptrdiff_t i = 0; i < n; i++)
      if (buf[i] != tls_server_byte(done + (size_t)i))
        fail_msg("byte %zu differs", done + (size_t)i);
    done += (size_t)n;
  }
  assert_int_equal(done, total);
  free(buf);
}

static void large_bodies_arrive_whole_for_any_buffer(void **state) {
  (void)state;
  static const size_t chunks[] = {1, 1000, 16384, 262144};
  static const size_t totals[] = {40000, 1 << 20, 4 << 20, 16 << 20};
  for (size_t i = 0; i < TEST_COUNT(chunks); i++) {
    char byte;
    struct tls_server_options options = serve(TLS_SERVER_SEND, totals[i]);
    struct tls_server *server = tls_server_start(&options);
    struct ik_transport *transport = open_ok(tls_server_port(server), trusting(ca, NULL));
    check_receive(transport, totals[i], chunks[i]);
    assert_int_equal(drive_read(transport, &byte, 1, NULL), 0); /* close_notify */
    assert_int_equal(drive_read(transport, &byte, 1, NULL), 0);
    transport->ops->close(transport);
    tls_server_stop(server);
  }
}

/* Bytes that OpenSSL holds are not in the socket: waiting for the socket alone would hang. */
static void bytes_inside_are_pending(void **state) {
  (void)state;
  char buf[10];
  struct tls_server_options options = serve(TLS_SERVER_SEND, 100);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = open_ok(tls_server_port(server), trusting(ca, NULL));
  const struct ik_transport_ops *ops = transport->ops;
  assert_int_equal(drive_read(transport, buf, sizeof buf, NULL), 10);
  assert_true(ops->interest(transport, IOTKIT_READ) & IK_PENDING);
  assert_false(ops->interest(transport, IOTKIT_WRITE) &
               IK_PENDING); /* who does not want to read is not told */
  for (int i = 0; i < 9; i++)
    assert_int_equal(ops->read(transport, buf, sizeof buf, NULL), 10);
  while (ops->interest(transport, IOTKIT_READ) & IK_PENDING) /* and it ends */
    assert_true(ops->read(transport, buf, sizeof buf, NULL) <= 0 &&
                ops->read(transport, buf, sizeof buf, NULL) <= 0);
  ops->close(transport);
  tls_server_stop(server);
}

static void a_cut_is_not_an_orderly_end(void **state) {
  (void)state;
  char byte, detail[IOTKIT_DETAIL_MAX] = "";
  struct tls_server_options options = serve(TLS_SERVER_CUT, 100000);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = open_ok(tls_server_port(server), trusting(ca, NULL));
  check_receive(transport, 100000, 65536); /* all that came, first */
  assert_int_equal(drive_read(transport, &byte, 1, detail), IK_ECONNECTION_CLOSED);
  assert_non_null(strstr(detail, "127.0.0.1"));
  transport->ops->close(transport);
  tls_server_stop(server);
}

static void much_is_sent_against_back_pressure(void **state) {
  (void)state;
  const size_t total = 16 << 20;
  static uint8_t block[70001];
  uint8_t answer[8];
  uint64_t sum = 0, told = 0;
  struct tls_server_options options = serve(TLS_SERVER_SINK, total);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = open_ok(tls_server_port(server), trusting(ca, NULL));
  for (size_t at = 0; at < total;) {
    size_t len = total - at < sizeof block ? total - at : sizeof block;
    for (size_t i = 0; i < len; i++) {
      block[i] = tls_server_byte(at + i);
      sum += block[i];
    }
    assert_int_equal(drive_write_all(transport, block, len, NULL), 0);
    at += len;
  }
  assert_int_equal(drive_read_all(transport, answer, sizeof answer, NULL), 0);
  for (int i = 0; i < 8; i++)
    told = told << 8 | answer[i];
  assert_true(told == sum);
  transport->ops->close(transport);
  tls_server_stop(server);
}

/* A retried write may come with other memory and another length: the partial-write modes allow it. */
static void both_ways_at_once(void **state) {
  (void)state;
  const size_t total = 4 << 20;
  static uint8_t out[50000], in[30000];
  size_t sent = 0, received = 0;
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = open_ok(tls_server_port(server), trusting(ca, NULL));
  while (received < total) {
    size_t len = total - sent < sizeof out ? total - sent : sizeof out;
    for (size_t i = 0; i < len; i++)
      out[i] = tls_server_byte(sent + i);
    ptrdiff_t w = len == 0 ? IK_EAGAIN : transport->ops->write(transport, out, len, NULL);
    if (w > 0) sent += (size_t)w;
    ptrdiff_t r = transport->ops->read(transport, in, sizeof in, NULL);
    for (ptrdiff_t i = 0; i < r; i++)
      if (in[i] != tls_server_byte(received + (size_t)i))
        fail_msg("byte %zu differs", received + (size_t)i);
    if (r > 0) received += (size_t)r;
    assert_true((w > 0 || w == IK_EAGAIN) && (r > 0 || r == IK_EAGAIN));
    if (w < 0 && r < 0) assert_true(drive_wait(transport, sent < total ? 3 : IOTKIT_READ));
  }
  transport->ops->close(transport);
  tls_server_stop(server);
}

static void writing_to_a_peer_that_is_gone_raises_no_signal(void **state) {
  (void)state;
  struct sigaction action;
  char byte, detail[IOTKIT_DETAIL_MAX] = "";
  ptrdiff_t n;
  struct tls_server_options options = serve(TLS_SERVER_CUT, 1);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = open_ok(tls_server_port(server), trusting(ca, NULL));
  sigaction(SIGPIPE, NULL, &action);
  assert_true(action.sa_handler == SIG_DFL);
  tls_server_stop(server); /* the connection is closed now */
  while ((n = drive_write(transport, "x", 1, detail)) > 0) {}
  assert_int_equal(n, IK_ECONNECTION_RESET);
  assert_non_null(strstr(detail, "127.0.0.1"));
  assert_int_equal(drive_read(transport, &byte, 1, NULL), 1); /* what it had said is still there */
  assert_true(drive_read(transport, &byte, 1, NULL) < 0);
  transport->ops->close(transport);
}

static void sessions_are_resumed(void **state) {
  (void)state;
  const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (size_t i = 0; i < 2; i++) {
    char byte;
    struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
    options.max_version = versions[i];
    struct tls_server *server = tls_server_start(&options);
    iotkit_tls_t *tls = trusting(ca, NULL);
    for (int connection = 0; connection < 3; connection++) {
      struct ik_transport *transport = open_ok(tls_server_port(server), iotkit_tls_ref(tls));
      assert_int_equal(drive_write_all(transport, "x", 1, NULL), 0);
      assert_int_equal(drive_read_all(transport, &byte, 1, NULL),
                       0); /* the tickets of TLS 1.3 come before it */
      transport->ops->close(transport);
    }
    iotkit_tls_unref(tls);
    struct tls_server_counts counts = tls_server_stop(server);
    assert_int_equal(counts.handshakes, 3);
    assert_int_equal(counts.resumed, 2);
  }
}

/* ---- one context, many threads ---- */

struct user {
  iotkit_tls_t *tls;
  uint16_t port;
  int failures;
  iotkit_thread_t *thread;
};

static void use_context(void *arg) {
  struct user *user = arg;
  for (int i = 0; i < 5; i++) {
    struct ik_transport *transport;
    char byte = 0;
    struct ik_dial how = {
        .host = "127.0.0.1", .port = user->port, .tls = user->tls, .timeout_ms = TEST_LIMIT_MS};
    if (ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, NULL) != 0) {
      user->failures++;
      continue;
    }
    if (drive_open(transport, NULL) != 0 || drive_write_all(transport, "x", 1, NULL) != 0 ||
        drive_read_all(transport, &byte, 1, NULL) != 0 || byte != 'x')
      user->failures++;
    transport->ops->close(transport);
  }
}

static void threads_share_a_context(void **state) {
  (void)state;
  struct user users[4];
  struct tls_server_options options = serve(TLS_SERVER_ECHO, 0);
  struct tls_server *servers[2] = {tls_server_start(&options), tls_server_start(&options)};
  iotkit_tls_t *tls = trusting(ca, NULL);
  for (size_t i = 0; i < TEST_COUNT(users); i++) {
    users[i] = (struct user){.tls = tls, .port = tls_server_port(servers[i % 2])};
    assert_int_equal(iotkit_thread_start(&users[i].thread, "user", 0, use_context, &users[i]), 0);
  }
  for (size_t i = 0; i < TEST_COUNT(users); i++)
    iotkit_thread_join(users[i].thread);
  for (size_t i = 0; i < TEST_COUNT(users); i++)
    assert_int_equal(users[i].failures, 0);
  iotkit_tls_unref(tls);
  iotkit_tls_unref(NULL);
  tls_server_stop(servers[0]);
  tls_server_stop(servers[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(echo_and_orderly_end),
      cmocka_unit_test(names_are_sent_and_verified),
      cmocka_unit_test(an_unknown_ca_is_refused),
      cmocka_unit_test(another_name_is_refused),
      cmocka_unit_test(another_address_is_refused),
      cmocka_unit_test(expired_and_future_certificates_are_refused),
      cmocka_unit_test(the_systems_store_does_not_know_our_ca),
      cmocka_unit_test(tls_1_1_is_refused),
      cmocka_unit_test(a_server_without_tls_is_an_error),
      cmocka_unit_test(a_server_that_goes_during_the_handshake),
      cmocka_unit_test(a_silent_handshake_times_out),
      cmocka_unit_test(client_certificates_are_shown),
      cmocka_unit_test(a_missing_client_certificate_is_told),
      cmocka_unit_test(bad_options_are_refused_with_a_reason),
      cmocka_unit_test(a_length_ends_what_has_no_nul),
      cmocka_unit_test(the_callers_error_queue_is_left_alone),
      cmocka_unit_test(large_bodies_arrive_whole_for_any_buffer),
      cmocka_unit_test(bytes_inside_are_pending),
      cmocka_unit_test(a_cut_is_not_an_orderly_end),
      cmocka_unit_test(much_is_sent_against_back_pressure),
      cmocka_unit_test(both_ways_at_once),
      cmocka_unit_test(writing_to_a_peer_that_is_gone_raises_no_signal),
      cmocka_unit_test(sessions_are_resumed),
      cmocka_unit_test(threads_share_a_context),
  };
  return cmocka_run_group_tests(tests, make_certs, free_certs);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
