/* The way through an HTTP proxy: the tunnel, TLS inside it, and who is to blame when it fails. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iotkit_mqtt.h"
#include "net/proxy.h"
#include "support/black_hole.h"
#include "support/connect_proxy.h"
#include "support/drive.h"
#include "support/tcp_peer.h"
#include "support/tls_client.h"

#define OPENED "HTTP/1.1 200 Connection established\r\n\r\n"

/* ---- through a proxy ---- */

static struct ik_proxy proxy_at(uint16_t port, const char *credentials) {
  struct ik_proxy proxy;
  char url[128], detail[IOTKIT_DETAIL_MAX];
  snprintf(url, sizeof url, "http://%s127.0.0.1:%u", credentials, port);
  assert_int_equal(ik_proxy_parse(ik_str(url), &proxy, detail), 0);
  return proxy;
}

/* Opens host:443 through the proxy; the transport is the caller's to close. */
static int open_through(const struct ik_proxy *proxy, const char *host, iotkit_tls_t *tls,
                        uint32_t timeout_ms, struct ik_transport **out, char *detail) {
  struct ik_dial how = {
      .host = host, .port = 443, .tls = tls, .timeout_ms = timeout_ms, .proxy = proxy};
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), out, detail), 0);
  return drive_open(*out, detail);
}

static void check_echo(struct ik_transport *transport) {
  char buf[5];
  assert_int_equal(drive_write_all(transport, "hello", 5, NULL), 0);
  assert_int_equal(drive_read_all(transport, buf, 5, NULL), 0);
  assert_memory_equal(buf, "hello", 5);
}

/* The name that is verified, and that SNI carries, is that of the server; the proxy has no say. */
static void check_tunnel(const char *answer, bool bytewise, const char *credentials,
                         const char *want) {
  char detail[IOTKIT_DETAIL_MAX] = "", head[1024];
  struct ik_transport *transport;
  struct tls_server_options serve = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&serve);
  struct connect_proxy_options options = {.answer = answer,
                                          .bytewise = bytewise,
                                          .then = CONNECT_PROXY_TUNNEL,
                                          .port = tls_server_port(server)};
  struct connect_proxy *proxy = connect_proxy_start(&options);
  struct ik_proxy way = proxy_at(connect_proxy_port(proxy), credentials);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  int rc = open_through(&way, "a1.device.example", tls, TEST_LIMIT_MS, &transport, detail);
  if (rc != 0) print_error("%s\n", detail);
  assert_int_equal(rc, 0);
  check_echo(transport);
  assert_int_equal(transport->ops->deadline(transport), UINT64_MAX);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  connect_proxy_stop(proxy, head, sizeof head);
  struct tls_server_counts counts = tls_server_stop(server);
  assert_int_equal(counts.handshakes, 1);
  assert_string_equal(counts.server_name, "a1.device.example");
  assert_string_equal(head, want);
}

static void tls_goes_through_the_tunnel(void **state) {
  (void)state;
  check_tunnel(OPENED, false, "",
               "CONNECT a1.device.example:443 HTTP/1.1\r\n"
               "Host: a1.device.example:443\r\n\r\n");
  check_tunnel("HTTP/1.0 200 OK\r\nVia: x\r\n\r\n", true, "us%40er:pass@",
               "CONNECT a1.device.example:443 HTTP/1.1\r\n"
               "Host: a1.device.example:443\r\n"
               "Proxy-Authorization: Basic dXNAZXI6cGFzcw==\r\n\r\n");
}

static void the_servers_name_is_verified(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  struct tls_server_options serve = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&serve);
  struct connect_proxy_options options = {
      .answer = OPENED, .then = CONNECT_PROXY_TUNNEL, .port = tls_server_port(server)};
  struct connect_proxy *proxy = connect_proxy_start(&options);
  struct ik_proxy way = proxy_at(connect_proxy_port(proxy), "");
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  /* The certificate is for the proxy's address, 127.0.0.1, too: that must not help. */
  assert_int_equal(open_through(&way, "other.example", tls, TEST_LIMIT_MS, &transport, detail),
                   IK_ETLS_HOSTNAME);
  assert_non_null(strstr(detail, "other.example"));
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  connect_proxy_stop(proxy, NULL, 0);
  tls_server_stop(server);
}

/* Opens through a proxy that answers so; returns what that ends with. */
static int open_scripted(const struct connect_proxy_options *options, const char *credentials,
                         char *detail) {
  char head[1024];
  struct ik_transport *transport;
  struct connect_proxy *proxy = connect_proxy_start(options);
  struct ik_proxy way = proxy_at(connect_proxy_port(proxy), credentials);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  int rc = open_through(&way, "fw.example", tls, TEST_LIMIT_MS, &transport, detail);
  assert_int_equal(transport->ops->open(transport, ik_port_now_ms(), NULL), rc);
  assert_int_equal(transport->ops->fd(transport), -1);
  assert_int_equal(transport->ops->interest(transport, IOTKIT_READ), 0);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  connect_proxy_stop(proxy, head, sizeof head);
  assert_null(strstr(detail, "s3cret"));
  return rc;
}

static void refusals_name_the_proxy_and_no_credentials(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct connect_proxy_options options = {
      .answer = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 4\r\n\r\nfour",
      .then = CONNECT_PROXY_CLOSE};
  assert_int_equal(open_scripted(&options, "user:s3cret@", detail), IK_EPROXY_REFUSED);
  assert_non_null(strstr(detail, "the proxy 127.0.0.1:"));
  assert_non_null(strstr(detail, " refuses the user or password (407)"));
  assert_int_equal(open_scripted(&options, "", detail), IK_EPROXY_REFUSED);
  assert_non_null(strstr(detail, " wants a user and password (407)"));
  options.answer = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
  options.bytewise = true;
  options.then = CONNECT_PROXY_HOLD;
  assert_int_equal(open_scripted(&options, "user:s3cret@", detail), IK_EPROXY);
  assert_non_null(strstr(detail, " opens no tunnel to fw.example:443 (503)"));
}

/* Who is not on its list gets an answer without being listened to. */
static void a_refusal_before_the_request_is_read(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct connect_proxy_options options = {
      .answer = "HTTP/1.1 403 Forbidden\r\n\r\n", .at_once = true, .then = CONNECT_PROXY_HOLD};
  assert_int_equal(open_scripted(&options, "", detail), IK_EPROXY_REFUSED);
}

static void proxies_that_go_away(void **state) {
  (void)state;
  static const enum connect_proxy_then then[] = {CONNECT_PROXY_CLOSE, CONNECT_PROXY_RESET};
  static const char *const answers[] = {"", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\n"};
  for (size_t i = 0; i < TEST_COUNT(then); i++) {
    for (size_t k = 0; k < TEST_COUNT(answers); k++) {
      char detail[IOTKIT_DETAIL_MAX] = "";
      struct connect_proxy_options options = {.answer = answers[k], .then = then[i]};
      assert_int_equal(open_scripted(&options, "user:s3cret@", detail), IK_EPROXY);
      assert_non_null(strstr(detail, " the connection without an answer"));
    }
  }
}

static void a_tunnel_into_the_void_is_a_cut_handshake(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct connect_proxy_options options = {.answer = OPENED, .then = CONNECT_PROXY_CLOSE};
  int rc = open_scripted(&options, "", detail);
  assert_true(rc == IK_ECONNECTION_CLOSED || rc == IK_ECONNECTION_RESET || rc == IK_ETLS);
}

/* Opens through a proxy that answers so, to where it is at `stage`; there the time runs out. */
static void time_out_at(enum connect_proxy_stage stage, const char *answer, char *detail) {
  struct connect_proxy_options options = {.answer = answer, .then = CONNECT_PROXY_HOLD};
  struct connect_proxy *proxy = connect_proxy_start(&options);
  struct ik_proxy way = proxy_at(connect_proxy_port(proxy), "user:s3cret@");
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  struct ik_dial how = {
      .host = "fw.example", .port = 443, .tls = tls, .timeout_ms = 150, .proxy = &way};
  struct ik_transport *transport;
  uint64_t start = ik_port_now_ms(); /* and here the clock stands still */
  assert_int_equal(ik_net_dial(NULL, &how, start, &transport, detail), 0);
  while (connect_proxy_stage(proxy) != stage) {
    assert_int_equal(transport->ops->open(transport, start, detail), IK_EAGAIN);
    ik_port_sleep_ms(1);
  }
  assert_int_equal(transport->ops->open(transport, start + 149, detail), IK_EAGAIN);
  for (int i = 0; i < 2; i++)
    assert_int_equal(transport->ops->open(transport, start + 150, i == 0 ? detail : NULL),
                     IK_ECONNECT_TIMEOUT);
  assert_int_equal(transport->ops->fd(transport), -1);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  connect_proxy_stop(proxy, NULL, 0);
}

/* The whole opening has one limit, and its text says who kept us waiting. */
static void a_proxy_that_does_not_answer_times_out(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  time_out_at(CONNECT_PROXY_ANSWERED, "HTTP/1.1 100 \r\n\r\nHTTP", detail);
  assert_null(strstr(detail, "s3cret"));
  assert_non_null(strstr(detail, "fw.example:443: the proxy 127.0.0.1:"));
  assert_non_null(strstr(detail, " does not open the tunnel after 150 ms"));
  time_out_at(CONNECT_PROXY_HEARD, OPENED, detail);
  assert_string_equal(detail, "fw.example:443: the TLS handshake is not finished after 150 ms");
}

static void a_proxy_that_cannot_be_reached_is_named(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "", want[IOTKIT_DETAIL_MAX];
  struct ik_transport *transport;
  uint16_t port = peer_free_port(4);
  struct ik_proxy way = proxy_at(port, "");
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  assert_int_equal(open_through(&way, "fw.example", tls, TEST_LIMIT_MS, &transport, detail),
                   IK_ECONNECT);
  snprintf(want, sizeof want, "the proxy 127.0.0.1:%u: Connection refused", port);
  assert_string_equal(detail, want);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  snprintf(way.host, sizeof way.host, "no-such-proxy.invalid");
  assert_int_equal(open_through(&way, "fw.example", NULL, TEST_LIMIT_MS, &transport, detail),
                   IK_ERESOLVE);
  assert_non_null(strstr(detail, "the proxy no-such-proxy.invalid: "));
  transport->ops->close(transport);
}

static void a_proxy_in_a_black_hole_times_out(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "", want[IOTKIT_DETAIL_MAX];
  struct black_hole hole;
  bool is_hole = black_hole_open(&hole);
  if (is_hole) {
    struct ik_transport *transport;
    struct ik_proxy way = proxy_at(hole.port, "");
    assert_int_equal(open_through(&way, "fw.example", NULL, 100, &transport, detail),
                     IK_ECONNECT_TIMEOUT);
    snprintf(want, sizeof want, "the proxy 127.0.0.1:%u: no answer after 100 ms", hole.port);
    assert_string_equal(detail, want);
    transport->ops->close(transport);
  }
  black_hole_close(&hole);
  if (!is_hole) skip();
}

/* Without TLS nothing is asked: the stream ends at the proxy, by any of its addresses. */
static void plain_streams_end_at_the_proxy(void **state) {
  (void)state;
  char buf[4], detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  uint16_t port;
  int listener = peer_listen(4, &port);
  struct ik_proxy way = {.host = "localhost", .port = port};
  assert_int_equal(open_through(&way, "fw.example", NULL, TEST_LIMIT_MS, &transport, detail), 0);
  int peer = peer_accept(listener);
  assert_int_equal(drive_write_all(transport, "GET ", 4, NULL), 0);
  assert_true(peer_read(peer, buf, 4));
  assert_memory_equal(buf, "GET ", 4);
  peer_reset(peer);
  assert_int_equal(drive_read(transport, buf, 1, detail), IK_ECONNECTION_RESET);
  assert_non_null(strstr(detail, "the proxy localhost:"));
  transport->ops->close(transport);
  close(listener);
}

static void closing_at_any_stage(void **state) {
  (void)state;
  struct tls_server_options serve = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&serve);
  struct connect_proxy_options options = {.answer = OPENED,
                                          .bytewise = true,
                                          .then = CONNECT_PROXY_TUNNEL,
                                          .port = tls_server_port(server)};
  struct connect_proxy *proxy = connect_proxy_start(&options);
  struct ik_proxy way = proxy_at(connect_proxy_port(proxy), "user:pass@");
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  int rc = IK_EAGAIN;
  for (unsigned steps = 0; rc == IK_EAGAIN; steps++) {
    struct ik_transport *transport;
    struct ik_dial how = {.host = "a1.device.example",
                          .port = 443,
                          .tls = tls,
                          .timeout_ms = TEST_LIMIT_MS,
                          .proxy = &way};
    assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, NULL), 0);
    rc = IK_EAGAIN;
    for (unsigned i = 0; i < steps && rc == IK_EAGAIN; i++) {
      rc = transport->ops->open(transport, ik_port_now_ms(), NULL);
      if (rc == IK_EAGAIN) assert_true(drive_wait(transport, 0));
    }
    transport->ops->close(transport);
  }
  assert_int_equal(rc, 0);
  iotkit_tls_unref(tls);
  connect_proxy_stop(proxy, NULL, 0);
  tls_server_stop(server);
}

static void impossible_proxies_are_refused_at_once(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  struct ik_proxy way = {.host = "proxy"};
  struct ik_dial how = {.host = "fw.example", .port = 443, .timeout_ms = 1, .proxy = &way};
  assert_int_equal(ik_net_dial(NULL, &how, 1, &transport, detail), IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "the proxy's port is 0");
  way = (struct ik_proxy){.port = 1};
  assert_int_equal(ik_net_dial(NULL, &how, 1, &transport, detail), IK_EINVALID_ARGUMENT);
  assert_string_equal(detail, "the proxy's host is empty");
  memset(way.host, 'a', sizeof way.host);
  assert_int_equal(ik_net_dial(NULL, &how, 1, &transport, detail), IK_ETOO_LONG);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  way = proxy_at(1, "");
  how.host = "fw.example\r\nX: y";
  how.tls = tls;
  assert_int_equal(ik_net_dial(NULL, &how, 1, &transport, detail), IK_EINVALID_ARGUMENT);
  assert_null(transport);
  iotkit_tls_unref(tls);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tls_goes_through_the_tunnel),
      cmocka_unit_test(the_servers_name_is_verified),
      cmocka_unit_test(refusals_name_the_proxy_and_no_credentials),
      cmocka_unit_test(a_refusal_before_the_request_is_read),
      cmocka_unit_test(proxies_that_go_away),
      cmocka_unit_test(a_tunnel_into_the_void_is_a_cut_handshake),
      cmocka_unit_test(a_proxy_that_does_not_answer_times_out),
      cmocka_unit_test(a_proxy_that_cannot_be_reached_is_named),
      cmocka_unit_test(a_proxy_in_a_black_hole_times_out),
      cmocka_unit_test(plain_streams_end_at_the_proxy),
      cmocka_unit_test(closing_at_any_stage),
      cmocka_unit_test(impossible_proxies_are_refused_at_once),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else
int main(void) {
  return 0;
}
#endif
