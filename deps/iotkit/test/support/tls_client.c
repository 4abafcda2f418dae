#if defined(IK_OPENSSL_LINKED)

#include "tls_client.h"

#include "cmocka_all.h"
#include "drive.h"
#include "tcp_peer.h"

struct test_ca *tls_ca, *tls_other_ca;
struct test_cert tls_cert;

int tls_make_certs(void **state) {
  (void)state;
  tls_ca = test_ca_new("test CA");
  tls_other_ca = test_ca_new("another CA");
  tls_cert =
      test_ca_issue(tls_ca, "DNS:localhost,DNS:*.device.example,IP:127.0.0.1", -TLS_DAY, TLS_DAY);
  return 0;
}

int tls_free_certs(void **state) {
  (void)state;
  test_cert_free(&tls_cert);
  test_ca_free(tls_other_ca);
  test_ca_free(tls_ca);
  return 0;
}

struct tls_server_options tls_serve(enum tls_server_mode mode, size_t bytes) {
  return (struct tls_server_options){
      .cert = tls_cert.cert, .key = tls_cert.key, .mode = mode, .bytes = bytes};
}

iotkit_tls_t *tls_context(const struct iotkit_tls_options *options) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  iotkit_tls_t *tls = NULL;
  int rc = iotkit_tls_new(options, &tls, detail);
  if (rc != 0) print_error("%s\n", detail);
  assert_int_equal(rc, 0);
  return tls;
}

iotkit_tls_t *tls_trusting(const struct test_ca *trusted, const char *cert_name) {
  struct iotkit_tls_options options = {.ca = test_ca_pem(trusted), .cert_name = cert_name};
  return tls_context(&options);
}

int tls_open_to(const char *host, uint16_t port, iotkit_tls_t *tls, struct ik_transport **out,
                char *detail) {
  struct ik_dial how = {.host = host, .port = port, .tls = tls, .timeout_ms = TEST_LIMIT_MS};
  assert_int_equal(ik_net_dial(NULL, &how, ik_port_now_ms(), out, detail), 0);
  return drive_open(*out, detail);
}

/* Opens and gives the context back: the connection must live on its own reference. */
struct ik_transport *tls_open_ok(uint16_t port, iotkit_tls_t *tls) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transport *transport;
  int rc = tls_open_to("127.0.0.1", port, tls, &transport, detail);
  if (rc != 0) print_error("%s\n", detail);
  assert_int_equal(rc, 0);
  iotkit_tls_unref(tls);
  return transport;
}

#else
typedef int test_tls_client_unused;
#endif
