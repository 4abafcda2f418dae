/* The root's dot after a host's name: for the resolver, and for nobody else. */
#include <string.h>

#include "base/hosts.h"
#include "base/url.h"
#include "base/url_host.h"
#include "support/cm.h"

static struct ik_url parse(const char *text) {
  struct ik_url url;
  assert_int_equal(ik_url_parse(ik_str(text), &url, NULL), 0);
  return url;
}

static void only_names_are_rooted(void **state) {
  static const struct {
    const char *text, *host, *authority;
    bool is_rooted;
  } rows[] = {
      {"http://fw.example/", "fw.example", "fw.example", false},
      {"http://fw.example./", "fw.example", "fw.example", true},
      {"https://FW.Example.:8443/a.", "fw.example", "fw.example:8443", true},
      {"http://localhost.", "localhost", "localhost", true},
      {"http://127.0.0.1./", "127.0.0.1", "127.0.0.1", false},
      {"http://[::1]/.", "::1", "[::1]", false},
  };
  (void)state;
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_url url = parse(rows[i].text);
    assert_string_equal(url.host, rows[i].host);
    assert_string_equal(url.authority, rows[i].authority);
    if (url.host_is_rooted != rows[i].is_rooted) fail_msg("%s", rows[i].text);
    ik_url_free(&url);
  }
}

static void a_redirect_on_the_same_host_keeps_the_dot(void **state) {
  static const struct {
    const char *reference;
    bool is_rooted;
  } rows[] = {
      {"/b", true},
      {"?c", true},
      {"", true},
      {"//fw.example/b", false},
      {"https://fw.example/b", false},
      {"https://other.example./b", true},
  };
  (void)state;
  struct ik_url base = parse("https://fw.example./a");
  for (size_t i = 0; i < COUNT(rows); i++) {
    struct ik_url url;
    assert_int_equal(ik_url_resolve(&base, ik_str(rows[i].reference), &url, NULL), 0);
    if (url.host_is_rooted != rows[i].is_rooted) fail_msg("%s", rows[i].reference);
    ik_url_free(&url);
  }
  ik_url_free(&base);
}

static void lists_of_hosts_do_without(void **state) {
  (void)state;
  assert_true(ik_hosts_allow(IK_STR("fw.example."), "fw.example", 80));
  assert_true(ik_hosts_allow(IK_STR("*.example.:80"), "fw.example", 80));
  assert_true(ik_hosts_no_proxy(IK_STR("fw.example."), "fw.example", 80));
}

/* The longest name there is, and its dot, have room. */
static void the_dot_has_room(void **state) {
  char host[IK_HOST_MAX + 1];
  (void)state;
  memset(host, 'a', sizeof(host));
  host[253] = '\0';
  ik_url_host_add_dot(host);
  assert_int_equal(strlen(host), 254);
  assert_int_equal(host[253], '.');
  memset(host, 'a', IK_HOST_MAX);
  host[IK_HOST_MAX] = '\0';
  ik_url_host_add_dot(host);
  assert_int_equal(strlen(host), IK_HOST_MAX);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_names_are_rooted),
      cmocka_unit_test(a_redirect_on_the_same_host_keeps_the_dot),
      cmocka_unit_test(lists_of_hosts_do_without),
      cmocka_unit_test(the_dot_has_room),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
