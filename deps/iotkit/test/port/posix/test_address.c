/* Addresses in text. */
#include "port/port.h"
#include "support/cmocka_all.h"

static void literals_are_told_from_names(void **state) {
  (void)state;
  static const char *const names[] = {
      "",          "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1",
      "[::1]",     "::1%",      "::g",   "1.2.3.4 ",  "::1%no such interface",
      "1:2:3:4:5", "::1%0"};
  struct ik_address address = {.family = 99};
  for (size_t i = 0; i < TEST_COUNT(names); i++)
    assert_false(ik_address_parse(names[i], 1, &address));
  assert_int_equal(address.family, 99);
}

static void check_text(const char *host, uint16_t port, const char *expected) {
  char text[IK_ADDRESS_TEXT_MAX];
  struct ik_address address;
  assert_true(ik_address_parse(host, port, &address));
  ik_address_text(&address, text);
  assert_string_equal(text, expected);
}

static void addresses_are_written_with_port(void **state) {
  (void)state;
  check_text("127.0.0.1", 80, "127.0.0.1:80");
  check_text("2001:DB8:0:0::1", 65535, "[2001:db8::1]:65535");
  check_text("fe80::1%lo", 1, "[fe80::1%1]:1");
  check_text("fe80::1%77", 1, "[fe80::1%77]:1");
  check_text("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%4294967295", 65535,
             "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(literals_are_told_from_names),
      cmocka_unit_test(addresses_are_written_with_port),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
