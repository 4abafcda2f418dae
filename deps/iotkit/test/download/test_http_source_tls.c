/*
 * Downloads over TLS from servers that are strangers, or that send everything but data.
 */
#include <stdio.h>
#include <string.h>

#include "iotkit_ota.h"
#include "support/certs.h"
#include "support/cm.h"
#include "support/job_run.h"
#include "support/tls_front.h"
#include "support/tls_server.h"

#define SIZE JOB_SIZE

#if defined(IK_OPENSSL_LINKED)

/* A certificate of nobody we trust: reported at once, with the name of the host. */
static void does_not_download_from_strangers(void **state) {
  (void)state;
  static uint8_t image[SIZE];
  char detail[IOTKIT_DETAIL_MAX];
  struct test_ca *ca = test_ca_new("ca");
  struct test_ca *other = test_ca_new("other");
  struct test_cert cert = test_ca_issue(ca, "IP:127.0.0.1", -60, 3600);
  const struct iotkit_tls_options tls_options = {.ca = test_ca_pem(other)};
  struct iotkit_fetch_options options = job_quick();
  assert_int_equal(iotkit_tls_new(&tls_options, &options.tls, NULL), 0);
  struct http_server *server = http_server_start(job_serve_well, NULL);
  struct tls_front *front = tls_front_start(http_server_port(server), cert.cert, cert.key);
  iotkit_job_t *job = job_make(tls_front_port(front), "/f", &options);
  assert_int_equal(job_fetch_all(job, image, sizeof(image)), IK_ETLS_CERTIFICATE);
  iotkit_job_error(job, detail);
  assert_non_null(strstr(detail, "127.0.0.1"));
  iotkit_job_unref(job);
  tls_front_stop(front);
  assert_int_equal(http_server_stop(server), 0);
  iotkit_tls_unref(options.tls);
  test_cert_free(&cert);
  test_ca_free(other);
  test_ca_free(ca);
}

/* A peer that streams new TLS keys and no data: a call ends with its time, and an abort is heard. */
static void new_keys_hold_no_call(void **state) {
  (void)state;
  char head[128];
  char buf[4096];
  uint64_t offset = 0;
  int len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n1234", SIZE);
  struct test_ca *ca = test_ca_new("test");
  struct test_cert cert = test_ca_issue(ca, "IP:127.0.0.1", -60, 3600);
  const struct iotkit_tls_options tls_options = {.ca = test_ca_pem(ca)};
  const struct tls_server_options serve = {.cert = cert.cert,
                                           .key = cert.key,
                                           .mode = TLS_SERVER_KEYS,
                                           .text = head,
                                           .bytes = (size_t)len};
  struct iotkit_fetch_options options = job_quick();
  assert_int_equal(iotkit_tls_new(&tls_options, &options.tls, NULL), 0);
  struct tls_server *server = tls_server_start(&serve);
  iotkit_job_t *job = job_make(tls_server_port(server), "/f", &options);
  while (iotkit_job_received(job) == 0)
    assert_true(iotkit_job_fetch(job, buf, sizeof(buf), 100, &offset) >= 0);
  for (int i = 0; i < 3; i++)
    assert_int_equal(iotkit_job_fetch(job, buf, sizeof(buf), 100, &offset), 0);
  assert_int_equal(iotkit_job_received(job), 4);
  iotkit_job_abort(job);
  assert_int_equal(iotkit_job_fetch(job, buf, sizeof(buf), 30000, &offset), IK_EABORTED);
  iotkit_job_unref(job);
  tls_server_stop(server);
  iotkit_tls_unref(options.tls);
  test_cert_free(&cert);
  test_ca_free(ca);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(does_not_download_from_strangers),
      cmocka_unit_test(new_keys_hold_no_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
  return 0;
}

#endif
