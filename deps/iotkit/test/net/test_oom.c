/*
 * Out of memory at every place of the way to a server, as in test_oom.c.
 */
#include "support/oom.h"

#include "base/buf.c"
#include "base/codec.c"
#include "base/str.c"
#include "base/wipe.c"
#include "core/limiter.c"
#include "http/head.c"
#include "net/opening.c"
#include "net/proxy.c"
#include "net/stream.c"
#include "net/tunnel.c"

/* Behind them, because its macros have names of theirs. */
#include "support/oom_torture.h"
#include "support/tcp_peer.h"

static int choose(const char *proxy, const char *https_proxy, const char *no_proxy) {
  struct ik_proxies proxies;
  struct ik_proxy chosen;
  int rc = ik_proxies_init(&proxies, proxy, https_proxy, no_proxy, NULL);
  if (rc != 0) return proxies.urls[0] != NULL || proxies.no_proxy != NULL ? -1 : rc;
  rc = ik_proxies_choose(&proxies, true, "fw.example", 443, &chosen, NULL);
  if (rc == 1) rc = strcmp(chosen.host, "b") == 0 ? 0 : -1;
  ik_proxies_free(&proxies);
  return rc;
}

static int proxies_of_options(void) {
  return choose("http://u:p@a", "http://u:p@b", "c.example");
}

static int proxies_of_the_environment(void) {
  setenv("http_proxy", "", 1);
  setenv("all_proxy", "u:p@b", 1);
  setenv("no_proxy", "c.example", 1);
  return choose(NULL, NULL, NULL);
}

static int open_a_tunnel(void) {
  static const char answer[] = "HTTP/1.1 100 \r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n";
  static const struct ik_proxy proxy = {.host = "p", .port = 1, .authorization = "Basic dTpw"};
  struct ik_tunnel *tunnel;
  int rc = ik_tunnel_new("fw.example", 443, &proxy, &tunnel, NULL);
  for (size_t i = 0; i < sizeof answer - 1 && (rc == 0 || rc == IK_EAGAIN); i++)
    rc = ik_tunnel_push(tunnel, (const uint8_t *)answer + i, 1, NULL);
  ik_tunnel_free(tunnel);
  return rc;
}

static uint16_t port;

static int open_a_stream(const struct ik_proxy *proxy) {
  struct ik_transport *transport;
  const struct ik_dial how = {
      .host = "127.0.0.1", .port = port, .timeout_ms = TEST_LIMIT_MS, .proxy = proxy};
  int rc = ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, NULL);
  if (rc != 0) return transport == NULL ? rc : -1;
  do {
    rc = transport->ops->open(transport, ik_port_now_ms(), NULL);
  } while (rc == IK_EAGAIN);
  transport->ops->close(transport);
  return rc;
}

static int open_straight(void) {
  return open_a_stream(NULL);
}

static int open_through_a_proxy(void) {
  const struct ik_proxy proxy = {.host = "127.0.0.1", .port = port};
  return open_a_stream(&proxy);
}

static int limit(void) {
  iotkit_limiter_t *limiter;
  int rc = iotkit_limiter_new(1000, &limiter);
  if (rc != 0) return limiter == NULL ? rc : -1;
  iotkit_limiter_unref(limiter);
  return 0;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  int listener = peer_listen(4, &port);
  assert_true(listener >= 0);
  assert_true(torture(proxies_of_options) >= 3);
  assert_true(torture(proxies_of_the_environment) >= 4);
  assert_true(torture(open_a_tunnel) >= 2);
  assert_true(torture(open_straight) >= 2);
  assert_true(torture(open_through_a_proxy) >= 2);
  assert_true(torture(limit) >= 1);
  peer_reset(listener);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
