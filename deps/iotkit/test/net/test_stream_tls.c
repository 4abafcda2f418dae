/* TLS: the bytes that flow, how they end, and many connections on one context. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "iotkit_mqtt.h"
#include "support/drive.h"
#include "support/tcp_peer.h"
#include "support/tls_client.h"

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
    struct tls_server_options options = tls_serve(TLS_SERVER_SEND, totals[i]);
    struct tls_server *server = tls_server_start(&options);
    struct ik_transport *transport =
        tls_open_ok(tls_server_port(server), tls_trusting(tls_ca, NULL));
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
  struct tls_server_options options = tls_serve(TLS_SERVER_SEND, 100);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_trusting(tls_ca, NULL));
  const struct ik_transport_ops *ops = transport->ops;
  assert_int_equal(drive_read(transport, buf, sizeof buf, NULL), 10);
  assert_true(ops->interest(transport, IOTKIT_READ) & IK_PENDING);
  assert_false(ops->interest(transport, IOTKIT_WRITE) &
               IK_PENDING); /* who does not want to read is not notified */
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
  struct tls_server_options options = tls_serve(TLS_SERVER_CUT, 100000);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_trusting(tls_ca, NULL));
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
  uint64_t sum = 0, answered = 0;
  struct tls_server_options options = tls_serve(TLS_SERVER_SINK, total);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_trusting(tls_ca, NULL));
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
    answered = answered << 8 | answer[i];
  assert_true(answered == sum);
  transport->ops->close(transport);
  tls_server_stop(server);
}

/* A retried write may come with other memory and another length: the partial-write modes allow it.
 */
static void both_ways_at_once(void **state) {
  (void)state;
  const size_t total = 4 << 20;
  static uint8_t out[50000], in[30000];
  size_t sent = 0, received = 0;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_trusting(tls_ca, NULL));
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
  struct tls_server_options options = tls_serve(TLS_SERVER_CUT, 1);
  struct tls_server *server = tls_server_start(&options);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), tls_trusting(tls_ca, NULL));
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
    struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
    options.max_version = versions[i];
    struct tls_server *server = tls_server_start(&options);
    iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
    for (int connection = 0; connection < 3; connection++) {
      struct ik_transport *transport = tls_open_ok(tls_server_port(server), iotkit_tls_ref(tls));
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

static void echo_once(uint16_t port, iotkit_tls_t *tls) {
  char byte;
  struct ik_transport *transport = tls_open_ok(port, iotkit_tls_ref(tls));
  assert_int_equal(drive_write_all(transport, "x", 1, NULL), 0);
  assert_int_equal(drive_read_all(transport, &byte, 1, NULL), 0);
  transport->ops->close(transport);
}

/* In turn, and each with sessions of its own. */
static void each_server_has_its_sessions(void **state) {
  (void)state;
  const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (size_t i = 0; i < 2; i++) {
    struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
    options.max_version = versions[i];
    struct tls_server *servers[2] = {tls_server_start(&options), tls_server_start(&options)};
    iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
    for (int turn = 0; turn < 6; turn++)
      echo_once(tls_server_port(servers[turn % 2]), tls);
    iotkit_tls_unref(tls);
    for (size_t j = 0; j < 2; j++) {
      struct tls_server_counts counts = tls_server_stop(servers[j]);
      assert_int_equal(counts.handshakes, 3);
      assert_int_equal(counts.resumed, 2);
    }
  }
}

static void other_trust_is_no_reason_to_resume(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  iotkit_tls_t *contexts[] = {tls_trusting(tls_ca, NULL), tls_trusting(tls_ca, NULL),
                              tls_trusting(tls_ca, "localhost")};
  for (size_t i = 0; i < TEST_COUNT(contexts); i++)
    echo_once(tls_server_port(server), contexts[i]);
  for (size_t i = 0; i < TEST_COUNT(contexts); i++)
    iotkit_tls_unref(contexts[i]);
  struct tls_server_counts counts = tls_server_stop(server);
  assert_int_equal(counts.handshakes, 3);
  assert_int_equal(counts.resumed, 0);
}

/* By another clock its certificate may have expired. */
static void another_clock_ends_what_was_verified(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  echo_once(tls_server_port(server), tls);
  assert_int_equal(iotkit_tls_set_time(tls, ik_port_time_ms(), ik_port_now_ms()), 0);
  echo_once(tls_server_port(server), tls);
  iotkit_tls_unref(tls);
  struct tls_server_counts counts = tls_server_stop(server);
  assert_int_equal(counts.handshakes, 2);
  assert_int_equal(counts.resumed, 0);
}

/* A connection that breaks off is what resuming is for. */
static void a_cut_does_not_keep_from_resuming(void **state) {
  (void)state;
  const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
  for (size_t i = 0; i < 2; i++) {
    struct tls_server_options options = tls_serve(TLS_SERVER_CUT, 1000);
    options.max_version = versions[i];
    struct tls_server *server = tls_server_start(&options);
    iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
    for (int connection = 0; connection < 4; connection++) {
      char byte;
      struct ik_transport *transport = tls_open_ok(tls_server_port(server), iotkit_tls_ref(tls));
      check_receive(transport, 1000, 1000);
      assert_int_equal(drive_read(transport, &byte, 1, NULL), IK_ECONNECTION_CLOSED);
      transport->ops->close(transport);
    }
    iotkit_tls_unref(tls);
    struct tls_server_counts counts = tls_server_stop(server);
    assert_int_equal(counts.handshakes, 4);
    assert_int_equal(counts.resumed, 3);
  }
}

/* Each brings two tickets: a pair of connections at a time goes on with them. */
static void connections_side_by_side_resume(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  struct ik_transport *transports[2];
  echo_once(tls_server_port(server), tls);
  for (size_t i = 0; i < 2; i++) {
    const struct ik_dial how = {.host = "127.0.0.1",
                                .port = tls_server_port(server),
                                .tls = tls,
                                .timeout_ms = TEST_LIMIT_MS};
    assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transports[i], NULL), 0);
    /* Until its hello is sent, with the session that it resumes. */
    while (transports[i]->ops->open(transports[i], ik_port_now_ms(), NULL) == IK_EAGAIN &&
           transports[i]->ops->interest(transports[i], 0) != IOTKIT_READ)
      assert_true(drive_wait(transports[i], 0));
  }
  for (size_t i = 0; i < 2; i++) { /* the server takes one after the other */
    char byte;
    assert_int_equal(drive_open(transports[i], NULL), 0);
    assert_int_equal(drive_write_all(transports[i], "x", 1, NULL), 0);
    assert_int_equal(drive_read_all(transports[i], &byte, 1, NULL), 0);
    transports[i]->ops->close(transports[i]);
  }
  iotkit_tls_unref(tls);
  struct tls_server_counts counts = tls_server_stop(server);
  assert_int_equal(counts.handshakes, 3);
  assert_int_equal(counts.resumed, 2);
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
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *servers[2] = {tls_server_start(&options), tls_server_start(&options)};
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
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
      cmocka_unit_test(large_bodies_arrive_whole_for_any_buffer),
      cmocka_unit_test(bytes_inside_are_pending),
      cmocka_unit_test(a_cut_is_not_an_orderly_end),
      cmocka_unit_test(much_is_sent_against_back_pressure),
      cmocka_unit_test(both_ways_at_once),
      cmocka_unit_test(writing_to_a_peer_that_is_gone_raises_no_signal),
      cmocka_unit_test(sessions_are_resumed),
      cmocka_unit_test(each_server_has_its_sessions),
      cmocka_unit_test(other_trust_is_no_reason_to_resume),
      cmocka_unit_test(another_clock_ends_what_was_verified),
      cmocka_unit_test(a_cut_does_not_keep_from_resuming),
      cmocka_unit_test(connections_side_by_side_resume),
      cmocka_unit_test(threads_share_a_context),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
