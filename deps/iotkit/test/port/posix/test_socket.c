/*
 * TCP of the port against plain sockets on loopback. SIGPIPE keeps its default: a raised one ends
 * the test.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iotkit_mqtt.h"
#include "port/port.h"
#include "support/cmocka_all.h"
#include "support/tcp_peer.h"

static void wait_for(int fd, int interest) {
  struct ik_pollfd one = {.fd = fd, .interest = interest};
  assert_int_equal(ik_port_poll(&one, 1, TEST_LIMIT_MS), 1);
}

static int connect_to(int family, uint16_t port, int *rc, char *detail) {
  struct ik_address address;
  int fd = -1;
  assert_true(ik_address_parse(family == 4 ? "127.0.0.1" : "::1", port, &address));
  *rc = ik_tcp_connect(&address, &fd, detail);
  if (*rc != 0) return -1;
  while ((*rc = ik_tcp_connected(fd, detail)) == IK_EAGAIN)
    wait_for(fd, IOTKIT_WRITE);
  return fd;
}

struct pair {
  int ours;
  int theirs;
};

static struct pair new_pair(int family) {
  struct pair pair = {-1, -1};
  uint16_t port;
  int rc;
  int listener = peer_listen(family, &port);
  if (listener < 0) return pair;
  pair.ours = connect_to(family, port, &rc, NULL);
  assert_int_equal(rc, 0);
  pair.theirs = peer_accept(listener);
  close(listener);
  return pair;
}

static int option(int fd, int level, int name) {
  int value = -1;
  socklen_t len = sizeof value;
  assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
  return value;
}

static void check_echo(int family) {
  char buf[8];
  struct pair pair = new_pair(family);
  if (pair.ours < 0) skip(); /* no IPv6 here */
  assert_int_equal(ik_tcp_read(pair.ours, buf, sizeof buf), IK_EAGAIN);
  assert_int_equal(ik_tcp_write(pair.ours, "ping", 4), 4);
  assert_true(peer_read(pair.theirs, buf, 4));
  assert_true(peer_write(pair.theirs, buf, 4));
  wait_for(pair.ours, IOTKIT_READ);
  assert_int_equal(ik_tcp_read(pair.ours, buf, sizeof buf), 4);
  assert_memory_equal(buf, "ping", 4);
  close(pair.theirs);
  wait_for(pair.ours, IOTKIT_READ);
  assert_int_equal(ik_tcp_read(pair.ours, buf, sizeof buf), 0);
  assert_int_equal(ik_tcp_read(pair.ours, buf, 0), IK_EINVALID_ARGUMENT);
  ik_tcp_close(pair.ours);
}

static void echo_over_ipv4(void **state) {
  (void)state;
  check_echo(4);
}

static void echo_over_ipv6(void **state) {
  (void)state;
  check_echo(6);
}

static void sockets_are_set_up(void **state) {
  (void)state;
  struct pair pair = new_pair(4);
  assert_true(fcntl(pair.ours, F_GETFL) & O_NONBLOCK);
  assert_true(fcntl(pair.ours, F_GETFD) & FD_CLOEXEC);
  assert_int_not_equal(option(pair.ours, IPPROTO_TCP, TCP_NODELAY), 0);
  assert_int_not_equal(option(pair.ours, SOL_SOCKET, SO_KEEPALIVE), 0);
  close(pair.theirs);
  ik_tcp_close(pair.ours);
  ik_tcp_close(-1);
}

static void refused_ports_say_so(void **state) {
  (void)state;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc;
  int fd = connect_to(4, peer_free_port(4), &rc, detail);
  assert_int_equal(rc, IK_ECONNECT);
  assert_string_equal(detail, "Connection refused");
  ik_tcp_close(fd);
}

static void a_socket_that_met_itself_is_refused(void **state) {
  (void)state;
  struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof in;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
  assert_int_equal(connect(fd, (struct sockaddr *)&in, len), 0); /* TCP's simultaneous open */
  assert_int_equal(ik_tcp_connected(fd, detail), IK_ECONNECT);
  assert_string_equal(detail, "Connection refused");
  close(fd);
}

static void writing_into_a_closed_connection_is_an_error(void **state) {
  (void)state;
  struct sigaction action;
  struct pair pair = new_pair(4);
  sigaction(SIGPIPE, NULL, &action);
  assert_true(action.sa_handler == SIG_DFL);
  peer_reset(pair.theirs);
  wait_for(pair.ours, IOTKIT_READ);
  assert_int_equal(ik_tcp_write(pair.ours, "x", 1), IK_ECONNECTION_RESET);
  assert_int_equal(ik_tcp_write(pair.ours, "x", 1),
                   IK_ECONNECTION_RESET); /* EPIPE, once the reset was reported */
  ik_tcp_close(pair.ours);
}

static void a_reset_is_told_to_the_reader(void **state) {
  (void)state;
  char byte;
  struct pair pair = new_pair(4);
  peer_reset(pair.theirs);
  wait_for(pair.ours, IOTKIT_READ);
  assert_int_equal(ik_tcp_read(pair.ours, &byte, 1), IK_ECONNECTION_RESET);
  ik_tcp_close(pair.ours);
}

static void a_full_socket_takes_no_more(void **state) {
  (void)state;
  static char block[65536];
  struct pair pair = new_pair(4);
  ptrdiff_t n;
  size_t sent = 0;
  struct ik_pollfd fd = {.fd = pair.ours, .interest = IOTKIT_WRITE};
  do { /* what is still on its way to the peer makes room as it arrives */
    while ((n = ik_tcp_write(pair.ours, block, sizeof block)) > 0)
      sent += (size_t)n;
    assert_int_equal(n, IK_EAGAIN);
  } while (ik_port_poll(&fd, 1, 0) > 0);
  assert_true(sent > 0);
  close(pair.theirs);
  ik_tcp_close(pair.ours);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(echo_over_ipv4),
      cmocka_unit_test(echo_over_ipv6),
      cmocka_unit_test(sockets_are_set_up),
      cmocka_unit_test(refused_ports_say_so),
      cmocka_unit_test(a_socket_that_met_itself_is_refused),
      cmocka_unit_test(writing_into_a_closed_connection_is_an_error),
      cmocka_unit_test(a_reset_is_told_to_the_reader),
      cmocka_unit_test(a_full_socket_takes_no_more),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
