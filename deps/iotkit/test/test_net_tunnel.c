/* The way through an HTTP proxy: the request for a tunnel, the answers, TLS behind it. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iotkit_mqtt.h"
#include "net/tunnel.h"
#include "support/black_hole.h"
#include "support/connect_proxy.h"
#include "support/drive.h"
#include "support/tcp_peer.h"
#include "support/tls_client.h"

#define OPENED "HTTP/1.1 200 Connection established\r\n\r\n"

/* ---- the answer, without a network ---- */

static const struct ik_proxy example = {.host = "proxy.example", .port = 3128};

/* What a whole answer gives, which must not depend on how it is split. */
static int push(const struct ik_proxy *proxy, const char *answer, size_t len, char *detail) {
  static const size_t steps[] = {1, 3, 4096};
  int rc = 0;
  for (size_t i = 0; i < TEST_COUNT(steps); i++) {
    struct ik_tunnel *tunnel;
    char again[IOTKIT_DETAIL_MAX] = "";
    int result = IK_EAGAIN;
    assert_int_equal(ik_tunnel_new("fw.example", 443, proxy, &tunnel, detail), 0);
    for (size_t at = 0; at < len && result == IK_EAGAIN; at += steps[i]) {
      size_t n = len - at < steps[i] ? len - at : steps[i];
      result = ik_tunnel_push(tunnel, (const uint8_t *)answer + at, n, again);
    }
    ik_tunnel_free(tunnel);
    if (i > 0) assert_int_equal(result, rc);
    rc = result;
    snprintf(detail, IOTKIT_DETAIL_MAX, "%s", again);
  }
  return rc;
}

static void answers_are_told_apart(void **state) {
  (void)state;
  static const struct {
    const char *answer;
    int error;
    const char *detail;
  } rows[] = {
      {OPENED, 0, ""},
      {"HTTP/1.0 200 Connection established\r\nProxy-agent: tinyproxy/1.11.1\r\n\r\n", 0, ""},
      {"HTTP/1.1 204 \r\n\r\n", 0, ""},
      {"HTTP/1.1 200\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 0, ""},
      {"HTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 100 \r\n\r\n" OPENED, 0, ""},
      {"HTTP/1.1 200 Connection esta", IK_EAGAIN, ""},
      {"", IK_EAGAIN, ""},
      {"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n<html>",
       IK_EPROXY_REFUSED, "the proxy proxy.example:3128 wants a user and password (407)"},
      {"HTTP/1.1 403 Forbidden\r\n\r\n", IK_EPROXY_REFUSED,
       "the proxy proxy.example:3128 refuses a tunnel to fw.example:443 (403)"},
      {"HTTP/1.0 401 Unauthorized\r\n\r\n", IK_EPROXY_REFUSED,
       "the proxy proxy.example:3128 wants a user and password (401)"},
      {"HTTP/1.1 405 Method Not Allowed\r\n\r\n", IK_EPROXY_REFUSED, NULL},
      {"HTTP/1.1 501 Not Implemented\r\n\r\n", IK_EPROXY_REFUSED, NULL},
      {"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno", IK_EPROXY,
       "the proxy proxy.example:3128 opens no tunnel to fw.example:443 (502)"},
      {"HTTP/1.1 503 \r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 504 \r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 400 \r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 404 \r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 429 \r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 101 Switching\r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/2 200 \r\n\r\n", IK_EPROXY,
       "the proxy proxy.example:3128: the answer does not begin with HTTP/1"},
      {"SSH-2.0-OpenSSH_9.2\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 2x0 OK\r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 200 OK\n\n", IK_EPROXY, NULL},
      {"HTTP/1.1 200 OK\r\nA b\r\n\r\n", IK_EPROXY, NULL},
      {"HTTP/1.1 200 OK\r\nA: \x01\r\n\r\n", IK_EPROXY, NULL},
  };
  for (size_t i = 0; i < TEST_COUNT(rows); i++) {
    char detail[IOTKIT_DETAIL_MAX] = "";
    int rc = push(&example, rows[i].answer, strlen(rows[i].answer), detail);
    if (rc != rows[i].error) fail_msg("%s: %d %s", rows[i].answer, rc, detail);
    if (rows[i].detail != NULL) assert_string_equal(detail, rows[i].detail);
    if (rc != IK_EAGAIN && rc != 0) assert_non_null(strstr(detail, "proxy.example:3128"));
  }
}

static void endless_answers_end(void **state) {
  (void)state;
  static char answer[64 * 1024];
  char detail[IOTKIT_DETAIL_MAX] = "";
  size_t len = (size_t)snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nA: ");
  memset(answer + len, 'a', sizeof answer - len);
  assert_int_equal(push(&example, answer, sizeof answer, detail), IK_EPROXY);
  assert_string_equal(detail,
                      "the proxy proxy.example:3128: the response head is longer than 32768 bytes");
  static const char interim[] = "HTTP/1.1 100 \r\n\r\n";
  len = 0;
  while (len + sizeof interim < sizeof answer) {
    memcpy(answer + len, interim, sizeof interim - 1);
    len += sizeof interim - 1;
  }
  assert_int_equal(push(&example, answer, len, detail), IK_EPROXY);
  assert_string_equal(detail, "the proxy proxy.example:3128: too many interim answers");
}

static void nothing_may_stand_behind_the_answer(void **state) {
  (void)state;
  struct ik_tunnel *tunnel;
  char detail[IOTKIT_DETAIL_MAX] = "";
  assert_int_equal(ik_tunnel_new("fw.example", 443, &example, &tunnel, detail), 0);
  assert_int_equal(ik_tunnel_push(tunnel, (const uint8_t *)OPENED "x", sizeof OPENED, detail),
                   IK_EPROXY);
  assert_string_equal(detail, "the proxy proxy.example:3128 sent 1 bytes behind its answer");
  ik_tunnel_free(tunnel);
}

static void requests_are_for_the_host_and_its_port(void **state) {
  (void)state;
  static const struct {
    const char *host, *authorization, *request;
    uint16_t port;
  } rows[] = {
      {"fw.example", "", "CONNECT fw.example:443 HTTP/1.1\r\nHost: fw.example:443\r\n\r\n", 443},
      {"::1", "", "CONNECT [::1]:8443 HTTP/1.1\r\nHost: [::1]:8443\r\n\r\n", 8443},
      {"10.0.0.1", "Basic dTpw",
       "CONNECT 10.0.0.1:65535 HTTP/1.1\r\nHost: 10.0.0.1:65535\r\n"
       "Proxy-Authorization: Basic dTpw\r\n\r\n",
       65535},
  };
  for (size_t i = 0; i < TEST_COUNT(rows); i++) {
    struct ik_proxy proxy = example;
    struct ik_tunnel *tunnel;
    snprintf(proxy.authorization, sizeof proxy.authorization, "%s", rows[i].authorization);
    assert_int_equal(ik_tunnel_new(rows[i].host, rows[i].port, &proxy, &tunnel, NULL), 0);
    struct ik_str request = ik_tunnel_request(tunnel);
    assert_int_equal(request.len, strlen(rows[i].request));
    assert_memory_equal(request.ptr, rows[i].request, request.len);
    assert_int_equal(ik_tunnel_interest(tunnel), IOTKIT_WRITE);
    ik_tunnel_free(tunnel);
  }
}

static void the_longest_parts_fit(void **state) {
  (void)state;
  struct ik_proxy proxy = {.port = 65535};
  struct ik_tunnel *tunnel;
  char host[IK_HOST_MAX + 2] = "";
  memset(host, 'h', IK_HOST_MAX);
  memset(proxy.host, 'p', IK_HOST_MAX);
  memset(proxy.authorization, 'a', sizeof proxy.authorization - 1);
  assert_int_equal(ik_tunnel_new(host, 65535, &proxy, &tunnel, NULL), 0);
  struct ik_str request = ik_tunnel_request(tunnel);
  assert_memory_equal(request.ptr + request.len - 5, "a\r\n\r\n", 5);
  char detail[IOTKIT_DETAIL_MAX] = "";
  static const char refusal[] = "HTTP/1.1 403 \r\n\r\n";
  assert_int_equal(ik_tunnel_push(tunnel, (const uint8_t *)refusal, sizeof refusal - 1, detail),
                   IK_EPROXY_REFUSED);
  assert_non_null(strstr(detail, "(403)"));
  ik_tunnel_free(tunnel);
  host[IK_HOST_MAX] = 'h';
  assert_int_equal(ik_tunnel_new(host, 65535, &proxy, &tunnel, detail), IK_EINVALID_ARGUMENT);
}

static void no_host_injects_fields(void **state) {
  (void)state;
  static const char *const bad[] = {"", "a\r\nX: y", "a b", "a/b", "a@b", "a\x01", "[::1]"};
  for (size_t i = 0; i < TEST_COUNT(bad); i++) {
    struct ik_tunnel *tunnel;
    char detail[IOTKIT_DETAIL_MAX] = "";
    assert_int_equal(ik_tunnel_new(bad[i], 443, &example, &tunnel, detail), IK_EINVALID_ARGUMENT);
    assert_null(tunnel);
    assert_string_not_equal(detail, "");
  }
  struct ik_proxy proxy = example;
  struct ik_tunnel *tunnel;
  snprintf(proxy.authorization, sizeof proxy.authorization, "Basic a\r\nX: y");
  assert_int_equal(ik_tunnel_new("a", 443, &proxy, &tunnel, NULL), IK_EINVALID_ARGUMENT);
}

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
                         uint32_t timeout_ms, char *detail) {
  char head[1024];
  struct ik_transport *transport;
  struct connect_proxy *proxy = connect_proxy_start(options);
  struct ik_proxy way = proxy_at(connect_proxy_port(proxy), credentials);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  int rc = open_through(&way, "fw.example", tls, timeout_ms, &transport, detail);
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
  assert_int_equal(open_scripted(&options, "user:s3cret@", TEST_LIMIT_MS, detail),
                   IK_EPROXY_REFUSED);
  assert_non_null(strstr(detail, "the proxy 127.0.0.1:"));
  assert_non_null(strstr(detail, " refuses the user or password (407)"));
  assert_int_equal(open_scripted(&options, "", TEST_LIMIT_MS, detail), IK_EPROXY_REFUSED);
  assert_non_null(strstr(detail, " wants a user and password (407)"));
  options.answer = "HTTP/1.1 503 Service Unavailable\r\n\r\n";
  options.bytewise = true;
  options.then = CONNECT_PROXY_HOLD;
  assert_int_equal(open_scripted(&options, "user:s3cret@", TEST_LIMIT_MS, detail), IK_EPROXY);
  assert_non_null(strstr(detail, " opens no tunnel to fw.example:443 (503)"));
}

/* Who is not on its list gets an answer without being listened to. */
static void a_refusal_before_the_request_is_read(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct connect_proxy_options options = {
      .answer = "HTTP/1.1 403 Forbidden\r\n\r\n", .at_once = true, .then = CONNECT_PROXY_HOLD};
  assert_int_equal(open_scripted(&options, "", TEST_LIMIT_MS, detail), IK_EPROXY_REFUSED);
}

static void proxies_that_go_away(void **state) {
  (void)state;
  static const enum connect_proxy_then then[] = {CONNECT_PROXY_CLOSE, CONNECT_PROXY_RESET};
  static const char *const answers[] = {"", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\n"};
  for (size_t i = 0; i < TEST_COUNT(then); i++) {
    for (size_t k = 0; k < TEST_COUNT(answers); k++) {
      char detail[IOTKIT_DETAIL_MAX] = "";
      struct connect_proxy_options options = {.answer = answers[k], .then = then[i]};
      assert_int_equal(open_scripted(&options, "user:s3cret@", TEST_LIMIT_MS, detail), IK_EPROXY);
      assert_non_null(strstr(detail, "closed the connection without an answer"));
    }
  }
}

static void a_tunnel_into_the_void_is_a_cut_handshake(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct connect_proxy_options options = {.answer = OPENED, .then = CONNECT_PROXY_CLOSE};
  int rc = open_scripted(&options, "", TEST_LIMIT_MS, detail);
  assert_true(rc == IK_ECONNECTION_CLOSED || rc == IK_ECONNECTION_RESET || rc == IK_ETLS);
}

/* The whole opening has one limit, and its text says who kept us waiting. */
static void a_proxy_that_does_not_answer_times_out(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct connect_proxy_options options = {.answer = "HTTP/1.1 100 \r\n\r\nHTTP",
                                          .then = CONNECT_PROXY_HOLD};
  assert_int_equal(open_scripted(&options, "user:s3cret@", 150, detail), IK_ECONNECT_TIMEOUT);
  assert_non_null(strstr(detail, "no connection to fw.example:443 within 150 ms: the proxy "
                                 "127.0.0.1:"));
  assert_non_null(strstr(detail, " does not open the tunnel"));
  options.answer = OPENED;
  assert_int_equal(open_scripted(&options, "", 150, detail), IK_ECONNECT_TIMEOUT);
  assert_string_equal(detail, "no connection to fw.example:443 within 150 ms: the TLS handshake is "
                              "not finished");
}

static void a_proxy_that_cannot_be_reached_is_named(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "", want[IOTKIT_DETAIL_MAX];
  struct ik_transport *transport;
  uint16_t port = peer_free_port();
  struct ik_proxy way = proxy_at(port, "");
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  assert_int_equal(open_through(&way, "fw.example", tls, TEST_LIMIT_MS, &transport, detail),
                   IK_ECONNECT);
  snprintf(want, sizeof want,
           "the proxy: cannot connect to 127.0.0.1:%u (127.0.0.1:%u): Connection refused", port,
           port);
  assert_string_equal(detail, want);
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  snprintf(way.host, sizeof way.host, "no-such-proxy.invalid");
  assert_int_equal(open_through(&way, "fw.example", NULL, TEST_LIMIT_MS, &transport, detail),
                   IK_ERESOLVE);
  assert_non_null(strstr(detail, "the proxy: "));
  assert_non_null(strstr(detail, "no-such-proxy.invalid"));
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
    snprintf(want, sizeof want,
             "no connection to the proxy 127.0.0.1:%u within 100 ms: 127.0.0.1:%u does not answer",
             hole.port, hole.port);
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
  way = example;
  how.host = "fw.example\r\nX: y";
  how.tls = tls;
  assert_int_equal(ik_net_dial(NULL, &how, 1, &transport, detail), IK_EINVALID_ARGUMENT);
  assert_null(transport);
  iotkit_tls_unref(tls);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_are_told_apart),
      cmocka_unit_test(endless_answers_end),
      cmocka_unit_test(nothing_may_stand_behind_the_answer),
      cmocka_unit_test(requests_are_for_the_host_and_its_port),
      cmocka_unit_test(the_longest_parts_fit),
      cmocka_unit_test(no_host_injects_fields),
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
