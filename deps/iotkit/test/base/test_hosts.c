/* Hosts that a policy allows, hosts that need no proxy. */
#include <string.h>

#include "base/hosts.h"
#include "support/cm.h"
#include "support/rng.h"

/* ---- what a policy allows ---- */

static void lists_are_valid_or_not(void **state) {
  (void)state;
  static const char *const good[] = {
      "fw.example.com",
      "FW.Example.com.",
      "*.example.com",
      "*.example.com:8443",
      "a.example:1",
      "a.example , b.example",
      "10.0.0.1",
      "10.0.0.1:80",
      "[::1]",
      "[::1]:65535",
      "localhost",
      "*.com",
      "a,b,*.c,[::1],1.2.3.4:5",
  };
  static const char *const bad[] = {
      "",
      " ",
      ",",
      "a,",
      ",a",
      "a,,b",
      "*",
      "*.",
      "**.example",
      "a.*.example",
      "*a.example",
      "a.example:",
      "a.example:0",
      "a.example:65536",
      "a.example:x",
      "http://a.example",
      "a.example/x",
      "a b",
      "::1",
      "[::1",
      "::1]",
      "[::1]x",
      "[::1]:",
      "*.[::1]",
      "*.1.2.3.4",
      "127.1",
      "10.0.0.0/8",
      "user@a.example",
      "a..b",
      "\xc3\xa9.example",
      "a.example\n",
  };
  for (size_t i = 0; i < COUNT(good); i++)
    if (!ik_hosts_valid(ik_str(good[i]))) fail_msg("%s", good[i]);
  for (size_t i = 0; i < COUNT(bad); i++)
    if (ik_hosts_valid(ik_str(bad[i]))) fail_msg("%s", bad[i]);
}

struct match {
  const char *list, *host;
  uint16_t port;
  bool want;
};

static void check(const struct match *rows, size_t count,
                  bool (*match)(struct ik_str list, const char *host, uint16_t port)) {
  for (size_t i = 0; i < count; i++) {
    bool got = match(ik_str(rows[i].list), rows[i].host, rows[i].port);
    if (got != rows[i].want) {
      fail_msg("\"%s\": %s:%u is %d", rows[i].list, rows[i].host, rows[i].port, got);
    }
  }
}

static void allows_what_is_listed_and_nothing_else(void **state) {
  (void)state;
  static const struct match rows[] = {
      {"fw.example.com", "fw.example.com", 443, true},
      {"fw.example.com", "FW.EXAMPLE.COM", 443, true},
      {"FW.example.com.", "fw.example.com", 80, true},
      {"fw.example.com", "fw.example.com.", 80, true},
      {"fw.example.com", "a.fw.example.com", 443, false},
      {"fw.example.com", "xfw.example.com", 443, false},
      {"fw.example.com", "fw.example.com.evil.example", 443, false},
      {"fw.example.com", "example.com", 443, false},
      {"*.example.com", "fw.example.com", 443, true},
      {"*.example.com", "a.b.Example.Com", 443, true},
      {"*.example.com", "example.com", 443, false},
      {"*.example.com", ".example.com", 443, false},
      {"*.example.com", "fwexample.com", 443, false},
      {"*.example.com", "example.com.evil.example", 443, false},
      {"a.example:8443", "a.example", 8443, true},
      {"a.example:8443", "a.example", 443, false},
      {"a.example:8443,a.example:443", "a.example", 443, true},
      {"x.example, a.example ,y.example", "a.example", 1, true},
      {"10.0.0.1", "10.0.0.1", 80, true},
      {"10.0.0.1", "10.0.0.10", 80, false},
      {"*.0.1", "10.0.0.1", 80, false},
      {"[::1]", "::1", 80, true},
      {"[0:0::0:1]:80", "::1", 80, true},
      {"[::1]:81", "::1", 80, false},
      {"[::ffff:10.0.0.1]", "10.0.0.1", 80, false}, /* another socket, another certificate */
      {"", "a.example", 80, false},
      {",", "a.example", 80, false},
      {"not valid,a.example", "a.example", 80, true},
  };
  check(rows, COUNT(rows), ik_hosts_allow);
}

static void finds_what_needs_no_proxy(void **state) {
  (void)state;
  static const struct match rows[] = {
      {"", "a.example", 80, false},
      {"*", "a.example", 80, true},
      {"*", "::1", 80, true},
      {" * ", "10.0.0.1", 80, true},
      {"example.com", "example.com", 80, true},
      {"example.com", "fw.example.com", 80, true},
      {"example.com", "myexample.com", 80, false},
      {"example.com", "example.com.evil", 80, false},
      {"example.com.", "fw.example.com", 80, true},
      {"example.com", "fw.example.com.", 80, true},
      {"EXAMPLE.com", "fw.Example.COM", 80, true},
      {".example.com", "fw.example.com", 80, true},
      {".example.com", "example.com", 80, true},
      {"*.example.com", "fw.example.com", 80, true},
      {"*.example.com", "example.com", 80, false},
      {"fw.example.com", "example.com", 80, false},
      {"a.example,b.example", "b.example", 80, true},
      {"a.example b.example", "b.example", 80, true},
      {" , a.example ,,\tb.example, ", "b.example", 80, true},
      {"a.example:8080", "a.example", 8080, true},
      {"a.example:8080", "a.example", 80, false},
      {"a.example:x", "a.example", 80, false},
      {"a.example:0", "a.example", 80, false},
      {"localhost", "localhost", 80, true},
      {"localhost", "127.0.0.1", 80, false},
      {"10.0.0.1", "10.0.0.1", 80, true},
      {"10.0.0.1:80", "10.0.0.1", 80, true},
      {"10.0.0.1:81", "10.0.0.1", 80, false},
      {"0.0.1", "10.0.0.1", 80, false},
      {".0.0.1", "10.0.0.1", 80, false},
      {"10.0.0.0/8", "10.255.1.2", 80, true},
      {"10.0.0.0/8", "11.0.0.1", 80, false},
      {"10.0.0.0/8:443", "10.0.0.1", 443, true},
      {"10.0.0.0/8:443", "10.0.0.1", 80, false},
      {"10.0.0.0/8", "10.example", 80, false},
      {"192.168.1.128/25", "192.168.1.200", 80, true},
      {"192.168.1.128/25", "192.168.1.100", 80, false},
      {"10.0.0.0/0", "203.0.113.1", 80, true},
      {"10.0.0.0/0", "::1", 80, false},
      {"10.0.0.0/33", "10.0.0.0", 80, false},
      {"10.0.0.0/", "10.0.0.0", 80, false},
      {"10.0.0.0/x", "10.0.0.0", 80, false},
      {"::1", "::1", 80, true},
      {"[::1]", "::1", 80, true},
      {"[::1]:80", "::1", 80, true},
      {"[::1]:81", "::1", 80, false},
      {"0:0::1", "::1", 80, true},
      {"fd00::/8", "fdff::1", 80, true},
      {"fd00::/8", "fe80::1", 80, false},
      {"[fd00::]/8", "fdff::1", 80, true},
      {"[fd00::]/8:80", "fdff::1", 80, true},
      {"[fd00::/8]", "fdff::1", 80, false},
      {"fd00::/129", "fd00::", 80, false},
      {".", "a.example", 80, false},
      {"*.", "a.example", 80, false},
      {":80", "a.example", 80, false},
      {"/8", "a.example", 80, false},
      {"]", "a.example", 80, false},
      {"[", "a.example", 80, false},
  };
  check(rows, COUNT(rows), ik_hosts_no_proxy);
}

static void any_text_is_a_list(void **state) {
  (void)state;
  static const char letters[] = "ab.:,*/[]1 08-\t\x80";
  struct rng rng = rng_start("hosts");
  for (int round = 0; round < 100000; round++) {
    /* Not on the stack, so that a read after its end is seen. */
    size_t len = rng_below(&rng, 20);
    char *text = test_malloc(len + 1);
    for (size_t i = 0; i < len; i++)
      text[i] = letters[rng_below(&rng, sizeof letters - 1)];
    struct ik_str list = {text, len};
    bool valid = ik_hosts_valid(list);
    if (ik_hosts_allow(list, "a.b", 80) && !valid) assert_non_null(memchr(text, ',', len));
    ik_hosts_no_proxy(list, "a.b", 80);
    ik_hosts_no_proxy(list, "1::8", 80);
    test_free(text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_are_valid_or_not),
      cmocka_unit_test(allows_what_is_listed_and_nothing_else),
      cmocka_unit_test(finds_what_needs_no_proxy),
      cmocka_unit_test(any_text_is_a_list),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
