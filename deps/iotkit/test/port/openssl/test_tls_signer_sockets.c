/* A client's key that another thread signs with, over sockets that have no room, or where there are no more of them. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iotkit_mqtt.h"
#include "support/drive.h"
#include "support/slow_token.h"
#include "support/tcp_peer.h"

/* Bytes from one descriptor to another, as many as one read brings. */
static void carry(int from, int to) {
  uint8_t bytes[1 << 14];
  const ssize_t len = read(from, bytes, sizeof bytes);
  assert_true(len > 0);
  assert_int_equal(write(to, bytes, (size_t)len), len);
}

static int connect_to(uint16_t port) {
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
  return fd;
}

/* No descriptor can be opened any more; what the limit was before. */
static struct rlimit forbid_descriptors(void) {
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int unused = dup(0);
  close(unused);
  const struct rlimit none = {.rlim_cur = (rlim_t)unused, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  return before;
}

/* As much as there is to carry between a connection and a server, until a handshake ends. */
static int shake_over(struct ik_tls_conn *conn, int end, int peer) {
  int rc;
  while ((rc = ik_tls_conn_handshake(conn, NULL)) == IK_EAGAIN) {
    struct ik_pollfd fds[] = {{end, IOTKIT_READ, 0},
                              {peer, IOTKIT_READ, 0},
                              {ik_tls_conn_fd(conn), ik_tls_conn_wants(conn), 0}};
    assert_true(ik_port_poll(fds, 3, TEST_LIMIT_MS) > 0);
    if (fds[0].ready) carry(end, peer);
    if (fds[1].ready) carry(peer, end);
  }
  return rc;
}

/* A chain that no socket takes at once is written in several steps, and the signature comes after it. */
static void a_long_chain_has_nobody_else_wait(void **state) {
  static char chain[1 << 16];
  const int small = 1;
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  (void)state;
  (void)snprintf(chain, sizeof chain, "%s", cert.cert);
  while (strlen(chain) < sizeof chain / 2)
    (void)snprintf(chain + strlen(chain), sizeof chain - strlen(chain), "%s",
                   test_ca_pem(tls_other_ca));
  for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
    struct token token = {0};
    struct ik_tls_conn *conn;
    pthread_t thread;
    int ends[2];
    token_init(&token, &cert);
    struct tls_server *server = token_serve(version, NULL, NULL);
    const struct test_cert long_cert = {.cert = chain};
    iotkit_tls_t *tls = token_context(&long_cert, &token);
    const int peer = connect_to(tls_server_port(server));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    assert_int_equal(ik_tls_conn_new(tls, ends[0], "127.0.0.1", "443", &conn, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, token_answer, &token), 0);
    assert_int_equal(shake_over(conn, ends[1], peer), 0);
    pthread_join(thread, NULL);
    assert_int_equal(token.begun, 1);
    assert_false(pthread_equal(token.begun_on, pthread_self()));
    ik_tls_conn_free(conn);
    iotkit_tls_unref(tls);
    close(ends[0]);
    close(ends[1]);
    close(peer);
    tls_server_stop(server);
    token_deinit(&token);
  }
  test_cert_free(&cert);
}

/* The server's answers are carried to it, so that all have their descriptors before there are no more. */
static void no_descriptor_is_an_error_that_passes(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct token token = {0};
  struct ik_tls_conn *conn;
  int ends[2];
  (void)state;
  token_init(&token, &cert);
  struct tls_server *server = token_serve(0, NULL, NULL);
  iotkit_tls_t *tls = token_context(&cert, &token);
  const int peer = connect_to(tls_server_port(server));
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
  assert_int_equal(ik_tls_conn_new(tls, ends[0], "127.0.0.1", "443", &conn, NULL), 0);
  assert_int_equal(ik_tls_conn_handshake(conn, NULL), IK_EAGAIN);
  carry(ends[1], peer);
  carry(peer, ends[1]);
  const struct rlimit before = forbid_descriptors();
  int rc;
  while ((rc = ik_tls_conn_handshake(conn, detail)) == IK_EAGAIN)
    carry(peer, ends[1]);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_int_equal(rc, IK_ENETWORK);
  assert_true(iotkit_error_retryable(rc));
  assert_non_null(strstr(detail, "no descriptor to wait for the signature"));
  assert_int_equal(ik_tls_conn_handshake(conn, NULL), IK_EINVALID_STATE);
  ik_tls_conn_free(conn);
  iotkit_tls_unref(tls);
  assert_int_equal(token.begun, 0);
  assert_int_equal(token.ended, 1);
  close(ends[0]);
  close(ends[1]);
  close(peer);
  tls_server_stop(server);
  token_deinit(&token);
  test_cert_free(&cert);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_long_chain_has_nobody_else_wait),
      cmocka_unit_test(no_descriptor_is_an_error_that_passes),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  return 0;
}

#endif
