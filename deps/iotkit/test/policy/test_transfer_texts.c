/*
 * What the details of failures say: IPv6 addresses in brackets, the option that would help, and
 * nothing that the sentence of the error says already.
 */
#include <string.h>

#include "support/cm.h"
#include "support/transfer_run.h"

static void is_refused(const char *url, const struct ik_transfer_options *options, int error,
                       const char *want) {
  char detail[IOTKIT_DETAIL_MAX] = "";
  struct ik_transfer transfer;
  assert_int_equal(ik_transfer_init(&transfer, options, url, 1000, detail), error);
  assert_string_equal(detail, want);
}

static void refused_urls_name_the_option(void **state) {
  (void)state;
  const struct ik_transfer_options hosts = {.allowed_hosts = "fw.example,[::1]:8443"};
  const struct ik_transfer_options https = {.https_only = true};
  is_refused("https://evil.example./f?k=secret", &hosts, IK_EHOST_NOT_ALLOWED,
             "evil.example:443 is not in fetch.allowedHosts (allowed_hosts)");
  is_refused("https://[::1]/f", &hosts, IK_EHOST_NOT_ALLOWED,
             "[::1]:443 is not in fetch.allowedHosts (allowed_hosts)");
  is_refused("http://fw.example/f", &https, IK_ETLS_REQUIRED,
             "fw.example: the URL is of http, and fetch.httpsOnly (https_only) is set");
  is_refused("http://[fd00::1]/f", &https, IK_ETLS_REQUIRED,
             "[fd00::1]: the URL is of http, and fetch.httpsOnly (https_only) is set");
}

static struct ik_transfer start(const char *url) {
  struct ik_transfer transfer;
  const struct ik_transfer_options options = {.max_redirects = 1,
                                              .max_retries = 1,
                                              .max_tries = UINT32_MAX,
                                              .retry_min_ms = 1,
                                              .retry_max_ms = 1,
                                              .renew_timeout_ms = UINT32_MAX};
  assert_int_equal(ik_transfer_init(&transfer, &options, url, 1000, NULL), 0);
  ik_transfer_begin(&transfer, 0, 1);
  return transfer;
}

/* An error of the transport, whose detail names host and port, or nothing. */
static void transport_error(const char *url, const char *detail, const char *want) {
  struct ik_transfer transfer = start(url);
  ik_transfer_error(&transfer, IK_ECONNECTION_RESET, detail, 1, 0);
  assert_string_equal(transfer.detail, want);
  ik_transfer_free(&transfer);
}

static void a_host_is_named_once(void **state) {
  (void)state;
  transport_error("http://fw.example/f", "", "fw.example");
  transport_error("http://fw.example/f", NULL, "fw.example");
  transport_error("http://fw.example/f", "fw.example:80", "fw.example:80");
  transport_error("http://fw.example/f", "the proxy gate:3128", "fw.example: the proxy gate:3128");
  transport_error("http://[::1]/f", "", "[::1]");
  transport_error("http://[::1]/f", "[::1]:80", "[::1]:80");
  transport_error("http://[::1]/f", "no answer", "[::1]: no answer");
}

static void answer(struct ik_transfer *transfer, const char *head) {
  struct ik_http_exchange exchange;
  struct ik_buf request;
  const struct ik_transfer_sender sender = {.user_agent = "test"};
  uint8_t bytes[512];
  size_t body;
  size_t used;
  const size_t len = strlen(head);
  ik_buf_init(&request, 16384);
  ik_http_exchange_init(&exchange);
  memcpy(bytes, head, len);
  ik_transfer_connected(transfer, 1);
  assert_int_equal(ik_transfer_request(transfer, &sender, &request), 0);
  ik_transfer_sent(transfer, 1);
  assert_int_equal(ik_http_exchange_push(&exchange, bytes, len, &body, &used, NULL), 0);
  ik_transfer_head(transfer, &exchange, 1, 1, 0);
  ik_http_exchange_free(&exchange);
  ik_buf_free(&request);
}

static void one_answer(const char *url, const char *head, int error, const char *want) {
  struct ik_transfer transfer = start(url);
  answer(&transfer, head);
  assert_int_equal(transfer.error, error);
  assert_string_equal(transfer.detail, want);
  ik_transfer_free(&transfer);
}

static void answers(void **state) {
  (void)state;
  one_answer("http://[::1]:81/f", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
             IK_EHTTP_STATUS, "[::1]: answered 404 Not Found");
  one_answer("http://[::1]/f", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
             IK_EHTTP_UNAVAILABLE, "[::1]: answered 503 Busy");
  one_answer("http://[::1]/f", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", IK_ESIZE_MISMATCH,
             "[::1]: Content-Length is 5, the announced size 1000");
  one_answer("https://fw.example/f", "HTTP/1.1 302 x\r\nLocation: http://[::1]:8080/\r\n\r\n",
             IK_EHTTP_INSECURE_REDIRECT, "fw.example: leads to http://[::1]:8080");
  one_answer("http://fw.example/f", "HTTP/1.1 302 x\r\nLocation: ftp://b/\r\n\r\n", IK_EURL_SCHEME,
             "fw.example: its redirect is refused: URL with the scheme \"ftp\"");
}

static void too_many_redirects_name_the_option(void **state) {
  (void)state;
  struct ik_transfer transfer = start("http://fw.example/f");
  answer(&transfer, "HTTP/1.1 302 x\r\nLocation: /a\r\n\r\n");
  answer(&transfer, "HTTP/1.1 302 x\r\nLocation: /b\r\n\r\n");
  assert_int_equal(transfer.error, IK_EHTTP_REDIRECTS);
  assert_string_equal(transfer.detail,
                      "fw.example: more than the 1 of fetch.maxRedirects (max_redirects)");
  ik_transfer_free(&transfer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(refused_urls_name_the_option),
      cmocka_unit_test(a_host_is_named_once),
      cmocka_unit_test(answers),
      cmocka_unit_test(too_many_redirects_name_the_option),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
