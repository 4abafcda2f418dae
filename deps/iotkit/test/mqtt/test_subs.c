/* The subscription table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "iotkit_errors.h"
#include "mqtt/subs.h"

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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(table_finds_what_was_added),
      cmocka_unit_test(table_is_capped),
      cmocka_unit_test(handlers_outlive_the_table_while_referred_to),
      cmocka_unit_test(many_handlers_match),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
