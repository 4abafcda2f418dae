/*
 * test_mqtt_topic.c - validity and matching of topic names and filters (MQTT 3.1.1, section 4.7).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "iotkit_errors.h"
#include "mqtt/idset.h"
#include "mqtt/subs.h"
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

static void fn_a(void) {}
static void fn_b(void) {}

static struct ik_mqtt_sub *add(struct ik_mqtt_subs *subs, const char *filter, void (*fn)(void),
                               uint8_t qos) {
  struct ik_mqtt_sub *sub = NULL;
  assert_int_equal(ik_mqtt_subs_add(subs, ik_str(filter), &sub), 0);
  assert_int_equal(ik_mqtt_sub_add_handler(sub, fn, subs, qos), 0);
  return sub;
}

static size_t count_matches(const struct ik_mqtt_subs *subs, const char *topic) {
  struct ik_mqtt_matches matches;
  assert_int_equal(ik_mqtt_subs_match(subs, ik_str(topic), &matches), 0);
  const size_t count = matches.count;
  ik_mqtt_matches_free(&matches);
  return count;
}

static void table_finds_what_was_added(void **state) {
  (void)state;
  struct ik_mqtt_subs subs;
  char filter[32];
  ik_mqtt_subs_init(&subs, 600);
  for (int i = 0; i < 500; i++) {
    snprintf(filter, sizeof(filter), "/d/%d/%s", i, i % 100 ? "x" : "+");
    add(&subs, filter, fn_a, 0);
  }
  assert_int_equal(count_matches(&subs, "/d/17/x"), 1);
  assert_int_equal(count_matches(&subs, "/d/100/anything"), 1);
  assert_int_equal(count_matches(&subs, "/d/17/y"), 0);
  for (int i = 0; i < 500; i += 2) {
    snprintf(filter, sizeof(filter), "/d/%d/%s", i, i % 100 ? "x" : "+");
    struct ik_mqtt_sub *sub = ik_mqtt_subs_find(&subs, ik_str(filter));
    assert_non_null(sub);
    ik_mqtt_subs_remove(&subs, sub);
  }
  assert_int_equal(subs.count, 250);
  size_t seen = 0;
  for (struct ik_mqtt_sub *sub = ik_mqtt_subs_first(&subs); sub;
       sub = ik_mqtt_subs_next(&subs, sub))
    seen++;
  assert_int_equal(seen, 250);
  assert_int_equal(count_matches(&subs, "/d/17/x"), 1);
  assert_int_equal(count_matches(&subs, "/d/18/x"), 0);
  ik_mqtt_subs_deinit(&subs);
}

static void table_is_capped(void **state) {
  (void)state;
  struct ik_mqtt_subs subs;
  struct ik_mqtt_sub *sub;
  ik_mqtt_subs_init(&subs, 2);
  add(&subs, "a", fn_a, 0);
  add(&subs, "b", fn_a, 0);
  assert_int_equal(ik_mqtt_subs_add(&subs, ik_str("c"), &sub), IK_EQUEUE_FULL);
  assert_int_equal(ik_mqtt_subs_add(&subs, ik_str("a"), &sub), 0);
  ik_mqtt_subs_deinit(&subs);
}

static void handlers_outlive_the_table_while_referred_to(void **state) {
  (void)state;
  struct ik_mqtt_subs subs;
  struct ik_mqtt_matches matches;
  ik_mqtt_subs_init(&subs, 10);
  struct ik_mqtt_sub *sub = add(&subs, "a/b", fn_a, 0);
  add(&subs, "a/b", fn_b, 1);
  add(&subs, "a/b", fn_a, 0); /* the same again: not twice */
  add(&subs, "#", fn_a, 0);
  assert_int_equal(ik_mqtt_sub_qos(sub), 1);
  assert_int_equal(ik_mqtt_subs_match(&subs, ik_str("a/b"), &matches), 0);
  assert_int_equal(matches.count, 3);
  struct ik_mqtt_handler *taken = ik_mqtt_sub_take_handler(sub, fn_b, &subs);
  assert_non_null(taken);
  assert_true(taken->removed);
  ik_mqtt_handler_unref(taken);
  assert_int_equal(ik_mqtt_sub_qos(sub), 0);
  assert_null(ik_mqtt_sub_take_handler(sub, fn_b, &subs));
  ik_mqtt_subs_deinit(&subs);
  for (size_t i = 0; i < matches.count; i++)
    assert_true(matches.list[i]->removed);
  ik_mqtt_matches_free(&matches);
}

static void many_handlers_match(void **state) {
  (void)state;
  struct ik_mqtt_subs subs;
  struct ik_mqtt_sub *sub = NULL;
  int contexts[40];
  ik_mqtt_subs_init(&subs, 10);
  assert_int_equal(ik_mqtt_subs_add(&subs, ik_str("t/+"), &sub), 0);
  for (int i = 0; i < 40; i++)
    assert_int_equal(ik_mqtt_sub_add_handler(sub, fn_a, &contexts[i], 0), 0);
  assert_int_equal(count_matches(&subs, "t/1"), 40);
  ik_mqtt_subs_deinit(&subs);
}

static void identifiers(void **state) {
  (void)state;
  struct ik_mqtt_idset ids;
  ik_mqtt_idset_init(&ids);
  assert_int_equal(ik_mqtt_idset_take(&ids), 1);
  assert_int_equal(ik_mqtt_idset_take(&ids), 2);
  ik_mqtt_idset_remove(&ids, 1);
  assert_int_equal(ik_mqtt_idset_take(&ids), 3);
  ids.last = 65534;
  assert_int_equal(ik_mqtt_idset_take(&ids), 65535);
  assert_int_equal(ik_mqtt_idset_take(&ids), 1); /* round, past 0 */
  assert_int_equal(ik_mqtt_idset_take(&ids), 4); /* 2 and 3 are in use */
  while (ids.count < 65535)
    assert_true(ik_mqtt_idset_take(&ids) > 0);
  assert_false(ik_mqtt_idset_has(&ids, 0));
  assert_int_equal(ik_mqtt_idset_take(&ids), IK_EQUEUE_FULL);
  assert_int_equal(ik_mqtt_idset_add(&ids, 7), 0);
  for (uint32_t id = 1; id <= 65535; id++)
    ik_mqtt_idset_remove(&ids, (uint16_t)id);
  for (size_t i = 0; i < IK_MQTT_ID_PAGES; i++)
    assert_null(ids.pages[i]);
  ik_mqtt_idset_clear(&ids);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names),
      cmocka_unit_test(longest_name),
      cmocka_unit_test(filters),
      cmocka_unit_test(matching),
      cmocka_unit_test(table_finds_what_was_added),
      cmocka_unit_test(table_is_capped),
      cmocka_unit_test(handlers_outlive_the_table_while_referred_to),
      cmocka_unit_test(many_handlers_match),
      cmocka_unit_test(identifiers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
