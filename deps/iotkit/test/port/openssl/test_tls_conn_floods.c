/* A peer that streams records without data, for as long as it is let: each call takes in its share
 * and gives the thread back. Both ends are on this thread, over a pair of sockets. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iotkit_mqtt.h"
#include "support/tls_client.h"

#define FLOOD 2000   /* records */
#define SHARE_MAX 32 /* records that one call may take in */
#define ROUNDS_MAX 10000

struct pair {
  int fds[2]; /* ours, the server's */
  SSL_CTX *ctx;
  SSL *server; /* reads the socket, writes to memory, so that a flood is in the socket as a whole */
  BIO *written;
  iotkit_tls_t *tls;
  struct ik_tls_conn *conn;
};

/* What lies in our socket, unread. */
static size_t unread(const struct pair *pair) {
  int bytes = 0;
  assert_int_equal(ioctl(pair->fds[0], FIONREAD, &bytes), 0);
  return (size_t)bytes;
}

static void push(struct pair *pair, const void *data, size_t len) {
  assert_int_equal(write(pair->fds[1], data, len), len);
}

/* What the server has written, into the socket. Returns how much. */
static size_t flush(struct pair *pair) {
  char *data;
  long len = BIO_get_mem_data(pair->written, &data);
  if (len > 0) push(pair, data, (size_t)len);
  (void)BIO_reset(pair->written);
  return (size_t)len;
}

static void use_cert(SSL_CTX *ctx) {
  BIO *cert = BIO_new_mem_buf(tls_cert.cert, -1), *key = BIO_new_mem_buf(tls_cert.key, -1);
  X509 *x509 = PEM_read_bio_X509(cert, NULL, NULL, NULL);
  EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
  assert_int_equal(SSL_CTX_use_certificate(ctx, x509), 1);
  assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pkey), 1);
  X509_free(x509);
  EVP_PKEY_free(pkey);
  BIO_free(cert);
  BIO_free(key);
}

/* Connected, but no handshake yet. version: TLS1_2_VERSION or TLS1_3_VERSION. */
static struct pair open_pair(int version) {
  const int room = 1 << 20;
  struct pair pair = {0};
  assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair.fds), 0);
  for (int i = 0; i < 2; i++) {
    fcntl(pair.fds[i], F_SETFL, O_NONBLOCK);
    setsockopt(pair.fds[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  }
  pair.ctx = SSL_CTX_new(TLS_server_method());
  use_cert(pair.ctx);
  SSL_CTX_set_min_proto_version(pair.ctx, version);
  SSL_CTX_set_max_proto_version(pair.ctx, version);
  pair.server = SSL_new(pair.ctx);
  pair.written = BIO_new(BIO_s_mem());
  SSL_set_bio(pair.server, BIO_new_socket(pair.fds[1], BIO_NOCLOSE), pair.written);
  SSL_set_accept_state(pair.server);
  pair.tls = tls_trusting(tls_ca, NULL);
  assert_int_equal(ik_tls_conn_new(pair.tls, pair.fds[0], "127.0.0.1", "443", &pair.conn, NULL), 0);
  return pair;
}

static struct pair open_and_shake_hands(int version) {
  struct pair pair = open_pair(version);
  int ours = IK_EAGAIN, theirs = 0;
  while (ours != 0 || theirs != 1) {
    ours = ik_tls_conn_handshake(pair.conn, NULL);
    assert_true(ours == 0 || ours == IK_EAGAIN);
    theirs = SSL_do_handshake(pair.server);
    flush(&pair);
  }
  char byte;
  while (unread(&pair) > 0) /* the tickets of TLS 1.3 */
    assert_int_equal(ik_tls_conn_read(pair.conn, &byte, 1, NULL), IK_EAGAIN);
  return pair;
}

static void close_pair(struct pair *pair) {
  ik_tls_conn_free(pair->conn);
  iotkit_tls_unref(pair->tls);
  SSL_free(pair->server);
  SSL_CTX_free(pair->ctx);
  close(pair->fds[0]);
  close(pair->fds[1]);
}

/* Reads until the flood is over: no call may take in more than `share` bytes of it. */
static void read_through(struct pair *pair, size_t share) {
  char byte;
  for (int round = 0; unread(pair) > 0; round++) {
    size_t before = unread(pair);
    assert_true(round < ROUNDS_MAX);
    assert_int_equal(ik_tls_conn_read(pair->conn, &byte, 1, NULL), IK_EAGAIN);
    assert_true(unread(pair) < before && before - unread(pair) <= share);
    if (unread(pair) > 0) assert_true(ik_tls_conn_pending(pair->conn));
  }
  assert_int_equal(ik_tls_conn_read(pair->conn, &byte, 1, NULL), IK_EAGAIN);
  assert_false(ik_tls_conn_pending(pair->conn)); /* and now there is something to wait for */
}

/* The connection is as good as before. */
static void check_data(struct pair *pair) {
  char byte = 0;
  assert_int_equal(SSL_write(pair->server, "x", 1), 1);
  flush(pair);
  assert_int_equal(ik_tls_conn_read(pair->conn, &byte, 1, NULL), 1);
  assert_int_equal(byte, 'x');
}

static void flood_with_keys(int kind) {
  struct pair pair = open_and_shake_hands(TLS1_3_VERSION);
  size_t bytes = 0;
  for (int i = 0; i < FLOOD; i++) {
    assert_int_equal(SSL_key_update(pair.server, kind), 1);
    assert_int_equal(SSL_do_handshake(pair.server), 1);
  }
  bytes = flush(&pair);
  read_through(&pair, SHARE_MAX * bytes / FLOOD);
  check_data(&pair);
  close_pair(&pair);
}

static void a_flood_of_new_keys(void **state) {
  (void)state;
  flood_with_keys(SSL_KEY_UPDATE_NOT_REQUESTED);
}

/* Each is answered by one of ours, which this peer never reads. */
static void a_flood_of_new_keys_that_wants_ours(void **state) {
  (void)state;
  flood_with_keys(SSL_KEY_UPDATE_REQUESTED);
}

#if OPENSSL_VERSION_NUMBER >= 0x30000000L
static void a_flood_of_tickets(void **state) {
  (void)state;
  struct pair pair = open_and_shake_hands(TLS1_3_VERSION);
  for (int i = 0; i < FLOOD / 4; i++) {
    assert_int_equal(SSL_new_session_ticket(pair.server), 1);
    assert_int_equal(SSL_do_handshake(pair.server), 1);
  }
  size_t bytes = flush(&pair);
  read_through(&pair, SHARE_MAX * bytes / (FLOOD / 4) + 64);
  check_data(&pair);
  close_pair(&pair);
}
#endif

static void a_flood_of_requests_to_renegotiate(void **state) {
  (void)state;
  struct pair pair = open_and_shake_hands(TLS1_2_VERSION);
  for (int i = 0; i < FLOOD; i++) {
    assert_int_equal(SSL_renegotiate(pair.server), 1);
    assert_int_equal(SSL_do_handshake(pair.server), 1);
  }
  size_t bytes = flush(&pair);
  read_through(&pair, SHARE_MAX * bytes / FLOOD);
  close_pair(&pair);
}

/* A byte now and then does not buy the peer more than a share either. */
static void data_among_the_flood_is_handed_out_soon(void **state) {
  (void)state;
  char buf[4096];
  size_t got = 0, sent = 0;
  struct pair pair = open_and_shake_hands(TLS1_3_VERSION);
  for (int i = 0; i < FLOOD; i++) {
    assert_int_equal(SSL_key_update(pair.server, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(pair.server), 1);
    if (i % 10 == 9 && SSL_write(pair.server, "x", 1) == 1) sent++;
  }
  size_t share = flush(&pair) * SHARE_MAX / FLOOD;
  while (unread(&pair) > 0) {
    size_t before = unread(&pair);
    ptrdiff_t n = ik_tls_conn_read(pair.conn, buf, sizeof buf, NULL);
    assert_true(n > 0 && n <= SHARE_MAX);
    assert_true(before - unread(&pair) <= share);
    got += (size_t)n;
  }
  assert_int_equal(got, sent);
  close_pair(&pair);
}

/* Data in records as small as they come: much is asked for, a share is given. */
static void tiny_records_are_handed_out_soon(void **state) {
  (void)state;
  static char buf[65536];
  struct pair pair = open_and_shake_hands(TLS1_3_VERSION);
  for (int i = 0; i < FLOOD; i++)
    assert_int_equal(SSL_write(pair.server, "x", 1), 1);
  flush(&pair);
  for (size_t got = 0; got < FLOOD;) {
    ptrdiff_t n = ik_tls_conn_read(pair.conn, buf, sizeof buf, NULL);
    assert_true(n > 0 && n <= SHARE_MAX);
    got += (size_t)n;
  }
  close_pair(&pair);
}

/* ---- before the handshake is done: the records are in the clear, and no server is needed ---- */

/* Our handshake ends, or gives the thread back, after no more than `share` bytes each time. */
static void shake_hands_with_a_flood(const void *record, size_t len, size_t share) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct pair pair = open_pair(TLS1_2_VERSION);
  int rc = ik_tls_conn_handshake(pair.conn, detail);
  assert_int_equal(rc, IK_EAGAIN);
  for (int i = 0; i < FLOOD; i++)
    push(&pair, record, len);
  while (rc == IK_EAGAIN && unread(&pair) > 0) {
    size_t before = unread(&pair);
    rc = ik_tls_conn_handshake(pair.conn, detail);
    assert_true(before - unread(&pair) <= share);
  }
  assert_true(rc == IK_EAGAIN || rc == IK_ETLS);
  close_pair(&pair);
}

static void a_handshake_is_given_a_share_too(void **state) {
  (void)state;
  static const uint8_t hello_request[] = {22, 3, 3, 0, 4, 0, 0, 0, 0};
  static const uint8_t cipher_change[] = {20, 3, 3, 0, 1, 1};
  static const uint8_t warning[] = {21, 3, 3, 0, 2, 1, 90};
  static const uint8_t empty[] = {22, 3, 3, 0, 0};
  shake_hands_with_a_flood(hello_request, sizeof hello_request, SHARE_MAX * sizeof hello_request);
  shake_hands_with_a_flood(cipher_change, sizeof cipher_change, SHARE_MAX * sizeof cipher_change);
  shake_hands_with_a_flood(warning, sizeof warning, SHARE_MAX * sizeof warning);
  shake_hands_with_a_flood(empty, sizeof empty, 2 * SHARE_MAX * sizeof empty);
}

/* A peer that takes nothing: the close_notify stays here, and nobody waits for it. */
static void an_end_that_cannot_be_said_is_not_waited_for(void **state) {
  (void)state;
  static uint8_t block[16384];
  struct pair pair = open_and_shake_hands(TLS1_3_VERSION);
  ptrdiff_t n;
  while ((n = ik_tls_conn_write(pair.conn, block, sizeof block, NULL)) > 0) {}
  assert_int_equal(n, IK_EAGAIN);
  ik_tls_conn_shutdown(pair.conn);
  close_pair(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_flood_of_new_keys),
    cmocka_unit_test(a_flood_of_new_keys_that_wants_ours),
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    cmocka_unit_test(a_flood_of_tickets),
#endif
    cmocka_unit_test(a_flood_of_requests_to_renegotiate),
    cmocka_unit_test(data_among_the_flood_is_handed_out_soon),
    cmocka_unit_test(tiny_records_are_handed_out_soon),
    cmocka_unit_test(a_handshake_is_given_a_share_too),
    cmocka_unit_test(an_end_that_cannot_be_said_is_not_waited_for),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
