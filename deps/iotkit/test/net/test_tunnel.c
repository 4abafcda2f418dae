/* The request for a tunnel and a proxy's answers, without a network. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "iotkit_mqtt.h"
#include "net/tunnel.h"
#include "support/cmocka_all.h"

#define OPENED "HTTP/1.1 200 Connection established\r\n\r\n"

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
      {"HTTP/1.1 407 \r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: NTLM\r\n\r\n",
       IK_EPROXY_REFUSED,
       "the proxy proxy.example:3128 wants authentication other than Basic (407)"},
      {"HTTP/1.1 407 \r\nProxy-Authenticate: NTLM\r\n"
       "Proxy-Authenticate: Digest realm=\"a\", nonce=\"b\", bAsIc realm=\"c\"\r\n\r\n",
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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_are_told_apart),
      cmocka_unit_test(endless_answers_end),
      cmocka_unit_test(nothing_may_stand_behind_the_answer),
      cmocka_unit_test(requests_are_for_the_host_and_its_port),
      cmocka_unit_test(the_longest_parts_fit),
      cmocka_unit_test(no_host_injects_fields),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
