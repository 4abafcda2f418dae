/* Registrations over TLS, by both faces: a broker that answers, one that is silent, and servers that
 * refuse the certificate of the device. */
#include "support/cmocka_all.h"

#if defined(IK_OPENSSL_LINKED)

#include <stdlib.h>
#include <string.h>

#include "iotkit_register.h"
#include "support/mini_broker.h"
#include "support/tcp_peer.h"
#include "support/tls_client.h"
#include "support/tls_front.h"

#define NAMES "{\"productKey\":\"pk\",\"deviceName\":\"dn\"}"
#define SECRET "{\"productKey\":\"pk\",\"deviceName\":\"dn\",\"deviceSecret\":\"ds\"}"

struct platform {
  struct mini_broker *broker;
  struct tls_front *front;
  iotkit_tls_t *tls;
  struct iotkit_register_options options;
};

static void open_platform(struct platform *platform) {
  platform->broker = mini_broker_start();
  platform->front =
      tls_front_start(mini_broker_port(platform->broker), tls_cert.cert, tls_cert.key);
  platform->tls = tls_trusting(tls_ca, NULL);
  platform->options = (struct iotkit_register_options){.host = "127.0.0.1",
                                                       .port = tls_front_port(platform->front),
                                                       .tls = platform->tls,
                                                       .product_key = "pk",
                                                       .device_name = "dn",
                                                       .product_secret = "ps",
                                                       .connect_timeout_ms = TEST_LIMIT_MS,
                                                       .answer_timeout_ms = TEST_LIMIT_MS};
}

static void close_platform(struct platform *platform) {
  tls_front_stop(platform->front);
  mini_broker_stop(platform->broker);
  iotkit_tls_unref(platform->tls);
}

static void blocking(void **state) {
  struct platform platform;
  struct iotkit_credentials got;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  open_platform(&platform);
  mini_broker_greet(platform.broker, 0, "/ext/register", SECRET);
  int rc = iotkit_register(&platform.options, &got, detail);
  if (rc != 0) print_error("%s\n", detail);
  assert_int_equal(rc, 0);
  assert_string_equal(got.device_secret, "ds");
  assert_true(mini_broker_wait_disconnects(platform.broker, 1));
  mini_broker_greet(platform.broker, 4, NULL, NULL);
  assert_int_equal(iotkit_register(&platform.options, &got, detail), IK_EREGISTER_REFUSED);
  assert_string_equal(got.device_secret, "");
  close_platform(&platform);
}

static void by_readiness(void **state) {
  struct platform platform;
  iotkit_registration_t *registration;
  int rc;
  (void)state;
  open_platform(&platform);
  mini_broker_greet(platform.broker, 0, "/ext/register", SECRET);
  assert_int_equal(iotkit_registration_new(&platform.options, &registration, NULL), 0);
  while ((rc = iotkit_registration_step(registration, ik_port_now_ms())) == IK_EAGAIN) {
    const uint64_t now_ms = ik_port_now_ms();
    const uint64_t deadline_ms = iotkit_registration_deadline(registration);
    struct ik_pollfd fd = {.fd = iotkit_registration_fd(registration),
                           .interest = iotkit_registration_interest(registration)};
    assert_true(deadline_ms <= now_ms + TEST_LIMIT_MS);
    if (deadline_ms > now_ms) (void)ik_port_poll(&fd, 1, (uint32_t)(deadline_ms - now_ms));
  }
  assert_int_equal(rc, 0);
  assert_string_equal(iotkit_registration_credentials(registration)->device_secret, "ds");
  iotkit_registration_free(registration);
  close_platform(&platform);
}

static void a_wait_can_be_cut_short(void **state) {
  struct platform platform;
  iotkit_registration_t *registration;
  (void)state;
  open_platform(&platform);
  assert_int_equal(iotkit_registration_new(&platform.options, &registration, NULL), 0);
  assert_int_equal(iotkit_registration_wait(registration, 1), IK_EAGAIN);
  iotkit_registration_interrupt(registration);
  assert_int_equal(iotkit_registration_wait(registration, UINT32_MAX), IK_EINTERRUPTED);
  assert_int_equal(iotkit_registration_result(registration), IK_EAGAIN);
  iotkit_registration_free(registration);
  close_platform(&platform);
}

static void a_silent_platform(void **state) {
  struct platform platform;
  struct iotkit_credentials got;
  char detail[IOTKIT_DETAIL_MAX] = "";
  (void)state;
  open_platform(&platform);
  platform.options.answer_timeout_ms = 1;
  assert_int_equal(iotkit_register(&platform.options, &got, detail), IK_EREGISTER_NO_ANSWER);
  assert_non_null(strstr(detail, "no answer"));
  close_platform(&platform);
}

/* ---- by certificate ---- */

static iotkit_tls_t *identity(const struct test_cert *cert) {
  const struct iotkit_tls_options options = {
      .ca = test_ca_pem(tls_ca), .cert = cert->cert, .key = cert->key};
  return tls_context(&options);
}

static void names_of_a_certificate(void **state) {
  struct test_cert own = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct mini_broker *broker = mini_broker_start();
  struct tls_front *front = tls_front_start_for(mini_broker_port(broker), tls_cert.cert,
                                                tls_cert.key, test_ca_pem(tls_other_ca));
  iotkit_tls_t *tls = identity(&own);
  struct iotkit_register_options options = {.kind = IOTKIT_REGISTER_X509,
                                            .host = "127.0.0.1",
                                            .port = tls_front_port(front),
                                            .tls = tls,
                                            .answer_timeout_ms = TEST_LIMIT_MS};
  struct iotkit_credentials got;
  (void)state;
  mini_broker_greet(broker, 0, IOTKIT_IDENTITY_TOPIC, NAMES);
  assert_int_equal(iotkit_register(&options, &got, NULL), 0);
  assert_string_equal(got.product_key, "pk");
  assert_string_equal(got.device_name, "dn");
  assert_string_equal(got.device_secret, "");
  tls_front_stop(front);
  mini_broker_stop(broker);
  iotkit_tls_unref(tls);
  test_cert_free(&own);
}

static void expect_refused(const struct test_cert *cert, const char *crl, int error) {
  struct tls_server_options serve = tls_serve(TLS_SERVER_SINK, SIZE_MAX);
  serve.client_ca = test_ca_pem(tls_other_ca);
  serve.client_crl = crl;
  struct tls_server *server = tls_server_start(&serve);
  iotkit_tls_t *tls = cert ? identity(cert) : tls_trusting(tls_ca, NULL);
  struct iotkit_register_options options = {.kind = IOTKIT_REGISTER_X509,
                                            .host = "127.0.0.1",
                                            .port = tls_server_port(server),
                                            .tls = tls,
                                            .connect_timeout_ms = TEST_LIMIT_MS};
  struct iotkit_credentials got;
  char detail[IOTKIT_DETAIL_MAX] = "";
  int rc = iotkit_register(&options, &got, detail);
  if (rc != error) print_error("%d: %s\n", rc, detail);
  assert_int_equal(rc, error);
  assert_int_equal(tls_server_stop(server).handshakes, 0);
  iotkit_tls_unref(tls);
}

static void refused_certificates(void **state) {
  struct test_cert wrong = test_ca_issue(tls_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  struct test_cert expired = test_ca_issue(tls_other_ca, "DNS:device", -2 * TLS_DAY, -TLS_DAY);
  struct test_cert revoked = test_ca_issue(tls_other_ca, "DNS:device", -TLS_DAY, TLS_DAY);
  char *crl = test_ca_revoke(tls_other_ca, &revoked);
  (void)state;
  expect_refused(NULL, NULL, IK_ETLS_CLIENT_CERTIFICATE);
  expect_refused(&wrong, NULL, IK_ETLS_CLIENT_CERTIFICATE);
  expect_refused(&expired, NULL, IK_ETLS_CLIENT_EXPIRED);
  expect_refused(&revoked, crl, IK_ETLS_CLIENT_REVOKED);
  free(crl);
  test_cert_free(&revoked);
  test_cert_free(&expired);
  test_cert_free(&wrong);
}

/* ---- on one connection ---- */

struct met {
  struct iotkit_credentials names;
  bool done;
};

static void on_event(void *ctx, iotkit_mqtt_t *client, const struct iotkit_mqtt_event *event) {
  struct met *met = ctx;
  (void)client;
  if (event->type != IOTKIT_MQTT_EVENT_MESSAGE) return;
  assert_int_equal(event->message->topic_len, strlen(IOTKIT_IDENTITY_TOPIC));
  assert_int_equal(
      iotkit_identity_read(event->message->payload, event->message->payload_len, &met->names, NULL),
      0);
  met->done = true;
}

/* A client that stays connected learns its names, too. */
static void a_client_learns_its_names(void **state) {
  struct platform platform;
  struct met met = {.done = false};
  const struct iotkit_sign_options who = {.tls = true, .x509 = true};
  struct iotkit_sign_in sign;
  iotkit_mqtt_t *client;
  (void)state;
  open_platform(&platform);
  mini_broker_greet(platform.broker, 0, IOTKIT_IDENTITY_TOPIC, NAMES);
  assert_int_equal(iotkit_sign(&who, &sign, NULL), 0);
  const struct iotkit_mqtt_options options = {.host = "127.0.0.1",
                                              .port = platform.options.port,
                                              .tls = platform.tls,
                                              .client_id = sign.client_id,
                                              .username = sign.username,
                                              .password = sign.password,
                                              .on_event = on_event,
                                              .ctx = &met};
  assert_int_equal(iotkit_mqtt_new(&options, &client, NULL), 0);
  assert_int_equal(iotkit_mqtt_start(client), 0);
  while (!met.done)
    assert_int_equal(iotkit_mqtt_yield(client, TEST_LIMIT_MS), 0);
  assert_string_equal(met.names.device_name, "dn");
  assert_int_equal(iotkit_mqtt_get_state(client), IOTKIT_MQTT_CONNECTED);
  assert_int_equal(iotkit_mqtt_free(client), 0);
  close_platform(&platform);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocking),
      cmocka_unit_test(by_readiness),
      cmocka_unit_test(a_wait_can_be_cut_short),
      cmocka_unit_test(a_silent_platform),
      cmocka_unit_test(names_of_a_certificate),
      cmocka_unit_test(refused_certificates),
      cmocka_unit_test(a_client_learns_its_names),
  };
  return cmocka_run_group_tests(tests, tls_make_certs, tls_free_certs);
}

#else

int main(void) {
  print_message("the servers of this test need OpenSSL linked\n");
  return 0;
}

#endif
