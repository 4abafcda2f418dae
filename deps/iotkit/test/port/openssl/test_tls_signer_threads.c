/* A client's key that another thread signs with, later: every handshake, what goes wrong, and the end meanwhile. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "iotkit_mqtt.h"
#include "port/openssl/tls_aside.h"
#include "support/drive.h"
#include "support/slow_token.h"
#include "support/tcp_peer.h"

#define DEVICES 8

static void echo(struct ik_transport *transport) {
  char buf[2];
  assert_int_equal(drive_write_all(transport, "hi", 2, NULL), 0);
  assert_int_equal(drive_read_all(transport, buf, 2, NULL), 0);
  assert_memory_equal(buf, "hi", 2);
}

/* ---- every handshake ---- */

static const struct way {
  bool is_rsa;
  int version;
  const char *algorithms;
  const char *groups; /* the server's: not the client's first, so that it has to ask again */
} ways[] = {
    {false, TLS1_3_VERSION, NULL, NULL},
    {false, TLS1_3_VERSION, NULL, "P-384"},
    {false, TLS1_2_VERSION, NULL, NULL},
    {false, TLS1_2_VERSION, "ECDSA+SHA512", NULL},
    {true, TLS1_3_VERSION, NULL, NULL},
    {true, TLS1_3_VERSION, "RSA-PSS+SHA512", "P-384"},
    {true, TLS1_2_VERSION, "RSA-PSS+SHA384", NULL},
    {true, TLS1_2_VERSION, "RSA+SHA256", NULL},
    {true, TLS1_2_VERSION, "RSA+SHA384", NULL},
};
#define WAYS (sizeof ways / sizeof ways[0])

static void check_signs(const struct test_cert *cert, const struct way *way, struct token *token) {
  pthread_t thread;
  token_init(token, cert);
  struct tls_server *server = token_serve(way->version, way->algorithms, way->groups);
  assert_int_equal(pthread_create(&thread, NULL, token_answer, token), 0);
  struct ik_transport *transport = tls_open_ok(tls_server_port(server), token_context(cert, token));
  pthread_join(thread, NULL);
  echo(transport);
  assert_int_equal(token->ended, 0); /* the connection has the context */
  transport->ops->close(transport);
  assert_int_equal(token->ended, 1);
  assert_int_equal(token->begun, 1);
  assert_int_equal(token->cancelled, 0);
  assert_true(token->what.message_bits >= 256);
  assert_int_equal(tls_server_stop(server).client_certs, 1);
  token_deinit(token);
}

static void another_thread_signs_every_handshake(void **state) {
  struct test_cert certs[] = {test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY),
                              test_ca_issue_rsa(tls_other_ca, "DNS:device", 2048)};
  (void)state;
  for (size_t i = 0; i < WAYS; i++) {
    struct token token = {.is_by_message = false};
    check_signs(&certs[ways[i].is_rsa], &ways[i], &token);
    struct token by_message = {.is_by_message = true};
    check_signs(&certs[ways[i].is_rsa], &ways[i], &by_message);
  }
  struct token pair = {.is_pair = true};
  check_signs(&certs[0], &ways[0], &pair);
  test_cert_free(&certs[1]);
  test_cert_free(&certs[0]);
}

/* ---- what goes wrong ---- */

static void check_fails(const struct test_cert *cert, const struct way *way, struct token token,
                        int error, const char *text) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  pthread_t thread;
  token_init(&token, cert);
  iotkit_tls_t *tls = token_context(cert, &token);
  struct tls_server *server = token_serve(way->version, way->algorithms, NULL);
  if (token.begins_with == 0)
    assert_int_equal(pthread_create(&thread, NULL, token_answer, &token), 0);
  const int rc = tls_open_to("127.0.0.1", tls_server_port(server), tls, &transport, detail);
  if (token.begins_with == 0) pthread_join(thread, NULL);
  if (rc != error || strstr(detail, text) == NULL) print_error("%d: %s\n", rc, detail);
  assert_int_equal(rc, error);
  assert_non_null(strstr(detail, text));
  transport->ops->close(transport);
  iotkit_tls_unref(tls);
  assert_int_equal(token.ended, 1);
  assert_int_equal(tls_server_stop(server).client_certs, 0);
  token_deinit(&token);
}

static void what_the_program_gives_wrong_has_a_code(void **state) {
  struct test_cert certs[] = {test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY),
                              test_ca_issue_rsa(tls_other_ca, "DNS:device", 2048)};
  (void)state;
  for (size_t i = 0; i < WAYS; i += 4) {
    const struct test_cert *cert = &certs[ways[i].is_rsa];
    const struct way *way = &ways[i];
    const char *no = "is no signature by the key";
    check_fails(cert, way, (struct token){.reason = "no token"}, IK_ETLS_SIGNING, "no token");
    check_fails(cert, way, (struct token){.begins_with = -7}, IK_ETLS_SIGNING, "returned -7");
    check_fails(cert, way, (struct token){.is_wrong = true}, IK_ETLS_IDENTITY, no);
    check_fails(cert, way, (struct token){.claims = 64}, IK_ETLS_IDENTITY, no);
    check_fails(cert, way, (struct token){.claims = TOKEN_ROOM}, IK_ETLS_IDENTITY, no);
  }
  test_cert_free(&certs[1]);
  test_cert_free(&certs[0]);
}

/* ---- waiting ---- */

static struct ik_transport *dial(uint16_t port, iotkit_tls_t *tls) {
  struct ik_transport *transport;
  struct ik_dial how = {.host = "127.0.0.1", .port = port, .tls = tls, .timeout_ms = TEST_LIMIT_MS};
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), &transport, NULL), 0);
  return transport;
}

/* Until a signature is asked for; what the stream says meanwhile is a wait. */
static iotkit_tls_signature_t *open_until_asked(struct ik_transport *transport,
                                                struct token *token) {
  for (;;) {
    assert_int_equal(transport->ops->open(transport, ik_port_now_ms(), NULL), IK_EAGAIN);
    struct ik_pollfd fd = {.fd = transport->ops->fd(transport),
                           .interest = transport->ops->interest(transport, 0)};
    pthread_mutex_lock(&token->lock);
    const bool is_asked = token->asked != NULL;
    pthread_mutex_unlock(&token->lock);
    if (is_asked) return token_take(token);
    (void)ik_port_poll(&fd, 1, 1);
  }
}

static bool is_ready(struct ik_transport *transport) {
  struct ik_pollfd fd = {.fd = transport->ops->fd(transport),
                         .interest = transport->ops->interest(transport, 0)};
  return ik_port_poll(&fd, 1, 0) > 0;
}

static void one_thread_waits_for_many_signatures(void **state) {
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct tls_server *servers[DEVICES];
  struct ik_transport *transports[DEVICES];
  iotkit_tls_signature_t *asked[DEVICES];
  static struct token tokens[DEVICES];
  (void)state;
  for (size_t i = 0; i < DEVICES; i++) {
    tokens[i] = (struct token){.is_by_message = true};
    token_init(&tokens[i], &cert);
    servers[i] = token_serve(i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION, NULL, NULL);
    iotkit_tls_t *tls = token_context(&cert, &tokens[i]);
    transports[i] = dial(tls_server_port(servers[i]), tls);
    iotkit_tls_unref(tls);
    asked[i] = open_until_asked(transports[i], &tokens[i]);
    assert_false(is_ready(transports[i])); /* nothing to do until then: no busy wait */
  }
  for (size_t i = DEVICES; i-- > 0;) {
    uint8_t out[TOKEN_ROOM];
    size_t len = sizeof out;
    token_sign_message(&tokens[i], out, &len);
    iotkit_tls_signature_give(asked[i], out, len);
    assert_int_equal(drive_open(transports[i], NULL), 0);
    echo(transports[i]);
    transports[i]->ops->close(transports[i]);
    tls_server_stop(servers[i]);
    token_deinit(&tokens[i]);
  }
  test_cert_free(&cert);
}

static void a_connection_ends_while_its_signature_is_made(void **state) {
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  (void)state;
  for (unsigned is_late = 0; is_late < 2; is_late++) {
    struct token token = {0};
    uint8_t out[TOKEN_ROOM];
    size_t len = sizeof out;
    token_init(&token, &cert);
    struct tls_server *server = token_serve(0, NULL, NULL);
    iotkit_tls_t *tls = token_context(&cert, &token);
    struct ik_transport *transport = dial(tls_server_port(server), tls);
    iotkit_tls_unref(tls);
    iotkit_tls_signature_t *asked = open_until_asked(transport, &token);
    token.asked = asked; /* so that cancel() knows it */
    transport->ops->close(transport);
    assert_int_equal(token.cancelled, 1);
    assert_int_equal(token.ended, 1);
    token_sign_data(&token, out, &len);
    if (is_late)
      iotkit_tls_signature_give(asked, out, len);
    else
      iotkit_tls_signature_fail(asked, "too late");
    assert_int_equal(tls_server_stop(server).client_certs, 0);
    token_deinit(&token);
  }
  test_cert_free(&cert);
}

static void a_time_out_ends_the_wait(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct token token = {0};
  (void)state;
  token_init(&token, &cert);
  struct tls_server *server = token_serve(0, NULL, NULL);
  iotkit_tls_t *tls = token_context(&cert, &token);
  struct ik_transport *transport = dial(tls_server_port(server), tls);
  iotkit_tls_unref(tls);
  iotkit_tls_signature_t *asked = open_until_asked(transport, &token);
  const uint64_t late_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  assert_int_equal(transport->ops->open(transport, late_ms, detail), IK_ECONNECT_TIMEOUT);
  assert_non_null(strstr(detail, "the callback that signs"));
  transport->ops->close(transport);
  iotkit_tls_signature_fail(asked, NULL);
  tls_server_stop(server);
  token_deinit(&token);
  test_cert_free(&cert);
}

/* As many as have a thread, and one more. */
static struct waiting {
  struct tls_server *servers[IK_TLS_ASIDE_MAX + 1];
  struct ik_transport *transports[IK_TLS_ASIDE_MAX + 1];
  iotkit_tls_signature_t *asked[IK_TLS_ASIDE_MAX];
  struct token tokens[IK_TLS_ASIDE_MAX + 1];
} waiting;

static void begin_waiting(const struct test_cert *cert) {
  for (size_t i = 0; i <= IK_TLS_ASIDE_MAX; i++) {
    waiting.tokens[i] = (struct token){0};
    token_init(&waiting.tokens[i], cert);
    waiting.servers[i] = token_serve(0, NULL, NULL);
    iotkit_tls_t *tls = token_context(cert, &waiting.tokens[i]);
    waiting.transports[i] = dial(tls_server_port(waiting.servers[i]), tls);
    iotkit_tls_unref(tls);
    if (i < IK_TLS_ASIDE_MAX)
      waiting.asked[i] = open_until_asked(waiting.transports[i], &waiting.tokens[i]);
  }
}

static void end_waiting(size_t i) {
  tls_server_stop(waiting.servers[i]);
  token_deinit(&waiting.tokens[i]);
}

static bool is_socket(int fd) {
  struct sockaddr_storage address;
  socklen_t len = sizeof address;
  return getsockname(fd, (struct sockaddr *)&address, &len) == 0;
}

/* Until it waits for its turn, and no longer for its server. */
static void open_until_queued(struct ik_transport *transport) {
  for (;;) {
    assert_int_equal(transport->ops->open(transport, ik_port_now_ms(), NULL), IK_EAGAIN);
    struct ik_pollfd fd = {.fd = transport->ops->fd(transport),
                           .interest = transport->ops->interest(transport, 0)};
    if (!is_socket(fd.fd)) return;
    assert_true(ik_port_poll(&fd, 1, TEST_LIMIT_MS) > 0);
  }
}

static void a_time_out_frees_a_place(void **state) {
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct ik_transport *last;
  pthread_t thread;
  (void)state;
  begin_waiting(&cert);
  last = waiting.transports[IK_TLS_ASIDE_MAX];
  open_until_queued(last);
  assert_false(is_ready(last));
  assert_int_equal(waiting.tokens[IK_TLS_ASIDE_MAX].begun, 0);
  assert_int_equal(pthread_create(&thread, NULL, token_answer, &waiting.tokens[IK_TLS_ASIDE_MAX]),
                   0);
  const uint64_t late_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  assert_int_equal(waiting.transports[0]->ops->open(waiting.transports[0], late_ms, NULL),
                   IK_ECONNECT_TIMEOUT);
  waiting.transports[0]->ops->close(waiting.transports[0]); /* as whoever steps it does then */
  assert_int_equal(drive_open(last, NULL), 0);
  pthread_join(thread, NULL);
  echo(last);
  last->ops->close(last);
  for (size_t i = 0; i <= IK_TLS_ASIDE_MAX; i++) {
    if (i > 0 && i < IK_TLS_ASIDE_MAX) waiting.transports[i]->ops->close(waiting.transports[i]);
    if (i < IK_TLS_ASIDE_MAX) iotkit_tls_signature_fail(waiting.asked[i], NULL);
    end_waiting(i);
  }
  test_cert_free(&cert);
}

static void one_that_waits_for_its_turn_has_its_time_out(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct test_cert cert = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  (void)state;
  begin_waiting(&cert);
  struct ik_transport *last = waiting.transports[IK_TLS_ASIDE_MAX];
  open_until_queued(last);
  const uint64_t late_ms = ik_port_now_ms() + TEST_LIMIT_MS;
  assert_int_equal(last->ops->open(last, late_ms, detail), IK_ECONNECT_TIMEOUT);
  assert_non_null(strstr(detail, "it waits behind other handshakes"));
  last->ops->close(last);
  assert_int_equal(waiting.tokens[IK_TLS_ASIDE_MAX].begun, 0);
  assert_int_equal(waiting.tokens[IK_TLS_ASIDE_MAX].ended, 1);
  for (size_t i = 0; i <= IK_TLS_ASIDE_MAX; i++) {
    if (i < IK_TLS_ASIDE_MAX) {
      waiting.transports[i]->ops->close(waiting.transports[i]);
      iotkit_tls_signature_fail(waiting.asked[i], NULL);
    }
    end_waiting(i);
  }
  test_cert_free(&cert);
}

static void bad_options_are_refused(void **state) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct token token = {0};
  iotkit_tls_t *tls = NULL;
  struct iotkit_tls_options options = {
      .key = tls_cert.key, .sign_begin = token_begin, .sign_free = token_end, .sign_ctx = &token};
  (void)state;
  assert_int_equal(iotkit_tls_new(&options, &tls, detail), IK_ETLS_IDENTITY);
  assert_non_null(strstr(detail, "besides a callback"));
  options.key = NULL;
  assert_int_equal(iotkit_tls_new(&options, &tls, detail), IK_ETLS_IDENTITY);
  options.cert = tls_cert.cert;
  options.cert_name = "";
  assert_int_equal(iotkit_tls_new(&options, &tls, detail), IK_EINVALID_ARGUMENT);
  options.cert_name = NULL;
  options.ca = "no certificate";
  assert_int_equal(iotkit_tls_new(&options, &tls, detail), IK_ETLS_CA);
  assert_int_equal(token.ended, 0); /* it never began */
  iotkit_tls_signature_give(NULL, "", 0);
  iotkit_tls_signature_fail(NULL, "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(another_thread_signs_every_handshake),
      cmocka_unit_test(what_the_program_gives_wrong_has_a_code),
      cmocka_unit_test(one_thread_waits_for_many_signatures),
      cmocka_unit_test(a_connection_ends_while_its_signature_is_made),
      cmocka_unit_test(a_time_out_ends_the_wait),
      cmocka_unit_test(a_time_out_frees_a_place),
      cmocka_unit_test(one_that_waits_for_its_turn_has_its_time_out),
      cmocka_unit_test(bad_options_are_refused),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  return 0;
}

#endif
