/*
 * Sessions of TLS that a context keeps for later connections. Against a server of the test's own on OpenSSL.
 */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <openssl/ssl.h>

#include "iotkit_mqtt.h"
#include "support/drive.h"
#include "support/tls_client.h"

static void open_and_close(uint16_t port, iotkit_tls_t *tls, bool talk) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  char buf[5];
  struct ik_transport *transport;
  assert_int_equal(tls_open_to("127.0.0.1", port, tls, &transport, detail), 0);
  if (talk) {
    assert_int_equal(drive_write_all(transport, "hello", 5, NULL), 0);
    assert_int_equal(drive_read_all(transport, buf, 5, NULL), 0); /* tickets come with it */
  }
  transport->ops->close(transport);
}

/* Many devices that connect at once resume with what the ones before them were given. */
static void each_ticket_serves_one_connection(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  struct tls_server *server = tls_server_start(&options);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  open_and_close(tls_server_port(server), tls, true); /* brings two tickets */
  for (size_t i = 0; i < 3; i++)                      /* which two of these take */
    open_and_close(tls_server_port(server), tls, false);
  iotkit_tls_unref(tls);
  struct tls_server_counts counts = tls_server_stop(server);
  assert_int_equal(counts.handshakes, 4);
  assert_int_equal(counts.resumed, 2);
}

static void only_the_newest_64_tickets_are_kept(void **state) {
  (void)state;
  enum { KEPT = 64 };
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.tickets = KEPT + 5;
  struct tls_server *server = tls_server_start(&options);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  open_and_close(tls_server_port(server), tls, true);
  for (size_t i = 0; i < KEPT + 1; i++)
    open_and_close(tls_server_port(server), tls, i == KEPT);
  iotkit_tls_unref(tls);
  struct tls_server_counts counts = tls_server_stop(server);
  assert_int_equal(counts.handshakes, KEPT + 2);
  assert_int_equal(counts.resumed, KEPT);
}

static void a_session_of_tls_1_2_serves_any_number(void **state) {
  (void)state;
  struct tls_server_options options = tls_serve(TLS_SERVER_ECHO, 0);
  options.max_version = TLS1_2_VERSION;
  struct tls_server *server = tls_server_start(&options);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  for (size_t i = 0; i < 4; i++)
    open_and_close(tls_server_port(server), tls, true);
  iotkit_tls_unref(tls);
  struct tls_server_counts counts = tls_server_stop(server);
  assert_int_equal(counts.resumed, 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_ticket_serves_one_connection),
      cmocka_unit_test(only_the_newest_64_tickets_are_kept),
      cmocka_unit_test(a_session_of_tls_1_2_serves_any_number),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
