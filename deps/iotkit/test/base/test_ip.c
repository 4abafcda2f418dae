/* IP addresses in text, and blocks of them. */
#include <arpa/inet.h>
#include <string.h>

#include "base/ip.h"
#include "support/cm.h"
#include "support/rng.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parses_addresses),
      cmocka_unit_test(agrees_with_the_system),
      cmocka_unit_test(compares_the_first_bits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
