/*
 * Out of memory at every place of a handshake that waits for a signature, as in net/test_oom.c: a context, a
 * connection, its transcript, the question, the thread, the answer.
 */
#if defined(IK_OPENSSL_LINKED)

#include "support/oom.h"

#include "base/buf.c"
#include "base/str.c"
#include "base/wipe.c"
#include "port/openssl/tls_aside.c"
#include "port/openssl/tls_conn.c"
#include "port/openssl/tls_context.c"
#include "port/openssl/tls_places.c"
#include "port/openssl/tls_signature.c"
#include "port/openssl/tls_signer.c"
#include "port/openssl/tls_transcript.c"
#include "port/posix/sync.c"
#include "port/posix/thread.c"
#include "port/posix/wake.c"

/* Behind them, because its macros have names of theirs. */
#include "support/oom_torture.h"

#undef malloc
#undef calloc
#undef realloc
#undef free

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "support/drive.h"
#include "support/slow_token.h"
#include "support/tcp_peer.h"

static struct test_cert cert;
static struct token token;
static uint16_t port;
static bool by_message; /* the program signs nothing else */

/* Answers in the call: no other thread allocates meanwhile. */
static int sign_at_once(void *ctx, const struct iotkit_tls_to_sign *what,
                        iotkit_tls_signature_t *signature) {
  uint8_t out[TOKEN_ROOM];
  size_t len = sizeof out;
  (void)token_begin(ctx, what, NULL);
  if (by_message && what->message == NULL) {
    iotkit_tls_signature_fail(signature, "there is no message");
    return 0;
  }
  if (by_message)
    token_sign_message(ctx, out, &len);
  else
    token_sign_data(ctx, out, &len);
  iotkit_tls_signature_give(signature, out, len);
  return 0;
}

static int connect_to_server(void) {
  const struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
  return fd;
}

static int open_to_end(struct ik_tls_conn *conn) {
  int rc;
  while ((rc = ik_tls_conn_handshake(conn, NULL)) == IK_EAGAIN) {
    struct ik_pollfd at = {.fd = ik_tls_conn_fd(conn), .interest = ik_tls_conn_wants(conn)};
    if (ik_port_poll(&at, 1, TEST_LIMIT_MS) <= 0) return IK_ETIMEOUT;
  }
  return rc;
}

static int sign_in(void) {
  const struct iotkit_tls_options options = {.ca = test_ca_pem(tls_ca),
                                             .cert = cert.cert,
                                             .cert_name = "localhost",
                                             .sign_begin = sign_at_once,
                                             .sign_ctx = &token};
  struct ik_tls_conn *conn = NULL;
  iotkit_tls_t *tls = NULL;
  int rc = iotkit_tls_new(&options, &tls, NULL);
  const int fd = connect_to_server();
  if (rc == 0) rc = ik_tls_conn_new(tls, fd, "127.0.0.1", "443", &conn, NULL);
  if (rc == 0) rc = open_to_end(conn);
  ik_tls_conn_free(conn);
  iotkit_tls_unref(tls);
  close(fd);
  return rc;
}

static void torture_sign_in(int version, const char *groups) {
  budget = ~0u; /* the server is made with the same functions */
  token = (struct token){0};
  token_init(&token, &cert);
  struct tls_server *server = token_serve(version, NULL, groups);
  port = tls_server_port(server);
  for (int way = 0; way < 2; way++) {
    by_message = way == 1;
    const unsigned allocations = torture(sign_in);
    print_message("TLS %x, groups %s: %u allocations\n", (unsigned)version,
                  groups ? groups : "as they like", allocations);
    assert_true(allocations >= 15);
  }
  tls_server_stop(server);
  token_deinit(&token);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  torture_sign_in(TLS1_3_VERSION, NULL);
  torture_sign_in(TLS1_3_VERSION, "P-384"); /* the ClientHello is repeated */
  torture_sign_in(TLS1_2_VERSION, NULL);
  test_cert_free(&cert);
  cert = test_ca_issue_rsa(tls_other_ca, "DNS:device", 2048);
  torture_sign_in(TLS1_3_VERSION, NULL);
  torture_sign_in(TLS1_2_VERSION, NULL);
  test_cert_free(&cert);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail)};
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  return 0;
}

#endif
