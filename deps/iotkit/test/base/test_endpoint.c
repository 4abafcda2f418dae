/* Hosts and ports as texts show them. */
#include "base/endpoint.h"

#include <string.h>

#include "support/cm.h"

static void hosts_and_ports(void **state) {
  static const struct {
    const char *host;
    uint16_t port;
    const char *want;
  } rows[] = {
      {"fw.example", 80, "fw.example:80"},
      {"fw.example", 0, "fw.example"},
      {"127.0.0.1", 65535, "127.0.0.1:65535"},
      {"::1", 443, "[::1]:443"},
      {"::1", 0, "[::1]"},
      {"fe80::1%eth0", 1883, "[fe80::1%eth0]:1883"},
      {"fw.example.", 80, "fw.example.:80"},
      {"", 80, ":80"},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++)
    assert_string_equal(ik_endpoint(rows[i].host, rows[i].port).text, rows[i].want);
}

static void a_host_that_is_too_long_is_cut(void **state) {
  char host[2 * IK_HOST_MAX];
  (void)state;
  memset(host, 'a', sizeof(host) - 1);
  host[sizeof(host) - 1] = '\0';
  struct ik_endpoint endpoint = ik_endpoint(host, 65535);
  assert_int_equal(strlen(endpoint.text), IK_HOST_MAX + strlen(":65535"));
  host[0] = ':';
  assert_int_equal(strlen(ik_endpoint(host, 65535).text), IK_ENDPOINT_MAX - 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(hosts_and_ports),
      cmocka_unit_test(a_host_that_is_too_long_is_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
