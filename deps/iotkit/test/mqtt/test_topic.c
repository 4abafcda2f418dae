/* Validity and matching of topic names and filters (MQTT 3.1.1, section 4.7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mqtt/topic.h"

static void names(void **state) {
  (void)state;
  static const char *const good[] = {
      "/",     "a", "/a/b", "a//b", " ", "/ota/device/upgrade/pk/dn", "\xe6\xb8\xa9\xe5\xba\xa6",
      "$SYS/x"};
  static const char *const bad[] = {"",   "+",    "#",         "a/+",         "a/#",
                                    "a+", "\xff", "a\xc0\x80", "\xed\xa0\x80"};
  for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
    assert_true(ik_mqtt_topic_name_valid(ik_str(good[i])));
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    assert_false(ik_mqtt_topic_name_valid(ik_str(bad[i])));
  assert_false(ik_mqtt_topic_name_valid((struct ik_str){"a\0b", 3}));
}

static void longest_name(void **state) {
  (void)state;
  char *text = malloc(65536);
  assert_non_null(text);
  memset(text, 'a', 65536);
  assert_true(ik_mqtt_topic_name_valid((struct ik_str){text, 65535}));
  assert_false(ik_mqtt_topic_name_valid((struct ik_str){text, 65536}));
  assert_true(ik_mqtt_topic_filter_valid((struct ik_str){text, 65535}));
  assert_false(ik_mqtt_topic_filter_valid((struct ik_str){text, 65536}));
  free(text);
}

static void filters(void **state) {
  (void)state;
  static const char *const good[] = {"#",  "+", "a/#", "a/+/b", "+/+",
                                     "/+", "/", "a/",  "+/a/#", "//"};
  static const char *const bad[] = {"",       "a#", "#/a", "a/#/b", "a+",  "+a",
                                    "a/b+/c", "##", "++",  "a/+#",  "\x80"};
  for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
    assert_true(ik_mqtt_topic_filter_valid(ik_str(good[i])));
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
    assert_false(ik_mqtt_topic_filter_valid(ik_str(bad[i])));
}

static void matching(void **state) {
  (void)state;
  static const struct {
    const char *filter, *name;
    bool match;
  } rows[] = {
      {"a/b", "a/b", true},       {"a/b", "a/c", false},    {"a/b", "a/b/c", false},
      {"a/b/c", "a/b", false},    {"a/#", "a", true},       {"a/#", "a/b/c", true},
      {"a/#", "ab", false},       {"#", "a/b", true},       {"+", "a", true},
      {"+", "/a", false},         {"+/+", "/a", true},      {"/+", "/a", true},
      {"a/+", "a/", true},        {"a/+", "a", false},      {"a/+/c", "a/b/c", true},
      {"a/+/c", "a/b/d", false},  {"#", "$SYS/x", false},   {"+/x", "$SYS/x", false},
      {"$SYS/#", "$SYS/x", true}, {"a/", "a", false},       {"a", "a/", false},
      {"a/+/#", "a/b", true},     {"a/+/#", "a", false},    {"//", "//", true},
      {"+/+/+", "//", true},      {"a/b/#", "a/bc", false}, {"A", "a", false},
  };
  for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
    if (ik_mqtt_topic_matches(ik_str(rows[i].filter), ik_str(rows[i].name)) != rows[i].match)
      fail_msg("%s against %s", rows[i].filter, rows[i].name);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names),
      cmocka_unit_test(longest_name),
      cmocka_unit_test(filters),
      cmocka_unit_test(matching),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
