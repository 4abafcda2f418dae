/* The stream over plain TCP on loopback: opening, racing addresses, time-outs, data before errors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iotkit_mqtt.h"
#include "net/transport.h"
#include "support/black_hole.h"
#include "support/cmocka_all.h"
#include "support/drive.h"
#include "support/tcp_peer.h"

static struct ik_transport *dial(const char *host, uint16_t port, uint32_t timeout_ms) {
  struct ik_transport *transport = NULL;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_dial how = {.host = host, .port = port, .timeout_ms = timeout_ms};
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, detail), 0);
  return transport;
}

struct link {
  struct ik_transport *transport;
  int peer;
};

static struct link new_link(const char *host, int family) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  uint16_t port;
  int listener = peer_listen(family, &port);
  if (listener < 0) return (struct link){NULL, -1};
  struct link link = {.transport = dial(host, port, TEST_LIMIT_MS)};
  assert_int_equal(drive_open(link.transport, detail), 0);
  link.peer = peer_accept(listener);
  close(listener);
  return link;
}

static void check_echo(const char *host, int family) {
  char buf[8];
  struct link link = new_link(host, family);
  if (link.transport == NULL) skip(); /* no IPv6 here */
  const struct ik_transport_ops *ops = link.transport->ops;
  assert_int_equal(ops->deadline(link.transport), UINT64_MAX);
  assert_int_equal(ops->interest(link.transport, 0), 0);
  assert_int_equal(ops->interest(link.transport, IOTKIT_READ | IOTKIT_WRITE),
                   IOTKIT_READ | IOTKIT_WRITE);
  assert_int_equal(drive_write_all(link.transport, "ping", 4, NULL), 0);
  assert_true(peer_read(link.peer, buf, 4));
  assert_true(peer_write(link.peer, "pong", 4));
  assert_int_equal(drive_read_all(link.transport, buf, 4, NULL), 0);
  assert_memory_equal(buf, "pong", 4);
  assert_int_equal(ops->read(link.transport, buf, 4, NULL), IK_EAGAIN);
  close(link.peer);
  assert_int_equal(drive_read(link.transport, buf, 4, NULL), 0);
  ops->close(link.transport);
}

static void opens_by_ipv4(void **state) {
  (void)state;
  check_echo("127.0.0.1", 4);
}

static void opens_by_ipv6(void **state) {
  (void)state;
  check_echo("::1", 6);
}

/* localhost is ::1 and 127.0.0.1 on most machines: the family nobody listens on must not matter,
 * either way round. */
static void opens_by_name_whatever_the_family(void **state) {
  (void)state;
  check_echo("localhost", 4);
}

static void refused_names_host_port_and_address(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "", expected[IOTKIT_DETAIL_MAX];
  uint16_t port = peer_free_port(4);
  struct ik_transport *transport = dial("127.0.0.1", port, TEST_LIMIT_MS);
  assert_int_equal(drive_open(transport, detail), IK_ECONNECT);
  snprintf(expected, sizeof expected, "127.0.0.1:%u: Connection refused", port);
  assert_string_equal(detail, expected);
  assert_int_equal(transport->ops->fd(transport), -1);
  assert_int_equal(transport->ops->interest(transport, IOTKIT_READ), 0);
  assert_int_equal(transport->ops->open(transport, ik_port_now_ms(), detail), IK_ECONNECT);
  transport->ops->close(transport);
}

static void names_that_do_not_resolve_are_named(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport = dial("no-such-host.invalid", 80, TEST_LIMIT_MS);
  assert_int_equal(drive_open(transport, detail), IK_ERESOLVE);
  assert_non_null(strstr(detail, "no-such-host.invalid"));
  transport->ops->close(transport);
}

static void closing_while_it_resolves_does_not_wait(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    struct ik_transport *transport = dial("no-such-host.invalid", 80, TEST_LIMIT_MS);
    assert_int_equal(transport->ops->deadline(transport), 0);
    transport->ops->open(transport, ik_port_now_ms(), NULL);
    transport->ops->close(transport);
  }
}

static void impossible_targets_are_refused_at_once(void **state) {
  (void)state;
  struct ik_transport *transport;
  char detail[IOTKIT_DETAIL_MAX] = "", long_host[300];
  memset(long_host, 'a', sizeof long_host - 1);
  long_host[sizeof long_host - 1] = '\0';
  const struct ik_dial bad[] = {{.host = NULL, .port = 1},
                                {.host = "", .port = 1},
                                {.host = "x", .port = 0},
                                {.host = long_host, .port = 1}};
  const int errors[] = {IK_EINVALID_ARGUMENT, IK_EINVALID_ARGUMENT, IK_EINVALID_ARGUMENT,
                        IK_ETOO_LONG};
  for (size_t i = 0; i < TEST_COUNT(bad); i++) {
    assert_int_equal(ik_net_dial(NULL, &bad[i], 1, &transport, detail), errors[i]);
    assert_null(transport);
  }
}

/* What cannot be reached, and what was reset: brackets, and nothing that the error says already. */
static void ipv6_has_brackets(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "", expected[IOTKIT_DETAIL_MAX];
  uint8_t byte;
  uint16_t port;
  int listener = peer_listen(6, &port);
  if (listener < 0) skip();
  struct ik_transport *transport = dial("::1", port, TEST_LIMIT_MS);
  assert_int_equal(drive_open(transport, detail), 0);
  peer_reset(peer_accept(listener));
  snprintf(expected, sizeof expected, "[::1]:%u", port);
  assert_int_equal(drive_read(transport, &byte, 1, detail), IK_ECONNECTION_RESET);
  assert_string_equal(detail, expected);
  transport->ops->close(transport);
  close(listener);
  port = peer_free_port(6);
  transport = dial("::1", port, TEST_LIMIT_MS);
  assert_int_equal(drive_open(transport, detail), IK_ECONNECT);
  snprintf(expected, sizeof expected, "[::1]:%u: Connection refused", port);
  assert_string_equal(detail, expected);
  transport->ops->close(transport);
}

static void a_host_that_does_not_answer_times_out(void **state) {
  (void)state;
  struct black_hole hole;
  char detail[IOTKIT_DETAIL_MAX] = "", expected[IOTKIT_DETAIL_MAX];
  assert_true(black_hole_open(&hole));
  struct ik_dial how = {.host = "127.0.0.1", .port = hole.port, .timeout_ms = 5000};
  struct ik_transport *transport;
  uint64_t start = ik_port_now_ms(); /* and from here the clock is ours */
  assert_int_equal(ik_net_dial(NULL, &how, start, &transport, detail), 0);
  assert_int_equal(transport->ops->open(transport, start, detail), IK_EAGAIN);
  assert_int_equal(transport->ops->interest(transport, 0), IOTKIT_WRITE);
  assert_int_equal(transport->ops->deadline(transport), start + 5000);
  assert_int_equal(transport->ops->open(transport, start + 4999, detail), IK_EAGAIN);
  assert_int_equal(transport->ops->open(transport, start + 5000, detail), IK_ECONNECT_TIMEOUT);
  snprintf(expected, sizeof expected, "127.0.0.1:%u: no answer after 5000 ms", hole.port);
  assert_string_equal(detail, expected);
  transport->ops->close(transport);
  black_hole_close(&hole);
}

static void data_comes_before_the_reset_of_a_write(void **state) {
  (void)state;
  char buf[16], detail[IOTKIT_DETAIL_MAX] = "";
  struct link link = new_link("127.0.0.1", 4);
  const struct ik_transport_ops *ops = link.transport->ops;
  assert_int_equal(drive_write_all(link.transport, "unread", 6, NULL), 0);
  assert_true(peer_write(link.peer, "refused", 7));
  /* The peer leaves the request unread, so that its closing resets the connection after its answer.
   */
  assert_true(drive_wait(link.transport, IOTKIT_READ));
  close(link.peer);
  ptrdiff_t n;
  while ((n = ops->write(link.transport, "more", 4, detail)) > 0)
    ik_port_sleep_ms(0);
  assert_int_equal(n, IK_EAGAIN);
  assert_int_equal(ops->interest(link.transport, IOTKIT_WRITE), IOTKIT_READ);
  int rc = drive_read_all(link.transport, buf, 7, detail);
  if (rc == 0) assert_memory_equal(buf, "refused", 7);
  assert_int_equal(rc, 0);
  assert_int_equal(drive_read(link.transport, buf, sizeof buf, detail),
                   IK_ECONNECTION_RESET); /* not an orderly end */
  ops->write(link.transport, "more", 4, detail);
  assert_int_equal(ops->write(link.transport, "more", 4, detail), IK_ECONNECTION_RESET);
  assert_non_null(strstr(detail, "127.0.0.1:"));
  ops->close(link.transport);
}

static void errors_of_reading_name_the_host(void **state) {
  (void)state;
  char byte, detail[IOTKIT_DETAIL_MAX] = "";
  struct link link = new_link("127.0.0.1", 4);
  peer_reset(link.peer);
  assert_int_equal(drive_read(link.transport, &byte, 1, detail), IK_ECONNECTION_RESET);
  assert_non_null(strstr(detail, "127.0.0.1:"));
  link.transport->ops->close(link.transport);
}

#define TRANSFER ((size_t)8 << 20)

static void echo_all(void *arg) {
  static char buf[65536];
  int fd = *(int *)arg;
  ssize_t n;
  while ((n = recv(fd, buf, sizeof buf, 0)) > 0)
    if (!peer_write(fd, buf, (size_t)n)) break;
  close(fd);
}

/* Both ways at once and far more than the sockets hold: each way must wait for the other without
 * losing a byte. */
static void much_goes_both_ways(void **state) {
  (void)state;
  static uint8_t out[65536], in[65536];
  struct link link = new_link("127.0.0.1", 4);
  const struct ik_transport_ops *ops = link.transport->ops;
  iotkit_thread_t *thread;
  size_t sent = 0, received = 0;
  assert_int_equal(iotkit_thread_start(&thread, "echo", 0, echo_all, &link.peer), 0);
  for (size_t i = 0; i < sizeof out; i++)
    out[i] = (uint8_t)(i * 13 + i / 251);
  while (received < TRANSFER) {
    size_t from = sent % sizeof out;
    ptrdiff_t w = IK_EAGAIN, r;
    if (sent < TRANSFER) w = ops->write(link.transport, out + from, sizeof out - from, NULL);
    if (w > 0) sent += (size_t)w;
    r = ops->read(link.transport, in, sizeof in - received % sizeof in, NULL);
    if (r > 0) {
      assert_memory_equal(in, out + received % sizeof out, (size_t)r);
      received += (size_t)r;
    }
    assert_true((w > 0 || w == IK_EAGAIN) && (r > 0 || r == IK_EAGAIN));
    if (w < 0 && r < 0) assert_true(drive_wait(link.transport, sent < TRANSFER ? 3 : IOTKIT_READ));
  }
  assert_int_equal(sent, received);
  ops->close(link.transport);
  iotkit_thread_join(thread);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(opens_by_ipv4),
      cmocka_unit_test(opens_by_ipv6),
      cmocka_unit_test(ipv6_has_brackets),
      cmocka_unit_test(opens_by_name_whatever_the_family),
      cmocka_unit_test(refused_names_host_port_and_address),
      cmocka_unit_test(names_that_do_not_resolve_are_named),
      cmocka_unit_test(closing_while_it_resolves_does_not_wait),
      cmocka_unit_test(impossible_targets_are_refused_at_once),
      cmocka_unit_test(a_host_that_does_not_answer_times_out),
      cmocka_unit_test(data_comes_before_the_reset_of_a_write),
      cmocka_unit_test(errors_of_reading_name_the_host),
      cmocka_unit_test(much_goes_both_ways),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
