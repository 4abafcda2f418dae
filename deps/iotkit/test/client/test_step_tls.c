/* A broker that streams records without data: a step stays short, and time goes on. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "iotkit_mqtt.h"
#include "support/tcp_peer.h"
#include "support/tls_client.h"

#define CONNACK "\x20\x02\x00\x00"

struct seen {
  bool connected;
  int error; /* of the end */
};

static void note(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct seen *seen = ctx;
  (void)client;
  if (event->type != IOTKIT_MQTT_EVENT_STATE) return;
  if (event->state == IOTKIT_MQTT_CONNECTED) seen->connected = true;
  if (event->state == IOTKIT_MQTT_CLOSED) seen->error = event->error;
}

/* Says `text`, then streams keys. */
static struct tls_server *serve_keys(const char *text, size_t len) {
  struct tls_server_options options = tls_serve(TLS_SERVER_KEYS, len);
  options.text = text;
  return tls_server_start(&options);
}

static iotkit_mqtt_t *client_of(struct tls_server *server, iotkit_tls_t *tls, uint32_t connect_ms,
                                struct seen *seen) {
  iotkit_mqtt_t *client = NULL;
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = tls_server_port(server),
                                              .tls = tls,
                                              .client_id = "c",
                                              .connect_timeout_ms = connect_ms,
                                              .no_reconnect = true,
                                              .on_event = note,
                                              .ctx = seen};
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  assert_int_equal(iotkit_mqtt_start(client), 0);
  return client;
}

/* New keys instead of a CONNACK: the time for connecting ends it. */
static void keys_are_no_connack(void **state) {
  (void)state;
  struct seen seen = {0};
  struct tls_server *server = serve_keys(NULL, 0);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  iotkit_mqtt_t *client = client_of(server, tls, 500, &seen);
  while (iotkit_mqtt_yield(client, 50) >= 0) {}
  assert_int_equal(seen.error, IK_ECONNECT_TIMEOUT);
  assert_false(seen.connected);
  assert_int_equal(iotkit_mqtt_free(client), 0);
  iotkit_tls_unref(tls);
  tls_server_stop(server);
}

/* Until so many bytes can be read: more than a step takes, however slow the server is. */
static void await_bytes(int fd, int bytes) {
  const int one = 1;
  struct pollfd readable = {.fd = fd, .events = POLLIN};
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes), 0);
  assert_int_equal(poll(&readable, 1, TEST_LIMIT_MS), 1);
  assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof one), 0);
}

/* Connected, with new keys for ever: each step gives the thread back and wants another at once, and
 * a stop is heard. */
static void keys_hold_no_step(void **state) {
  (void)state;
  struct seen seen = {0};
  struct tls_server *server = serve_keys(CONNACK, sizeof CONNACK - 1);
  iotkit_tls_t *tls = tls_trusting(tls_ca, NULL);
  iotkit_mqtt_t *client = client_of(server, tls, TEST_LIMIT_MS, &seen);
  while (!seen.connected)
    assert_true(iotkit_mqtt_yield(client, 50) >= 0);
  for (int i = 0; i < 5; i++) {
    await_bytes(iotkit_mqtt_fd(client), 32 * 1024);
    assert_int_equal(iotkit_mqtt_step(client, ik_port_now_ms()), 0);
    assert_int_equal(iotkit_mqtt_deadline(client), 0);
    assert_true(iotkit_mqtt_yield(client, 1) >= 0);
  }
  assert_int_equal(iotkit_mqtt_stop(client), 0);
  while (iotkit_mqtt_yield(client, 50) >= 0) {}
  assert_int_equal(seen.error, 0);
  assert_int_equal(iotkit_mqtt_get_state(client), IOTKIT_MQTT_CLOSED);
  assert_int_equal(iotkit_mqtt_free(client), 0);
  iotkit_tls_unref(tls);
  tls_server_stop(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_are_no_connack),
      cmocka_unit_test(keys_hold_no_step),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  print_message("the server of this test needs OpenSSL linked\n");
  return 0;
}

#endif
