/* Addresses in text, hosts that a policy allows, hosts that need no proxy. */
#include <arpa/inet.h>
#include <string.h>

#include "base/hosts.h"
#include "base/ip.h"
#include "support/cm.h"
#include "support/rng.h"

/* ---- addresses ---- */

static void parses_addresses(void **state) {
  (void)state;
  static const char *const good[] = {
      "0.0.0.0",
      "255.255.255.255",
      "10.0.0.1",
      "::",
      "::1",
      "1::",
      "1:2:3:4:5:6:7:8",
      "::2:3",
      "1:2:3:4:5:6:7::",
      "::2:3:4:5:6:7:8",
      "fd00::a:B",
      "::ffff:10.0.0.1",
      "1:2:3:4:5:6:1.2.3.4",
      "64:ff9b::1.2.3.4",
      "::1.2.3.4",
  };
  static const char *const bad[] = {
      "",
      ".",
      "1",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.256",
      "01.2.3.4",
      "1.2.3.4.",
      ".1.2.3.4",
      "1..2.3",
      "1.2.3.-4",
      "1.2.3.0x4",
      ":",
      ":::",
      "1:2",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "::1::",
      "1:::2",
      "1:2:3:4:5:6:7:",
      ":1:2:3:4:5:6:7",
      "12345::",
      "g::",
      "::1%1",
      "[::1]",
      "::1 ",
      "1:2:3:4:5:6:7:8::",
      "::1:2:3:4:5:6:7:8",
      "::1.2.3",
      "1.2.3.4::",
      "::1.2.3.4:5",
      "1:2:3:4:5:6:7:1.2.3.4",
  };
  for (size_t i = 0; i < COUNT(good); i++) {
    struct ik_ip ip;
    uint8_t want[16];
    if (!ik_ip_parse(ik_str(good[i]), &ip)) fail_msg("%s", good[i]);
    assert_int_equal(inet_pton(ip.bits == 32 ? AF_INET : AF_INET6, good[i], want), 1);
    assert_memory_equal(ip.bytes, want, ip.bits / 8);
  }
  for (size_t i = 0; i < COUNT(bad); i++) {
    struct ik_ip ip;
    if (ik_ip_parse(ik_str(bad[i]), &ip)) fail_msg("%s", bad[i]);
  }
}

/* The system's parser is the oracle, on texts made of what addresses are made of. */
static void agrees_with_the_system(void **state) {
  (void)state;
  static const char letters[] = "0123456789abcdefF::::..%x";
  struct rng rng = rng_start("ip");
  unsigned good = 0;
  for (int round = 0; round < 200000; round++) {
    char text[48];
    uint8_t want[16];
    struct ik_ip ip;
    size_t len;
    if (round % 2 == 0) {
      len = rng_below(&rng, 16);
      for (size_t i = 0; i < len; i++)
        text[i] = letters[rng_below(&rng, sizeof letters - 1)];
      text[len] = '\0';
    } else { /* a good one with a change */
      uint8_t bytes[16];
      for (size_t i = 0; i < 16; i++)
        bytes[i] = rng_below(&rng, 3) == 0 ? (uint8_t)rng_u64(&rng) : 0;
      inet_ntop(round % 4 == 1 ? AF_INET : AF_INET6, bytes, text, sizeof text);
      if (rng_below(&rng, 2) == 0)
        text[rng_below(&rng, strlen(text))] = letters[rng_below(&rng, sizeof letters - 1)];
    }
    int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
    bool wanted = inet_pton(family, text, want) == 1;
    bool got = ik_ip_parse(ik_str(text), &ip);
    /* glibc lets the IPv4 part of an IPv6 address have leading zeros; RFC 4291 has none. */
    if (wanted && !got && family == AF_INET6 && strchr(text, '.') != NULL) continue;
    if (got != wanted) fail_msg("%s: %d", text, got);
    if (!got) continue;
    good++;
    assert_memory_equal(ip.bytes, want, ip.bits / 8);
  }
  assert_true(good > 10000);
}

static void compares_the_first_bits(void **state) {
  (void)state;
  struct ik_ip a, b, c;
  assert_true(ik_ip_parse(IK_STR("10.1.2.128"), &a) && ik_ip_parse(IK_STR("10.1.3.0"), &b) &&
              ik_ip_parse(IK_STR("::"), &c));
  assert_true(ik_ip_eq(&a, &b, 0) && ik_ip_eq(&a, &b, 8) && ik_ip_eq(&a, &b, 23));
  assert_false(ik_ip_eq(&a, &b, 24));
  assert_false(ik_ip_eq(&a, &b, 32));
  assert_true(ik_ip_eq(&a, &a, 32));
  assert_false(ik_ip_eq(&a, &a, 33));
  assert_false(ik_ip_eq(&a, &c, 0));
}

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
    /* Not on the stack, so that a read behind it is seen. */
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
      cmocka_unit_test(parses_addresses),
      cmocka_unit_test(agrees_with_the_system),
      cmocka_unit_test(compares_the_first_bits),
      cmocka_unit_test(lists_are_valid_or_not),
      cmocka_unit_test(allows_what_is_listed_and_nothing_else),
      cmocka_unit_test(finds_what_needs_no_proxy),
      cmocka_unit_test(any_text_is_a_list),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
